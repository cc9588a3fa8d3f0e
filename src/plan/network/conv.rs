//! Convolution with a square or rectangular kernel.

use crate::plan::{Slice, TensorId};
use serde::{Deserialize, Serialize};

/// The largest kernel whose tiles fit the workgroup memory that every GPU has (16 KiB), at any image width.
pub const MAX_KERNEL: usize = 17;
/// The largest stride that the kernels are made for.
pub const MAX_STRIDE: usize = 16;

/// What lies beyond the edge of a convolution's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// Nothing: the kernel stays within the image. out = floor((in - kernel) / stride) + 1.
    #[default]
    Valid,
    /// Zeros, by TensorFlow's rule: out = ceil(in / stride), and of the (out - 1) stride + kernel - in zeros that this
    /// takes, the smaller half lies on the left and above.
    Same,
}

/// Sizes of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    pub batch: usize,
    pub in_h: usize,
    pub in_w: usize,
    pub in_c: usize,
    pub kernel_h: usize,
    pub kernel_w: usize,
    pub out_c: usize,
    /// Rows and columns from one window to the next.
    pub stride: usize,
    pub padding: Padding,
}

impl ConvShape {
    /// Of the input, the output and the kernel.
    pub fn values(&self) -> usize {
        let kernel = self.kernel_h * self.kernel_w * self.in_c * self.out_c;
        let images = self.in_h * self.in_w * self.in_c + self.out_h() * self.out_w() * self.out_c;
        self.batch * images + kernel
    }

    pub fn out_h(&self) -> usize {
        self.windows(self.in_h, self.kernel_h)
    }

    pub fn out_w(&self) -> usize {
        self.windows(self.in_w, self.kernel_w)
    }

    /// Rows of zeros above the image.
    pub fn pad_top(&self) -> usize {
        self.pad_before(self.in_h, self.kernel_h)
    }

    /// Columns of zeros on the left of the image.
    pub fn pad_left(&self) -> usize {
        self.pad_before(self.in_w, self.kernel_w)
    }

    fn windows(&self, size: usize, kernel: usize) -> usize {
        match self.padding {
            Padding::Valid => (size - kernel) / self.stride + 1,
            Padding::Same => size.div_ceil(self.stride),
        }
    }

    fn pad_before(&self, size: usize, kernel: usize) -> usize {
        match self.padding {
            Padding::Valid => 0,
            Padding::Same => ((self.windows(size, kernel) - 1) * self.stride + kernel).saturating_sub(size) / 2,
        }
    }

    /// Values of the kernel (kh, kw, in, out).
    pub fn kernel_len(&self) -> usize {
        self.kernel_h * self.kernel_w * self.in_c * self.out_c
    }

    /// Multiply-adds counted as two, for one member.
    pub fn flops(&self) -> f64 {
        2.0 * (self.batch * self.out_h() * self.out_w()) as f64 * self.kernel_len() as f64
    }
}

/// out = act(x * kernel + bias), with s the stride and p, q the padding above and on the left:
/// `out[b,i,j,o] = act(bias[o] + sum over u,v,c of x[b,si+u-p,sj+v-q,c] kernel[u,v,c,o])`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvForward {
    pub layer: String,
    pub shape: ConvShape,
    /// (B,H,W,Cin); shared by all members in inference's first layer.
    pub x: TensorId,
    pub kernel: Slice,
    pub bias: Slice,
    pub relu: bool,
    /// (B,Ho,Wo,Cout).
    pub out: TensorId,
}

operation!(ConvForward, "conv_forward", |op| &op.layer, values: |op| op.shape.values(), flops: |op| op.shape.flops());

/// `dx[b,i,j,c] = sum over u,v,o of dout[b,(i+p-u)/s,(j+q-v)/s,o] kernel[u,v,c,o]` over those u, v for which both
/// quotients are whole and inside dout; gated by x > 0 if `gate`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvGradInput {
    pub layer: String,
    pub shape: ConvShape,
    pub dout: TensorId,
    pub kernel: Slice,
    pub x: TensorId,
    pub gate: bool,
    pub dx: TensorId,
    pub accumulate: bool,
}

operation!(ConvGradInput, "conv_grad_input", |op| &op.layer, values: |op| op.shape.values(), flops: |op| op.shape.flops());

/// `dkernel[u,v,c,o] = sum over b,i,j of x[b,si+u-p,sj+v-q,c] dout[b,i,j,o]`; `dbias[o] = sum of dout[..,o]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvGradWeight {
    pub layer: String,
    pub shape: ConvShape,
    pub x: TensorId,
    pub dout: TensorId,
    pub kernel_grad: Slice,
    pub bias_grad: Slice,
    pub accumulate: bool,
}

operation!(ConvGradWeight, "conv_grad_weight", |op| &op.layer, values: |op| op.shape.values(), flops: |op| op.shape.flops());
