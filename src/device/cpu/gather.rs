//! The mini-batch: images of the pool, flipped, shifted and with noise, as drawn.

use super::Native;
use super::memory::{Memory, Scratch};
use crate::plan::{Gather, bands, pcg4d, state};

impl Native for Gather {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let (mut x, mut y) = (memory.take(self.x), memory.take(self.y));
        let pool = memory.row(self.pool, 0);
        let image = self.h * self.w * self.c;
        let draw = |m, b| {
            let step = memory.words(self.state, m)[state::CURSOR] as usize;
            let draw = memory.words(self.draws, m)[step * self.batch + b];
            ((draw & 0x0fff_ffff) as usize, draw >> 28)
        };
        scratch.workers.run(x.pieces(image), |_, (m, b, x)| {
            let (drawn, code) = draw(m, b);
            self.flip(&pool[drawn * image..][..image], code, x);
            if let Some(bands) = self.bands {
                let [key, step] = [state::KEY, state::CURSOR].map(|word| memory.words(self.state, m)[word]);
                let words = |place| pcg4d([key, step, b as u32, place]);
                let bands = memory.words(bands, m);
                let [masked, noise] = [bands::MASKED, bands::NOISE].map(|row| &bands[row * self.c..][..self.c]);
                if self.shift > 0 {
                    self.shift(words(Gather::SHIFT_PLACE), masked, x);
                }
                if self.noise {
                    add_noise(words, masked, noise, x);
                }
            }
        });
        for (m, labels) in y.rows_mut().enumerate() {
            for (b, label) in labels.iter_mut().enumerate() {
                *label = memory.row(self.pool_labels, 0)[draw(m, b).0];
            }
        }
        memory.put(self.x, x);
        memory.put(self.y, y);
    }
}

impl Gather {
    /// Copies one image (H,W,C), flipped.
    fn flip(&self, image: &[f32], code: u32, x: &mut [f32]) {
        let (h, w, c) = (self.h, self.w, self.c);
        let from = |i, j| {
            let (i, j) = Gather::source(code, (i, j), (h, w));
            ((i * w + j) * c) as isize
        };
        for (i, line) in x.chunks_exact_mut(w * c).enumerate() {
            // Along a line of the output, the place in the image changes by equal steps.
            let first = from(i, 0);
            let step = if w > 1 { from(i, 1) - first } else { 0 };
            for (j, pixel) in line.chunks_exact_mut(c).enumerate() {
                let values = &image[(first + step * j as isize) as usize..][..c];
                pixel.iter_mut().zip(values).for_each(|(to, from)| *to = *from);
            }
        }
    }

    /// Moves an image by two random shifts, drawn with the first two words; pixels from outside are masked.
    fn shift(&self, words: [u32; 4], masked: &[u32], x: &mut [f32]) {
        let (h, w, c) = (self.h as isize, self.w as isize, self.c);
        let [di, dj] = [0, 1].map(|axis| {
            let range = 2 * self.shift as u32 + 1;
            (((words[axis] >> 16) * range) >> 16) as isize - self.shift as isize
        });
        let masked: Vec<f32> = masked.iter().map(|bits| f32::from_bits(*bits)).collect();
        let old = x.to_vec();
        for (at, pixel) in x.chunks_exact_mut(c).enumerate() {
            let (i, j) = (at as isize / w - di, at as isize % w - dj);
            let inside = (0..h).contains(&i) && (0..w).contains(&j);
            pixel.copy_from_slice(if inside {
                &old[(i * w + j) as usize * c..][..c]
            } else {
                &masked
            });
        }
    }
}

/// Adds `noise` (s - 2040) to each value that is not masked, with s the sum of the sixteen bytes of the value's words.
fn add_noise(words: impl Fn(u32) -> [u32; 4], masked: &[u32], noise: &[u32], x: &mut [f32]) {
    for (place, value) in x.iter_mut().enumerate() {
        let band = place % masked.len();
        if value.to_bits() != masked[band] {
            let pairs = words(place as u32).map(|word| (word & 0x00ff_00ff) + ((word >> 8) & 0x00ff_00ff));
            let both: u32 = pairs.iter().sum();
            let sum = (both & 0xffff) + (both >> 16);
            *value += f32::from_bits(noise[band]) * (sum as f32 - Gather::BYTES_MEAN as f32);
        }
    }
}
