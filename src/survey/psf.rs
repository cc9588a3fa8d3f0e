//! A point spread function from a FITS file.

use super::error::{Error, Result};
use super::fits::{FitsError, FitsFile};
use super::guard::guarded;
use std::path::Path;

/// The largest side that the convolution kernels support, pixels.
const MAX_SIDE: usize = 49;

/// Why an image cannot be a point spread function.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PsfError {
    /// The image has no central pixel, or is too large.
    #[error("it has {height} x {width} pixels; it must be square, with an odd side of at most {MAX_SIDE}")]
    Shape {
        /// Pixels.
        height: usize,
        /// Pixels.
        width: usize,
    },
    /// The image cannot be normalised.
    #[error("its sum is {sum}; all values must be finite, and their sum positive")]
    Sum {
        /// The sum of its values.
        sum: f64,
    },
}

/// Reads a point spread function from the first image of a FITS file: its side in pixels and its values, row by row,
/// normalised to a sum of 1.
///
/// # Errors
/// A file that cannot be read; an image that is not square with an odd side of at most 49 pixels; values that are not
/// finite or whose sum is not positive.
pub fn read_psf(path: &Path) -> Result<(usize, Vec<f64>)> {
    guarded(|| vec![path.into()], || read(path))
}

fn read(path: &Path) -> Result<(usize, Vec<f64>)> {
    let mut file = FitsFile::open(path).map_err(Error::fits(path))?;
    if file.images.is_empty() {
        return Err(Error::fits(path)(FitsError::NoImage));
    }
    let image = file.image(0).map_err(Error::fits(path))?;
    let unusable = |source| Error::Psf {
        path: path.into(),
        source,
    };
    let (height, width) = (image.height, image.width);
    if height != width || width % 2 == 0 || width > MAX_SIDE {
        return Err(unusable(PsfError::Shape { height, width }));
    }
    let values = image.plane(0);
    let sum: f64 = values.iter().sum();
    if !(values.iter().all(|v| v.is_finite()) && sum > 0.0) {
        return Err(unusable(PsfError::Sum { sum }));
    }
    Ok((width, values.iter().map(|v| v / sum).collect()))
}

#[cfg(test)]
mod tests {
    use super::super::error::tests::message;
    use super::*;

    #[test]
    fn an_image_that_is_not_square_is_refused() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fits/scaled.fits");
        let error = message(read_psf(&file));
        assert!(error.contains("scaled.fits: it has 10 x 12 pixels"), "{error}");
    }
}
