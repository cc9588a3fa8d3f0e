//! Dense layers: out = act(x kernel + bias).

use super::{Keys, LayerKind, activation_name, features, positive};
use crate::nn::builder::Builder;
use crate::nn::error::Problem;
use crate::nn::graph::Node;
use crate::nn::layout::Tensors;
use crate::nn::{Result, Shape};
use crate::plan::{Activation, DenseForward, DenseGrad, DenseShape, TensorId};
use serde::{Deserialize, Serialize};

/// All features to `units` features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// Its name, and that of its tensors `NAME.kernel` (in, units) and `NAME.bias` (units).
    pub name: String,
    /// Features of its output.
    pub units: usize,
    /// Applied to its output.
    #[serde(default)]
    pub activation: Activation,
    /// The layer whose output it takes, if not that of the layer before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
}

impl Dense {
    fn shape(&self, batch: usize, x: Shape) -> DenseShape {
        DenseShape {
            batch,
            inputs: x.c,
            outputs: self.units,
        }
    }
}

impl LayerKind for Dense {
    fn keys(&self) -> Keys<'_> {
        Keys {
            kind: "dense",
            name: Some(&self.name),
            input: self.input.as_deref(),
            with: None,
        }
    }

    fn describe(&self) -> String {
        format!("{} units, {}", self.units, activation_name(self.activation))
    }

    fn output(&self, inputs: &[Shape]) -> std::result::Result<Shape, Problem> {
        features(inputs[0])?;
        Ok(Shape::features(positive(self.units, "units")?))
    }

    fn tensors(&self, input: Shape, name: &str, tensors: &mut Tensors) -> Result<()> {
        tensors.param(name, "kernel", vec![input.c, self.units])?;
        tensors.param(name, "bias", vec![self.units])
    }

    fn forward(&self, b: &mut Builder, node: &Node) {
        let out = b.before_activation(node, self.activation);
        b.push(DenseForward {
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
        let input = b.input_grad(node.inputs[0]);
        b.push(DenseGrad {
            layer: node.name.clone(),
            shape,
            x: b.tensor_of(node.inputs[0]),
            dout,
            kernel: b.param(node, "kernel"),
            kernel_grad: b.grad(node, "kernel"),
            bias_grad: b.grad(node, "bias"),
            accumulate: b.accumulate,
            input,
        });
    }
}
