//! The noise of the detector.

use super::object::{Band, Object};
use crate::device::cpu::Native;
use crate::device::cpu::memory::{Memory, Scratch};
use crate::plan::{EXACT_BELOW, LAYERS, LensNoise, MASKED, pcg4d};

impl Native for LensNoise {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        let mut images = memory.take(self.images);
        let len = s.pixels() * s.bands;
        let pieces = images.pieces(len).take(s.objects);
        scratch.workers.run(pieces, |_, (_, number, image)| {
            let object = Object::new(memory, self.objects, &s, number);
            let light = &memory.row(self.light, 0)[number * LAYERS * len..][..LAYERS * len];
            let key = object.key();
            for (place, value) in image.iter_mut().enumerate() {
                let (pixel, band) = (place / s.bands, place % s.bands);
                let (row, column) = (pixel / s.w + s.margin[0], pixel % s.w + s.margin[1]);
                let from = band * s.pixels() + pixel;
                let Band {
                    sky,
                    read_noise,
                    electron,
                    number,
                    sky_left,
                    ..
                } = object.band(band);
                let mean = light[from] + light[len + from] + sky;
                *value = if object.is_masked(number, row as u32, column as u32) {
                    MASKED
                } else {
                    let random = pcg4d([key[0], key[1], number, (row << 16 | column) as u32]);
                    (counts(mean, random) + read_noise * gaussian(random[2], random[3]) - sky + sky_left) * electron
                };
            }
        });
        memory.put(self.images, images);
    }
}

/// A random number in (0,1) without both ends, so that its logarithm exists.
fn uniform(word: u32) -> f32 {
    ((word >> 9) as f32 + 0.5) * f32::EPSILON
}

/// A random number with the standard normal distribution (Box & Muller 1958).
fn gaussian(a: u32, b: u32) -> f32 {
    (-2.0 * uniform(a).ln()).sqrt() * (std::f32::consts::TAU * uniform(b)).cos()
}

/// A Poisson random number with this mean: see [`LensNoise`].
fn counts(mean: f32, random: [u32; 4]) -> f32 {
    if mean >= EXACT_BELOW {
        return mean + mean.sqrt() * gaussian(random[0], random[1]);
    }
    // Inversion: the smallest count whose cumulative probability reaches a uniform random number.
    let uniform = uniform(random[0]);
    let mut probability = (-mean).exp();
    let (mut cumulative, mut count) = (probability, 0.0);
    while uniform > cumulative && count < 200.0 {
        count += 1.0;
        probability *= mean / count;
        cumulative += probability;
    }
    count
}
