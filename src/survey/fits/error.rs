//! What can be wrong with a FITS file.

use std::io;

/// Why a FITS file cannot be read. The messages speak of the file as "it"; [`Error`](crate::survey::Error) adds its name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FitsError {
    /// The file cannot be opened or read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A header or data unit that cannot be decoded.
    #[error(transparent)]
    Format(#[from] fitsio_pure::Error),
    /// The file is gzipped as a whole and cannot be unpacked.
    #[error("its gzip stream is damaged or cut short")]
    Gzip(#[source] fitsio_pure::Error),
    /// The file has no content.
    #[error("it is empty (0 bytes)")]
    Empty,
    /// The file does not begin as every FITS file does.
    #[error("it is not a FITS file: it does not begin with SIMPLE")]
    NotFits,
    /// The file ends inside a header.
    #[error("it is cut short: its {length} bytes end inside a header")]
    CutInHeader {
        /// Bytes that the file has.
        length: u64,
    },
    /// The file ends inside a data unit.
    #[error("it is cut short: {} bytes are missing ({length} of at least {expected} are there)", expected - length)]
    CutInData {
        /// Bytes that the file has.
        length: u64,
        /// Where the data unit ends.
        expected: u64,
    },
    /// A table in the file is damaged, or the file ends inside it.
    #[error("it is damaged or cut short")]
    Damaged(#[source] fitsio_pure::Error),
    /// A header keyword with a value that no file has.
    #[error("its header is damaged: {keyword} is {value}")]
    DamagedHeader {
        /// Such as `NAXIS1`.
        keyword: String,
        /// Its value.
        value: i64,
    },
    /// An image without pixels, or with more than a survey image can have.
    #[error("it has an image of {axes:?} pixels")]
    ImageSize {
        /// Lengths of the image's axes, the fastest first.
        axes: Vec<usize>,
    },
    /// An image that is neither a plane nor a cube.
    #[error("it has an image of {} axes ({axes:?}); 2 or 3 are needed", axes.len())]
    Axes {
        /// Lengths of the image's axes, the fastest first.
        axes: Vec<usize>,
    },
    /// An image whose data do not match its header.
    #[error("it has an image of {found} pixels whose header says {width} x {height} x {planes}")]
    PixelCount {
        /// Pixels in the data.
        found: usize,
        /// NAXIS1.
        width: usize,
        /// NAXIS2.
        height: usize,
        /// NAXIS3, or 1.
        planes: usize,
    },
    /// A file without images.
    #[error("it has no image")]
    NoImage,
    /// A file without a table.
    #[error("it has no binary table")]
    NoTable,
    /// A column with several values per row.
    #[error("its column '{column}' has {values} values per row; 1 is needed")]
    VectorColumn {
        /// The column's name.
        column: String,
        /// Values per row.
        values: usize,
    },
    /// A column that cannot be decoded.
    #[error("its column '{column}' is damaged")]
    DamagedColumn {
        /// The column's name.
        column: String,
        /// What the decoder says.
        source: fitsio_pure::Error,
    },
    /// A column of bits, complex numbers or variable-length arrays.
    #[error("its column '{column}' holds bits, complex numbers or arrays; numbers and texts can be read")]
    ColumnType {
        /// The column's name.
        column: String,
    },
    /// A column whose data do not match the header.
    #[error("its column '{column}' has {found} rows of {expected}")]
    ColumnRows {
        /// The column's name.
        column: String,
        /// Rows of the column.
        found: usize,
        /// Rows of the table.
        expected: usize,
    },
}
