//! What an ensemble says of an object: mixture, calibration, metrics, out of distribution. Numbers in, numbers out.

pub mod calibration;
mod members;
pub mod metrics;
pub mod mixture;
pub mod ood;

pub use members::MemberPredictions;
