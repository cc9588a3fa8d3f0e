//! Plots: numbers to SVG, PNG and text.

pub mod chart;
pub mod composite;
pub mod png;
pub mod predicted_vs_true;
pub mod svg;
pub mod terminal;
pub mod training_curves;
