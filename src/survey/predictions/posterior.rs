//! The distributions of theta_e behind the columns of a catalogue.

use super::Predictions;
use super::PredictionsError;
use crate::posterior::calibration::{Map, PredictiveDistribution};
use crate::posterior::quantiles::ThroughQuantiles;
use rayon::prelude::*;
use std::fmt;

/// The posterior of one object.
pub(crate) enum ObjectPosterior<'a> {
    /// The mixture of the members, calibrated if the model is, and its quantiles in the catalogue.
    Predicted(PredictiveDistribution<'a>, [f64; 5]),
    /// A smooth distribution through its quantiles.
    Rebuilt(ThroughQuantiles, [f64; 5]),
    /// Below 0 throughout.
    Negative,
}

impl ObjectPosterior<'_> {
    /// P(a < theta_e <= b).
    pub fn between(&self, a: f64, b: f64) -> f64 {
        match self {
            ObjectPosterior::Predicted(distribution, _) => {
                let below = |x: f64| if x.is_finite() { distribution.pit(x) } else { 1.0 };
                (below(b) - below(a)).max(0.0)
            }
            ObjectPosterior::Rebuilt(distribution, _) => distribution.between(a, b),
            ObjectPosterior::Negative => 0.0,
        }
    }

    /// P(theta_e > x), however small.
    pub fn above(&self, x: f64) -> f64 {
        match self {
            ObjectPosterior::Predicted(distribution, _) => distribution.sf(x),
            ObjectPosterior::Rebuilt(distribution, _) => distribution.between(x, f64::INFINITY),
            ObjectPosterior::Negative => 0.0,
        }
    }

    /// Quantiles at [`LEVELS`](crate::posterior::mixture::LEVELS), arcsec.
    pub fn quantiles(&self) -> [f64; 5] {
        match self {
            ObjectPosterior::Predicted(_, quantiles) | ObjectPosterior::Rebuilt(_, quantiles) => *quantiles,
            ObjectPosterior::Negative => [0.0; 5],
        }
    }
}

/// What the posteriors are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PosteriorSource {
    /// The mixture of the members.
    Members {
        /// How many.
        members: usize,
        /// Whether the model's calibration was applied.
        calibrated: bool,
    },
    /// A smooth distribution through the quantiles.
    Quantiles,
}

impl fmt::Display for PosteriorSource {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            PosteriorSource::Members { members, calibrated } => {
                let calibrated = if *calibrated { ", calibrated" } else { "" };
                let s = if *members == 1 { "" } else { "s" };
                write!(f, "mixture of {members} member{s}{calibrated}")
            }
            PosteriorSource::Quantiles => f.write_str("rebuilt from their quantiles"),
        }
    }
}

/// What posteriors are taken from, and the posteriors in the order of the rows.
pub(crate) type Posteriors<'a> = (PosteriorSource, Vec<ObjectPosterior<'a>>);

impl Predictions<'_> {
    /// The posteriors of rows with these quantiles: those of the members if the quantiles are theirs, with the `calibration`
    /// of the model or without one, otherwise rebuilt from the quantiles. `notes` receives why members are not used.
    ///
    /// # Errors
    /// [`PredictionsError::Likelihood`].
    pub fn posteriors<'a>(
        &self,
        rows: &[(usize, [f64; 5])],
        from_quantiles: bool,
        calibration: Option<&'a Map>,
        notes: &mut Vec<String>,
    ) -> Result<Posteriors<'a>, PredictionsError> {
        let members = self.members();
        if members > 0 && !from_quantiles {
            let likelihoods = self.likelihoods()?;
            for map in [calibration, None] {
                let of_row = |&(row, quantiles): &(usize, [f64; 5])| {
                    let mixture = self.mixture(row, &likelihoods)?;
                    let distribution = PredictiveDistribution::of(&mixture, map);
                    let agrees = self.agree(row, &distribution);
                    agrees.then_some(ObjectPosterior::Predicted(distribution, quantiles))
                };
                let all: Option<Vec<ObjectPosterior>> = rows.par_iter().map(of_row).collect();
                if let Some(all) = all {
                    let calibrated = map.is_some();
                    return Ok((PosteriorSource::Members { members, calibrated }, all));
                }
            }
            notes.push(disagreement(calibration).into());
        }
        let rebuilt = |(_, quantiles): &(usize, [f64; 5])| match ThroughQuantiles::at_levels(*quantiles) {
            Some(distribution) => ObjectPosterior::Rebuilt(distribution, *quantiles),
            None => ObjectPosterior::Negative,
        };
        Ok((PosteriorSource::Quantiles, rows.iter().map(rebuilt).collect()))
    }
}

/// Why the predictions of the members are not used.
fn disagreement(calibration: Option<&Map>) -> &'static str {
    match calibration {
        Some(_) => {
            "the quantiles of the catalogue are those of another model or calibration: the posteriors are rebuilt from them"
        }
        None => {
            "the quantiles of the catalogue are calibrated, but the members' predictions are not: the posteriors are rebuilt from \
             the quantiles, unless the calibrated model is given"
        }
    }
}
