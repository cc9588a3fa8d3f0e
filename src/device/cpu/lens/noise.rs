//! The noise of the detector.

use super::Lane;
use super::object::{Band, Object};
use crate::device::cpu::Native;
use crate::device::cpu::elementary::{cos_of_turns, ln};
use crate::device::cpu::memory::{Memory, Scratch};
use crate::device::cpu::simd::{LANES, Simd, simd};
use crate::plan::{EXACT_BELOW, LensNoise, LensShape, MASKED, pcg4d};

impl Native for LensNoise {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        let mut images = memory.take(self.images);
        let light = memory.row(self.light, 0);
        let pieces = images.pieces(s.pixels() * s.bands).take(s.objects);
        scratch.workers.run(pieces, |_, (_, number, image)| {
            let object = Object::new(memory, self.objects, &s, number);
            let planes = light[number * s.planes() * s.pixels()..].chunks_exact(s.pixels());
            for (band, light) in planes.take(s.bands).enumerate() {
                expose(&s, &object, band, light, image);
            }
        });
        memory.put(self.images, images);
    }
}

simd! {
    /// One band of an image (H,W,C) from its light (H,W).
    fn expose(s: &LensShape, object: &Object, band: usize, light: &[f32], image: &mut [f32]) {
        let Band { sky, read_noise, electron, number, sky_left, .. } = object.band(band);
        let key = object.key();
        for (i, (light, image)) in light.chunks_exact(s.w).zip(image.chunks_exact_mut(s.w * s.bands)).enumerate() {
            let row = i + s.margin[0];
            for (block, (light, image)) in light.chunks(LANES).zip(image.chunks_mut(LANES * s.bands)).enumerate() {
                let first = block * LANES + s.margin[1];
                let mut random = [[0; LANES]; 4];
                for l in 0..LANES {
                    let words = pcg4d([key[0], key[1], number, (row << 16 | (first + l)) as u32]);
                    for (random, word) in random.iter_mut().zip(words) {
                        random[l] = word;
                    }
                }
                let mut mean = [0.0; LANES];
                mean.iter_mut().zip(light).for_each(|(mean, light)| *mean = light + sky);
                let (counted, read) = (gaussian::<S>(&random[0], &random[1]), gaussian::<S>(&random[2], &random[3]));
                let mut counts = [0.0; LANES];
                for l in 0..LANES {
                    counts[l] = mean[l] + mean[l].sqrt() * counted[l];
                }
                for (l, pixel) in image.chunks_exact_mut(s.bands).enumerate() {
                    if mean[l] < EXACT_BELOW {
                        counts[l] = poisson(mean[l], random[0][l]);
                    }
                    pixel[band] = if object.is_masked(number, row as u32, (first + l) as u32) {
                        MASKED
                    } else {
                        (counts[l] + read_noise * read[l] - sky + sky_left) * electron
                    };
                }
            }
        }
    }
}

/// A random number in (0,1) without both ends, so that its logarithm exists.
#[inline(always)]
fn uniform(word: u32) -> f32 {
    ((word >> 9) as f32 + 0.5) * f32::EPSILON
}

/// Random numbers with the standard normal distribution (Box & Muller 1958).
#[inline(always)]
fn gaussian<S: Simd>(a: &[u32; LANES], b: &[u32; LANES]) -> Lane {
    let mut out = [0.0; LANES];
    for l in 0..LANES {
        out[l] = (-2.0 * ln::<S>(uniform(a[l]))).sqrt() * cos_of_turns::<S>(uniform(b[l]));
    }
    out
}

/// A Poisson random number with this mean, by inversion: the smallest count whose cumulative probability reaches a
/// uniform random number.
fn poisson(mean: f32, random: u32) -> f32 {
    let uniform = uniform(random);
    let mut probability = (-mean).exp();
    let (mut cumulative, mut count) = (probability, 0.0);
    while uniform > cumulative && count < 200.0 {
        count += 1.0;
        probability *= mean / count;
        cumulative += probability;
    }
    count
}
