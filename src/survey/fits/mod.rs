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
//! | `window` | a part of an image |
//! | `wcs`, `projection`, `frame` | position and pixel scale |
//! | `sky` | from pixels to the sky and back |

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
mod sky;
mod tile_table;
mod tiles;
mod wcs;
mod window;

pub(super) use decode::Image;
pub use error::FitsError;
pub(super) use file::{FitsFile, ImageHdu};
pub(super) use keywords::Keywords;
pub(super) use sky::{SkyGrid, from_plane};
pub(super) use wcs::Astrometry;
pub(super) use window::Window;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::chain;
    use std::path::{Path, PathBuf};

    fn file(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fits").join(name)
    }

    fn read(path: &Path) -> Result<(ImageHdu, Image), FitsError> {
        let mut file = FitsFile::open(path)?;
        let image = file.image(0)?;
        Ok((file.images.remove(0), image))
    }

    fn first(name: &str) -> Image {
        read(&file(name)).unwrap().1
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
    fn planes_and_position_of_a_cube() {
        let (header, cube) = read(&file("cube.fits")).unwrap();
        assert_eq!(cube.values[..120], expected(1));
        assert_eq!(cube.plane(1)[0], 100.0);
        let (ra, dec) = header.astrometry.ra_dec.unwrap();
        assert!((ra - 150.5).abs() < 1e-9 && (dec + 2.25).abs() < 1e-9);
        assert!((header.astrometry.pixel_scale.unwrap() - 0.263).abs() < 1e-9);
    }

    #[test]
    fn truncated_files_are_errors_that_name_the_file_and_what_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cut.fits");
        let error = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            chain(&read(&path).err().expect("an error"))
        };
        let whole = std::fs::read(file("scaled.fits")).unwrap();
        let cut = error(&whole[..2880 + 200]);
        assert!(
            cut.contains("it is cut short: 40 bytes are missing (3080 of at least 3120"),
            "{cut}"
        );
        assert!(error(&whole[..1000]).contains("end inside a header"));
        assert!(error(b"").contains("empty (0 bytes)"));
        assert!(error(b"<html>404</html>").contains("not a FITS file"));
        let damaged = String::from_utf8_lossy(&whole).replacen(
            "NAXIS   =                    2",
            "NAXIS   =                   -2",
            1,
        );
        assert!(error(damaged.as_bytes()).contains("NAXIS is -2"));
        let gz = std::fs::read(file("whole.fits.gz")).unwrap();
        assert!(error(&gz[..300]).contains("gzip stream is damaged or cut short"));
        let mef = std::fs::read(file("mef.fits")).unwrap();
        assert!(error(&mef[..9000]).contains("end inside a header"));
        // Any truncation is an error or, if only padding is missing, gives the image; never a panic.
        for length in (0..whole.len()).step_by(97) {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(read(&path).is_ok(), length >= 3120, "{length}");
        }
    }

    #[test]
    fn headers_are_read_without_pixels() {
        let file_of_three = FitsFile::open(&file("mef.fits")).unwrap();
        let images = &file_of_three.images;
        let names: Vec<_> = images.iter().filter_map(|i| i.name.as_deref()).collect();
        assert_eq!(names, ["R", "G", "I"]);
        assert_eq!((images[1].width, images[1].height, images[1].planes), (12, 10, 1));
        assert!(images[2].integer && !images[0].integer && file_of_three.has_table);
        assert!(FitsFile::open(Path::new("nowhere.fits")).is_err());
    }
}
