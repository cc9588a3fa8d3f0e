//! The tables that a training step shares with the host: the meaning of their rows and words.

/// The label of an image that has none because it shows no lens. No scaled label is that far from 0.
pub const NO_LABEL: f32 = -1e30;

/// Rows of the `bands` tensor, one word per channel of the images.
pub mod bands {
    /// f32: step of the adversary ([`crate::plan::Fgsm`]).
    pub const EPSILON: usize = 0;
    /// The bits of a masked pixel after the stretch; [`NEVER`] if none is masked.
    pub const MASKED: usize = 1;
    /// f32: standard deviation of the added noise, divided by that of a sum of sixteen random bytes
    /// ([`crate::plan::Gather`]).
    pub const NOISE: usize = 2;
    /// Number of rows.
    pub const ROWS: usize = 3;

    /// A NaN pattern that no pixel has.
    pub const NEVER: u32 = u32::MAX;
}

/// f32 values per step in the `schedule` tensor.
pub mod schedule {
    /// Learning rate.
    pub const RATE: usize = 0;
    /// Not 0 if the step fits only the mean, by the squared error.
    pub const FIT_MEAN: usize = 1;
    /// Values per step.
    pub const WIDTH: usize = 2;
}

/// Words of a member's `state` tensor: u32, or the bits of an f32.
pub mod state {
    /// Steps since the tables were filled: the current row of `draws` and `schedule`.
    pub const CURSOR: usize = 0;
    /// Optimiser steps taken.
    pub const TAKEN: usize = 1;
    /// Steps skipped in a row.
    pub const SKIPPED_IN_A_ROW: usize = 2;
    /// Steps skipped in total.
    pub const SKIPPED: usize = 3;
    /// Returns to the last good weights.
    pub const RESTORED: usize = 4;
    /// Optimiser steps since good weights were last kept.
    pub const SINCE_GOOD: usize = 5;
    /// What the update does: [`TAKE`], [`SKIP`], [`RESTORE`] or [`FREEZE`], plus [`KEEP`] if the result is kept as good.
    pub const VERDICT: usize = 6;
    /// 1 for a member whose training has ended (early stopping).
    pub const FROZEN: usize = 7;
    /// f32: factor on the learning rate; 1 until the member returns to good weights.
    pub const RATE_FACTOR: usize = 8;
    /// f32: 1 - beta1^t.
    pub const BIAS1: usize = 9;
    /// f32: 1 - beta2^t.
    pub const BIAS2: usize = 10;
    /// f32: factor that clips the gradient of this step.
    pub const CLIP: usize = 11;
    /// f32: Adam's step size for this step.
    pub const STEP_SIZE: usize = 12;
    /// Key of the member's random shifts and noise, until the tables are filled again.
    pub const KEY: usize = 13;
    /// f32: factor by which the weight decay of this step shrinks kernels.
    pub const SHRINK: usize = 14;
    /// Words per member.
    pub const WORDS: usize = 16;

    /// Verdict: the step is taken.
    pub const TAKE: u32 = 0;
    /// Verdict: the step is skipped because a value is not finite.
    pub const SKIP: u32 = 1;
    /// Verdict: the member returns to its last good weights.
    pub const RESTORE: u32 = 2;
    /// Verdict: the member's training has ended.
    pub const FREEZE: u32 = 3;
    /// Added to the verdict if the weights are kept as good.
    pub const KEEP: u32 = 4;
}

/// f32 values per step in the `log` tensor.
pub mod log {
    /// Loss of the plain images, in scaled labels.
    pub const LOSS: usize = 0;
    /// Norm of the gradient before clipping.
    pub const NORM: usize = 1;
    /// See [`super::state::VERDICT`].
    pub const VERDICT: usize = 2;
    /// Learning rate.
    pub const RATE: usize = 3;
    /// Mean of (mu - y)^2 over the plain images.
    pub const SQUARED_ERROR: usize = 4;
    /// Cross-entropy of the plain images; 0 without a lens head.
    pub const CROSS_ENTROPY: usize = 5;
    /// Values per step.
    pub const WIDTH: usize = 6;
}
