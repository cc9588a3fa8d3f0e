//! The mini-batch: one thread per pixel.

use super::{Lowering, fold};
use crate::device::gpu::{Binding, Pass};
use crate::plan::{Gather, bands, state};

/// x[b] = noisy(shift(flip(pool[draw], code))), y[b] = labels[draw].
pub fn gather(op: &Gather, cx: &mut Lowering) -> Vec<Pass> {
    let grid = fold((op.batch * op.h * op.w).div_ceil(256));
    let mut buffers = vec![
        Binding::read("pool", op.pool),
        Binding::read("pool_labels", op.pool_labels),
        Binding::read("draws", op.draws),
        Binding::read("state", op.state),
        Binding::write("x", op.x),
        Binding::write("y", op.y),
    ];
    let mut constants = vec![
        ("BATCH", op.batch.into()),
        ("H", op.h.into()),
        ("W", op.w.into()),
        ("C", op.c.into()),
        ("X_STRIDE", cx.stride(op.x).into()),
        ("DRAWS_STRIDE", cx.stride(op.draws).into()),
        ("STATE_WORDS", cx.stride(op.state).into()),
        ("CURSOR", state::CURSOR.into()),
        ("SHIFT", op.shift.into()),
        ("NOISY", op.noise.into()),
        ("GRID_X", grid[0].into()),
    ];
    if op.bands.is_some() {
        constants.extend([("KEY", state::KEY.into()), ("MASKED", bands::MASKED.into())]);
    }
    if op.shift > 0 {
        constants.push(("SHIFT_PLACE", Gather::SHIFT_PLACE.into()));
    }
    if op.noise {
        constants.extend([
            ("BYTES_MEAN", Gather::BYTES_MEAN.into()),
            ("NOISE", bands::NOISE.into()),
        ]);
    }
    buffers.extend(op.bands.map(|bands| Binding::read("bands", bands)));
    vec![Pass {
        shader: "gather.wgsl",
        entry: "gather",
        constants,
        buffers,
        grid,
    }]
}
