//! Activations as layers of their own: each thread computes one value, or four.

use super::{Lowering, fold, lane};
use crate::device::gpu::{Binding, Constant, Pass};
use crate::plan::{Activation, ActivationForward, ActivationGradInput, LEAKY_SLOPE};

const THREADS: usize = 256;

/// out = f(x).
pub fn forward(op: &ActivationForward, cx: &mut Lowering) -> Vec<Pass> {
    let lane = lane(&[op.len]);
    let grid = fold((op.len / lane).div_ceil(THREADS));
    let mut constants = function(op.activation);
    constants.extend([
        ("LEN", op.len.into()),
        ("LANE", lane.into()),
        ("X_STRIDE", cx.stride(op.x).into()),
        ("OUT_STRIDE", cx.stride(op.out).into()),
        ("GRID_X", grid[0].into()),
    ]);
    vec![Pass {
        shader: "activation.wgsl",
        entry: "activation_forward",
        constants,
        buffers: vec![Binding::read("x", op.x), Binding::write("out", op.out)],
        grid,
    }]
}

/// The gradient of x: dout f'(x).
pub fn grad_input(op: &ActivationGradInput, cx: &mut Lowering) -> Vec<Pass> {
    let lane = lane(&[op.len]);
    let grid = fold((op.len / lane).div_ceil(THREADS));
    let mut constants = function(op.activation);
    constants.extend([
        ("LEN", op.len.into()),
        ("LANE", lane.into()),
        ("X_STRIDE", cx.stride(op.x).into()),
        ("OUT_STRIDE", cx.stride(op.dout).into()),
        ("GRAD_X_STRIDE", cx.stride(op.dx).into()),
        ("GATE", op.gate.into()),
        ("ACCUMULATE", op.accumulate.into()),
        ("GRID_X", grid[0].into()),
    ]);
    vec![Pass {
        shader: "activation.wgsl",
        entry: "activation_grad_input",
        constants,
        buffers: vec![
            Binding::read("x", op.x),
            Binding::read("dout", op.dout),
            Binding::write("grad_x", op.dx),
        ],
        grid,
    }]
}

/// The constants that choose f.
fn function(activation: Activation) -> Vec<(&'static str, Constant)> {
    let is = |f| Constant::from(activation == f);
    let mut constants = vec![
        ("LINEAR", is(Activation::Linear)),
        ("RELU", is(Activation::Relu)),
        ("LEAKY_RELU", is(Activation::LeakyRelu)),
        ("SILU", is(Activation::Silu)),
    ];
    match activation {
        Activation::LeakyRelu => constants.push(("SLOPE", LEAKY_SLOPE.into())),
        Activation::Linear | Activation::Relu | Activation::Silu => {}
    }
    constants
}
