//! Batch norm: pieces and grids of the kernels in `shaders/norm.wgsl`.

use super::pool::{blocks, shape, windows};
use super::{AdapterClass, Lowering, fold, row};
use crate::device::gpu::{Binding, Constant, Pass};
use crate::plan::{InputGrad, NormForward, NormGrad, StatsSource, TensorId};

const THREADS: usize = 256;

/// out = maxpool(gamma (x - mean) / sqrt(variance + epsilon) + beta). In training, mean and biased variance of the batch
/// and the running statistics first: of few rows in the same pass, else in pieces that another pass has left.
pub fn forward(op: &NormForward, cx: &mut Lowering) -> Vec<Pass> {
    let pieces = Pieces::new(op.shape.rows(), Tile::new(op.shape.c), cx.class);
    let apply = apply(op, pieces, cx);
    match op.source {
        StatsSource::Batch(_) if pieces.count > 1 => vec![stats(op, pieces, cx), apply],
        StatsSource::Batch(_) | StatsSource::Running(_) => vec![apply],
    }
}

/// Mean and M2 of each piece of the rows.
fn stats(op: &NormForward, pieces: Pieces, cx: &mut Lowering) -> Pass {
    let tile = Tile::new(op.shape.c);
    let partials = pieces.partials(op.shape.c, cx);
    let grid = fold(pieces.count * tile.count);
    Pass {
        shader: "norm.wgsl",
        entry: "norm_stats",
        constants: vec![
            ("BATCH", op.shape.batch.into()),
            ("H", op.shape.h.into()),
            ("W", op.shape.w.into()),
            ("C", op.shape.c.into()),
            ("X_STRIDE", cx.stride(op.x).into()),
            ("ROWS", pieces.rows.into()),
            ("PIECES", pieces.count.into()),
            ("LANES", tile.lanes.into()),
            ("TREE", tile.tree().into()),
            ("GRID_X", grid[0].into()),
        ],
        buffers: vec![Binding::read("x", op.x), Binding::write("partials", partials)],
        grid,
    }
}

/// The output, with the statistics of the batch if they are to be finished or computed first.
fn apply(op: &NormForward, pieces: Pieces, cx: &mut Lowering) -> Pass {
    let s = op.shape;
    let is_batch = matches!(op.source, StatsSource::Batch(_));
    let tile = Tile::new(s.c);
    let params = row([op.gamma, op.beta]);
    let turns = (s.batch * s.out_h() * s.out_w()).div_ceil(tile.turns());
    let (per, grid) = tile.windows(turns, is_batch.then_some(pieces), cx.class);
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
                ("PIECES", pieces.count.into()),
                ("TREE", tile.tree().into()),
                ("STAT_STRIDE", cx.stride(to.next).into()),
                ("MOMENTUM", op.momentum.into()),
                ("FIRST", first.into()),
            ]);
            if pieces.count > 1 {
                constants.push(("ROWS", pieces.rows.into()));
            }
            buffers.extend([Binding::write("batch_stats", to.batch), Binding::write("next", to.next)]);
            buffers.extend(pieces.left_by_another(s.c, cx));
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
    let (per, grid) = tile.windows(turns, Some(pieces), cx.class);
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
    /// many turns. A single piece of rows is the work of one workgroup.
    fn windows(self, turns: usize, pieces: Option<Pieces>, class: AdapterClass) -> (usize, [u32; 2]) {
        let busy = turns * self.count * THREADS / (2 * class.busy_threads());
        let per = match pieces {
            Some(Pieces { count: 1, .. }) => turns,
            // Each workgroup merges the pieces again.
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

    /// Two values of each channel for each piece.
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
