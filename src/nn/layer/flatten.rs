//! An image to features, channel fastest. Values lie in that order already, so it takes no operation.

use super::{Keys, LayerKind};
use crate::nn::Shape;
use crate::nn::builder::Builder;
use crate::nn::error::Problem;
use crate::nn::graph::Node;
use crate::plan::TensorId;
use serde::{Deserialize, Serialize};

/// (H, W, C) to H W C features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flatten {
    /// Its name, for layers that take its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The layer whose output it takes, if not that of the layer before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
}

impl LayerKind for Flatten {
    fn keys(&self) -> Keys<'_> {
        Keys {
            kind: "flatten",
            name: self.name.as_deref(),
            input: self.input.as_deref(),
            with: None,
        }
    }

    fn describe(&self) -> String {
        "flatten".into()
    }

    fn output(&self, inputs: &[Shape]) -> std::result::Result<Shape, Problem> {
        Ok(Shape::features(inputs[0].len()))
    }

    // The graph has no node for it.
    fn forward(&self, _b: &mut Builder, _node: &Node) {}

    fn backward(&self, _b: &mut Builder, _node: &Node, _dout: TensorId) {}
}
