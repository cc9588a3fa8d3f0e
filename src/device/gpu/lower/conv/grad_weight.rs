//! The weight gradient: how its long sum is split into pieces.

use super::weight_sums::weight_sums;
use crate::device::gpu::lower::{AdapterClass, Lowering, fold};
use crate::device::gpu::{Binding, Pass};
use crate::plan::{ConvGradWeight, ConvShape};

/// The gradients of kernel and bias: partial sums of pieces of the batch. [`weight_sums`] adds them later.
pub fn grad_weight(op: &ConvGradWeight, cx: &mut Lowering) -> Vec<Pass> {
    let s = op.shape;
    let (in_blocks, out_blocks) = (s.in_c.div_ceil(4), s.out_c.div_ceil(4));
    let split = Split::new(s, cx.class);
    let items = (s.kernel_len() / s.out_c + 1) * out_blocks;
    // A name of its own, because other operations run before the pieces are added.
    let name = format!("weight_partials.{}", cx.tensors.len());
    let partials = cx.scratch(&name, split.count * items * 4);

    let threads = 64;
    let registers = Registers::new(s);
    let strips = s.kernel_w.div_ceil(registers.width);
    let weight_threads = split.count * strips * s.kernel_h * out_blocks * in_blocks;
    let grid = fold((weight_threads + split.count * out_blocks).div_ceil(threads));
    let padded = s.pad_top() > 0 || s.pad_left() > 0 || overhangs(s);
    let mut constants = vec![
        ("BATCH", s.batch.into()),
        ("KERNEL_H", s.kernel_h.into()),
        ("KERNEL_W", s.kernel_w.into()),
        ("STRIDE", s.stride.into()),
        ("IN_H", s.in_h.into()),
        ("IN_W", s.in_w.into()),
        ("IN_C", s.in_c.into()),
        ("OUT_H", s.out_h().into()),
        ("OUT_W", s.out_w().into()),
        ("OUT_C", s.out_c.into()),
        ("X_STRIDE", cx.stride(op.x).into()),
        ("DOUT_STRIDE", cx.stride(op.dout).into()),
        ("SPLITS", split.count.into()),
        ("ROWS", split.rows.into()),
        ("WIDTH", registers.width.into()),
        ("COLUMNS", registers.columns.into()),
        ("THREADS", threads.into()),
        ("PADDED", padded.into()),
        ("GRID_X", grid[0].into()),
    ];
    if padded {
        constants.extend([("PAD_H", s.pad_top().into()), ("PAD_W", s.pad_left().into())]);
    }
    let pieces = Pass {
        shader: "conv_grad_weight.wgsl",
        entry: "grad_weight",
        constants,
        buffers: vec![
            Binding::read("x", op.x),
            Binding::read("dout", op.dout),
            Binding::write("partials", partials),
        ],
        grid,
    };
    cx.sums.push(op, partials, split.count);
    match cx.sums.is_full() {
        true => std::iter::once(pieces).chain(weight_sums(cx)).collect(),
        false => vec![pieces],
    }
}

/// Whether the last windows hang over the lower or the right edge.
fn overhangs(s: ConvShape) -> bool {
    let over = |windows: usize, kernel: usize, pad: usize, size: usize| (windows - 1) * s.stride + kernel > size + pad;
    over(s.out_h(), s.kernel_h, s.pad_top(), s.in_h) || over(s.out_w(), s.kernel_w, s.pad_left(), s.in_w)
}

/// What a thread keeps in registers.
struct Registers {
    /// Values of a kernel row.
    width: usize,
    /// Pixels of dout at a time.
    columns: usize,
}

impl Registers {
    /// Values that fit beside addresses and counters: a thread has 128 registers on an Intel GPU, 255 on others.
    const MOST: usize = 108;

    fn new(s: ConvShape) -> Registers {
        let channels = s.in_c.min(4);
        // The sums, and the columns of x and the pixels of dout that they are made of.
        let values = |width: usize, columns: usize| 4 * (width * channels + (columns - 1) * s.stride + width + columns);
        let fits = |width: usize, columns: usize| values(width, columns) <= Registers::MOST;
        let width = (1..=s.kernel_w).rev().find(|&width| fits(width, 1));
        let width = width.expect("one value fits");
        let columns = (1..=s.out_w().min(4)).rev().find(|&columns| fits(width, columns));
        let columns = columns.expect("one column fits");
        // Strips of the same width, as far as possible.
        Registers {
            width: s.kernel_w.div_ceil(s.kernel_w.div_ceil(width)),
            columns,
        }
    }
}

/// How the sum over the batch is split into pieces.
struct Split {
    count: usize,
    /// Image rows of dout per piece.
    rows: usize,
}

impl Split {
    /// Fewest terms of a running sum that are worth writing it out, and most terms that keep its rounding error small.
    const MIN_TERMS: usize = 512;
    const MAX_TERMS: usize = 4096;

    fn new(s: ConvShape, class: AdapterClass) -> Split {
        let threads = s.kernel_h * s.in_c.div_ceil(4) * s.out_c.div_ceil(4);
        let rows = s.batch * s.out_h();
        let terms = (rows * s.out_w() * threads / class.busy_threads()).clamp(Split::MIN_TERMS, Split::MAX_TERMS);
        let rows_each = (terms / s.out_w()).clamp(1, rows);
        let count = rows.div_ceil(rows_each);
        Split {
            count,
            rows: rows.div_ceil(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Padding;

    #[test]
    fn the_values_of_a_thread_fit_its_registers() {
        let values = |kernel_w: usize, in_c: usize, stride: usize| {
            let s = ConvShape {
                batch: 1,
                in_h: 40,
                in_w: 40,
                in_c,
                kernel_h: 3,
                kernel_w,
                out_c: 8,
                stride,
                padding: Padding::Same,
            };
            let Registers { width, columns } = Registers::new(s);
            assert!(width * kernel_w.div_ceil(width) >= kernel_w && width <= kernel_w);
            (width, columns)
        };
        assert_eq!(values(3, 16, 1), (3, 4));
        assert_eq!(values(5, 32, 1), (5, 1));
        assert_eq!(values(5, 3, 2), (5, 3));
        assert_eq!(values(17, 4, 1), (5, 1));
        assert_eq!(values(7, 1, 1), (7, 4));
    }

    #[test]
    fn pieces_cover_the_batch() {
        for (batch, size, channels) in [(1, 5, 1), (32, 55, 3), (32, 26, 32), (3, 9, 128), (64, 300, 3)] {
            let (in_h, in_w) = (size, size);
            let s = ConvShape {
                batch,
                in_h,
                in_w,
                in_c: channels,
                kernel_h: 3,
                kernel_w: 3,
                out_c: channels,
                stride: 1,
                padding: Padding::Valid,
            };
            for class in [AdapterClass::Gpu, AdapterClass::Software] {
                let split = Split::new(s, class);
                assert!(split.count * split.rows >= batch * s.out_h());
                assert!((split.count - 1) * split.rows < batch * s.out_h(), "an empty piece");
                assert!(split.rows * s.out_w() <= Split::MAX_TERMS.max(s.out_w()));
            }
        }
    }
}
