//! Dense layers.

use super::InputGrad;
use crate::plan::{Slice, TensorId};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DenseShape {
    pub batch: usize,
    pub inputs: usize,
    pub outputs: usize,
}

impl DenseShape {
    /// Of x, the output and the kernel.
    pub fn values(&self) -> usize {
        self.batch * (self.inputs + self.outputs) + self.inputs * self.outputs
    }

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

operation!(DenseForward, "dense_forward", |op| &op.layer, values: |op| op.shape.values(), flops: |op| op.shape.flops());

/// dkernel = x^T dout, dbias = sum over the batch of dout; and where somebody needs it, dx = dout kernel^T.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseGrad {
    pub layer: String,
    pub shape: DenseShape,
    pub x: TensorId,
    pub dout: TensorId,
    pub kernel: Slice,
    pub kernel_grad: Slice,
    pub bias_grad: Slice,
    /// Whether the gradients of kernel and bias are added to what is there.
    pub accumulate: bool,
    pub input: Option<InputGrad>,
}

operation!(DenseGrad, "dense_grad", |op| &op.layer, values: |op| op.products() * op.shape.values(), flops: |op| op.products() as f64 * op.shape.flops());

impl DenseGrad {
    fn products(&self) -> usize {
        1 + usize::from(self.input.is_some())
    }
}
