//! What can go wrong when masses are added to a catalogue.

use crate::survey::{self, CatalogueError, PredictionsError};
use std::fmt;
use std::path::PathBuf;

/// A catalogue to which no masses can be added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The catalogue cannot be read, or the output cannot be written.
    #[error(transparent)]
    Survey(Box<survey::Error>),
    /// A column that the caller named is missing.
    #[error("{role}")]
    MissingColumn {
        /// What the column was named for.
        role: ColumnRole,
        /// The catalogue and its columns.
        source: Box<CatalogueError>,
    },
    /// The catalogue has no usable predictions.
    #[error(transparent)]
    Predictions(#[from] PredictionsError),
    /// The catalogue already has one of the columns that would be added.
    #[error("{} already has a column '{name}'", path.display())]
    ColumnExists {
        /// The catalogue.
        path: PathBuf,
        /// The column.
        name: String,
    },
    /// Too few random draws for quantiles.
    #[error("{samples} random draws per row are too few for quantiles; at least {least} are needed")]
    TooFewSamples {
        /// As given.
        samples: usize,
        /// Smallest number.
        least: usize,
    },
    /// The caller stopped the computation.
    #[error("stopped; {} was not written", output.display())]
    Stopped {
        /// The file that would have been written.
        output: PathBuf,
    },
}

// Boxed, as it is large.
impl From<survey::Error> for Error {
    fn from(error: survey::Error) -> Error {
        Error::Survey(Box::new(error))
    }
}

/// The columns of a catalogue that a caller can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnRole {
    /// Redshift of the lens.
    LensRedshift,
    /// Redshift of the source.
    SourceRedshift,
    /// Standard deviation of the redshift of the lens.
    LensRedshiftError,
    /// Standard deviation of the redshift of the source.
    SourceRedshiftError,
    /// Identifier of the row.
    Id,
}

impl fmt::Display for ColumnRole {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            ColumnRole::LensRedshift => "redshift of the lens",
            ColumnRole::SourceRedshift => "redshift of the source",
            ColumnRole::LensRedshiftError => "error of the redshift of the lens",
            ColumnRole::SourceRedshiftError => "error of the redshift of the source",
            ColumnRole::Id => "id",
        })
    }
}
