//! A folder of images and its catalogue, opened: what there is to read, in which bands and size.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::catalogue::Catalogue;
use super::cutout::Cutout;
use super::layout::{FolderLayout, Images, first_readable};
use super::preset::Preset;
use super::select::{DropReport, Object, Selection};

/// What the user says about a folder; the rest is found out.
#[derive(Debug, Clone)]
pub struct ImageFolderOptions {
    pub dir: PathBuf,
    /// A known survey; recognised by its files where neither this nor `images` is given.
    pub preset: Option<&'static Preset>,
    /// Pattern of the file names, for instance `{id}_{band}.fits`; without `{band}` a file holds all bands.
    pub images: Option<String>,
    pub bands: Option<Vec<String>>,
    /// The label's column, arcsec; `theta_e`, or what the preset says.
    pub label: Option<String>,
    /// The catalogue; the `.csv` in `dir` where it is needed and not given.
    pub catalogue: Option<PathBuf>,
    /// The id's column; `id`.
    pub id_column: Option<String>,
    /// Use the central `crop` x `crop` pixels.
    pub crop: Option<usize>,
    /// Every flux is multiplied by this.
    pub flux_scale: f64,
    /// Arcsec a pixel, where it is not as the preset or the first header say.
    pub pixel_scale: Option<f64>,
    /// True for training: the catalogue and the labels must be there. False: every image is an object.
    pub require_labels: bool,
}

impl ImageFolderOptions {
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        ImageFolderOptions {
            dir: dir.into(),
            preset: None,
            images: None,
            bands: None,
            label: None,
            catalogue: None,
            id_column: None,
            crop: None,
            flux_scale: 1.0,
            pixel_scale: None,
            require_labels: true,
        }
    }

    pub(super) fn id_name(&self) -> &str {
        self.id_column.as_deref().unwrap_or("id")
    }
}

/// Objects that can be read, one by one and from many threads.
#[derive(Debug)]
pub struct ImageFolder {
    pub objects: Vec<Object>,
    pub bands: Vec<String>,
    /// Size of every cutout, pixels.
    pub height: usize,
    pub width: usize,
    /// Arcsec a pixel, where anything says so.
    pub pixel_scale: Option<f64>,
    pub preset: Option<&'static Preset>,
    /// What the label is called; none where none was asked for.
    pub label: Option<String>,
    pub catalogue: Option<Catalogue>,
    pub dropped: DropReport,
    pub warnings: Vec<String>,
    images: Images,
    ra_dec_columns: Option<(usize, usize)>,
    cropped: bool,
    flux_scale: f64,
}

impl ImageFolder {
    pub fn open(options: &ImageFolderOptions) -> Result<ImageFolder> {
        if !(options.flux_scale.is_finite() && options.flux_scale > 0.0) {
            bail!("--flux-scale is {}; a positive number is needed", options.flux_scale);
        }
        if options
            .pixel_scale
            .is_some_and(|scale| !(scale.is_finite() && scale > 0.0))
        {
            bail!("--pixel-scale must be a positive number, in arcsec");
        }
        let layout = FolderLayout::detect(options)?;
        let selection = match options.require_labels {
            true => Selection::labelled(options, &layout)?,
            false => Selection::unlabelled(options, &layout)?,
        };
        let FolderLayout { preset, bands, images } = layout;
        let (height, width, sky) = first_readable(selection.objects.iter(), |object| images.probe(&object.id))?;
        let crop = options.crop.or(preset.map(|p| p.crop));
        if crop == Some(0) {
            bail!("--crop must be at least 1");
        }
        let ra_dec_columns = selection
            .catalogue
            .as_ref()
            .and_then(|c| Some((c.find("ra")?, c.find("dec")?)));
        Ok(ImageFolder {
            objects: selection.objects,
            bands,
            height: crop.unwrap_or(height),
            width: crop.unwrap_or(width),
            pixel_scale: options
                .pixel_scale
                .or(preset.map(|p| p.pixel_scale))
                .or(sky.pixel_scale),
            preset,
            label: selection.label,
            catalogue: selection.catalogue,
            dropped: selection.dropped,
            warnings: selection.warnings,
            images,
            ra_dec_columns,
            cropped: crop.is_some(),
            flux_scale: options.flux_scale,
        })
    }

    pub fn len(&self) -> usize {
        self.objects.len()
    }

    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Reads one object's bands; an error names the object and the file.
    pub fn read(&self, index: usize) -> Result<Cutout> {
        let object = &self.objects[index];
        let mut cutout = Cutout::blank(object.id.clone(), [self.height, self.width, self.bands.len()]);
        let sky = self
            .images
            .fill(&mut cutout, object.image, self.cropped, self.flux_scale)
            .with_context(|| format!("object {}", object.id))?;
        cutout.theta_e = object.theta_e;
        cutout.pixel_scale = sky.pixel_scale;
        let (ra, dec) = self.catalogue_position(object).or(sky.ra_dec).unzip();
        (cutout.ra, cutout.dec) = (ra, dec);
        Ok(cutout.finish())
    }

    fn catalogue_position(&self, object: &Object) -> Option<(f64, f64)> {
        let (catalogue, row, (ra, dec)) = (self.catalogue.as_ref()?, object.row?, self.ra_dec_columns?);
        let (ra, dec) = (catalogue.number(row, ra), catalogue.number(row, dec));
        (ra.is_finite() && dec.is_finite()).then_some((ra, dec))
    }
}
