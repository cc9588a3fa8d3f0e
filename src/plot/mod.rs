//! Plots from numbers, as SVG, PNG and text.
//!
//! | module | what it has |
//! |---|---|
//! | [`svg`], [`chart`] | palette, type sizes, axes, legends: what all plots share |
//! | [`predicted_vs_true`], [`training_curves`] | the plots of a training run |
//! | [`corner`] | marginal distributions of several parameters |
//! | [`roofline`] | how near operations are to what a device can do |
//! | [`terminal`] | a scatter plot in plain text |
//! | [`composite`] | a cutout in colour |
//! | [`png`] | SVG and pixels to PNG |

pub mod chart;
pub mod composite;
pub mod corner;
mod error;
pub mod png;
pub mod predicted_vs_true;
pub mod roofline;
pub mod svg;
pub mod terminal;
pub mod training_curves;

pub use error::Error;
