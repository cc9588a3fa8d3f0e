//! Max pooling.

use crate::plan::{Operation, TensorId};

/// Sizes of a max pooling, or of a norm with the pooling behind it; `pool` = 1 means no pooling. The remainder at the
/// right and lower edge is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShape {
    pub batch: usize,
    pub h: usize,
    pub w: usize,
    pub c: usize,
    pub pool: usize,
}

impl PoolShape {
    pub fn out_h(&self) -> usize {
        self.h / self.pool
    }

    pub fn out_w(&self) -> usize {
        self.w / self.pool
    }

    /// Number of values in the batch statistics of a channel.
    pub fn rows(&self) -> usize {
        self.batch * self.h * self.w
    }
}

/// out = the largest value of each window.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolForward {
    pub layer: String,
    pub shape: PoolShape,
    pub x: TensorId,
    pub out: TensorId,
}

impl Operation for PoolForward {
    fn name(&self) -> &'static str {
        "pool_forward"
    }

    fn layer(&self) -> &str {
        &self.layer
    }
}

/// dx = dout at the first largest value of each window in row-major order, else 0; gated by x > 0 if `gate`.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolGradInput {
    pub layer: String,
    pub shape: PoolShape,
    pub x: TensorId,
    pub dout: TensorId,
    pub gate: bool,
    pub dx: TensorId,
    pub accumulate: bool,
}

impl Operation for PoolGradInput {
    fn name(&self) -> &'static str {
        "pool_grad_input"
    }

    fn layer(&self) -> &str {
        &self.layer
    }
}
