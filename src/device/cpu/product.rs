//! The two products that convolutions and dense layers are made of, sixteen columns at a time.
//!
//! A window of a convolution is a few stretches of an image, one per row of the kernel; that of a dense layer is one
//! stretch, its input. So both layers multiply windows by a matrix of weights, and their weight gradients multiply
//! windows by the gradient at the output.

use super::simd::{LANES, Lanes, Simd, simd};
use super::{put_input_grad, relu};

/// Terms of a sum that are added up before they are added to the sums before them, to keep rounding errors small.
const TERMS: usize = 256;

/// Where the windows of one product lie: window p consists of `rows` stretches of `len` values; stretch r begins at
/// `p step + r row_step`.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    pub count: usize,
    pub step: usize,
    pub rows: usize,
    pub row_step: usize,
    pub len: usize,
}

/// Lanes of a packed matrix of `columns` columns: blocks of sixteen columns, each with its rows one after another.
pub fn packed_len(rows: usize, columns: usize) -> usize {
    rows * columns.div_ceil(LANES)
}

/// Packs a matrix (rows, columns); the last block is filled up with zeros.
pub fn pack(matrix: &[f32], columns: usize, packed: &mut [Lanes]) {
    let rows = matrix.len() / columns;
    for (r, row) in matrix.chunks_exact(columns).enumerate() {
        let (whole, rest) = row.as_chunks::<LANES>();
        for (block, values) in whole.iter().enumerate() {
            packed[block * rows + r].0 = *values;
        }
        if !rest.is_empty() {
            let mut last = [0.0; LANES];
            last[..rest.len()].copy_from_slice(rest);
            packed[whole.len() * rows + r].0 = last;
        }
    }
}

/// The same for the matrix whose element (row, column) is `value(row, column)`.
pub fn pack_from(rows: usize, columns: usize, packed: &mut [Lanes], value: impl Fn(usize, usize) -> f32) {
    for (at, lanes) in packed[..packed_len(rows, columns)].iter_mut().enumerate() {
        let (row, first) = (at % rows, at / rows * LANES);
        let column = |lane| {
            if first + lane < columns {
                value(row, first + lane)
            } else {
                0.0
            }
        };
        lanes.0 = std::array::from_fn(column);
    }
}

/// What the windows of a product are multiplied with.
pub struct Weights<'a> {
    /// (rows len, columns), packed.
    pub packed: &'a [Lanes],
    pub columns: usize,
    /// First row of the matrix to use, where the windows have fewer rows than a kernel.
    pub skip: usize,
}

/// What is done with the values of a product.
#[derive(Clone, Copy)]
pub enum Finish<'a> {
    /// Forward: out = act(product + bias), with the columns of one window right behind those of the one before.
    Activate {
        /// (columns).
        bias: &'a [f32],
        relu: bool,
    },
    /// Backward: out = product, or += if `accumulate`.
    PutBack {
        /// Values from the columns of one window to those of the next.
        step: usize,
        /// The layer's input, in the places of `out`: the product is 0 except where it is positive.
        gate: Option<&'a [f32]>,
        accumulate: bool,
    },
}

impl Finish<'_> {
    /// Puts up to sixteen columns of a product of `columns` columns, from `column` on, where those of `window` belong.
    #[inline(always)]
    fn put(self, values: [f32; LANES], window: usize, column: usize, columns: usize, out: &mut [f32]) {
        let len = LANES.min(columns - column);
        match self {
            Finish::Activate { relu: active, .. } => {
                let values = if active { values.map(relu) } else { values };
                let out = &mut out[window * columns + column..];
                match out.first_chunk_mut::<LANES>() {
                    Some(out) if len == LANES => *out = values,
                    _ => out[..len].copy_from_slice(&values[..len]),
                }
            }
            Finish::PutBack { step, gate, accumulate } => {
                let at = window * step + column;
                let gate = gate.map(|x| &x[at..]);
                let out = &mut out[at..];
                match out.first_chunk_mut::<LANES>() {
                    Some(out) if len == LANES => put_input_grad(out, values, gate, accumulate),
                    _ => put_input_grad(&mut out[..len], values, gate, accumulate),
                }
            }
        }
    }
}

/// `f::<S, N>(..)` where N is one of `sizes`.
macro_rules! by_size {
    ($n:expr, [$($size:literal)*], $f:ident $args:tt) => {
        match $n {
            $($size => $f::<S, $size> $args,)*
            n => unreachable!("a tile of {n}"),
        }
    };
}

simd! {
    /// The product (p, o): sum over r and t of x[p step + r row_step + t] weights[r len + t, o].
    pub fn product(x: &[f32], windows: Windows, weights: &Weights, finish: Finish, out: &mut [f32]) {
        let blocks = weights.columns.div_ceil(LANES);
        let rows = weights.packed.len() / blocks;
        // Tiles of about the same size. More than eight windows would leave no registers for their addresses.
        let tile = windows.count.div_ceil(windows.count.div_ceil(S::SUMS.min(8)));
        for block in 0..blocks {
            let packed = &weights.packed[block * rows + weights.skip..][..windows.rows * windows.len];
            for first in (0..windows.count).step_by(tile) {
                let x = &x[first * windows.step..];
                by_size!(
                    tile.min(windows.count - first), [1 2 3 4 5 6 7 8],
                    product_tile(x, windows, packed, weights.columns, [first, block], finish, out)
                );
            }
        }
    }
}

/// P windows, of which x begins with number `first`, by the sixteen columns of a block.
#[inline(always)]
fn product_tile<S: Simd, const P: usize>(
    x: &[f32],
    windows: Windows,
    packed: &[Lanes],
    columns: usize,
    [first, block]: [usize; 2],
    finish: Finish,
    out: &mut [f32],
) {
    let mut sums = [S::splat(0.0); P];
    let mut last = [S::splat(0.0); P];
    let mut terms = 0;
    for (row, packed) in packed.chunks_exact(windows.len).enumerate() {
        for (part, packed) in packed.chunks(TERMS).enumerate() {
            let from = row * windows.row_step + part * TERMS;
            let x: [&[f32]; P] = std::array::from_fn(|p| &x[from + p * windows.step..][..packed.len()]);
            for (t, weights) in packed.iter().enumerate() {
                let weights = S::load(&weights.0);
                for p in 0..P {
                    last[p] = S::mul_add(S::splat(x[p][t]), weights, last[p]);
                }
            }
            terms += packed.len();
            if terms >= TERMS {
                for p in 0..P {
                    sums[p] = S::add(sums[p], last[p]);
                    last[p] = S::splat(0.0);
                }
                terms = 0;
            }
        }
    }
    let column = block * LANES;
    let mut bias = [0.0; LANES];
    if let Finish::Activate { bias: all, .. } = finish {
        let some = &all[column..columns.min(column + LANES)];
        bias[..some.len()].copy_from_slice(some);
    }
    let bias = S::load(&bias);
    for p in 0..P {
        let values = S::store(S::add(S::add(sums[p], last[p]), bias));
        finish.put(values, first + p, column, columns, out);
    }
}

/// The gradient at the output of a product, for windows of several lines of pixels: those of line i begin at
/// `i line_step`.
pub struct Gradient<'a> {
    pub lines: usize,
    pub line_step: usize,
    /// (lines windows, columns), packed.
    pub packed: &'a [Lanes],
    pub columns: usize,
}

simd! {
    /// grad[r len + t, o] += sum over i and p of x[i line_step + p step + r row_step + t] dout[i, p, o].
    pub fn weight_gradient(x: &[f32], windows: Windows, dout: &Gradient, grad: &mut [f32]) {
        let tile = windows.len.div_ceil(windows.len.div_ceil(S::SUMS));
        for (row, grad) in grad.chunks_exact_mut(windows.len * dout.columns).enumerate() {
            for block in 0..dout.columns.div_ceil(LANES) {
                for first in (0..windows.len).step_by(tile) {
                    let x = &x[row * windows.row_step + first..];
                    let grad = &mut grad[first * dout.columns..];
                    by_size!(
                        tile.min(windows.len - first), [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16],
                        gradient_tile(x, windows, dout, block, grad)
                    );
                }
            }
        }
    }
}

/// T rows of the weights by sixteen columns.
#[inline(always)]
fn gradient_tile<S: Simd, const T: usize>(
    x: &[f32],
    windows: Windows,
    dout: &Gradient,
    block: usize,
    grad: &mut [f32],
) {
    let mut sums = [S::splat(0.0); T];
    let packed = &dout.packed[block * dout.lines * windows.count..][..dout.lines * windows.count];
    for (line, packed) in packed.chunks_exact(windows.count).enumerate() {
        let x = x[line * dout.line_step..].windows(T).step_by(windows.step);
        for (x, dout) in x.zip(packed) {
            let dout = S::load(&dout.0);
            for t in 0..T {
                sums[t] = S::mul_add(S::splat(x[t]), dout, sums[t]);
            }
        }
    }
    let first_column = block * LANES;
    for (t, sum) in sums.into_iter().enumerate() {
        let grad = &mut grad[t * dout.columns + first_column..];
        let columns = LANES.min(dout.columns - first_column);
        match grad.first_chunk_mut::<LANES>() {
            Some(grad) if columns == LANES => *grad = S::store(S::add(S::load(grad), sum)),
            _ => grad[..columns]
                .iter_mut()
                .zip(S::store(sum))
                .for_each(|(grad, sum)| *grad += sum),
        }
    }
}

simd! {
    /// sums[o] += sum of dout[p, o] over the rows of a packed matrix of `columns` columns.
    pub fn column_sums(packed: &[Lanes], columns: usize, sums: &mut [f32]) {
        let rows = packed.len() / columns.div_ceil(LANES);
        for (packed, sums) in packed.chunks_exact(rows).zip(sums.chunks_mut(LANES)) {
            // Four independent sums hide the latency of an addition, which is about four times its throughput.
            let mut four = [S::splat(0.0); 4];
            for packed in packed.chunks(4) {
                for (sum, values) in four.iter_mut().zip(packed) {
                    *sum = S::add(*sum, S::load(&values.0));
                }
            }
            let sum = S::add(S::add(four[0], four[1]), S::add(four[2], four[3]));
            sums.iter_mut().zip(S::store(sum)).for_each(|(to, sum)| *to += sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::simd::Plain;
    use super::*;

    /// The tests of whole operations run only one instruction set; this compares it with the plain code.
    #[test]
    fn every_instruction_set_gives_the_same_products() {
        const COLUMNS: usize = 19;
        let values = |n: usize| -> Vec<f32> { (0..n).map(|i| ((i * 37 + 11) % 64) as f32 - 32.0).collect() };
        let windows = Windows {
            count: 3,
            step: 2,
            rows: 2,
            row_step: 300,
            len: 290,
        };
        let (x, matrix, bias) = (values(700), values(580 * COLUMNS), values(COLUMNS));
        let mut packed = vec![Lanes([0.0; LANES]); packed_len(580, COLUMNS)];
        pack(&matrix, COLUMNS, &mut packed);
        let weights = Weights {
            packed: &packed,
            columns: COLUMNS,
            skip: 0,
        };
        let finish = Finish::Activate {
            bias: &bias,
            relu: true,
        };
        // Sums of whole numbers below 2^24 are exact, fused or not.
        let (mut got, mut want) = (vec![0.0; 3 * COLUMNS], vec![0.0; 3 * COLUMNS]);
        product(&x, windows, &weights, finish, &mut got);
        for block in 0..2 {
            let packed = &packed[block * 580..][..580];
            product_tile::<Plain, 3>(&x, windows, packed, COLUMNS, [0, block], finish, &mut want);
        }
        assert_eq!(got, want);

        let mut packed = vec![Lanes([0.0; LANES]); packed_len(3, COLUMNS)];
        pack(&matrix[..3 * COLUMNS], COLUMNS, &mut packed);
        let dout = Gradient {
            lines: 1,
            line_step: 0,
            packed: &packed,
            columns: COLUMNS,
        };
        let windows = Windows {
            rows: 1,
            len: 5,
            ..windows
        };
        let (mut got, mut want) = (vec![1.0; 5 * COLUMNS], vec![1.0; 5 * COLUMNS]);
        weight_gradient(&x, windows, &dout, &mut got);
        for block in 0..2 {
            gradient_tile::<Plain, 5>(&x, windows, &dout, block, &mut want);
        }
        assert_eq!(got, want);
    }
}
