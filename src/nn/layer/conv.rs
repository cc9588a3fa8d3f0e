//! Convolution: out = act(x * kernel + bias).

use super::{Keys, LayerKind, activation_name, image, is_default, positive};
use crate::nn::builder::Builder;
use crate::nn::error::Problem;
use crate::nn::graph::Node;
use crate::nn::layout::Tensors;
use crate::nn::{MAX_KERNEL, MAX_STRIDE, Result, Shape};
use crate::plan::{Activation, ConvForward, ConvGradInput, ConvGradWeight, ConvShape, Padding, TensorId};
use serde::{Deserialize, Serialize};

/// A square kernel of `kernel` x `kernel`, moved by `stride`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// Its name, and that of its tensors `NAME.kernel` (kernel, kernel, in, filters) and `NAME.bias` (filters).
    pub name: String,
    /// Channels of its output.
    pub filters: usize,
    /// Rows and columns of its kernel.
    pub kernel: usize,
    /// Applied to its output.
    #[serde(default)]
    pub activation: Activation,
    /// Rows and columns from one window to the next.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub stride: usize,
    /// What lies beyond the edge of the image.
    #[serde(default, skip_serializing_if = "is_default")]
    pub padding: Padding,
    /// The layer whose output it takes, if not that of the layer before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
}

fn one() -> usize {
    1
}

fn is_one(n: &usize) -> bool {
    *n == 1
}

impl Conv {
    fn shape(&self, batch: usize, x: Shape) -> ConvShape {
        ConvShape {
            batch,
            in_h: x.h,
            in_w: x.w,
            in_c: x.c,
            kernel_h: self.kernel,
            kernel_w: self.kernel,
            out_c: self.filters,
            stride: self.stride,
            padding: self.padding,
        }
    }
}

impl LayerKind for Conv {
    fn keys(&self) -> Keys<'_> {
        Keys {
            kind: "conv",
            name: Some(&self.name),
            input: self.input.as_deref(),
            with: None,
        }
    }

    fn describe(&self) -> String {
        let Conv { filters, kernel, .. } = self;
        let mut text = format!("{filters} filters of {kernel}x{kernel}");
        if self.stride > 1 {
            text += &format!(", stride {}", self.stride);
        }
        if self.padding == Padding::Same {
            text += ", same";
        }
        format!("{text}, {}", activation_name(self.activation))
    }

    fn output(&self, inputs: &[Shape]) -> std::result::Result<Shape, Problem> {
        let x = image(inputs[0])?;
        let kernel = positive(self.kernel, "kernel")?;
        positive(self.filters, "filters")?;
        positive(self.stride, "stride")?;
        if kernel > MAX_KERNEL {
            return Err(Problem::KernelTooLarge);
        }
        if self.stride > MAX_STRIDE {
            return Err(Problem::StrideTooLarge);
        }
        if self.padding == Padding::Valid && (kernel > x.h || kernel > x.w) {
            return Err(Problem::KernelDoesNotFit { kernel, input: x });
        }
        let shape = self.shape(1, x);
        Ok(Shape::image(shape.out_h(), shape.out_w(), self.filters))
    }

    fn tensors(&self, input: Shape, name: &str, tensors: &mut Tensors) -> Result<()> {
        let kernel = vec![self.kernel, self.kernel, input.c, self.filters];
        tensors.param(name, "kernel", kernel)?;
        tensors.param(name, "bias", vec![self.filters])
    }

    fn forward(&self, b: &mut Builder, node: &Node) {
        let out = b.before_activation(node, self.activation);
        b.push(ConvForward {
            layer: node.name.clone(),
            shape: self.shape(b.batch, node.inputs[0].shape),
            x: b.tensor_of(node.inputs[0]),
            kernel: b.param(node, "kernel"),
            bias: b.param(node, "bias"),
            relu: self.activation == Activation::Relu,
            out,
        });
        b.activate(node, self.activation, out);
    }

    fn backward(&self, b: &mut Builder, node: &Node, dout: TensorId) {
        let shape = self.shape(b.batch, node.inputs[0].shape);
        let dout = b.activation_gradient(node, self.activation, dout);
        if !node.frozen {
            b.push(ConvGradWeight {
                layer: node.name.clone(),
                shape,
                x: b.tensor_of(node.inputs[0]),
                dout,
                kernel_grad: b.grad(node, "kernel"),
                bias_grad: b.grad(node, "bias"),
                accumulate: b.accumulate,
            });
        }
        if let Some(to) = b.gradient_of(node.inputs[0]) {
            b.push(ConvGradInput {
                layer: node.name.clone(),
                shape,
                dout,
                kernel: b.param(node, "kernel"),
                x: to.x,
                gate: to.gate,
                dx: to.dx,
                accumulate: to.accumulate,
            });
        }
    }
}
