//! What can go wrong when a table is written.

use super::{Cell, ColumnType};
use std::path::PathBuf;

/// A table that cannot be written, or a row that does not fit it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// An extension that no format has.
    #[error(
        "{}: cannot write a table of this format; the name must end in .csv, .fits, .vot, .parquet or .hats", path.display()
    )]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// More columns than the format can have.
    #[error(
        "{} would have {columns} columns, and a FITS table has at most {most}; CSV, VOTable and Parquet have no limit",
        path.display()
    )]
    TooManyColumns {
        /// The file.
        path: PathBuf,
        /// Columns of the table.
        columns: usize,
        /// Most columns of the format.
        most: usize,
    },
    /// A HATS catalogue of rows without positions.
    #[error("{}: a HATS catalogue needs columns of right ascension and declination in degrees, and there are none", path.display())]
    NoPosition {
        /// The folder.
        path: PathBuf,
    },
    /// The name of the file that describes a table is that of another file.
    #[error("{} exists and was not written by this program; it would be replaced by the description of the table", path.display())]
    SidecarTaken {
        /// The file in the way.
        path: PathBuf,
    },
    /// A row with another number of values than there are columns.
    #[error("{}, row {row}: {values} values for {columns} columns", path.display())]
    RowLength {
        /// The file.
        path: PathBuf,
        /// The row, counted from 1.
        row: u64,
        /// Values in the row.
        values: usize,
        /// Columns of the table.
        columns: usize,
    },
    /// A value of another type than its column, or more values than a cell of the column has.
    #[error("{}, row {row}: {cell:?} does not fit the column '{column}' of type {column_type:?}", path.display())]
    CellType {
        /// The file.
        path: PathBuf,
        /// The row, counted from 1.
        row: u64,
        /// The column's name.
        column: String,
        /// The column's type.
        column_type: ColumnType,
        /// The value.
        cell: Cell,
    },
}
