//! Advice on catalogues to which no masses can be added.

use super::survey;
use crate::mass::{ColumnRole, Error};
use crate::survey::PredictionsError;

/// What to do where masses cannot be added.
pub fn advice(error: &Error) -> Option<String> {
    let advice = match error {
        Error::Survey(error) => return survey::advice(error),
        Error::MissingColumn { role, .. } => return Some(format!("Name the column with {}.", flag(*role))),
        Error::Predictions(PredictionsError::Columns { .. }) => "Give a catalogue that `lensgpu infer` wrote.",
        Error::ColumnExists { .. } => "Give the catalogue as it was before `lensgpu mass`, or rename the column.",
        Error::Predictions(PredictionsError::Cell { .. }) => "Correct the row.",
        Error::Predictions(PredictionsError::Likelihood { .. }) => {
            "Give --from-quantiles, which does not use the likelihood."
        }
        Error::TooFewSamples { .. } => "Give a larger number with --samples.",
        Error::Stopped { .. } => return None,
    };
    Some(advice.into())
}

fn flag(role: ColumnRole) -> &'static str {
    match role {
        ColumnRole::LensRedshift => "--z-lens",
        ColumnRole::SourceRedshift => "--z-source",
        ColumnRole::LensRedshiftError => "--z-lens-error",
        ColumnRole::SourceRedshiftError => "--z-source-error",
        ColumnRole::Id => "--id-column",
    }
}
