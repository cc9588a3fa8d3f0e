//! The two heads and the loss: one workgroup per image in the forward pass, one per member in the loss.

use super::{Lowering, fold, row};
use crate::device::gpu::{Binding, Constant, Pass};
use crate::likelihood::Likelihood;
use crate::plan::{
    HeadsForward, HeadsGradInput, HeadsGradWeight, HeadsLoss, MeanOutput, NO_LABEL, VarOutput, schedule, state,
};

/// How mu and var follow from a and b.
fn outputs(mean: MeanOutput, var: VarOutput) -> Vec<(&'static str, Constant)> {
    let mut constants = vec![
        ("ABS_MEAN", (mean == MeanOutput::Abs).into()),
        ("BOUNDED_MEAN", matches!(mean, MeanOutput::Bounded { .. }).into()),
        ("VAR_LIMITED", var.ceiling.is_some().into()),
    ];
    if let MeanOutput::Bounded { low, high, margin } = mean {
        constants.extend([("LOW", low.into()), ("HIGH", high.into()), ("MARGIN", margin.into())]);
    }
    if let Some(ceiling) = var.ceiling {
        constants.push(("VAR_CEILING", ceiling.into()));
    }
    constants
}

/// a, b, and the prediction mu, var.
pub fn forward(op: &HeadsForward, cx: &mut Lowering) -> Vec<Pass> {
    let params = row([op.mean_kernel, op.mean_bias, op.var_kernel, op.var_bias]);
    let grid = fold(op.batch);
    let mut constants = outputs(op.mean, op.var);
    constants.extend([
        ("VAR_FLOOR", op.var.floor.into()),
        ("BATCH", op.batch.into()),
        ("INPUTS", op.inputs.into()),
        ("X_STRIDE", cx.stride(op.x).into()),
        ("PARAM_STRIDE", cx.stride(params).into()),
        ("MEAN_KERNEL", op.mean_kernel.offset.into()),
        ("MEAN_BIAS", op.mean_bias.offset.into()),
        ("VAR_KERNEL", op.var_kernel.offset.into()),
        ("VAR_BIAS", op.var_bias.offset.into()),
        ("GRID_X", grid[0].into()),
    ]);
    vec![Pass {
        shader: "heads.wgsl",
        entry: "heads_forward",
        constants,
        buffers: vec![
            Binding::read("x", op.x),
            Binding::read("params", params),
            Binding::write("raw", op.raw),
            Binding::write("prediction", op.prediction),
        ],
        grid,
    }]
}

/// The loss, and its derivatives with respect to a and b.
pub fn loss(op: &HeadsLoss, cx: &mut Lowering) -> Vec<Pass> {
    let student_t = match op.likelihood {
        Likelihood::StudentT => true,
        // A log-normal label arrives as its logarithm.
        Likelihood::Gaussian | Likelihood::LogNormal => false,
    };
    let mut constants = outputs(op.mean, op.var);
    constants.extend([
        ("BATCH", op.batch.into()),
        ("STUDENT_T", student_t.into()),
        ("WEIGHTED", (op.beta != 0.0).into()),
        ("UNLABELLED", op.unlabelled.into()),
        ("STATE_WORDS", cx.stride(op.state).into()),
        ("CURSOR", state::CURSOR.into()),
        ("SCHEDULE_WIDTH", schedule::WIDTH.into()),
        ("FIT_MEAN", schedule::FIT_MEAN.into()),
    ]);
    if op.unlabelled {
        constants.push(("NO_LABEL", NO_LABEL.into()));
    }
    if op.beta != 0.0 {
        constants.push(("BETA", op.beta.into()));
    }
    vec![Pass {
        shader: "heads.wgsl",
        entry: "heads_loss",
        constants,
        buffers: vec![
            Binding::read("raw", op.raw),
            Binding::read("prediction", op.prediction),
            Binding::read("y", op.y),
            Binding::read("schedule", op.schedule),
            Binding::read("state", op.state),
            Binding::write("raw_grad", op.raw_grad),
            Binding::write("loss", op.loss),
        ],
        grid: [1, 1],
    }]
}

/// The gradient of x: raw_grad[b,0] mean.kernel[i] + raw_grad[b,1] var.kernel[i].
pub fn grad_input(op: &HeadsGradInput, cx: &mut Lowering) -> Vec<Pass> {
    let params = row([op.mean_kernel, op.var_kernel]);
    let grid = fold((op.batch * op.inputs).div_ceil(64));
    let mut constants = vec![
        ("BATCH", op.batch.into()),
        ("INPUTS", op.inputs.into()),
        ("PARAM_STRIDE", cx.stride(params).into()),
        ("MEAN_KERNEL", op.mean_kernel.offset.into()),
        ("VAR_KERNEL", op.var_kernel.offset.into()),
        ("GATE", op.gate.into()),
        ("ACCUMULATE", op.accumulate.into()),
        ("GRID_X", grid[0].into()),
    ];
    let mut buffers = vec![
        Binding::read("raw_grad", op.raw_grad),
        Binding::read("params", params),
        Binding::write("grad_x", op.dx),
    ];
    if op.gate {
        constants.push(("X_STRIDE", cx.stride(op.x).into()));
        buffers.push(Binding::read("x", op.x));
    }
    vec![Pass {
        shader: "heads.wgsl",
        entry: "heads_grad_input",
        constants,
        buffers,
        grid,
    }]
}

/// Gradients of both kernels and biases: one thread per input, and one for the biases.
pub fn grad_weight(op: &HeadsGradWeight, cx: &mut Lowering) -> Vec<Pass> {
    let grads = row([
        op.mean_kernel_grad,
        op.mean_bias_grad,
        op.var_kernel_grad,
        op.var_bias_grad,
    ]);
    let grid = fold((op.inputs + 1).div_ceil(64));
    vec![Pass {
        shader: "heads.wgsl",
        entry: "heads_grad_weight",
        constants: vec![
            ("BATCH", op.batch.into()),
            ("INPUTS", op.inputs.into()),
            ("X_STRIDE", cx.stride(op.x).into()),
            ("GRAD_STRIDE", cx.stride(grads).into()),
            ("MEAN_KERNEL", op.mean_kernel_grad.offset.into()),
            ("MEAN_BIAS", op.mean_bias_grad.offset.into()),
            ("VAR_KERNEL", op.var_kernel_grad.offset.into()),
            ("VAR_BIAS", op.var_bias_grad.offset.into()),
            ("ACCUMULATE", op.accumulate.into()),
            ("GRID_X", grid[0].into()),
        ],
        buffers: vec![
            Binding::read("x", op.x),
            Binding::read("raw_grad", op.raw_grad),
            Binding::write("grads", grads),
        ],
        grid,
    }]
}
