//! The distribution of an object's Einstein radius: truncated at 0, since a radius is positive, and renormalised.

use crate::likelihood::Likelihood;
use crate::posterior::mixture::{LEVELS, Mixture};
use crate::posterior::quantiles::{SCORES, below_zero};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Open01, StandardNormal};

/// The largest Einstein radius: 180 degrees, arcsec.
pub(super) const LARGEST: f64 = 648_000.0;

/// The smallest: less than that of a planet, arcsec.
pub(super) const SMALLEST: f64 = 1e-9;

/// p(theta_e | theta_e > 0), arcsec.
pub(crate) struct Radius {
    untruncated: Untruncated,
    /// P(theta_e > 0) before the truncation.
    positive: f64,
}

/// The distribution before the truncation.
enum Untruncated {
    /// The mixture of the members.
    Members(Mixture),
    /// The quantiles at [`LEVELS`]. They are interpolated and extrapolated linearly as a function of the standard
    /// normal score z, which reconstructs a Gaussian exactly.
    Quantiles([f64; 5]),
}

/// Without at least this probability of being positive, a radius is unknown.
const MIN_POSITIVE: f64 = 1e-12;

impl Radius {
    /// The mixture of the members, arcsec; `None` if it does not extend above 0.
    pub(super) fn from_mixture(mixture: Mixture) -> Option<Radius> {
        let positive = mixture.sf(0.0);
        Radius::new(Untruncated::Members(mixture), positive)
    }

    /// A distribution with these quantiles at [`LEVELS`], arcsec; `None` if they are not finite and increasing, or if
    /// it does not extend above 0. Quantiles of 0 stand for negative ones.
    pub(crate) fn from_quantiles(mut q: [f64; 5]) -> Option<Radius> {
        if !(q.iter().all(|q| q.is_finite()) && q.is_sorted()) {
            return None;
        }
        below_zero(&mut q);
        let positive = standard_normal().cdf(-score_of_zero(&q));
        Radius::new(Untruncated::Quantiles(q), positive)
    }

    fn new(untruncated: Untruncated, positive: f64) -> Option<Radius> {
        (positive > MIN_POSITIVE).then_some(Radius { untruncated, positive })
    }

    /// The 97.5 % quantile, arcsec.
    pub(super) fn largest(&self) -> f64 {
        self.quantile(LEVELS[4])
    }

    /// The fraction that was cut off: P(theta_e <= 0) before the truncation.
    pub(super) fn cut(&self) -> f64 {
        1.0 - self.positive
    }

    /// Quantile at the probability `p`, 0 < p < 1.
    pub(super) fn quantile(&self, p: f64) -> f64 {
        let above = ((1.0 - p) * self.positive).clamp(f64::MIN_POSITIVE, 1.0 - f64::EPSILON);
        let theta_e = match &self.untruncated {
            Untruncated::Members(mixture) => mixture.upper_quantile(above),
            Untruncated::Quantiles(q) => at_score(q, standard_normal().upper_quantile(above)),
        };
        theta_e.max(SMALLEST)
    }

    /// Quantiles at [`LEVELS`].
    pub(crate) fn quantiles(&self) -> [f64; 5] {
        LEVELS.map(|p| self.quantile(p))
    }

    /// One random theta_e.
    pub(super) fn draw(&self, rng: &mut ChaCha8Rng) -> f64 {
        if self.positive < 0.05 {
            return self.quantile(Open01.sample(rng));
        }
        loop {
            let theta_e = match &self.untruncated {
                Untruncated::Members(mixture) => mixture.sample(rng),
                Untruncated::Quantiles(q) => at_score(q, StandardNormal.sample(rng)),
            };
            if theta_e > 0.0 {
                return theta_e;
            }
        }
    }
}

fn standard_normal() -> Mixture {
    Mixture::new(Likelihood::Gaussian, &[0.0], &[1.0]).expect("a valid mixture")
}

/// The value at the score z: on the segment between two quantiles that contains z, or on the first or last one.
fn at_score(q: &[f64; 5], z: f64) -> f64 {
    let i = SCORES[1..4].iter().filter(|knot| z > **knot).count();
    q[i] + (q[i + 1] - q[i]) * (z - SCORES[i]) / (SCORES[i + 1] - SCORES[i])
}

/// The largest score whose value is not positive; infinite if the values are constant beyond the outer quantiles.
fn score_of_zero(q: &[f64; 5]) -> f64 {
    let i = q[1..4].iter().filter(|q| **q <= 0.0).count();
    if q[i] == q[i + 1] {
        return if q[i] > 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    SCORES[i] - q[i] * (SCORES[i + 1] - SCORES[i]) / (q[i + 1] - q[i])
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn assert_close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
    }

    fn gaussians(mu: &[f64], var: &[f64]) -> Option<Radius> {
        Radius::from_mixture(Mixture::new(Likelihood::Gaussian, mu, var).unwrap())
    }

    fn gaussian(mu: f64, sigma: f64) -> [Radius; 2] {
        [
            gaussians(&[mu], &[sigma * sigma]).unwrap(),
            Radius::from_quantiles(SCORES.map(|z| mu + sigma * z)).unwrap(),
        ]
    }

    #[test]
    fn far_above_zero_the_distribution_is_unchanged() {
        let mixture = Mixture::new(Likelihood::Gaussian, &[1.0, 1.4, 1.1], &[0.01, 0.02, 0.005]).unwrap();
        let radius = Radius::from_mixture(mixture.clone()).unwrap();
        let rebuilt = Radius::from_quantiles(mixture.prediction().quantiles).unwrap();
        for (i, p) in LEVELS.into_iter().enumerate() {
            assert_close(radius.quantiles()[i], mixture.quantile(p), 1e-11);
            assert_close(rebuilt.quantiles()[i], mixture.quantile(p), 1e-11);
        }
        assert!(radius.cut() < 1e-11 && rebuilt.cut() < 1e-4);
    }

    #[test]
    fn quantiles_of_zero_stand_for_negative_ones() {
        let quantiles = |limit: bool| SCORES.map(|z| if limit { (0.1 + 0.2 * z).max(0.0) } else { 0.1 + 0.2 * z });
        let [limited, whole] = [true, false].map(|limit| Radius::from_quantiles(quantiles(limit)).unwrap());
        assert_close(limited.cut(), whole.cut(), 1e-13);
        for (found, expected) in limited.quantiles().into_iter().zip(whole.quantiles()) {
            assert_close(found, expected, 1e-13);
        }
        assert!(Radius::from_quantiles([0.0; 5]).is_none());
        assert!(Radius::from_quantiles([0.0, 0.0, 0.0, 0.0, 0.5]).is_some_and(|radius| radius.cut() > 0.8));
    }

    #[test]
    fn a_gaussian_truncated_at_zero() {
        // scipy.stats.truncnorm(-mu / sigma, inf, mu, sigma).ppf(LEVELS)
        #[rustfmt::skip]
        let cases = [
            (0.1, 0.2, 0.3085375387259869,
             [0.00970526678824, 0.0591973296269, 0.179374235018, 0.344632679324, 0.522664619587]),
            (0.0, 1.0, 0.5, [0.0313379820214, 0.201893479142, 0.674489750196, 1.40507156031, 2.2414027276]),
            (-5.0, 1.0, 0.9999997133484281,
             [0.00487925846742, 0.0335120060204, 0.132018332044, 0.342391052591, 0.669367327934]),
        ];
        for (mu, sigma, cut, quantiles) in cases {
            for radius in gaussian(mu, sigma) {
                assert_close(radius.cut(), cut, 1e-13);
                for (found, expected) in radius.quantiles().into_iter().zip(quantiles) {
                    assert_close(found, expected, 1e-10);
                }
            }
        }
    }

    #[test]
    fn draws_follow_the_quantiles() {
        let members = |likelihood, mu: &[f64], var: &[f64]| {
            Radius::from_mixture(Mixture::new(likelihood, mu, var).unwrap()).unwrap()
        };
        let radii = [
            members(Likelihood::Gaussian, &[0.5, 0.1, 1.4], &[0.04, 0.09, 0.01]),
            members(Likelihood::StudentT, &[0.5, 0.1, 1.4], &[0.04, 0.09, 0.01]),
            members(Likelihood::LogNormal, &[0.5, 0.1, 1.4], &[0.04, 0.09, 0.01]),
            members(Likelihood::Gaussian, &[-2.0, -2.5], &[1.0, 1.0]), // Drawn by inversion.
            Radius::from_quantiles([-0.1, 0.2, 0.3, 0.9, 2.0]).unwrap(),
        ];
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        for radius in radii {
            let draws: Vec<f64> = (0..200_000).map(|_| radius.draw(&mut rng)).collect();
            assert!(draws.iter().all(|x| *x > 0.0));
            for (q, p) in radius.quantiles().into_iter().zip(LEVELS) {
                let fraction = draws.iter().filter(|x| **x <= q).count() as f64 / draws.len() as f64;
                assert_close(fraction, p, 4.0 * (p * (1.0 - p) / draws.len() as f64).sqrt());
            }
        }
    }

    #[test]
    fn degenerate_quantiles() {
        let point = Radius::from_quantiles([1.2; 5]).unwrap();
        assert_eq!((point.cut(), point.quantiles()), (0.0, [1.2; 5]));
        let half = Radius::from_quantiles([0.0, 0.0, 0.0, SCORES[3], SCORES[4]]).unwrap();
        assert_close(half.cut(), 0.5, 1e-12);
        assert!(half.quantiles().is_sorted() && half.quantiles()[0] > 0.0);
    }

    #[test]
    fn distributions_without_positive_radii_are_unknown() {
        assert!(gaussians(&[-9.0], &[1.0]).is_none());
        assert!(Radius::from_quantiles([1.0, 2.0, f64::NAN, 3.0, 4.0]).is_none());
        assert!(Radius::from_quantiles([1.0, 3.0, 2.0, 4.0, 5.0]).is_none());
        assert!(Radius::from_quantiles([-1.0; 5]).is_none());
        assert!(Radius::from_quantiles([0.0; 5]).is_none());
    }
}
