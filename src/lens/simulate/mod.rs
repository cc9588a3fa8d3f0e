//! A simulator of galaxy images as a survey would record them. Start reading at [`simulator`].
//!
//! | file | contents |
//! |---|---|
//! | [`population`] | how objects are distributed and observed: a TOML file, or a preset |
//! | [`distribution`] | the distribution of one quantity |
//! | `draw` | draws an object of a population from a seed and its number |
//! | [`object`] | the parameters of an object, and their encoding for a device |
//! | [`plan`] | the operations that turn objects into images |
//! | [`simulator`] | draws objects, runs them on a device and returns their images |
//! | `psf` | point spread functions that a population reads from files |
//! | `truth` | the parameters of an object as a row of a table |
//! | `arrays` | images and parameters in memory |
//! | [`write`](mod@write) | writes images and tables to disk |
//! | `preview` | a contact sheet in colour |

mod arrays;
pub mod distribution;
mod draw;
pub mod object;
pub mod plan;
pub mod population;
mod preview;
mod psf;
pub mod simulator;
mod truth;
pub mod write;

pub use arrays::{SimulatedImages, TruthColumn, TruthValues, simulate_arrays};
