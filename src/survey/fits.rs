//! FITS images: one a file, cubes and multi-extension files, scaled integers, tile-compressed and gzipped.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
use fitsio_pure::hdu::Hdu;
use fitsio_pure::image::{self, ImageData};

use super::cutout::Plane;
use super::hdus::each_image;
use super::wcs::{self, Astrometry};

/// One image HDU in physical units (BSCALE and BZERO applied), BLANK pixels as NaN.
pub(super) struct Image {
    pub width: usize,
    pub height: usize,
    pub planes: usize,
    /// (planes, height, width), as in the file.
    pub values: Vec<f64>,
    /// Stored as integers.
    pub integer: bool,
    pub sky: Astrometry,
}

impl Image {
    /// One of its planes, all pixels.
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

/// Name and size of an image HDU.
pub(super) struct Summary {
    pub name: Option<String>,
    pub width: usize,
    pub height: usize,
    pub planes: usize,
    pub sky: Astrometry,
}

/// Which image HDUs of a file hold its bands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Select {
    /// The first image, with one plane a band.
    First { planes: usize },
    /// The extensions of these names, in this order.
    Named(Vec<String>),
    /// The first so many images.
    InOrder(usize),
}

/// Names and sizes of all image HDUs of a file, from its headers alone.
pub(super) fn describe(path: &Path) -> Result<Vec<Summary>> {
    let mut summaries = Vec::new();
    each_image(path, |hdu, _| {
        let (width, height, planes) = size(hdu)?;
        let sky = Astrometry::from_cards(&hdu.cards, width, height);
        summaries.push(Summary {
            name: name(hdu),
            width,
            height,
            planes,
            sky,
        });
        Ok(true)
    })?;
    if summaries.is_empty() {
        bail!("{} has no image in it", path.display());
    }
    Ok(summaries)
}

/// The selected images of a file, in the order asked for.
pub(super) fn read(path: &Path, select: &Select) -> Result<Vec<Image>> {
    let wanted = match select {
        Select::First { .. } => 1,
        Select::Named(names) => names.len(),
        Select::InOrder(count) => *count,
    };
    let mut images: Vec<Option<Image>> = (0..wanted).map(|_| None).collect();
    let (mut found, mut names) = (0, Vec::new());
    each_image(path, |hdu, file| {
        let place = match select {
            Select::Named(bands) => {
                let this = name(hdu).unwrap_or_default();
                let place = bands.iter().position(|band| same_name(band, &this));
                names.push(this);
                place.filter(|&place| images[place].is_none())
            }
            _ => Some(found),
        };
        if let Some(place) = place {
            images[place] = Some(decode(hdu, file)?);
            found += 1;
        }
        Ok(found < wanted)
    })?;
    let images = images.into_iter().enumerate().map(|(place, image)| {
        image.with_context(|| match select {
            Select::Named(bands) => format!(
                "{} has no image extension '{}'; it has: {}",
                path.display(),
                bands[place],
                names.join(", ")
            ),
            _ => format!(
                "{} has {found} images where {wanted} are needed; is the file complete?",
                path.display()
            ),
        })
    });
    let images = images.collect::<Result<Vec<_>>>()?;
    let planes = if let Select::First { planes } = select {
        *planes
    } else {
        1
    };
    for image in &images {
        if image.planes != planes {
            bail!(
                "{} has an image of {} planes where {planes} {} needed; name the bands with --bands",
                path.display(),
                image.planes,
                if planes == 1 { "is" } else { "are" }
            );
        }
    }
    Ok(images)
}

pub(super) fn same_name(band: &str, extension: &str) -> bool {
    band.eq_ignore_ascii_case(extension)
}

fn name(hdu: &Hdu) -> Option<String> {
    wcs::text(&hdu.cards, "EXTNAME").map(str::to_owned)
}

/// More pixels than this in one image are taken for a damaged header.
const MAX_PIXELS: usize = 1 << 30;

/// Width, height and planes; further axes must have length 1.
fn size(hdu: &Hdu) -> Result<(usize, usize, usize)> {
    let axes = image::image_dimensions(hdu)?;
    let pixels = axes.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    if pixels.is_none_or(|n| n == 0 || n > MAX_PIXELS) {
        bail!("it has an image of {axes:?} pixels");
    }
    match axes[..] {
        [width, height] => Ok((width, height, 1)),
        [width, height, planes, ref more @ ..] if more.iter().all(|&n| n == 1) => Ok((width, height, planes)),
        _ => bail!(
            "it has an image of {} axes ({axes:?}) where 2 or 3 are needed",
            axes.len()
        ),
    }
}

fn decode(hdu: &Hdu, file: &mut dyn Read) -> Result<Image> {
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
        bail!(
            "an image has {} pixels where its header says {width} x {height} x {planes}",
            values.len()
        );
    }
    Ok(Image {
        width,
        height,
        planes,
        values,
        integer,
        sky: Astrometry::from_cards(&hdu.cards, width, height),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn file(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fits").join(name)
    }

    fn first(name: &str) -> Image {
        read(&file(name), &Select::First { planes: 1 }).unwrap().remove(0)
    }

    /// The value that the test files have in band `b` (from 1), see their README.
    fn expected(b: usize) -> Vec<f64> {
        (0..120)
            .map(|at| (1000 * b + 20 * (at / 12) + at % 12) as f64)
            .collect()
    }

    #[test]
    fn plain_scaled_and_compressed_images_have_the_values_that_astropy_wrote() {
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
    fn quantised_floats_have_the_values_that_astropy_reads() {
        let values = first("quantised.fits.fz").values;
        assert_eq!(values[..2], [1001.722412109375, 1005.051025390625]);
        assert!(values[3 * 12 + 3].is_nan());
        let sum: f64 = values.iter().filter(|v| !v.is_nan()).sum();
        assert!((sum - 130365.25775146484).abs() < 1e-6, "{sum}");
    }

    #[test]
    fn extensions_come_in_the_order_asked_for_tables_between_them_or_not() {
        let select = Select::Named(["g", "R", "i"].map(String::from).to_vec());
        let images = read(&file("mef.fits"), &select).unwrap();
        for (band, image) in images.iter().enumerate() {
            assert_eq!(image.values, expected(band + 1));
        }
        assert!(images[2].integer && !images[0].integer);
        let images = read(&file("unnamed.fits"), &Select::InOrder(2)).unwrap();
        assert_eq!(images[1].values, expected(2));
        let missing = Select::Named(vec!["G".into(), "Y".into()]);
        let error = read(&file("mef.fits"), &missing).err().unwrap().to_string();
        assert!(
            error.contains("mef.fits") && error.contains("'Y'") && error.contains("R, G, I"),
            "{error}"
        );
        let error = read(&file("unnamed.fits"), &Select::InOrder(3))
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("2 images where 3"), "{error}");
    }

    #[test]
    fn planes_of_a_cube_and_the_sky_from_its_header() {
        let cube = read(&file("cube.fits"), &Select::First { planes: 3 })
            .unwrap()
            .remove(0);
        assert_eq!(cube.values[..120], expected(1));
        assert_eq!((cube.plane(1).offset, cube.values[120]), (120, 100.0));
        let (ra, dec) = cube.sky.ra_dec.unwrap();
        assert!((ra - 150.5).abs() < 1e-9 && (dec + 2.25).abs() < 1e-9);
        assert!((cube.sky.pixel_scale.unwrap() - 0.263).abs() < 1e-9);
        let error = read(&file("cube.fits"), &Select::First { planes: 1 })
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("cube.fits") && error.contains("3 planes"), "{error}");
    }

    #[test]
    fn files_cut_anywhere_are_errors_that_name_them_and_what_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cut.fits");
        let error = |bytes: &[u8], select: &Select| {
            std::fs::write(&path, bytes).unwrap();
            format!("{:#}", read(&path, select).err().expect("an error"))
        };
        let one = Select::First { planes: 1 };
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
        let both = Select::Named(vec!["R".into(), "I".into()]);
        assert!(error(&mef[..3 * 2880], &both).contains("'I'"), "whole HDUs missing");
        assert!(error(&mef[..9000], &both).contains("end inside a header"));
        // Every length: an error or, where only padding is missing, the image; never a panic.
        for length in (0..whole.len()).step_by(97) {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(read(&path, &one).is_ok(), length >= 3120, "{length}");
        }
    }

    #[test]
    fn only_the_headers_are_needed_to_describe_a_file() {
        let images = describe(&file("mef.fits")).unwrap();
        let names: Vec<_> = images.iter().filter_map(|i| i.name.as_deref()).collect();
        assert_eq!(names, ["R", "G", "I"]);
        assert_eq!((images[1].width, images[1].height, images[1].planes), (12, 10, 1));
        let error = describe(Path::new("nowhere.fits")).err().unwrap();
        assert!(format!("{error:#}").contains("nowhere.fits"), "{error:#}");
    }
}
