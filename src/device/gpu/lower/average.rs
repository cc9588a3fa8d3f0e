//! The moving average of the weights: one thread per value.

use super::{Lowering, fold};
use crate::device::gpu::{Binding, Pass};
use crate::plan::{Average, state};

/// average += (1 - decay) ([params, stats] - average), or back to the average that was kept with the last good weights.
pub fn average(op: &Average, cx: &mut Lowering) -> Vec<Pass> {
    let grid = fold((op.param_stride + op.stat_stride).div_ceil(256));
    vec![Pass {
        shader: "average.wgsl",
        entry: "average_weights",
        constants: vec![
            ("PARAM_STRIDE", op.param_stride.into()),
            ("STAT_STRIDE", op.stat_stride.into()),
            ("STATE_WORDS", cx.stride(op.state).into()),
            ("VERDICT", state::VERDICT.into()),
            ("TAKE", state::TAKE.into()),
            ("RESTORE", state::RESTORE.into()),
            ("KEEP", state::KEEP.into()),
            ("DECAY", op.decay.into()),
            ("GRID_X", grid[0].into()),
        ],
        buffers: vec![
            Binding::read("state", op.state),
            Binding::read("params", op.params),
            Binding::read("stats", op.stats),
            Binding::write("average", op.average),
            Binding::write("good_average", op.good_average),
        ],
        grid,
    }]
}
