//! Advice on labelled images that a model cannot be evaluated on.

use super::posterior;
use crate::evaluate::Error;

/// What to do where there are no labels.
pub fn advice(error: &Error) -> Option<String> {
    match error {
        Error::NoObjects | Error::Unlabelled { .. } => {
            Some("Name the table and the column of the Einstein radii with --catalogue and --label.".into())
        }
        Error::Posterior(error) => posterior::advice(error),
        Error::TruthLength { .. } | Error::Stopped { .. } => None,
        Error::Infer(error) => super::infer::advice(error),
    }
}
