//! Dense layers.

use crate::plan::{Slice, TensorId};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DenseShape {
    pub batch: usize,
    pub inputs: usize,
    pub outputs: usize,
}

impl DenseShape {
    pub fn flops(&self) -> f64 {
        2.0 * (self.batch * self.inputs * self.outputs) as f64
    }
}

/// out = act(x kernel + bias): (B,in) x (in,out).
#[derive(Clone, Debug, PartialEq)]
pub struct DenseForward {
    pub layer: String,
    pub shape: DenseShape,
    pub x: TensorId,
    pub kernel: Slice,
    pub bias: Slice,
    pub relu: bool,
    pub out: TensorId,
}

operation!(DenseForward, "dense_forward", |op| &op.layer, |op| op.shape.flops());

/// dx = dout kernel^T, gated by x > 0 if `gate`.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseGradInput {
    pub layer: String,
    pub shape: DenseShape,
    pub dout: TensorId,
    pub kernel: Slice,
    pub x: TensorId,
    pub gate: bool,
    pub dx: TensorId,
    pub accumulate: bool,
}

operation!(DenseGradInput, "dense_grad_input", |op| &op.layer, |op| op
    .shape
    .flops());

/// dkernel = x^T dout; dbias = sum over the batch of dout.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseGradWeight {
    pub layer: String,
    pub shape: DenseShape,
    pub x: TensorId,
    pub dout: TensorId,
    pub kernel_grad: Slice,
    pub bias_grad: Slice,
    pub accumulate: bool,
}

operation!(DenseGradWeight, "dense_grad_weight", |op| &op.layer, |op| op
    .shape
    .flops());
