//! Plots of a run.

pub mod predicted_vs_true;
mod svg;
pub mod terminal;
pub mod training_curves;
