//! Why objects of a folder cannot be used.

use super::{DropReport, FilterError};
use crate::survey::catalogue::{CatalogueError, Place};
use crate::survey::few;
use std::fmt;
use std::path::PathBuf;

/// What a column of the catalogue is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnRole {
    /// The objects' ids.
    Id,
    /// The Einstein radius, or the area that it is computed from.
    Label,
    /// A preset's criterion for the rows to train on.
    Criterion,
}

impl fmt::Display for ColumnRole {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            ColumnRole::Id => "the ids",
            ColumnRole::Label => "the label",
            ColumnRole::Criterion => "a criterion of the preset",
        })
    }
}

/// Objects that lack an image, a row or a usable label.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// Labels or a condition on rows are given, and there is no catalogue.
    #[error("{} has no .csv catalogue", folder.display())]
    NoCatalogue {
        /// The folder of images.
        folder: PathBuf,
    },
    /// The catalogue lacks a column.
    #[error("cannot find the column of {role}")]
    Column {
        /// What the column is needed for.
        role: ColumnRole,
        /// Which columns there are.
        source: CatalogueError,
    },
    /// An id that is empty or repeated.
    #[error(transparent)]
    Ids(CatalogueError),
    /// The condition on rows cannot be read.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// No row fulfils the condition.
    #[error("none of the {rows} rows of {} fulfils the condition \"{condition}\"", catalogue.display())]
    NothingSelected {
        /// The catalogue.
        catalogue: PathBuf,
        /// Rows in it.
        rows: usize,
        /// The condition.
        condition: String,
    },
    /// There are rows and images, but their ids have nothing in common.
    #[error(
        "no row of {} has an image: its ids (column '{column}') are {}; those of the file names are {}",
        catalogue.display(), few(rows), few(images)
    )]
    NothingMatches {
        /// The catalogue.
        catalogue: PathBuf,
        /// The column of the ids.
        column: String,
        /// The ids of the rows.
        rows: Vec<String>,
        /// The ids in the file names.
        images: Vec<String>,
    },
    /// An object of the catalogue has no image.
    #[error(
        "{place}: object {id} has no image{}: there is no {file}; add the file or remove the row",
        if *others > 0 { format!(" (nor do {others} more)") } else { String::new() }
    )]
    NoImage {
        /// The first such row.
        place: Place,
        /// Its id.
        id: String,
        /// The file that was expected.
        file: String,
        /// How many other rows have no image.
        others: usize,
    },
    /// An object has images in some bands only.
    #[error("object {id} has images, but {} is missing; add it, or remove the object's other files", file.display())]
    MissingBand {
        /// The object.
        id: String,
        /// The missing file.
        file: PathBuf,
    },
    /// A label that is missing, not a number or not positive.
    #[error(
        "{place}: object {id} cannot be used for training: its label, column '{column}', is '{text}', not a positive \
         number between 1e-100 and 1e100; correct the row or remove it"
    )]
    BadLabel {
        /// The row.
        place: Place,
        /// The object.
        id: String,
        /// The column of the label.
        column: String,
        /// The text of the cell.
        text: String,
    },
    /// A label of a table that is missing or not a finite number.
    #[error(
        "{place}: the label, column '{column}', is '{text}', not a finite number of usual size (at most 1e100); correct the row, remove it, \
         or leave it out by a condition"
    )]
    BadValue {
        /// The row.
        place: Place,
        /// The column of the label.
        column: String,
        /// The text of the cell.
        text: String,
    },
    /// All rows were dropped.
    #[error("no row of {} can be used: {dropped}", catalogue.display())]
    NothingUsable {
        /// The catalogue.
        catalogue: PathBuf,
        /// Why rows were dropped.
        dropped: DropReport,
    },
    /// A stack and its catalogue differ in length.
    #[error(
        "{} has {images} images, but {} has {rows} rows; it must have one for each image, in the same order",
        stack.display(), catalogue.display()
    )]
    StackLength {
        /// The `.npy` file.
        stack: PathBuf,
        /// Images in it.
        images: usize,
        /// The catalogue.
        catalogue: PathBuf,
        /// Rows in it.
        rows: usize,
    },
    /// No file matches the pattern.
    #[error("{} has no images: there is no file like {file}", folder.display())]
    NoImages {
        /// The folder.
        folder: PathBuf,
        /// A file name of the pattern, with `ID` for the id.
        file: String,
    },
}
