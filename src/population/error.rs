//! What can go wrong when a population is inferred.

use super::{LeftOut, Shape};
use crate::bayes::mcmc;
use crate::files;
use crate::plot;
use crate::survey::{self, Place, PredictionsError};
use std::path::PathBuf;

/// A population that cannot be inferred.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A table cannot be read, or the condition on its rows is wrong.
    #[error(transparent)]
    Survey(Box<survey::Error>),
    /// The catalogue has no usable predictions.
    #[error(transparent)]
    Predictions(#[from] PredictionsError),
    /// A name that is no shape.
    #[error("'{text}' is no shape of a population: log-normal, or mixture:2 to mixture:4")]
    UnknownShape {
        /// As given.
        text: String,
    },
    /// A text that is no prior.
    #[error("'{text}' is no prior: log-normal:MU,SIGMA (of ln theta_e), uniform:LOW,HIGH (arcsec) or none")]
    UnknownPrior {
        /// As given.
        text: String,
    },
    /// Every row is left out.
    #[error("none of the {rows} rows of {} can be used: {left_out}", path.display())]
    NoRows {
        /// The catalogue.
        path: PathBuf,
        /// Its rows.
        rows: usize,
        /// Why they are not used.
        left_out: LeftOut,
    },
    /// The rows that are left are too few for the parameters.
    #[error("{used} objects are too few for a population with {parameters} parameters: at least {least} are needed")]
    TooFewRows {
        /// Rows that could be used.
        used: usize,
        /// Parameters of the population.
        parameters: usize,
        /// Smallest number of rows.
        least: usize,
    },
    /// Nothing says what the training labels were.
    #[error(
        "the distribution of the training labels is unknown{}",
        if *has_model { ": the model does not store it, as it is of an earlier version or has fewer than 100 labels" } else { "" }
    )]
    NoPrior {
        /// Whether a model was given.
        has_model: bool,
    },
    /// Labels that make no prior.
    #[error("{}: the {labels} labels in column '{column}' are no prior: at least 100 different ones are needed", path.display())]
    Labels {
        /// The table of labels.
        path: PathBuf,
        /// Its column.
        column: String,
        /// Labels found.
        labels: usize,
    },
    /// The prior excludes what the posteriors allow.
    #[error(
        "the training prior, {low:.3} to {high:.3} arcsec, does not cover the catalogue: {outside} of {used} objects have more \
         than half of their posterior outside of it, the first one at {place}"
    )]
    PriorDoesNotCover {
        /// Smallest theta_e of the prior, arcsec.
        low: f64,
        /// Largest theta_e of the prior, arcsec.
        high: f64,
        /// Objects outside.
        outside: usize,
        /// All objects.
        used: usize,
        /// The first of them.
        place: Place,
    },
    /// No population of the shape was found that can have all objects.
    #[error(
        "no {shape} population was found that can have all objects; is there one with a very different radius and a small sigma?"
    )]
    Impossible {
        /// The shape.
        shape: Shape,
    },
    /// The chain cannot be drawn, or has not converged.
    #[error(transparent)]
    Sampler(Box<mcmc::Error>),
    /// The caller stopped the computation.
    #[error("stopped; nothing was written")]
    Stopped,
    /// A file that cannot be written.
    #[error(transparent)]
    Files(#[from] files::Error),
    /// A figure that cannot be drawn.
    #[error(transparent)]
    Plot(#[from] plot::Error),
}

// Boxed, as it is large.
impl From<survey::Error> for Error {
    fn from(error: survey::Error) -> Error {
        Error::Survey(Box::new(error))
    }
}
