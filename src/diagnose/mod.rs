//! The self test, which replays recorded Keras training steps, a short one for adapters not seen before, and the benchmark.

pub mod adapter;
pub mod bench;
mod error;
pub mod recording;
pub mod selftest;

pub use error::Error;
