//! Dense layers.

use crate::plan::{Operation, Slice, TensorId};

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

impl Operation for DenseForward {
    fn name(&self) -> &'static str {
        "dense_forward"
    }

    fn layer(&self) -> &str {
        &self.layer
    }

    fn flops(&self) -> f64 {
        self.shape.flops()
    }
}

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

impl Operation for DenseGradInput {
    fn name(&self) -> &'static str {
        "dense_grad_input"
    }

    fn layer(&self) -> &str {
        &self.layer
    }

    fn flops(&self) -> f64 {
        self.shape.flops()
    }
}

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

impl Operation for DenseGradWeight {
    fn name(&self) -> &'static str {
        "dense_grad_weight"
    }

    fn layer(&self) -> &str {
        &self.layer
    }

    fn flops(&self) -> f64 {
        self.shape.flops()
    }
}
