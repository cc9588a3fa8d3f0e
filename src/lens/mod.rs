//! Lenses: their physics, and a simulator of galaxies as a survey would see them, made on the device.
//!
//! | file | what it does |
//! |---|---|
//! | [`cosmology`], [`units`] | distances, constants |
//! | [`einstein`] | Einstein radius, mass inside it, velocity dispersion |
//! | [`radius`], [`mass_table`] | a catalogue's radii as distributions, and their masses |
//! | [`population`] | how simulated objects are distributed and seen: a TOML file, or a preset |
//! | [`distribution`] | one quantity's distribution |
//! | [`draw`] | one object of a population, by seed and number |
//! | [`object`] | an object's parameters, and the words of it that a device takes |
//! | [`mass`] | the mass model in f64: deflection, critical curve |
//! | [`plan`] | the operations that make images of objects |
//! | [`simulate`] | draw, stream through a device, hand out: start reading here |
//! | [`write`](mod@write) | images and tables to disk |
//! | [`preview`] | a contact sheet in colour |

pub mod cosmology;
pub mod distribution;
pub mod draw;
pub mod einstein;
pub mod mass;
pub mod mass_table;
pub mod object;
pub mod plan;
pub mod population;
pub mod preview;
pub mod radius;
pub mod simulate;
pub mod units;
pub mod write;

pub use population::Population;
pub use simulate::{Simulated, Simulator};
