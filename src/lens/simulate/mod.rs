//! A simulator of galaxies as a survey would see them.
//!
//! | file | what it does |
//! |---|---|
//! | [`population`] | how simulated objects are distributed and seen: a TOML file, or a preset |
//! | [`distribution`] | one quantity's distribution |
//! | `draw` | one object of a population, by seed and number |
//! | [`object`] | an object's parameters, and the words of it that a device takes |
//! | [`plan`] | the operations that make images of objects |
//! | [`simulator`] | draw, stream through a device, hand out: start reading here |
//! | [`write`](mod@write) | images and tables to disk |
//! | [`preview`] | a contact sheet in colour |

pub mod distribution;
pub mod draw;
pub mod object;
pub mod plan;
pub mod population;
pub mod preview;
pub mod simulator;
pub mod write;
