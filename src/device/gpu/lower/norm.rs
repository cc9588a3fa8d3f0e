//! Batch norm: pieces and grids of the kernels in `shaders/norm.wgsl`.

use super::pool::{blocks, shape, windows};
use super::{AdapterClass, Lowering, fold, row};
use crate::device::gpu::{Binding, Constant, Pass};
use crate::plan::{InputGrad, NetworkOp, NormForward, NormGrad, Op, StatsSource, TensorId};

const THREADS: usize = 256;

/// Number, mean and M2 of each channel of `count` parts of the rows of `of`: (M, count, 3, C), left by another pass.
#[derive(Clone, Copy)]
pub struct Moments {
    of: TensorId,
    tensor: TensorId,
    count: usize,
}

impl Moments {
    fn new(of: TensorId, count: usize, channels: usize, scratch: &str, cx: &mut Lowering) -> Moments {
        let tensor = cx.scratch(scratch, count * 3 * channels);
        Moments { of, tensor, count }
    }

    /// Those that the pass that writes the rows leaves for the norm behind it.
    pub fn of_tiles(of: TensorId, count: usize, channels: usize, cx: &mut Lowering) -> Moments {
        Moments::new(of, count, channels, "moments", cx)
    }

    /// For the pass that leaves them.
    pub fn write(self) -> Binding {
        Binding::write("moments", self.tensor)
    }
}

/// The rows of a norm with the statistics of the batch, if they are too many for a single pass.
pub fn rows_in_pieces(op: &Op, class: AdapterClass) -> Option<TensorId> {
    let Op::Network(NetworkOp::NormForward(op)) = op else {
        return None;
    };
    let pieces = Pieces::new(op.shape.rows(), Tile::new(op.shape.c), class);
    (matches!(op.source, StatsSource::Batch(_)) && pieces.count > 1).then_some(op.x)
}

/// out = maxpool(gamma (x - mean) / sqrt(variance + epsilon) + beta). In training, mean and biased variance of the batch
/// and the running statistics first: of few rows in the same pass, else from the moments of parts that another pass has
/// left, if possible the one that computes x.
pub fn forward(op: &NormForward, cx: &mut Lowering) -> Vec<Pass> {
    if let StatsSource::Running(_) = op.source {
        return vec![apply(op, None, cx)];
    }
    let left = cx.moments.take().filter(|moments| moments.of == op.x);
    let rows = left.map_or(op.shape.rows(), |moments| moments.count);
    let pieces = Pieces::new(rows, Tile::new(op.shape.c), cx.class);
    if pieces.count == 1 {
        return vec![apply(op, left, cx)];
    }
    let merged = Moments::new(op.x, pieces.count, op.shape.c, "partials", cx);
    let first = match left {
        Some(left) => merge(op, left, pieces, merged),
        None => stats(op, pieces, merged, cx),
    };
    vec![first, apply(op, Some(merged), cx)]
}

/// The moments of each piece of the rows.
fn stats(op: &NormForward, pieces: Pieces, to: Moments, cx: &Lowering) -> Pass {
    let (grid, mut constants) = pieces.constants(op.shape.c);
    constants.extend([
        ("BATCH", op.shape.batch.into()),
        ("H", op.shape.h.into()),
        ("W", op.shape.w.into()),
        ("X_STRIDE", cx.stride(op.x).into()),
    ]);
    Pass {
        shader: "norm.wgsl",
        entry: "norm_stats",
        constants,
        buffers: vec![Binding::read("x", op.x), Binding::write("partials", to.tensor)],
        grid,
    }
}

/// The moments of fewer, larger pieces.
fn merge(op: &NormForward, left: Moments, pieces: Pieces, to: Moments) -> Pass {
    let (grid, mut constants) = pieces.constants(op.shape.c);
    constants.push(("PARTS", left.count.into()));
    Pass {
        shader: "norm.wgsl",
        entry: "norm_merge",
        constants,
        buffers: vec![
            Binding::read("parts", left.tensor),
            Binding::write("partials", to.tensor),
        ],
        grid,
    }
}

/// The output. With the statistics of the batch, these first: from the moments that are `left`, or of all rows.
fn apply(op: &NormForward, left: Option<Moments>, cx: &Lowering) -> Pass {
    let s = op.shape;
    let is_batch = matches!(op.source, StatsSource::Batch(_));
    let parts = left.map_or(1, |moments| moments.count);
    let tile = Tile::new(s.c);
    let params = row([op.gamma, op.beta]);
    let turns = (s.batch * s.out_h() * s.out_w()).div_ceil(tile.turns());
    let (per, grid) = tile.windows(turns, is_batch.then_some(parts), cx.class);
    let mut constants = shape(s);
    constants.extend([
        ("X_STRIDE", cx.stride(op.x).into()),
        ("OUT_STRIDE", cx.stride(op.out).into()),
        ("PARAM_STRIDE", cx.stride(params).into()),
        ("GAMMA", op.gamma.offset.into()),
        ("BETA", op.beta.offset.into()),
        ("EPSILON", op.epsilon.into()),
        ("MEAN", op.mean_offset.into()),
        ("VARIANCE", op.variance_offset.into()),
        ("PER", per.into()),
        ("BATCH_STATS", is_batch.into()),
        ("LANES", tile.lanes.into()),
        ("GRID_X", grid[0].into()),
    ]);
    let mut buffers = vec![
        Binding::read("x", op.x),
        Binding::read("params", params),
        Binding::write("out", op.out),
    ];
    match op.source {
        StatsSource::Batch(to) => {
            // The second pass of a step updates the running statistics of the first: one buffer, bound once.
            let first = to.before != to.next;
            constants.extend([
                ("PARTS", parts.into()),
                ("TREE", tile.tree().into()),
                ("STAT_STRIDE", cx.stride(to.next).into()),
                ("MOMENTUM", op.momentum.into()),
                ("FIRST", first.into()),
            ]);
            buffers.extend([Binding::write("batch_stats", to.batch), Binding::write("next", to.next)]);
            buffers.extend(left.map(|moments| Binding::read("parts", moments.tensor)));
            buffers.extend(first.then(|| Binding::read("before", to.before)));
        }
        StatsSource::Running(stats) => {
            constants.push(("STAT_STRIDE", cx.stride(stats).into()));
            buffers.push(Binding::read("stats", stats));
        }
    }
    Pass {
        shader: "norm.wgsl",
        entry: "norm_forward",
        constants,
        buffers,
        grid,
    }
}

/// Sums of dz and dz xhat, which are the gradients of beta and gamma; and the gradient of x: of few rows in a single pass,
/// else the sums in pieces first.
pub fn grad(op: &NormGrad, cx: &mut Lowering) -> Vec<Pass> {
    let s = op.shape;
    let pieces = Pieces::new(s.batch * s.out_h() * s.out_w(), Tile::new(s.c), cx.class);
    match op.input {
        Some(to) => {
            let input = grad_input(op, to, pieces, cx);
            let param = (pieces.count > 1).then(|| grad_param(op, pieces, cx));
            param.into_iter().chain([input]).collect()
        }
        None => vec![grad_param(op, pieces, cx), grad_sum(op, pieces, cx)],
    }
}

/// Sums of dz and dz xhat of each piece of the windows.
fn grad_param(op: &NormGrad, pieces: Pieces, cx: &mut Lowering) -> Pass {
    let s = op.shape;
    let tile = Tile::new(s.c);
    let grid = fold(pieces.count * tile.count);
    let partials = pieces.partials(s.c, cx);
    let (mut constants, mut buffers) = common(op, pieces, tile, grid, cx);
    constants.push(("ROWS", pieces.rows.into()));
    buffers.push(Binding::write("partials", partials));
    Pass {
        shader: "norm.wgsl",
        entry: "norm_grad_param",
        constants,
        buffers,
        grid,
    }
}

/// The pieces added up.
fn grad_sum(op: &NormGrad, pieces: Pieces, cx: &mut Lowering) -> Pass {
    let grid = fold(blocks(op.shape.c));
    let partials = pieces.partials(op.shape.c, cx);
    let mut constants = vec![
        ("C", op.shape.c.into()),
        ("PIECES", pieces.count.into()),
        ("GRID_X", grid[0].into()),
    ];
    let grads = gradients(op, &mut constants, cx);
    Pass {
        shader: "norm.wgsl",
        entry: "norm_grad_sum",
        constants,
        buffers: vec![Binding::read("partials", partials), grads],
        grid,
    }
}

fn grad_input(op: &NormGrad, to: InputGrad, pieces: Pieces, cx: &mut Lowering) -> Pass {
    let tile = Tile::new(op.shape.c);
    let turns = windows(op.shape).div_ceil(tile.turns());
    let (per, grid) = tile.windows(turns, Some(pieces.count), cx.class);
    let (mut constants, mut buffers) = common(op, pieces, tile, grid, cx);
    constants.extend([
        ("PER", per.into()),
        ("GRAD_X_STRIDE", cx.stride(to.dx).into()),
        ("GATE", to.gate.into()),
        ("ACCUMULATE_X", to.accumulate.into()),
    ]);
    buffers.push(gradients(op, &mut constants, cx));
    buffers.push(Binding::write("grad_x", to.dx));
    buffers.extend(pieces.left_by_another(op.shape.c, cx));
    Pass {
        shader: "norm.wgsl",
        entry: "norm_grad_input",
        constants,
        buffers,
        grid,
    }
}

/// Constants and buffers of the kernels that read x and dout.
fn common(
    op: &NormGrad,
    pieces: Pieces,
    tile: Tile,
    grid: [u32; 2],
    cx: &Lowering,
) -> (Vec<(&'static str, Constant)>, Vec<Binding>) {
    let s = op.shape;
    let mut constants = shape(s);
    constants.extend([
        ("X_STRIDE", cx.stride(op.x).into()),
        ("OUT_STRIDE", cx.stride(op.dout).into()),
        ("PARAM_STRIDE", cx.stride(op.gamma.tensor).into()),
        ("GAMMA", op.gamma.offset.into()),
        ("EPSILON", op.epsilon.into()),
        ("PIECES", pieces.count.into()),
        ("LANES", tile.lanes.into()),
        ("TREE", tile.tree().into()),
        ("GRID_X", grid[0].into()),
    ]);
    let buffers = vec![
        Binding::read("x", op.x),
        Binding::read("stats", op.batch_stats),
        Binding::read("params", op.gamma.tensor),
        Binding::read("dout", op.dout),
    ];
    (constants, buffers)
}

/// The gradients of gamma and beta.
fn gradients(op: &NormGrad, constants: &mut Vec<(&'static str, Constant)>, cx: &Lowering) -> Binding {
    let grads = row([op.gamma_grad, op.beta_grad]);
    constants.extend([
        ("GRAD_STRIDE", cx.stride(grads).into()),
        ("GAMMA_GRAD", op.gamma_grad.offset.into()),
        ("BETA_GRAD", op.beta_grad.offset.into()),
        ("ACCUMULATE", op.accumulate.into()),
    ]);
    Binding::write("grads", grads)
}

/// How the threads of a workgroup are arranged: `lanes` blocks of channels side by side, and several rows of them.
#[derive(Clone, Copy)]
struct Tile {
    lanes: usize,
    /// Number of tiles for all channels.
    count: usize,
}

impl Tile {
    /// Enough neighbours to read whole cache lines even if a block is one channel.
    const MAX_LANES: usize = 64;

    fn new(channels: usize) -> Tile {
        let blocks = blocks(channels);
        let lanes = blocks.div_ceil(blocks.div_ceil(Tile::MAX_LANES));
        Tile {
            lanes,
            count: blocks.div_ceil(lanes),
        }
    }

    /// Windows per thread, which loads or computes the statistics of its channels once for all of them; and the grid for so
    /// many turns. Each workgroup merges the statistics of all parts of the rows, or computes those of a single one.
    fn windows(self, turns: usize, parts: Option<usize>, class: AdapterClass) -> (usize, [u32; 2]) {
        let busy = turns * self.count * THREADS / (2 * class.busy_threads());
        let per = match parts {
            Some(1) => turns,
            Some(_) => busy.clamp(1, 32),
            None => busy.clamp(1, 8),
        };
        (per, fold(turns.div_ceil(per) * self.count))
    }

    /// Rows of x at a time.
    fn turns(self) -> usize {
        THREADS / self.lanes
    }

    /// First distance of the tree that adds up the turns.
    fn tree(self) -> usize {
        self.turns().next_power_of_two() / 2
    }
}

/// How the rows are split into pieces.
#[derive(Clone, Copy)]
struct Pieces {
    count: usize,
    rows: usize,
}

impl Pieces {
    /// Rows per thread: fewest that are worth writing out their sums, and most that keep the rounding error small.
    const MIN_EACH: usize = 8;
    const MAX_EACH: usize = 128;

    fn new(rows: usize, tile: Tile, class: AdapterClass) -> Pieces {
        let pieces = (class.busy_threads() / (THREADS * tile.count)).max(1);
        let each = rows
            .div_ceil(pieces * tile.turns())
            .clamp(Pieces::MIN_EACH, Pieces::MAX_EACH);
        // Each thread of norm_stats takes eight rows at a time.
        let rows_each = each.next_multiple_of(8) * tile.turns();
        Pieces {
            count: rows.div_ceil(rows_each),
            rows: rows_each,
        }
    }

    /// Grid and constants of a pass that leaves the moments of each piece.
    fn constants(self, channels: usize) -> ([u32; 2], Vec<(&'static str, Constant)>) {
        let tile = Tile::new(channels);
        let grid = fold(self.count * tile.count);
        let constants = vec![
            ("C", channels.into()),
            ("ROWS", self.rows.into()),
            ("PIECES", self.count.into()),
            ("LANES", tile.lanes.into()),
            ("TREE", tile.tree().into()),
            ("GRID_X", grid[0].into()),
        ];
        (grid, constants)
    }

    /// Two sums of each channel for each piece.
    fn partials(self, channels: usize, cx: &mut Lowering) -> TensorId {
        cx.scratch("partials", self.count * 2 * channels)
    }

    /// What another pass has left of several pieces.
    fn left_by_another(self, channels: usize, cx: &mut Lowering) -> Option<Binding> {
        (self.count > 1).then(|| Binding::read("partials", self.partials(channels, cx)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_the_rows() {
        for channels in [1, 3, 4, 16, 33, 64, 130, 255, 256, 1936, 1937] {
            let tile = Tile::new(channels);
            assert!(tile.lanes * tile.count >= blocks(channels) && tile.lanes * (tile.count - 1) < blocks(channels));
            assert!(
                tile.tree() < tile.turns() && 2 * tile.tree() >= tile.turns() || tile.turns() == 1,
                "{channels}"
            );
            for rows in [1, 2, 32, 1000, 89_888, 10_000_000] {
                for class in [AdapterClass::Gpu, AdapterClass::Software] {
                    let pieces = Pieces::new(rows, tile, class);
                    assert!(pieces.count * pieces.rows >= rows && (pieces.count - 1) * pieces.rows < rows);
                }
            }
        }
    }
}
