//! Tile-compressed images (FITS standard 4.0, section 10): the table of tiles, and how they make up the image.

use std::borrow::Cow;

use super::FitsError;
use super::codec::Codec;
use super::decode::{Numbers, Scaling, blank, numbers};
use super::hdu::required;
use super::header::Header;
use super::quantised::Quantised;
use super::tile_table::TileTable;

/// A file with less than one tile of so many is no image of which some pixels are masked, but what is left of one.
const MOST_MISSING: usize = 10;

/// Pixels in physical units, those without a value as NaN. `bytes`: the data unit of the table; `axes`: lengths of the
/// image's axes, the fastest first; `window`: first and number of the pixels that are wanted on each axis, if not all
/// are.
pub(super) fn read(
    bytes: &[u8],
    header: &Header,
    bitpix: i64,
    axes: &[usize],
    window: Option<Vec<(usize, usize)>>,
    scaling: &Scaling,
) -> Result<Vec<f64>, FitsError> {
    let is_whole = window.is_none();
    let window = window.unwrap_or_else(|| axes.iter().map(|&length| (0, length)).collect());
    if ![8, 16, 32, 64, -32, -64].contains(&bitpix) {
        let keyword = "ZBITPIX".into();
        return Err(FitsError::DamagedHeader { keyword, value: bitpix });
    }
    let grid = Grid::new(header, axes)?;
    let table = TileTable::new(bytes, header)?;
    let image = CompressedImage {
        bitpix,
        codec: Codec::new(header, bitpix)?,
        quantised: Quantised::new(header, &table, bitpix)?,
        blank: match blank(header, "ZBLANK", bitpix)? {
            Some(blank) => Some(blank),
            None => blank(header, "BLANK", bitpix)?,
        },
        table,
        scaling,
    };
    let mut values = Vec::new();
    let pixels = window.iter().map(|(_, count)| count).product();
    values
        .try_reserve_exact(pixels)
        .map_err(|_| FitsError::ImageSize { axes: axes.into() })?;
    values.resize(pixels, f64::NAN);
    // Pixels of tiles that are missing have no value.
    let mut found = 0;
    for tile in 0..grid.count.min(image.table.rows) {
        let place = grid.place(tile);
        if !overlap(&place, &window) {
            continue;
        }
        let count = place.iter().map(|(_, length)| length).product();
        let Some(decoded) = image.tile(tile, count)? else {
            continue;
        };
        if decoded.len() != count {
            return Err(FitsError::Tiles("a tile has another number of pixels than its size"));
        }
        put(&place, &decoded, &window, &mut values);
        found += 1;
    }
    match is_whole && found * MOST_MISSING < grid.count {
        true => Err(FitsError::Tiles("more than nine tenths of its tiles are missing")),
        false => Ok(values),
    }
}

struct CompressedImage<'a> {
    bitpix: i64,
    codec: Codec,
    quantised: Option<Quantised>,
    blank: Option<i64>,
    table: TileTable<'a>,
    scaling: &'a Scaling,
}

impl CompressedImage<'_> {
    /// The pixels of a tile in physical units; `None` if it is empty.
    fn tile(&self, tile: usize, pixels: usize) -> Result<Option<Vec<f64>>, FitsError> {
        let table = &self.table;
        if !table.bytes("NULL_PIXEL_MASK", tile)?.unwrap_or_default().is_empty() {
            return Err(FitsError::Compression {
                method: "NULL_PIXEL_MASK".into(),
            });
        }
        let compressed = table.bytes("COMPRESSED_DATA", tile)?.unwrap_or_default();
        if !compressed.is_empty() {
            let decoded = match &self.quantised {
                Some(quantised) => {
                    let integers = self.codec.integers(compressed, pixels)?;
                    self.scaling.floats(quantised.floats(tile, &integers, table)?)
                }
                None if self.bitpix > 0 => {
                    let blank = match table.number("ZBLANK", tile)? {
                        Some(blank) => Some(blank as i64),
                        None => self.blank,
                    };
                    let integers = self.codec.integers(compressed, pixels)?;
                    self.scaling.integers(integers, blank).collect()
                }
                None => self.stored(self.codec.bytes(compressed, pixels)?, pixels)?,
            };
            return Ok(Some(decoded));
        }
        // A tile that could not be quantised or compressed is in another column.
        let gzip = table.bytes("GZIP_COMPRESSED_DATA", tile)?.unwrap_or_default();
        if !gzip.is_empty() {
            return self.stored(Codec::gunzip(gzip, pixels)?, pixels).map(Some);
        }
        match table.bytes("UNCOMPRESSED_DATA", tile)?.unwrap_or_default() {
            [] => Ok(None),
            bytes => self.stored(Cow::Borrowed(bytes), pixels).map(Some),
        }
    }

    /// Pixels that are stored as they were before the compression.
    fn stored(&self, bytes: Cow<[u8]>, pixels: usize) -> Result<Vec<f64>, FitsError> {
        if pixels.checked_mul(self.bitpix.unsigned_abs() as usize / 8) != Some(bytes.len()) {
            return Err(FitsError::Tiles(
                "a tile has another number of bytes than its pixels need",
            ));
        }
        Ok(match numbers(&bytes, self.bitpix) {
            Numbers::Integers(integers) => self.scaling.integers(integers, self.blank).collect(),
            Numbers::Floats(floats) => self.scaling.floats(floats),
        })
    }
}

/// How tiles cover the image; the fastest axis is first.
struct Grid {
    axes: Vec<usize>,
    /// Size of all tiles but those at the upper edges.
    tile: Vec<usize>,
    count: usize,
}

impl Grid {
    fn new(header: &Header, axes: &[usize]) -> Result<Grid, FitsError> {
        let size = |(axis, &length): (usize, &usize)| {
            let key = format!("ZTILE{}", axis + 1);
            match header.entry(&key) {
                // By default, a tile is a row.
                None => Ok(if axis == 0 { length } else { 1 }),
                Some(_) => match required(header, &key)? {
                    value @ ..=0 => Err(FitsError::DamagedHeader { keyword: key, value }),
                    value => Ok((value as usize).min(length)),
                },
            }
        };
        let tile: Vec<usize> = axes.iter().enumerate().map(size).collect::<Result<_, _>>()?;
        let count = axes.iter().zip(&tile).map(|(n, t)| n.div_ceil(*t)).product();
        Ok(Grid {
            axes: axes.into(),
            tile,
            count,
        })
    }

    /// First pixel and length of a tile on each axis.
    fn place(&self, mut tile: usize) -> Vec<(usize, usize)> {
        let place = self.axes.iter().zip(&self.tile).map(|(&length, &size)| {
            let tiles = length.div_ceil(size);
            let start = (tile % tiles) * size;
            tile /= tiles;
            (start, size.min(length - start))
        });
        place.collect()
    }
}

/// Whether two places, by their first pixel and length on each axis, have a pixel in common.
fn overlap(one: &[(usize, usize)], other: &[(usize, usize)]) -> bool {
    let mut axes = one.iter().zip(other);
    axes.all(|(&(a, length), &(b, count))| a < b + count && b < a + length)
}

/// Copies the part of a tile that is in the window into the pixels of the window, row by row.
fn put(place: &[(usize, usize)], tile: &[f64], window: &[(usize, usize)], image: &mut [f64]) {
    let ((start, length), (from, count)) = (place[0], window[0]);
    let (first, end) = (start.max(from), (start + length).min(from + count));
    for (row, values) in tile.chunks_exact(length).enumerate() {
        let (mut row, mut at, mut step) = (row, 0, count);
        let inside = place[1..]
            .iter()
            .zip(&window[1..])
            .all(|(&(start, length), &(from, count))| {
                let pixel = start + row % length;
                at += pixel.wrapping_sub(from).wrapping_mul(step);
                row /= length;
                step *= count;
                (from..from + count).contains(&pixel)
            });
        if inside {
            let at = at + first - from;
            image[at..at + end - first].copy_from_slice(&values[first - start..end - start]);
        }
    }
}
