//! Advice on reports that cannot be written.

use super::{files, plot, survey};
use crate::report::Error;

/// What to do about the training log, the images and the files of a report.
pub fn advice(error: &Error) -> Option<String> {
    match error {
        Error::Log { .. } | Error::LogColumn { .. } => Some("Name the log.csv of the training run with --log.".into()),
        Error::Plot(error) => plot::advice(error),
        Error::Image(error) => survey::advice(error),
        Error::Files(error) => files::advice(error),
    }
}
