//! Calibration: a map fitted to data that training did not see, which rescales intervals to nominal coverage. It is stored
//! in the model file and applied to every prediction. `docs/calibration.md` says which method to use when.
//!
//! | file | what it does |
//! |---|---|
//! | [`factors`] | two factors, for the aleatoric and the epistemic part: the default |
//! | [`isotonic`] | quantiles from the distribution of the PIT |
//! | [`conformal`] | intervals with a finite-sample guarantee |
//! | this one | [`fit`] fits any of them, [`PredictiveDistribution`] applies it |

pub mod conformal;
pub mod factors;
pub mod isotonic;
mod simplex;

use super::mixture::{Mixture, Prediction};
use super::{Error, MemberPredictions};
use conformal::Conformal;
use factors::Factors;
use isotonic::Isotonic;

use serde::{Deserialize, Serialize};

/// A fitted map, and the data that it came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Applied to every prediction.
    pub map: Map,
    /// How it was fitted.
    pub record: Record,
}

/// What is done to a prediction. No map changes the mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum Map {
    /// See [`factors`].
    Factors(Factors),
    /// See [`isotonic`].
    Isotonic(Isotonic),
    /// See [`conformal`].
    Conformal(Conformal),
}

/// Where a calibration came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Number of rows that it was fitted to.
    pub rows: usize,
    /// The folder, or the split of the training data.
    pub data: String,
    /// When it was fitted: UTC, RFC 3339.
    pub date: String,
    /// Version of lensgpu.
    pub version: String,
}

impl Record {
    /// The record of a fit at `date` by this version of lensgpu.
    pub fn new(data: impl Into<String>, rows: usize, date: String) -> Record {
        Record {
            rows,
            data: data.into(),
            date,
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }
}

/// Which map to fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// See [`factors`].
    #[default]
    Factors,
    /// See [`isotonic`].
    Isotonic,
    /// See [`conformal`].
    Conformal,
}

impl Method {
    /// Every method, the default first.
    pub const ALL: [Method; 3] = [Method::Factors, Method::Isotonic, Method::Conformal];

    /// The name in model files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Method::Factors => "factors",
            Method::Isotonic => "isotonic",
            Method::Conformal => "conformal",
        }
    }

    /// One line for users.
    pub fn summary(self) -> &'static str {
        match self {
            Method::Factors => "One factor each for the aleatoric and the epistemic part",
            Method::Isotonic => "Quantiles from the distribution of the PIT; sigmas are unchanged",
            Method::Conformal => "Intervals with a finite-sample guarantee; sigmas and the median are unchanged",
        }
    }

    fn check_rows(self, rows: usize, needed: usize) -> Result<(), Error> {
        if rows < needed {
            return Err(Error::TooFewRows {
                method: self,
                rows,
                needed,
            });
        }
        Ok(())
    }
}

/// Fits a map to the ensemble's uncalibrated predictions and their true values (arcsec).
///
/// # Errors
/// Too few rows for the method; a true value that is not finite.
pub fn fit(method: Method, rows: &[(Mixture, f64)]) -> Result<Map, Error> {
    if let Some((row, &(_, truth))) = rows.iter().enumerate().find(|(_, (_, truth))| !truth.is_finite()) {
        return Err(Error::TruthNotFinite { row, truth });
    }
    Ok(match method {
        Method::Factors => Map::Factors(Factors::fit(rows)?),
        Method::Isotonic => Map::Isotonic(Isotonic::fit(rows)?),
        Method::Conformal => Map::Conformal(Conformal::fit(rows)?),
    })
}

impl Map {
    /// Whether all its numbers are usable; those of an edited file may not be.
    pub fn is_valid(&self) -> bool {
        match self {
            Map::Factors(map) => map.is_valid(),
            Map::Isotonic(map) => map.is_valid(),
            Map::Conformal(map) => map.is_valid(),
        }
    }
}

/// The predicted distribution of one object: the members' mixture and the calibration of its quantiles.
#[derive(Clone, Debug)]
pub struct PredictiveDistribution<'a> {
    /// Already scaled if the calibration is by factors.
    mixture: Mixture,
    quantiles: QuantileMap<'a>,
}

/// Where quantiles come from.
#[derive(Clone, Debug)]
enum QuantileMap<'a> {
    Mixture,
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
        let (mixture, quantiles) = match map {
            None => (mixture.clone(), QuantileMap::Mixture),
            Some(Map::Factors(f)) => (mixture.scaled(f.aleatoric, f.epistemic), QuantileMap::Mixture),
            Some(Map::Isotonic(map)) => (mixture.clone(), QuantileMap::Isotonic(map)),
            Some(Map::Conformal(map)) => (mixture.clone(), QuantileMap::Conformal(map)),
        };
        PredictiveDistribution { mixture, quantiles }
    }

    /// The mixture that determines NLL, CRPS and sigmas. Isotonic and conformal calibration change only quantiles.
    pub fn mixture(&self) -> &Mixture {
        &self.mixture
    }

    /// Mean, uncertainties and quantiles together. A quantile that would be negative is 0: a radius is positive, so that
    /// the true value lies in an interval as often as without this limit.
    pub fn prediction(&self) -> Prediction {
        self.mixture.prediction_with(|p| self.quantile(p).max(0.0))
    }

    /// The radius (arcsec) that exceeds the true one with probability `p`, 0 < p < 1.
    pub fn quantile(&self, p: f64) -> f64 {
        match self.quantiles {
            QuantileMap::Mixture => self.mixture.quantile(p),
            QuantileMap::Isotonic(map) => map.quantile(&self.mixture, p),
            QuantileMap::Conformal(map) => map.quantile(&self.mixture, p),
        }
    }

    /// The probability integral transform: the level of the quantile that equals `truth`, 0 to 1. It is uniform over many
    /// objects if the predicted quantiles are calibrated.
    pub fn pit(&self, truth: f64) -> f64 {
        match self.quantiles {
            QuantileMap::Mixture => self.mixture.cdf(truth),
            QuantileMap::Isotonic(map) => map.pit(&self.mixture, truth),
            QuantileMap::Conformal(map) => map.pit(&self.mixture, truth),
        }
    }
}

/// Piecewise linear interpolation between `knots`, which are in ascending order in both coordinates; constant beyond them.
fn interpolate(knots: &[[f64; 2]], x: f64) -> f64 {
    let after = knots.partition_point(|knot| knot[0] < x);
    match (after.checked_sub(1).map(|i| knots[i]), knots.get(after)) {
        (_, Some(&[at, value])) if at == x => value,
        (Some([x0, y0]), Some(&[x1, y1])) => y0 + (y1 - y0) * (x - x0) / (x1 - x0),
        (Some([_, y]), None) | (None, Some(&[_, y])) => y,
        (None, None) => f64::NAN,
    }
}

#[cfg(test)]
mod tests;
