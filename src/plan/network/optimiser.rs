//! Adam, and the moving average of the weights.

use crate::plan::TensorId;

/// Gradient norm, verdict, clip and update of a member (Kingma & Ba 2015, in Keras' form):
/// w -= lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon).
///
/// A member with a gradient, a loss or a new running statistic that is not finite keeps everything as it was. After
/// `patience` such steps in a row it returns to its last good weights, with zero moments and a tenth of the learning rate.
/// Good weights are kept every `keep_every` steps taken. One row of the log is written, and the cursor is advanced.
///
/// Decoupled weight decay (Loshchilov & Hutter 2019): kernels are multiplied by 1 - lr `decay` before the update.
#[derive(Clone, Debug, PartialEq)]
pub struct Adam {
    pub param_stride: usize,
    pub stat_stride: usize,
    pub beta1: f32,
    pub beta2: f32,
    pub epsilon: f32,
    /// Largest norm of a member's gradient; infinite for none.
    pub clip: f32,
    /// 0 for none.
    pub decay: f32,
    /// Offset and length of the kernels in a member's row.
    pub kernels: Vec<(usize, usize)>,
    pub patience: u32,
    pub keep_every: u32,
    pub params: TensorId,
    pub stats: TensorId,
    pub stats_next: TensorId,
    pub grads: TensorId,
    pub adam_m: TensorId,
    pub adam_v: TensorId,
    pub good: TensorId,
    pub loss: TensorId,
    pub second_loss: Option<TensorId>,
    /// (1): added to the loss, and logged; none without a lens head.
    pub cross_entropy: Option<TensorId>,
    pub schedule: TensorId,
    pub state: TensorId,
    pub log: TensorId,
}

// Weights and both moments before and after, and gradients.
operation!(Adam, "adam", |_op| "optimiser", values: |op| 7 * op.param_stride);

/// average += (1 - decay) ([params, stats] - average), after a step that was taken (Polyak & Juditsky 1992). It starts at
/// 0, so after t steps callers must divide it by 1 - decay^t.
///
/// It is kept when [`Adam`] keeps good weights, and returns to what was kept when the member returns to those: the weights
/// of a member that diverges are large before they are infinite, and an average of them would never recover.
#[derive(Clone, Debug, PartialEq)]
pub struct Average {
    pub param_stride: usize,
    pub stat_stride: usize,
    pub decay: f32,
    pub params: TensorId,
    pub stats: TensorId,
    pub state: TensorId,
    pub average: TensorId,
    /// As of the last good weights.
    pub good_average: TensorId,
}

operation!(Average, "average", |_op| "optimiser", values: |op| 3 * (op.param_stride + op.stat_stride));
