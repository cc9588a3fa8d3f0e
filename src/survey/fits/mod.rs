//! FITS images: single images, cubes and multi-extension files; scaled integers; tile compression and gzip.

mod error;
mod hdus;
pub(super) mod table;
mod wcs;

pub use error::FitsError;
pub(super) use wcs::Astrometry;

use std::io::Read;
use std::path::Path;

use fitsio_pure::hdu::Hdu;
use fitsio_pure::image::{self, ImageData};

use super::cutout::Plane;
use super::error::{Error, Result};
use hdus::each_image;

/// One image HDU in physical units (BSCALE and BZERO applied), BLANK pixels as NaN.
pub(super) struct Image {
    pub width: usize,
    pub height: usize,
    pub planes: usize,
    /// (planes, height, width), as in the file.
    pub values: Vec<f64>,
    /// Whether the file stores integers.
    pub integer: bool,
    pub astrometry: Astrometry,
}

impl Image {
    /// All pixels of one of its planes.
    pub fn plane(&self, plane: usize) -> Plane<'_> {
        let offset = plane * self.width * self.height;
        let (width, height, integer) = (self.width, self.height, self.integer);
        Plane {
            values: &self.values,
            offset,
            step: 1,
            width,
            height,
            integer,
        }
    }
}

/// Name, size and position of an image HDU, from its header.
pub(super) struct ImageHeader {
    pub name: Option<String>,
    pub width: usize,
    pub height: usize,
    pub planes: usize,
    pub astrometry: Astrometry,
}

/// Which image HDUs of a file hold the bands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum BandHdus {
    /// The first image, with one plane per band.
    First { planes: usize },
    /// The extensions with these names, in this order.
    Named(Vec<String>),
    /// The first images, as many as there are bands.
    InOrder(usize),
}

/// The headers of all image HDUs of a file; no pixels are read.
pub(super) fn headers(path: &Path) -> Result<Vec<ImageHeader>> {
    let mut headers = Vec::new();
    let read = each_image(path, |hdu, _| {
        let (width, height, planes) = size(hdu)?;
        headers.push(ImageHeader {
            name: name(hdu),
            width,
            height,
            planes,
            astrometry: Astrometry::from_cards(&hdu.cards, width, height),
        });
        Ok(true)
    });
    match read {
        Ok(()) if headers.is_empty() => Err(FitsError::NoImage),
        read => read.map(|()| headers),
    }
    .map_err(Error::fits(path))
}

/// The images of a file that hold the bands, in the order of the bands.
pub(super) fn read(path: &Path, bands: &BandHdus) -> Result<Vec<Image>> {
    read_bands(path, bands).map_err(Error::fits(path))
}

fn read_bands(path: &Path, bands: &BandHdus) -> Result<Vec<Image>, FitsError> {
    let (count, planes) = match bands {
        BandHdus::First { planes } => (1, *planes),
        BandHdus::Named(names) => (names.len(), 1),
        BandHdus::InOrder(count) => (*count, 1),
    };
    let mut images: Vec<Option<Image>> = (0..count).map(|_| None).collect();
    let (mut found, mut names) = (0, Vec::new());
    each_image(path, |hdu, file| {
        let place = match bands {
            BandHdus::Named(bands) => {
                let this = name(hdu).unwrap_or_default();
                let place = bands.iter().position(|band| same_name(band, &this));
                names.push(this);
                place.filter(|&place| images[place].is_none())
            }
            BandHdus::First { .. } | BandHdus::InOrder(_) => Some(found),
        };
        if let Some(place) = place {
            images[place] = Some(decode(hdu, file)?);
            found += 1;
        }
        Ok(found < count)
    })?;
    let missing = |place: usize| match bands {
        BandHdus::Named(bands) => FitsError::NoExtension {
            name: bands[place].clone(),
            found: names.clone(),
        },
        BandHdus::First { .. } | BandHdus::InOrder(_) => FitsError::TooFewImages { found, expected: count },
    };
    let images = images.into_iter().enumerate();
    let images = images.map(|(place, image)| image.ok_or_else(|| missing(place)));
    let images = images.collect::<Result<Vec<_>, _>>()?;
    match images.iter().find(|image| image.planes != planes) {
        Some(image) => Err(FitsError::Planes {
            found: image.planes,
            expected: planes,
        }),
        None => Ok(images),
    }
}

/// Whether an extension holds a band: the case of letters does not matter.
pub(super) fn same_name(band: &str, extension: &str) -> bool {
    band.eq_ignore_ascii_case(extension)
}

fn name(hdu: &Hdu) -> Option<String> {
    wcs::text(&hdu.cards, "EXTNAME").map(str::to_owned)
}

/// An image with more pixels than this is taken as a sign of a damaged header.
const MAX_PIXELS: usize = 1 << 30;

/// Width, height and planes; further axes must have length 1.
fn size(hdu: &Hdu) -> Result<(usize, usize, usize), FitsError> {
    let axes = image::image_dimensions(hdu)?;
    let pixels = axes.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    if pixels.is_none_or(|n| n == 0 || n > MAX_PIXELS) {
        return Err(FitsError::ImageSize { axes });
    }
    match axes[..] {
        [width, height] => Ok((width, height, 1)),
        [width, height, planes, ref more @ ..] if more.iter().all(|&n| n == 1) => Ok((width, height, planes)),
        _ => Err(FitsError::Axes { axes }),
    }
}

fn decode(hdu: &Hdu, file: &mut dyn Read) -> Result<Image, FitsError> {
    let (width, height, planes) = size(hdu)?;
    let mut bytes = vec![0; hdu.data_len];
    file.read_exact(&mut bytes)?;
    let data = image::read_image_data(&bytes, hdu)?;
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
    if values.len() != width * height * planes {
        return Err(FitsError::PixelCount {
            found: values.len(),
            width,
            height,
            planes,
        });
    }
    Ok(Image {
        width,
        height,
        planes,
        values,
        integer,
        astrometry: Astrometry::from_cards(&hdu.cards, width, height),
    })
}

#[cfg(test)]
mod tests {
    use super::super::error::tests::message;
    use super::*;
    use std::path::PathBuf;

    fn file(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fits").join(name)
    }

    fn first(name: &str) -> Image {
        read(&file(name), &BandHdus::First { planes: 1 }).unwrap().remove(0)
    }

    /// The pixel values of band `b` (from 1) in the test files; see their README.
    fn expected(b: usize) -> Vec<f64> {
        (0..120)
            .map(|at| (1000 * b + 20 * (at / 12) + at % 12) as f64)
            .collect()
    }

    #[test]
    fn plain_scaled_and_compressed_images_have_the_values_written_by_astropy() {
        for name in [
            "rice.fits.fz",
            "gzip.fits.fz",
            "whole.fits.gz",
            "axes4.fits",
            "unnamed.fits",
        ] {
            let image = first(name);
            assert_eq!((image.width, image.height, image.planes), (12, 10, 1), "{name}");
            assert_eq!(image.values, expected(1), "{name}");
        }
        let unsigned: Vec<f64> = expected(1).iter().map(|v| v + 40000.0).collect();
        assert_eq!(first("uint16.fits").values, unsigned);
        let scaled = first("scaled.fits");
        let physical: Vec<f64> = expected(1).iter().map(|v| 0.5 * v + 10.0).collect();
        assert!(scaled.values[0].is_nan() && scaled.integer, "BLANK");
        assert_eq!(scaled.values[1..], physical[1..]);
    }

    #[test]
    fn quantised_floats_have_the_values_read_by_astropy() {
        let values = first("quantised.fits.fz").values;
        assert_eq!(values[..2], [1001.722412109375, 1005.051025390625]);
        assert!(values[3 * 12 + 3].is_nan());
        let sum: f64 = values.iter().filter(|v| !v.is_nan()).sum();
        assert!((sum - 130365.25775146484).abs() < 1e-6, "{sum}");
    }

    #[test]
    fn extensions_come_in_the_order_of_the_bands_with_or_without_tables_between_them() {
        let bands = BandHdus::Named(["g", "R", "i"].map(String::from).to_vec());
        let images = read(&file("mef.fits"), &bands).unwrap();
        for (band, image) in images.iter().enumerate() {
            assert_eq!(image.values, expected(band + 1));
        }
        assert!(images[2].integer && !images[0].integer);
        let images = read(&file("unnamed.fits"), &BandHdus::InOrder(2)).unwrap();
        assert_eq!(images[1].values, expected(2));
        let missing = BandHdus::Named(vec!["G".into(), "Y".into()]);
        let error = message(read(&file("mef.fits"), &missing));
        assert!(
            error.contains("mef.fits") && error.contains("'Y'") && error.contains("R, G, I"),
            "{error}"
        );
        let error = message(read(&file("unnamed.fits"), &BandHdus::InOrder(3)));
        assert!(error.contains("2 images; 3 are needed"), "{error}");
    }

    #[test]
    fn planes_and_position_of_a_cube() {
        let cube = read(&file("cube.fits"), &BandHdus::First { planes: 3 })
            .unwrap()
            .remove(0);
        assert_eq!(cube.values[..120], expected(1));
        assert_eq!((cube.plane(1).offset, cube.values[120]), (120, 100.0));
        let (ra, dec) = cube.astrometry.ra_dec.unwrap();
        assert!((ra - 150.5).abs() < 1e-9 && (dec + 2.25).abs() < 1e-9);
        assert!((cube.astrometry.pixel_scale.unwrap() - 0.263).abs() < 1e-9);
        let error = message(read(&file("cube.fits"), &BandHdus::First { planes: 1 }));
        assert!(error.contains("cube.fits") && error.contains("3 planes"), "{error}");
    }

    #[test]
    fn truncated_files_are_errors_that_name_the_file_and_what_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cut.fits");
        let error = |bytes: &[u8], bands: &BandHdus| {
            std::fs::write(&path, bytes).unwrap();
            message(read(&path, bands))
        };
        let one = BandHdus::First { planes: 1 };
        let whole = std::fs::read(file("scaled.fits")).unwrap();
        let cut = error(&whole[..2880 + 200], &one);
        assert!(
            cut.contains("cut.fits: it is cut short: 40 bytes are missing (3080 of at least 3120"),
            "{cut}"
        );
        assert!(error(&whole[..1000], &one).contains("end inside a header"));
        assert!(error(b"", &one).contains("empty (0 bytes)"));
        assert!(error(b"<html>404</html>", &one).contains("not a FITS file"));
        let damaged = String::from_utf8_lossy(&whole).replacen(
            "NAXIS   =                    2",
            "NAXIS   =                   -2",
            1,
        );
        assert!(error(damaged.as_bytes(), &one).contains("NAXIS is -2"));
        let gz = std::fs::read(file("whole.fits.gz")).unwrap();
        assert!(error(&gz[..300], &one).contains("gzip stream is damaged or cut short"));
        let mef = std::fs::read(file("mef.fits")).unwrap();
        let both = BandHdus::Named(vec!["R".into(), "I".into()]);
        assert!(error(&mef[..3 * 2880], &both).contains("'I'"), "whole HDUs missing");
        assert!(error(&mef[..9000], &both).contains("end inside a header"));
        // Any truncation is an error or, if only padding is missing, gives the image; never a panic.
        for length in (0..whole.len()).step_by(97) {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(read(&path, &one).is_ok(), length >= 3120, "{length}");
        }
    }

    #[test]
    fn headers_are_read_without_pixels() {
        let images = headers(&file("mef.fits")).unwrap();
        let names: Vec<_> = images.iter().filter_map(|i| i.name.as_deref()).collect();
        assert_eq!(names, ["R", "G", "I"]);
        assert_eq!((images[1].width, images[1].height, images[1].planes), (12, 10, 1));
        let error = message(headers(Path::new("nowhere.fits")));
        assert!(error.contains("nowhere.fits"), "{error}");
    }
}
