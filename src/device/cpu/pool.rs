//! Max pooling, and the pooling windows that the norm before a pooling uses as well.

use super::Native;
use super::memory::{Memory, Scratch};
use super::simd::{LANES, simd};
use crate::plan::{PoolForward, PoolGradInput, PoolShape};

/// Minimum number of input values per task.
const VALUES: usize = 16_384;

/// Images per task.
pub fn images(s: &PoolShape) -> usize {
    (VALUES / (s.h * s.w * s.c)).max(1)
}

impl Native for PoolForward {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        let mut out = memory.take(self.out);
        scratch.workers.run(
            out.pieces(images(&s) * s.out_h() * s.out_w() * s.c),
            |_, (m, number, out)| {
                forward(s, &memory.row(self.x, m)[number * images(&s) * s.h * s.w * s.c..], out);
            },
        );
        memory.put(self.out, out);
    }
}

impl Native for PoolGradInput {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        let mut dx = memory.take(self.dx);
        scratch
            .workers
            .run(dx.pieces(images(&s) * s.h * s.w * s.c), |_, (m, number, dx)| {
                let x = &memory.row(self.x, m)[number * images(&s) * s.h * s.w * s.c..];
                let dout = &memory.row(self.dout, m)[number * images(&s) * s.out_h() * s.out_w() * s.c..];
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
    fn forward(s: PoolShape, x: &[f32], out: &mut [f32]) {
        for (line, out) in out.chunks_exact_mut(s.out_w() * s.c).enumerate() {
            let x = &x[corner(&s, line)..];
            for (j, out) in out.chunks_exact_mut(s.c).enumerate() {
                by_channels!(s.c, forward_window(&s, &x[j * s.pool * s.c..], out));
            }
        }
    }
}

#[inline(always)]
fn forward_window<const N: usize>(c: usize, s: &PoolShape, x: &[f32], out: &mut [f32]) {
    *at_mut(out, c) = peak(s, &x[c..], [1.0; N]).0;
}

simd! {
    /// x and dx (images,H,W,C), dout (images,Ho,Wo,C).
    fn grad_input(s: PoolShape, put: Put, x: &[f32], dout: &[f32], dx: &mut [f32]) {
        let image = s.h * s.w * s.c;
        for (b, (dx, x)) in dx.chunks_exact_mut(image).zip(x.chunks_exact(image)).enumerate() {
            let dout = &dout[b * s.out_h() * s.out_w() * s.c..];
            for window in windows(&s) {
                by_channels!(s.c, grad_window(&s, window, put, x, dout, dx));
            }
        }
    }
}

#[inline(always)]
fn grad_window<const N: usize>(
    c: usize,
    s: &PoolShape,
    (i, j): (usize, usize),
    put: Put,
    x: &[f32],
    dout: &[f32],
    dx: &mut [f32],
) {
    put_back::<N>(Window { s, i, j, c }, [1.0; N], x, dout, put, dx, |_, _, dz| dz);
}

/// Calls `f::<N>(c, ..)` for all channels c: sixteen at a time, then one by one.
macro_rules! by_channels {
    ($channels:expr, $f:ident($($arg:expr),*)) => {{
        let whole = $channels / LANES * LANES;
        for c in (0..whole).step_by(LANES) {
            $f::<LANES>(c, $($arg),*);
        }
        for c in whole..$channels {
            $f::<1>(c, $($arg),*);
        }
    }};
}
pub(crate) use by_channels;

/// Place in x of the first window of an output line; `line` counts the lines of all images.
#[inline(always)]
pub fn corner(s: &PoolShape, line: usize) -> usize {
    (line / s.out_h() * s.h + line % s.out_h() * s.pool) * s.w * s.c
}

#[inline(always)]
pub fn at<const N: usize>(values: &[f32], place: usize) -> &[f32; N] {
    values[place..].first_chunk().expect("N channels")
}

#[inline(always)]
pub fn at_mut<const N: usize>(values: &mut [f32], place: usize) -> &mut [f32; N] {
    values[place..].first_chunk_mut().expect("N channels")
}

/// For N channels of the window that begins at x: the value for which sign x is largest, and its number in row-major
/// order; of equal values the first. A NaN counts as the largest, so that it does not get lost.
#[inline(always)]
pub fn peak<const N: usize>(s: &PoolShape, x: &[f32], sign: [f32; N]) -> ([f32; N], [u32; N]) {
    let mut best = *at(x, 0);
    let mut place = [0; N];
    for u in 0..s.pool {
        for v in 0..s.pool {
            let other: &[f32; N] = at(x, (u * s.w + v) * s.c);
            let number = (u * s.pool + v) as u32;
            for l in 0..N {
                // Not ||: its branch would prevent vectorisation.
                let better = (sign[l] * other[l] > sign[l] * best[l]) | other[l].is_nan();
                best[l] = if better { other[l] } else { best[l] };
                place[l] = if better { number } else { place[l] };
            }
        }
    }
    (best, place)
}

/// The channels from c on of a window, which may lie in the remainder at the right or lower edge.
pub struct Window<'a> {
    pub s: &'a PoolShape,
    pub i: usize,
    pub j: usize,
    pub c: usize,
}

/// (i, j) of all windows of an image, including those in the remainder.
#[inline(always)]
pub fn windows(s: &PoolShape) -> impl Iterator<Item = (usize, usize)> {
    let columns = s.w.div_ceil(s.pool);
    (0..s.h.div_ceil(s.pool)).flat_map(move |i| (0..columns).map(move |j| (i, j)))
}

/// How a gradient is written: gated by x > 0, added to what is there.
#[derive(Clone, Copy)]
pub struct Put {
    pub gate: bool,
    pub accumulate: bool,
}

/// dx = value(channel, x, dz) in a window of one image, put as asked, where dz is dout at the peak of the window, else 0.
#[inline(always)]
pub fn put_back<const N: usize>(
    Window { s, i, j, c }: Window,
    sign: [f32; N],
    x: &[f32],
    dout: &[f32],
    put: Put,
    dx: &mut [f32],
    value: impl Fn(usize, f32, f32) -> f32,
) {
    let corner = (i * s.w + j) * s.pool * s.c + c;
    // In the remainder no value is the peak.
    let (gradient, place) = if i < s.out_h() && j < s.out_w() {
        (*at(dout, (i * s.out_w() + j) * s.c + c), peak(s, &x[corner..], sign).1)
    } else {
        ([0.0; N], [u32::MAX; N])
    };
    for u in 0..s.pool.min(s.h - i * s.pool) {
        for v in 0..s.pool.min(s.w - j * s.pool) {
            let (to, number) = (corner + (u * s.w + v) * s.c, (u * s.pool + v) as u32);
            let x: &[f32; N] = at(x, to);
            let dx: &mut [f32; N] = at_mut(dx, to);
            for l in 0..N {
                let grad = value(l, x[l], if place[l] == number { gradient[l] } else { 0.0 });
                let grad = if !put.gate || x[l] > 0.0 { grad } else { 0.0 };
                dx[l] = if put.accumulate { dx[l] + grad } else { grad };
            }
        }
    }
}
