//! A folder of images and its catalogue, opened: its objects, bands, size and pixel scale.

use std::io;
use std::path::PathBuf;

use super::audit::near_edge_warning;
use super::bands::{BandsError, PixelOptions};
use super::catalogue::Catalogue;
use super::cutout::Cutout;
use super::error::{Error, Result};
use super::images::Images;
use super::layout::{FolderLayout, first_readable};
use super::preset::Preset;
use super::selection::{DropReport, Object, Selection};

/// The user's description of a folder. What is not given is detected.
#[derive(Debug, Clone)]
pub struct ImageFolderOptions {
    /// The folder.
    pub dir: PathBuf,
    /// A known survey; detected from the file names if neither this nor `images` is given.
    pub preset: Option<&'static Preset>,
    /// Pattern of the file names, for instance `{id}_{band}.fits`; without `{band}` a file holds all bands.
    pub images: Option<String>,
    /// The bands, in the order of the channels.
    pub bands: Option<Vec<String>>,
    /// The column of the label, arcsec [default: `theta_e`, or the preset's].
    pub label: Option<String>,
    /// The catalogue [default: the `.csv` file in `dir`, if one is needed].
    pub catalogue: Option<PathBuf>,
    /// The column of the ids [default: `id`].
    pub id_column: Option<String>,
    /// Use the central `crop` x `crop` pixels.
    pub crop: Option<usize>,
    /// Every flux is multiplied by this.
    pub flux_scale: f64,
    /// Arcsec per pixel, in place of the value of the preset or the first header.
    pub pixel_scale: Option<f64>,
    /// Which pixels have no value, and the unit of flux.
    pub pixels: PixelOptions,
    /// True for training: the catalogue and the labels must be there. False: every image is an object.
    pub require_labels: bool,
}

impl ImageFolderOptions {
    /// The defaults: detect everything, and require labels.
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
            pixels: PixelOptions::default(),
            require_labels: true,
        }
    }

    pub(super) fn id_name(&self) -> &str {
        self.id_column.as_deref().unwrap_or("id")
    }
}

/// A folder that cannot be opened as it is described.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The flux scale is not a positive number.
    #[error("the flux scale is {value}; it must be a positive number")]
    FluxScale {
        /// The value given.
        value: f64,
    },
    /// The pixel scale is not a positive number.
    #[error("the pixel scale is {value} arcsec; it must be a positive number")]
    PixelScale {
        /// The value given, arcsec.
        value: f64,
    },
    /// A crop of no pixels.
    #[error("the crop is 0 pixels; it must be at least 1")]
    ZeroCrop,
    /// The folder is a file.
    #[error("{} is a file, not a folder", path.display())]
    NotAFolder {
        /// The file.
        path: PathBuf,
    },
    /// The folder does not exist or may not be read.
    #[error("cannot open the folder {}", path.display())]
    Open {
        /// The folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Both a preset and a pattern of file names are given.
    #[error("the preset {preset} has its own file names; a pattern of file names cannot be used with it")]
    PresetAndPattern {
        /// The preset.
        preset: &'static str,
    },
    /// No preset has this name.
    #[error("there is no preset '{name}'; there are: {}", known.join(", "))]
    UnknownPreset {
        /// The name given.
        name: String,
        /// All names.
        known: Vec<&'static str>,
    },
    /// The preset does not have this band.
    #[error("the preset {preset} has no band '{band}'; it has: {}", known.join(", "))]
    UnknownBand {
        /// The preset.
        preset: &'static str,
        /// The band given.
        band: String,
        /// The preset's bands.
        known: Vec<&'static str>,
    },
    /// The folder has the files of several presets.
    #[error("{} has images of {}", path.display(), presets.join(" and of "))]
    SeveralPresets {
        /// The folder.
        path: PathBuf,
        /// The presets.
        presets: Vec<&'static str>,
    },
    /// One file is needed, and there are several.
    #[error("{} has several .{extension} files: {}", path.display(), names.join(", "))]
    SeveralFiles {
        /// The folder.
        path: PathBuf,
        /// `csv` or `npy`.
        extension: &'static str,
        /// Names of the files.
        names: Vec<String>,
    },
    /// There is nothing in the folder.
    #[error("{} is empty", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// The folder's layout is not that of a preset or a stack.
    #[error("{} has no images in a layout that can be detected", path.display())]
    NotRecognised {
        /// The folder.
        path: PathBuf,
    },
    /// A pattern of file names that is the same for all objects.
    #[error("the file-name pattern '{pattern}' has no {{id}}; write for instance '{{id}}_{{band}}.fits'")]
    PatternWithoutId {
        /// The pattern.
        pattern: String,
    },
    /// A pattern with two ids in one name.
    #[error("the file-name pattern '{pattern}' has {{id}} twice in one name")]
    PatternRepeatsId {
        /// The pattern.
        pattern: String,
    },
    /// A pattern with a band, without any bands.
    #[error("the file-name pattern '{pattern}' has {{band}}, but no bands are named")]
    PatternNeedsBands {
        /// The pattern.
        pattern: String,
    },
    /// No file matches the pattern.
    #[error("no file in {} has a name like '{pattern}'", path.display())]
    NoMatch {
        /// The folder.
        path: PathBuf,
        /// The pattern.
        pattern: String,
    },
    /// Bands that cannot be meant.
    #[error(transparent)]
    Bands(BandsError),
    /// A stack with another number of bands than are named.
    #[error("{} has {found} channels, but {} bands are named: {}", path.display(), bands.len(), bands.join(", "))]
    BandCount {
        /// The file.
        path: PathBuf,
        /// How many channels it has.
        found: usize,
        /// The bands named.
        bands: Vec<String>,
    },
}

/// A folder of images and its catalogue. Objects can be read one by one, from many threads.
#[derive(Debug)]
pub struct ImageFolder {
    /// The objects to use.
    pub objects: Vec<Object>,
    /// The bands, in the order of the channels.
    pub bands: Vec<String>,
    /// Height of every cutout, pixels.
    pub height: usize,
    /// Width of every cutout, pixels.
    pub width: usize,
    /// Arcsec per pixel: from the options, the preset or the first header.
    pub pixel_scale: Option<f64>,
    /// The survey, if it is a known one.
    pub preset: Option<&'static Preset>,
    /// The name of the label; `None` if labels are not required.
    pub label: Option<String>,
    /// The catalogue, if there is one.
    pub catalogue: Option<Catalogue>,
    /// Which rows of the catalogue are not used, and why.
    pub dropped: DropReport,
    /// What to say of how the files are read.
    pub notes: Vec<String>,
    /// Warnings that are known before any image is read; [`Audit`](super::Audit) collects those about the images.
    pub warnings: Vec<String>,
    images: Images,
    ra_dec_columns: Option<(usize, usize)>,
    cropped: bool,
    flux_scale: f64,
}

impl ImageFolder {
    /// Finds the images and their objects. No pixels are read.
    ///
    /// # Errors
    /// Options that contradict each other or the folder; a folder or catalogue that cannot be read; with
    /// [`require_labels`](ImageFolderOptions::require_labels), rows without a usable label.
    pub fn open(options: &ImageFolderOptions) -> Result<ImageFolder> {
        check(options)?;
        let layout = FolderLayout::detect(options)?;
        let selection = match options.require_labels {
            true => Selection::labelled(options, &layout)?,
            false => Selection::unlabelled(options, &layout)?,
        };
        let FolderLayout {
            preset,
            bands,
            images,
            notes,
            warnings,
        } = layout;
        let challenge = preset.and_then(|preset| preset.challenge.as_ref());
        let (width, height, astrometry) = first_readable(selection.objects.iter(), |object| images.header(&object.id))?;
        let crop = options.crop.or(challenge.map(|c| c.crop));
        let ra_dec_columns = selection
            .catalogue
            .as_ref()
            .and_then(|c| Some((c.find("ra")?, c.find("dec")?)));
        let mut folder = ImageFolder {
            objects: selection.objects,
            bands,
            height: crop.unwrap_or(height),
            width: crop.unwrap_or(width),
            pixel_scale: options
                .pixel_scale
                .or(challenge.map(|c| c.pixel_scale))
                .or(astrometry.pixel_scale),
            preset,
            label: selection.label,
            catalogue: selection.catalogue,
            dropped: selection.dropped,
            notes,
            warnings: warnings.into_iter().chain(selection.warnings).collect(),
            images,
            ra_dec_columns,
            cropped: crop.is_some(),
            flux_scale: options.flux_scale,
        };
        let labels: Vec<f64> = folder.objects.iter().filter_map(|object| object.theta_e).collect();
        let size = folder.height.min(folder.width);
        folder
            .warnings
            .extend(near_edge_warning(&labels, size, folder.pixel_scale));
        Ok(folder)
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there are no objects; never after [`open`](Self::open).
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Reads all bands of the object `index` of [`objects`](Self::objects).
    ///
    /// # Errors
    /// A file that cannot be read, or an image of the wrong size. The error names the object and the file.
    ///
    /// # Panics
    /// If `index` is not below [`len`](Self::len).
    pub fn read(&self, index: usize) -> Result<Cutout> {
        let object = &self.objects[index];
        let mut cutout = Cutout::blank(object.id.clone(), [self.height, self.width, self.bands.len()]);
        let astrometry = self
            .images
            .fill(&mut cutout, object.image, self.cropped, self.flux_scale)
            .map_err(|source| Error::Object {
                id: object.id.clone(),
                source: Box::new(source),
            })?;
        cutout.theta_e = object.theta_e;
        cutout.pixel_scale = astrometry.pixel_scale;
        (cutout.ra, cutout.dec) = self.catalogue_position(object).or(astrometry.ra_dec).unzip();
        Ok(cutout.finish())
    }

    fn catalogue_position(&self, object: &Object) -> Option<(f64, f64)> {
        let (catalogue, row, (ra, dec)) = (self.catalogue.as_ref()?, object.row?, self.ra_dec_columns?);
        let (ra, dec) = (catalogue.number(row, ra), catalogue.number(row, dec));
        (ra.is_finite() && dec.is_finite()).then_some((ra, dec))
    }
}

fn check(options: &ImageFolderOptions) -> Result<(), FolderError> {
    let positive = |value: f64| value.is_finite() && value > 0.0;
    if !positive(options.flux_scale) {
        return Err(FolderError::FluxScale {
            value: options.flux_scale,
        });
    }
    if let Some(value) = options.pixel_scale.filter(|&value| !positive(value)) {
        return Err(FolderError::PixelScale { value });
    }
    match options.crop {
        Some(0) => Err(FolderError::ZeroCrop),
        _ => Ok(()),
    }
}
