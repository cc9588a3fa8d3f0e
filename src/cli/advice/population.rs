//! Advice on catalogues whose population cannot be inferred.

use super::{files, plot, survey};
use crate::bayes::mcmc;
use crate::population::Error;
use crate::survey::PredictionsError;

/// What to do where a population cannot be inferred.
pub fn advice(error: &Error) -> Option<String> {
    let advice = match error {
        Error::Survey(error) => return survey::advice(error),
        Error::Files(error) => return files::advice(error),
        Error::Plot(error) => return plot::advice(error),
        Error::Predictions(PredictionsError::Columns { .. }) => "Give a catalogue that `lensgpu infer` wrote.",
        Error::Predictions(PredictionsError::Cell { .. }) => "Correct the row, or leave it out with --where CONDITION.",
        Error::Predictions(PredictionsError::Likelihood { .. }) => {
            "Give --from-quantiles, which does not use the likelihood."
        }
        Error::NoRows { left_out, .. } if left_out.flagged > 0 => {
            "--flags any uses rows with any flag, --flags NAME,... those with the named flags."
        }
        Error::NoRows { .. } => "Give a catalogue with predictions, or another condition with --where.",
        Error::TooFewRows { .. } => {
            "Use more rows (--flags any accepts any flag), or a shape with fewer parameters (--shape log-normal)."
        }
        Error::NoPrior { .. } => {
            "Give the model with --model if it stores its training labels, otherwise a table of the training labels with \
             --prior FILE, or --prior log-normal:MU,SIGMA or uniform:LOW,HIGH if they were drawn from that. --prior none \
             divides nothing out; then the posteriors have to be likelihoods."
        }
        Error::Labels { .. } => "Name the column of the training labels with --prior-column; they must be positive.",
        Error::PriorDoesNotCover { .. } => {
            "Where the network had no training images, its predictions say nothing about the radius. Give the prior that it \
             was trained with, or leave the objects out with --where CONDITION."
        }
        Error::Impossible { .. } => "Leave out outliers with --where CONDITION, or give --shape mixture:2.",
        Error::Sampler(error) => match **error {
            mcmc::Error::NotConverged { .. } => {
                "Give more --steps (and --walkers), or a shape with fewer parameters: a mixture whose components the \
                 catalogue does not separate does not converge."
            }
            mcmc::Error::Walkers { .. } => "Give another number with --walkers.",
            mcmc::Error::Steps { .. } => "Give a larger number with --steps.",
            _ => return None,
        },
        Error::UnknownShape { .. } | Error::UnknownPrior { .. } | Error::Stopped => return None,
    };
    Some(advice.into())
}
