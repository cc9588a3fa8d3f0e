//! What can be wrong with a catalogue, and where.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::fits::FitsTableError;
use super::hats::HatsError;
use super::votable::VoTableError;
use crate::survey::few::first;

/// Columns that a message lists.
const SHOWN_COLUMNS: usize = 20;

/// Why a catalogue, or a column or row of it, cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// The file cannot be opened.
    #[error("cannot open the catalogue {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file is gzipped and cannot be unpacked.
    #[error("cannot read {}: its gzip stream is damaged or cut short", path.display())]
    Gzip {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        source: io::Error,
    },
    /// A FITS table that cannot be read.
    #[error("cannot read {}", path.display())]
    Fits {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: FitsTableError,
    },
    /// A VOTable that cannot be read.
    #[error("cannot read {}", path.display())]
    VoTable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: VoTableError,
    },
    /// A Parquet file that cannot be read.
    #[error("cannot read {}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        source: parquet::errors::ParquetError,
    },
    /// A file of a HATS catalogue with other columns than the first.
    #[error("{} has other columns than {}", path.display(), first.display())]
    OtherColumns {
        /// The file.
        path: PathBuf,
        /// The first file.
        first: PathBuf,
    },
    /// A folder that is not a HATS catalogue that can be read.
    #[error(transparent)]
    Hats(HatsError),
    /// A text file that is not a valid table of separated values.
    #[error("cannot read {}", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and in which line.
        source: csv::Error,
    },
    /// The file is of a format that is not read.
    #[error("{} is {found}; catalogues can be text (CSV, ECSV), FITS, VOTable or Parquet", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What the file is.
        found: &'static str,
    },
    /// The content of the file is not what its extension says.
    #[error("{} is not a {expected} file", path.display())]
    NotThisFormat {
        /// The file.
        path: PathBuf,
        /// The format that belongs to its extension.
        expected: &'static str,
    },
    /// A decoder has panicked.
    #[error("cannot read {}: it is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// An extension is named, and the format has none.
    #[error("{} has only one table; '[{extension}]' cannot be chosen from it", path.display())]
    NoExtensions {
        /// The file.
        path: PathBuf,
        /// The extension asked for.
        extension: String,
    },
    /// A line of a text file with another number of values than there are columns.
    #[error("{place}: {found} {} for {expected} columns ({separator})", if *found == 1 { "value" } else { "values" })]
    RowLength {
        /// The line.
        place: Place,
        /// Values in the line.
        found: usize,
        /// Columns.
        expected: usize,
        /// What the values are separated by.
        separator: &'static str,
    },
    /// A text file of numbers without names.
    #[error("{} has no line with the names of its columns; it begins with: {first}", path.display())]
    NoHeader {
        /// The file.
        path: PathBuf,
        /// Its first line.
        first: String,
    },
    /// The catalogue has columns only.
    #[error("the catalogue {} has no rows", path.display())]
    NoRows {
        /// The file.
        path: PathBuf,
    },
    /// A column is missing.
    #[error("{} has no column '{name}'; it has: {}", path.display(), first(columns, SHOWN_COLUMNS))]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The column asked for.
        name: String,
        /// The columns of the catalogue.
        columns: Vec<String>,
    },
    /// Two columns with the name asked for, and different values.
    #[error("{} has {count} columns '{name}', and their values differ", path.display())]
    AmbiguousColumn {
        /// The file.
        path: PathBuf,
        /// The column asked for.
        name: String,
        /// How many columns have this name.
        count: usize,
    },
    /// A column that is in the file and cannot be used.
    #[error("{}: the column '{name}' cannot be used: {reason}", path.display())]
    UnusableColumn {
        /// The file.
        path: PathBuf,
        /// The column asked for.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A row without an id.
    #[error("{place}: the id (column '{column}') is empty")]
    EmptyId {
        /// The row.
        place: Place,
        /// The column of ids.
        column: String,
    },
    /// Two rows with the same id.
    #[error("{place}: the id {id} is already used in {first}; ids (column '{column}') must be unique")]
    RepeatedId {
        /// The second of the rows.
        place: Place,
        /// The first of the rows.
        first: RowNumber,
        /// Their id.
        id: String,
        /// The column of ids.
        column: String,
    },
}

/// A row of a file, for messages: `cat.csv line 3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// The row in it.
    pub row: RowNumber,
}

/// Where a row is in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowNumber {
    /// A line of a text file, counted from 1; the header line counts.
    Line(u64),
    /// A row of a table of another format, counted from 1.
    Row(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} {}", self.path.display(), self.row)
    }
}

impl fmt::Display for RowNumber {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            RowNumber::Line(line) => write!(f, "line {line}"),
            RowNumber::Row(row) => write!(f, "row {row}"),
        }
    }
}
