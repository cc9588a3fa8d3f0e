//! The fast gradient sign method.

use super::Native;
use super::memory::{Memory, Scratch};
use super::simd::simd;
use crate::plan::{Fgsm, bands};

/// Values per task, roughly: a whole number of pixels.
const PIECE: usize = 65_536;

impl Native for Fgsm {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let mut out = memory.take(self.out);
        let piece = PIECE.next_multiple_of(self.channels);
        scratch.workers.run(out.pieces(piece), |_, (m, number, out)| {
            let [x, dx] = [self.x, self.dx].map(|tensor| &memory.row(tensor, m)[number * piece..][..out.len()]);
            let bands = memory.words(self.bands, m);
            let [epsilon, masked] =
                [bands::EPSILON, bands::MASKED].map(|row| &bands[row * self.channels..][..self.channels]);
            perturb(epsilon, masked, x, dx, out);
        });
        memory.put(self.out, out);
    }
}

simd! {
    /// out = x + epsilon sign(dx) for each pixel; masked pixels stay unchanged, and a NaN in dx becomes one in out.
    fn perturb(epsilon: &[u32], masked: &[u32], x: &[f32], dx: &[f32], out: &mut [f32]) {
        let pixels = x.chunks(epsilon.len()).zip(dx.chunks(epsilon.len()));
        for (out, (x, dx)) in out.chunks_mut(epsilon.len()).zip(pixels) {
            for (((out, x), dx), (epsilon, masked)) in out.iter_mut().zip(x).zip(dx).zip(epsilon.iter().zip(masked)) {
                let sign = if *dx == 0.0 { 0.0 } else { dx.signum() };
                let moved = x + f32::from_bits(*epsilon) * sign;
                *out = if x.to_bits() == *masked { *x } else { moved };
            }
        }
    }
}
