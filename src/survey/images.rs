//! Where an object's pixels are, and how they are read.

use std::path::{Path, PathBuf};

use super::bands::{BandChoice, BandReader, BandsError, PixelRules};
use super::cutout::{Cutout, Plane};
use super::error::{Error, Result};
use super::fits::Astrometry;
use super::npy::Stack;
use super::pattern::Pattern;
use super::picture::{picture_shape, read_picture};
use super::tabular::Features;
use super::tiles::Stamps;

/// The files that hold the images.
#[derive(Debug)]
pub(super) enum Images {
    /// One file per object and band; a pattern for each band.
    PerBand {
        root: PathBuf,
        patterns: Vec<Pattern>,
        bands: Vec<BandChoice>,
        reader: BandReader,
    },
    /// One file per object, with all bands in it.
    PerObject {
        root: PathBuf,
        pattern: Pattern,
        bands: Vec<BandChoice>,
        reader: BandReader,
    },
    /// One picture per object; `order` has the channel of each band.
    Pictures {
        root: PathBuf,
        pattern: Pattern,
        order: Vec<usize>,
        rules: PixelRules,
    },
    /// One file for all objects.
    Stack { stack: Stack, rules: PixelRules },
    /// No images: each has one pixel, whose bands are the features of a row.
    Table(Features),
    /// Stamps around positions in large images.
    Tiles(Stamps),
}

impl Images {
    /// All files of an object; `place` is that in a stack, a table or among the stamps.
    pub fn files(&self, id: &str, place: usize) -> Vec<PathBuf> {
        match self {
            Images::Tiles(stamps) => stamps.files(place),
            Images::Stack { stack, .. } => vec![stack.path.clone()],
            Images::Table(features) => vec![features.path().into()],
            Images::PerBand { root, patterns, .. } => patterns.iter().map(|pattern| pattern.file(root, id)).collect(),
            Images::PerObject { root, pattern, .. } | Images::Pictures { root, pattern, .. } => {
                vec![pattern.file(root, id)]
            }
        }
    }

    /// Width, height and position of an object's image, without reading pixels.
    pub fn header(&self, id: &str) -> Result<(usize, usize, Astrometry)> {
        let header = match self {
            Images::Stack { stack, .. } => {
                let [_, height, width, _] = stack.shape;
                return Ok((width, height, Astrometry::default()));
            }
            Images::Table(_) | Images::Tiles(_) => return Ok((1, 1, Astrometry::default())),
            Images::Pictures { root, pattern, .. } => {
                let (width, height, _) = picture_shape(&pattern.file(root, id))?;
                return Ok((width, height, Astrometry::default()));
            }
            Images::PerBand {
                root,
                patterns,
                bands,
                reader,
            } => reader.only_header(&patterns[0].file(root, id), &bands[0])?,
            Images::PerObject {
                root,
                pattern,
                bands,
                reader,
            } => reader.header(&pattern.file(root, id), bands)?,
        };
        Ok((header.width, header.height, header.astrometry))
    }

    /// Fills the cutout's bands; `index` is the object's place in a stack, a table or among the stamps. Unless `crop` is set, images of another size
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
            Images::Table(features) => {
                cutout.fill_row(features.of(index)?);
                Ok(Astrometry::default())
            }
            Images::Tiles(stamps) => stamps.fill(cutout, index, flux_scale),
            Images::Stack { stack, rules } => {
                let [_, height, width, step] = stack.shape;
                let mut values = stack.read(index)?;
                for offset in 0..step {
                    rules.mask_values(&mut values[offset..], width, step, stack.integer);
                    let plane = Plane {
                        values: &values,
                        offset,
                        step,
                        width,
                        height,
                    };
                    put(cutout, offset, &plane, &stack.path)?;
                }
                Ok(Astrometry::default())
            }
            Images::Pictures {
                root,
                pattern,
                order,
                rules,
            } => {
                let file = pattern.file(root, &cutout.id);
                let mut picture = read_picture(&file)?;
                let (width, height, step) = (picture.width, picture.height, picture.channels);
                for (band, &offset) in order.iter().enumerate() {
                    if offset >= step {
                        let (expected, found) = (vec!["R, G, B".into()], vec![String::new(); step]);
                        return Err(Error::bands(&file)(BandsError::Count { expected, found }));
                    }
                    rules.mask_values(&mut picture.values[offset..], width, step, picture.integer);
                    let plane = Plane {
                        values: &picture.values,
                        offset,
                        step,
                        width,
                        height,
                    };
                    put(cutout, band, &plane, &file)?;
                }
                Ok(Astrometry::default())
            }
            Images::PerBand {
                root,
                patterns,
                bands,
                reader,
            } => {
                let mut astrometry = Astrometry::default();
                for (at, (pattern, band)) in patterns.iter().zip(bands).enumerate() {
                    let file = pattern.file(root, &cutout.id);
                    let (pixels, position) = reader.read_only(&file, band)?;
                    put(cutout, at, &pixels.plane(), &file)?;
                    astrometry = astrometry.or(position);
                }
                Ok(astrometry)
            }
            Images::PerObject {
                root,
                pattern,
                bands,
                reader,
            } => {
                let file = pattern.file(root, &cutout.id);
                let (found, astrometry) = reader.read(&file, bands)?;
                for (band, pixels) in found.iter().enumerate() {
                    put(cutout, band, &pixels.plane(), &file)?;
                }
                Ok(astrometry)
            }
        }
    }
}
