//! Advice on tables that cannot be fitted.

use super::{infer, survey, train};
use crate::bayes::{linear, mcmc};
use crate::fit::Error;

/// What to do where a table cannot be fitted.
pub fn advice(error: &Error) -> Option<String> {
    let advice = match error {
        Error::Survey(error) => return survey::advice(error),
        Error::Train(error) => return train::advice(error),
        Error::Infer(error) => return infer::advice(error),
        Error::MissingColumn { .. } => "Name columns of the table with --label and --features.",
        Error::NamedTwice { .. } => "Name each column once.",
        Error::RowNoise { .. } => "Correct the row or remove it, or give another --noise.",
        Error::Condition { .. } | Error::NothingHeldOut { .. } => {
            "Correct the condition given with --hold-out-where, for instance --hold-out-where 'x > 10 and z < 1'."
        }
        Error::HoldOut { .. } | Error::HoldOutFraction { .. } => {
            "Hold out fewer rows with --hold-out or --hold-out-where."
        }
        Error::MoreColumnsThanRows { .. } => {
            "Name fewer --features or a lower degree with --basis; or give --leave-to-prior, and the prior decides about \
             what the rows do not determine."
        }
        Error::Singular { .. } => {
            "Leave one of them out with --features or --basis; or give --leave-to-prior, and the prior decides how they share."
        }
        Error::Linear {
            source: linear::Error::NoNoise,
            ..
        } => "Give the prior of the noise with --noise.",
        Error::Linear { .. } => return None,
        Error::Mcmc {
            source: mcmc::Error::NotConverged { .. },
            ..
        } => "Allow more steps with --largest-steps.",
        Error::Mcmc { .. } | Error::Stopped | Error::Plot(_) | Error::Files(_) | Error::Encode { .. } => return None,
    };
    Some(advice.into())
}
