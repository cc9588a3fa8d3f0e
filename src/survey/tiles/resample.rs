//! Flux from the pixels of an image to those of a stamp, by the area that they share: the sum of the flux is conserved.

use super::stamp::Mapping;
use crate::survey::bands::BandPixels;
use crate::survey::fits::Window;

/// A stamp's pixel has a value if at least this fraction of it has.
const LEAST_COVERED: f64 = 0.5;

/// The stamp whose pixels are those of the image, from the pixel `origin` (x, y) on; NaN outside the window.
pub(super) fn copy(origin: [i64; 2], [height, width]: [usize; 2], image: &BandPixels, window: Window) -> Vec<f64> {
    let mut stamp = Vec::with_capacity(height * width);
    for y in 0..height as i64 {
        for x in 0..width as i64 {
            let at = [origin[0] + x - window.x as i64, origin[1] + y - window.y as i64];
            stamp.push(value(image, at));
        }
    }
    stamp
}

/// Where edges of pixels are parallel to those of the image within this, pixels, flux is summed along rows and then along
/// columns.
const PARALLEL: f64 = 1e-3;

/// The flux of each pixel of the stamp: the sum over the image's pixels of their flux, times the fraction of their area
/// that the stamp's pixel covers (pixels are quadrilaterals with straight edges). Where a part of it has no value, but not more
/// than half, the rest counts for the whole; otherwise it is NaN. `image` holds the window.
pub(super) fn resample(mapping: &Mapping, image: &BandPixels, window: Window) -> Vec<f64> {
    let size = mapping.size();
    // Places of the pixels' corners, counted from the corner of the window's first pixel.
    let corner = |x: usize, y: usize| {
        let [u, v] = mapping.at([x as f64 - 0.5, y as f64 - 0.5]);
        [u + 0.5 - window.x as f64, v + 0.5 - window.y as f64]
    };
    let corners: Vec<[f64; 2]> = (0..=size[0])
        .flat_map(|y| (0..=size[1]).map(move |x| corner(x, y)))
        .collect();
    match parallel_edges(&corners, size) {
        Some(edges) => along_axes(&edges, image),
        None => by_polygons(&corners, size, image),
    }
}

/// The pixels of a stamp with these corners, each by itself.
fn by_polygons(corners: &[[f64; 2]], [height, width]: [usize; 2], image: &BandPixels) -> Vec<f64> {
    let mut stamp = Vec::with_capacity(height * width);
    for y in 0..height {
        for x in 0..width {
            let at = |dx: usize, dy: usize| corners[(y + dy) * (width + 1) + x + dx];
            let pixel = Polygon::new([at(0, 0), at(1, 0), at(1, 1), at(0, 1)]);
            stamp.push(flux(&pixel, image));
        }
    }
    stamp
}

/// The edges of a stamp's pixels along x and along y, if they are parallel to those of the image.
fn parallel_edges(corners: &[[f64; 2]], [height, width]: [usize; 2]) -> Option<[Vec<f64>; 2]> {
    let mean = |places: &dyn Fn(usize) -> f64, count: usize| {
        let sum: f64 = (0..count).map(places).sum();
        let mean = sum / count as f64;
        (0..count)
            .all(|at| (places(at) - mean).abs() < PARALLEL)
            .then_some(mean)
    };
    let at = |x: usize, y: usize| corners[y * (width + 1) + x];
    let along_x = (0..=width).map(|x| mean(&|y| at(x, y)[0], height + 1));
    let along_x = along_x.collect::<Option<Vec<f64>>>()?;
    let along_y = (0..=height).map(|y| mean(&|x| at(x, y)[1], width + 1));
    Some([along_x, along_y.collect::<Option<_>>()?])
}

/// The same as [`by_polygons`] for pixels between these edges along x and y: the fraction of a pixel that is covered is the
/// product of those along both axes.
fn along_axes([along_x, along_y]: &[Vec<f64>; 2], image: &BandPixels) -> Vec<f64> {
    let (columns, rows) = (spans(along_x), spans(along_y));
    let width = columns.len();
    // Flux and covered length of every column of the stamp, in every row of the image that it needs.
    let first = rows.iter().map(|row| row.first).min().unwrap_or(0);
    let end = rows
        .iter()
        .map(|row| row.first + row.weights.len() as i64)
        .max()
        .unwrap_or(first);
    let mut sums = Vec::with_capacity((end - first).max(0) as usize * width);
    for y in first..end {
        sums.extend(columns.iter().map(|column| {
            let known = column.pixels().map(|(x, weight)| (value(image, [x, y]), weight));
            let known = known.filter(|(value, _)| !value.is_nan());
            known.fold([0.0, 0.0], |[flux, covered], (value, weight)| {
                [flux + weight * value, covered + weight]
            })
        }));
    }
    let mut stamp = Vec::with_capacity(rows.len() * width);
    for row in &rows {
        for (x, column) in columns.iter().enumerate() {
            let (mut flux, mut covered) = (0.0, 0.0);
            for (y, weight) in row.pixels() {
                let [sum, length] = sums[(y - first) as usize * width + x];
                flux += weight * sum;
                covered += weight * length;
            }
            stamp.push(of_covered(flux, covered, row.length * column.length));
        }
    }
    stamp
}

/// What a pixel of the stamp covers along an axis of the image.
struct Span {
    length: f64,
    /// The first pixel of the image.
    first: i64,
    /// Fractions of this pixel and those behind it.
    weights: Vec<f64>,
}

impl Span {
    fn pixels(&self) -> impl Iterator<Item = (i64, f64)> {
        (self.first..).zip(self.weights.iter().copied())
    }
}

/// The pixels between edges, which may run in either direction.
fn spans(edges: &[f64]) -> Vec<Span> {
    let span = |pair: &[f64]| {
        let (low, high) = (pair[0].min(pair[1]), pair[0].max(pair[1]));
        let first = low.floor() as i64;
        let inside = |x: i64| (high.min(x as f64 + 1.0) - low.max(x as f64)).max(0.0);
        Span {
            length: high - low,
            first,
            weights: (first..high.ceil() as i64).map(inside).collect(),
        }
    };
    edges.windows(2).map(span).collect()
}

/// The flux of a pixel of this area, of which a part is covered by values.
fn of_covered(flux: f64, covered: f64, area: f64) -> f64 {
    match covered >= LEAST_COVERED * area && covered > 0.0 {
        true => flux * area / covered,
        false => f64::NAN,
    }
}

fn flux(pixel: &Polygon, image: &BandPixels) -> f64 {
    let (mut flux, mut covered) = (0.0, 0.0);
    let (low, high) = pixel.range(1);
    for y in low.floor() as i64..high.ceil() as i64 {
        let row = pixel.cut(1, y as f64);
        let (low, high) = row.range(0);
        for x in low.floor() as i64..high.ceil() as i64 {
            let value = value(image, [x, y]);
            if !value.is_nan() {
                let area = row.cut(0, x as f64).area();
                flux += value * area;
                covered += area;
            }
        }
    }
    of_covered(flux, covered, pixel.area())
}

/// A pixel of the image; NaN outside.
fn value(image: &BandPixels, [x, y]: [i64; 2]) -> f64 {
    let inside = (0..image.width as i64).contains(&x) && (0..image.height as i64).contains(&y);
    match inside {
        true => image.values[y as usize * image.width + x as usize],
        false => f64::NAN,
    }
}

/// A convex polygon: a quadrilateral that is cut by up to four lines has at most eight corners.
#[derive(Clone, Copy)]
struct Polygon {
    corners: [[f64; 2]; 8],
    count: usize,
}

impl Polygon {
    fn new(quadrilateral: [[f64; 2]; 4]) -> Polygon {
        let mut corners = [[0.0; 2]; 8];
        corners[..4].copy_from_slice(&quadrilateral);
        Polygon { corners, count: 4 }
    }

    fn corners(&self) -> &[[f64; 2]] {
        &self.corners[..self.count]
    }

    /// Smallest and largest value along an axis.
    fn range(&self, axis: usize) -> (f64, f64) {
        let values = || self.corners().iter().map(|corner| corner[axis]);
        (
            values().fold(f64::INFINITY, f64::min),
            values().fold(f64::NEG_INFINITY, f64::max),
        )
    }

    /// The part of it between `from` and `from + 1` along an axis.
    fn cut(&self, axis: usize, from: f64) -> Polygon {
        let above = self.half(|corner| corner[axis] - from);
        above.half(|corner| from + 1.0 - corner[axis])
    }

    /// The part of it where `distance`, which is linear, is not negative.
    fn half(&self, distance: impl Fn(&[f64; 2]) -> f64) -> Polygon {
        let mut part = Polygon {
            corners: [[0.0; 2]; 8],
            count: 0,
        };
        let all = self.corners();
        for (at, corner) in all.iter().enumerate() {
            let next = &all[(at + 1) % all.len()];
            let (here, there) = (distance(corner), distance(next));
            if here >= 0.0 {
                part.push(*corner);
            }
            if (here > 0.0 && there < 0.0) || (here < 0.0 && there > 0.0) {
                let t = here / (here - there);
                part.push([0, 1].map(|axis| corner[axis] + t * (next[axis] - corner[axis])));
            }
        }
        part
    }

    fn push(&mut self, corner: [f64; 2]) {
        // Rounding may give a corner twice more; what it cuts off has no area.
        if self.count < self.corners.len() {
            self.corners[self.count] = corner;
            self.count += 1;
        }
    }

    fn area(&self) -> f64 {
        let all = self.corners();
        let terms = (0..all.len()).map(|at| {
            let (a, b) = (all[at], all[(at + 1) % all.len()]);
            a[0] * b[1] - a[1] * b[0]
        });
        terms.sum::<f64>().abs() / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 40 x 30 pixels, a tenth of which have no value.
    fn image() -> BandPixels {
        let values = (0..1200u64).map(|i| {
            let number = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            if number % 10 == 0 {
                f64::NAN
            } else {
                number as f64 / 1e6
            }
        });
        BandPixels {
            values: values.collect(),
            width: 40,
            height: 30,
        }
    }

    /// Corners of 9 x 7 pixels, from `from` on in steps along x and y, turned by a small angle.
    fn corners(from: [f64; 2], step: [f64; 2], turned: f64) -> Vec<[f64; 2]> {
        let corner = |x: usize, y: usize| {
            let (u, v) = (x as f64 * step[0], y as f64 * step[1]);
            [from[0] + u - turned * v, from[1] + v + turned * u]
        };
        (0..=7).flat_map(|y| (0..=9).map(move |x| corner(x, y))).collect()
    }

    #[test]
    fn sums_along_the_axes_are_those_of_polygons() {
        let image = image();
        for (from, step) in [
            ([3.3, 2.7], [1.25, 1.25]),
            ([30.0, 4.0], [-1.7, 2.0]),
            ([10.2, 20.9], [0.6, -0.35]),
            // Beyond the edges of the image.
            ([-4.4, -3.1], [2.3, 2.9]),
            ([35.5, 26.5], [1.0, 1.0]),
        ] {
            let corners = corners(from, step, 0.0);
            let edges = parallel_edges(&corners, [7, 9]).expect("parallel");
            let (one, other) = (along_axes(&edges, &image), by_polygons(&corners, [7, 9], &image));
            assert_eq!((one.len(), other.len()), (63, 63));
            assert!(one.iter().any(|value| !value.is_nan()), "{from:?}");
            for (one, other) in one.iter().zip(&other) {
                let same = (one.is_nan() && other.is_nan()) || (one - other).abs() <= 1e-10 * other.abs().max(1.0);
                assert!(same, "{from:?} {step:?}: {one} {other}");
            }
        }
    }

    #[test]
    fn pixels_that_are_turned_are_polygons() {
        assert!(parallel_edges(&corners([3.0, 2.0], [1.25, 1.25], 1e-5), [7, 9]).is_some());
        assert!(parallel_edges(&corners([3.0, 2.0], [1.25, 1.25], 1e-3), [7, 9]).is_none());
    }
}
