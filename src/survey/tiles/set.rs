//! The tiles: their files, where they are on the sky, and in which of them a position lies.

use rayon::prelude::*;
use std::path::{Path, PathBuf};

use super::{TileOptions, TilesError};
use crate::survey::bands::{BandChoice, BandReader, FluxPlane, MaskPlane, Role};
use crate::survey::error::{Error, Result};
use crate::survey::fits::SkyGrid;
use crate::survey::pattern::Pattern;

/// A tile whose pixels are this many times smaller or larger than those of the stamps is refused.
const MOST_RESAMPLED: f64 = 16.0;

/// Where the pixels of an image are on the sky, and how many it has.
#[derive(Debug, PartialEq)]
pub(super) struct Grid {
    pub sky: SkyGrid,
    pub width: usize,
    pub height: usize,
}

/// A band of a tile.
#[derive(Debug)]
pub(super) struct TileBand {
    /// Its file, by its place among those of the tile.
    pub file: usize,
    pub plane: FluxPlane,
    /// Its grid, by its place among those of the tile.
    pub grid: usize,
    /// Masks and weights in other files: the file, by its place among the tile's files of masks, and the image in it.
    pub masks: Vec<(usize, MaskPlane)>,
}

/// A tile: the same part of the sky in all bands.
#[derive(Debug)]
pub(super) struct Tile {
    pub files: Vec<PathBuf>,
    /// Those of masks and weights beside them.
    pub mask_files: Vec<PathBuf>,
    pub bands: Vec<TileBand>,
    /// The different grids of its bands; the first is that of the first band.
    pub grids: Vec<Grid>,
    /// Position of its centre, degrees.
    pub centre: [f64; 2],
    /// Arcsec per pixel of the first band at its centre.
    pub pixel_scale: f64,
    /// No corner is further from the centre, degrees.
    radius: f64,
}

/// All tiles.
#[derive(Debug)]
pub(super) struct TileSet {
    pub tiles: Vec<Tile>,
    /// Their places, by the declination of their centres.
    by_declination: Vec<usize>,
    /// The largest radius of a tile, degrees.
    radius: f64,
}

impl Grid {
    /// The pixel at its centre.
    pub fn centre(&self) -> [f64; 2] {
        [self.width, self.height].map(|n| (n as f64 - 1.0) / 2.0)
    }

    /// How far a pixel is inside the nearest edge, pixels; negative outside.
    fn depth(&self, [x, y]: [f64; 2]) -> f64 {
        let along = |v: f64, n: usize| (v + 0.5).min(n as f64 - 0.5 - v);
        along(x, self.width).min(along(y, self.height))
    }
}

impl Tile {
    fn open(name: &str, names: &TileNames, bands: &[BandChoice], reader: &BandReader) -> Result<Tile> {
        let exists = |path: &PathBuf| match path.is_file() {
            true => Ok(()),
            false => Err(TilesError::MissingBand {
                tile: name.into(),
                path: path.clone(),
            }),
        };
        let files = names.files(name);
        files.iter().try_for_each(exists)?;
        let single = files.len() == 1;
        let mut planes = Vec::with_capacity(bands.len());
        for (at, file) in files.iter().enumerate() {
            let here = if single { bands } else { &bands[at..=at] };
            let found = reader.planes(file, here, !single)?;
            planes.extend(found.into_iter().map(|(plane, header)| (at, plane, header)));
        }
        let (mut grids, mut placed) = (Vec::<Grid>::new(), Vec::with_capacity(bands.len()));
        let mut mask_files = Vec::new();
        for (file, plane, header) in planes {
            let sky = header.sky_grid().map_err(Error::fits(&files[file]))?;
            let (width, height) = (header.width, header.height);
            let grid = Grid { sky, width, height };
            let known = grids.iter().position(|known| *known == grid);
            let grid = known.unwrap_or_else(|| {
                grids.push(grid);
                grids.len() - 1
            });
            let mut masks = Vec::new();
            for (path, unnamed) in names.masks(name, placed.len()) {
                exists(&path)?;
                let mask = reader.mask_plane(&path, unnamed, [width, height])?;
                let known = mask_files.iter().position(|known| *known == path);
                let file = known.unwrap_or_else(|| {
                    mask_files.push(path);
                    mask_files.len() - 1
                });
                masks.push((file, mask));
            }
            placed.push(TileBand {
                file,
                plane,
                grid,
                masks,
            });
        }
        let first = &grids[0];
        let [right, top] = [first.width, first.height].map(|n| n as f64 - 0.5);
        let (Some(centre), Some(scale)) = (first.sky.sky(first.centre()), first.sky.scale(first.centre())) else {
            return Err(no_place(&files[0]));
        };
        let corners = [[-0.5, -0.5], [right, -0.5], [right, top], [-0.5, top]].map(|corner| first.sky.sky(corner));
        // Half of the sphere, where a corner has no position.
        let distances = corners.map(|corner| corner.map_or(90.0, |corner| distance(centre, corner)));
        let tile = Tile {
            centre,
            pixel_scale: (scale[0][0] * scale[1][1] - scale[0][1] * scale[1][0]).abs().sqrt(),
            // Distortions may bend the edges outwards.
            radius: 1.05 * distances.into_iter().fold(0.0, f64::max),
            files,
            mask_files,
            bands: placed,
            grids,
        };
        tile.check_overlap(name, bands)?;
        Ok(tile)
    }

    /// Its files, those of masks and weights last.
    pub fn all_files(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.iter().chain(&self.mask_files)
    }

    /// The bands must have a part of the sky in common: the centre of one is inside the other.
    fn check_overlap(&self, name: &str, bands: &[BandChoice]) -> Result<(), TilesError> {
        let has_centre = |grid: &Grid, other: &Grid| {
            let place = other.sky.sky(other.centre());
            let pixel = place.and_then(|place| grid.sky.pixel(place, grid.centre()));
            pixel.is_some_and(|pixel| grid.depth(pixel) >= 0.0)
        };
        let first = &self.grids[0];
        for (band, choice) in self.bands.iter().zip(bands) {
            let other = &self.grids[band.grid];
            if !has_centre(first, other) && !has_centre(other, first) {
                return Err(TilesError::Apart {
                    tile: name.into(),
                    bands: [bands[0].name.clone(), choice.name.clone()],
                });
            }
        }
        Ok(())
    }

    /// Pixels inside the nearest edge of any band, in arcsec, and the pixel of the first band; `None` outside.
    fn depth(&self, sky: [f64; 2]) -> Option<(f64, [f64; 2])> {
        let first = self.grids[0].sky.pixel(sky, self.grids[0].centre())?;
        let mut least = self.grids[0].depth(first);
        for grid in &self.grids[1..] {
            let pixel = grid.sky.pixel(sky, grid.centre())?;
            least = least.min(grid.depth(pixel));
        }
        (least >= 0.0).then_some((least * self.pixel_scale, first))
    }
}

impl TileSet {
    /// The tiles whose files have names like `pattern`, below the folder `root`.
    ///
    /// # Errors
    /// No tile; a tile that lacks a band, whose bands do not overlap, that has no usable position on the sky, or whose
    /// pixels are far from `scale`, arcsec.
    pub fn open(names: &TileNames, bands: &[BandChoice], reader: &BandReader, scale: Option<f64>) -> Result<TileSet> {
        let tile = |name: &String| Tile::open(name, names, bands, reader);
        let tiles: Vec<Tile> = names.names.par_iter().map(tile).collect::<Result<_>>()?;
        for tile in &tiles {
            let wanted = scale.unwrap_or(tile.pixel_scale);
            if !(1.0 / MOST_RESAMPLED..=MOST_RESAMPLED).contains(&(tile.pixel_scale / wanted)) {
                return Err(TilesError::Scale {
                    path: tile.files[0].clone(),
                    found: tile.pixel_scale,
                    wanted,
                }
                .into());
            }
        }
        let mut by_declination: Vec<usize> = (0..tiles.len()).collect();
        by_declination.sort_by(|&a, &b| tiles[a].centre[1].total_cmp(&tiles[b].centre[1]));
        Ok(TileSet {
            radius: tiles.iter().map(|tile| tile.radius).fold(0.0, f64::max),
            by_declination,
            tiles,
        })
    }

    /// The tile in which a position lies deepest, and its pixel in the first band; `None` outside all tiles.
    pub fn deepest(&self, sky: [f64; 2]) -> Option<(usize, [f64; 2])> {
        let declination = |&at: &usize| self.tiles[at].centre[1];
        let start = self
            .by_declination
            .partition_point(|at| declination(at) < sky[1] - self.radius);
        let near = self.by_declination[start..].iter().copied();
        let near = near.take_while(|at| declination(at) <= sky[1] + self.radius);
        let near = near.filter(|&at| distance(self.tiles[at].centre, sky) <= self.tiles[at].radius);
        let inside = near.filter_map(|at| self.tiles[at].depth(sky).map(|(depth, pixel)| (at, depth, pixel)));
        let deepest = inside.max_by(|(a, one, _), (b, other, _)| one.total_cmp(other).then(b.cmp(a)));
        deepest.map(|(at, _, pixel)| (at, pixel))
    }
}

/// The names of the tiles' files.
pub(super) struct TileNames {
    root: PathBuf,
    /// One per band, or one for all bands.
    patterns: Vec<Pattern>,
    /// What stands in place of `{tile}`, in order; one empty name if the pattern has none.
    pub names: Vec<String>,
    /// Of masks and weights beside them, and what an image is whose name does not say so.
    masks: Vec<(Role, Vec<Pattern>)>,
}

impl TileNames {
    /// Lists the tiles in a folder. Their patterns may have `{tile}` and `{band}`.
    ///
    /// # Errors
    /// A pattern that cannot be, and one that no file has.
    pub fn list(root: &Path, options: &TileOptions, bands: &[BandChoice]) -> Result<TileNames> {
        let pattern = options.pattern.as_str();
        let in_files: Vec<String> = bands.iter().map(|band| band.file.clone()).collect();
        let patterns = Pattern::of_tiles(pattern, &in_files)?;
        let mut names: Vec<String> = match pattern.contains(Pattern::TILE) {
            true => patterns[0].ids(root)?.into_iter().collect(),
            false => vec![String::new()],
        };
        names.sort_by(|a, b| alphanumeric_sort::compare_str(a, b));
        let masks = [(Role::Mask, &options.masks), (Role::Weight, &options.weights)];
        let masks = masks
            .into_iter()
            .filter_map(|(kind, text)| Some((kind, text.as_ref()?)));
        let names = TileNames {
            root: root.into(),
            masks: masks
                .map(|(kind, text)| Ok((kind, Pattern::of_tiles(text, &in_files)?)))
                .collect::<Result<_>>()?,
            patterns,
            names,
        };
        let exists = |name: &String| names.files(name).iter().any(|file| file.is_file());
        match names.names.iter().any(exists) {
            true => Ok(names),
            false => Err(TilesError::NoTile {
                folder: root.into(),
                pattern: pattern.into(),
            }
            .into()),
        }
    }

    /// The files of masks and weights of a band of a tile, and what an unnamed image in them is.
    fn masks(&self, name: &str, band: usize) -> impl Iterator<Item = (PathBuf, Role)> {
        self.masks.iter().map(move |(unnamed, patterns)| {
            // A single pattern is for all bands.
            let pattern = patterns.get(band).unwrap_or(&patterns[0]);
            (pattern.file(&self.root, name), *unnamed)
        })
    }

    /// The files of a tile.
    pub fn files(&self, name: &str) -> Vec<PathBuf> {
        self.patterns
            .iter()
            .map(|pattern| pattern.file(&self.root, name))
            .collect()
    }
}

/// Degrees between two positions.
fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    let [sin_ra, sin_dec] = [0, 1].map(|i| ((a[i] - b[i]).to_radians() / 2.0).sin());
    let cosines = a[1].to_radians().cos() * b[1].to_radians().cos();
    let haversine = sin_dec * sin_dec + cosines * sin_ra * sin_ra;
    2.0 * haversine.clamp(0.0, 1.0).sqrt().asin().to_degrees()
}

/// The error of a file whose projection has no pixels where they are needed.
pub(super) fn no_place(path: &Path) -> Error {
    TilesError::NoPlace { path: path.into() }.into()
}
