//! What can go wrong when a table is fitted.

use crate::bayes::{linear, mcmc};
use crate::files;
use crate::infer;
use crate::plot;
use crate::survey::Place;
use crate::survey::{self, CatalogueError, TabularError};
use crate::train;
use std::io;
use std::path::PathBuf;

/// A table that cannot be fitted, or results that cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The table cannot be read, or a cell of it cannot be used.
    #[error(transparent)]
    Survey(Box<survey::Error>),
    /// A column that the caller named is missing.
    #[error("{what}")]
    MissingColumn {
        /// What the column was named for.
        what: &'static str,
        /// The table and its columns.
        source: Box<CatalogueError>,
    },
    /// A column is named twice.
    #[error("the column {column} is named twice: as {first} and as {second}")]
    NamedTwice {
        /// The column.
        column: String,
        /// What it was first named for.
        first: &'static str,
        /// What it was named for again.
        second: &'static str,
    },
    /// The standard deviation of a row's noise is not a positive number.
    #[error("{place}: the noise (column {column}) is {value}; it must be more than 0")]
    RowNoise {
        /// The row.
        place: Place,
        /// The column.
        column: String,
        /// The value.
        value: f64,
    },
    /// A fraction of rows to hold out that is out of its range.
    #[error("a fraction of {fraction} of the rows cannot be held out; it must be at least 0 and below 1")]
    HoldOutFraction {
        /// The fraction.
        fraction: f64,
    },
    /// The condition on the rows to hold out is not valid.
    #[error("the condition on the rows to hold out")]
    Condition {
        /// What is wrong with it.
        source: survey::FilterError,
    },
    /// No row is to be held out, although the caller said which.
    #[error("no row fulfils the condition '{condition}'")]
    NothingHeldOut {
        /// The condition.
        condition: String,
    },
    /// Too few rows are left to fit.
    #[error("{held_out} of {rows} rows are to be held out; at least 3 must be left to fit")]
    HoldOut {
        /// Rows to hold out.
        held_out: usize,
        /// Rows of the table.
        rows: usize,
    },
    /// More coefficients than rows to fit them to.
    #[error("{}: {rows} rows do not determine {coefficients} coefficients", path.display())]
    MoreColumnsThanRows {
        /// The table.
        path: PathBuf,
        /// Rows that are fitted.
        rows: usize,
        /// Coefficients, with the intercept.
        coefficients: usize,
    },
    /// Columns that are linear combinations of each other.
    #[error(
        "{}: the design is singular: a linear combination of {} is the same in all rows that are fitted",
        path.display(),
        columns.join(", ")
    )]
    Singular {
        /// The table.
        path: PathBuf,
        /// The columns, powers included.
        columns: Vec<String>,
    },
    /// Another reason why there is no posterior.
    #[error("{}", path.display())]
    Linear {
        /// The table.
        path: PathBuf,
        /// The reason.
        source: linear::Error,
    },
    /// The posterior could not be explored.
    #[error("MCMC of the {parameters}")]
    Mcmc {
        /// Names of the parameters.
        parameters: String,
        /// The reason; it counts the parameters from 0.
        source: mcmc::Error,
    },
    /// The caller stopped the computation.
    #[error("stopped; nothing was written")]
    Stopped,
    /// The ensemble could not be trained.
    #[error("the deep ensemble on the same rows")]
    Train(#[from] train::Error),
    /// The ensemble could not predict.
    #[error("the deep ensemble on the same rows")]
    Infer(#[from] infer::Error),
    /// A figure could not be drawn.
    #[error(transparent)]
    Plot(#[from] plot::Error),
    /// A file or folder could not be written.
    #[error(transparent)]
    Files(#[from] files::Error),
    /// A file could not be encoded.
    #[error("{name} cannot be written")]
    Encode {
        /// The file.
        name: &'static str,
        /// The reason.
        source: io::Error,
    },
}

// Boxed, as it is large.
impl From<survey::Error> for Error {
    fn from(error: survey::Error) -> Error {
        Error::Survey(Box::new(error))
    }
}

impl From<TabularError> for Error {
    fn from(error: TabularError) -> Error {
        Error::from(survey::Error::from(error))
    }
}
