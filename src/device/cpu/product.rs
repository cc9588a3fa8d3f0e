//! The two products that convolutions and dense layers are made of, sixteen columns at a time.
//!
//! A window of a convolution is a few stretches of an image, one per row of the kernel; that of a dense layer is one
//! stretch, its input. So both layers multiply windows by a matrix of weights, and their weight gradients multiply
//! windows by the gradient at the output.

use super::relu;
use super::simd::{LANES, Lanes, Simd, lanes, simd};

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
    for (at, to) in packed[..packed_len(rows, columns)].iter_mut().enumerate() {
        let (row, first) = (at % rows, at / rows * LANES);
        let column = |lane| {
            if first + lane < columns {
                value(row, first + lane)
            } else {
                0.0
            }
        };
        to.0 = lanes(column);
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
trait Finish: Copy {
    /// What is added to `len` columns from `column` on.
    fn bias(&self, column: usize, len: usize) -> [f32; LANES];

    /// Values from the columns of one window to those of the next, of a product of `columns` columns.
    fn step(&self, columns: usize) -> usize;

    /// Puts `len` values at `at`.
    fn put(&self, values: [f32; LANES], len: usize, at: usize, out: &mut [f32]);
}

/// Forward: out = act(product + bias), with the columns of one window right behind those of the one before.
#[derive(Clone, Copy)]
pub struct Activate<'a> {
    /// (columns).
    pub bias: &'a [f32],
    pub relu: bool,
}

impl Finish for Activate<'_> {
    #[inline(always)]
    fn bias(&self, column: usize, len: usize) -> [f32; LANES] {
        load(&self.bias[column..], len)
    }

    #[inline(always)]
    fn step(&self, columns: usize) -> usize {
        columns
    }

    #[inline(always)]
    fn put(&self, mut values: [f32; LANES], len: usize, at: usize, out: &mut [f32]) {
        if self.relu {
            values = lanes(|l| relu(values[l]));
        }
        store(values, len, &mut out[at..]);
    }
}

/// Backward: dx = product, or += if `accumulate`.
#[derive(Clone, Copy)]
pub struct PutBack<'a> {
    /// Values from the columns of one window to those of the next.
    pub step: usize,
    /// The input of the layer, in the places of dx: the product counts only where it is positive.
    pub gate: Option<&'a [f32]>,
    pub accumulate: bool,
}

impl Finish for PutBack<'_> {
    #[inline(always)]
    fn bias(&self, _column: usize, _len: usize) -> [f32; LANES] {
        [0.0; LANES]
    }

    #[inline(always)]
    fn step(&self, _columns: usize) -> usize {
        self.step
    }

    #[inline(always)]
    fn put(&self, mut values: [f32; LANES], len: usize, at: usize, dx: &mut [f32]) {
        if let Some(x) = self.gate {
            let x = load(&x[at..], len);
            values = lanes(|l| if x[l] > 0.0 { values[l] } else { 0.0 });
        }
        if self.accumulate {
            let before = load(&dx[at..], len);
            values = lanes(|l| before[l] + values[l]);
        }
        store(values, len, &mut dx[at..]);
    }
}

/// The first `len` values, then zeros.
#[inline(always)]
fn load(from: &[f32], len: usize) -> [f32; LANES] {
    match from.first_chunk::<LANES>() {
        Some(from) if len == LANES => *from,
        _ => {
            let mut values = [0.0; LANES];
            values[..len].copy_from_slice(&from[..len]);
            values
        }
    }
}

/// Puts the first `len` values.
#[inline(always)]
fn store(values: [f32; LANES], len: usize, to: &mut [f32]) {
    match to.first_chunk_mut::<LANES>() {
        Some(to) if len == LANES => *to = values,
        _ => to[..len].copy_from_slice(&values[..len]),
    }
}

/// The expression with `N` as a constant, which is one of `sizes`.
macro_rules! by_size {
    ($n:expr, [$($size:literal)*], $constant:ident => $call:expr) => {
        match $n {
            $($size => {
                const $constant: usize = $size;
                $call
            })*
            n => unreachable!("a tile of {n}"),
        }
    };
}

simd! {
    /// act(bias[o] + product), where the product (p, o) is the sum over r and t of
    /// x[p step + r row_step + t] weights[r len + t, o].
    pub fn product(x: &[f32], windows: Windows, weights: &Weights, activate: Activate, out: &mut [f32]) {
        product_tiles::<S>(x, windows, weights, activate, out);
    }
}

simd! {
    /// The same product as the gradient of an input.
    pub fn product_back(x: &[f32], windows: Windows, weights: &Weights, put_back: PutBack, dx: &mut [f32]) {
        product_tiles::<S>(x, windows, weights, put_back, dx);
    }
}

#[inline(always)]
fn product_tiles<S: Simd>(x: &[f32], windows: Windows, weights: &Weights, finish: impl Finish, out: &mut [f32]) {
    let blocks = weights.columns.div_ceil(LANES);
    let rows = weights.packed.len() / blocks;
    // Tiles of about the same size. More than eight windows would leave no registers for their addresses.
    let tile = windows.count.div_ceil(windows.count.div_ceil(S::SUMS.min(8)));
    let packed = |block: usize| &weights.packed[block * rows + weights.skip..][..windows.rows * windows.len];
    let mut block = 0;
    while block < blocks {
        // Two blocks at once, if there are registers for both, load each value of x once.
        let pair = S::SUMS >= 2 * tile && block + 1 < blocks;
        for first in (0..windows.count).step_by(tile) {
            let x = &x[first * windows.step..];
            let at = [first, block];
            if pair {
                let packed = [packed(block), packed(block + 1)];
                by_size!(
                    tile.min(windows.count - first), [1 2 3 4 5 6 7 8],
                    P => product_pair::<S, P>(x, windows, packed, weights.columns, at, finish, out)
                );
            } else {
                by_size!(
                    tile.min(windows.count - first), [1 2 3 4 5 6 7 8],
                    P => product_tile::<S, P>(x, windows, packed(block), weights.columns, at, finish, out)
                );
            }
        }
        block += 1 + usize::from(pair);
    }
}

/// P windows by the thirty-two columns of two blocks.
#[inline(always)]
fn product_pair<S: Simd, const P: usize>(
    x: &[f32],
    windows: Windows,
    [packed_low, packed_high]: [&[Lanes]; 2],
    columns: usize,
    [first, block]: [usize; 2],
    finish: impl Finish,
    out: &mut [f32],
) {
    let (mut low_sums, mut high_sums) = ([S::splat(0.0); P], [S::splat(0.0); P]);
    let (mut low, mut high) = ([S::splat(0.0); P], [S::splat(0.0); P]);
    let mut terms = 0;
    for (row, (packed_low, packed_high)) in packed_low
        .chunks_exact(windows.len)
        .zip(packed_high.chunks_exact(windows.len))
        .enumerate()
    {
        for (part, (packed_low, packed_high)) in packed_low.chunks(TERMS).zip(packed_high.chunks(TERMS)).enumerate() {
            let from = row * windows.row_step + part * TERMS;
            let x: [&[f32]; P] = std::array::from_fn(|p| &x[from + p * windows.step..][..packed_low.len()]);
            let len = packed_low.len();
            let packed_high = &packed_high[..len];
            for t in 0..len {
                let (weights_low, weights_high) = (S::load(&packed_low[t].0), S::load(&packed_high[t].0));
                for p in 0..P {
                    let x = S::splat(x[p][t]);
                    low[p] = S::mul_add(x, weights_low, low[p]);
                    high[p] = S::mul_add(x, weights_high, high[p]);
                }
            }
            terms += packed_low.len();
            if terms >= TERMS {
                for p in 0..P {
                    low_sums[p] = S::add(low_sums[p], low[p]);
                    high_sums[p] = S::add(high_sums[p], high[p]);
                    low[p] = S::splat(0.0);
                    high[p] = S::splat(0.0);
                }
                terms = 0;
            }
        }
    }
    put_tile::<S, P>(low_sums, low, columns, [first, block], finish, out);
    put_tile::<S, P>(high_sums, high, columns, [first, block + 1], finish, out);
}

/// P windows, of which x begins with number `first`, by the sixteen columns of a block.
#[inline(always)]
fn product_tile<S: Simd, const P: usize>(
    x: &[f32],
    windows: Windows,
    packed: &[Lanes],
    columns: usize,
    [first, block]: [usize; 2],
    finish: impl Finish,
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
    put_tile::<S, P>(sums, last, columns, [first, block], finish, out);
}

/// Puts the sums of P windows.
#[inline(always)]
fn put_tile<S: Simd, const P: usize>(
    sums: [S::V; P],
    last: [S::V; P],
    columns: usize,
    [first, block]: [usize; 2],
    finish: impl Finish,
    out: &mut [f32],
) {
    let column = block * LANES;
    let len = LANES.min(columns - column);
    let bias = S::load(&finish.bias(column, len));
    let step = finish.step(columns);
    let at = first * step + column;
    for p in 0..P {
        let values = S::store(S::add(S::add(sums[p], last[p]), bias));
        finish.put(values, len, at + p * step, out);
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
        let blocks = dout.columns.div_ceil(LANES);
        let mut block = 0;
        while block < blocks {
            // As above, with half as many rows at a time.
            let pair = S::SUMS >= LANES && block + 1 < blocks;
            let most = if pair { S::SUMS / 2 } else { S::SUMS };
            let tile = windows.len.div_ceil(windows.len.div_ceil(most));
            for (row, grad) in grad.chunks_exact_mut(windows.len * dout.columns).enumerate() {
                for first in (0..windows.len).step_by(tile) {
                    let x = &x[row * windows.row_step + first..];
                    let grad = &mut grad[first * dout.columns..];
                    let count = tile.min(windows.len - first);
                    if pair {
                        by_size!(count, [1 2 3 4 5 6 7 8], T => gradient_tile::<S, T, 2>(x, windows, dout, block, grad));
                    } else {
                        by_size!(
                            count, [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16],
                            T => gradient_tile::<S, T, 1>(x, windows, dout, block, grad)
                        );
                    }
                }
            }
            block += 1 + usize::from(pair);
        }
    }
}

/// T rows of the weights by the columns of B blocks of sixteen.
#[inline(always)]
fn gradient_tile<S: Simd, const T: usize, const B: usize>(
    x: &[f32],
    windows: Windows,
    dout: &Gradient,
    block: usize,
    grad: &mut [f32],
) {
    let mut sums = [[S::splat(0.0); T]; B];
    let rows = dout.lines * windows.count;
    let packed: [&[Lanes]; B] = std::array::from_fn(|b| &dout.packed[(block + b) * rows..][..rows]);
    for line in 0..dout.lines {
        let x = x[line * dout.line_step..].windows(T).step_by(windows.step);
        let packed: [&[Lanes]; B] = std::array::from_fn(|b| &packed[b][line * windows.count..][..windows.count]);
        for (p, x) in (0..windows.count).zip(x) {
            let mut dout = [S::splat(0.0); B];
            for b in 0..B {
                dout[b] = S::load(&packed[b][p].0);
            }
            for t in 0..T {
                let x = S::splat(x[t]);
                for b in 0..B {
                    sums[b][t] = S::mul_add(x, dout[b], sums[b][t]);
                }
            }
        }
    }
    for (b, sums) in sums.into_iter().enumerate() {
        let first_column = (block + b) * LANES;
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
        let activate = Activate {
            bias: &bias,
            relu: true,
        };
        // Sums of whole numbers below 2^24 are exact, fused or not.
        let (mut got, mut want) = (vec![0.0; 3 * COLUMNS], vec![0.0; 3 * COLUMNS]);
        product(&x, windows, &weights, activate, &mut got);
        for block in 0..2 {
            let packed = &packed[block * 580..][..580];
            product_tile::<Plain, 3>(&x, windows, packed, COLUMNS, [0, block], activate, &mut want);
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
            gradient_tile::<Plain, 5, 1>(&x, windows, &dout, block, &mut want);
        }
        assert_eq!(got, want);
    }
}
