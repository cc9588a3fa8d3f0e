//! Labelled images, read from a folder or given in memory.

use super::error::Error;
use crate::survey::audit::near_edge_warning;
use crate::survey::cutout::is_row;
use crate::survey::label::{is_radius, is_value};
use crate::survey::{Audit, Cutout, ImageFolder, ImageSource, Photometry};

/// Labelled images in memory.
#[derive(Clone, Debug)]
pub struct LabelledImages<'a> {
    /// Raw flux, (N, height, width, channels) with the channel fastest. Masked pixels are NaN or infinite. The rows of a
    /// table are images of one pixel, (N, 1, 1, features), and a feature that is NaN counts as its mean.
    pub images: &'a [f32],
    /// Height, width and channels.
    pub shape: [usize; 3],
    /// Einstein radius of each image, arcsec; NaN for an object that is not a lens, which only a network with a lens
    /// head takes. For the rows of a table, any finite number.
    pub labels: &'a [f64],
    /// Name of each channel.
    pub bands: Vec<String>,
    /// Arcsec per pixel, if known; `infer` flags rings that may extend beyond the cutout by it.
    pub pixel_scale: Option<f64>,
}

impl<'a> LabelledImages<'a> {
    /// Images whose channels are called `band1`, `band2`, ..., and whose pixel scale is not known.
    pub fn new(images: &'a [f32], shape: [usize; 3], labels: &'a [f64]) -> LabelledImages<'a> {
        LabelledImages {
            images,
            shape,
            labels,
            bands: (1..=shape[2]).map(|band| format!("band{band}")).collect(),
            pixel_scale: None,
        }
    }
}

/// Labelled cutouts, cropped and masked but not stretched, and what is known about them.
pub struct LabelledCutouts {
    pub cutouts: Vec<Cutout>,
    /// One per cutout.
    pub ids: Vec<String>,
    /// In `unit`, one per cutout; NaN for an object that is not a lens.
    pub labels: Vec<f64>,
    /// Name of each channel.
    pub bands: Vec<String>,
    /// Arcsec per pixel.
    pub pixel_scale: Option<f64>,
    /// The flux scale of the images.
    pub photometry: Photometry,
    /// Name of the survey preset.
    pub preset: Option<String>,
    /// How the images are stored; `None` for images in memory.
    pub stored: Option<ImageSource>,
    /// Name of the label's column.
    pub label: String,
    /// Its unit; may be empty for a table.
    pub unit: String,
    /// Definition of the Einstein radius that the labels follow, if it is known.
    pub definition: Option<String>,
    /// Information for the user.
    pub notes: Vec<String>,
    /// What may make the result wrong.
    pub warnings: Vec<String>,
}

impl LabelledCutouts {
    /// All objects of a source that requires labels, and their cutouts.
    pub fn of_source(source: &ImageFolder, cutouts: Vec<Cutout>) -> LabelledCutouts {
        let mut warnings = source.warnings.clone();
        warnings.extend(audit(&cutouts, &source.bands, source.pixel_scale));
        LabelledCutouts {
            ids: source.objects.iter().map(|object| object.id.clone()).collect(),
            labels: cutouts
                .iter()
                .map(|cutout| cutout.theta_e.unwrap_or(f64::NAN))
                .collect(),
            cutouts,
            bands: source.bands.clone(),
            pixel_scale: source.pixel_scale,
            photometry: source.photometry.clone(),
            preset: source.preset.map(|preset| preset.name.into()),
            label: source.label.clone().unwrap_or_else(|| "theta_e".into()),
            unit: source.unit.clone(),
            definition: source
                .preset
                .and_then(|preset| Some(preset.challenge.as_ref()?.label.into())),
            stored: Some(source.stored.clone()),
            notes: source.notes.clone(),
            warnings,
        }
    }

    /// Images in memory, whose ids are their places, from 0.
    ///
    /// # Errors
    /// Arrays whose lengths do not fit each other; labels that are not positive, but for NaN if there may be
    /// `non_lenses`.
    pub fn of_images(data: &LabelledImages, non_lenses: bool) -> Result<LabelledCutouts, Error> {
        let image: usize = data.shape.iter().product();
        for (what, found, expected) in [
            ("image values", data.images.len(), data.labels.len() * image),
            ("bands", data.bands.len(), data.shape[2]),
        ] {
            if found != expected {
                return Err(Error::ArrayLength { what, found, expected });
            }
        }
        let ids: Vec<String> = (0..data.labels.len()).map(|i| i.to_string()).collect();
        let [height, width, _] = data.shape;
        let rows = is_row([height, width]);
        for (object, &label) in ids.iter().zip(data.labels) {
            let usable = if rows { is_value(label) } else { is_radius(label) };
            if !(usable || non_lenses && label.is_nan()) {
                return Err(Error::Label {
                    object: object.clone(),
                    label,
                    reason: match rows {
                        true => "a finite number of usual size is needed",
                        false => "a positive number between 1e-100 and 1e100 is needed",
                    },
                });
            }
        }
        let cutout = |(id, image): (&String, &[f32])| Cutout::of_image(id.clone(), data.shape, image, None);
        let images = data.images.chunks_exact(image.max(1));
        let cutouts: Vec<Cutout> = ids.iter().zip(images).map(cutout).collect();
        let mut warnings = Vec::from_iter(near_edge_warning(data.labels, height.min(width), data.pixel_scale));
        warnings.extend(audit(&cutouts, &data.bands, data.pixel_scale));
        Ok(LabelledCutouts {
            cutouts,
            ids,
            labels: data.labels.to_vec(),
            bands: data.bands.clone(),
            pixel_scale: data.pixel_scale,
            photometry: Photometry::default(),
            preset: None,
            stored: None,
            label: if rows { "label" } else { "theta_e" }.into(),
            unit: if rows { "" } else { "arcsec" }.into(),
            definition: None,
            notes: vec![],
            warnings,
        })
    }
}

fn audit(cutouts: &[Cutout], bands: &[String], pixel_scale: Option<f64>) -> Vec<String> {
    let mut audit = Audit::new(bands, pixel_scale);
    cutouts.iter().for_each(|cutout| audit.observe(cutout));
    audit.warnings()
}
