//! Max pooling.

use crate::plan::TensorId;

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

    /// Of x.
    pub fn values(&self) -> usize {
        self.rows() * self.c
    }

    /// Values behind the pooling.
    pub fn pooled(&self) -> usize {
        self.batch * self.out_h() * self.out_w() * self.c
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

operation!(PoolForward, "pool_forward", |op| &op.layer, values: |op| op.shape.values() + op.shape.pooled());

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

operation!(PoolGradInput, "pool_grad_input", |op| &op.layer, values: |op| 2 * op.shape.values() + op.shape.pooled());
