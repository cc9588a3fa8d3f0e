//! What can be wrong with a FITS table.

/// Why the tables of a FITS file cannot be read. The messages speak of the file as "it".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FitsTableError {
    /// The operating system cannot read it.
    #[error("it cannot be read")]
    Read(#[source] std::io::Error),
    /// The file ends inside a header.
    #[error("it is cut short: it ends inside a header")]
    CutInHeader,
    /// The file ends inside the table.
    #[error("it is cut short: {} bytes are missing ({length} of at least {expected} are there)", expected - length)]
    CutInData {
        /// Bytes that the file has.
        length: usize,
        /// Where the table ends.
        expected: usize,
    },
    /// A header that cannot be decoded.
    #[error("its header is damaged")]
    Header(#[source] fitsio_pure::Error),
    /// A header keyword with a value that no file has.
    #[error("its header is damaged: {keyword} is {value}")]
    DamagedKeyword {
        /// Such as `NAXIS1`.
        keyword: String,
        /// Its value.
        value: i64,
    },
    /// A header that announces more data than a file can have.
    #[error("its header is damaged: it announces more data than a file can have")]
    TooLarge,
    /// A file without a table.
    #[error("it has no table")]
    NoTable,
    /// A file whose only tables are compressed.
    #[error("its table {extension} is compressed (ZTABLE); only uncompressed tables can be read")]
    Compressed {
        /// The table's name or number.
        extension: String,
    },
    /// The table asked for is not there.
    #[error("it has no table '{name}'; it has: {}", found.join(", "))]
    NoExtension {
        /// The name or number asked for.
        name: String,
        /// The tables of the file.
        found: Vec<String>,
    },
}
