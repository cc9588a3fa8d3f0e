//! Average pooling, of windows or of the whole image.

use crate::plan::TensorId;

/// Sizes of an average pooling: windows side by side; the remainder at the right and lower edge is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AverageShape {
    pub batch: usize,
    pub h: usize,
    pub w: usize,
    pub c: usize,
    pub window_h: usize,
    pub window_w: usize,
}

impl AverageShape {
    pub fn out_h(&self) -> usize {
        self.h / self.window_h
    }

    pub fn out_w(&self) -> usize {
        self.w / self.window_w
    }

    /// Of x and the output.
    pub fn values(&self) -> usize {
        self.batch * (self.h * self.w + self.out_h() * self.out_w()) * self.c
    }
}

/// out = mean of each window: (B,H,W,C) to (B,Ho,Wo,C).
#[derive(Clone, Debug, PartialEq)]
pub struct AveragePoolForward {
    pub layer: String,
    pub shape: AverageShape,
    pub x: TensorId,
    pub out: TensorId,
}

operation!(AveragePoolForward, "average_pool_forward", |op| &op.layer, values: |op| op.shape.values());

/// dx = dout of the window / (window_h window_w), 0 in the remainder; gated by x > 0 if `gate`.
#[derive(Clone, Debug, PartialEq)]
pub struct AveragePoolGradInput {
    pub layer: String,
    pub shape: AverageShape,
    /// Read only if `gate`.
    pub x: TensorId,
    pub dout: TensorId,
    pub gate: bool,
    pub dx: TensorId,
    pub accumulate: bool,
}

operation!(AveragePoolGradInput, "average_pool_grad_input", |op| &op.layer, values: |op| op.shape.values());
