//! The map of levels of largest posterior density.
//!
//! If G is calibrated, s(t) of the true values are logistic. The logarithm of the likelihood of a row therefore is
//! log_logistic(s(t)) + d(x) plus a constant. The prior of `shift` and of d(0) is a standard normal; from there outwards d
//! is a random walk in x of variance `rate`^2 per unit (a first-order P-spline: Eilers & Marx 1996, Stat. Sci. 11, 89). So
//! the map is a straight line where few rows constrain it, and follows the rows where many do: the number of knots need
//! not depend on the number of rows. `rate` is the one of largest evidence in Laplace's approximation (MacKay 1992, Neural
//! Comput. 4, 415).
//!
//! Rows are counted on a fine grid of x, so that the cost does not depend on their number. Rows beyond the last knot are
//! counted there: one error of 60 sigma is not worth more than one of 7.

use super::log_logistic;
use nalgebra::{DMatrix, DVector};

/// Distance of the knots in x.
const SPACING: f64 = 0.5;
/// Knots on either side of 0; the last at |t| = 32, 8 sigma of a Gaussian.
const KNOTS: usize = 7;
/// Steps of the grid per knot.
const STEPS: usize = 20;
/// Parameters: `shift`, then d at every knot.
const PARAMETERS: usize = 2 + 2 * KNOTS;
/// Candidates for the three widths of the prior.
const LEVELS: [f64; 3] = [0.03, 0.2, 1.0];
const TRENDS: [f64; 3] = [0.03, 0.2, 1.0];
const RATES: [f64; 4] = [0.03, 0.3, 1.0, 3.0];

/// `shift` and the slopes at the knots, see [`Spline`](super::Spline), from t of the true values.
pub(super) fn fit(logits: &[f64]) -> (f64, Vec<[f64; 2]>) {
    let counts = counts(logits);
    let priors = LEVELS
        .iter()
        .flat_map(|level| TRENDS.iter().flat_map(move |trend| RATES.iter().map(move |rate| prior(*level, *trend, *rate))));
    let fits = priors.map(|prior| maximum(&counts, &prior));
    let best = fits.max_by(|a, b| a.evidence.total_cmp(&b.evidence));
    let parameters = best.expect("there are candidates").parameters;
    let knot = |k: usize| {
        let x = SPACING * (k as f64 - KNOTS as f64);
        [x.abs().exp_m1().copysign(x), parameters[1 + k].exp()]
    };
    (parameters[0], (0..=2 * KNOTS).map(knot).collect())
}

/// The number of rows at each node of the grid, from 0 outwards, for t < 0 and for t >= 0. A row between two nodes counts
/// for both, in proportion.
fn counts(logits: &[f64]) -> [Vec<f64>; 2] {
    let last = KNOTS * STEPS;
    let mut counts = [vec![0.0; last + 1], vec![0.0; last + 1]];
    for t in logits {
        let at = (t.abs().ln_1p() * STEPS as f64 / SPACING).min(last as f64);
        let below = (at as usize).min(last - 1);
        let side = &mut counts[usize::from(*t >= 0.0)];
        side[below] += below as f64 + 1.0 - at;
        side[below + 1] += at - below as f64;
    }
    counts
}

struct Maximum {
    parameters: DVector<f64>,
    /// ln of the evidence, up to a constant.
    evidence: f64,
}

/// The largest posterior density for a rate of the random walk, by Newton's method with halved steps.
fn maximum(counts: &[Vec<f64>; 2], prior: &DMatrix<f64>) -> Maximum {
    let mut parameters = DVector::zeros(PARAMETERS);
    let mut now = Expansion::new(counts, prior, &parameters);
    for _ in 0..100 {
        let Some(factor) = now.hessian.clone().cholesky() else { break };
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
    let log_det = |m: &DMatrix<f64>| m.clone().cholesky().map_or(f64::INFINITY, |c| 2.0 * c.l().map_diagonal(f64::ln).sum());
    Maximum {
        evidence: -now.value + 0.5 * (log_det(prior) - log_det(&now.hessian)),
        parameters,
    }
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
        add(&[(knot(0), -1.0), (knot(1), 1.0)], trend * SPACING);
        for k in 1..KNOTS {
            let terms = [(knot(k - 1), 1.0), (knot(k), -2.0), (knot(k + 1), 1.0)];
            add(&terms, rate * SPACING.powf(1.5));
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
        let of_prior = prior * parameters;
        let mut sum = Expansion {
            value: 0.5 * parameters.dot(&of_prior),
            gradient: of_prior,
            hessian: prior.clone(),
        };
        for (counts, sign) in counts.iter().zip([-1.0, 1.0]) {
            sum.add_side(counts, sign, parameters);
        }
        sum
    }

    fn add_side(&mut self, counts: &[f64], sign: f64, parameters: &DVector<f64>) {
        let mut s = parameters[0];
        // ds/dparameters, and the second derivatives of s times the sign.
        let mut first = DVector::zeros(PARAMETERS);
        first[0] = 1.0;
        let mut second = DMatrix::zeros(PARAMETERS, PARAMETERS);
        for (node, &count) in counts.iter().enumerate() {
            if node > 0 {
                // One step outwards, by the midpoint rule.
                let [start, end] = [node - 1, node].map(|node| node as f64 * SPACING / STEPS as f64);
                let weights = weights(node as f64 - 0.5, sign);
                let d: f64 = weights.iter().map(|&(k, weight)| weight * parameters[k]).sum();
                let step = d.exp() * (end.exp() - start.exp());
                s += sign * step;
                for (i, a) in weights {
                    first[i] += sign * step * a;
                    for (j, b) in weights {
                        second[(i, j)] += step * a * b;
                    }
                }
            }
            if count == 0.0 {
                continue;
            }
            let weights = weights(node as f64, sign);
            let d: f64 = weights.iter().map(|&(k, weight)| weight * parameters[k]).sum();
            let tanh = (0.5 * s).tanh();
            self.value -= count * (log_logistic(s) + d);
            self.gradient.axpy(count * tanh, &first, 1.0);
            for (k, weight) in weights {
                self.gradient[k] -= count * weight;
            }
            self.hessian.ger(count * 0.5 * (1.0 - tanh * tanh), &first, &first, 1.0);
            self.hessian += &second * (count * (sign * tanh).max(0.0));
        }
    }
}

/// The two parameters of d at a place on the grid, and their weights.
fn weights(node: f64, sign: f64) -> [(usize, f64); 2] {
    let at = node / STEPS as f64;
    let below = (at as usize).min(KNOTS - 1);
    let index = |k: usize| if sign < 0.0 { 1 + KNOTS - k } else { 1 + KNOTS + k };
    let above = at - below as f64;
    [(index(below), 1.0 - above), (index(below + 1), above)]
}
