//! The light of an object, before it is blurred.

use super::Lane;
use super::deflection::PowerLaw;
use super::object::Object;
use crate::device::cpu::Native;
use crate::device::cpu::elementary::{exp, pow};
use crate::device::cpu::memory::{Memory, Scratch};
use crate::device::cpu::simd::{LANES, Simd, lanes, simd};
use crate::plan::{LensRender, LensShape, side};

/// An elliptical Sersic profile.
#[derive(Clone, Copy)]
pub(super) struct Sersic {
    pub x: f32,
    pub y: f32,
    /// Cosine and sine of the angle of the major axis.
    pub cos: f32,
    pub sin: f32,
    /// Axis ratio.
    /// q / radius^2 and 1 / (q radius^2), the weights of the squares of the coordinates along its axes.
    pub along: f32,
    pub across: f32,
    /// 1 / 2n.
    pub half_power: f32,
    /// -b(n).
    pub minus_b: f32,
}

impl Sersic {
    /// The profile at a point; 1 at the centre.
    #[inline(always)]
    fn at<S: Simd>(&self, x: &Lane, y: &Lane) -> Lane {
        let mut out = [0.0; LANES];
        for l in 0..LANES {
            let (dx, dy) = (x[l] - self.x, y[l] - self.y);
            let u = S::fma(self.cos, dx, self.sin * dy);
            let v = S::fma(self.cos, dy, -self.sin * dx);
            let scaled = S::fma(self.along * u, u, self.across * v * v);
            out[l] = exp::<S>(self.minus_b * pow::<S>(scaled.clamp(1e-20, 1e20), self.half_power));
        }
        out
    }
}

/// Offset of a sample from the centre of its pixel, arcsec.
#[inline(always)]
fn offset(number: usize, side: usize, pixel_scale: f32) -> f32 {
    ((number as f32 + 0.5) / side as f32 - 0.5) * pixel_scale
}

impl LensShape {
    /// Centre of a column, arcsec.
    #[inline(always)]
    fn x(&self, column: usize) -> f32 {
        (column as f32 - 0.5 * (self.w - 1) as f32) * self.pixel_scale
    }

    /// Centre of a row, arcsec.
    #[inline(always)]
    fn y(&self, row: usize) -> f32 {
        (row as f32 - 0.5 * (self.h - 1) as f32) * self.pixel_scale
    }
}

impl Native for LensRender {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        let mut light = memory.take(self.light);
        let piece = s.planes() * s.pixels();
        scratch.workers.run(light.pieces(piece), |_, (_, number, light)| {
            let object = Object::new(memory, self.objects, &s, number);
            light.fill(0.0);
            let (bands, arcs) = light.split_at_mut(s.bands * s.pixels());
            let (all, lensed) = object.components();
            let mass = object.mass();
            let (lensed_profiles, _): (Vec<Sersic>, Vec<_>) = (0..lensed).map(|k| object.component(k)).unzip();
            let mut profiles = vec![0.0; s.w * lensed.max(1)];
            for i in 0..s.h {
                // The rays of a row are deflected once for all components of the source.
                lensed_row(&s, &mass, &lensed_profiles, i, &mut profiles[..lensed * s.w]);
                for (k, profile) in profiles.chunks_exact(s.w).take(lensed).enumerate() {
                    let amplitudes = object.component(k).1;
                    add(&s, bands, i, amplitudes, profile);
                    add(&s, arcs, i, &amplitudes[..1], profile);
                }
                let profile = &mut profiles[..s.w];
                for (sersic, amplitudes) in (lensed..all).map(|k| object.component(k)) {
                    row(&s, &sersic, i, profile);
                    add(&s, bands, i, amplitudes, profile);
                }
            }
        });
        memory.put(self.light, light);
    }
}

/// Adds a profile to row `i` of each plane.
fn add(s: &LensShape, planes: &mut [f32], i: usize, amplitudes: &[f32], profile: &[f32]) {
    for (plane, amplitude) in planes.chunks_exact_mut(s.pixels()).zip(amplitudes) {
        let line = &mut plane[i * s.w..][..s.w];
        line.iter_mut()
            .zip(profile)
            .for_each(|(to, profile)| *to += amplitude * profile);
    }
}

simd! {
    /// The mean of each lensed profile over each pixel of row `i`.
    fn lensed_row(s: &LensShape, mass: &PowerLaw, profiles: &[Sersic], i: usize, out: &mut [f32]) {
        let rays = s.samples;
        if profiles.is_empty() {
            return;
        }
        out.fill(0.0);
        for a in 0..rays {
            let y = [s.y(i) + offset(a, rays, s.pixel_scale); LANES];
            for b in 0..rays {
                let dx = offset(b, rays, s.pixel_scale);
                for block in 0..s.w.div_ceil(LANES) {
                    let x = lanes(|l| s.x(block * LANES + l) + dx);
                    let (bx, by) = mass.beta::<S>(&x, &y);
                    for (sersic, out) in profiles.iter().zip(out.chunks_exact_mut(s.w)) {
                        let profile = sersic.at::<S>(&bx, &by);
                        let out = &mut out[block * LANES..];
                        out.iter_mut().zip(&profile).for_each(|(out, profile)| *out += profile);
                    }
                }
            }
        }
        let weight = 1.0 / (rays * rays) as f32;
        out.iter_mut().for_each(|out| *out *= weight);
    }
}

simd! {
    /// The mean of a profile over each pixel of row `i`: by 2 x 2 samples, and then by more for the pixels that need
    /// them.
    fn row(s: &LensShape, sersic: &Sersic, i: usize, out: &mut [f32]) {
        let samples = |column: usize| {
            let (dx, dy) = ((s.x(column) - sersic.x).abs(), (s.y(i) - sersic.y).abs());
            side(dx.max(dy) / s.pixel_scale)
        };
        for (block, out) in out.chunks_mut(LANES).enumerate() {
            let mut sum = [0.0; LANES];
            for sample in 0..4 {
                let y = [s.y(i) + offset(sample / 2, 2, s.pixel_scale); LANES];
                let x = lanes(|l| s.x(block * LANES + l) + offset(sample % 2, 2, s.pixel_scale));
                let profile = sersic.at::<S>(&x, &y);
                for l in 0..LANES {
                    sum[l] += profile[l];
                }
            }
            out.iter_mut().zip(&sum).for_each(|(out, sum)| *out = 0.25 * sum);
        }
        for (column, out) in out.iter_mut().enumerate() {
            let side = samples(column);
            if side > 2 {
                *out = pixel::<S>(s, sersic, [column, i], side);
            }
        }
    }
}

/// The mean over `side` x `side` samples of a pixel.
#[inline(always)]
fn pixel<S: Simd>(s: &LensShape, sersic: &Sersic, [column, i]: [usize; 2], side: usize) -> f32 {
    let samples = side * side;
    let mut sum = 0.0;
    for first in (0..samples).step_by(LANES) {
        let x = lanes(|l| s.x(column) + offset((first + l) % side, side, s.pixel_scale));
        let y = lanes(|l| s.y(i) + offset((first + l) / side, side, s.pixel_scale));
        sum += sersic.at::<S>(&x, &y)[..LANES.min(samples - first)].iter().sum::<f32>();
    }
    sum / samples as f32
}
