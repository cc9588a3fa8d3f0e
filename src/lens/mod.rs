//! Gravitational lenses: their physics, and a simulator of galaxy images as a survey would record them.

mod error;
pub mod physics;
pub mod simulate;

pub use error::Error;
pub use simulate::population::Population;
pub use simulate::simulator::{SimulatedObject, Simulator};
