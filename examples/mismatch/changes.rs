//! Ways in which images can differ from those that a model was trained on.

use lensgpu::survey::Cutout;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use std::f64::consts::TAU;

/// Standard deviation of the point spread function of added stars and spirals, pixels.
const PSF: f64 = 1.8;

/// A change of the raw flux. Noise and offsets are in units of `sky`, the noise of each band in training.
#[derive(Clone, Copy)]
pub enum Change {
    None,
    /// The first and the last band exchanged.
    SwapOuter,
    /// The first two bands exchanged.
    SwapFirst,
    /// The first band replaced by the second.
    Repeat,
    /// Convolved with a Gaussian of this standard deviation, pixels; with white noise added so that the noise stays the
    /// same, or without.
    Blur(f64, bool),
    /// Half of the difference to the image blurred by 1 pixel added: a sharper image with sharper noise.
    Sharpen,
    /// White noise added, so that the noise is this factor larger.
    Noise(f64),
    Offset(f64),
    Flux(f64),
    /// Replaced by a point source of 10 to 1000 sigma at its peak in sky noise.
    Star,
    /// A point source of 30 to 300 sigma at its peak added, 8 to 20 pixels from the centre.
    Neighbour,
    /// Replaced by sky noise.
    Empty,
    /// Five pixels of random bands brighter by 30 sigma.
    CosmicRays,
    /// A column of one band brighter by 5 sigma.
    BadColumn,
    /// Pixels larger by this factor, about the centre, with bilinear interpolation.
    Pixels(f64),
    /// Moved by this number of pixels along both axes, wrapped around.
    Shift(usize),
    /// Replaced by a spiral galaxy in sky noise.
    Spiral,
}

impl Change {
    /// All kinds, with names for the table.
    pub fn all() -> Vec<(&'static str, Change)> {
        vec![
            ("none (false alarms)", Change::None),
            ("first and last band exchanged", Change::SwapOuter),
            ("first two bands exchanged", Change::SwapFirst),
            ("first band replaced by the second", Change::Repeat),
            ("blurred by 1 pixel", Change::Blur(1.0, false)),
            ("blurred by 1 pixel, noise restored", Change::Blur(1.0, true)),
            ("sharpened", Change::Sharpen),
            ("noise x 1.5", Change::Noise(1.5)),
            ("noise x 2", Change::Noise(2.0)),
            ("offset of 2 sky sigma", Change::Offset(2.0)),
            ("flux x 10", Change::Flux(10.0)),
            ("flux x 0.1", Change::Flux(0.1)),
            ("replaced by a star", Change::Star),
            ("a star beside it", Change::Neighbour),
            ("replaced by noise", Change::Empty),
            ("cosmic rays", Change::CosmicRays),
            ("a bright column", Change::BadColumn),
            ("pixels x 0.5", Change::Pixels(0.5)),
            ("pixels x 0.8", Change::Pixels(0.8)),
            ("pixels x 2", Change::Pixels(2.0)),
            ("shifted by 2 pixels", Change::Shift(2)),
            ("shifted by 5 pixels", Change::Shift(5)),
            ("replaced by a spiral galaxy", Change::Spiral),
        ]
    }

    /// Whether the object is still the lens whose radius is known.
    pub fn keeps_the_lens(self) -> bool {
        !matches!(self, Change::Star | Change::Empty | Change::Spiral)
    }

    pub fn apply(self, cutout: &mut Cutout, sky: &[f64], rng: &mut ChaCha8Rng) {
        let image = Image::of(cutout);
        let (h, w, c) = (image.h, image.w, image.c);
        let changed = match self {
            Change::None => image,
            Change::SwapOuter => image.map(|i, y, x, band| {
                i.at(
                    y,
                    x,
                    if band == 0 {
                        c - 1
                    } else if band == c - 1 {
                        0
                    } else {
                        band
                    },
                )
            }),
            Change::SwapFirst => image.map(|i, y, x, band| i.at(y, x, if band < 2 && c > 1 { 1 - band } else { band })),
            Change::Repeat => image.map(|i, y, x, band| i.at(y, x, if band == 0 { 1.min(c - 1) } else { band })),
            Change::Blur(sigma, restore) => {
                let blurred = image.blurred(sigma);
                // The variance of white noise that is left after the convolution.
                let left = 1.0 / (4.0 * std::f64::consts::PI * sigma * sigma);
                let noise = if restore { (1.0 - left).max(0.0).sqrt() } else { 0.0 };
                blurred.map(|i, y, x, band| i.at(y, x, band) + noise * sky[band] * normal(rng))
            }
            Change::Sharpen => {
                let blurred = image.blurred(1.0);
                image.map(|i, y, x, band| 1.5 * i.at(y, x, band) - 0.5 * blurred.at(y, x, band))
            }
            Change::Noise(factor) => {
                let added = (factor * factor - 1.0).sqrt();
                image.map(|i, y, x, band| i.at(y, x, band) + added * sky[band] * normal(rng))
            }
            Change::Offset(sigma) => image.map(|i, y, x, band| i.at(y, x, band) + sigma * sky[band]),
            Change::Flux(factor) => image.map(|i, y, x, band| factor * i.at(y, x, band)),
            Change::Star => {
                let peak = 10f64.powf(rng.random_range(1.0..3.0));
                let star = star(peak, [0.0; 2], (h, w));
                image.map(|_, y, x, band| sky[band] * (star(y, x) + normal(rng)))
            }
            Change::Neighbour => {
                let (angle, radius) = (rng.random_range(0.0..TAU), rng.random_range(8.0..20.0));
                let peak = 10f64.powf(rng.random_range(1.5..2.5));
                let star = star(peak, [radius * angle.sin(), radius * angle.cos()], (h, w));
                image.map(|i, y, x, band| i.at(y, x, band) + sky[band] * star(y, x))
            }
            Change::Empty => image.map(|_, _, _, band| sky[band] * normal(rng)),
            Change::CosmicRays => {
                let mut image = image;
                for _ in 0..5 {
                    let band = rng.random_range(0..c);
                    image.values[rng.random_range(0..h * w) * c + band] += 30.0 * sky[band];
                }
                image
            }
            Change::BadColumn => {
                let (column, of) = (rng.random_range(0..w), rng.random_range(0..c));
                let bad = |x: usize, band: usize| {
                    if (x, band) == (column, of) {
                        5.0 * sky[band]
                    } else {
                        0.0
                    }
                };
                image.map(|i, y, x, band| i.at(y, x, band) + bad(x, band))
            }
            Change::Pixels(factor) => image.map(|i, y, x, band| {
                let from = |at: usize, size: usize| {
                    let middle = (size - 1) as f64 / 2.0;
                    (middle + factor * (at as f64 - middle)).clamp(0.0, (size - 1) as f64)
                };
                factor * factor * i.between(from(y, h), from(x, w), band)
            }),
            Change::Shift(n) => image.map(|i, y, x, band| i.at((y + h - n % h) % h, (x + w - n % w) % w, band)),
            Change::Spiral => {
                let spiral = spiral(rng, (h, w)).blurred(PSF);
                // Redder in the bulge: each band has another ratio of disc and bulge.
                let bulge = |band: usize| 1.0 + 0.3 * (band as f64 - 0.5 * (c - 1) as f64);
                image.map(|_, y, x, band| {
                    sky[band] * (spiral.at(y, x, 0) + bulge(band) * spiral.at(y, x, 1) + normal(rng))
                })
            }
        };
        for (pixel, value) in cutout.pixels.iter_mut().zip(changed.values) {
            *pixel = value as f32;
        }
    }
}

/// (H, W, C) in f64.
struct Image {
    h: usize,
    w: usize,
    c: usize,
    values: Vec<f64>,
}

impl Image {
    fn of(cutout: &Cutout) -> Image {
        Image {
            h: cutout.height,
            w: cutout.width,
            c: cutout.channels,
            values: cutout.pixels.iter().map(|&flux| f64::from(flux)).collect(),
        }
    }

    fn at(&self, y: usize, x: usize, band: usize) -> f64 {
        self.values[(y * self.w + x) * self.c + band]
    }

    fn map(&self, mut value: impl FnMut(&Image, usize, usize, usize) -> f64) -> Image {
        let mut values = Vec::with_capacity(self.values.len());
        for (y, x) in (0..self.h).flat_map(|y| (0..self.w).map(move |x| (y, x))) {
            values.extend((0..self.c).map(|band| value(self, y, x, band)));
        }
        Image { values, ..*self }
    }

    fn between(&self, y: f64, x: f64, band: usize) -> f64 {
        let (top, left) = (y.floor() as usize, x.floor() as usize);
        let (bottom, right) = ((top + 1).min(self.h - 1), (left + 1).min(self.w - 1));
        let along = |row: usize| (1.0 - x.fract()) * self.at(row, left, band) + x.fract() * self.at(row, right, band);
        (1.0 - y.fract()) * along(top) + y.fract() * along(bottom)
    }

    /// Convolved with a Gaussian, one axis after the other.
    fn blurred(&self, sigma: f64) -> Image {
        let reach = (4.0 * sigma).ceil() as isize;
        let kernel: Vec<f64> = (-reach..=reach)
            .map(|u| (-(u * u) as f64 / (2.0 * sigma * sigma)).exp())
            .collect();
        let total: f64 = kernel.iter().sum();
        let clamp = |at: usize, step: isize, size: usize| (at as isize + step).clamp(0, size as isize - 1) as usize;
        let sum = |value: &dyn Fn(isize) -> f64| {
            let terms = kernel.iter().zip(-reach..);
            terms.map(|(weight, step)| weight * value(step)).sum::<f64>() / total
        };
        let rows = self.map(|i, y, x, band| sum(&|step| i.at(y, clamp(x, step, i.w), band)));
        rows.map(|i, y, x, band| sum(&|step| i.at(clamp(y, step, i.h), x, band)))
    }
}

/// A point source of this peak, away from the centre by `offset` pixels.
fn star(peak: f64, offset: [f64; 2], (h, w): (usize, usize)) -> impl Fn(usize, usize) -> f64 {
    move |y, x| {
        let from = |at: usize, size: usize, offset: f64| at as f64 - (size - 1) as f64 / 2.0 - offset;
        let square = from(y, h, offset[0]).powi(2) + from(x, w, offset[1]).powi(2);
        peak * (-square / (2.0 * PSF * PSF)).exp()
    }
}

/// Disc and bulge of a spiral galaxy with two arms, as two bands, in units of the sky noise.
fn spiral(rng: &mut ChaCha8Rng, (h, w): (usize, usize)) -> Image {
    let (angle, ratio) = (rng.random_range(0.0..TAU), rng.random_range(0.5..1.0));
    let (scale, peak) = (rng.random_range(3.0..7.0), 10f64.powf(rng.random_range(0.8..1.8)));
    let empty = Image {
        h,
        w,
        c: 2,
        values: vec![0.0; h * w * 2],
    };
    empty.map(|_, y, x, part| {
        let (v, u) = (y as f64 - (h - 1) as f64 / 2.0, x as f64 - (w - 1) as f64 / 2.0);
        let along = u * angle.cos() + v * angle.sin();
        let across = (v * angle.cos() - u * angle.sin()) / ratio;
        let radius = along.hypot(across) + 0.3;
        match part {
            0 => {
                let phase = 2.0 * (across.atan2(along) - radius.ln() / 0.3);
                peak * (-radius / scale).exp() * (1.0 + 0.6 * phase.cos())
            }
            _ => 5.0 * peak * (-radius / 1.5).exp(),
        }
    })
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    rng.sample(StandardNormal)
}
