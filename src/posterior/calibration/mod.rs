//! Calibration: a map fitted to data that training did not see, which rescales intervals to nominal coverage. It is stored
//! in the model file and applied to every prediction. `docs/calibration.md` says which method to use when.
//!
//! | file | what it does |
//! |---|---|
//! | [`spline`] | a smooth map of levels after the two factors: the default |
//! | [`factors`] | two factors, for the aleatoric and the epistemic part |
//! | [`isotonic`] | the distribution of the PIT itself as a map of levels |
//! | [`conformal`] | intervals with a finite-sample guarantee |
//! | `distribution` | [`PredictiveDistribution`], what a map makes of a mixture |
//! | this one | [`fit`] fits any of them |

pub mod conformal;
mod distribution;
pub mod factors;
pub mod isotonic;
mod simplex;
pub mod spline;

pub use distribution::PredictiveDistribution;

use super::Error;
use super::mixture::Mixture;
use conformal::Conformal;
use factors::Factors;
use isotonic::Isotonic;
use spline::Spline;

use serde::{Deserialize, Serialize};
use std::fmt;

/// A fitted map, and the data that it came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Applied to every prediction.
    pub map: Map,
    /// How it was fitted.
    pub record: Record,
}

/// What is done to a prediction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum Map {
    /// See [`spline`].
    Spline(Spline),
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
    /// See [`spline`].
    #[default]
    Spline,
    /// See [`factors`].
    Factors,
    /// See [`isotonic`].
    Isotonic,
    /// See [`conformal`].
    Conformal,
}

impl Method {
    /// Every method, the default first.
    pub const ALL: [Method; 4] = [Method::Spline, Method::Factors, Method::Isotonic, Method::Conformal];

    /// The name in model files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Method::Spline => "spline",
            Method::Factors => "factors",
            Method::Isotonic => "isotonic",
            Method::Conformal => "conformal",
        }
    }

    /// One line for users.
    pub fn summary(self) -> &'static str {
        match self {
            Method::Spline => "Two factors, and then a smooth map of levels that makes coverage nominal at every level",
            Method::Factors => "One factor each for the aleatoric and the epistemic part",
            Method::Isotonic => "The distribution of the PIT as a map of levels, without smoothing",
            Method::Conformal => "Symmetric intervals with a finite-sample guarantee",
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
        Method::Spline => Map::Spline(Spline::fit(rows)?),
        Method::Factors => Map::Factors(Factors::fit(rows)?),
        Method::Isotonic => Map::Isotonic(Isotonic::fit(rows)?),
        Method::Conformal => Map::Conformal(Conformal::fit(rows)?),
    })
}

/// What the map does, in one line.
impl fmt::Display for Map {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Map::Spline(map) => write!(f, "{}, then a smooth map of levels", map.factors),
            Map::Factors(map) => write!(f, "{map}"),
            Map::Isotonic(map) => write!(f, "isotonic map of levels with {} knots", map.knots.len()),
            Map::Conformal(map) => {
                let highest = map.half_widths.last().map_or(0.0, |knot| knot[0]);
                write!(f, "split conformal intervals up to {:.1} %", 100.0 * highest)
            }
        }
    }
}

impl Map {
    /// Whether all its numbers are usable; those of an edited file may not be.
    pub fn is_valid(&self) -> bool {
        match self {
            Map::Spline(map) => map.is_valid(),
            Map::Factors(map) => map.is_valid(),
            Map::Isotonic(map) => map.is_valid(),
            Map::Conformal(map) => map.is_valid(),
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
