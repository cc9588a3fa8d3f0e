//! Average pooling, of windows or of the whole image.

use super::Native;
use super::memory::{Memory, Scratch};
use super::pool::{Put, by_channels};
use super::simd::{LANES, One, Vector, simd};
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
                let put = Put {
                    gate: self.gate,
                    accumulate: self.accumulate,
                };
                grad_input(s, put, x, dout, dx);
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
fn forward_window<S: Vector>(c: usize, s: &AverageShape, x: &[f32], out: &mut [f32]) {
    let mut sum = S::splat(0.0);
    for x in x.chunks(s.w * s.c).take(s.window_h) {
        let mut row = S::splat(0.0);
        for x in x.chunks(s.c).take(s.window_w) {
            row = S::add(row, S::read(x, c));
        }
        sum = S::add(sum, row);
    }
    S::write(S::mul(sum, S::splat(share(s))), out, c);
}

/// Of a value in the mean of its window.
fn share(s: &AverageShape) -> f32 {
    1.0 / (s.window_h * s.window_w) as f32
}

simd! {
    /// x and dx (images,H,W,C), dout (images,Ho,Wo,C).
    fn grad_input(s: AverageShape, put: Put, x: &[f32], dout: &[f32], dx: &mut [f32]) {
        for (line, dx) in dx.chunks_exact_mut(s.w * s.c).enumerate() {
            let (image, i) = (line / s.h, line % s.h / s.window_h);
            let dout = (i < s.out_h()).then(|| &dout[(image * s.out_h() + i) * s.out_w() * s.c..][..s.out_w() * s.c]);
            let x = &x[line * s.w * s.c..];
            for (j, dx) in dx.chunks_exact_mut(s.c).enumerate() {
                // None in the remainder.
                let dout = dout.and_then(|dout| dout.chunks_exact(s.c).nth(j / s.window_w));
                by_channels!(s.c, grad_pixel(&s, put, &x[j * s.c..], dout, dx));
            }
        }
    }
}

#[inline(always)]
fn grad_pixel<S: Vector>(c: usize, s: &AverageShape, put: Put, x: &[f32], dout: Option<&[f32]>, dx: &mut [f32]) {
    let grad = match dout {
        Some(dout) => S::mul(S::read(dout, c), S::splat(share(s))),
        None => S::splat(0.0),
    };
    put.write::<S>(grad, x, dx, c);
}
