//! Stamps cut out of large images, the tiles of a survey, around the positions of a table.
//!
//! | file | what it does |
//! |---|---|
//! | this one | opens tiles and positions as an [`ImageFolder`] |
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

pub(super) use cut::Stamps;
pub use error::TilesError;
pub use positions::PositionColumns;

use rayon::prelude::*;

use super::bands::{BandChoice, BandReader, FileSummary, Photometry};
use super::catalogue::Catalogue;
use super::error::Result;
use super::few;
use super::folder::{FolderError, ImageFolder, ImageFolderOptions};
use super::images::Images;
use super::remembered::ImageSource;
use super::selection::{Object, RowSelection};
use cut::{OpenFiles, Placed};
use positions::Positions;
use set::{TileNames, TileSet};

/// Tiles in place of one image per object. The positions are in the catalogue of the [`ImageFolderOptions`].
#[derive(Debug, Clone, PartialEq)]
pub struct TileOptions {
    /// Pattern of the tiles' names in the folder, for instance `{tile}_{band}.fits`: without `{tile}` there is one tile,
    /// without `{band}` a file holds all bands.
    pub pattern: String,
    /// The columns of the positions [default: by their usual names].
    pub columns: Option<PositionColumns>,
    /// Height and width of the stamps, pixels.
    pub size: [usize; 2],
    /// Arcsec per pixel of the stamps; `None`: the tiles' own.
    pub pixel_scale: Option<f64>,
}

/// Opens the tiles and the catalogue of positions.
///
/// # Errors
/// No tiles, or tiles that cannot be used; no positions, or none in a tile.
pub(super) fn open(options: &ImageFolderOptions, tiles: &TileOptions) -> Result<ImageFolder> {
    let bands = options.bands.as_deref().unwrap_or_default();
    let bands = BandChoice::all(bands).map_err(FolderError::Bands)?;
    let names = TileNames::list(&options.dir, &tiles.pattern, &bands)?;
    let sample = FileSummary::read(&names.files(&names.names[0])[0])?;
    let reader = BandReader::new(&options.pixels, options.preset.or(sample.preset));
    let set = TileSet::open(&names, &bands, &reader, tiles.pixel_scale)?;
    let photometry = photometry(&set, &bands, &reader)?;

    let path = options.catalogue.as_ref().ok_or(TilesError::NoTable)?;
    let named = tiles.columns.iter().flat_map(|columns| match columns {
        PositionColumns::Sky(names) | PositionColumns::Pixels(names) => names,
    });
    let wanted: Vec<&str> = named.chain(&options.id_column).map(String::as_str).collect();
    let mut catalogue = Catalogue::read_with(path, &wanted)?;
    let positions = Positions::find(&mut catalogue, tiles.columns.as_ref())?;
    if let (Positions::Pixels { .. }, 2..) = (positions, set.tiles.len()) {
        let (path, tiles) = (catalogue.path, set.tiles.len());
        return Err(TilesError::PixelsOfWhichTile { path, tiles }.into());
    }
    let rows = RowSelection::of_table(options, &catalogue, None)?;
    let (id_column, dropped) = (rows.id_column, rows.dropped.clone());
    let label = rows.label().map(|(name, _)| name.to_owned());
    let mut objects = rows.into_objects();
    let (placed, outside) = place(&mut objects, &catalogue, positions, &set)?;

    let mut notes = catalogue.notes.clone();
    notes.push(format!("{}: {dropped}", catalogue.path.display()));
    let mut warnings = catalogue.warnings.clone();
    warnings.extend(sample.left_out_warning(&set.tiles[0].files[0]));
    warnings.extend(outside);
    Ok(ImageFolder {
        objects,
        bands: bands.into_iter().map(|band| band.name).collect(),
        height: tiles.size[0],
        width: tiles.size[1],
        pixel_scale: tiles.pixel_scale.or(Some(set.tiles[0].pixel_scale)),
        preset: reader.preset,
        label,
        unit: "arcsec".into(),
        id_column,
        stored: ImageSource::default(),
        notes,
        dropped,
        photometry,
        warnings,
        images: Images::Tiles(Stamps {
            open: OpenFiles::new(set.tiles[0].files.len()),
            set,
            reader,
            pixel_scale: tiles.pixel_scale,
            placed,
        }),
        catalogue: Some(catalogue),
        cropped: false,
        flux_scale: options.flux_scale,
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

/// Finds the tile of every object; those without one have no image. Also says how many these are.
///
/// # Errors
/// No object is in a tile.
fn place(
    objects: &mut [Object],
    catalogue: &Catalogue,
    positions: Positions,
    set: &TileSet,
) -> Result<(Vec<Placed>, Option<String>)> {
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
    let (mut placed, mut outside) = (Vec::with_capacity(objects.len()), Vec::new());
    for (object, found) in objects.iter_mut().zip(found) {
        object.set_place(found.map(|found| {
            placed.push(found);
            placed.len() - 1
        }));
        if found.is_none() {
            outside.push(object.id.clone());
        }
    }
    let path = &catalogue.path;
    if placed.is_empty() {
        return Err(TilesError::NothingInside {
            path: path.clone(),
            positions: objects.len(),
            centre: set.tiles[0].centre,
        }
        .into());
    }
    let warning = (!outside.is_empty()).then(|| {
        format!(
            "{} of {} positions of {} are unknown or outside all tiles, for example {}",
            outside.len(),
            objects.len(),
            path.display(),
            few(&outside)
        )
    });
    Ok((placed, warning))
}
