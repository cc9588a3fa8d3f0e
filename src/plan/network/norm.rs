//! Batch norm, and the max pooling right behind it.

use super::{InputGrad, PoolShape};
use crate::plan::{Slice, TensorId};

/// The source of a norm's mean and variance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatsSource {
    /// This batch: training.
    Batch(BatchStats),
    /// Running statistics: inference.
    Running(TensorId),
}

/// Batch statistics over the rows of x: batch = [mean; C], [biased variance; C], merged from blocks (n, mean, M2) in a
/// fixed order (Chan et al. 1979). Running statistics: next = momentum before + (1 - momentum) batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchStats {
    /// (2,C).
    pub batch: TensorId,
    /// Running statistics before: those of the last step taken; in the second pass of a step, those of its first pass.
    pub before: TensorId,
    pub next: TensorId,
}

/// out = maxpool(gamma (x - mean) / sqrt(variance + epsilon) + beta), windows of `pool` x `pool`; the
/// remainder at the right and lower edge is dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct NormForward {
    pub layer: String,
    pub shape: PoolShape,
    pub epsilon: f32,
    pub momentum: f32,
    pub x: TensorId,
    pub source: StatsSource,
    /// Offsets of the layer's mean and variance in a member's row of running statistics.
    pub mean_offset: usize,
    pub variance_offset: usize,
    pub gamma: Slice,
    pub beta: Slice,
    pub out: TensorId,
}

operation!(NormForward, "norm_forward", |op| &op.layer, values: |op| op.shape.values() + op.shape.pooled());

/// The gradients of gamma and beta, and that of x where somebody needs it. With xhat = (x - mean) / sqrt(variance + epsilon)
/// and dz the gradient at the norm's own output (dout put back at each window's maximum; of equal values the first in
/// row-major order): dbeta = sum of dz, dgamma = sum of dz xhat,
/// dx = gamma / sqrt(variance + epsilon) (dz - (dbeta + xhat dgamma) / rows) (Ioffe & Szegedy 2015).
#[derive(Clone, Debug, PartialEq)]
pub struct NormGrad {
    pub layer: String,
    pub shape: PoolShape,
    pub epsilon: f32,
    pub x: TensorId,
    /// (2,C).
    pub batch_stats: TensorId,
    pub gamma: Slice,
    pub dout: TensorId,
    pub gamma_grad: Slice,
    pub beta_grad: Slice,
    /// Whether the gradients of gamma and beta are added to what is there.
    pub accumulate: bool,
    pub input: Option<InputGrad>,
}

operation!(NormGrad, "norm_grad", |op| &op.layer, values: |op| {
    let written = if op.input.is_some() { op.shape.values() } else { 0 };
    op.shape.values() + op.shape.pooled() + written
});
