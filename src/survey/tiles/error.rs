//! Why stamps cannot be cut out of tiles.

use crate::survey::few;
use std::path::PathBuf;

/// Tiles and positions that cannot be used as they are described.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TilesError {
    /// No file has such a name.
    #[error("no file in {} has a name like '{pattern}'", folder.display())]
    NoTile {
        /// The folder.
        folder: PathBuf,
        /// The pattern.
        pattern: String,
    },
    /// A tile without the file of one of its bands.
    #[error("the tile {tile} has no file {}", path.display())]
    MissingBand {
        /// Name of the tile.
        tile: String,
        /// The file.
        path: PathBuf,
    },
    /// Two bands of a tile with no part of the sky in common.
    #[error("the bands {} and {} of the tile {tile} do not overlap on the sky", bands[0], bands[1])]
    Apart {
        /// Name of the tile.
        tile: String,
        /// The bands.
        bands: [String; 2],
    },
    /// Pixels that are much smaller or larger than those of the stamps.
    #[error("{} has pixels of {found:.4} arcsec, and stamps of {wanted:.4} arcsec per pixel are wanted", path.display())]
    Scale {
        /// The file.
        path: PathBuf,
        /// Its pixel scale, arcsec.
        found: f64,
        /// That of the stamps, arcsec.
        wanted: f64,
    },
    /// No table of positions is named.
    #[error("there is no table with the positions of the objects")]
    NoTable,
    /// A table without positions.
    #[error("{} has no columns of positions such as ra and dec, or x and y; its columns are: {}", path.display(), few(columns))]
    NoPositions {
        /// The table.
        path: PathBuf,
        /// Its columns.
        columns: Vec<String>,
    },
    /// Positions in pixels, and several tiles.
    #[error("{} has positions in pixels, and there are {tiles} tiles", path.display())]
    PixelsOfWhichTile {
        /// The table.
        path: PathBuf,
        /// Number of tiles.
        tiles: usize,
    },
    /// Not one position is in a tile.
    #[error("none of the {positions} positions of {} is inside a tile; the first tile is around ra {:.4}, dec {:.4}", path.display(), centre[0], centre[1])]
    NothingInside {
        /// The table.
        path: PathBuf,
        /// Number of its rows that are used.
        positions: usize,
        /// Centre of the first tile, degrees.
        centre: [f64; 2],
    },
    /// A position around which the projection of a band has no pixels.
    #[error("the pixels around the position have no place in {}", path.display())]
    NoPlace {
        /// The file.
        path: PathBuf,
    },
}
