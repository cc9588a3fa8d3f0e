//! Tiles and positions in place of a folder of images.

use crate::model::Model;
use crate::survey::{PositionColumns, TileOptions};
use std::path::{Path, PathBuf};

/// Large images, and where the objects are in them.
#[derive(clap::Args, Clone)]
#[command(next_help_heading = "Tiles")]
pub struct Tiles {
    /// Cut the images of the objects out of tiles with names like this, such as 'coadds/{tile}_{band}.fits'; without
    /// {tile} there is one tile, without {band} each file holds all bands
    #[arg(long, value_name = "PATTERN", requires = "positions", conflicts_with_all = ["images", "keep_unmatched"])]
    pub tiles: Option<String>,
    /// Table with the position of each object, in degrees or pixels, or the folder of a HATS catalogue; its other columns
    /// are passed through
    #[arg(long, value_name = "FILE", requires = "tiles", conflicts_with = "catalogue")]
    positions: Option<PathBuf>,
    /// Masks beside the tiles, with names like this, such as 'coadds/{tile}_{band}.mask.fits': a bit masks a pixel, see
    /// --mask-bits
    #[arg(long, value_name = "PATTERN", requires = "tiles")]
    masks: Option<String>,
    /// Weights beside the tiles, with names like this, such as 'coadds/{tile}_{band}.weight.fits': 0 masks a pixel
    #[arg(long, value_name = "PATTERN", requires = "tiles")]
    weights: Option<String>,
    /// Columns of right ascension and declination [default: by their usual names, such as ra and dec]
    #[arg(long, value_name = "RA,DEC", requires = "tiles", value_parser = pair)]
    sky_columns: Option<[String; 2]>,
    /// Columns of pixel positions in the first band, counted from 0, or from 1 if they are those of SExtractor
    /// [default: by their usual names, such as x and y, if there are none on the sky]
    #[arg(long, value_name = "X,Y", requires = "tiles", value_parser = pair, conflicts_with = "sky_columns")]
    pixel_columns: Option<[String; 2]>,
}

/// What the arguments say, in the terms of the library.
pub struct Source {
    /// The folder of the tiles.
    pub folder: PathBuf,
    /// The table of positions.
    pub positions: PathBuf,
    /// The tiles and the stamps.
    pub options: TileOptions,
}

impl Tiles {
    /// The tiles for a model, if there are any; `pixel_scale`: that of the stamps, if it is not the model's.
    pub fn source(&self, model: &Model, pixel_scale: Option<f64>) -> Option<Source> {
        let (pattern, positions) = (self.tiles.as_ref()?, self.positions.clone()?);
        let (folder, name) = split(pattern);
        let sky = self.sky_columns.clone().map(PositionColumns::Sky);
        let columns = sky.or(self.pixel_columns.clone().map(PositionColumns::Pixels));
        Some(Source {
            folder: if folder.is_empty() { "." } else { folder }.into(),
            options: TileOptions {
                masks: self.masks.as_deref().map(|pattern| below(pattern, folder)),
                weights: self.weights.as_deref().map(|pattern| below(pattern, folder)),
                ..model.tiles(name.into(), columns, pixel_scale)
            },
            positions: std::path::absolute(&positions).unwrap_or(positions),
        })
    }
}

/// The folder that all tiles are in, and the rest of a pattern.
fn split(pattern: &str) -> (&str, &str) {
    let fixed = &pattern[..pattern.find('{').unwrap_or(pattern.len())];
    match fixed.rfind(std::path::is_separator) {
        Some(0) => pattern.split_at(1),
        Some(at) => (&pattern[..at], &pattern[at + 1..]),
        None => ("", pattern),
    }
}

/// A pattern of names in or below the folder of the tiles, or an absolute one.
fn below(pattern: &str, folder: &str) -> String {
    let pattern = Path::new(pattern);
    let path = match pattern.strip_prefix(folder) {
        Ok(rest) => rest.into(),
        Err(_) => std::path::absolute(pattern).unwrap_or_else(|_| pattern.into()),
    };
    path.display().to_string()
}

/// Two names of columns.
fn pair(text: &str) -> Result<[String; 2], String> {
    match text.split_once(',') {
        Some((first, second)) if !first.is_empty() && !second.is_empty() => Ok([first.into(), second.into()]),
        _ => Err("give two names of columns, such as ra,dec".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_below_the_folder_that_all_tiles_share() {
        assert_eq!(split("{tile}_{band}.fits"), ("", "{tile}_{band}.fits"));
        assert_eq!(split("a/b/t{tile}/{band}.fits"), ("a/b", "t{tile}/{band}.fits"));
        assert_eq!(split("/{band}.fits"), ("/", "{band}.fits"));
        assert_eq!(split("coadds/one.fits"), ("coadds", "one.fits"));
    }

    #[test]
    fn masks_are_found_from_the_folder_of_the_tiles() {
        assert_eq!(below("coadds/{tile}.mask.fits", "coadds"), "{tile}.mask.fits");
        assert_eq!(below("{tile}.mask.fits", ""), "{tile}.mask.fits");
        for elsewhere in ["coadds2/{tile}.fits", "masks/{tile}.fits"] {
            let path = below(elsewhere, "coadds");
            assert!(Path::new(&path).is_absolute() && path.ends_with(elsewhere), "{path}");
        }
    }

    #[test]
    fn columns_come_in_pairs() {
        assert_eq!(pair("RA_1,DEC_1").unwrap(), ["RA_1", "DEC_1"]);
        assert!(pair("ra").is_err() && pair("ra,").is_err());
    }
}
