//! Max pooling without a norm before it: each thread computes one window.

use super::{Lowering, fold};
use crate::device::gpu::{Binding, Constant, Pass};
use crate::plan::{PoolForward, PoolGradInput, PoolShape};

/// out = the largest value of each window.
pub fn forward(op: &PoolForward, cx: &mut Lowering) -> Vec<Pass> {
    let s = op.shape;
    let grid = fold((s.batch * s.out_h() * s.out_w() * blocks(s.c)).div_ceil(256));
    let mut constants = shape(s);
    constants.extend([
        ("X_STRIDE", cx.stride(op.x).into()),
        ("OUT_STRIDE", cx.stride(op.out).into()),
        ("GRID_X", grid[0].into()),
    ]);
    let buffers = vec![Binding::read("x", op.x), Binding::write("out", op.out)];
    vec![Pass {
        shader: "pool.wgsl",
        entry: "pool_forward",
        constants,
        buffers,
        grid,
    }]
}

/// The gradient of x: dout at the first largest value of each window, else 0. Windows of the remainder count too.
pub fn grad_input(op: &PoolGradInput, cx: &mut Lowering) -> Vec<Pass> {
    let s = op.shape;
    let grid = fold((windows(s) * blocks(s.c)).div_ceil(256));
    let mut constants = shape(s);
    constants.extend([
        ("X_STRIDE", cx.stride(op.x).into()),
        ("OUT_STRIDE", cx.stride(op.dout).into()),
        ("GRAD_X_STRIDE", cx.stride(op.dx).into()),
        ("GATE", op.gate.into()),
        ("ACCUMULATE", op.accumulate.into()),
        ("GRID_X", grid[0].into()),
    ]);
    let buffers = vec![
        Binding::read("x", op.x),
        Binding::read("dout", op.dout),
        Binding::write("grad_x", op.dx),
    ];
    vec![Pass {
        shader: "pool.wgsl",
        entry: "pool_grad_input",
        constants,
        buffers,
        grid,
    }]
}

/// Sizes of images and windows.
pub fn shape(s: PoolShape) -> Vec<(&'static str, Constant)> {
    vec![
        ("BATCH", s.batch.into()),
        ("H", s.h.into()),
        ("W", s.w.into()),
        ("C", s.c.into()),
        ("POOL", s.pool.into()),
        ("OUT_H", s.out_h().into()),
        ("OUT_W", s.out_w().into()),
    ]
}

/// Number of windows, the remainder included.
pub fn windows(s: PoolShape) -> usize {
    s.batch * s.h.div_ceil(s.pool) * s.w.div_ceil(s.pool)
}

/// Number of blocks of channels, as defined in `shaders/shared/channels.wgsl`.
pub fn blocks(channels: usize) -> usize {
    if channels.is_multiple_of(4) {
        channels / 4
    } else {
        channels
    }
}
