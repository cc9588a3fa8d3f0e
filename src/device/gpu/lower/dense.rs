//! Dense layers: splits and grids of the matrix products in `shaders/dense.wgsl`.

use super::{AdapterClass, Lowering, fold, row};
use crate::device::gpu::{Binding, Constant, Pass};
use crate::plan::{DenseForward, DenseGrad, DenseShape, InputGrad};

/// Tile of a workgroup: rows and columns of the product, and values of the inner axis that are loaded at a time.
const TILE: [usize; 3] = [32, 64, 16];
const THREADS: usize = 64;

/// out = act(x kernel + bias).
pub fn forward(op: &DenseForward, cx: &mut Lowering) -> Vec<Pass> {
    let s = op.shape;
    let params = row([op.kernel, op.bias]);
    let param_stride = ("PARAM_STRIDE", cx.stride(params).into());
    let [x, params, out] = [
        Binding::read("x", op.x),
        Binding::read("params", params),
        Binding::write("out", op.out),
    ];
    Product {
        entries: ["dense_forward", "dense_forward_sum"],
        shape: s,
        size: [s.batch, s.inputs, s.outputs],
        constants: vec![
            ("X_STRIDE", cx.stride(op.x).into()),
            param_stride,
            ("KERNEL", op.kernel.offset.into()),
        ],
        factors: vec![x, params],
        finish: vec![param_stride, ("BIAS", op.bias.offset.into()), ("RELU", op.relu.into())],
        results: vec![out],
        sum: vec![params, out],
    }
    .passes(cx)
}

/// The gradient of the kernel, x^T dout, and that of the bias as one more row; the gradient of x: dout kernel^T.
pub fn grad(op: &DenseGrad, cx: &mut Lowering) -> Vec<Pass> {
    let weight = grad_weight(op, cx);
    let Some(to) = op.input else { return weight.passes(cx) };
    let input = grad_input(op, to, cx);
    match [&weight, &input].map(|product| product.split(cx.class).count) {
        [1, 1] => vec![both(weight, input)],
        _ => [weight.passes(cx), input.passes(cx)].concat(),
    }
}

fn grad_weight(op: &DenseGrad, cx: &Lowering) -> Product {
    let s = op.shape;
    let grads = row([op.kernel_grad, op.bias_grad]);
    let finish = vec![
        ("GRAD_STRIDE", cx.stride(grads).into()),
        ("KERNEL_GRAD", op.kernel_grad.offset.into()),
        ("BIAS_GRAD", op.bias_grad.offset.into()),
        ("ACCUMULATE", op.accumulate.into()),
    ];
    let grads = Binding::write("grads", grads);
    Product {
        entries: ["dense_grad_weight", "dense_grad_weight_sum"],
        shape: s,
        size: [s.inputs + 1, s.batch, s.outputs],
        constants: vec![("X_STRIDE", cx.stride(op.x).into())],
        factors: vec![Binding::read("dout", op.dout), Binding::read("x", op.x)],
        finish,
        results: vec![grads],
        sum: vec![grads],
    }
}

fn grad_input(op: &DenseGrad, to: InputGrad, cx: &Lowering) -> Product {
    let s = op.shape;
    let params = op.kernel.tensor;
    let mut finish: Vec<(_, Constant)> = vec![("GATE", to.gate.into()), ("ACCUMULATE_X", to.accumulate.into())];
    let mut results = vec![Binding::write("grad_x", to.dx)];
    if to.gate {
        finish.push(("X_STRIDE", cx.stride(op.x).into()));
        results.push(Binding::read("x", op.x));
    }
    Product {
        entries: ["dense_grad_input", "dense_grad_input_sum"],
        shape: s,
        size: [s.batch, s.outputs, s.inputs],
        constants: vec![
            ("PARAM_STRIDE", cx.stride(params).into()),
            ("KERNEL", op.kernel.offset.into()),
        ],
        factors: vec![Binding::read("dout", op.dout), Binding::read("params", params)],
        finish,
        sum: results.clone(),
        results,
    }
}

/// Two products that are not cut, in one pass: one after the other, each would leave most of a GPU idle.
fn both(weight: Product, input: Product) -> Pass {
    let weight_tiles = weight.tiles();
    let grid = fold(weight_tiles + input.tiles());
    let depth = weight.size[1].max(input.size[1]).next_multiple_of(TILE[2]);
    let own = [
        ("WEIGHT_TILES", weight_tiles.into()),
        ("SPLITS", 1usize.into()),
        ("DEPTH", depth.into()),
        ("GRID_X", grid[0].into()),
    ];
    let of_both = [&weight.constants, &weight.finish, &input.constants, &input.finish];
    let constants = once(of_both.into_iter().flatten().chain(&sizes(weight.shape)).chain(&own));
    Pass {
        shader: "dense.wgsl",
        entry: "dense_grad",
        constants,
        buffers: [weight.factors, weight.results, vec![input.factors[1], input.results[0]]].concat(),
        grid,
    }
}

/// Constants that may be asked for several times.
fn once<'a>(constants: impl Iterator<Item = &'a (&'static str, Constant)>) -> Vec<(&'static str, Constant)> {
    let mut all = Vec::new();
    for constant in constants {
        if !all.contains(constant) {
            all.push(*constant);
        }
    }
    all
}

fn sizes(s: DenseShape) -> Vec<(&'static str, Constant)> {
    vec![
        ("BATCH", s.batch.into()),
        ("INPUTS", s.inputs.into()),
        ("OUTPUTS", s.outputs.into()),
    ]
}

/// A matrix product.
struct Product {
    /// The kernel of the product, and that which adds up its pieces.
    entries: [&'static str; 2],
    shape: DenseShape,
    /// Rows, inner axis and columns.
    size: [usize; 3],
    constants: Vec<(&'static str, Constant)>,
    factors: Vec<Binding>,
    /// What becomes of a sum: constants, and the buffers that it needs beside the factors, and beside the pieces.
    finish: Vec<(&'static str, Constant)>,
    results: Vec<Binding>,
    sum: Vec<Binding>,
}

impl Product {
    fn tiles(&self) -> usize {
        let [rows, _, columns] = self.size;
        rows.div_ceil(TILE[0]) * columns.div_ceil(TILE[1])
    }

    fn split(&self, class: AdapterClass) -> Split {
        Split::new(self.size[1], self.tiles(), class)
    }

    /// The product. Along a long inner axis in pieces, and then their sum.
    fn passes(self, cx: &mut Lowering) -> Vec<Pass> {
        let [rows, _, columns] = self.size;
        let split = self.split(cx.class);
        let grid = fold(self.tiles() * split.count);
        let pass = |entry, constants: &[&[(&'static str, Constant)]], buffers, grid: [u32; 2]| {
            let own = [("SPLITS", split.count.into()), ("GRID_X", grid[0].into())];
            let sizes = sizes(self.shape);
            let constants = constants.iter().copied().flatten();
            Pass {
                shader: "dense.wgsl",
                entry,
                constants: once(constants.chain(&sizes).chain(&own)),
                buffers,
                grid,
            }
        };
        let [product, sum] = self.entries;
        let depth = [("DEPTH", split.depth.into())];
        if split.count == 1 {
            let buffers = [&self.factors[..], &self.results].concat();
            return vec![pass(product, &[&self.constants, &self.finish, &depth], buffers, grid)];
        }
        let partials = cx.scratch("partials", split.count * rows * columns);
        let pieces = [&self.factors[..], &[Binding::write("partials", partials)]].concat();
        let finish = [&[Binding::read("partials", partials)], &self.sum[..]].concat();
        let sums = fold((rows * columns).div_ceil(THREADS));
        vec![
            pass(product, &[&self.constants, &depth], pieces, grid),
            pass(sum, &[&self.finish], finish, sums),
        ]
    }
}

/// How the inner axis is split into pieces.
#[derive(Clone, Copy)]
struct Split {
    count: usize,
    /// Terms per piece, a multiple of the tile.
    depth: usize,
}

impl Split {
    /// Fewest terms of a sum that are worth writing it out and waiting for another pass, and most terms that keep its
    /// rounding error small.
    const MIN_DEPTH: usize = 8 * TILE[2];
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
