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

/// The flux of each pixel of the stamp: the sum over the image's pixels of their flux, times the fraction of their area
/// that the stamp's pixel covers (pixels are quadrilaterals with straight edges). Where a part of it has no value, but not more
/// than half, the rest counts for the whole; otherwise it is NaN. `image` holds the window.
pub(super) fn resample(mapping: &Mapping, image: &BandPixels, window: Window) -> Vec<f64> {
    let [height, width] = mapping.size();
    // Places of the pixels' corners, counted from the corner of the window's first pixel.
    let corner = |x: usize, y: usize| {
        let [u, v] = mapping.at([x as f64 - 0.5, y as f64 - 0.5]);
        [u + 0.5 - window.x as f64, v + 0.5 - window.y as f64]
    };
    let corners: Vec<[f64; 2]> = (0..=height)
        .flat_map(|y| (0..=width).map(move |x| corner(x, y)))
        .collect();
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
    let area = pixel.area();
    match covered >= LEAST_COVERED * area && covered > 0.0 {
        true => flux * area / covered,
        false => f64::NAN,
    }
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
