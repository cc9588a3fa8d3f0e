//! The predicted distribution of one object, from which everything that is said about it follows.

use super::conformal::Conformal;
use super::isotonic::Isotonic;
use super::spline::Spline;
use super::{Calibration, Map};
use crate::posterior::mixture::{LEVELS, Mixture, Prediction};
use crate::posterior::shape::{Place, Shape};
use crate::posterior::{Error, MemberPredictions};
use rand::{Rng, RngExt};
use std::sync::OnceLock;

/// The predicted distribution of one object, calibrated if a map is given. Mean, sigmas, quantiles, scores and samples are
/// those of one distribution function.
#[derive(Clone, Debug)]
pub struct PredictiveDistribution<'a> {
    /// Already scaled if the map has factors.
    mixture: Mixture,
    levels: Levels<'a>,
    /// Where the distribution is not a mixture; computed when needed.
    shape: OnceLock<Shape>,
}

/// What is done to the mixture's distribution function.
#[derive(Clone, Copy, Debug)]
enum Levels<'a> {
    Unchanged,
    Spline(&'a Spline),
    Isotonic(&'a Isotonic),
    Conformal(&'a Conformal),
}

impl<'a> PredictiveDistribution<'a> {
    /// The distribution from predictions in arcsec.
    ///
    /// # Errors
    /// Those of [`MemberPredictions::mixture`].
    pub fn new(
        members: &MemberPredictions,
        calibration: Option<&'a Calibration>,
    ) -> Result<PredictiveDistribution<'a>, Error> {
        Ok(PredictiveDistribution::of(
            &members.mixture()?,
            calibration.map(|c| &c.map),
        ))
    }

    /// The distribution from an uncalibrated mixture.
    pub fn of(mixture: &Mixture, map: Option<&'a Map>) -> PredictiveDistribution<'a> {
        let (mixture, levels) = match map {
            None => (mixture.clone(), Levels::Unchanged),
            Some(Map::Factors(factors)) => (factors.apply(mixture), Levels::Unchanged),
            Some(Map::Spline(map)) => (map.factors.apply(mixture), Levels::Spline(map)),
            Some(Map::Isotonic(map)) => (mixture.clone(), Levels::Isotonic(map)),
            Some(Map::Conformal(map)) => (mixture.clone(), Levels::Conformal(map)),
        };
        PredictiveDistribution {
            mixture,
            levels,
            shape: OnceLock::new(),
        }
    }

    /// Mean, uncertainties and quantiles together; unknown if one of them is not finite. A quantile below the smallest possible label is that label: a radius is
    /// positive, so that the true value lies in an interval as often as without this limit.
    pub fn prediction(&self) -> Prediction {
        let sigma = self.sigma();
        let ratio = sigma / self.mixture.sigma();
        let prediction = Prediction {
            theta_e: self.mean(),
            sigma,
            sigma_aleatoric: ratio * self.mixture.sigma_aleatoric(),
            sigma_epistemic: ratio * self.mixture.sigma_epistemic(),
            quantiles: LEVELS.map(|p| self.reported_quantile(p)),
        };
        prediction.if_finite()
    }

    /// The 95 % interval of the [`prediction`](Self::prediction) alone.
    pub fn interval(&self) -> [f64; 2] {
        [LEVELS[0], LEVELS[4]].map(|p| self.reported_quantile(p))
    }

    fn reported_quantile(&self, p: f64) -> f64 {
        self.quantile(p).max(self.mixture.lowest)
    }

    /// Mean, arcsec.
    pub fn mean(&self) -> f64 {
        match self.levels {
            Levels::Unchanged | Levels::Conformal(_) => self.mixture.mean(),
            _ => self.shape().mean(),
        }
    }

    /// Standard deviation, arcsec.
    pub fn sigma(&self) -> f64 {
        match self.levels {
            Levels::Unchanged => self.mixture.sigma(),
            Levels::Conformal(map) => map.sigma(&self.mixture),
            _ => self.shape().sigma(),
        }
    }

    /// The radius (arcsec) that exceeds the true one with probability `p`, 0 < p < 1.
    pub fn quantile(&self, p: f64) -> f64 {
        match self.levels {
            Levels::Unchanged => self.mixture.quantile(p),
            Levels::Spline(map) => self.mixture.at_logit(map.inverse((p / (1.0 - p)).ln())),
            Levels::Isotonic(map) => map.quantile(&self.mixture, p),
            Levels::Conformal(map) => map.quantile(&self.mixture, p),
        }
    }

    /// The distribution function, which is the probability integral transform of a true value: the level of the quantile
    /// that equals `x`, 0 to 1. It is uniform over many objects if the predicted quantiles are calibrated.
    pub fn pit(&self, x: f64) -> f64 {
        match self.levels {
            Levels::Unchanged => self.mixture.cdf(x),
            Levels::Spline(map) => 1.0 / (1.0 + (-map.at(self.mixture.logit(x))).exp()),
            Levels::Isotonic(map) => map.pit(&self.mixture, x),
            Levels::Conformal(map) => map.pit(&self.mixture, x),
        }
    }

    /// P(X > x) = 1 - [`pit`](Self::pit), without a loss of precision where it is small unless the map is isotonic or
    /// conformal.
    pub fn sf(&self, x: f64) -> f64 {
        match self.levels {
            Levels::Unchanged => self.mixture.sf(x),
            Levels::Spline(map) => 1.0 / (1.0 + map.at(self.mixture.logit(x)).exp()),
            Levels::Isotonic(_) | Levels::Conformal(_) => 1.0 - self.pit(x),
        }
    }

    /// ln of the density at x, the density in 1/arcsec.
    pub fn log_pdf(&self, x: f64) -> f64 {
        match self.levels {
            Levels::Unchanged => self.mixture.log_pdf(x),
            Levels::Spline(map) => self.mixture.log_pdf(x) + map.log_density_ratio(self.mixture.logit(x)),
            Levels::Isotonic(map) => self.mixture.log_pdf(x) + map.log_density_ratio(&self.mixture, x),
            Levels::Conformal(map) => map.log_pdf(&self.mixture, x),
        }
    }

    /// The continuous ranked probability score, see [`Mixture::crps`], arcsec.
    pub fn crps(&self, truth: f64) -> f64 {
        match self.levels {
            Levels::Unchanged => self.mixture.crps(truth),
            _ => self.shape().crps(self.place(truth)),
        }
    }

    /// One random radius, arcsec.
    pub fn sample(&self, rng: &mut impl Rng) -> f64 {
        match self.levels {
            Levels::Unchanged => self.mixture.sample(rng),
            _ => self.quantile(rng.random_range(f64::EPSILON..1.0)),
        }
    }

    fn shape(&self) -> &Shape {
        self.shape.get_or_init(|| {
            let logits = Shape::logits();
            let places = match self.levels {
                Levels::Unchanged => self.mixture.places(&logits),
                Levels::Spline(map) => self.mixture.places(&logits.map(|s| map.inverse(s))),
                Levels::Isotonic(map) => {
                    // Twice as many, because the density has steps.
                    let between = logits.windows(2).map(|pair| 0.5 * (pair[0] + pair[1]));
                    let logits: Vec<f64> = logits.iter().copied().chain(between).map(|s| map.inverse(s)).collect();
                    self.mixture.places(&logits)
                }
                Levels::Conformal(map) => map.places(&self.mixture),
            };
            let smooth = matches!(self.levels, Levels::Spline(_));
            Shape::new(places, smooth, |x| self.place(x))
        })
    }

    fn place(&self, x: f64) -> Place {
        let (below, log_density) = match self.levels {
            Levels::Spline(map) => {
                let logit = self.mixture.logit(x);
                let log_density = self.mixture.log_pdf(x) + map.log_density_ratio(logit);
                (1.0 / (1.0 + (-map.at(logit)).exp()), log_density)
            }
            _ => (self.pit(x), self.log_pdf(x)),
        };
        Place {
            x,
            below,
            density: log_density.exp(),
        }
    }
}
