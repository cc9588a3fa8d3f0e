//! Progress reports of long computations, and the way to stop them. What receives them is up to the caller: a terminal,
//! a notebook, nothing.

use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// Receives the events of a computation. Once it returns `Break`, the computation finishes the current step, saves what
/// it can, and ends.
///
/// It may be called from several threads at a time.
pub type Callback<'a> = dyn Fn(Event<'_>) -> ControlFlow<()> + Sync + 'a;

/// A callback that ignores every event.
pub fn ignore_events(_: Event<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Reports information.
pub(crate) fn note(progress: &Callback, message: &str) {
    // A wish to stop is heard at the next step.
    let _ = progress(Event::Note(message));
}

/// Reports a warning.
pub(crate) fn warn(progress: &Callback, message: &str) {
    let _ = progress(Event::Warning(message));
}

/// An error and its causes, joined by colons.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// What a computation reports while it runs.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Information for the user.
    Note(&'a str),
    /// Something that may make the result wrong or useless.
    Warning(&'a str),
    /// `done` of `total` units of a phase are finished.
    Advanced {
        /// What is being done.
        phase: Phase,
        /// Units finished.
        done: usize,
        /// Units of the whole phase.
        total: usize,
    },
    /// An epoch of training has ended.
    Epoch {
        /// Losses of every member.
        record: &'a EpochRecord,
        /// Epochs of the whole training.
        epochs: usize,
    },
}

/// What a computation is doing, and the unit in which [`Event::Advanced`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Reads or simulates the images to train on; counts images.
    Preparing,
    /// Trains; counts optimiser steps.
    Training,
    /// Predicts; counts images.
    Predicting,
    /// Joins catalogues; counts rows.
    Merging,
    /// Writes simulated lenses; counts objects.
    Simulating,
    /// Computes masses; counts catalogue rows.
    Masses,
    /// Writes priors for lens models, or compares models with predictions; counts rows.
    Modelling,
    /// Explores a posterior by MCMC; counts steps of the walkers.
    Sampling,
}

/// One epoch of all members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Number of the epoch, counted from 1.
    pub epoch: usize,
    /// Learning rate of its last step as scheduled. A member that returned to its last good weights has a smaller one:
    /// [`MemberEpoch::learning_rate`].
    pub learning_rate: f64,
    /// Duration, seconds.
    pub seconds: f64,
    /// One entry per member, in the order of the training's members.
    pub members: Vec<MemberEpoch>,
}

/// One member's epoch. A value that is not finite, or for which there was no row, is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberEpoch {
    /// Number of the fold; 0 unless there are several.
    #[serde(default)]
    pub fold: u32,
    /// Number of the member.
    pub member: u32,
    /// Its learning rate in the last step: that of the schedule, divided by ten for each return to its last good weights
    /// before. `None` in epochs of early versions.
    #[serde(default)]
    pub learning_rate: Option<f64>,
    /// Negative log likelihood (label in arcsec): mean over the lenses in the mini-batches of the epoch as they were
    /// trained on.
    pub train_nll: Option<f64>,
    /// Root mean square error of the same mini-batches, arcsec.
    pub train_rmse: Option<f64>,
    /// Negative log likelihood of the validation rows (label in arcsec), with the running statistics.
    pub val_nll: Option<f64>,
    /// Root mean square error of the validation rows, arcsec.
    pub val_rmse: Option<f64>,
    /// Cross-entropy of the lens head over the same mini-batches as `train_nll`; `None` without a lens head.
    #[serde(default)]
    pub train_cross_entropy: Option<f64>,
    /// Cross-entropy of the validation rows.
    #[serde(default)]
    pub val_cross_entropy: Option<f64>,
    /// Mean norm of the gradient before clipping.
    pub gradient_norm: Option<f64>,
    /// Steps of this epoch that were skipped because a value was not finite.
    pub skipped: usize,
    /// Returns to the last good weights in this epoch.
    pub restored: usize,
    /// Whether these are the member's best weights so far.
    pub best: bool,
}
