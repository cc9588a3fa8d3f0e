//! Why a report could not be written.

use std::path::PathBuf;

/// A report that could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A plot failed.
    #[error(transparent)]
    Plot(#[from] crate::plot::Error),
    /// An image for a gallery cannot be read.
    #[error(transparent)]
    Image(#[from] Box<crate::survey::Error>),
    /// A file or folder cannot be written.
    #[error(transparent)]
    Files(#[from] crate::files::Error),
    /// The training log cannot be read.
    #[error("cannot read the training log {}", .path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: csv::Error,
    },
    /// A file that is no training log.
    #[error("{} has no column '{column}', so it is not a training log", .path.display())]
    LogColumn {
        /// The file.
        path: PathBuf,
        /// The missing column.
        column: &'static str,
    },
}
