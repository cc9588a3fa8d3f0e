//! From the quantiles of a prediction to a prior that a program for lens models has.

use crate::mass::radius::Radius;
use crate::posterior::mixture::Mixture;
use crate::posterior::quantiles::{SCORES, below_zero};

/// The shape of a prior.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriorShape {
    /// Normal, truncated at 0 where the program can.
    Normal,
    /// ln theta_e is normal.
    LogNormal,
}

impl PriorShape {
    /// All of them.
    pub const ALL: [PriorShape; 2] = [PriorShape::Normal, PriorShape::LogNormal];

    /// Its name in options.
    pub fn name(self) -> &'static str {
        match self {
            PriorShape::Normal => "normal",
            PriorShape::LogNormal => "log-normal",
        }
    }

    /// One line for readers.
    pub fn summary(self) -> &'static str {
        match self {
            PriorShape::Normal => "a normal distribution, truncated at 0 where the program can",
            PriorShape::LogNormal => "a normal distribution of the natural logarithm of the radius",
        }
    }
}

/// A prior on the Einstein radius.
///
/// Its median is that of the prediction, and its scale the smallest with which its 68 and 95 % intervals contain those of the
/// prediction: a prior that is too wide costs time, one that is too narrow costs the result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RadiusPrior {
    /// Its shape.
    pub shape: PriorShape,
    /// Mean of the normal distribution before its truncation, arcsec, or of ln theta_e.
    pub location: f64,
    /// Its standard deviation, arcsec, or that of ln theta_e.
    pub scale: f64,
}

/// Where a search begins and ends: this many sigma from the median.
const REACH: f64 = 5.0;

/// The smallest radius of a search, arcsec.
const SMALLEST: f64 = 1e-3;

impl RadiusPrior {
    /// The prior of a prediction with these quantiles at [`LEVELS`](crate::posterior::mixture::LEVELS), arcsec; `None` if
    /// they do not extend above 0 or have no width.
    ///
    /// The quantiles of a log-normal prior are those of the distribution truncated at 0. A normal prior is truncated itself;
    /// its quantiles that are 0 stand for negative ones.
    pub fn of_quantiles(shape: PriorShape, quantiles: [f64; 5]) -> Option<RadiusPrior> {
        let values = match shape {
            PriorShape::Normal => {
                let mut values = quantiles;
                below_zero(&mut values);
                values
            }
            PriorShape::LogNormal => Radius::from_quantiles(quantiles)?.quantiles().map(f64::ln),
        };
        let location = values[2];
        let scales = values.iter().zip(SCORES).filter(|(_, z)| *z != 0.0);
        let scale = scales.map(|(value, z)| (value - location) / z).fold(0.0, f64::max);
        let usable = location.is_finite() && scale > 0.0 && scale.is_finite();
        usable.then_some(RadiusPrior { shape, location, scale })
    }

    /// Whether a log-normal distribution with the median of these quantiles is closer to them than a normal one, in the
    /// largest difference of normal scores.
    pub fn is_log_normal(quantiles: [f64; 5]) -> bool {
        let misfit = |values: [f64; 5]| {
            let scale = (values[4] - values[0]) / (SCORES[4] - SCORES[0]);
            let differences = values.iter().zip(SCORES);
            differences
                .map(|(v, z)| ((v - values[2]) / scale - z).abs())
                .fold(0.0, f64::max)
        };
        quantiles[0] > 0.0 && misfit(quantiles.map(f64::ln)) < misfit(quantiles)
    }

    /// The prior of the radius times a factor, of whose logarithm mean and standard deviation are given.
    pub fn converted(self, [mean, sigma]: [f64; 2]) -> RadiusPrior {
        match self.shape {
            PriorShape::Normal => {
                let location = self.location * mean.exp();
                let scale = (self.scale * mean.exp()).hypot(location * sigma);
                RadiusPrior {
                    location,
                    scale,
                    ..self
                }
            }
            PriorShape::LogNormal => RadiusPrior {
                location: self.location + mean,
                scale: self.scale.hypot(sigma),
                ..self
            },
        }
    }

    /// With a larger scale.
    pub fn widened(self, factor: f64) -> RadiusPrior {
        RadiusPrior {
            scale: self.scale * factor,
            ..self
        }
    }

    /// Median on positive radii, arcsec.
    pub fn median(&self) -> f64 {
        match self.shape {
            PriorShape::LogNormal => self.location.exp(),
            PriorShape::Normal => {
                let prior = Mixture::gaussian(self.location, self.scale);
                prior.upper_quantile(0.5 * prior.sf(0.0)).max(SMALLEST)
            }
        }
    }

    /// A standard deviation, arcsec: the size of a first step.
    pub fn step(&self) -> f64 {
        match self.shape {
            PriorShape::Normal => self.scale,
            PriorShape::LogNormal => self.location.exp() * self.scale.min(1.0),
        }
    }

    /// The smallest and largest radius of a search, arcsec: 5 sigma from the median.
    pub fn limits(&self) -> [f64; 2] {
        let [low, high] = [-REACH, REACH].map(|z| match self.shape {
            PriorShape::Normal => self.location + z * self.scale,
            PriorShape::LogNormal => (self.location + z * self.scale).exp(),
        });
        [low.max(SMALLEST), high]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
    }

    #[test]
    fn distributions_of_the_same_shape_are_rebuilt() {
        let normal = RadiusPrior::of_quantiles(PriorShape::Normal, SCORES.map(|z| 1.5 + 0.2 * z)).unwrap();
        assert_close(normal.location, 1.5, 1e-14);
        assert_close(normal.scale, 0.2, 1e-14);
        assert_close(normal.median(), 1.5, 1e-10);
        let quantiles = SCORES.map(|z| (0.4 + 0.2 * z).exp());
        let log_normal = RadiusPrior::of_quantiles(PriorShape::LogNormal, quantiles).unwrap();
        assert_close(log_normal.location, 0.4, 1e-6);
        assert_close(log_normal.scale, 0.2, 1e-4);
        assert!(RadiusPrior::is_log_normal(quantiles));
        assert!(!RadiusPrior::is_log_normal(SCORES.map(|z| 1.5 + 0.2 * z)));
    }

    /// Quantiles that are 0 stand for negative ones, as `infer` writes them.
    #[test]
    fn a_normal_prior_is_truncated_at_zero_and_not_moved() {
        let quantiles = SCORES.map(|z| (0.1 + 0.2 * z).max(0.0));
        let prior = RadiusPrior::of_quantiles(PriorShape::Normal, quantiles).unwrap();
        assert_close(prior.location, 0.1, 1e-12);
        assert_close(prior.scale, 0.2, 1e-12);
        // scipy.stats.truncnorm(-0.5, inf, 0.1, 0.2).median()
        assert_close(prior.median(), 0.179374235018, 1e-9);
        assert_eq!(prior.limits()[0], SMALLEST);
    }

    #[test]
    fn intervals_contain_those_of_a_skewed_prediction() {
        let quantiles = [0.7, 0.9, 1.0, 1.4, 2.5];
        for shape in PriorShape::ALL {
            let prior = RadiusPrior::of_quantiles(shape, quantiles).unwrap();
            let at = |z: f64| match shape {
                PriorShape::Normal => prior.location + z * prior.scale,
                PriorShape::LogNormal => (prior.location + z * prior.scale).exp(),
            };
            let mut touching = 0;
            for (q, z) in quantiles.into_iter().zip(SCORES) {
                let outside = if z < 0.0 { q - at(z) } else { at(z) - q };
                assert!(outside > -1e-4, "{shape:?} {z}: {outside}");
                touching += usize::from(z != 0.0 && outside < 1e-4);
            }
            assert_eq!(touching, 1, "{shape:?} is wider than it needs to be");
        }
    }

    #[test]
    fn a_conversion_scales_the_radius_and_adds_its_error() {
        let [normal, log_normal] =
            [(PriorShape::Normal, 2.0, 0.1), (PriorShape::LogNormal, 0.7, 0.05)].map(|(shape, location, scale)| {
                let prior = RadiusPrior { shape, location, scale };
                prior.converted([0.02, 0.03]).widened(2.0)
            });
        assert_close(normal.location, 2.0 * 0.02f64.exp(), 1e-14);
        assert_close(normal.scale, 2.0 * 0.02f64.exp() * 0.1f64.hypot(0.06), 1e-14);
        assert_close(log_normal.location, 0.72, 1e-14);
        assert_close(log_normal.scale, 2.0 * 0.05f64.hypot(0.03), 1e-14);
    }

    #[test]
    fn what_is_no_radius_has_no_prior() {
        for shape in PriorShape::ALL {
            assert_eq!(RadiusPrior::of_quantiles(shape, [0.0; 5]), None);
        }
    }
}
