//! An activation as a layer of its own, for use behind a norm or an addition.

use super::{Keys, LayerKind, activation_name};
use crate::nn::Shape;
use crate::nn::builder::Builder;
use crate::nn::error::Problem;
use crate::nn::graph::Node;
use crate::plan::{Activation, ActivationForward, ActivationGradInput, TensorId};
use serde::{Deserialize, Serialize};

/// f of every value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivationLayer {
    /// f.
    pub activation: Activation,
    /// Its name, for layers that take its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The layer whose output it takes, if not that of the layer before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
}

impl LayerKind for ActivationLayer {
    fn keys(&self) -> Keys<'_> {
        Keys {
            kind: "activation",
            name: self.name.as_deref(),
            input: self.input.as_deref(),
            with: None,
        }
    }

    fn describe(&self) -> String {
        activation_name(self.activation).into()
    }

    fn output(&self, inputs: &[Shape]) -> std::result::Result<Shape, Problem> {
        Ok(inputs[0])
    }

    fn forward(&self, b: &mut Builder, node: &Node) {
        let x = b.tensor_of(node.inputs[0]);
        let out = b.output(node, false);
        b.push(ActivationForward {
            layer: node.name.clone(),
            len: b.batch * node.shape.len(),
            activation: self.activation,
            x,
            out,
        });
    }

    fn backward(&self, b: &mut Builder, node: &Node, dout: TensorId) {
        if let Some(to) = b.gradient_of(node.inputs[0]) {
            b.push(ActivationGradInput {
                layer: node.name.clone(),
                len: b.batch * node.shape.len(),
                activation: self.activation,
                x: to.x,
                dout,
                gate: to.gate,
                dx: to.dx,
                accumulate: to.accumulate,
            });
        }
    }
}
