//! The simulator: a task has an object, or a plane of one.

use super::Native;
use super::elementary::{exp, pow};
use super::memory::{Memory, Scratch};
use super::simd::{LANES, simd};
use crate::plan::*;

/// One value a lane.
type Lane = [f32; LANES];

/// An object's words.
#[derive(Clone, Copy)]
struct Object<'a> {
    shape: &'a LensShape,
    words: &'a [u32],
}

impl<'a> Object<'a> {
    fn of(memory: &'a Memory, tensor: TensorId, shape: &'a LensShape, number: usize) -> Object<'a> {
        let words = &memory.words(tensor, 0)[number * shape.words()..][..shape.words()];
        Object { shape, words }
    }

    fn floats(&self, at: usize, len: usize) -> &'a [f32] {
        bytemuck::cast_slice(&self.words[at..at + len])
    }

    fn mass(&self) -> Mass {
        let w = self.floats(object::MASS, object::MASS_WORDS);
        Mass {
            x: w[0],
            y: w[1],
            cos: w[2],
            sin: w[3],
            q: w[4],
            b: w[5],
            t: w[6],
            terms: self.words[object::MASS + 7],
            g1: w[8],
            g2: w[9],
        }
    }

    fn band(&self, band: usize) -> &'a [f32] {
        self.floats(object::BANDS + band * object::BAND_WORDS, object::BAND_WORDS)
    }

    /// The number that the band has in its population.
    fn own_band(&self, band: usize) -> u32 {
        self.words[object::BANDS + band * object::BAND_WORDS + 7]
    }

    /// A profile and its amplitudes in the bands.
    fn component(&self, number: usize) -> (Sersic, &'a [f32]) {
        let len = self.shape.component_words();
        let (w, amplitudes) = self
            .floats(self.shape.components_at() + number * len, len)
            .split_at(object::COMPONENT_WORDS);
        let sersic = Sersic {
            x: w[0],
            y: w[1],
            cos: w[2],
            sin: w[3],
            q: w[4],
            per_radius: w[5],
            per_index: w[6],
            b: w[7],
        };
        (sersic, amplitudes)
    }
}

#[derive(Clone, Copy)]
struct Mass {
    x: f32,
    y: f32,
    cos: f32,
    sin: f32,
    q: f32,
    b: f32,
    t: f32,
    terms: u32,
    g1: f32,
    g2: f32,
}

impl Mass {
    /// Deflection (x, y) by the power law without shear, at points relative to its centre, all along its axes.
    #[inline(always)]
    fn power_law(&self, px: &Lane, py: &Lane) -> (Lane, Lane) {
        let zero = [0.0; LANES];
        if self.b <= 0.0 {
            return (zero, zero);
        }
        let (mut ux, mut uy, mut radius) = (zero, zero, zero);
        let (mut turn_x, mut turn_y) = (zero, zero);
        let minus_f = (self.q - 1.0) / (self.q + 1.0);
        for l in 0..LANES {
            let (ex, ey) = (self.q * px[l], py[l]);
            let largest = ex.abs().max(ey.abs());
            // At the very centre the deflection has no direction: its mean, 0.
            let per = if largest > 0.0 { 1.0 / largest } else { 0.0 };
            let (sx, sy) = (ex * per, ey * per);
            let norm = (sx * sx + sy * sy).sqrt();
            let per = if norm > 0.0 { 1.0 / norm } else { 0.0 };
            ux[l] = sx * per;
            uy[l] = sy * per;
            radius[l] = largest * norm;
            turn_x[l] = minus_f * (ux[l] * ux[l] - uy[l] * uy[l]);
            turn_y[l] = minus_f * 2.0 * ux[l] * uy[l];
        }
        let (mut term_x, mut term_y) = (ux, uy);
        for n in 1..=self.terms {
            let two_n = (2 * n) as f32;
            let k = (two_n - (2.0 - self.t)) / (two_n + (2.0 - self.t));
            for l in 0..LANES {
                let x = k * (turn_x[l] * term_x[l] - turn_y[l] * term_y[l]);
                let y = k * (turn_x[l] * term_y[l] + turn_y[l] * term_x[l]);
                term_x[l] = x;
                term_y[l] = y;
                ux[l] += x;
                uy[l] += y;
            }
        }
        for l in 0..LANES {
            // At the centre itself the sum is 0, whatever the power.
            let power = pow(self.b / radius[l].max(1e-30), self.t - 1.0);
            let scale = 2.0 * self.b / (1.0 + self.q) * power;
            ux[l] *= scale;
            uy[l] *= scale;
        }
        (ux, uy)
    }

    /// The source plane as seen at theta: beta = theta - alpha(theta).
    #[inline(always)]
    fn beta(&self, x: &Lane, y: &Lane) -> (Lane, Lane) {
        let (mut px, mut py) = ([0.0; LANES], [0.0; LANES]);
        for l in 0..LANES {
            let (dx, dy) = (x[l] - self.x, y[l] - self.y);
            px[l] = self.cos * dx + self.sin * dy;
            py[l] = self.cos * dy - self.sin * dx;
        }
        let (ax, ay) = self.power_law(&px, &py);
        for l in 0..LANES {
            let (dx, dy) = (x[l] - self.x, y[l] - self.y);
            px[l] = x[l] - (self.cos * ax[l] - self.sin * ay[l]) - (self.g1 * dx + self.g2 * dy);
            py[l] = y[l] - (self.sin * ax[l] + self.cos * ay[l]) - (self.g2 * dx - self.g1 * dy);
        }
        (px, py)
    }
}

#[derive(Clone, Copy)]
struct Sersic {
    x: f32,
    y: f32,
    cos: f32,
    sin: f32,
    q: f32,
    per_radius: f32,
    per_index: f32,
    b: f32,
}

impl Sersic {
    /// 1 at the centre.
    #[inline(always)]
    fn at(&self, x: &Lane, y: &Lane) -> Lane {
        let mut out = [0.0; LANES];
        for l in 0..LANES {
            let (dx, dy) = (x[l] - self.x, y[l] - self.y);
            let (u, v) = (self.cos * dx + self.sin * dy, self.cos * dy - self.sin * dx);
            let scaled = (self.q * u * u + v * v / self.q) * self.per_radius * self.per_radius;
            out[l] = exp(-self.b * pow(scaled.clamp(1e-20, 1e20), 0.5 * self.per_index));
        }
        out
    }
}

/// Where a sample of a pixel lies, arcsec from the pixel's centre.
#[inline(always)]
fn inside(number: usize, side: usize, pixel_scale: f32) -> f32 {
    ((number as f32 + 0.5) / side as f32 - 0.5) * pixel_scale
}

impl LensShape {
    fn x(&self, column: usize) -> f32 {
        (column as f32 - 0.5 * (self.w - 1) as f32) * self.pixel_scale
    }

    fn y(&self, row: usize) -> f32 {
        (row as f32 - 0.5 * (self.h - 1) as f32) * self.pixel_scale
    }
}

impl Native for LensPsf {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        let mut kernels = memory.take(self.kernels);
        scratch
            .workers
            .share(kernels.pieces(s.kernel * s.kernel), |_, (_, number, kernel)| {
                let object = Object::of(memory, self.objects, &s, number / s.bands);
                psf(&s, object.band(number % s.bands), kernel);
            });
        memory.put(self.kernels, kernels);
    }
}

fn psf(s: &LensShape, band: &[f32], kernel: &mut [f32]) {
    let (fwhm, beta, e1, e2) = (band[3] / s.pixel_scale, band[4], band[5], band[6]);
    let middle = (s.kernel / 2) as f32;
    for (place, value) in kernel.iter_mut().enumerate() {
        let (x, y) = ((place % s.kernel) as f32 - middle, (place / s.kernel) as f32 - middle);
        let r2 = ((1.0 - e1) * x * x - 2.0 * e2 * x * y + (1.0 + e1) * y * y) * 4.0 / (fwhm * fwhm);
        *value = if beta > 0.0 {
            (1.0 + r2 * ((1.0 / beta).exp2() - 1.0)).powf(-beta)
        } else {
            (-r2).exp2()
        };
    }
    let sum: f64 = kernel.iter().map(|&v| f64::from(v)).sum();
    kernel
        .iter_mut()
        .for_each(|value| *value = (f64::from(*value) / sum) as f32);
}

impl Native for LensRender {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        let mut light = memory.take(self.light);
        let piece = LAYERS * s.bands * s.pixels();
        scratch.workers.share(light.pieces(piece), |_, (_, number, light)| {
            let object = Object::of(memory, self.objects, &s, number);
            light.fill(0.0);
            let (arcs, rest) = light.split_at_mut(s.bands * s.pixels());
            let mut shape = vec![0.0; s.w];
            let [lensed, all] = [object::LENSED, object::COMPONENTS].map(|k| object.words[k] as usize);
            let mass = object.mass();
            for k in 0..all {
                let (sersic, amplitudes) = object.component(k);
                for i in 0..s.h {
                    let plane = if k < lensed {
                        lensed_row(&s, &mass, &sersic, i, &mut shape);
                        &mut *arcs
                    } else {
                        row(&s, &sersic, i, &mut shape);
                        &mut *rest
                    };
                    for (plane, amplitude) in plane.chunks_exact_mut(s.pixels()).zip(amplitudes) {
                        let line = &mut plane[i * s.w..][..s.w];
                        line.iter_mut()
                            .zip(&shape)
                            .for_each(|(to, shape)| *to += amplitude * shape);
                    }
                }
            }
        });
        memory.put(self.light, light);
    }
}

simd! {
    /// The mean of a lensed profile over each pixel of row `i`.
    fn lensed_row(s: &LensShape, mass: &Mass, sersic: &Sersic, i: usize, out: &mut [f32]) {
        let rays = s.samples;
        out.fill(0.0);
        for a in 0..rays {
            let y = [s.y(i) + inside(a, rays, s.pixel_scale); LANES];
            for b in 0..rays {
                let offset = inside(b, rays, s.pixel_scale);
                for (block, out) in out.chunks_mut(LANES).enumerate() {
                    let x: Lane = std::array::from_fn(|l| s.x(block * LANES + l) + offset);
                    let (bx, by) = mass.beta(&x, &y);
                    let shape = sersic.at(&bx, &by);
                    out.iter_mut().zip(&shape).for_each(|(out, shape)| *out += shape);
                }
            }
        }
        let share = 1.0 / (rays * rays) as f32;
        out.iter_mut().for_each(|out| *out *= share);
    }
}

simd! {
    /// The mean of a profile over each pixel of row `i`.
    fn row(s: &LensShape, sersic: &Sersic, i: usize, out: &mut [f32]) {
        let far = |column: usize| {
            let (dx, dy) = ((s.x(column) - sersic.x).abs(), (s.y(i) - sersic.y).abs());
            side(dx.max(dy) / s.pixel_scale)
        };
        for (block, out) in out.chunks_mut(LANES).enumerate() {
            let mut sum = [0.0; LANES];
            for sample in 0..4 {
                let y = [s.y(i) + inside(sample / 2, 2, s.pixel_scale); LANES];
                let x: Lane = std::array::from_fn(|l| s.x(block * LANES + l) + inside(sample % 2, 2, s.pixel_scale));
                let shape = sersic.at(&x, &y);
                for l in 0..LANES {
                    sum[l] += shape[l];
                }
            }
            out.iter_mut().zip(&sum).for_each(|(out, sum)| *out = 0.25 * sum);
        }
        for (column, out) in out.iter_mut().enumerate() {
            let side = far(column);
            if side > 2 {
                *out = pixel(s, sersic, [column, i], side);
            }
        }
    }
}

/// The mean over `side` x `side` samples of a pixel.
#[inline(always)]
fn pixel(s: &LensShape, sersic: &Sersic, [column, i]: [usize; 2], side: usize) -> f32 {
    let mut sum = 0.0;
    for a in 0..side {
        let y = [s.y(i) + inside(a, side, s.pixel_scale); LANES];
        for b in (0..side).step_by(LANES) {
            let x: Lane = std::array::from_fn(|l| s.x(column) + inside(b + l, side, s.pixel_scale));
            sum += sersic.at(&x, &y)[..LANES.min(side - b)].iter().sum::<f32>();
        }
    }
    sum / (side * side) as f32
}

impl Native for LensConvolve {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        let mut out = memory.take(self.out);
        let (light, kernels) = (memory.row(self.light, 0), memory.row(self.kernels, 0));
        scratch.workers.share(out.pieces(s.pixels()), |_, (_, plane, out)| {
            let object = if self.same { 0 } else { plane / (LAYERS * s.bands) };
            let area = s.kernel * s.kernel;
            let kernel = &kernels[(object * s.bands + plane % s.bands) * area..][..area];
            let light = &light[plane * s.pixels()..][..s.pixels()];
            if light.iter().all(|&v| v == 0.0) {
                out.fill(0.0);
            } else {
                convolve(&s, &padded(&s, light), kernel, out);
            }
        });
        memory.put(self.out, out);
    }
}

/// With K / 2 pixels of the edge's light around it, and as many more columns as whole lanes take.
fn padded(s: &LensShape, light: &[f32]) -> Vec<f32> {
    let half = s.kernel / 2;
    let mut out = Vec::with_capacity((s.h + 2 * half) * padded_width(s));
    for i in 0..s.h + 2 * half {
        let line = &light[i.saturating_sub(half).min(s.h - 1) * s.w..][..s.w];
        out.extend((0..padded_width(s)).map(|j| line[j.saturating_sub(half).min(s.w - 1)]));
    }
    out
}

fn padded_width(s: &LensShape) -> usize {
    s.w.next_multiple_of(LANES) + s.kernel
}

simd! {
    fn convolve(s: &LensShape, light: &[f32], kernel: &[f32], out: &mut [f32]) {
        let width = padded_width(s);
        for (i, out) in out.chunks_exact_mut(s.w).enumerate() {
            for (block, out) in out.chunks_mut(LANES).enumerate() {
                let mut sum = [0.0f32; LANES];
                for (u, weights) in kernel.chunks_exact(s.kernel).rev().enumerate() {
                    let line = &light[(i + u) * width + block * LANES..][..LANES + s.kernel];
                    for (v, weight) in weights.iter().rev().enumerate() {
                        let values: &[f32; LANES] = line[v..].first_chunk().expect("the padding is wide enough");
                        for l in 0..LANES {
                            sum[l] += weight * values[l];
                        }
                    }
                }
                out.iter_mut().zip(&sum).for_each(|(out, sum)| *out = *sum);
            }
        }
    }
}

impl Native for LensNoise {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        let mut images = memory.take(self.images);
        let len = s.pixels() * s.bands;
        let pieces = images.pieces(len).take(s.objects);
        scratch.workers.share(pieces, |_, (_, number, image)| {
            let object = Object::of(memory, self.objects, &s, number);
            let light = &memory.row(self.light, 0)[number * LAYERS * len..][..LAYERS * len];
            for (place, value) in image.iter_mut().enumerate() {
                let (pixel, band) = (place / s.bands, place % s.bands);
                let (row, column) = (pixel / s.w + s.margin[0], pixel % s.w + s.margin[1]);
                let from = band * s.pixels() + pixel;
                let (b, own) = (object.band(band), object.own_band(band));
                let (sky, mean) = (b[0], light[from] + light[len + from] + b[0]);
                let [high, low] = [0, 1].map(|word| object.words[object::KEY + word]);
                *value = if masked(&object, own, row as u32, column as u32) {
                    MASKED
                } else {
                    let random = pcg4d([high, low, own, (row << 16 | column) as u32]);
                    (counts(mean, random) + b[1] * gaussian(random[2], random[3]) - sky) * b[2]
                };
            }
        });
        memory.put(self.images, images);
    }
}

fn masked(object: &Object, band: u32, row: u32, column: u32) -> bool {
    let rectangles = &object.words[object::RECTANGLES..object::BANDS];
    rectangles.chunks_exact(object::RECTANGLE_WORDS).any(|r| {
        (r[0] & 0xffff..=r[0] >> 16).contains(&column)
            && (r[1] & 0xffff..=r[1] >> 16).contains(&row)
            && r[2] >> band & 1 == 1
    })
}

/// In (0,1), both ends left out, so that its logarithm exists.
fn uniform(word: u32) -> f32 {
    ((word >> 9) as f32 + 0.5) * f32::EPSILON
}

/// Box & Muller 1958.
fn gaussian(a: u32, b: u32) -> f32 {
    (-2.0 * uniform(a).ln()).sqrt() * (std::f32::consts::TAU * uniform(b)).cos()
}

/// Poisson around `mean`, see [`LensNoise`].
fn counts(mean: f32, random: [u32; 4]) -> f32 {
    if mean >= EXACT_BELOW {
        return mean + mean.sqrt() * gaussian(random[0], random[1]);
    }
    let goal = uniform(random[0]);
    let mut share = (-mean).exp();
    let (mut below, mut count) = (share, 0.0);
    while goal > below && count < 200.0 {
        count += 1.0;
        share *= mean / count;
        below += share;
    }
    count
}

impl Native for LensArcs {
    fn run(&self, memory: &mut Memory, _: &mut Scratch) {
        let s = self.shape;
        let len = s.pixels() * s.bands;
        let mut images = memory.take(self.images);
        let out = &mut images.row_mut(0)[s.objects * len..];
        for (number, out) in out.chunks_exact_mut(2).enumerate() {
            let object = Object::of(memory, self.objects, &s, number);
            let light = &memory.row(self.light, 0)[number * LAYERS * len..][..s.pixels()];
            let (sky, read) = (object.band(0)[0], object.band(0)[1]);
            let noise = (sky + read * read).sqrt();
            let seen = light.iter().map(|light| light / noise).filter(|ratio| *ratio > 1.0);
            let (pixels, sum) = seen.fold((0.0, 0.0), |(n, sum), ratio| (n + 1.0, sum + f64::from(ratio)));
            out.copy_from_slice(&[pixels, sum as f32]);
        }
        memory.put(self.images, images);
    }
}
