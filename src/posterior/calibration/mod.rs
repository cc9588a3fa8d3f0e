//! Stated intervals made true: a map fitted on data that training did not see, kept in the model, applied to every
//! answer. What each method does and when to use which is in `docs/calibration.md`.
//!
//! | file | what it does |
//! |---|---|
//! | [`factors`] | two factors, for the aleatoric and the epistemic part: the default |
//! | [`isotonic`] | quantiles by the distribution of the PIT |
//! | [`conformal`] | intervals with a finite-sample guarantee |
//! | [`fit`](fn@fit) | any of them from answers and truths: start reading here |

pub mod conformal;
pub mod factors;
pub mod isotonic;
mod simplex;

use super::MemberPredictions;
use super::mixture::{Mixture, Prediction};
use conformal::Conformal;
use factors::Factors;
use isotonic::Isotonic;

use crate::model::utc_now;
use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// A fitted map, and the data that it came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    pub map: Map,
    pub record: Record,
}

/// What is done to an answer. Each keeps the mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum Map {
    Factors(Factors),
    Isotonic(Isotonic),
    Conformal(Conformal),
}

/// Where a calibration came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Rows it was fitted on.
    pub rows: usize,
    /// The folder, or the split of the training data.
    pub data: String,
    /// UTC, RFC 3339.
    pub date: String,
    /// Of lensgpu.
    pub version: String,
}

impl Record {
    /// Of this moment.
    pub fn now(data: impl Into<String>, rows: usize) -> Record {
        Record {
            rows,
            data: data.into(),
            date: utc_now(),
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
}

/// Fits a map. `rows` holds the ensemble's answers, uncalibrated, and the true values.
///
/// # Errors
/// Too few rows for the method; a truth that is not finite.
pub fn fit(method: Method, rows: &[(Mixture, f64)]) -> Result<Map> {
    ensure!(
        rows.iter().all(|(_, truth)| truth.is_finite()),
        "a true value is not finite: nothing can be calibrated on it"
    );
    Ok(match method {
        Method::Factors => Map::Factors(Factors::fit(rows)?),
        Method::Isotonic => Map::Isotonic(Isotonic::fit(rows)?),
        Method::Conformal => Map::Conformal(Conformal::fit(rows)?),
    })
}

impl Map {
    /// Whether every number of it can be used: files may have been edited.
    pub fn is_valid(&self) -> bool {
        match self {
            Map::Factors(map) => map.is_valid(),
            Map::Isotonic(map) => map.is_valid(),
            Map::Conformal(map) => map.is_valid(),
        }
    }
}

/// The answer for one object: the members' mixture, read by the model's calibration.
#[derive(Clone, Debug)]
pub struct Forecast<'a> {
    /// With the factors applied where the map is that.
    mixture: Mixture,
    map: Option<&'a Map>,
}

impl<'a> Forecast<'a> {
    /// Of an answer in arcsec.
    ///
    /// # Errors
    /// Those of [`MemberPredictions::mixture`].
    pub fn new(answer: &MemberPredictions, calibration: Option<&'a Calibration>) -> Result<Forecast<'a>> {
        Ok(Forecast::of(&answer.mixture()?, calibration.map(|c| &c.map)))
    }

    /// The same of a mixture that is there already, and is not calibrated.
    pub fn of(mixture: &Mixture, map: Option<&'a Map>) -> Forecast<'a> {
        match map {
            Some(Map::Factors(factors)) => Forecast {
                mixture: mixture.scaled(factors.aleatoric, factors.epistemic),
                map: None,
            },
            _ => Forecast {
                mixture: mixture.clone(),
                map,
            },
        }
    }

    /// The density that NLL, CRPS and the sigmas are of. Isotonic and conformal calibration change quantiles alone.
    pub fn mixture(&self) -> &Mixture {
        &self.mixture
    }

    /// Mean, uncertainties and quantiles together.
    pub fn prediction(&self) -> Prediction {
        self.mixture.prediction_with(|p| self.quantile(p))
    }

    /// The value that the truth lies below with probability `p`, 0 < p < 1.
    pub fn quantile(&self, p: f64) -> f64 {
        match self.map {
            Some(Map::Isotonic(map)) => map.quantile(&self.mixture, p),
            Some(Map::Conformal(map)) => map.quantile(&self.mixture, p),
            Some(Map::Factors(_)) | None => self.mixture.quantile(p),
        }
    }

    /// The probability integral transform: the level of the quantile that equals `truth`, 0 to 1. Over many objects it
    /// is uniform where the stated quantiles are true.
    pub fn pit(&self, truth: f64) -> f64 {
        match self.map {
            Some(Map::Isotonic(map)) => map.pit(&self.mixture, truth),
            Some(Map::Conformal(map)) => map.pit(&self.mixture, truth),
            Some(Map::Factors(_)) | None => self.mixture.cdf(truth),
        }
    }
}

/// A piecewise linear map through `knots`, which ascend in both; flat beyond them.
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
