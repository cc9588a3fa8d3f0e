//! The two heads and the loss.

use super::InputGrad;
use crate::likelihood::Likelihood;
use crate::plan::{Slice, TensorId};

/// From a head's output a to the mean mu.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MeanOutput {
    /// mu = a.
    Identity,
    /// mu = |a|.
    Abs,
    /// mu = a from `low` to `high`. Outside, with u = (distance from the nearer end) / `margin`, mu is margin u / (1 + u)
    /// beyond that end: less than `margin`, with a derivative 1 / (1 + u)^2 that is continuous and never 0.
    Bounded { low: f32, high: f32, margin: f32 },
}

/// From a head's output b to the variance, with s = max(b,0) + log(1 + exp(-|b|)).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VarOutput {
    /// var = floor + s, or
    pub floor: f32,
    /// with a ceiling c, var = floor + c s / (c + s).
    pub ceiling: Option<f32>,
}

/// The two heads: a = x mean.kernel + mean.bias, b = x var.kernel + var.bias; mu and var as [`MeanOutput`] and
/// [`VarOutput`] say.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadsForward {
    pub batch: usize,
    pub inputs: usize,
    pub mean: MeanOutput,
    pub var: VarOutput,
    pub x: TensorId,
    pub mean_kernel: Slice,
    pub mean_bias: Slice,
    pub var_kernel: Slice,
    pub var_bias: Slice,
    /// (B,2): mu, var.
    pub prediction: TensorId,
}

operation!(HeadsForward, "heads_forward", |_op| "heads");

/// The prediction, loss = mean over the batch of l, and raw_grad = [dL/da, dL/db] of each image. Without its constant, the
/// negative log likelihood l is
/// - Gaussian: log(var)/2 + (y - mu)^2 / (2 var) (arXiv 1612.01474 eq. 1); log-normal: the same, y being the logarithm;
/// - Student's t of nu = 5 degrees of freedom and variance var: log(var)/2 + (nu + 1)/2 log(1 + (y - mu)^2 / ((nu - 2) var)).
///
/// L = mean of var^beta l, var^beta taken as a constant (Seitzer et al. 2022, arXiv 2203.09168, eq. 5), which at beta = 0
/// is the loss; in a step whose `schedule` says FIT_MEAN, L = mean of (y - mu)^2 / 2. Means are over all images of the
/// batch, whether they have labels or not. The derivative of |a| at 0 is 0, as in Keras.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadsLoss {
    pub forward: HeadsForward,
    pub likelihood: Likelihood,
    pub beta: f32,
    /// Whether images may have no label, y = [`NO_LABEL`](crate::plan::NO_LABEL): then l and its derivatives are 0.
    pub unlabelled: bool,
    /// (steps, [`schedule::WIDTH`](crate::plan::schedule::WIDTH)); its row is `state[CURSOR]`.
    pub schedule: TensorId,
    pub state: TensorId,
    pub y: TensorId,
    /// (B,2).
    pub raw_grad: TensorId,
    /// (2): loss, mean of (mu - y)^2.
    pub loss: TensorId,
}

operation!(HeadsLoss, "heads_loss", |_op| "heads");

/// Gradients of both kernels and biases: sum over the batch of raw_grad x; and where somebody needs it, that of x:
/// `dx[b,i] = raw_grad[b,0] mean.kernel[i] + raw_grad[b,1] var.kernel[i]`.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadsGrad {
    pub batch: usize,
    pub inputs: usize,
    pub x: TensorId,
    pub raw_grad: TensorId,
    pub mean_kernel: Slice,
    pub var_kernel: Slice,
    pub mean_kernel_grad: Slice,
    pub mean_bias_grad: Slice,
    pub var_kernel_grad: Slice,
    pub var_bias_grad: Slice,
    /// Whether the gradients of kernels and biases are added to what is there.
    pub accumulate: bool,
    pub input: Option<InputGrad>,
}

operation!(HeadsGrad, "heads_grad", |_op| "heads");
