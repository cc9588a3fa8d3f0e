//! The mini-batch: a thread a pixel.

use super::{Lowering, fold};
use crate::gpu::{Binding, Pass};
use crate::plan::{Gather, state};

/// x[b] = flip(pool[draw], code), y[b] = labels[draw].
pub fn gather(op: &Gather, cx: &mut Lowering) -> Vec<Pass> {
    let grid = fold((op.batch * op.h * op.w).div_ceil(256));
    vec![Pass {
        shader: "gather.wgsl",
        entry: "gather",
        constants: vec![
            ("BATCH", op.batch.into()),
            ("H", op.h.into()),
            ("W", op.w.into()),
            ("C", op.c.into()),
            ("X_STRIDE", cx.stride(op.x).into()),
            ("DRAWS_STRIDE", cx.stride(op.draws).into()),
            ("STATE_WORDS", cx.stride(op.state).into()),
            ("CURSOR", state::CURSOR.into()),
            ("GRID_X", grid[0].into()),
        ],
        buffers: vec![
            Binding::read("pool", op.pool),
            Binding::read("pool_labels", op.pool_labels),
            Binding::read("draws", op.draws),
            Binding::read("state", op.state),
            Binding::write("x", op.x),
            Binding::write("y", op.y),
        ],
        grid,
    }]
}
