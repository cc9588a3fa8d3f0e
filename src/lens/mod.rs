//! Lenses: their physics, and a simulator of galaxies as a survey would see them, made on the device.

pub mod physics;
pub mod simulate;

pub use simulate::population::Population;
pub use simulate::simulator::{Simulated, Simulator};
