//! What can be wrong with a VOTable.

/// Why a VOTable cannot be read. The messages speak of the file as "it".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VoTableError {
    /// The file is not well-formed XML.
    #[error("it is not well-formed XML, or cut short")]
    Xml(#[from] roxmltree::Error),
    /// A file without a table.
    #[error("it has no table")]
    NoTable,
    /// The table asked for is not there.
    #[error("it has no table '{name}'; it has: {}", found.join(", "))]
    NoExtension {
        /// The name or number asked for.
        name: String,
        /// The tables of the file.
        found: Vec<String>,
    },
    /// Data that are not in the file, or compressed in a way that is not read.
    #[error("the data of its table are {what}, which cannot be read")]
    Data {
        /// Such as `in another file`.
        what: String,
    },
    /// Base64 data that cannot be decoded.
    #[error("the data of its table are damaged")]
    Base64(#[from] base64::DecodeError),
    /// Base64 data that are gzipped and damaged.
    #[error("the gzip stream of its table is damaged")]
    Gzip(#[source] std::io::Error),
    /// Binary data that end inside a row.
    #[error("the data of its table are cut short or damaged in row {row}")]
    CutInRow {
        /// The row, counted from 1.
        row: usize,
    },
    /// A column whose type prevents reading binary data.
    #[error("the data type '{datatype}' of its column '{column}' is unknown")]
    DataType {
        /// The column's name.
        column: String,
        /// The attribute `datatype`.
        datatype: String,
    },
    /// A row with another number of values than there are columns.
    #[error("row {row} of its table has {found} values for {expected} columns")]
    RowLength {
        /// The row, counted from 1.
        row: usize,
        /// Values in the row.
        found: usize,
        /// Columns.
        expected: usize,
    },
}
