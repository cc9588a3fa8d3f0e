//! Where branches of a network meet: each thread computes one value, or four.

use super::{Lowering, fold, lane};
use crate::device::gpu::{Binding, Pass};
use crate::plan::{AddForward, ChannelCopy};

const THREADS: usize = 256;

/// out = a + b.
pub fn add(op: &AddForward, cx: &mut Lowering) -> Vec<Pass> {
    let lane = lane(&[op.len]);
    let grid = fold((op.len / lane).div_ceil(THREADS));
    let twice = op.a == op.b;
    let mut constants = vec![
        ("LEN", op.len.into()),
        ("LANE", lane.into()),
        ("TWICE", twice.into()),
        ("A_STRIDE", cx.stride(op.a).into()),
        ("OUT_STRIDE", cx.stride(op.out).into()),
        ("GRID_X", grid[0].into()),
    ];
    let mut buffers = vec![Binding::read("a", op.a)];
    if !twice {
        constants.push(("B_STRIDE", cx.stride(op.b).into()));
        buffers.push(Binding::read("b", op.b));
    }
    buffers.push(Binding::write("out", op.out));
    vec![Pass {
        shader: "channels.wgsl",
        entry: "add_forward",
        constants,
        buffers,
        grid,
    }]
}

/// to[r, to_first + c] = from[r, from_first + c], gated and added if asked.
pub fn copy(op: &ChannelCopy, cx: &mut Lowering) -> Vec<Pass> {
    let sizes = [
        op.channels,
        op.from_channels,
        op.from_first,
        op.to_channels,
        op.to_first,
    ];
    let lane = lane(&sizes);
    let grid = fold((op.rows * op.channels / lane).div_ceil(THREADS));
    let mut constants = vec![
        ("ROWS", op.rows.into()),
        ("CHANNELS", op.channels.into()),
        ("LANE", lane.into()),
        ("FROM_C", op.from_channels.into()),
        ("FROM_FIRST", op.from_first.into()),
        ("FROM_STRIDE", cx.stride(op.from).into()),
        ("TO_C", op.to_channels.into()),
        ("TO_FIRST", op.to_first.into()),
        ("TO_STRIDE", cx.stride(op.to).into()),
        ("GATE", op.gate.is_some().into()),
        ("ACCUMULATE", op.accumulate.into()),
        ("GRID_X", grid[0].into()),
    ];
    let mut buffers = vec![
        Binding::read("from_values", op.from),
        Binding::write("to_values", op.to),
    ];
    if let Some(gate) = op.gate {
        constants.push(("GATE_STRIDE", cx.stride(gate).into()));
        buffers.push(Binding::read("gate", gate));
    }
    vec![Pass {
        shader: "channels.wgsl",
        entry: "channel_copy",
        constants,
        buffers,
        grid,
    }]
}
