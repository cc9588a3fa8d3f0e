//! Stamps cut out of large images, the tiles of a survey, around the positions of a table.
//!
//! | file | what it does |
//! |---|---|
//! | this one | opens tiles and positions as an [`ImageFolder`] |
//! | `streamed` | the same, with the positions in parts |
//! | `positions` | which columns hold the positions |
//! | `set` | the tiles, and in which of them a position lies |
//! | `stamp` | where a stamp's pixels are on the sky and in a tile |
//! | `resample` | flux from a tile's pixels to those of a stamp |
//! | `cut` | reads an object's stamp |

mod cut;
mod error;
mod positions;
mod resample;
mod set;
mod stamp;
mod streamed;

pub(super) use cut::Stamps;
pub use error::TilesError;
pub use positions::PositionColumns;
pub(super) use streamed::StreamedTiles;

use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bands::{BandChoice, BandReader, FileSummary, Photometry};
use super::catalogue::Catalogue;
use super::error::Result;
use super::few::{SHOWN, few_of};
use super::folder::{FolderError, ImageFolder, ImageFolderOptions};
use super::images::Images;
use super::remembered::ImageSource;
use super::selection::{DropReport, Object, RowSelection};
use cut::{OpenFiles, Placed, Tiles};
use positions::Positions;
use set::{TileNames, TileSet};

/// Tiles in place of one image per object. The positions are in the catalogue of the [`ImageFolderOptions`].
#[derive(Debug, Clone, PartialEq)]
pub struct TileOptions {
    /// Pattern of the tiles' names in the folder, for instance `{tile}_{band}.fits`: without `{tile}` there is one tile,
    /// without `{band}` a file holds all bands.
    pub pattern: String,
    /// The same for files of masks beside the tiles, of which bits mask a pixel.
    pub masks: Option<String>,
    /// The same for files of weights or noise.
    pub weights: Option<String>,
    /// The columns of the positions [default: by their usual names].
    pub columns: Option<PositionColumns>,
    /// Height and width of the stamps, pixels.
    pub size: [usize; 2],
    /// Arcsec per pixel of the stamps; `None`: the tiles' own.
    pub pixel_scale: Option<f64>,
}

/// The tiles of the options, and what an opened folder says of them.
struct Opened {
    tiles: Arc<Tiles>,
    bands: Vec<BandChoice>,
    photometry: Photometry,
    warning: Option<String>,
}

impl Opened {
    fn open(options: &ImageFolderOptions, tiles: &TileOptions) -> Result<Opened> {
        let bands = options.bands.as_deref().unwrap_or_default();
        let bands = BandChoice::all(bands).map_err(FolderError::Bands)?;
        let names = TileNames::list(&options.dir, tiles, &bands)?;
        let sample = FileSummary::read(&names.files(&names.names[0])[0])?;
        let reader = BandReader::new(&options.pixels, options.preset.or(sample.preset));
        let set = TileSet::open(&names, &bands, &reader, tiles.pixel_scale)?;
        Ok(Opened {
            photometry: photometry(&set, &bands, &reader)?,
            warning: sample.left_out_warning(&set.tiles[0].files[0]),
            bands,
            tiles: Arc::new(Tiles {
                open: OpenFiles::new(set.tiles[0].all_files().count()),
                set,
                reader,
                pixel_scale: tiles.pixel_scale,
            }),
        })
    }

    /// Which columns of a table hold the positions.
    fn positions(&self, catalogue: &mut Catalogue, tiles: &TileOptions) -> Result<Positions> {
        let positions = Positions::find(catalogue, tiles.columns.as_ref())?;
        if let (Positions::Pixels { .. }, 2..) = (positions, self.tiles.set.tiles.len()) {
            let (path, tiles) = (catalogue.path.clone(), self.tiles.set.tiles.len());
            return Err(TilesError::PixelsOfWhichTile { path, tiles }.into());
        }
        Ok(positions)
    }

    /// A folder without objects.
    fn folder(&self, options: &ImageFolderOptions, tiles: &TileOptions, catalogue: Catalogue) -> ImageFolder {
        ImageFolder {
            objects: Vec::new(),
            bands: self.bands.iter().map(|band| band.name.clone()).collect(),
            height: tiles.size[0],
            width: tiles.size[1],
            pixel_scale: tiles.pixel_scale.or(Some(self.tiles.set.tiles[0].pixel_scale)),
            preset: self.tiles.reader.preset,
            label: None,
            unit: "arcsec".into(),
            id_column: None,
            stored: ImageSource::default(),
            notes: catalogue.notes.clone(),
            dropped: DropReport::default(),
            photometry: self.photometry.clone(),
            warnings: catalogue.warnings.iter().chain(&self.warning).cloned().collect(),
            images: Images::Tiles(Stamps {
                tiles: self.tiles.clone(),
                placed: Vec::new(),
            }),
            catalogue: Some(catalogue),
            cropped: false,
            flux_scale: options.flux_scale,
        }
    }
}

/// The table of positions, and the columns that must be in it.
fn table(options: &ImageFolderOptions, tiles: &TileOptions) -> Result<(PathBuf, Vec<String>), TilesError> {
    let path = options.catalogue.clone().ok_or(TilesError::NoTable)?;
    let named = tiles.columns.iter().flat_map(|columns| match columns {
        PositionColumns::Sky(names) | PositionColumns::Pixels(names) => names,
    });
    Ok((path, named.chain(&options.id_column).cloned().collect()))
}

/// Opens the tiles and the catalogue of positions, which is held in memory.
///
/// # Errors
/// No tiles, or tiles that cannot be used; no positions, or none in a tile.
pub(super) fn open(options: &ImageFolderOptions, tiles: &TileOptions) -> Result<ImageFolder> {
    let opened = Opened::open(options, tiles)?;
    let (path, wanted) = table(options, tiles)?;
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    let mut catalogue = Catalogue::read_with(&path, &wanted)?;
    let positions = opened.positions(&mut catalogue, tiles)?;
    let rows = RowSelection::of_table(options, &catalogue, None)?;
    let (id_column, dropped) = (rows.id_column, rows.dropped.clone());
    let label = rows.label().map(|(name, _)| name.to_owned());
    let mut objects = rows.into_objects();
    let mut outside = Outside::default();
    let placed = place(&mut objects, &catalogue, positions, &opened.tiles.set, &mut outside);
    let mut folder = opened.folder(options, tiles, catalogue);
    folder.warnings.extend(outside.warning(&path, &opened.tiles.set)?);
    folder.notes.push(format!("{}: {dropped}", path.display()));
    Ok(ImageFolder {
        objects,
        label,
        id_column,
        dropped,
        images: Images::Tiles(Stamps {
            tiles: opened.tiles,
            placed,
        }),
        ..folder
    })
}

/// The flux scale of the first tile.
fn photometry(set: &TileSet, bands: &[BandChoice], reader: &BandReader) -> Result<Photometry> {
    let files = &set.tiles[0].files;
    match &files[..] {
        [file] => Ok(reader.sample(file, bands)?.0),
        _ => {
            let each = files
                .iter()
                .zip(bands)
                .map(|(file, band)| reader.only_zero_point(file, band));
            Ok(reader.as_read(each.collect::<Result<_>>()?))
        }
    }
}

/// Finds the tile of every object; those without one have no image.
fn place(
    objects: &mut [Object],
    catalogue: &Catalogue,
    positions: Positions,
    set: &TileSet,
    outside: &mut Outside,
) -> Vec<Placed> {
    let of_sky = |sky: [f64; 2]| {
        let (tile, pixel) = set.deepest(sky)?;
        Some(Placed {
            tile: tile as u32,
            sky,
            pixel,
        })
    };
    let of_row = |row: usize| match positions {
        Positions::Sky => catalogue.position(row).and_then(|(ra, dec)| of_sky([ra, dec])),
        Positions::Pixels { columns, first } => {
            let pixel = columns.map(|column| catalogue.number(row, column) - first);
            let sky = set.tiles[0].grids[0].sky.sky(pixel).filter(|sky| sky[0].is_finite())?;
            of_sky(sky).map(|placed| Placed { pixel, ..placed })
        }
    };
    let found: Vec<Option<Placed>> = objects
        .par_iter()
        .map(|object| of_row(object.row.expect("objects are rows")))
        .collect();
    let mut placed = Vec::with_capacity(objects.len());
    for (object, found) in objects.iter_mut().zip(found) {
        object.set_place(found.map(|found| {
            placed.push(found);
            placed.len() - 1
        }));
        outside.count(object);
    }
    placed
}

/// How many objects are in no tile.
#[derive(Debug, Default)]
struct Outside {
    objects: usize,
    outside: usize,
    /// Ids of the first ones.
    first: Vec<String>,
}

impl Outside {
    fn count(&mut self, object: &Object) {
        self.objects += 1;
        if !object.has_image() {
            self.outside += 1;
            if self.first.len() < SHOWN {
                self.first.push(object.id.clone());
            }
        }
    }

    /// What is to be said about them.
    ///
    /// # Errors
    /// No object is in a tile.
    fn warning(&self, path: &Path, set: &TileSet) -> Result<Option<String>, TilesError> {
        if self.outside == self.objects {
            return Err(TilesError::NothingInside {
                path: path.into(),
                positions: self.objects,
                centre: set.tiles[0].centre,
            });
        }
        Ok((self.outside > 0).then(|| {
            format!(
                "{} of {} positions of {} are unknown or outside all tiles, for example {}",
                self.outside,
                self.objects,
                path.display(),
                few_of(&self.first, self.outside)
            )
        }))
    }
}
