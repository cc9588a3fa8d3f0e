//! Advice on catalogues from which no priors follow, and on lens models that cannot be compared.

use super::{catalogue, files, survey};
use crate::modelling::{ColumnRole, Error};
use crate::survey::PredictionsError;

/// What to do where predictions and lens models do not fit.
pub fn advice(error: &Error) -> Option<String> {
    let advice = match error {
        Error::Survey(error) => return survey::advice(error),
        Error::Files(error) => return files::advice(error),
        Error::MissingColumn { role, source } => {
            return Some(match catalogue::advice(source) {
                Some(advice) => advice.into(),
                None => format!("Name the column with {}.", flag(*role)),
            });
        }
        Error::Predictions(PredictionsError::Columns { .. }) => "Give a catalogue that `lensgpu infer` wrote.",
        Error::Predictions(PredictionsError::Cell { .. }) => "Correct the row, or leave it out of the catalogue.",
        Error::Predictions(PredictionsError::Likelihood { .. }) => {
            "Give --from-quantiles, which does not use the likelihood."
        }
        Error::Cell { .. } => "Correct the row, or empty the cell if the value is not known.",
        Error::NoRows { left_out, .. } if left_out.flagged > 0 => {
            "--flags any uses rows with any flag, --flags NAME,... those with the named flags."
        }
        Error::NoRows { .. } => "Give a catalogue with predictions.",
        Error::NothingMatches { .. } => {
            "Name the columns of the ids with --id-column (predictions) and --models-id-column (models); ids must be the same \
             text in both."
        }
        Error::NoPixelScale => "Give it with --pixel-scale.",
        Error::Number { .. } | Error::Stopped { .. } => return None,
    };
    Some(advice.into())
}

fn flag(role: ColumnRole) -> &'static str {
    match role {
        ColumnRole::Id => "--id-column",
        ColumnRole::ModelId => "--models-id-column",
        ColumnRole::Radius => "--label",
        ColumnRole::RadiusError => "--error",
        ColumnRole::AxisRatio => "--axis-ratio",
        ColumnRole::Slope => "--slope",
    }
}
