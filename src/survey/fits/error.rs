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
    Gzip(#[source] io::Error),
    /// The file has no content.
    #[error("it is empty (0 bytes)")]
    Empty,
    /// The file does not begin as every FITS file does.
    #[error("it is not a FITS file: it does not begin with SIMPLE")]
    NotFits,
    /// The file ends inside a header.
    #[error("it is cut short: its {length} bytes end inside a header, before END")]
    CutInHeader {
        /// Bytes that the file has.
        length: u64,
    },
    /// A header without END.
    #[error("it is damaged: the header at byte {at} has no END")]
    NoEnd {
        /// Where the header begins.
        at: u64,
    },
    /// The file ends inside a data unit.
    #[error("it is cut short: {} bytes are missing ({length} of at least {expected} are there)", expected - length)]
    CutInData {
        /// Bytes that the file has.
        length: u64,
        /// Where the data unit ends.
        expected: u64,
    },
    /// A header keyword with a value that no file has.
    #[error("its header is damaged: {keyword} is {value}")]
    DamagedHeader {
        /// Such as `NAXIS1`.
        keyword: String,
        /// Its value.
        value: i64,
    },
    /// A header without a keyword that it needs, or with one that is not what it must be.
    #[error("its header has no valid {keyword}")]
    MissingKeyword {
        /// Such as `BITPIX`.
        keyword: String,
    },
    /// A keyword that pixels are computed with.
    #[error("its keyword {keyword} is {value}; a number is needed")]
    NotANumber {
        /// Such as `BZERO`.
        keyword: String,
        /// What it is.
        value: String,
    },
    /// BSCALE is 0: all pixels would have the same value.
    #[error("its keyword BSCALE is 0")]
    ZeroScale,
    /// A tile-compressed image whose table contradicts its header.
    #[error("its compressed image is damaged: {0}")]
    Tiles(&'static str),
    /// A compression that cannot be read.
    #[error("its image is compressed with {method}, which cannot be read")]
    Compression {
        /// The method.
        method: String,
    },
    /// A decoder has failed.
    #[error("its pixels are damaged: the decoder failed ({reason})")]
    Decoder {
        /// What the decoder says.
        reason: String,
    },
    /// An image without pixels, or with more than a survey image can have.
    #[error("it has an image of {axes:?} pixels")]
    ImageSize {
        /// Lengths of the image's axes, the fastest first.
        axes: Vec<usize>,
    },
    /// A compressed image that is larger than its data can be.
    #[error("it has an image of {axes:?} pixels in {bytes} bytes, which cannot be")]
    Bomb {
        /// Lengths of the image's axes, the fastest first.
        axes: Vec<usize>,
        /// Bytes of its compressed data.
        bytes: usize,
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
    /// An image whose pixels have no place on the sky.
    #[error("its header has no usable position on the sky: {reason}")]
    NoSky {
        /// What is missing or unknown.
        reason: String,
    },
}
