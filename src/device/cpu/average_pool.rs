//! Average pooling, of windows or of the whole image.

use super::memory::{Memory, Scratch};
use super::pool::{at, at_mut, by_channels};
use super::simd::{LANES, lanes, simd};
use super::{Native, put_input_grad};
use crate::plan::{AveragePoolForward, AveragePoolGradInput, AverageShape};

/// Minimum number of input values per task.
const VALUES: usize = 16_384;

/// Images per task.
fn images(s: &AverageShape) -> usize {
    (VALUES / (s.h * s.w * s.c)).max(1)
}

impl Native for AveragePoolForward {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        let image = s.out_h() * s.out_w() * s.c;
        let mut out = memory.take(self.out);
        scratch
            .workers
            .run(out.pieces(images(&s) * image), |_, (m, number, out)| {
                forward(s, &memory.row(self.x, m)[number * images(&s) * s.h * s.w * s.c..], out);
            });
        memory.put(self.out, out);
    }
}

impl Native for AveragePoolGradInput {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        let image = s.h * s.w * s.c;
        let mut dx = memory.take(self.dx);
        scratch
            .workers
            .run(dx.pieces(images(&s) * image), |_, (m, number, dx)| {
                let dout = &memory.row(self.dout, m)[number * images(&s) * s.out_h() * s.out_w() * s.c..];
                let x = &memory.row(self.x, m)[number * images(&s) * image..];
                grad_input(s, dout, self.gate.then_some(x), self.accumulate, dx);
            });
        memory.put(self.dx, dx);
    }
}

simd! {
    /// x (images,H,W,C) to out (images,Ho,Wo,C).
    fn forward(s: AverageShape, x: &[f32], out: &mut [f32]) {
        for (line, out) in out.chunks_exact_mut(s.out_w() * s.c).enumerate() {
            let x = &x[(line / s.out_h() * s.h + line % s.out_h() * s.window_h) * s.w * s.c..];
            for (j, out) in out.chunks_exact_mut(s.c).enumerate() {
                by_channels!(s.c, forward_window(&s, &x[j * s.window_w * s.c..], out));
            }
        }
    }
}

/// Each row of the window is summed on its own, to keep rounding errors small in large windows.
#[inline(always)]
fn forward_window<const N: usize>(c: usize, s: &AverageShape, x: &[f32], out: &mut [f32]) {
    let mut sum = [0.0; N];
    for x in x.chunks(s.w * s.c).take(s.window_h) {
        let mut row = [0.0; N];
        for x in x.chunks(s.c).take(s.window_w) {
            let x: &[f32; N] = at(x, c);
            for l in 0..N {
                row[l] += x[l];
            }
        }
        for l in 0..N {
            sum[l] += row[l];
        }
    }
    *at_mut(out, c) = mean(sum, s);
}

/// Of what is summed over a window.
#[inline(always)]
fn mean<const N: usize>(sum: [f32; N], s: &AverageShape) -> [f32; N] {
    let values = (s.window_h * s.window_w) as f32;
    lanes(|l| sum[l] / values)
}

simd! {
    /// dout (images,Ho,Wo,C) to dx (images,H,W,C).
    fn grad_input(s: AverageShape, dout: &[f32], gate: Option<&[f32]>, accumulate: bool, dx: &mut [f32]) {
        for (line, dx) in dx.chunks_exact_mut(s.w * s.c).enumerate() {
            let (image, i) = (line / s.h, line % s.h / s.window_h);
            let dout = (i < s.out_h()).then(|| &dout[(image * s.out_h() + i) * s.out_w() * s.c..][..s.out_w() * s.c]);
            let gate = gate.map(|x| &x[line * s.w * s.c..]);
            for (j, dx) in dx.chunks_exact_mut(s.c).enumerate() {
                let gate = gate.map(|x| &x[j * s.c..]);
                // None in the remainder.
                let dout = dout.and_then(|dout| dout.chunks_exact(s.c).nth(j / s.window_w));
                by_channels!(s.c, grad_pixel(&s, dout, gate, accumulate, dx));
            }
        }
    }
}

#[inline(always)]
fn grad_pixel<const N: usize>(
    c: usize,
    s: &AverageShape,
    dout: Option<&[f32]>,
    gate: Option<&[f32]>,
    accumulate: bool,
    dx: &mut [f32],
) {
    let grad = dout.map_or([0.0; N], |dout| mean(*at(dout, c), s));
    let gate = gate.map(|x| &at::<N>(x, c)[..]);
    put_input_grad(at_mut::<N>(dx, c), grad.iter().copied(), gate, accumulate);
}
