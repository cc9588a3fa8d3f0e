//! Where two branches of a network meet: their sum, or the channels of both.

use super::{Keys, LayerKind};
use crate::nn::Shape;
use crate::nn::builder::Builder;
use crate::nn::error::Problem;
use crate::nn::graph::Node;
use crate::plan::{AddForward, ChannelCopy, TensorId};
use serde::{Deserialize, Serialize};

/// The sum of its input and the output of an earlier layer (a residual connection: He et al. 2016, arXiv 1512.03385).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// Name of the earlier layer.
    pub with: String,
    /// Its name, for layers that take its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The layer whose output it takes, if not that of the layer before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
}

/// The channels of its input, then those of an earlier layer's output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concat {
    /// Name of the earlier layer.
    pub with: String,
    /// Its name, for layers that take its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The layer whose output it takes, if not that of the layer before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
}

impl LayerKind for Add {
    fn keys(&self) -> Keys<'_> {
        Keys {
            kind: "add",
            name: self.name.as_deref(),
            input: self.input.as_deref(),
            with: Some(&self.with),
        }
    }

    fn describe(&self) -> String {
        format!("add {}", self.with)
    }

    fn output(&self, inputs: &[Shape]) -> std::result::Result<Shape, Problem> {
        let [a, b] = [inputs[0], inputs[1]];
        if a != b {
            return Err(Problem::ShapesDiffer(a, b, "only values of one shape can be added"));
        }
        Ok(a)
    }

    fn forward(&self, b: &mut Builder, node: &Node) {
        let [x, with] = [0, 1].map(|i| b.tensor_of(node.inputs[i]));
        let out = b.output(node, false);
        b.push(AddForward {
            layer: node.name.clone(),
            len: b.batch * node.shape.len(),
            a: x,
            b: with,
            out,
        });
    }

    fn backward(&self, b: &mut Builder, node: &Node, dout: TensorId) {
        for &input in &node.inputs {
            b.pass_gradient(node, input, dout);
        }
    }
}

impl LayerKind for Concat {
    fn keys(&self) -> Keys<'_> {
        Keys {
            kind: "concat",
            name: self.name.as_deref(),
            input: self.input.as_deref(),
            with: Some(&self.with),
        }
    }

    fn describe(&self) -> String {
        format!("concat {}", self.with)
    }

    fn output(&self, inputs: &[Shape]) -> std::result::Result<Shape, Problem> {
        let [a, b] = [inputs[0], inputs[1]];
        if (a.h, a.w, a.flat) != (b.h, b.w, b.flat) {
            let why = "only values of one height and width can be concatenated";
            return Err(Problem::ShapesDiffer(a, b, why));
        }
        Ok(Shape { c: a.c + b.c, ..a })
    }

    fn forward(&self, b: &mut Builder, node: &Node) {
        let out = b.output(node, false);
        let mut first = 0;
        for &input in &node.inputs {
            let (x, channels) = (b.tensor_of(input), input.shape.c);
            b.push(ChannelCopy {
                layer: node.name.clone(),
                rows: b.batch * node.shape.h * node.shape.w,
                channels,
                from: x,
                from_channels: channels,
                from_first: 0,
                to: out,
                to_channels: node.shape.c,
                to_first: first,
                gate: None,
                accumulate: false,
            });
            first += channels;
        }
    }

    fn backward(&self, b: &mut Builder, node: &Node, dout: TensorId) {
        let mut first = 0;
        for &input in &node.inputs {
            if let Some(to) = b.gradient_of(input) {
                b.push(ChannelCopy {
                    layer: node.name.clone(),
                    rows: b.batch * node.shape.h * node.shape.w,
                    channels: input.shape.c,
                    from: dout,
                    from_channels: node.shape.c,
                    from_first: first,
                    to: to.dx,
                    to_channels: input.shape.c,
                    to_first: 0,
                    gate: to.gate.then_some(to.x),
                    accumulate: to.accumulate,
                });
            }
            first += input.shape.c;
        }
    }
}
