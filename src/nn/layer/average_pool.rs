//! Average pooling, of windows or of the whole image.

use super::max_pool::pooled;
use super::{Keys, LayerKind, image};
use crate::nn::Shape;
use crate::nn::builder::Builder;
use crate::nn::error::Problem;
use crate::nn::graph::Node;
use crate::plan::{AveragePoolForward, AveragePoolGradInput, AverageShape, TensorId};
use serde::{Deserialize, Serialize};

/// Window and stride `size`; the remainder at the right and lower edge is dropped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AveragePool {
    /// Rows and columns of a window.
    pub size: usize,
    /// Its name, for layers that take its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The layer whose output it takes, if not that of the layer before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
}

/// The mean of each channel over the whole image: (H, W, C) to C features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalAveragePool {
    /// Its name, for layers that take its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The layer whose output it takes, if not that of the layer before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
}

impl LayerKind for AveragePool {
    fn keys(&self) -> Keys<'_> {
        Keys {
            kind: "avgpool",
            name: self.name.as_deref(),
            input: self.input.as_deref(),
            with: None,
        }
    }

    fn describe(&self) -> String {
        format!("average pooling {0}x{0}", self.size)
    }

    fn output(&self, inputs: &[Shape]) -> std::result::Result<Shape, Problem> {
        pooled(inputs[0], self.size)
    }

    fn forward(&self, b: &mut Builder, node: &Node) {
        forward(b, node, [self.size; 2]);
    }

    fn backward(&self, b: &mut Builder, node: &Node, dout: TensorId) {
        backward(b, node, [self.size; 2], dout);
    }
}

impl LayerKind for GlobalAveragePool {
    fn keys(&self) -> Keys<'_> {
        Keys {
            kind: "global_average_pool",
            name: self.name.as_deref(),
            input: self.input.as_deref(),
            with: None,
        }
    }

    fn describe(&self) -> String {
        "global average pooling".into()
    }

    fn output(&self, inputs: &[Shape]) -> std::result::Result<Shape, Problem> {
        Ok(Shape::features(image(inputs[0])?.c))
    }

    fn forward(&self, b: &mut Builder, node: &Node) {
        let x = node.inputs[0].shape;
        forward(b, node, [x.h, x.w]);
    }

    fn backward(&self, b: &mut Builder, node: &Node, dout: TensorId) {
        let x = node.inputs[0].shape;
        backward(b, node, [x.h, x.w], dout);
    }
}

fn average_shape(b: &Builder, node: &Node, [window_h, window_w]: [usize; 2]) -> AverageShape {
    let x = node.inputs[0].shape;
    AverageShape {
        batch: b.batch,
        h: x.h,
        w: x.w,
        c: x.c,
        window_h,
        window_w,
    }
}

fn forward(b: &mut Builder, node: &Node, window: [usize; 2]) {
    let out = b.output(node, false);
    b.push(AveragePoolForward {
        layer: node.name.clone(),
        shape: average_shape(b, node, window),
        x: b.tensor_of(node.inputs[0]),
        out,
    });
}

fn backward(b: &mut Builder, node: &Node, window: [usize; 2], dout: TensorId) {
    if let Some(to) = b.gradient_of(node.inputs[0]) {
        b.push(AveragePoolGradInput {
            layer: node.name.clone(),
            shape: average_shape(b, node, window),
            x: to.x,
            dout,
            gate: to.gate,
            dx: to.dx,
            accumulate: to.accumulate,
        });
    }
}
