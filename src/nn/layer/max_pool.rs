//! Max pooling that does not stand right behind a norm (there the norm does both).

use super::{Keys, LayerKind, image, positive};
use crate::nn::Shape;
use crate::nn::builder::Builder;
use crate::nn::error::Problem;
use crate::nn::graph::Node;
use crate::plan::{PoolForward, PoolGradInput, PoolShape, TensorId};
use serde::{Deserialize, Serialize};

/// Window and stride `size`; the remainder at the right and lower edge is dropped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPool {
    /// Rows and columns of a window.
    pub size: usize,
    /// Its name, for layers that take its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The layer whose output it takes, if not that of the layer before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
}

impl MaxPool {
    fn shape(&self, batch: usize, x: Shape) -> PoolShape {
        PoolShape {
            batch,
            h: x.h,
            w: x.w,
            c: x.c,
            pool: self.size,
        }
    }
}

impl LayerKind for MaxPool {
    fn keys(&self) -> Keys<'_> {
        Keys {
            kind: "pool",
            name: self.name.as_deref(),
            input: self.input.as_deref(),
            with: None,
        }
    }

    fn describe(&self) -> String {
        format!("max pooling {0}x{0}", self.size)
    }

    fn output(&self, inputs: &[Shape]) -> std::result::Result<Shape, Problem> {
        pooled(inputs[0], self.size)
    }

    fn forward(&self, b: &mut Builder, node: &Node) {
        // The gate of a ReLU before the pooling is applied on the way back through it.
        let out = b.output(node, false);
        b.push(PoolForward {
            layer: node.name.clone(),
            shape: self.shape(b.batch, node.inputs[0].shape),
            x: b.tensor_of(node.inputs[0]),
            out,
        });
    }

    fn backward(&self, b: &mut Builder, node: &Node, dout: TensorId) {
        if let Some(to) = b.gradient_of(node.inputs[0]) {
            b.push(PoolGradInput {
                layer: node.name.clone(),
                shape: self.shape(b.batch, node.inputs[0].shape),
                x: to.x,
                dout,
                gate: to.gate,
                dx: to.dx,
                accumulate: to.accumulate,
            });
        }
    }
}

/// What windows of `size` x `size` make of an image.
pub fn pooled(x: Shape, size: usize) -> Result<Shape, Problem> {
    let x = image(x)?;
    if positive(size, "size")? > x.h.min(x.w) {
        return Err(Problem::WindowDoesNotFit { size, input: x });
    }
    Ok(Shape::image(x.h / size, x.w / size, x.c))
}
