//! Average pooling: several threads share a large window.

use super::pool::blocks;
use super::{Lowering, fold};
use crate::device::gpu::{Binding, Constant, Pass};
use crate::plan::{AveragePoolForward, AveragePoolGradInput, AverageShape};

const THREADS: usize = 256;

/// out = mean of each window.
pub fn forward(op: &AveragePoolForward, cx: &mut Lowering) -> Vec<Pass> {
    let s = op.shape;
    let turns = turns(s);
    let outputs = s.batch * s.out_h() * s.out_w() * blocks(s.c);
    let grid = fold(outputs.div_ceil(THREADS / turns));
    let mut constants = shape(s);
    constants.extend([
        ("TURNS", turns.into()),
        ("X_STRIDE", cx.stride(op.x).into()),
        ("OUT_STRIDE", cx.stride(op.out).into()),
        ("GRID_X", grid[0].into()),
    ]);
    vec![Pass {
        shader: "average_pool.wgsl",
        entry: "average_pool_forward",
        constants,
        buffers: vec![Binding::read("x", op.x), Binding::write("out", op.out)],
        grid,
    }]
}

/// The gradient of x: dout of the window / (window_h window_w), 0 in the remainder.
pub fn grad_input(op: &AveragePoolGradInput, cx: &mut Lowering) -> Vec<Pass> {
    let s = op.shape;
    let grid = fold((s.batch * s.h * s.w * blocks(s.c)).div_ceil(THREADS));
    let mut constants = shape(s);
    constants.extend([
        ("OUT_STRIDE", cx.stride(op.dout).into()),
        ("GRAD_X_STRIDE", cx.stride(op.dx).into()),
        ("GATE", op.gate.into()),
        ("ACCUMULATE", op.accumulate.into()),
        ("GRID_X", grid[0].into()),
    ]);
    let mut buffers = vec![Binding::read("dout", op.dout), Binding::write("grad_x", op.dx)];
    if op.gate {
        constants.push(("X_STRIDE", cx.stride(op.x).into()));
        buffers.push(Binding::read("x", op.x));
    }
    vec![Pass {
        shader: "average_pool.wgsl",
        entry: "average_pool_grad_input",
        constants,
        buffers,
        grid,
    }]
}

/// Threads that share a window: one for about eight of its values, but so few that neighbouring threads still read up to
/// sixteen neighbouring blocks of channels. A power of two, for the tree that adds their sums.
fn turns(s: AverageShape) -> usize {
    let most = THREADS / blocks(s.c).min(16).next_power_of_two();
    (s.window_h * s.window_w / 8).max(1).next_power_of_two().min(most)
}

fn shape(s: AverageShape) -> Vec<(&'static str, Constant)> {
    vec![
        ("BATCH", s.batch.into()),
        ("H", s.h.into()),
        ("W", s.w.into()),
        ("C", s.c.into()),
        ("WINDOW_H", s.window_h.into()),
        ("WINDOW_W", s.window_w.into()),
        ("OUT_H", s.out_h().into()),
        ("OUT_W", s.out_w().into()),
    ]
}
