//! Colour pictures (PNG, JPEG, TIFF) as images.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};

use super::error::{Error, Result};
use super::guard::caught;
use crate::files::{self, unpack};

/// Endings of the names of picture files, in lower case.
pub(super) const EXTENSIONS: [&str; 5] = ["png", "jpg", "jpeg", "tif", "tiff"];

/// Why a picture cannot be read. The messages speak of the file as "it"; [`Error`] adds its name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The file cannot be opened.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The file is damaged, or of a kind that cannot be read.
    #[error("it cannot be decoded")]
    Decode(#[source] ImageError),
    /// The decoder has failed.
    #[error("it is damaged: the decoder failed")]
    Decoder,
}

/// A picture in memory.
#[derive(Debug)]
pub(super) struct Picture {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// 3: red, green and blue; or 1: grey.
    pub channels: usize,
    /// Whether the file stores integers.
    pub integer: bool,
    /// (H, W, C): levels as they are stored, 0 to 255, 0 to 65535, or floats. The lowest row is the first, as in FITS.
    /// Transparent pixels are NaN.
    pub values: Vec<f64>,
}

/// Width, height and number of channels, without reading pixels.
///
/// # Errors
/// A file that is missing, damaged, too large or of another kind.
pub(super) fn picture_shape(path: &Path) -> Result<(usize, usize, usize)> {
    guarded(path, |reader| {
        let decoder = reader.into_decoder()?;
        let (width, height) = decoder.dimensions();
        let channels = if decoder.color_type().has_color() { 3 } else { 1 };
        Ok((width as usize, height as usize, channels))
    })
}

/// Reads a picture. An orientation in its metadata is not applied.
///
/// # Errors
/// A file that is missing, damaged, too large (docs/reliability.md) or of another kind.
pub(super) fn read_picture(path: &Path) -> Result<Picture> {
    guarded(path, |reader| Ok(Picture::new(reader.decode()?)))
}

impl Picture {
    fn new(image: DynamicImage) -> Picture {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let (color, alpha) = (image.color().has_color(), image.color().has_alpha());
        let integer = !matches!(image, DynamicImage::ImageRgb32F(_) | DynamicImage::ImageRgba32F(_));
        let levels: Vec<f64> = match image {
            DynamicImage::ImageLuma8(image) => widen(image.into_raw()),
            DynamicImage::ImageLumaA8(image) => widen(image.into_raw()),
            DynamicImage::ImageRgb8(image) => widen(image.into_raw()),
            DynamicImage::ImageRgba8(image) => widen(image.into_raw()),
            DynamicImage::ImageLuma16(image) => widen(image.into_raw()),
            DynamicImage::ImageLumaA16(image) => widen(image.into_raw()),
            DynamicImage::ImageRgb16(image) => widen(image.into_raw()),
            DynamicImage::ImageRgba16(image) => widen(image.into_raw()),
            DynamicImage::ImageRgb32F(image) => widen(image.into_raw()),
            DynamicImage::ImageRgba32F(image) => widen(image.into_raw()),
            other => widen(other.into_rgba32f().into_raw()),
        };
        let channels = if color { 3 } else { 1 };
        let stored = channels + usize::from(alpha);
        let pixel = |pixel: &[f64]| {
            let transparent = alpha && pixel[channels] == 0.0;
            let level = move |level: f64| if transparent { f64::NAN } else { level };
            pixel[..channels].iter().map(|&l| level(l)).collect::<Vec<_>>()
        };
        let rows = levels.chunks_exact((width * stored).max(1)).rev();
        Picture {
            width,
            height,
            channels,
            integer,
            values: rows.flat_map(|row| row.chunks_exact(stored)).flat_map(pixel).collect(),
        }
    }
}

fn widen<T: Into<f64>>(levels: Vec<T>) -> Vec<f64> {
    levels.into_iter().map(Into::into).collect()
}

/// Opens a picture for `read`. The kind follows from the content; a panic of the decoder is an error.
fn guarded<T>(path: &Path, read: impl FnOnce(ImageReader<BufReader<File>>) -> Result<T, ImageError>) -> Result<T> {
    let attempt = || -> Result<T, PictureError> {
        let file = files::open(path)?;
        let most = unpack::limit(file.metadata()?.len());
        let mut reader = ImageReader::new(BufReader::new(file)).with_guessed_format()?;
        let mut limits = Limits::default();
        limits.max_image_width = Some(1 << 15);
        limits.max_image_height = Some(1 << 15);
        // Levels of one byte become numbers of eight.
        limits.max_alloc = Some(most / size_of::<f64>() as u64);
        reader.limits(limits);
        read(reader).map_err(PictureError::Decode)
    };
    let result = caught(attempt).unwrap_or(Err(PictureError::Decoder));
    result.map_err(|source| Error::Picture {
        path: path.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::super::error::tests::message;
    use super::*;
    use image::{ExtendedColorType, GrayAlphaImage, ImageBuffer, Luma, Rgb, RgbImage, RgbaImage};

    fn colours() -> RgbImage {
        RgbImage::from_fn(3, 2, |x, y| Rgb([10 * x as u8, 100 * y as u8, 7]))
    }

    #[test]
    fn the_lowest_row_is_the_first_as_in_fits() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.png", "a.tif", "wrong_ending.jpg"] {
            let path = dir.path().join(name);
            let format = if name.ends_with("tif") {
                image::ImageFormat::Tiff
            } else {
                image::ImageFormat::Png
            };
            colours().save_with_format(&path, format).unwrap();
            assert_eq!(picture_shape(&path).unwrap(), (3, 2, 3));
            let picture = read_picture(&path).unwrap();
            assert_eq!((picture.width, picture.height, picture.channels), (3, 2, 3));
            assert!(picture.integer);
            assert_eq!(picture.values[..6], [0.0, 100.0, 7.0, 10.0, 100.0, 7.0], "{name}");
            assert_eq!(picture.values[9..12], [0.0, 0.0, 7.0], "{name}");
        }
    }

    #[test]
    fn jpeg_16_bits_floats_and_grey() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jpeg");
        RgbImage::from_pixel(16, 8, Rgb([200, 100, 50])).save(&path).unwrap();
        let picture = read_picture(&path).unwrap();
        assert_eq!(
            (picture.width, picture.height, picture.values.len()),
            (16, 8, 16 * 8 * 3)
        );
        assert!((picture.values[0] - 200.0).abs() < 4.0 && (picture.values[2] - 50.0).abs() < 4.0);

        let path = dir.path().join("a.png");
        ImageBuffer::<Luma<u16>, _>::from_vec(1, 2, vec![1u16, 65535])
            .unwrap()
            .save(&path)
            .unwrap();
        assert_eq!(picture_shape(&path).unwrap(), (1, 2, 1));
        assert_eq!(read_picture(&path).unwrap().values, [65535.0, 1.0]);

        let path = dir.path().join("a.tiff");
        let floats = [-1.5f32, 0.25, 1e6];
        let bytes: Vec<u8> = floats.iter().flat_map(|v| v.to_ne_bytes()).collect();
        image::save_buffer(&path, &bytes, 1, 1, ExtendedColorType::Rgb32F).unwrap();
        let picture = read_picture(&path).unwrap();
        assert_eq!((picture.values, picture.integer), (vec![-1.5, 0.25, 1e6], false));
    }

    #[test]
    fn transparent_pixels_have_no_value() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        RgbaImage::from_vec(2, 1, vec![1, 2, 3, 0, 4, 5, 6, 9])
            .unwrap()
            .save(&path)
            .unwrap();
        let picture = read_picture(&path).unwrap();
        assert!(picture.values[..3].iter().all(|v| v.is_nan()) && picture.channels == 3);
        assert_eq!(picture.values[3..], [4.0, 5.0, 6.0]);
        GrayAlphaImage::from_vec(1, 1, vec![8, 255])
            .unwrap()
            .save(&path)
            .unwrap();
        assert_eq!(read_picture(&path).unwrap().values, [8.0]);
    }

    #[test]
    fn damaged_pictures_are_errors_that_name_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cut.png");
        RgbImage::from_fn(40, 40, |x, y| Rgb([(x * y) as u8, x as u8, y as u8]))
            .save(&path)
            .unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let error = message(read_picture(&path));
        assert!(error.contains("cut.png: it cannot be decoded"), "{error}");
        std::fs::write(&path, "<html>404</html>").unwrap();
        assert!(message(read_picture(&path)).contains("cut.png"));
        assert!(message(picture_shape(&path)).contains("cut.png"));
        for at in (8..whole.len()).step_by(5) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            std::fs::write(&path, &bytes).unwrap();
            // An error or an image; the point is that it returns.
            let _ = read_picture(&path);
        }
        // A header that claims 2^31 x 2^31 pixels.
        let mut bytes = whole.clone();
        bytes[16..24].copy_from_slice(&[0x7f, 255, 255, 255, 0x7f, 255, 255, 255]);
        std::fs::write(&path, &bytes).unwrap();
        assert!(read_picture(&path).is_err());
    }
}
