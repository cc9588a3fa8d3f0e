//! Advice on predictions and true values that nothing can be computed from.

use crate::posterior::Error;
use crate::posterior::calibration::{Method, factors};

/// What to do about too few rows.
pub fn advice(error: &Error) -> Option<String> {
    match error {
        Error::TooFewRows { method, rows, .. } => Some(match method {
            Method::Isotonic | Method::Conformal if *rows >= factors::LEAST => {
                format!("--method factors needs at least {} rows.", factors::LEAST)
            }
            Method::Spline | Method::Factors | Method::Isotonic | Method::Conformal => {
                "Calibrate on more labelled images; 500 or more are recommended.".into()
            }
        }),
        Error::MemberCount { .. }
        | Error::Member { .. }
        | Error::NoObjects
        | Error::NotFinite { .. }
        | Error::TruthNotFinite { .. }
        | Error::TooFewImages { .. }
        | Error::DegenerateFeatures => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_method_is_proposed_only_if_there_are_enough_rows_for_it() {
        let too_few = |method, rows| Error::TooFewRows {
            method,
            rows,
            needed: 40,
        };
        let proposed = |method, rows| advice(&too_few(method, rows)).unwrap().contains("--method factors");
        assert!(proposed(Method::Isotonic, 30) && !proposed(Method::Isotonic, 19) && !proposed(Method::Factors, 19));
    }
}
