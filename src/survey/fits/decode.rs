//! The pixels of an image HDU in physical units.

use fitsio_pure::hdu::Hdu;
use fitsio_pure::image::{self, ImageData};

use super::FitsError;
use super::file::ImageHdu;

/// One image in physical units (BSCALE and BZERO applied), BLANK pixels as NaN.
pub(in crate::survey) struct Image {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// (planes, height, width), as in the file.
    pub values: Vec<f64>,
}

impl Image {
    /// The pixels of one of its planes, row by row.
    pub fn plane(&self, plane: usize) -> &[f64] {
        let size = self.width * self.height;
        &self.values[plane * size..][..size]
    }
}

/// `bytes` are the data unit of `hdu`.
pub(super) fn decode(bytes: &[u8], hdu: &Hdu, header: &ImageHdu) -> Result<Image, FitsError> {
    let data = image::read_image_data(bytes, hdu)?;
    let integer = !matches!(data, ImageData::F32(_) | ImageData::F64(_));
    let (bscale, bzero) = image::extract_bscale_bzero(&hdu.cards);
    let mut values = image::apply_bscale_bzero(&data, bscale, bzero);
    if integer && let Some(mask) = image::blank_mask(&data, image::extract_blank(&hdu.cards)) {
        values
            .iter_mut()
            .zip(mask)
            .filter(|(_, blank)| *blank)
            .for_each(|(value, _)| *value = f64::NAN);
    }
    let ImageHdu {
        width, height, planes, ..
    } = *header;
    if values.len() != width * height * planes {
        return Err(FitsError::PixelCount {
            found: values.len(),
            width,
            height,
            planes,
        });
    }
    Ok(Image { width, height, values })
}
