//! By how many sigma a radius contradicts a posterior.

use crate::likelihood::Likelihood;
use crate::posterior::mixture::Mixture;
use crate::survey::predictions::ObjectPosterior;

/// The smallest probability that is told apart from 0: 37 sigma.
const SMALLEST: f64 = 1e-300;

/// Errors of a model are followed to this many sigma.
const REACH: f64 = 38.0;

/// Steps per sigma of the model, or of the posterior if that is narrower, as far as [`MOST_STEPS`] suffice.
const STEPS: f64 = 8.0;
const MOST_STEPS: f64 = 256.0;

/// P(Z > z) of a standard normal Z.
pub(super) fn normal_tail(z: f64) -> f64 {
    Likelihood::Gaussian.tail(z)
}

/// The probability of the tail of the posterior beyond a radius with a normal `error` (arcsec), and the number of sigma of a
/// normal distribution with that tail, positive if the radius is larger than predicted.
///
/// With the true radius theta and the model's radius m, the tail is the smaller one of P(theta < m + e) and P(theta > m + e),
/// where e is the model's error, and theta is positive. For a normal posterior this is
/// (m - mean) / sqrt(sigma^2 + error^2).
pub(super) fn tension(posterior: &ObjectPosterior, radius: f64, error: f64) -> [f64; 2] {
    let positive = posterior.above(0.0);
    let tails = |x: f64| match x > 0.0 {
        true => [posterior.between(0.0, x) / positive, posterior.above(x) / positive],
        false => [0.0, 1.0],
    };
    let [below, above] = match error > 0.0 {
        true => convolved(tails, radius, error, width(posterior)),
        false => tails(radius),
    };
    let tail = below.min(above).clamp(SMALLEST, 0.5);
    let z = Mixture::gaussian(0.0, 1.0).upper_quantile(tail);
    [tail, if below < above { -z } else { z }]
}

/// The distance between the 16 and 84 % quantiles, halved.
fn width(posterior: &ObjectPosterior) -> f64 {
    let quantiles = posterior.quantiles();
    0.5 * (quantiles[3] - quantiles[1])
}

/// The mean of the tails over normal errors, by the trapezoidal rule, which converges exponentially for smooth functions.
fn convolved(tails: impl Fn(f64) -> [f64; 2], radius: f64, error: f64, width: f64) -> [f64; 2] {
    let per_sigma = (STEPS * (error / width).max(1.0)).min(MOST_STEPS).ceil();
    let count = (REACH * per_sigma) as i64;
    let (mut sum, mut below, mut above) = (0.0, 0.0, 0.0);
    for i in -count..=count {
        let z = i as f64 / per_sigma;
        let weight = (-0.5 * z * z).exp();
        let [b, a] = tails(radius + error * z);
        sum += weight;
        below += weight * b;
        above += weight * a;
    }
    [below / sum, above / sum]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posterior::calibration::PredictiveDistribution;
    use crate::posterior::quantiles::{SCORES, ThroughQuantiles};

    fn rebuilt(quantiles: [f64; 5]) -> ObjectPosterior<'static> {
        ObjectPosterior::Rebuilt(ThroughQuantiles::at_levels(quantiles).unwrap(), quantiles)
    }

    fn members(likelihood: Likelihood, mu: &[f64], var: &[f64]) -> ObjectPosterior<'static> {
        let mixture = Mixture::new(likelihood, mu, var).unwrap();
        let distribution = PredictiveDistribution::of(&mixture, None);
        let quantiles = distribution.prediction().quantiles;
        ObjectPosterior::Predicted(distribution, quantiles)
    }

    fn assert_close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
    }

    /// For a normal posterior the sigmas are added in quadrature.
    #[test]
    fn of_a_normal_posterior_it_is_the_distance_in_sigma() {
        for posterior in [
            rebuilt(SCORES.map(|z| 2.0 + 0.1 * z)),
            members(Likelihood::Gaussian, &[2.0, 2.0], &[0.01, 0.01]),
        ] {
            for (radius, error, tolerance) in [
                (2.05, 0.0, 1e-9),
                (2.9, 0.0, 1e-6),
                (1.2, 0.0, 1e-6),
                (2.3, 0.1, 1e-6),
                (1.5, 0.02, 1e-6),
                (3.0, 0.3, 1e-6),
                (2.2, 0.001, 1e-6),
            ] {
                let [tail, n_sigma] = tension(&posterior, radius, error);
                let expected = (radius - 2.0) / 0.1f64.hypot(error);
                assert_close(n_sigma, expected, tolerance);
                assert_close(tail / normal_tail(expected.abs()), 1.0, 1e-4);
            }
        }
    }

    /// A prediction that is narrow against the error of the model.
    #[test]
    fn an_error_much_larger_than_the_posterior() {
        let posterior = rebuilt(SCORES.map(|z| 2.0 + 1e-4 * z));
        for z in [0.3, 1.0, 2.5, 4.0] {
            assert_close(tension(&posterior, 2.0 + 0.2 * z, 0.2)[1], z, 2e-3);
        }
    }

    /// P(theta > x) / P(theta > 0) of the normal distribution behind quantiles that are written as 0.
    #[test]
    fn the_posterior_is_truncated_at_zero() {
        let quantiles = SCORES.map(|z| (0.1 + 0.2 * z).max(0.0));
        let normal = Mixture::gaussian(0.1, 0.2);
        let exact = |x: f64| Mixture::gaussian(0.0, 1.0).upper_quantile(normal.sf(x) / normal.sf(0.0));
        let posterior = rebuilt(quantiles);
        for x in [0.01, 0.2, 0.6] {
            assert_close(tension(&posterior, x, 0.0)[1], exact(x), 1e-9);
        }
    }

    /// Two members that disagree: the tail of each side is half that of the member on that side.
    #[test]
    fn of_a_mixture_it_is_the_tail_and_not_the_distance() {
        let posterior = members(Likelihood::Gaussian, &[1.0, 3.0], &[0.01, 0.01]);
        let [tail, n_sigma] = tension(&posterior, 3.3, 0.0);
        assert_close(tail / (0.5 * normal_tail(3.0)), 1.0, 1e-6);
        assert!(n_sigma > 3.0 && n_sigma < 3.3);
        // Between the members nothing is in a tail.
        assert!(tension(&posterior, 2.0, 0.0)[1].abs() < 1e-6);
    }

    #[test]
    fn what_is_impossible_has_a_limit() {
        let posterior = rebuilt(SCORES.map(|z| 2.0 + 1e-3 * z));
        let [tail, n_sigma] = tension(&posterior, 50.0, 0.0);
        assert_eq!(tail, SMALLEST);
        assert!(n_sigma > 37.0 && n_sigma < 37.1, "{n_sigma}");
        let [_, n_sigma] = tension(&posterior, 1e-3, 0.0);
        assert!(n_sigma < -37.0, "{n_sigma}");
    }
}
