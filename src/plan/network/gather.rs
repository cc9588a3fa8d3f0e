//! The mini-batch of each member, taken from the pool of images.

use crate::plan::TensorId;

/// `x[b] = noisy(shift(flip(pool[draw], code)))`, `y[b] = labels[draw]`, for row `state[CURSOR]` of `draws` (steps, B).
///
/// A draw is `image | code << 28`. Code bit 0 mirrors left and right, bit 1 up and down, bit 2 transposes rows and
/// columns (only where h = w); they apply in that order to the output's coordinates: for output (i, j), first swap
/// (i, j) if bit 2, then i = h-1-i if bit 1, then j = w-1-j if bit 0, and read the image at (i, j).
///
/// Before that, a shift subtracts (di, dj), two integers from -shift to shift, from (i, j); pixels from outside the image
/// are masked. Noise adds `bands[NOISE]` (s - 2040) to every value that is not masked, where s is the sum of sixteen
/// random bytes: nearly Gaussian (kurtosis 2.92, at most 6.9 sigma), and an integer, the same on every device.
///
/// Random words are counter based: [`pcg4d`] of (`state[KEY]`, step, b, index of the value in the image); the shift uses
/// the index 2^32 - 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Gather {
    pub batch: usize,
    pub h: usize,
    pub w: usize,
    pub c: usize,
    /// Largest shift, pixels.
    pub shift: usize,
    pub noise: bool,
    /// ([`bands::ROWS`](crate::plan::bands::ROWS), C), for shift and noise.
    pub bands: Option<TensorId>,
    pub pool: TensorId,
    pub pool_labels: TensorId,
    pub draws: TensorId,
    pub state: TensorId,
    pub x: TensorId,
    pub y: TensorId,
}

operation!(Gather, "gather", |_op| "input", values: |op| 2 * op.batch * op.h * op.w * op.c);

/// Four random words of four words (Jarzynski & Olano 2020, JCGT 9, 3). Inlined, so that callers can be vectorised.
#[inline(always)]
pub fn pcg4d([mut x, mut y, mut z, mut w]: [u32; 4]) -> [u32; 4] {
    for word in [&mut x, &mut y, &mut z, &mut w] {
        *word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    }
    for round in 0..2 {
        x = x.wrapping_add(y.wrapping_mul(w));
        y = y.wrapping_add(z.wrapping_mul(x));
        z = z.wrapping_add(x.wrapping_mul(y));
        w = w.wrapping_add(y.wrapping_mul(z));
        if round == 0 {
            for word in [&mut x, &mut y, &mut z, &mut w] {
                *word ^= *word >> 16;
            }
        }
    }
    [x, y, z, w]
}

impl Gather {
    /// The index whose random words give the shift.
    pub const SHIFT_PLACE: u32 = u32::MAX;
    /// Mean and standard deviation of the sum of sixteen bytes.
    pub const BYTES_MEAN: u32 = 2040;
    pub const BYTES_SIGMA: f64 = 295.601_082_5;

    /// The source of the pixel (i, j) of an image of `h` x `w` under a code of flips and rotations.
    pub fn source(code: u32, (mut i, mut j): (usize, usize), (h, w): (usize, usize)) -> (usize, usize) {
        if code & 4 != 0 {
            (i, j) = (j, i);
        }
        if code & 2 != 0 {
            i = h - 1 - i;
        }
        if code & 1 != 0 {
            j = w - 1 - j;
        }
        (i, j)
    }
}
