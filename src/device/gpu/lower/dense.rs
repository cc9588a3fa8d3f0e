//! Dense layers: splits and grids of the matrix products in `shaders/dense.wgsl`.

use super::{AdapterClass, Lowering, fold, row};
use crate::device::gpu::{Binding, Constant, Pass};
use crate::plan::{DenseForward, DenseGradInput, DenseGradWeight, TensorId};

/// Tile of a workgroup: rows and columns of the product, and values of the inner axis that are loaded at a time.
const TILE: [usize; 3] = [32, 64, 16];
const THREADS: usize = 64;

/// out = act(x kernel + bias).
pub fn forward(op: &DenseForward, cx: &mut Lowering) -> Vec<Pass> {
    let s = op.shape;
    let params = row([op.kernel, op.bias]);
    let product = Product {
        entry: "dense_forward",
        size: [s.batch, s.inputs, s.outputs],
        left: op.x,
        right: (params, op.kernel.offset),
        along: [true, false],
    };
    let constants: [(_, Constant); 3] = [
        ("PARAM_STRIDE", cx.stride(params).into()),
        ("BIAS", op.bias.offset.into()),
        ("RELU", op.relu.into()),
    ];
    let buffers = [Binding::read("params", params), Binding::write("out", op.out)];
    product.passes("dense_forward_sum", &constants, &buffers, cx)
}

/// The gradient of x: dout kernel^T.
pub fn grad_input(op: &DenseGradInput, cx: &mut Lowering) -> Vec<Pass> {
    let s = op.shape;
    let product = Product {
        entry: "dense_grad_input",
        size: [s.batch, s.outputs, s.inputs],
        left: op.dout,
        right: (op.kernel.tensor, op.kernel.offset),
        along: [true, true],
    };
    let mut constants: Vec<(_, Constant)> = vec![("GATE", op.gate.into()), ("ACCUMULATE", op.accumulate.into())];
    let mut buffers = vec![Binding::write("grad_x", op.dx)];
    if op.gate {
        constants.push(("X_STRIDE", cx.stride(op.x).into()));
        buffers.push(Binding::read("x", op.x));
    }
    product.passes("dense_grad_input_sum", &constants, &buffers, cx)
}

/// The gradient of the kernel, x^T dout, and that of the bias as one more row.
pub fn grad_weight(op: &DenseGradWeight, cx: &mut Lowering) -> Vec<Pass> {
    let s = op.shape;
    let grads = row([op.kernel_grad, op.bias_grad]);
    let product = Product {
        entry: "dense_grad_weight",
        size: [s.inputs + 1, s.batch, s.outputs],
        left: op.x,
        right: (op.dout, 0),
        along: [false, false],
    };
    let constants: [(_, Constant); 4] = [
        ("GRAD_STRIDE", cx.stride(grads).into()),
        ("KERNEL", op.kernel_grad.offset.into()),
        ("BIAS", op.bias_grad.offset.into()),
        ("ACCUMULATE", op.accumulate.into()),
    ];
    product.passes(
        "dense_grad_weight_sum",
        &constants,
        &[Binding::write("grads", grads)],
        cx,
    )
}

/// A matrix product: rows x inner times inner x columns.
struct Product {
    entry: &'static str,
    size: [usize; 3],
    left: TensorId,
    /// The tensor, and the offset of the matrix in a member's row.
    right: (TensorId, usize),
    /// Whether neighbours in the buffers are neighbours along the inner axis.
    along: [bool; 2],
}

impl Product {
    /// The product in pieces of the inner axis, then their `sum`, with the additional constants and buffers that it needs.
    fn passes(
        &self,
        sum: &'static str,
        constants: &[(&'static str, Constant)],
        buffers: &[Binding],
        cx: &mut Lowering,
    ) -> Vec<Pass> {
        let [rows, inner, columns] = self.size;
        let tiles = rows.div_ceil(TILE[0]) * columns.div_ceil(TILE[1]);
        let split = Split::new(inner, tiles, cx.class);
        let partials = cx.scratch("partials", split.count * rows * columns);
        let sizes = [
            ("ROWS", rows.into()),
            ("COLUMNS", columns.into()),
            ("SPLITS", split.count.into()),
        ];

        let grid = fold(tiles * split.count);
        let product_constants = [
            ("INNER", inner.into()),
            ("DEPTH", split.depth.into()),
            ("LEFT_STRIDE", cx.stride(self.left).into()),
            ("RIGHT_STRIDE", cx.stride(self.right.0).into()),
            ("RIGHT", self.right.1.into()),
            ("LEFT_ALONG", self.along[0].into()),
            ("RIGHT_ALONG", self.along[1].into()),
            ("GRID_X", grid[0].into()),
        ];
        let product = Pass {
            shader: "dense.wgsl",
            entry: self.entry,
            constants: [&sizes[..], &product_constants].concat(),
            buffers: vec![
                Binding::read("left", self.left),
                Binding::read("right", self.right.0),
                Binding::write("partials", partials),
            ],
            grid,
        };
        let grid = fold((rows * columns).div_ceil(THREADS));
        let sum = Pass {
            shader: "dense.wgsl",
            entry: sum,
            constants: [&sizes[..], constants, &[("GRID_X", grid[0].into())]].concat(),
            buffers: [&[Binding::read("partials", partials)], buffers].concat(),
            grid,
        };
        vec![product, sum]
    }
}

/// How the inner axis is split into pieces.
struct Split {
    count: usize,
    /// Terms per piece, a multiple of the tile.
    depth: usize,
}

impl Split {
    /// Fewest terms of a sum that are worth writing it out, and most terms that keep its rounding error small.
    const MIN_DEPTH: usize = 2 * TILE[2];
    const MAX_DEPTH: usize = 512;

    fn new(inner: usize, tiles: usize, class: AdapterClass) -> Split {
        let depth = inner * tiles * THREADS / class.busy_threads();
        let count = inner.div_ceil(depth.clamp(Split::MIN_DEPTH, Split::MAX_DEPTH));
        let depth = inner.div_ceil(count).next_multiple_of(TILE[2]);
        Split {
            count: inner.div_ceil(depth),
            depth,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_the_inner_axis() {
        for inner in [1, 15, 16, 17, 33, 100, 1936, 1937, 100_000] {
            for tiles in [1, 7, 1000] {
                for class in [AdapterClass::Gpu, AdapterClass::Software] {
                    let Split { count, depth } = Split::new(inner, tiles, class);
                    assert!(
                        depth % TILE[2] == 0 && depth <= Split::MAX_DEPTH,
                        "{inner} {tiles}: {depth}"
                    );
                    assert!(
                        count * depth >= inner && (count - 1) * depth < inner,
                        "{inner} {tiles}: {count} {depth}"
                    );
                }
            }
        }
    }
}
