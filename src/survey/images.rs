//! Where an object's pixels are, and how they are read.

use std::path::{Path, PathBuf};

use super::cutout::{Cutout, Plane};
use super::error::{Error, Result};
use super::fits::{self, Astrometry, BandHdus, Image, ImageHdu};
use super::npy::Stack;
use super::pattern::Pattern;

/// The files that hold the images.
#[derive(Debug)]
pub(super) enum Images {
    /// One file per object and band.
    PerBand { root: PathBuf, patterns: Vec<Pattern> },
    /// One file per object, with all bands in it.
    PerObject {
        root: PathBuf,
        pattern: Pattern,
        bands: BandHdus,
    },
    /// One file for all objects.
    Stack(Stack),
}

impl Images {
    /// All files of an object.
    pub fn files(&self, id: &str) -> Vec<PathBuf> {
        match self {
            Images::Stack(stack) => vec![stack.path.clone()],
            Images::PerBand { root, patterns } => patterns.iter().map(|pattern| pattern.file(root, id)).collect(),
            Images::PerObject { root, pattern, .. } => vec![pattern.file(root, id)],
        }
    }

    /// Width, height and position of an object's image, without reading pixels.
    pub fn header(&self, id: &str) -> Result<(usize, usize, Astrometry)> {
        let file = match self {
            Images::Stack(stack) => {
                let [_, height, width, _] = stack.shape;
                return Ok((width, height, Astrometry::default()));
            }
            Images::PerBand { root, patterns } => patterns[0].file(root, id),
            Images::PerObject { root, pattern, .. } => pattern.file(root, id),
        };
        let header = &fits::headers(&file)?[0];
        Ok((header.width, header.height, header.astrometry))
    }

    /// Fills the cutout's bands; `index` is the object's place in a stack. Unless `crop` is set, images of another size
    /// than the cutout are refused.
    pub fn fill(&self, cutout: &mut Cutout, index: usize, crop: bool, flux_scale: f64) -> Result<Astrometry> {
        let put = |cutout: &mut Cutout, band: usize, plane: &Plane, file: &Path| {
            let (found, used) = ([plane.width, plane.height], [cutout.width, cutout.height]);
            if !crop && found != used {
                return Err(Error::SizeDiffers {
                    path: file.into(),
                    found,
                    expected: used,
                });
            }
            if !plane.covers(cutout) {
                return Err(Error::TooSmall {
                    path: file.into(),
                    found,
                    crop: used,
                });
            }
            cutout.fill_band(band, plane, flux_scale);
            Ok(())
        };
        match self {
            Images::Stack(stack) => {
                let [_, height, width, step] = stack.shape;
                let values = stack.read(index)?;
                for offset in 0..step {
                    let plane = Plane {
                        values: &values,
                        offset,
                        step,
                        width,
                        height,
                        integer: stack.integer,
                    };
                    put(cutout, offset, &plane, &stack.path)?;
                }
                Ok(Astrometry::default())
            }
            Images::PerBand { root, patterns } => {
                let mut astrometry = Astrometry::default();
                for (band, pattern) in patterns.iter().enumerate() {
                    let file = pattern.file(root, &cutout.id);
                    let (header, image) = fits::read(&file, &BandHdus::First { planes: 1 })?.remove(0);
                    put(cutout, band, &plane(&header, &image, 0), &file)?;
                    astrometry = astrometry.or(header.astrometry);
                }
                Ok(astrometry)
            }
            Images::PerObject { root, pattern, bands } => {
                let file = pattern.file(root, &cutout.id);
                let images = fits::read(&file, bands)?;
                let planes = images
                    .iter()
                    .flat_map(|(header, image)| (0..header.planes).map(|at| plane(header, image, at)));
                for (band, plane) in planes.enumerate() {
                    put(cutout, band, &plane, &file)?;
                }
                let first = Astrometry::default();
                Ok(images
                    .iter()
                    .fold(first, |known, (header, _)| known.or(header.astrometry)))
            }
        }
    }
}

fn plane<'a>(header: &ImageHdu, image: &'a Image, plane: usize) -> Plane<'a> {
    Plane {
        values: image.plane(plane),
        offset: 0,
        step: 1,
        width: image.width,
        height: image.height,
        integer: header.integer,
    }
}
