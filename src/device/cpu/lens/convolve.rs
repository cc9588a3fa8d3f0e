//! Convolution of light with point spread functions.

use crate::device::cpu::Native;
use crate::device::cpu::memory::{Memory, Scratch};
use crate::device::cpu::simd::{LANES, Simd, simd};
use crate::plan::{LensConvolve, LensShape};

/// Rows of pixels whose sums are in registers at a time.
const ROWS: usize = 4;

impl Native for LensConvolve {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        let mut out = memory.take(self.out);
        let (light, kernels) = (memory.row(self.light, 0), memory.row(self.kernels, 0));
        scratch.workers.run(out.pieces(s.pixels()), |_, (_, plane, out)| {
            let object = if self.same { 0 } else { plane / s.planes() };
            // The last plane is of the first band.
            let band = plane % s.planes() % s.bands;
            let area = s.kernel * s.kernel;
            let kernel = &kernels[(object * s.bands + band) * area..][..area];
            let light = &light[plane * s.pixels()..][..s.pixels()];
            if light.iter().all(|&v| v == 0.0) {
                out.fill(0.0);
            } else {
                convolve(&s, &padded(&s, light), &rotated(&s, kernel), out);
            }
        });
        memory.put(self.out, out);
    }
}

/// The light with K / 2 more pixels on each side, which repeat those at the edge, and with rows and columns added until
/// they suffice for whole blocks.
fn padded(s: &LensShape, light: &[f32]) -> Vec<f32> {
    let half = s.kernel / 2;
    let height = s.h.next_multiple_of(ROWS) + s.kernel - 1;
    let mut out = Vec::with_capacity(height * padded_width(s));
    for i in 0..height {
        let line = &light[i.saturating_sub(half).min(s.h - 1) * s.w..][..s.w];
        let (first, last) = (line[0], line[s.w - 1]);
        let end = out.len() + padded_width(s);
        out.extend(std::iter::repeat_n(first, half));
        out.extend_from_slice(line);
        out.resize(end, last);
    }
    out
}

fn padded_width(s: &LensShape) -> usize {
    s.w.next_multiple_of(LANES) + s.kernel
}

/// The kernel, rotated by 180 degrees, between `ROWS - 1` rows of zeros: each row of light then counts for all sums of a
/// block, some of them with weight 0.
fn rotated(s: &LensShape, kernel: &[f32]) -> Vec<f32> {
    let zeros = || std::iter::repeat_n(0.0, (ROWS - 1) * s.kernel);
    zeros().chain(kernel.iter().rev().copied()).chain(zeros()).collect()
}

simd! {
    fn convolve(s: &LensShape, light: &[f32], kernel: &[f32], out: &mut [f32]) {
        for (block, out) in out.chunks_mut(ROWS * s.w).enumerate() {
            let light = &light[block * ROWS * padded_width(s)..];
            let mut column = 0;
            while column < s.w {
                // With enough registers, a weight is loaded once for two blocks of columns.
                column += if S::SUMS >= 4 * ROWS && column + LANES < s.w {
                    put_block::<S, 2>(s, light, kernel, column, out)
                } else {
                    put_block::<S, 1>(s, light, kernel, column, out)
                };
            }
        }
    }
}

/// Computes `ROWS` rows and `BLOCKS` times `LANES` columns from `column` on, and returns the number of columns.
#[inline(always)]
fn put_block<S: Simd, const BLOCKS: usize>(
    s: &LensShape,
    light: &[f32],
    kernel: &[f32],
    column: usize,
    out: &mut [f32],
) -> usize {
    let mut sums = [[S::splat(0.0); BLOCKS]; ROWS];
    for (line, light) in light
        .chunks_exact(padded_width(s))
        .take(s.kernel + ROWS - 1)
        .enumerate()
    {
        // Row r of the block takes row `line - r` of the kernel.
        let weights: [&[f32]; ROWS] = std::array::from_fn(|r| &kernel[(line + ROWS - 1 - r) * s.kernel..][..s.kernel]);
        for v in 0..s.kernel {
            let mut values = [S::splat(0.0); BLOCKS];
            for (b, value) in values.iter_mut().enumerate() {
                let lane = light[column + b * LANES + v..].first_chunk();
                *value = S::load(lane.expect("the padding is wide enough"));
            }
            for r in 0..ROWS {
                let weight = S::splat(weights[r][v]);
                for b in 0..BLOCKS {
                    sums[r][b] = S::mul_add(weight, values[b], sums[r][b]);
                }
            }
        }
    }
    for (sums, out) in sums.iter().zip(out.chunks_exact_mut(s.w)) {
        let values = sums.map(S::store);
        let values = values.as_flattened();
        out[column..]
            .iter_mut()
            .zip(values)
            .for_each(|(out, value)| *out = *value);
    }
    BLOCKS * LANES
}
