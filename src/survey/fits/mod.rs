//! FITS images: single images, cubes and multi-extension files; scaled integers; tile compression and gzip.
//!
//! | file | what it does |
//! |---|---|
//! | `file` | opens a file: its headers, and its images on demand |
//! | `header` | the cards of a header |
//! | `keywords` | looks up the keywords of a header |
//! | `hdu` | what an HDU holds, and its size |
//! | `decode` | an image's pixels in physical units |
//! | `tiles`, `tile_table` | tile-compressed images |
//! | `codec`, `quantised` | the pixels of one tile |
//! | `wcs`, `projection`, `frame` | position and pixel scale |
//! | `table` | tables, as catalogues |

#[cfg(test)]
mod astropy_tests;
mod codec;
mod decode;
mod error;
mod file;
mod frame;
mod hdu;
mod header;
mod keywords;
mod projection;
mod quantised;
pub(super) mod table;
mod tile_table;
mod tiles;
mod wcs;

pub(super) use decode::Image;
pub use error::FitsError;
pub(super) use file::{FitsFile, ImageHdu};
#[allow(unused_imports)]
pub(super) use frame::Frame;
pub(super) use wcs::Astrometry;

use std::path::Path;

use super::error::{Error, Result};

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
pub(super) fn headers(path: &Path) -> Result<Vec<ImageHdu>> {
    let file = FitsFile::open(path).map_err(Error::fits(path))?;
    match file.images.is_empty() {
        true => Err(Error::fits(path)(FitsError::NoImage)),
        false => Ok(file.images),
    }
}

/// The images of a file that hold the bands, in the order of the bands.
pub(super) fn read(path: &Path, bands: &BandHdus) -> Result<Vec<(ImageHdu, Image)>> {
    read_bands(path, bands).map_err(Error::fits(path))
}

fn read_bands(path: &Path, bands: &BandHdus) -> Result<Vec<(ImageHdu, Image)>, FitsError> {
    let mut file = FitsFile::open(path)?;
    let found = file.images.len();
    let (places, planes): (Vec<usize>, usize) = match bands {
        BandHdus::First { planes } if found > 0 => (vec![0], *planes),
        BandHdus::First { .. } => return Err(FitsError::NoImage),
        BandHdus::InOrder(count) if *count <= found => ((0..*count).collect(), 1),
        BandHdus::InOrder(expected) => {
            return Err(FitsError::TooFewImages {
                found,
                expected: *expected,
            });
        }
        BandHdus::Named(bands) => {
            let names = || file.images.iter().map(|image| image.name.clone().unwrap_or_default());
            let place = |band: &String| {
                names()
                    .position(|name| same_name(band, &name))
                    .ok_or_else(|| FitsError::NoExtension {
                        name: band.clone(),
                        found: names().collect(),
                    })
            };
            (bands.iter().map(place).collect::<Result<_, _>>()?, 1)
        }
    };
    let images = places.into_iter().map(|place| {
        let header = file.images[place].clone();
        if header.planes != planes {
            return Err(FitsError::Planes {
                found: header.planes,
                expected: planes,
            });
        }
        Ok((header, file.image(place)?))
    });
    images.collect()
}

/// Whether an extension holds a band: the case of letters does not matter.
pub(super) fn same_name(band: &str, extension: &str) -> bool {
    band.eq_ignore_ascii_case(extension)
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
        read(&file(name), &BandHdus::First { planes: 1 }).unwrap().remove(0).1
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
            assert_eq!((image.width, image.height), (12, 10), "{name}");
            assert_eq!(image.values, expected(1), "{name}");
        }
        let unsigned: Vec<f64> = expected(1).iter().map(|v| v + 40000.0).collect();
        assert_eq!(first("uint16.fits").values, unsigned);
        let scaled = first("scaled.fits");
        let physical: Vec<f64> = expected(1).iter().map(|v| 0.5 * v + 10.0).collect();
        assert!(scaled.values[0].is_nan(), "BLANK");
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
        for (band, (_, image)) in images.iter().enumerate() {
            assert_eq!(image.values, expected(band + 1));
        }
        assert!(images[2].0.integer && !images[0].0.integer);
        let images = read(&file("unnamed.fits"), &BandHdus::InOrder(2)).unwrap();
        assert_eq!(images[1].1.values, expected(2));
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
        let (header, cube) = read(&file("cube.fits"), &BandHdus::First { planes: 3 })
            .unwrap()
            .remove(0);
        assert_eq!(cube.values[..120], expected(1));
        assert_eq!(cube.plane(1)[0], 100.0);
        let (ra, dec) = header.astrometry.ra_dec.unwrap();
        assert!((ra - 150.5).abs() < 1e-9 && (dec + 2.25).abs() < 1e-9);
        assert!((header.astrometry.pixel_scale.unwrap() - 0.263).abs() < 1e-9);
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
