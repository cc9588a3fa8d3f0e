//! Advice on plots that cannot be made.

use super::files;
use crate::plot::Error;

/// What to do where a plot cannot be written.
pub fn advice(error: &Error) -> Option<String> {
    match error {
        Error::Files(error) => files::advice(error),
        Error::NoData | Error::Drawing(_) | Error::InvalidSvg(_) | Error::ImageSize { .. } | Error::Encoding(_) => None,
    }
}
