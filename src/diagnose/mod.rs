//! The self test against recorded Keras steps, and the benchmark.

pub mod bench;
pub mod recording;
pub mod selftest;
