//! The tables that a training step shares with the host: what each row or word of them is.

/// Rows of the `bands` tensor: a word for each channel of the images.
pub mod bands {
    /// f32: how far the adversary moves a value ([`crate::plan::Fgsm`]).
    pub const EPSILON: usize = 0;
    /// What a masked pixel is after the stretch, by its bits; [`NEVER`] where none is masked.
    pub const MASKED: usize = 1;
    /// f32: standard deviation of the noise that is added, over that of the sum of sixteen random bytes ([`crate::plan::Gather`]).
    pub const NOISE: usize = 2;
    pub const ROWS: usize = 3;

    /// A NaN that no pixel is.
    pub const NEVER: u32 = u32::MAX;
}

/// f32 values of a step in the `schedule` tensor.
pub mod schedule {
    pub const RATE: usize = 0;
    /// Not 0 where the step fits the mean alone, by the squared error.
    pub const FIT_MEAN: usize = 1;
    pub const WIDTH: usize = 2;
}

/// Words of a member's `state` tensor, u32 or the bits of an f32.
pub mod state {
    /// Steps since the tables were filled: which row of `draws` and `schedule` is next.
    pub const CURSOR: usize = 0;
    /// Optimiser steps taken.
    pub const TAKEN: usize = 1;
    /// Steps skipped in a row, in all, and returns to the last good weights.
    pub const SKIPPED_IN_A_ROW: usize = 2;
    pub const SKIPPED: usize = 3;
    pub const RESTORED: usize = 4;
    /// Optimiser steps since the last good weights were kept.
    pub const SINCE_GOOD: usize = 5;
    /// What the update does: [`TAKE`], [`SKIP`], [`RESTORE`] or [`FREEZE`], with [`KEEP`] added where the result is kept
    /// as good.
    pub const VERDICT: usize = 6;
    /// 1 for a member whose training has ended (early stopping).
    pub const FROZEN: usize = 7;
    /// f32: the factor on the learning rate, 1 until the member had to return to good weights.
    pub const RATE_FACTOR: usize = 8;
    /// f32: 1 - beta1^t and 1 - beta2^t.
    pub const BIAS1: usize = 9;
    pub const BIAS2: usize = 10;
    /// f32: the factor that clips this step's gradient.
    pub const CLIP: usize = 11;
    /// f32: Adam's step size for this step.
    pub const STEP_SIZE: usize = 12;
    /// What the member's random shifts and noise are drawn with until the tables are filled again.
    pub const KEY: usize = 13;
    /// f32: the factor by which this step's weight decay shrinks kernels.
    pub const SHRINK: usize = 14;
    pub const WORDS: usize = 16;

    pub const TAKE: u32 = 0;
    pub const SKIP: u32 = 1;
    pub const RESTORE: u32 = 2;
    pub const FREEZE: u32 = 3;
    pub const KEEP: u32 = 4;
}

/// f32 values a step in the `log` tensor.
pub mod log {
    /// Of the plain images, in scaled labels.
    pub const LOSS: usize = 0;
    /// Of the gradient, before clipping.
    pub const NORM: usize = 1;
    /// As in [`super::state::VERDICT`].
    pub const VERDICT: usize = 2;
    pub const RATE: usize = 3;
    /// Mean of (mu - y)^2 over the plain images.
    pub const SQUARED_ERROR: usize = 4;
    pub const WIDTH: usize = 5;
}
