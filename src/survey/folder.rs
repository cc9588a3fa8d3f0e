//! A folder of images and its catalogue, opened: its objects, bands, size and pixel scale.

use std::io;
use std::path::{Path, PathBuf};

use super::audit::near_edge_warning;
use super::bands::{BandsError, Photometry, PixelOptions};
use super::catalogue::Catalogue;
use super::cutout::Cutout;
use super::error::{Error, Result};
use super::few;
use super::guard::guarded;
use super::images::Images;
use super::layout::{FolderLayout, first_readable};
use super::preset::Preset;
use super::remembered::ImageSource;
use super::selection::{DropReport, Object, Pixels, Selection, is_table};
use super::tabular::{self, Missing};
use super::tiles::{self, TileOptions};

/// The user's description of a folder. What is not given is detected.
#[derive(Debug, Clone)]
pub struct ImageFolderOptions {
    /// The folder; or the file of a table, whose rows have features instead of images.
    pub dir: PathBuf,
    /// A known survey; detected from the file names if neither this nor `images` is given.
    pub preset: Option<&'static Preset>,
    /// Pattern of the file names, for instance `{id}_{band}.fits`; without `{band}` a file holds all bands.
    pub images: Option<String>,
    /// The bands, in the order of the channels; the features of a table.
    pub bands: Option<Vec<String>>,
    /// What is done with rows of a table that lack a value; refused if `None`.
    pub missing: Option<Missing>,
    /// The column of the label, arcsec [default: `theta_e`, or the preset's].
    pub label: Option<String>,
    /// The catalogue [default: the `.csv` file in `dir`, if one is needed].
    pub catalogue: Option<PathBuf>,
    /// The column of the ids [default: `id`].
    pub id_column: Option<String>,
    /// Large images that stamps are cut out of, in place of an image per object.
    pub tiles: Option<TileOptions>,
    /// Use the central `crop` x `crop` pixels.
    pub crop: Option<usize>,
    /// Every flux is multiplied by this.
    pub flux_scale: f64,
    /// Arcsec per pixel, in place of the value of the preset or the first header.
    pub pixel_scale: Option<f64>,
    /// Which pixels have no value, and the unit of flux.
    pub pixels: PixelOptions,
    /// True for training: the catalogue and the labels must be there. False: every row of the catalogue or, without one,
    /// every image is an object.
    pub require_labels: bool,
    /// With `require_labels`: rows whose `is_lens` is 0 are objects as well, without a label.
    pub non_lenses: bool,
    /// Use the rows of the catalogue that fulfil this condition on its columns, such as `snr > 10`.
    pub condition: Option<String>,
    /// Without labels: images without a row of the catalogue are objects as well, after those of its rows.
    pub keep_unmatched: bool,
    /// How other images were stored, for instance those that a model was trained on: used for what is not given above, if
    /// the folder and the catalogue have such files and columns.
    pub like: Option<ImageSource>,
}

impl ImageFolderOptions {
    /// The defaults: detect everything, and require labels.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        ImageFolderOptions {
            dir: dir.into(),
            preset: None,
            images: None,
            bands: None,
            missing: None,
            label: None,
            catalogue: None,
            id_column: None,
            tiles: None,
            crop: None,
            flux_scale: 1.0,
            pixel_scale: None,
            pixels: PixelOptions::default(),
            require_labels: true,
            non_lenses: false,
            condition: None,
            keep_unmatched: false,
            like: None,
        }
    }

    /// # Errors
    /// Numbers that make no sense.
    pub(super) fn check(&self) -> Result<(), FolderError> {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        if !positive(self.flux_scale) {
            return Err(FolderError::FluxScale { value: self.flux_scale });
        }
        if let Some(value) = self.pixel_scale.filter(|&value| !positive(value)) {
            return Err(FolderError::PixelScale { value });
        }
        match self.crop {
            Some(0) => Err(FolderError::ZeroCrop),
            _ => Ok(()),
        }
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
    #[error("{} has several .{extension} files: {}", path.display(), few(names))]
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
    /// A band that would lead to other folders.
    #[error("'{}' is not the name of a band that can be part of a file's name", band.escape_default())]
    BandIsPath {
        /// The band.
        band: String,
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
    /// The unit of the label; may be empty for a table.
    pub unit: String,
    /// The catalogue, if there is one.
    pub catalogue: Option<Catalogue>,
    /// The column of the ids in the catalogue, counted from 0.
    pub id_column: Option<usize>,
    /// How the images are stored, to be remembered.
    pub stored: ImageSource,
    /// Information for the user.
    pub notes: Vec<String>,
    /// Which rows of the catalogue are not used, and why.
    pub dropped: DropReport,
    /// The flux scale, as far as headers say.
    pub photometry: Photometry,
    /// Warnings that are known before any image is read; [`Audit`](super::Audit) collects those about the images.
    pub warnings: Vec<String>,
    pub(super) images: Images,
    pub(super) cropped: bool,
    pub(super) flux_scale: f64,
}

impl ImageFolder {
    /// Finds the images and their objects. No pixels are read. A table is read whole.
    ///
    /// # Errors
    /// Options that contradict each other or the folder; a folder or catalogue that cannot be read; with
    /// [`require_labels`](ImageFolderOptions::require_labels), rows without a usable label.
    pub fn open(options: &ImageFolderOptions) -> Result<ImageFolder> {
        options.check()?;
        if let Some(tiles) = &options.tiles {
            return tiles::open(options, tiles);
        }
        if is_table_file(&options.dir) {
            return tabular::open(options);
        }
        let (options, note) = options.as_remembered()?;
        let layout = FolderLayout::detect(&options)?;
        let selection = match options.require_labels {
            true => Selection::labelled(&options, &layout)?,
            false => Selection::unlabelled(&options, &layout)?,
        };
        let challenge = layout.challenge();
        let FolderLayout {
            preset,
            bands,
            images,
            photometry,
            notes,
            warnings,
        } = layout;
        let with_image = selection.objects.iter().filter_map(image_of);
        let (width, height, astrometry) = first_readable(with_image, |(id, place)| {
            guarded(|| images.files(id, place), || images.header(id))
        })?;
        let crop = options.crop.or(challenge.map(|c| c.crop));
        let catalogue = selection.catalogue.as_ref();
        let name = |column: usize| catalogue.map(|c| c.columns[column].clone());
        let stored = ImageSource {
            // The survey of other files is seen in their headers.
            preset: options
                .preset
                .or(preset.filter(|p| p.challenge.is_some()))
                .map(|p| p.name.into()),
            pattern: options.images.clone(),
            bands: options
                .bands
                .clone()
                .filter(|bands| bands.iter().any(|band| band.contains('=')))
                .unwrap_or_default(),
            id_column: selection.id_column.and_then(name),
            label: options.label.clone().or(options.remembered().label),
            missing: None,
        };
        let rows = catalogue.map(|c| format!("{}: {}", c.path.display(), selection.dropped));
        let of_catalogue = |lines: fn(&Catalogue) -> &Vec<String>| catalogue.map(lines).cloned().unwrap_or_default();
        let (catalogue_notes, catalogue_warnings) = (of_catalogue(|c| &c.notes), of_catalogue(|c| &c.warnings));
        let frame = astrometry
            .unconverted_frame()
            .filter(|_| catalogue.is_none_or(|c| c.positions().is_none()));
        let frame =
            frame.map(|frame| format!("positions in the frame {frame} are not converted: ra and dec are empty"));
        let mut folder = ImageFolder {
            notes: note
                .into_iter()
                .chain(notes)
                .chain(catalogue_notes)
                .chain(rows)
                .collect(),
            id_column: selection.id_column,
            stored,
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
            unit: "arcsec".into(),
            catalogue: selection.catalogue,
            dropped: selection.dropped,
            photometry,
            warnings: warnings
                .into_iter()
                .chain(catalogue_warnings)
                .chain(selection.warnings)
                .chain(frame)
                .collect(),
            images,
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
    /// An object without an image; a file that cannot be read, or an image of the wrong size. The error names the object
    /// and the file.
    ///
    /// # Panics
    /// If `index` is not below [`len`](Self::len).
    pub fn read(&self, index: usize) -> Result<Cutout> {
        let object = &self.objects[index];
        let of_object = |source| Error::Object {
            id: object.id.clone(),
            source: Box::new(source),
        };
        let (id, place) = image_of(object).ok_or(Error::NoImage).map_err(of_object)?;
        let mut cutout = Cutout::blank(id.to_owned(), [self.height, self.width, self.bands.len()]);
        let fill = || self.images.fill(&mut cutout, place, self.cropped, self.flux_scale);
        let astrometry = guarded(|| self.images.files(id, place), fill).map_err(of_object)?;
        cutout.id.clone_from(&object.id);
        cutout.theta_e = object.theta_e;
        cutout.pixel_scale = astrometry.pixel_scale;
        (cutout.ra, cutout.dec) = self.catalogue_position(object).or(astrometry.ra_dec).unzip();
        Ok(cutout.finish())
    }

    /// Whether the object's files are tables without an image: a catalogue among the images. Reads headers.
    pub fn is_table(&self, object: &Object) -> bool {
        object.row.is_none() && self.files(object).iter().any(|file| is_table(file))
    }

    /// The files that hold an object's image; none if it has no image.
    pub fn files(&self, object: &Object) -> Vec<PathBuf> {
        image_of(object).map_or(vec![], |(id, place)| self.images.files(id, place))
    }

    /// The files that hold the images of many objects: a stack, a table or tiles.
    pub fn shared_files(&self) -> Vec<PathBuf> {
        match &self.images {
            Images::Stack { stack, .. } => vec![stack.path.clone()],
            Images::Table(features) => vec![features.path().into()],
            Images::Tiles(stamps) => stamps.all_files(),
            Images::PerBand { .. } | Images::PerObject { .. } | Images::Pictures { .. } => vec![],
        }
    }

    /// Whether objects may have positions: those of a stack or of pictures have none unless the catalogue has.
    pub fn may_have_positions(&self) -> bool {
        let in_headers = match self.images {
            Images::PerBand { .. } | Images::PerObject { .. } | Images::Tiles(_) => true,
            Images::Pictures { .. } | Images::Stack { .. } | Images::Table(_) => false,
        };
        in_headers || self.catalogue.as_ref().is_some_and(|c| c.positions().is_some())
    }

    /// Right ascension and declination of an object in the catalogue, degrees.
    pub(crate) fn catalogue_position(&self, object: &Object) -> Option<(f64, f64)> {
        self.catalogue.as_ref()?.position(object.row?)
    }
}

/// Files with these endings are images, and never tables.
const IMAGES: [&str; 7] = ["npy", "npz", "png", "jpg", "jpeg", "tif", "tiff"];

/// Whether the path is a file that may be a table; that of an image is refused as no folder.
fn is_table_file(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    // The name of a table in a file stands in brackets behind it.
    let named = path.to_str().is_some_and(|text| text.ends_with(']') && !path.exists());
    named || path.is_file() && !IMAGES.iter().any(|image| ending.eq_ignore_ascii_case(image))
}

/// The id in the names of an object's files, and its place in a stack, if it has an image.
fn image_of(object: &Object) -> Option<(&str, usize)> {
    match object.pixels.as_ref()? {
        Pixels::InStack(place) => Some((&object.id, *place)),
        Pixels::InFiles(id) => Some((id, 0)),
    }
}
