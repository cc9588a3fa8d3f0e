//! The map of levels, by penalised likelihood and an average over the posterior distribution of its parameters.
//!
//! If G is calibrated, s(t) of the true values are logistic. The logarithm of the likelihood of a row therefore is
//! log_logistic(s(t)) + d(x) plus a constant. In the prior, `shift` and d(0) are normal deviates of width `level`, the
//! slopes of d on either side of 0 of width `trend`, and outwards from there each slope is a random walk in x of variance
//! `rate`^2 per unit (a P-spline: Eilers & Marx 1996, Stat. Sci. 11, 89; Wahba 1978, J. R. Stat. Soc. B 40, 364). So d is a
//! straight line, the tail a power law or a Gaussian, where few rows constrain it, and follows the rows where many do: the
//! knots need not depend on the number of rows. The three widths are those of largest evidence in Laplace's approximation
//! (MacKay 1992, Neural Comput. 4, 415).
//!
//! The stored map is not the most probable one but the average over all of them, in which intervals are a little wider.
//!
//! Rows are counted on a fine grid of x, so that the cost does not depend on their number.

use super::{STEEPEST, log_logistic};
use nalgebra::{DMatrix, DVector};
use std::f64::consts::PI;

/// Places of the knots in |x|: closest where the levels of intervals are, and up to |t| = 1800, 60 sigma of a Gaussian.
const PLACES: [f64; 11] = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.5, 6.0, 7.5];
/// Knots on either side of 0.
const KNOTS: usize = PLACES.len() - 1;
/// Steps of the grid between two knots.
const STEPS: usize = 10;
/// Nodes of the grid on either side, without 0.
const NODES: usize = KNOTS * STEPS;
/// Parameters: `shift`, then d at every knot.
const PARAMETERS: usize = 2 + 2 * KNOTS;
/// Averaging multiplies no tail by more than this: far beyond the last row, nothing is known but the prior.
const MOST_AVERAGED: f64 = 30.0;
/// Averaging makes no slope smaller than this fraction of the most probable one.
const LEAST_RATIO: f64 = 0.1;
/// The expected slope of d beyond x = 1.5; -1/2 is an exponential in sigma, -1 a power law.
const HEAVIER: f64 = -0.7;
/// Candidates for the three widths of the prior.
const LEVELS: [f64; 3] = [0.03, 0.2, 1.0];
const TRENDS: [f64; 2] = [0.3, 1.0];
const RATES: [f64; 4] = [0.03, 0.3, 1.0, 3.0];

/// `shift` and the slopes at the knots, see [`Spline`](super::Spline), from t of the true values.
pub(super) fn fit(logits: &[f64]) -> (f64, Vec<[f64; 2]>) {
    let counts = counts(logits);
    let priors = LEVELS.iter().flat_map(|level| {
        let of_level = move |trend| RATES.iter().map(move |rate| prior(*level, trend, *rate));
        TRENDS.into_iter().flat_map(of_level)
    });
    let fits = priors.map(|prior| maximum(&counts, &prior));
    let best = fits.max_by(|a, b| a.evidence.total_cmp(&b.evidence));
    let (shift, mut slopes) = best.expect("there are candidates").predictive();
    // Beyond the last row, a tail is neither lighter than that of the mixture, where one outlier would cost too much, nor
    // heavier than a power law.
    let [lowest, highest] = [f64::min, f64::max].map(|extreme| logits.iter().copied().fold(0.0, extreme));
    for side in [-1, 1] {
        for k in 1..=KNOTS {
            let [inner, at] = [k - 1, k].map(|k| KNOTS.wrapping_add_signed(side * k as isize));
            let beyond = slopes[at][0] < lowest || slopes[at][0] > highest;
            let power_law = slopes[inner][1] * (PLACES[k - 1] - PLACES[k]).exp();
            let slope = &mut slopes[at][1];
            *slope = if beyond { slope.min(1.0).max(power_law) } else { *slope }.clamp(1.0 / STEEPEST, STEEPEST);
        }
    }
    (shift, slopes)
}

/// |x| of a node of the grid, or of a place between two nodes.
fn place(node: f64) -> f64 {
    let at = node / STEPS as f64;
    let below = (at as usize).min(KNOTS - 1);
    PLACES[below] + (at - below as f64) * (PLACES[below + 1] - PLACES[below])
}

/// The number of rows at each node of the grid, from 0 outwards, for t < 0 and for t >= 0. A row between two nodes counts
/// for both, in proportion.
fn counts(logits: &[f64]) -> [Vec<f64>; 2] {
    let places: Vec<f64> = (0..=NODES).map(|node| place(node as f64)).collect();
    let mut counts = [vec![0.0; NODES + 1], vec![0.0; NODES + 1]];
    for t in logits {
        let x = t.abs().ln_1p().min(places[NODES]);
        let above = places.partition_point(|place| *place < x).max(1);
        let fraction = (x - places[above - 1]) / (places[above] - places[above - 1]);
        let side = &mut counts[usize::from(*t >= 0.0)];
        side[above - 1] += 1.0 - fraction;
        side[above] += fraction;
    }
    counts
}

struct Maximum {
    parameters: DVector<f64>,
    hessian: DMatrix<f64>,
    /// ln of the evidence, up to a constant.
    evidence: f64,
}

/// The largest posterior density for a rate of the random walk, by Newton's method with halved steps.
fn maximum(counts: &[Vec<f64>; 2], prior: &DMatrix<f64>) -> Maximum {
    let mut parameters = DVector::zeros(PARAMETERS);
    let mut now = Expansion::new(counts, prior, &parameters);
    for _ in 0..100 {
        let Some(factor) = now.hessian.clone().cholesky() else {
            break;
        };
        let step = factor.solve(&now.gradient);
        let gain = step.dot(&now.gradient);
        let mut size = 1.0;
        let next = loop {
            let next = &parameters - &step * size;
            let expansion = Expansion::new(counts, prior, &next);
            if expansion.value <= now.value - 1e-4 * size * gain || size < 1e-6 {
                break (next, expansion);
            }
            size *= 0.5;
        };
        let converged = now.value - next.1.value < 1e-9;
        (parameters, now) = next;
        if converged {
            break;
        }
    }
    let log_det = |m: &DMatrix<f64>| {
        m.clone()
            .cholesky()
            .map_or(f64::INFINITY, |c| 2.0 * c.l().map_diagonal(f64::ln).sum())
    };
    Maximum {
        evidence: -now.value + 0.5 * (log_det(prior) - log_det(&now.hessian)),
        hessian: now.hessian,
        parameters,
    }
}

impl Maximum {
    /// `shift` and slopes of the map that is averaged over the parameters' posterior distribution, which is normal with
    /// the inverse of the Hessian as covariance: E[G] = logistic(s / sqrt(1 + pi v / 8)), where v is the variance of s
    /// (MacKay 1992, Neural Comput. 4, 720, eq. 10). Without it, intervals from few rows would be too narrow.
    fn predictive(self) -> (f64, Vec<[f64; 2]>) {
        let factor = self.hessian.cholesky().expect("positive, as the prior is");
        let moderated = |sweep: &Sweep| {
            let variance = sweep.first.dot(&factor.solve(&sweep.first));
            let moderated = sweep.s / (1.0 + PI * variance / 8.0).sqrt();
            let least = (sweep.s.abs() - MOST_AVERAGED.ln()).max(0.0);
            moderated.abs().max(least).copysign(sweep.s)
        };
        let mut slopes = Vec::new();
        let mut shift = 0.0;
        for sign in [-1.0, 1.0] {
            let mut sweep = Sweep::new(sign, &self.parameters);
            let mut s = vec![moderated(&sweep)];
            shift = s[0];
            let mut plain = vec![sweep.s];
            for _ in 0..NODES {
                sweep.step();
                s.push(moderated(&sweep));
                plain.push(sweep.s);
            }
            // From 0 on one side only.
            for (k, place) in PLACES.iter().enumerate().skip(usize::from(sign > 0.0)) {
                // Between the nodes on either side of the knot.
                let (from, to) = ((k * STEPS).saturating_sub(1), (k * STEPS + 1).min(NODES));
                let ratio = (s[to] - s[from]) / (plain[to] - plain[from]);
                let slope = ratio.max(LEAST_RATIO) * self.parameters[sweep.parameter(k)].exp();
                slopes.push([sign * place.exp_m1(), slope]);
            }
        }
        slopes.sort_by(|a, b| a[0].total_cmp(&b[0]));
        // Not -0.
        slopes[KNOTS][0] = 0.0;
        (shift, slopes)
    }
}

/// The mean of the prior: beyond 2 sigma of a Gaussian, tails between an exponential and a power law.
fn expected() -> DVector<f64> {
    DVector::from_fn(PARAMETERS, |i, _| match i {
        0 => 0.0,
        _ => HEAVIER * (PLACES[(i - 1).abs_diff(KNOTS)] - 1.5).max(0.0),
    })
}

/// The inverse covariance of the parameters.
fn prior(level: f64, trend: f64, rate: f64) -> DMatrix<f64> {
    let mut prior = DMatrix::zeros(PARAMETERS, PARAMETERS);
    // A weighted sum of parameters is a normal deviate of this width.
    let mut add = |terms: &[(usize, f64)], width: f64| {
        for (i, a) in terms {
            for (j, b) in terms {
                prior[(*i, *j)] += a * b / (width * width);
            }
        }
    };
    let centre = 1 + KNOTS;
    add(&[(0, 1.0)], level);
    add(&[(centre, 1.0)], level);
    for sign in [-1, 1] {
        let knot = |k: usize| centre.wrapping_add_signed(sign * k as isize);
        let width = |k: usize| PLACES[k + 1] - PLACES[k];
        add(&[(knot(0), -1.0), (knot(1), 1.0)], trend * width(0));
        for k in 1..KNOTS {
            // The difference of the slopes of d on either side of the knot.
            let (inner, outer) = (1.0 / width(k - 1), 1.0 / width(k));
            let terms = [(knot(k - 1), inner), (knot(k), -inner - outer), (knot(k + 1), outer)];
            add(&terms, rate * (0.5 * (width(k - 1) + width(k))).sqrt());
        }
    }
    prior
}

/// -ln of the posterior density, with its derivatives. Of the second derivatives, the parts that would make the matrix
/// indefinite are left out; they vanish where s and t have the same sign.
struct Expansion {
    value: f64,
    gradient: DVector<f64>,
    hessian: DMatrix<f64>,
}

impl Expansion {
    fn new(counts: &[Vec<f64>; 2], prior: &DMatrix<f64>, parameters: &DVector<f64>) -> Expansion {
        let distance = parameters - expected();
        let of_prior = prior * &distance;
        let mut sum = Expansion {
            value: 0.5 * distance.dot(&of_prior),
            gradient: of_prior,
            hessian: prior.clone(),
        };
        for (counts, sign) in counts.iter().zip([-1.0, 1.0]) {
            sum.add_side(counts, sign, parameters);
        }
        sum
    }

    fn add_side(&mut self, counts: &[f64], sign: f64, parameters: &DVector<f64>) {
        let mut sweep = Sweep::new(sign, parameters);
        for (node, &count) in counts.iter().enumerate() {
            if node > 0 {
                sweep.step();
            }
            if count == 0.0 {
                continue;
            }
            let (s, tanh) = (sweep.s, (0.5 * sweep.s).tanh());
            self.value -= count * (log_logistic(s) + sweep.d(node as f64));
            self.gradient.axpy(count * tanh, &sweep.first, 1.0);
            for (k, weight) in sweep.weights(node as f64) {
                self.gradient[k] -= count * weight;
            }
            self.hessian
                .ger(count * 0.5 * (1.0 - tanh * tanh), &sweep.first, &sweep.first, 1.0);
            self.hessian += &sweep.second * (count * (sign * tanh).max(0.0));
        }
    }
}

/// The map and its derivatives by the parameters at a node of the grid, moving outwards from t = 0.
struct Sweep<'a> {
    sign: f64,
    parameters: &'a DVector<f64>,
    node: usize,
    s: f64,
    first: DVector<f64>,
    /// Second derivatives times the sign.
    second: DMatrix<f64>,
}

impl<'a> Sweep<'a> {
    fn new(sign: f64, parameters: &'a DVector<f64>) -> Sweep<'a> {
        let mut first = DVector::zeros(PARAMETERS);
        first[0] = 1.0;
        Sweep {
            sign,
            parameters,
            node: 0,
            s: parameters[0],
            first,
            second: DMatrix::zeros(PARAMETERS, PARAMETERS),
        }
    }

    /// To the next node, by the midpoint rule.
    fn step(&mut self) {
        let [start, end] = [self.node, self.node + 1].map(|node| place(node as f64).exp());
        let middle = self.node as f64 + 0.5;
        let step = self.d(middle).exp() * (end - start);
        self.s += self.sign * step;
        for (i, a) in self.weights(middle) {
            self.first[i] += self.sign * step * a;
            for (j, b) in self.weights(middle) {
                self.second[(i, j)] += step * a * b;
            }
        }
        self.node += 1;
    }

    fn d(&self, node: f64) -> f64 {
        self.weights(node)
            .iter()
            .map(|&(k, weight)| weight * self.parameters[k])
            .sum()
    }

    /// The two parameters of d at a place on the grid, and their weights.
    fn weights(&self, node: f64) -> [(usize, f64); 2] {
        let at = node / STEPS as f64;
        let below = (at as usize).min(KNOTS - 1);
        let above = at - below as f64;
        [(self.parameter(below), 1.0 - above), (self.parameter(below + 1), above)]
    }

    /// The index of d at a knot.
    fn parameter(&self, knot: usize) -> usize {
        if self.sign < 0.0 {
            1 + KNOTS - knot
        } else {
            1 + KNOTS + knot
        }
    }
}
