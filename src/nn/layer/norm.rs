//! Batch norm, and the max pooling right behind it.

use super::{Keys, LayerKind};
use crate::nn::builder::{Builder, Pass};
use crate::nn::error::Problem;
use crate::nn::graph::Node;
use crate::nn::layout::Tensors;
use crate::nn::{Result, Shape};
use crate::plan::{BatchStats, NormForward, NormGrad, PoolShape, StatsSource, TensorId};
use serde::{Deserialize, Serialize};

/// Batch norm's epsilon; Keras' default, and that of the recordings.
pub const NORM_EPSILON: f32 = 1e-3;
/// Batch norm's momentum; Keras' default, and that of the recordings.
pub const NORM_MOMENTUM: f32 = 0.99;

/// Batch norm over the channels (Ioffe & Szegedy 2015, arXiv 1502.03167).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Norm {
    /// Its name, and that of its tensors `NAME.gamma`, `.beta`, `.moving_mean` and `.moving_variance` (channels).
    pub name: String,
    /// The layer whose output it takes, if not that of the layer before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
}

/// Its sizes, and those of the pooling that the node has taken in.
fn pool_shape(b: &Builder, node: &Node) -> PoolShape {
    let x = node.inputs[0].shape;
    PoolShape {
        batch: b.batch,
        h: x.h,
        w: x.w,
        c: x.c,
        pool: node.pool,
    }
}

fn batch_stats(b: &mut Builder, node: &Node) -> TensorId {
    b.tensor(&format!("{}.batch_stats", node.name), 2 * node.inputs[0].shape.c)
}

impl LayerKind for Norm {
    fn keys(&self) -> Keys<'_> {
        Keys {
            kind: "norm",
            name: Some(&self.name),
            input: self.input.as_deref(),
            with: None,
        }
    }

    fn describe(&self) -> String {
        "batch norm".into()
    }

    fn output(&self, inputs: &[Shape]) -> std::result::Result<Shape, Problem> {
        Ok(inputs[0])
    }

    fn tensors(&self, input: Shape, name: &str, tensors: &mut Tensors) -> Result<()> {
        tensors.param(name, "gamma", vec![input.c])?;
        tensors.param(name, "beta", vec![input.c])?;
        tensors.stat(name, "moving_mean", vec![input.c])?;
        tensors.stat(name, "moving_variance", vec![input.c])
    }

    fn forward(&self, b: &mut Builder, node: &Node) {
        let (shape, x) = (pool_shape(b, node), b.tensor_of(node.inputs[0]));
        let [mean_offset, variance_offset] = b.stat_offsets(node);
        let source = match b.pass {
            Pass::Infer => StatsSource::Running(b.stats),
            Pass::Train(train) => StatsSource::Batch(BatchStats {
                batch: batch_stats(b, node),
                before: train.stats_before,
                next: train.stats_next,
            }),
        };
        let out = b.output(node, false);
        b.push(NormForward {
            layer: node.name.clone(),
            shape,
            epsilon: NORM_EPSILON,
            momentum: NORM_MOMENTUM,
            x,
            source,
            mean_offset,
            variance_offset,
            gamma: b.param(node, "gamma"),
            beta: b.param(node, "beta"),
            out,
        });
    }

    fn backward(&self, b: &mut Builder, node: &Node, dout: TensorId) {
        let (shape, x) = (pool_shape(b, node), b.tensor_of(node.inputs[0]));
        let batch_stats = batch_stats(b, node);
        let input = b.input_grad(node.inputs[0]);
        b.push(NormGrad {
            layer: node.name.clone(),
            shape,
            epsilon: NORM_EPSILON,
            x,
            batch_stats,
            gamma: b.param(node, "gamma"),
            dout,
            gamma_grad: b.grad(node, "gamma"),
            beta_grad: b.grad(node, "beta"),
            accumulate: b.accumulate,
            input,
        });
    }
}
