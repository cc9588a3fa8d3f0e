//! The self test, which replays recorded Keras training steps, and the benchmark.

pub mod bench;
mod error;
pub mod recording;
pub mod selftest;

pub use error::Error;
