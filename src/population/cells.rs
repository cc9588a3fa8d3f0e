//! What each object says about the population, as numbers on a grid of theta_e.
//!
//! The likelihood of one object is the integral of p(theta | lambda) q(theta) / p(theta | training), where q is the
//! network's posterior. All three distributions are held as probabilities in the cells of one grid in ln theta_e, so that
//! the integral is sum_j P_j(lambda) Q_j / T_j. The sum has no random error, and it is finite however narrow a distribution
//! is.

use super::prior::TrainingPrior;
use super::shape::Population;
use rayon::prelude::*;

/// The posterior of an object as the grid needs it.
pub(super) trait Posterior: Sync {
    /// P(a < theta_e <= b).
    fn between(&self, a: f64, b: f64) -> f64;

    /// Quantiles at [`LEVELS`](crate::posterior::mixture::LEVELS), arcsec.
    fn quantiles(&self) -> [f64; 5];
}

/// The largest and smallest number of cells.
const CELLS: [f64; 2] = [100.0, 4000.0];
/// Cells per half width of a posterior.
const PER_WIDTH: f64 = 3.0;
/// The fraction of the posteriors that may be narrower than is resolved by [`PER_WIDTH`] cells.
const NARROWER: f64 = 0.05;
/// Radii below this fraction of the smallest median are not on the grid.
const SMALLEST: f64 = 0.02;
/// The grid reaches this many times further from the median than the 95 % interval of a posterior does.
const REACH: f64 = 4.0;
/// A cell with less than this fraction of the posterior is left out.
const NEGLIGIBLE: f64 = 1e-9;

/// Probabilities of all objects on a grid.
#[derive(Debug)]
pub(super) struct Cells {
    /// ln theta_e at the edges of the cells, ascending.
    edges: Vec<f64>,
    objects: Vec<Object>,
}

/// The ratios of one object.
#[derive(Debug)]
struct Object {
    /// The first cell with a ratio.
    first: usize,
    /// Q_j / T_j, up to a factor that is the same for all cells.
    ratios: Vec<f64>,
    /// The fraction of the posterior on positive radii that the prior does not allow.
    outside: f64,
}

impl Cells {
    /// The grid of these posteriors, which must not be empty.
    pub fn new<P: Posterior>(posteriors: &[P], prior: &TrainingPrior) -> Cells {
        let edges = edges(posteriors, prior);
        let theta: Vec<f64> = edges.iter().map(|u| u.exp()).collect();
        let training: Vec<f64> = theta.windows(2).map(|ends| prior.between(ends[0], ends[1])).collect();
        let objects = posteriors
            .par_iter()
            .map(|p| Object::new(p, &theta, &training, prior))
            .collect();
        Cells { edges, objects }
    }

    /// For each object, the fraction of its posterior that lies where the prior has no support.
    pub fn outside(&self) -> impl Iterator<Item = f64> {
        self.objects.iter().map(|object| object.outside)
    }

    /// ln theta_e at both ends of the grid.
    pub fn range(&self) -> [f64; 2] {
        [self.edges[0], self.edges[self.edges.len() - 1]]
    }

    /// ln of the likelihood of a population, up to a constant; minus infinity if it is impossible.
    pub fn log_likelihood(&self, population: &Population) -> f64 {
        let mut probabilities = vec![0.0; self.edges.len() - 1];
        population.add_cells(&self.edges, &mut probabilities);
        let of_object = |object: &Object| {
            let cells = &probabilities[object.first..object.first + object.ratios.len()];
            dot(cells, &object.ratios).ln()
        };
        self.objects.iter().map(of_object).sum()
    }
}

/// The sum of products, by four partial sums, which is three times as fast as one.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a4, b4) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = a4.remainder().iter().zip(b4.remainder()).map(|(a, b)| a * b).sum();
    let mut sums = [0.0; 4];
    for (a, b) in a4.zip(b4) {
        for lane in 0..4 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    rest + (sums[0] + sums[1]) + (sums[2] + sums[3])
}

impl Object {
    /// `theta` are the edges of the cells in arcsec, `training` the probability of the prior in each.
    fn new(posterior: &impl Posterior, theta: &[f64], training: &[f64], prior: &TrainingPrior) -> Object {
        let [low, high] = reach(posterior.quantiles());
        let last = training.len() - 1;
        let first = theta.partition_point(|edge| *edge <= low).saturating_sub(1).min(last);
        let end = theta.partition_point(|edge| *edge < high).clamp(first + 1, last + 1);
        let inside: Vec<f64> = (first..end)
            .map(|j| posterior.between(theta[j], theta[j + 1]))
            .collect();
        let sum: f64 = inside.iter().sum();
        let positive = posterior.between(0.0, f64::INFINITY);
        let outside = match prior.support() {
            _ if positive <= 0.0 => 1.0,
            Some([low, high]) => (posterior.between(0.0, low) + posterior.between(high, f64::INFINITY)) / positive,
            None => 0.0,
        };
        let kept = |probability: &f64| *probability > NEGLIGIBLE * sum;
        let start = inside.iter().position(kept).unwrap_or(0);
        let stop = inside.iter().rposition(kept).map_or(start, |last| last + 1);
        let mut ratios: Vec<f64> = (start..stop).map(|j| inside[j] / training[first + j]).collect();
        let largest = ratios.iter().copied().fold(0.0, f64::max);
        ratios.iter_mut().for_each(|ratio| *ratio /= largest);
        Object {
            first: first + start,
            ratios,
            outside,
        }
    }
}

/// Where a posterior can be: its 95 % interval, stretched.
fn reach(quantiles: [f64; 5]) -> [f64; 2] {
    let [low, _, median, _, high] = quantiles;
    [median - REACH * (median - low), median + REACH * (high - median)]
}

/// The edges of the cells, ln theta_e.
fn edges<P: Posterior>(posteriors: &[P], prior: &TrainingPrior) -> Vec<f64> {
    let all: Vec<[f64; 5]> = posteriors.iter().map(Posterior::quantiles).collect();
    let smallest_of = |values: &dyn Fn(&[f64; 5]) -> f64| all.iter().map(values).fold(f64::INFINITY, f64::min);
    let smallest = smallest_of(&|q| if q[2] > 0.0 { q[2] } else { f64::INFINITY });
    // Without a positive median, no object can be used.
    let floor = SMALLEST * if smallest.is_finite() { smallest } else { 1.0 };
    let mut low = smallest_of(&|q| reach(*q)[0]).max(floor);
    let mut high = (-smallest_of(&|q| -reach(*q)[1])).max(low);
    if let Some([least, most]) = prior.support() {
        // At least the floor, because the support may begin at 0.
        low = low.max(least).min(most);
        high = high.max(least).min(most);
    }
    // Even where all posteriors are narrower than can be resolved, or none is in the support, there is a grid.
    let (mut low, mut high) = (low.ln(), high.ln());
    if high - low < 1e-6 {
        (low, high) = (low - 1e-6, high + 1e-6);
    }
    let mut widths: Vec<f64> = all
        .iter()
        .filter(|q| q[1] > 0.0)
        .map(|q| 0.5 * (q[3] / q[1]).ln())
        .collect();
    widths.sort_by(f64::total_cmp);
    let width = widths
        .get((NARROWER * widths.len() as f64) as usize)
        .copied()
        .unwrap_or(f64::INFINITY);
    let cells = (PER_WIDTH * (high - low) / width).clamp(CELLS[0], CELLS[1]).ceil();
    let step = (high - low) / cells;
    (0..=cells as usize).map(|j| low + step * j as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::Shape;
    use crate::posterior::quantiles::{SCORES, normal_between};

    /// ln theta_e is normal with this mean and standard deviation.
    struct LogNormal(f64, f64);

    impl Posterior for LogNormal {
        fn between(&self, a: f64, b: f64) -> f64 {
            normal_between((a.ln() - self.0) / self.1, (b.ln() - self.0) / self.1)
        }

        fn quantiles(&self) -> [f64; 5] {
            SCORES.map(|z| (self.0 + self.1 * z).exp())
        }
    }

    struct Negative;

    impl Posterior for Negative {
        fn between(&self, _: f64, _: f64) -> f64 {
            0.0
        }

        fn quantiles(&self) -> [f64; 5] {
            [0.0; 5]
        }
    }

    const PRIOR: TrainingPrior = TrainingPrior::LogNormal { mu: 0.4, sigma: 0.5 };

    /// Measurements of ln theta_e and their errors, and the posteriors under the prior.
    fn measured() -> (Vec<[f64; 2]>, Vec<LogNormal>) {
        let data: Vec<[f64; 2]> = (0..40)
            .map(|i| {
                let i = f64::from(i);
                [0.3 * (7.0 * i).sin(), 0.08 + 0.3 * i / 40.0]
            })
            .collect();
        let posterior = |&[measured, error]: &[f64; 2]| {
            let variance = 1.0 / (error.powi(-2) + 4.0);
            LogNormal(variance * (measured / error.powi(2) + 0.4 * 4.0), variance.sqrt())
        };
        let posteriors = data.iter().map(posterior).collect();
        (data, posteriors)
    }

    #[test]
    fn the_likelihood_of_normal_measurements_is_the_analytic_one() {
        let (data, posteriors) = measured();
        let cells = Cells::new(&posteriors, &PRIOR);
        let found = |mu: f64, sigma: f64| cells.log_likelihood(&Shape::LOG_NORMAL.population(&[mu, sigma]));
        let exact = |mu: f64, sigma: f64| -> f64 {
            let of = |[measured, error]: &[f64; 2]| {
                let variance = error * error + sigma * sigma;
                -0.5 * ((measured - mu).powi(2) / variance + variance.ln())
            };
            data.iter().map(of).sum()
        };
        for (mu, sigma) in [(0.05, 0.2), (-0.1, 0.3), (0.1, 0.05), (0.0, 0.5)] {
            let difference = found(mu, sigma) - found(0.0, 0.25) - (exact(mu, sigma) - exact(0.0, 0.25));
            assert!(difference.abs() < 0.1, "mu {mu}, sigma {sigma}: {difference}");
        }
        // A population far narrower than a cell, and an impossible one.
        assert!(found(0.0, 1e-9).is_finite());
        assert!((found(0.0, 1e-9) - found(0.0, 1e-5)).abs() < 1e-3);
        assert_eq!(
            found(0.0, 0.1).total_cmp(&found(30.0, 0.1)),
            std::cmp::Ordering::Greater
        );
        assert_eq!(found(30.0, 0.1), f64::NEG_INFINITY);
    }

    #[test]
    fn what_the_prior_does_not_allow_is_outside() {
        let prior = TrainingPrior::Uniform { low: 1.0, high: 2.0 };
        let posteriors = [LogNormal(0.0, 0.1), LogNormal(0.4, 0.05), LogNormal(2.0, 0.1)];
        let outside: Vec<f64> = Cells::new(&posteriors, &prior).outside().collect();
        assert!(
            (outside[0] - 0.5).abs() < 1e-6 && outside[1] < 1e-6 && outside[2] > 0.999,
            "{outside:?}"
        );
        // Further below the objects than the grid reaches.
        let far = Cells::new(&[LogNormal(6.0, 0.1)], &prior);
        assert_eq!(far.outside().collect::<Vec<_>>(), [1.0]);
        for prior in [prior, TrainingPrior::None] {
            assert_eq!(Cells::new(&[Negative], &prior).outside().collect::<Vec<_>>(), [1.0]);
        }
    }
}
