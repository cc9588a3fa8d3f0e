//! Reads the bands of a file, masked and in one unit.

use std::path::Path;

use super::choice::BandChoice;
use super::error::BandsError;
use super::mask::{Failure, MaskPlane, PixelOptions, PixelRules};
use super::matching::{FluxPlane, Remark, find_bands, find_only, flux_planes};
use super::role::Role;
use super::zero_point::{Photometry, zero_point};
use crate::survey::cutout::Plane;
use crate::survey::error::{Error, Result};
use crate::survey::fits::{Astrometry, FitsError, FitsFile, Image, ImageHdu, Keywords, Window};
use crate::survey::preset::Preset;

/// The pixels of one band.
pub(in crate::survey) struct BandPixels {
    pub width: usize,
    pub height: usize,
    /// (height, width), NaN where there is no value.
    pub values: Vec<f64>,
}

/// How the files of a folder are read.
#[derive(Debug, Clone)]
pub(in crate::survey) struct BandReader {
    pub rules: PixelRules,
    pub preset: Option<&'static Preset>,
}

impl BandPixels {
    pub fn plane(&self) -> Plane<'_> {
        Plane {
            values: &self.values,
            offset: 0,
            step: 1,
            width: self.width,
            height: self.height,
        }
    }
}

impl BandReader {
    pub fn new(options: &PixelOptions, preset: Option<&'static Preset>) -> BandReader {
        BandReader {
            rules: PixelRules::new(options, preset),
            preset,
        }
    }

    /// The header of a file's first band. No pixels are read.
    pub fn header(&self, path: &Path, bands: &[BandChoice]) -> Result<ImageHdu> {
        let (file, planes, _) = open(path)?;
        let (found, _) = find_bands(bands, &planes).map_err(Error::bands(path))?;
        Ok(file.images[found[0].image].clone())
    }

    /// The flux scale of a file's bands, as they are read, and what to say of how the bands were found.
    pub fn sample(&self, path: &Path, bands: &[BandChoice]) -> Result<(Photometry, Option<Remark>)> {
        let (file, planes, _) = open(path)?;
        let (found, remark) = find_bands(bands, &planes).map_err(Error::bands(path))?;
        let known = |plane: &&FluxPlane| zero_point(&file.images[plane.image], self.preset);
        Ok((self.as_read(found.iter().map(known).collect()), remark))
    }

    /// The zero point of the band in a file that holds only this one.
    pub fn only_zero_point(&self, path: &Path, band: &BandChoice) -> Result<Option<f64>> {
        Ok(zero_point(&self.only_header(path, band)?, self.preset))
    }

    /// The flux scale of images with these zero points after the conversion to the unit, if there is one.
    pub fn as_read(&self, zero_points: Vec<Option<f64>>) -> Photometry {
        let assumed = self
            .rules
            .assumed_unit
            .filter(|_| zero_points.iter().all(Option::is_some));
        let unit = self.rules.unit.or(assumed);
        Photometry {
            zero_points: zero_points
                .into_iter()
                .map(|known| unit.map(|u| u.zero_point).or(known))
                .collect(),
            unit,
        }
    }

    /// The planes of the bands, and the headers of their images.
    pub fn planes(&self, path: &Path, bands: &[BandChoice], only: bool) -> Result<Vec<(FluxPlane, ImageHdu)>> {
        let (file, planes, _) = open(path)?;
        let found = match bands {
            [band] if only => vec![find_only(band, &planes).map_err(Error::bands(path))?],
            _ => find_bands(bands, &planes).map_err(Error::bands(path))?.0,
        };
        let with_header = |plane: &FluxPlane| (plane.clone(), file.images[plane.image].clone());
        Ok(found.into_iter().map(with_header).collect())
    }

    /// The header of the band in a file that holds only this one.
    pub fn only_header(&self, path: &Path, band: &BandChoice) -> Result<ImageHdu> {
        let (file, planes, _) = open(path)?;
        let plane = find_only(band, &planes).map_err(Error::bands(path))?;
        Ok(file.images[plane.image].clone())
    }

    /// The pixels of the bands, in their order, and the position.
    pub fn read(&self, path: &Path, bands: &[BandChoice]) -> Result<(Vec<BandPixels>, Astrometry)> {
        let (mut file, planes, _) = open(path)?;
        let (found, _) = find_bands(bands, &planes).map_err(Error::bands(path))?;
        self.read_planes(path, &mut file, &found)
    }

    /// The pixels of the band in a file that holds only this one, and the position.
    pub fn read_only(&self, path: &Path, band: &BandChoice) -> Result<(BandPixels, Astrometry)> {
        let (mut file, planes, _) = open(path)?;
        let plane = find_only(band, &planes).map_err(Error::bands(path))?;
        let (mut bands, astrometry) = self.read_planes(path, &mut file, &[plane])?;
        Ok((bands.remove(0), astrometry))
    }

    fn read_planes(
        &self,
        path: &Path,
        file: &mut FitsFile,
        found: &[&FluxPlane],
    ) -> Result<(Vec<BandPixels>, Astrometry)> {
        let astrometry = found.iter().fold(Astrometry::default(), |known, plane| {
            known.or(file.images[plane.image].astrometry)
        });
        Ok((self.part(path, file, found, None)?, astrometry))
    }

    /// The pixels of bands in an open file, all or those of a part.
    pub fn part(
        &self,
        path: &Path,
        file: &mut FitsFile,
        planes: &[&FluxPlane],
        window: Option<Window>,
    ) -> Result<Vec<BandPixels>> {
        self.pixels(file, planes, window).map_err(|failure| match failure {
            Failure::Bands(error) => Error::bands(path)(error),
            Failure::Fits(error) => Error::fits(path)(error),
        })
    }

    /// The image of masks or weights in a file of its own; see [`MaskPlane::find`].
    pub fn mask_plane(&self, path: &Path, unnamed: Role, size: [usize; 2]) -> Result<MaskPlane> {
        let file = FitsFile::open(path).map_err(Error::fits(path))?;
        MaskPlane::find(&file.images, unnamed, size).map_err(Error::bands(path))
    }

    /// Masks, as NaN, the pixels of a window that an open file of masks or weights says have no value.
    pub fn mask(
        &self,
        path: &Path,
        file: &mut FitsFile,
        from: MaskPlane,
        window: Window,
        pixels: &mut BandPixels,
    ) -> Result<()> {
        let done = self.rules.apply_file(file, from, Some(window), &mut pixels.values);
        done.map_err(Error::fits(path))
    }

    fn pixels(
        &self,
        file: &mut FitsFile,
        planes: &[&FluxPlane],
        window: Option<Window>,
    ) -> Result<Vec<BandPixels>, Failure> {
        // The planes of a cube are decoded together.
        let mut decoded: Vec<(usize, Image)> = Vec::new();
        let mut bands = Vec::with_capacity(planes.len());
        for plane in planes {
            if !decoded.iter().any(|(image, _)| *image == plane.image) {
                decoded.push((plane.image, part(file, plane.image, window)?));
            }
            let (_, image) = decoded
                .iter()
                .find(|(image, _)| *image == plane.image)
                .expect("decoded above");
            let header = file.images[plane.image].clone();
            let (width, height) = (image.width, image.height);
            let mut values = image.plane(plane.plane).to_vec();
            self.rules.mask_values(&mut values, width, 1, header.integer);
            linear_from_asinh(&mut values, &header.keywords)?;
            self.rules
                .apply_planes(file, (plane.image, plane.plane), window, &mut values)?;
            if let Some(unit) = self.rules.unit {
                let from = zero_point(&header, self.preset).ok_or(BandsError::NoZeroPoint)?;
                let factor = unit.factor(from);
                values.iter_mut().for_each(|value| *value *= factor);
            } else if let (Some(unit), Some(from)) = (self.rules.assumed_unit, zero_point(&header, self.preset)) {
                let factor = unit.factor(from);
                values.iter_mut().for_each(|value| *value *= factor);
            }
            bands.push(BandPixels { width, height, values });
        }
        Ok(bands)
    }
}

/// An image of a file, or a part of it.
pub(super) fn part(file: &mut FitsFile, image: usize, window: Option<Window>) -> Result<Image, FitsError> {
    match window {
        Some(window) => file.part(image, window),
        None => file.image(image),
    }
}

/// A file, its planes of flux, and the names of its images that are not flux.
pub(super) fn open(path: &Path) -> Result<(FitsFile, Vec<FluxPlane>, Vec<String>)> {
    let file = FitsFile::open(path).map_err(Error::fits(path))?;
    if file.images.is_empty() {
        return Err(Error::fits(path)(FitsError::NoImage));
    }
    let (planes, others) = flux_planes(&file.images).map_err(Error::bands(path))?;
    Ok((file, planes, others))
}

/// Stacks of Pan-STARRS store a = 2.5 / ln(10) asinh((flux - BOFFSET) / (2 BSOFTEN)) (Waters et al. 2020, ApJS 251, 4).
fn linear_from_asinh(values: &mut [f64], keywords: &Keywords) -> Result<(), BandsError> {
    const OFFSET: &str = "BOFFSET";
    const SOFTEN: &str = "BSOFTEN";
    let (offset, soften) = match (keywords.own_number(OFFSET), keywords.own_number(SOFTEN)) {
        (None, None) => return Ok(()),
        (Some(offset), Some(soften)) => (offset, soften),
        (Some(_), None) => {
            return Err(BandsError::AsinhScale {
                present: OFFSET,
                missing: SOFTEN,
            });
        }
        (None, Some(_)) => {
            return Err(BandsError::AsinhScale {
                present: SOFTEN,
                missing: OFFSET,
            });
        }
    };
    for value in values {
        let x = *value / 1.0857362;
        *value = offset + soften * (x.exp() - (-x).exp());
    }
    Ok(())
}
