//! Max pooling, and the pooling windows that the norm before a pooling uses as well.

use super::Native;
use super::memory::{Memory, Scratch};
use super::simd::{LANES, One, Vector, simd};
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
        by_pool!(s => for (line, out) in out.chunks_exact_mut(s.out_w() * s.c).enumerate() {
            let x = &x[corner(&s, line)..];
            by_channels!(s.c, forward_line(&s, x, out));
        });
    }
}

#[inline(always)]
fn forward_line<S: Vector>(c: usize, s: &PoolShape, x: &[f32], out: &mut [f32]) {
    for (j, out) in out.chunks_exact_mut(s.c).enumerate() {
        let (value, _) = peak::<S>(s, &x[j * s.pool * s.c + c..], S::splat(1.0));
        S::write(value, out, c);
    }
}

simd! {
    /// x and dx (images,H,W,C), dout (images,Ho,Wo,C).
    fn grad_input(s: PoolShape, put: Put, x: &[f32], dout: &[f32], dx: &mut [f32]) {
        by_pool!(s => for mut line in lines(&s, x, dout, dx) {
            by_channels!(s.c, grad_line(&s, &mut line, put));
        });
    }
}

#[inline(always)]
fn grad_line<S: Vector>(c: usize, s: &PoolShape, line: &mut Line, put: Put) {
    put_back::<S>(c, s, line, S::splat(1.0), put, AsItIs);
}

/// Calls `f::<S>(c, ..)` for all channels c: sixteen at a time, then `f::<One>` one by one.
macro_rules! by_channels {
    ($channels:expr, $f:ident($($arg:expr),*)) => {{
        let whole = $channels / LANES * LANES;
        for c in (0..whole).step_by(LANES) {
            $f::<S>(c, $($arg),*);
        }
        for c in whole..$channels {
            $f::<One>(c, $($arg),*);
        }
    }};
}
pub(crate) use by_channels;

/// The code, compiled for each usual size of the windows: then there are no loops over a window.
macro_rules! by_pool {
    ($s:ident => $code:expr) => {
        match $s.pool {
            1 => {
                let $s = PoolShape { pool: 1, ..$s };
                $code
            }
            2 => {
                let $s = PoolShape { pool: 2, ..$s };
                $code
            }
            _ => $code,
        }
    };
}
pub(crate) use by_pool;

/// Place in x of the first window of an output line; `line` counts the lines of all images.
#[inline(always)]
pub fn corner(s: &PoolShape, line: usize) -> usize {
    (line / s.out_h() * s.h + line % s.out_h() * s.pool) * s.w * s.c
}

/// For some channels of the window that begins at x: the value for which sign x is largest, and its number in row-major
/// order; of equal values the first. A NaN counts as the largest, so that it does not get lost.
#[inline(always)]
pub fn peak<S: Vector>(s: &PoolShape, x: &[f32], sign: S::V) -> (S::V, S::V) {
    let mut best = S::read(x, 0);
    let mut best_key = S::mul(sign, best);
    let mut place = S::splat(0.0);
    for u in 0..s.pool {
        for v in usize::from(u == 0)..s.pool {
            let other = S::read(x, (u * s.w + v) * s.c);
            let key = S::mul(sign, other);
            let above = S::above(key, best_key);
            best = S::select(above, other, best);
            best_key = S::select(above, key, best_key);
            place = S::select(above, S::splat((u * s.pool + v) as f32), place);
        }
    }
    (best, place)
}

/// A line of windows of one image: `pool` lines of x and dx, or fewer at the lower edge, and the line of dout; none in the
/// remainder, where no value is the peak.
pub struct Line<'a> {
    x: &'a [f32],
    dout: &'a [f32],
    dx: &'a mut [f32],
}

/// The lines of windows of x and dx (images,H,W,C) and dout (images,Ho,Wo,C).
#[inline(always)]
pub fn lines<'a>(s: &PoolShape, x: &'a [f32], dout: &'a [f32], dx: &'a mut [f32]) -> impl Iterator<Item = Line<'a>> {
    let (row, image, out) = (s.w * s.c, s.h * s.w * s.c, s.out_h() * s.out_w() * s.c);
    let (height, width) = (s.out_h(), s.out_w() * s.c);
    let pool = s.pool;
    dx.chunks_exact_mut(image).enumerate().flat_map(move |(b, dx)| {
        let (x, dout) = (&x[b * image..][..image], &dout[b * out..]);
        let lines = x.chunks(pool * row).zip(dx.chunks_mut(pool * row));
        lines.enumerate().map(move |(i, (x, dx))| Line {
            x,
            dx,
            dout: if i < height { &dout[i * width..][..width] } else { &[] },
        })
    })
}

/// How a gradient is written: gated by x > 0, added to what is there.
#[derive(Clone, Copy)]
pub struct Put {
    pub gate: bool,
    pub accumulate: bool,
}

impl Put {
    /// Writes the gradient of some values of x, which are at the same place there.
    #[inline(always)]
    pub fn write<S: Vector>(self, mut grad: S::V, x: &[f32], dx: &mut [f32], place: usize) {
        if self.gate {
            grad = S::select(S::positive(S::read(x, place)), grad, S::splat(0.0));
        }
        if self.accumulate {
            grad = S::add(S::read(dx, place), grad);
        }
        S::write(grad, dx, place);
    }
}

/// The gradient of a value of x, from that at the peak of its window.
pub trait Derivative<S: Vector> {
    /// `dz` is the gradient at the window's output if x is the peak of the window, else 0.
    fn of(&self, x: S::V, dz: S::V) -> S::V;
}

/// That of the pooling alone.
struct AsItIs;

impl<S: Vector> Derivative<S> for AsItIs {
    #[inline(always)]
    fn of(&self, _x: S::V, dz: S::V) -> S::V {
        dz
    }
}

/// dx = derivative(x, dz) in a line of windows, put as asked, for some channels from c on.
#[inline(always)]
pub fn put_back<S: Vector>(
    c: usize,
    s: &PoolShape,
    line: &mut Line,
    sign: S::V,
    put: Put,
    derivative: impl Derivative<S>,
) {
    let zero = S::splat(0.0);
    let whole = line.dout.len() / s.c;
    for j in 0..whole {
        let corner = j * s.pool * s.c + c;
        let gradient = S::read(line.dout, j * s.c + c);
        let (_, place) = peak::<S>(s, &line.x[corner..], sign);
        put_window::<S>(s, line, corner, [s.pool, s.pool], (gradient, place), put, &derivative);
    }
    // In the remainder no value is the peak.
    let height = line.x.len() / (s.w * s.c);
    for j in whole..s.w.div_ceil(s.pool) {
        let width = s.pool.min(s.w - j * s.pool);
        put_window::<S>(
            s,
            line,
            j * s.pool * s.c + c,
            [height, width],
            (zero, zero),
            put,
            &derivative,
        );
    }
}

/// The same in a window of height x width values from `corner` on, with the gradient at its peak and the peak's number.
#[inline(always)]
fn put_window<S: Vector>(
    s: &PoolShape,
    line: &mut Line,
    corner: usize,
    [height, width]: [usize; 2],
    (gradient, place): (S::V, S::V),
    put: Put,
    derivative: &impl Derivative<S>,
) {
    let zero = S::splat(0.0);
    for u in 0..height {
        for v in 0..width {
            let to = corner + (u * s.w + v) * s.c;
            let number = S::splat((u * s.pool + v) as f32);
            let x = S::read(line.x, to);
            let dz = S::select(S::equal(place, number), gradient, zero);
            put.write::<S>(derivative.of(x, dz), line.x, line.dx, to);
        }
    }
}
