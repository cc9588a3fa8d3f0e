//! Training, inference, the mixture, calibration, metrics, the self test and the benchmark.

pub mod bench;
pub mod calibration;
pub mod evaluate;
pub mod infer;
pub mod likelihood;
pub mod metrics;
pub mod mixture;
pub mod ood;
pub mod predict;
pub mod recording;
pub mod selftest;
pub mod stream;
pub mod train;
