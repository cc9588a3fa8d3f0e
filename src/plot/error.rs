//! Why a plot could not be made.

/// A plot that could not be drawn, converted or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no finite value to draw.
    #[error("there are no finite values to plot")]
    NoData,
    /// The drawing library failed.
    #[error("drawing a plot failed: {0}")]
    Drawing(String),
    /// The SVG is invalid.
    #[error("an SVG cannot be converted to PNG: {0}")]
    InvalidSvg(String),
    /// An image has no pixels, or too many for a PNG.
    #[error("an image of {width} x {height} pixels cannot be converted to PNG")]
    ImageSize {
        /// Pixels along x.
        width: usize,
        /// Pixels along y.
        height: usize,
    },
    /// A PNG could not be encoded.
    #[error("a PNG cannot be encoded: {0}")]
    Encoding(String),
    /// A plot's file could not be written.
    #[error(transparent)]
    Files(#[from] crate::files::Error),
}
