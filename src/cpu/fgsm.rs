//! The fast gradient sign method.

use super::Native;
use super::memory::{Memory, Scratch};
use super::simd::simd;
use crate::plan::Fgsm;

/// Values of a task.
const PIECE: usize = 65_536;

impl Native for Fgsm {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let mut out = memory.take(self.out);
        scratch.workers.share(out.pieces(PIECE), |_, (m, number, out)| {
            let [x, dx] = [self.x, self.dx].map(|tensor| &memory.row(tensor, m)[number * PIECE..][..out.len()]);
            perturb(self.epsilon, x, dx, out);
        });
        memory.put(self.out, out);
    }
}

simd! {
    /// out = x + epsilon sign(dx); a NaN in dx stays one.
    fn perturb(epsilon: f32, x: &[f32], dx: &[f32], out: &mut [f32]) {
        for ((out, x), dx) in out.iter_mut().zip(x).zip(dx) {
            let sign = if *dx == 0.0 { 0.0 } else { dx.signum() };
            *out = x + epsilon * sign;
        }
    }
}
