//! The simulator in f64, from the same words as a device.

use super::Memory;
use lensgpu::plan::*;
use std::f64::consts::TAU;

/// The words of an object. The memory of the reference holds them as integers.
#[derive(Clone)]
pub struct Words {
    shape: LensShape,
    words: Vec<u32>,
}

impl Words {
    fn of(memory: &Memory, tensor: TensorId, shape: LensShape, number: usize) -> Words {
        let words = &memory.all(tensor)[number * shape.words()..][..shape.words()];
        Words {
            shape,
            words: words.iter().map(|&w| w as u32).collect(),
        }
    }

    fn float(&self, at: usize) -> f64 {
        f64::from(f32::from_bits(self.words[at]))
    }

    fn floats<const N: usize>(&self, at: usize) -> [f64; N] {
        std::array::from_fn(|k| self.float(at + k))
    }

    fn band(&self, band: usize) -> usize {
        object::BANDS + band * object::BAND_WORDS
    }
}

/// A power law: convergence (2 - t)/2 (b/R)^t with R^2 = q^2 x^2 + y^2 along its axes, and external shear.
#[derive(Clone, Copy, Debug)]
pub struct Mass {
    pub x: f64,
    pub y: f64,
    pub cos: f64,
    pub sin: f64,
    pub q: f64,
    pub b: f64,
    pub t: f64,
    pub shear: [f64; 2],
}

impl Mass {
    fn of(words: &Words) -> Mass {
        let [x, y, cos, sin, q, b, t, _, g1, g2] = words.floats(object::MASS);
        Mass {
            x,
            y,
            cos,
            sin,
            q,
            b,
            t,
            shear: [g1, g2],
        }
    }

    /// By integration over the ellipses (Keeton 2001, astro-ph/0102341, eqs. 15 to 17; Schramm 1990): alpha_x = q x J0,
    /// alpha_y = q y J1, J_n = int_0^1 kappa(xi(u)) / (1 - (1 - q^2) u)^(n + 1/2) du, xi^2 = u (x^2 + y^2/(1 - (1 -
    /// q^2) u)). With u = s^m, m = 2/(2 - t), the integrand has no pole at 0. The method is independent of the kernels'
    /// series.
    pub fn alpha(&self, theta: [f64; 2]) -> [f64; 2] {
        let (dx, dy) = (theta[0] - self.x, theta[1] - self.y);
        let (x, y) = (self.cos * dx + self.sin * dy, self.cos * dy - self.sin * dx);
        let (q, t) = (self.q, self.t);
        let (mut ax, mut ay) = (0.0, 0.0);
        if self.b > 0.0 && (x != 0.0 || y != 0.0) {
            let m = 2.0 / (2.0 - t);
            // In units of the point's distance.
            let r = x.hypot(y);
            let (ux, uy) = (x / r, y / r);
            for (s, weight) in gauss_panels() {
                let u = s.powf(m);
                let v = 1.0 - (1.0 - q * q) * u;
                // kappa(xi) du/ds, with xi^-t u'(s): u^(-t/2) m s^(m - 1) = m.
                let kappa = m * 0.5 * (2.0 - t) * (self.b / (q * r)).powf(t) * (ux * ux + uy * uy / v).powf(-t / 2.0);
                ax += weight * q * x * kappa / v.sqrt();
                ay += weight * q * y * kappa / v.powf(1.5);
            }
        }
        let [g1, g2] = self.shear;
        [
            self.cos * ax - self.sin * ay + g1 * dx + g2 * dy,
            self.sin * ax + self.cos * ay + g2 * dx - g1 * dy,
        ]
    }

    /// Derivatives of beta = theta - alpha, by finite differences of fourth order.
    pub fn jacobian(&self, theta: [f64; 2]) -> [f64; 4] {
        let h = 1e-3 * (theta[0] - self.x).hypot(theta[1] - self.y).max(1e-12);
        let difference = |axis: usize| {
            let at = |k: f64| {
                let mut theta = theta;
                theta[axis] += k * h;
                self.alpha(theta)
            };
            let [a, b, c, d] = [at(-2.0), at(-1.0), at(1.0), at(2.0)];
            [0, 1].map(|k| (a[k] - 8.0 * b[k] + 8.0 * c[k] - d[k]) / (12.0 * h))
        };
        let (dx, dy) = (difference(0), difference(1));
        [1.0 - dx[0], -dy[0], -dx[1], 1.0 - dy[1]]
    }

    /// The singular isothermal ellipsoid in closed form (Kormann et al. 1994, eq. 27), without shear.
    pub fn isothermal(&self, theta: [f64; 2]) -> [f64; 2] {
        let (dx, dy) = (theta[0] - self.x, theta[1] - self.y);
        let (x, y) = (self.cos * dx + self.sin * dy, self.cos * dy - self.sin * dx);
        let e = (1.0 - self.q * self.q).sqrt();
        let psi = (self.q * self.q * x * x + y * y).sqrt();
        let (ax, ay) = (self.b / e * (e * x / psi).atan(), self.b / e * (e * y / psi).atanh());
        [self.cos * ax - self.sin * ay, self.sin * ax + self.cos * ay]
    }
}

/// Nodes and weights on (0,1): five-point Gauss-Legendre quadrature on panels that get smaller towards 0 and 1.
fn gauss_panels() -> &'static [(f64, f64)] {
    static PANELS: std::sync::OnceLock<Vec<(f64, f64)>> = std::sync::OnceLock::new();
    PANELS.get_or_init(|| {
        const POINTS: [(f64, f64); 5] = [
            (-0.906_179_845_938_664, 0.236_926_885_056_189_1),
            (-0.538_469_310_105_683_1, 0.478_628_670_499_366_5),
            (0.0, 0.568_888_888_888_888_9),
            (0.538_469_310_105_683_1, 0.478_628_670_499_366_5),
            (0.906_179_845_938_664, 0.236_926_885_056_189_1),
        ];
        let panels = 60;
        let edge = |k: usize| {
            let x = k as f64 / f64::from(panels);
            // Smoothstep.
            x * x * (3.0 - 2.0 * x)
        };
        let panel = |k: usize| {
            let (a, b) = (edge(k), edge(k + 1));
            POINTS.map(|(x, w)| (0.5 * (a + b) + 0.5 * (b - a) * x, 0.5 * (b - a) * w))
        };
        (0..panels as usize).flat_map(panel).collect()
    })
}

pub fn psf(op: &LensPsf, memory: &mut Memory) {
    let (s, k) = (op.shape, op.shape.kernel);
    for n in 0..s.objects {
        let words = Words::of(memory, op.objects, s, n);
        for band in 0..s.bands {
            let [_, _, _, fwhm, beta, e1, e2] = words.floats(words.band(band));
            let fwhm = fwhm / f64::from(s.pixel_scale);
            let value = |i: usize, j: usize| {
                let middle = (k / 2) as f64;
                let (x, y) = (j as f64 - middle, i as f64 - middle);
                let r2 = (1.0 - e1) * x * x - 2.0 * e2 * x * y + (1.0 + e1) * y * y;
                // The profile falls to half of its maximum at half of the full width.
                let r2 = r2 / (0.5 * fwhm).powi(2);
                if beta > 0.0 {
                    (1.0 + r2 * (2f64.powf(1.0 / beta) - 1.0)).powf(-beta)
                } else {
                    0.5f64.powf(r2)
                }
            };
            let values: Vec<f64> = (0..k * k).map(|p| value(p / k, p % k)).collect();
            let sum: f64 = values.iter().sum();
            let to = &mut memory.row_mut(op.kernels, 0)[(n * s.bands + band) * k * k..][..k * k];
            to.iter_mut().zip(values).for_each(|(to, value)| *to = value / sum);
        }
    }
}

/// A Sersic profile; 1 at its centre.
fn sersic(words: &Words, at: usize, theta: [f64; 2]) -> f64 {
    let [x, y, cos, sin, q, per_radius, per_index, b] = words.floats(at);
    let (dx, dy) = (theta[0] - x, theta[1] - y);
    let (u, v) = (cos * dx + sin * dy, cos * dy - sin * dx);
    let radius = (q * u * u + v * v / q).sqrt();
    (-b * (radius * per_radius).powf(per_index)).exp()
}

/// The mean of `f` over a pixel, by `side` x `side` samples.
fn mean(s: &LensShape, [i, j]: [usize; 2], side: usize, f: impl Fn([f64; 2]) -> f64) -> f64 {
    let scale = f64::from(s.pixel_scale);
    let place = |pixel: usize, size: usize, k: usize| {
        (pixel as f64 - 0.5 * (size as f64 - 1.0) + (k as f64 + 0.5) / side as f64 - 0.5) * scale
    };
    let samples = (0..side * side).map(|k| f([place(j, s.w, k % side), place(i, s.h, k / side)]));
    samples.sum::<f64>() / (side * side) as f64
}

pub fn render(op: &LensRender, memory: &mut Memory) {
    let s = op.shape;
    for n in 0..s.objects {
        let words = Words::of(memory, op.objects, s, n);
        let mass = Mass::of(&words);
        let alpha = |theta: [f64; 2]| {
            if mass.t == 1.0 && mass.q < 1.0 && mass.shear == [0.0; 2] && mass.b > 0.0 {
                mass.isothermal(theta)
            } else {
                mass.alpha(theta)
            }
        };
        memory.row_mut(op.light, 0)[n * s.planes() * s.pixels()..][..s.planes() * s.pixels()].fill(0.0);
        let lensed = words.words[object::LENSED] as usize;
        for k in 0..words.words[object::COMPONENTS] as usize {
            let at = s.components_at() + k * s.component_words();
            for pixel in 0..s.pixels() {
                let place = [pixel / s.w, pixel % s.w];
                let shape = if k < lensed {
                    mean(&s, place, s.samples, |theta| {
                        let alpha = alpha(theta);
                        sersic(&words, at, [theta[0] - alpha[0], theta[1] - alpha[1]])
                    })
                } else {
                    let scale = f64::from(s.pixel_scale);
                    let x = (place[1] as f64 - 0.5 * (s.w as f64 - 1.0)) * scale;
                    let y = (place[0] as f64 - 0.5 * (s.h as f64 - 1.0)) * scale;
                    let [cx, cy] = words.floats(at);
                    let distance = (x - cx).abs().max((y - cy).abs()) / scale;
                    mean(&s, place, side(distance as f32), |theta| sersic(&words, at, theta))
                };
                let amplitude = |band: usize| words.float(at + object::COMPONENT_WORDS + band);
                let planes = &mut memory.row_mut(op.light, 0)[n * s.planes() * s.pixels()..];
                for band in 0..s.bands {
                    planes[band * s.pixels() + pixel] += amplitude(band) * shape;
                }
                if k < lensed {
                    planes[s.bands * s.pixels() + pixel] += amplitude(0) * shape;
                }
            }
        }
    }
}

pub fn convolve(op: &LensConvolve, memory: &mut Memory) {
    let (s, k) = (op.shape, op.shape.kernel);
    let half = (k / 2) as isize;
    let inside = |place: isize, size: usize| place.clamp(0, size as isize - 1) as usize;
    for plane in 0..s.objects * s.planes() {
        let object = if op.same { 0 } else { plane / s.planes() };
        // The last plane is of the first band.
        let band = plane % s.planes() % s.bands;
        let kernel = memory.all(op.kernels)[(object * s.bands + band) * k * k..][..k * k].to_vec();
        let light = memory.all(op.light)[plane * s.pixels()..][..s.pixels()].to_vec();
        for i in 0..s.h as isize {
            for j in 0..s.w as isize {
                let mut sum = 0.0;
                for u in -half..=half {
                    for v in -half..=half {
                        let weight = kernel[((u + half) * k as isize + v + half) as usize];
                        sum += weight * light[inside(i - u, s.h) * s.w + inside(j - v, s.w)];
                    }
                }
                memory.row_mut(op.out, 0)[plane * s.pixels() + i as usize * s.w + j as usize] = sum;
            }
        }
    }
}

/// pcg4d as published (Jarzynski & Olano 2020, JCGT 9, 3).
pub fn pcg4d(v: [u32; 4]) -> [u32; 4] {
    let mix = |[mut x, mut y, mut z, mut w]: [u32; 4]| {
        x = x.wrapping_add(y.wrapping_mul(w));
        y = y.wrapping_add(z.wrapping_mul(x));
        z = z.wrapping_add(x.wrapping_mul(y));
        w = w.wrapping_add(y.wrapping_mul(z));
        [x, y, z, w]
    };
    let v = mix(v.map(|n| n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223)));
    mix(v.map(|n| n ^ (n >> 16)))
}

fn uniform(word: u32) -> f64 {
    (f64::from(word >> 9) + 0.5) / f64::from(1u32 << 23)
}

fn gaussian(a: u32, b: u32) -> f64 {
    (-2.0 * uniform(a).ln()).sqrt() * (TAU * uniform(b)).cos()
}

pub fn noise(op: &LensNoise, memory: &mut Memory) {
    let s = op.shape;
    let light = memory.all(op.light).to_vec();
    for n in 0..s.objects {
        let words = Words::of(memory, op.objects, s, n);
        for place in 0..s.pixels() * s.bands {
            let (pixel, band) = (place / s.bands, place % s.bands);
            let (row, column) = (pixel / s.w + s.margin[0], pixel % s.w + s.margin[1]);
            let at = words.band(band);
            let own = words.words[at + 7];
            let [sky, read, electron] = words.floats(at);
            let sky_left = words.float(at + object::SKY_LEFT);
            let mean = light[(n * s.planes() + band) * s.pixels() + pixel] + sky;
            let [a, b, c, d] = pcg4d([words.words[0], words.words[1], own, (row as u32) << 16 | column as u32]);
            let counts = if mean < f64::from(EXACT_BELOW) {
                poisson(mean, uniform(a))
            } else {
                mean + mean.sqrt() * gaussian(a, b)
            };
            let mut value = (counts + read * gaussian(c, d) - sky + sky_left) * electron;
            for r in words.words[object::RECTANGLES..object::BANDS].chunks_exact(object::RECTANGLE_WORDS) {
                let within =
                    |both: u32, place: usize| (both & 0xffff) as usize <= place && place <= (both >> 16) as usize;
                if within(r[0], column) && within(r[1], row) && r[2] & (1 << own) != 0 {
                    value = f64::from(MASKED);
                }
            }
            memory.row_mut(op.images, 0)[n * s.pixels() * s.bands + place] = value;
        }
    }
}

/// The smallest count whose cumulative probability reaches `uniform`.
fn poisson(mean: f64, uniform: f64) -> f64 {
    let probability = |count: i32| (-mean).exp() * (1..=count).map(|k| mean / f64::from(k)).product::<f64>();
    let mut cumulative = 0.0;
    for count in 0..200 {
        cumulative += probability(count);
        if cumulative >= uniform {
            return f64::from(count);
        }
    }
    200.0
}

pub fn arcs(op: &LensArcs, memory: &mut Memory) {
    let s = op.shape;
    for n in 0..s.objects {
        let words = Words::of(memory, op.objects, s, n);
        let [sky, read] = words.floats(words.band(0));
        let noise = (sky + read * read).sqrt();
        let light = &memory.all(op.light)[(n * s.planes() + s.bands) * s.pixels()..][..s.pixels()];
        let seen: Vec<f64> = light
            .iter()
            .map(|light| light / noise)
            .filter(|ratio| *ratio > 1.0)
            .collect();
        let sums = [seen.len() as f64, seen.iter().sum()];
        memory.row_mut(op.images, 0)[s.objects * s.pixels() * s.bands + 2 * n..][..2].copy_from_slice(&sums);
    }
}
