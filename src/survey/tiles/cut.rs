//! Cuts the stamps of objects out of the tiles.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::resample::{copy, resample};
use super::set::{Tile, TileSet, no_place};
use super::stamp::Stamp;
use crate::survey::bands::{BandPixels, BandReader};
use crate::survey::cutout::{Cutout, Plane};
use crate::survey::error::{Error, Result};
use crate::survey::fits::{Astrometry, FitsFile};

/// Where an object is: its tile, its position, and its pixel in the tile's first band.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub tile: u32,
    pub sky: [f64; 2],
    pub pixel: [f64; 2],
}

/// The tiles, and how stamps are cut out of them.
#[derive(Debug)]
pub(super) struct Tiles {
    pub set: TileSet,
    pub reader: BandReader,
    /// Of the stamps, arcsec; `None`: those of each tile.
    pub pixel_scale: Option<f64>,
    pub open: OpenFiles,
}

/// The stamps of objects, cut out when they are asked for.
#[derive(Debug)]
pub(in crate::survey) struct Stamps {
    pub(super) tiles: Arc<Tiles>,
    /// By the places of the objects that are in a tile.
    pub(super) placed: Vec<Placed>,
}

impl Stamps {
    /// The files that an object's stamp is cut out of.
    pub fn files(&self, place: usize) -> Vec<PathBuf> {
        self.tile(place).all_files().cloned().collect()
    }

    /// The files of all tiles.
    pub fn all_files(&self) -> Vec<PathBuf> {
        self.tiles.set.tiles.iter().flat_map(Tile::all_files).cloned().collect()
    }

    fn tile(&self, place: usize) -> &Tile {
        &self.tiles.set.tiles[self.placed[place].tile as usize]
    }

    /// Fills the cutout's bands. Pixels outside a band of the tile are masked.
    pub fn fill(&self, cutout: &mut Cutout, place: usize, flux_scale: f64) -> Result<Astrometry> {
        let (tile, Placed { sky, pixel, .. }) = (self.tile(place), self.placed[place]);
        let size = [cutout.height, cutout.width];
        let stamp = Stamp::new(&tile.grids[0].sky, sky, pixel, size, self.tiles.pixel_scale);
        let stamp = stamp.ok_or_else(|| no_place(&tile.files[0]))?;
        for (at, band) in tile.bands.iter().enumerate() {
            let (path, grid) = (&tile.files[band.file], &tile.grids[band.grid]);
            let mapping = stamp.in_image(grid, band.grid == 0);
            let mapping = mapping.ok_or_else(|| no_place(path))?;
            let values = match mapping.window(grid.width, grid.height) {
                None => vec![f64::NAN; size[0] * size[1]],
                Some(window) => {
                    let planes = [&band.plane];
                    let read = |file: &mut FitsFile| self.tiles.reader.part(path, file, &planes, Some(window));
                    let tile_number = self.placed[place].tile;
                    let key = (tile_number, band.file);
                    let mut image: BandPixels = self.tiles.open.with(key, path, read)?.remove(0);
                    for &(at, plane) in &band.masks {
                        let path = &tile.mask_files[at];
                        let mask = |file: &mut FitsFile| self.tiles.reader.mask(path, file, plane, window, &mut image);
                        self.tiles.open.with((tile_number, tile.files.len() + at), path, mask)?;
                    }
                    match mapping.copied_from() {
                        Some(origin) => copy(origin, size, &image, window),
                        None => resample(&mapping, &image, window),
                    }
                }
            };
            let plane = Plane {
                values: &values,
                offset: 0,
                step: 1,
                width: size[1],
                height: size[0],
            };
            cutout.fill_band(at, &plane, flux_scale);
        }
        Ok(Astrometry {
            ra_dec: Some((sky[0], sky[1])),
            pixel_scale: Some(stamp.pixel_scale),
            ..Astrometry::default()
        })
    }
}

/// Files that stay open between stamps, by tile and place in the tile; the one that was used last is last.
#[derive(Default)]
pub(super) struct OpenFiles {
    idle: Mutex<Vec<((u32, usize), FitsFile)>>,
    /// The most files that stay open.
    most: usize,
}

impl std::fmt::Debug for OpenFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "OpenFiles({})", self.lock().len())
    }
}

impl OpenFiles {
    /// For tiles of so many files each: every thread that reads may have a tile of its own.
    pub fn new(files: usize) -> OpenFiles {
        OpenFiles {
            idle: Mutex::default(),
            most: files * thread::available_parallelism().map_or(1, |n| n.get()),
        }
    }

    /// Hands an open file to `read`, which no other thread has meanwhile.
    fn with<T>(
        &self,
        key: (u32, usize),
        path: &std::path::Path,
        read: impl FnOnce(&mut FitsFile) -> Result<T>,
    ) -> Result<T> {
        let idle = {
            let mut idle = self.lock();
            let found = idle.iter().rposition(|(known, _)| *known == key);
            found.map(|at| idle.remove(at).1)
        };
        let mut file = match idle {
            Some(file) => file,
            None => FitsFile::open(path).map_err(Error::fits(path))?,
        };
        let result = read(&mut file);
        let mut idle = self.lock();
        idle.push((key, file));
        if idle.len() > self.most {
            idle.remove(0);
        }
        result
    }

    /// A thread that panicked had taken its file out.
    fn lock(&self) -> MutexGuard<'_, Vec<((u32, usize), FitsFile)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
