//! Batch norm: pieces and grids of the kernels in `shaders/norm.wgsl`.

use super::pool::{all_windows, blocks, shape};
use super::{AdapterClass, Lowering, fold, row};
use crate::device::gpu::{Binding, Constant, Pass};
use crate::plan::{
    NormForward, NormGradInput, NormGradParam, NormStats, PoolShape, Slice, StatsSource, StepTable, TensorId, schedule,
    state,
};

const THREADS: usize = 256;

/// Mean and biased variance of the batch, computed in pieces and merged; then the running statistics.
pub fn stats(op: &NormStats, cx: &mut Lowering) -> Vec<Pass> {
    let tile = Tile::new(op.channels);
    let pieces = Pieces::new(op.rows, tile, cx.class);
    let partials = cx.scratch("partials", pieces.count * 2 * op.channels);
    let [batch_stride, stat_stride] = [op.batch_stats, op.next].map(|tensor| cx.stride(tensor));
    assert_eq!(
        batch_stride,
        2 * op.channels,
        "batch statistics are a mean and a variance per channel"
    );
    let common = [
        ("C", op.channels.into()),
        ("ROWS", pieces.rows.into()),
        ("ALL_ROWS", op.rows.into()),
        ("PIECES", pieces.count.into()),
    ];

    let grid = fold(pieces.count * tile.count);
    let constants = [
        ("X_STRIDE", cx.stride(op.x).into()),
        ("LANES", tile.lanes.into()),
        ("TREE", tile.tree().into()),
        ("GRID_X", grid[0].into()),
    ];
    let piece = Pass {
        shader: "norm.wgsl",
        entry: "norm_stats",
        constants: [&common[..], &constants].concat(),
        buffers: vec![Binding::read("x", op.x), Binding::write("partials", partials)],
        grid,
    };

    let grid = fold(blocks(op.channels));
    // The second pass of a step updates the running statistics of the first: one buffer, bound once.
    let first = op.before != op.next;
    let constants = [
        ("STAT_STRIDE", stat_stride.into()),
        ("MEAN", op.mean_offset.into()),
        ("VARIANCE", op.variance_offset.into()),
        ("MOMENTUM", op.momentum.into()),
        ("FIRST", first.into()),
        ("GRID_X", grid[0].into()),
    ];
    let (fixable, step_table) = fixable(op.fixable, cx);
    let mut buffers = vec![
        Binding::read("partials", partials),
        Binding::write("batch_stats", op.batch_stats),
    ];
    if first {
        buffers.push(Binding::read("before", op.before));
    }
    buffers.push(Binding::write("next", op.next));
    buffers.extend(step_table);
    let sum = Pass {
        shader: "norm.wgsl",
        entry: "norm_stats_sum",
        constants: [&common[..], &constants, &fixable].concat(),
        buffers,
        grid,
    };
    vec![piece, sum]
}

/// out = maxpool(gamma (x - mean) / sqrt(variance + epsilon) + beta).
pub fn forward(op: &NormForward, cx: &mut Lowering) -> Vec<Pass> {
    let s = op.shape;
    let tile = Tile::new(s.c);
    let turns = (s.batch * s.out_h() * s.out_w()).div_ceil(tile.turns());
    // Windows per thread, which loads the statistics of its channels once for all of them.
    let per = (turns * tile.count * THREADS / (2 * cx.class.busy_threads())).clamp(1, 8);
    row([op.gamma, op.beta]);
    let norm = Norm {
        shape: s,
        epsilon: op.epsilon,
        x: op.x,
        source: op.source,
        gamma: op.gamma,
        out: op.out,
    };
    let grid = fold(turns.div_ceil(per) * tile.count);
    let constants = [
        ("BETA", op.beta.offset.into()),
        ("LANES", tile.lanes.into()),
        ("PER", per.into()),
        ("GRID_X", grid[0].into()),
    ];
    vec![norm.pass("norm_forward", &constants, &[Binding::write("out", op.out)], grid, cx)]
}

/// Sums of dz and dz xhat, computed in pieces and added up: the gradients of beta and gamma.
pub fn grad_param(op: &NormGradParam, cx: &mut Lowering) -> Vec<Pass> {
    let s = op.shape;
    let tile = Tile::new(s.c);
    let pieces = Pieces::new(s.batch * s.out_h() * s.out_w(), tile, cx.class);
    let partials = cx.scratch("partials", pieces.count * 2 * s.c);
    let source = StatsSource::Batch(op.batch_stats);
    let norm = Norm {
        shape: s,
        epsilon: op.epsilon,
        x: op.x,
        source,
        gamma: op.gamma,
        out: op.dout,
    };

    let grid = fold(pieces.count * tile.count);
    let constants = [
        ("ROWS", pieces.rows.into()),
        ("PIECES", pieces.count.into()),
        ("LANES", tile.lanes.into()),
        ("TREE", tile.tree().into()),
        ("GRID_X", grid[0].into()),
    ];
    let buffers = [Binding::read("dout", op.dout), Binding::write("partials", partials)];
    let piece = norm.pass("norm_grad_param", &constants, &buffers, grid, cx);

    let grads = row([op.gamma_grad, op.beta_grad]);
    let grid = fold(blocks(s.c));
    let (mut constants, step_table) = fixable(op.fixable, cx);
    constants.extend([
        ("C", s.c.into()),
        ("PIECES", pieces.count.into()),
        ("GRAD_STRIDE", cx.stride(grads).into()),
        ("GAMMA", op.gamma_grad.offset.into()),
        ("BETA", op.beta_grad.offset.into()),
        ("ACCUMULATE", op.accumulate.into()),
        ("GRID_X", grid[0].into()),
    ]);
    let mut buffers = vec![
        Binding::read("partials", partials),
        Binding::write("sums", op.sums),
        Binding::write("grads", grads),
    ];
    buffers.extend(step_table);
    let sum = Pass {
        shader: "norm.wgsl",
        entry: "norm_grad_sum",
        constants,
        buffers,
        grid,
    };
    vec![piece, sum]
}

/// Constants and bindings of a kernel that the table of the steps can tell to fix the statistics.
fn fixable(table: Option<StepTable>, cx: &mut Lowering) -> (Vec<(&'static str, Constant)>, Vec<Binding>) {
    let Some(StepTable { schedule, state }) = table else {
        return (vec![("FIXABLE", false.into())], vec![]);
    };
    let constants = vec![
        ("FIXABLE", true.into()),
        ("STATE_WORDS", cx.stride(state).into()),
        ("CURSOR", state::CURSOR.into()),
        ("SCHEDULE_WIDTH", schedule::WIDTH.into()),
        ("FIX_STATISTICS", schedule::FIX_STATISTICS.into()),
    ];
    (
        constants,
        vec![Binding::read("schedule", schedule), Binding::read("state", state)],
    )
}

/// The gradient of x: gamma / sqrt(variance + epsilon) (dz - (dbeta + xhat dgamma) / rows).
pub fn grad_input(op: &NormGradInput, cx: &mut Lowering) -> Vec<Pass> {
    let source = StatsSource::Batch(op.batch_stats);
    let norm = Norm {
        shape: op.shape,
        epsilon: op.epsilon,
        x: op.x,
        source,
        gamma: op.gamma,
        out: op.dout,
    };
    let grid = fold(all_windows(op.shape).div_ceil(THREADS));
    let constants = [
        ("GRAD_X_STRIDE", cx.stride(op.dx).into()),
        ("GATE", op.gate.into()),
        ("ACCUMULATE", op.accumulate.into()),
        ("GRID_X", grid[0].into()),
    ];
    let buffers = [
        Binding::read("dout", op.dout),
        Binding::read("sums", op.sums),
        Binding::write("grad_x", op.dx),
    ];
    vec![norm.pass("norm_grad_input", &constants, &buffers, grid, cx)]
}

/// What all kernels that normalise need.
struct Norm {
    shape: PoolShape,
    epsilon: f32,
    x: TensorId,
    source: StatsSource,
    gamma: Slice,
    /// The pooled output, or its gradient.
    out: TensorId,
}

impl Norm {
    fn pass(
        &self,
        entry: &'static str,
        constants: &[(&'static str, Constant)],
        buffers: &[Binding],
        grid: [u32; 2],
        cx: &Lowering,
    ) -> Pass {
        let (stats, mean, variance) = match self.source {
            StatsSource::Batch(stats) => (stats, 0, self.shape.c),
            StatsSource::Running {
                stats,
                mean_offset,
                variance_offset,
            } => (stats, mean_offset, variance_offset),
        };
        let params = self.gamma.tensor;
        let common = [
            ("X_STRIDE", cx.stride(self.x).into()),
            ("OUT_STRIDE", cx.stride(self.out).into()),
            ("STAT_STRIDE", cx.stride(stats).into()),
            ("MEAN", mean.into()),
            ("VARIANCE", variance.into()),
            ("PARAM_STRIDE", cx.stride(params).into()),
            ("GAMMA", self.gamma.offset.into()),
            ("EPSILON", self.epsilon.into()),
        ];
        let common_buffers = [
            Binding::read("x", self.x),
            Binding::read("stats", stats),
            Binding::read("params", params),
        ];
        Pass {
            shader: "norm.wgsl",
            entry,
            constants: [&shape(self.shape), &common[..], constants].concat(),
            buffers: [&common_buffers, buffers].concat(),
            grid,
        }
    }
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
