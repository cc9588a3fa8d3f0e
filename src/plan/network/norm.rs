//! Batch norm, and the max pooling right behind it.

use super::PoolShape;
use crate::plan::{Slice, TensorId};

/// Batch statistics over the rows of x: batch = [mean; C], [biased variance; C], merged from blocks (n, mean, M2) in a
/// fixed order (Chan et al. 1979). Running statistics: next = momentum before + (1 - momentum) batch. In a step that fixes
/// the statistics, batch = next = before.
#[derive(Clone, Debug, PartialEq)]
pub struct NormStats {
    pub layer: String,
    pub rows: usize,
    pub channels: usize,
    pub momentum: f32,
    pub x: TensorId,
    /// (2,C).
    pub batch_stats: TensorId,
    /// Running statistics before: those of the last step taken; in the second pass of a step, those of its first pass.
    pub before: TensorId,
    pub next: TensorId,
    /// Offsets of the layer's mean and variance in a member's row of both.
    pub mean_offset: usize,
    pub variance_offset: usize,
    /// Where it says whether a step fixes the statistics; none ever does if `None`.
    pub fixable: Option<StepTable>,
}

/// The table of the steps: [`schedule`](crate::plan::schedule), whose row is `state[CURSOR]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepTable {
    pub schedule: TensorId,
    pub state: TensorId,
}

operation!(NormStats, "norm_stats", |op| &op.layer);

/// The source of a norm's mean and variance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatsSource {
    /// (2,C) of this batch: training.
    Batch(TensorId),
    /// Running statistics: inference.
    Running {
        stats: TensorId,
        mean_offset: usize,
        variance_offset: usize,
    },
}

/// out = maxpool(gamma (x - mean) / sqrt(variance + epsilon) + beta), windows of `pool` x `pool`; the
/// remainder at the right and lower edge is dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct NormForward {
    pub layer: String,
    pub shape: PoolShape,
    pub epsilon: f32,
    pub x: TensorId,
    pub source: StatsSource,
    pub gamma: Slice,
    pub beta: Slice,
    pub out: TensorId,
}

operation!(NormForward, "norm_forward", |op| &op.layer);

/// With xhat = (x - mean) / sqrt(variance + epsilon) and dz the gradient at the norm's own output (dout put back at
/// each window's maximum; of equal values the first in row-major order):
/// sums = [dbeta; C], [dgamma; C] = [sum of dz], [sum of dz xhat], also written to the gradients of gamma and beta. In a
/// step that fixes the statistics, sums = 0: x has no effect on them.
#[derive(Clone, Debug, PartialEq)]
pub struct NormGradParam {
    pub layer: String,
    pub shape: PoolShape,
    pub epsilon: f32,
    pub x: TensorId,
    pub batch_stats: TensorId,
    pub gamma: Slice,
    pub dout: TensorId,
    /// (2,C).
    pub sums: TensorId,
    pub gamma_grad: Slice,
    pub beta_grad: Slice,
    pub accumulate: bool,
    pub fixable: Option<StepTable>,
}

operation!(NormGradParam, "norm_grad_param", |op| &op.layer);

/// dx = gamma / sqrt(variance + epsilon) (dz - (dbeta + xhat dgamma) / rows), gated by x > 0 if `gate`
/// (Ioffe & Szegedy 2015).
#[derive(Clone, Debug, PartialEq)]
pub struct NormGradInput {
    pub layer: String,
    pub shape: PoolShape,
    pub epsilon: f32,
    pub x: TensorId,
    pub batch_stats: TensorId,
    pub gamma: Slice,
    pub dout: TensorId,
    pub sums: TensorId,
    pub gate: bool,
    pub dx: TensorId,
    pub accumulate: bool,
}

operation!(NormGradInput, "norm_grad_input", |op| &op.layer);
