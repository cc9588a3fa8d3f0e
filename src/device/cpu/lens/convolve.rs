//! Convolution of light with point spread functions.

use crate::device::cpu::Native;
use crate::device::cpu::memory::{Memory, Scratch};
use crate::device::cpu::simd::{LANES, simd};
use crate::plan::{LAYERS, LensConvolve, LensShape};

impl Native for LensConvolve {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        let mut out = memory.take(self.out);
        let (light, kernels) = (memory.row(self.light, 0), memory.row(self.kernels, 0));
        scratch.workers.run(out.pieces(s.pixels()), |_, (_, plane, out)| {
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

/// The light with K / 2 more pixels on each side, which repeat those at the edge, and with columns added until the
/// width suffices for whole lanes.
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
