//! Plots of a run, and the report of an evaluation.

pub mod chart;
mod composite;
pub mod evaluation;
pub mod png;
pub mod predicted_vs_true;
pub mod svg;
pub mod terminal;
pub mod training_curves;
