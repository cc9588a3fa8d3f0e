//! What can go wrong between predictions and lens models.

use crate::files;
use crate::survey::{self, CatalogueError, Place, PredictionsError};
use std::fmt;
use std::path::PathBuf;

/// A catalogue that cannot be used for lens models, or an output that cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A table cannot be read or written.
    #[error(transparent)]
    Survey(Box<survey::Error>),
    /// A column that the caller named is missing.
    #[error("{role}")]
    MissingColumn {
        /// What the column was named for.
        role: ColumnRole,
        /// The table and its columns.
        source: Box<CatalogueError>,
    },
    /// The catalogue has no usable predictions.
    #[error(transparent)]
    Predictions(#[from] PredictionsError),
    /// A cell that cannot be used.
    #[error("{place}: the {role} in column '{column}' is '{text}': it must be {allowed}")]
    Cell {
        /// The row.
        place: Place,
        /// What the column was named for.
        role: ColumnRole,
        /// The column.
        column: String,
        /// The text of the cell.
        text: String,
        /// What it must be.
        allowed: &'static str,
    },
    /// A number that the caller gave.
    #[error("the {what} is {value}; it must be {allowed}")]
    Number {
        /// What it is.
        what: &'static str,
        /// As given.
        value: f64,
        /// What it must be.
        allowed: &'static str,
    },
    /// Every row is left out.
    #[error("none of the {rows} rows of {} can be used: {left_out}", path.display())]
    NoRows {
        /// The catalogue.
        path: PathBuf,
        /// Its rows.
        rows: usize,
        /// Why they are not used.
        left_out: super::LeftOut,
    },
    /// No model belongs to a prediction.
    #[error("no model in {} has the id of a prediction: {reasons}", path.display())]
    NothingMatches {
        /// The table of models.
        path: PathBuf,
        /// Why each row was not used.
        reasons: String,
    },
    /// COOLEST files need the size of a pixel.
    #[error("a COOLEST file needs the pixel scale of the images")]
    NoPixelScale,
    /// The caller stopped the computation.
    #[error("stopped; {} was not written", output.display())]
    Stopped {
        /// What would have been written.
        output: PathBuf,
    },
    /// A file that cannot be written.
    #[error(transparent)]
    Files(#[from] files::Error),
}

// Boxed, as it is large.
impl From<survey::Error> for Error {
    fn from(error: survey::Error) -> Error {
        Error::Survey(Box::new(error))
    }
}

impl From<CatalogueError> for Error {
    fn from(error: CatalogueError) -> Error {
        survey::Error::from(error).into()
    }
}

/// The columns that a caller can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnRole {
    /// Ids of the predictions.
    Id,
    /// Ids of the models.
    ModelId,
    /// Einstein radii of the models.
    Radius,
    /// Their standard deviations.
    RadiusError,
    /// Axis ratios.
    AxisRatio,
    /// Slopes.
    Slope,
}

impl fmt::Display for ColumnRole {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            ColumnRole::Id => "id",
            ColumnRole::ModelId => "id of the model",
            ColumnRole::Radius => "Einstein radius of the model",
            ColumnRole::RadiusError => "error of the Einstein radius",
            ColumnRole::AxisRatio => "axis ratio",
            ColumnRole::Slope => "slope",
        })
    }
}
