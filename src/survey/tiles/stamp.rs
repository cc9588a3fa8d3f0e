//! The pixels of a stamp: where they are on the sky, and in an image.

use super::set::Grid;
use crate::survey::fits::{SkyGrid, Window, from_plane};

/// A tile whose pixels differ by less than this from those of the stamps, relatively, is not resampled to their scale.
const SAME_SCALE: f64 = 0.01;
/// Pixels that fall on those of an image within this, pixels, are copied.
const SAME_PIXEL: f64 = 0.02;
/// Pixels around the stamp that are read as well: rules for the pixels look at neighbours.
const MARGIN: f64 = 1.0;

/// A value at the corners, edges and centre of a stamp, for quadratic interpolation between them: `[y][x]`.
type Nodes = [[[f64; 2]; 3]; 3];

/// The pixels of a stamp on the sky.
pub(super) struct Stamp {
    /// Height and width, pixels.
    size: [usize; 2],
    /// Arcsec per pixel.
    pub pixel_scale: f64,
    /// Right ascension and declination of its nodes, degrees.
    sky: Nodes,
    /// Its first pixel (x, y) in the image that it takes its pixels from, if it does.
    origin: Option<[f64; 2]>,
}

/// Where the pixels of a stamp are in an image.
pub(super) struct Mapping {
    size: [usize; 2],
    nodes: Nodes,
}

impl Stamp {
    /// A stamp of `size` (height, width) around a position, which is at `pixel` of an image. Its axes are those of the
    /// image there. If the image's scale is that of the stamp, its pixels are those of the image, and the position is
    /// inside the central one; otherwise it has square pixels of `scale` arcsec around the position. `None` where the
    /// projection has no pixels.
    pub fn new(grid: &SkyGrid, sky: [f64; 2], pixel: [f64; 2], size: [usize; 2], scale: Option<f64>) -> Option<Stamp> {
        let [[a, b], [c, d]] = grid.scale(pixel)?;
        let determinant = a * d - b * c;
        let own = determinant.abs().sqrt();
        // The singular values are these two, added and subtracted.
        let (even, odd) = ((a + d).hypot(b - c) / 2.0, (a - d).hypot(b + c) / 2.0);
        let wanted = scale.unwrap_or(own);
        let is_same = |found: f64| (found / wanted - 1.0).abs() <= SAME_SCALE;
        if scale.is_none() || is_same(even + odd) && is_same((even - odd).abs()) {
            let [height, width] = size.map(|n| n as f64);
            let origin = [(pixel[0] - width / 2.0).ceil(), (pixel[1] - height / 2.0).ceil()];
            return Some(Stamp {
                size,
                pixel_scale: own,
                sky: nodes(size, |[x, y]| grid.sky([origin[0] + x, origin[1] + y]))?,
                origin: Some(origin),
            });
        }
        // The rotation, with a reflection where the image has one, that is nearest to the image's axes.
        let axes = match determinant > 0.0 {
            true => [[a + d, b - c], [c - b, a + d]].map(|row| row.map(|v| v / (2.0 * even))),
            false => [[a - d, b + c], [b + c, d - a]].map(|row| row.map(|v| v / (2.0 * odd))),
        };
        let centre = size.map(|n| (n as f64 - 1.0) / 2.0);
        let sky = nodes(size, |[x, y]| {
            let (x, y) = (x - centre[1], y - centre[0]);
            let plane = axes.map(|[along_x, along_y]| (along_x * x + along_y * y) * wanted / 3600.0);
            Some(from_plane(sky, plane))
        })?;
        Some(Stamp {
            size,
            pixel_scale: wanted,
            sky,
            origin: None,
        })
    }

    /// Where its pixels are in an image of the tile; `first`: whether it is that which the stamp was made for.
    pub fn in_image(&self, image: &Grid, first: bool) -> Option<Mapping> {
        let place = |nodes| Mapping { size: self.size, nodes };
        if let Some([left, bottom]) = self.origin.filter(|_| first) {
            return nodes(self.size, |[x, y]| Some([left + x, bottom + y])).map(place);
        }
        let mut start = image.sky.pixel(self.sky[1][1], image.centre())?;
        let mut nodes = self.sky;
        for node in nodes.iter_mut().flatten() {
            start = image.sky.pixel(*node, start)?;
            *node = start;
        }
        Some(place(nodes))
    }
}

impl Mapping {
    /// The place (x, y) in the image of a place in the stamp, both in pixels, counted from 0 at the centre of the first.
    pub fn at(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let weights = |t: f64| [(1.0 - t) * (1.0 - 2.0 * t), 4.0 * t * (1.0 - t), t * (2.0 * t - 1.0)];
        let [height, width] = self.size.map(|n| n as f64);
        let (along_x, along_y) = (weights((x + 0.5) / width), weights((y + 0.5) / height));
        let mut place = [0.0; 2];
        for (row, wy) in self.nodes.iter().zip(along_y) {
            for (node, wx) in row.iter().zip(along_x) {
                place[0] += wx * wy * node[0];
                place[1] += wx * wy * node[1];
            }
        }
        place
    }

    /// Height and width of the stamp.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The pixel of the image that the stamp's first pixel is, if all its pixels are pixels of the image.
    pub fn copied_from(&self) -> Option<[i64; 2]> {
        let origin = self.nodes[0][0].map(|v| (v + 0.5).round());
        let same = nodes(self.size, |[x, y]| Some([origin[0] + x, origin[1] + y]))?;
        let mut pairs = same.iter().flatten().zip(self.nodes.iter().flatten());
        let is_same = |(a, b): (&[f64; 2], &[f64; 2])| (a[0] - b[0]).hypot(a[1] - b[1]) < SAME_PIXEL;
        pairs.all(is_same).then(|| origin.map(|v| v as i64))
    }

    /// The part of an image with this width and height that has the stamp's pixels; `None` if it has none of them.
    pub fn window(&self, width: usize, height: usize) -> Option<Window> {
        let range = |axis: usize, length: usize| {
            let places = || self.nodes.iter().flatten().map(|node| node[axis]);
            let low = places().fold(f64::INFINITY, f64::min) - MARGIN;
            let high = places().fold(f64::NEG_INFINITY, f64::max) + MARGIN;
            let first = (low + 0.5).floor().max(0.0);
            let end = (high + 0.5).ceil().min(length as f64);
            (first < end).then_some((first as usize, (end - first) as usize))
        };
        let ((x, width), (y, height)) = (range(0, width)?, range(1, height)?);
        Some(Window { x, y, width, height })
    }
}

/// What a function gives at the nodes of a stamp of this height and width.
fn nodes([height, width]: [usize; 2], mut at: impl FnMut([f64; 2]) -> Option<[f64; 2]>) -> Option<Nodes> {
    let places = |n: usize| [-0.5, (n as f64 - 1.0) / 2.0, n as f64 - 0.5];
    let mut nodes = Nodes::default();
    for (row, y) in nodes.iter_mut().zip(places(height)) {
        for (node, x) in row.iter_mut().zip(places(width)) {
            *node = at([x, y])?;
        }
    }
    Some(nodes)
}
