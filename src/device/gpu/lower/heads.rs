//! The two heads and the loss: one workgroup per image in the forward pass, one per member in the loss.

use super::{Lowering, fold, row};
use crate::device::gpu::{Binding, Constant, Pass};
use crate::likelihood::Likelihood;
use crate::plan::{HeadsForward, HeadsGrad, HeadsLoss, MeanOutput, NO_LABEL, VarOutput, schedule, state};

/// How mu and var follow from a and b.
fn outputs(mean: MeanOutput, var: VarOutput) -> Vec<(&'static str, Constant)> {
    let mut constants = vec![
        ("BOUNDED_MEAN", matches!(mean, MeanOutput::Bounded { .. }).into()),
        ("VAR_LIMITED", var.ceiling.is_some().into()),
    ];
    match mean {
        MeanOutput::Bounded { low, high, margin } => {
            constants.extend([("LOW", low.into()), ("HIGH", high.into()), ("MARGIN", margin.into())]);
        }
        MeanOutput::Abs => constants.push(("ABS_MEAN", true.into())),
        MeanOutput::Identity => constants.push(("ABS_MEAN", false.into())),
    }
    if let Some(ceiling) = var.ceiling {
        constants.push(("VAR_CEILING", ceiling.into()));
    }
    constants
}

/// Constants and buffers of the kernels that predict.
fn predicting(op: &HeadsForward, cx: &Lowering) -> (Vec<(&'static str, Constant)>, Vec<Binding>) {
    let params = row([op.mean_kernel, op.mean_bias, op.var_kernel, op.var_bias]);
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
    ]);
    let buffers = vec![
        Binding::read("x", op.x),
        Binding::read("params", params),
        Binding::write("prediction", op.prediction),
    ];
    (constants, buffers)
}

/// The prediction mu, var.
pub fn forward(op: &HeadsForward, cx: &mut Lowering) -> Vec<Pass> {
    let grid = fold(op.batch);
    let (mut constants, buffers) = predicting(op, cx);
    constants.push(("GRID_X", grid[0].into()));
    vec![Pass {
        shader: "heads.wgsl",
        entry: "heads_forward",
        constants,
        buffers,
        grid,
    }]
}

/// The prediction, the loss, and its derivatives with respect to a and b.
pub fn loss(op: &HeadsLoss, cx: &mut Lowering) -> Vec<Pass> {
    let student_t = match op.likelihood {
        Likelihood::StudentT => true,
        // A log-normal label arrives as its logarithm.
        Likelihood::Gaussian | Likelihood::LogNormal => false,
    };
    let (mut constants, mut buffers) = predicting(&op.forward, cx);
    constants.extend([
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
    buffers.extend([
        Binding::read("y", op.y),
        Binding::read("schedule", op.schedule),
        Binding::read("state", op.state),
        Binding::write("raw_grad", op.raw_grad),
        Binding::write("loss", op.loss),
    ]);
    vec![Pass {
        shader: "heads.wgsl",
        entry: "heads_loss",
        constants,
        buffers,
        grid: [1, 1],
    }]
}

/// Gradients of both kernels and biases, and of x.
pub fn grad(op: &HeadsGrad, cx: &mut Lowering) -> Vec<Pass> {
    let grads = row([
        op.mean_kernel_grad,
        op.mean_bias_grad,
        op.var_kernel_grad,
        op.var_bias_grad,
    ]);
    let workgroups = |threads: usize| threads.div_ceil(64);
    let inputs = op.input.map_or(0, |_| workgroups(op.batch * op.inputs));
    let grid = fold(workgroups(op.inputs + 1) + inputs);
    let mut constants = vec![
        ("BATCH", op.batch.into()),
        ("INPUTS", op.inputs.into()),
        ("X_STRIDE", cx.stride(op.x).into()),
        ("GRAD_STRIDE", cx.stride(grads).into()),
        ("MEAN_KERNEL_GRAD", op.mean_kernel_grad.offset.into()),
        ("MEAN_BIAS_GRAD", op.mean_bias_grad.offset.into()),
        ("VAR_KERNEL_GRAD", op.var_kernel_grad.offset.into()),
        ("VAR_BIAS_GRAD", op.var_bias_grad.offset.into()),
        ("ACCUMULATE", op.accumulate.into()),
        ("INPUT", op.input.is_some().into()),
        ("GRID_X", grid[0].into()),
    ];
    let mut buffers = vec![
        Binding::read("x", op.x),
        Binding::read("raw_grad", op.raw_grad),
        Binding::write("grads", grads),
    ];
    if let Some(to) = op.input {
        let params = row([op.mean_kernel, op.var_kernel]);
        constants.extend([
            ("PARAM_STRIDE", cx.stride(params).into()),
            ("MEAN_KERNEL", op.mean_kernel.offset.into()),
            ("VAR_KERNEL", op.var_kernel.offset.into()),
            ("GATE", to.gate.into()),
            ("ACCUMULATE_X", to.accumulate.into()),
        ]);
        buffers.extend([Binding::read("params", params), Binding::write("grad_x", to.dx)]);
    }
    vec![Pass {
        shader: "heads.wgsl",
        entry: "heads_grad",
        constants,
        buffers,
        grid,
    }]
}
