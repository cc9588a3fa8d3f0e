//! From the members' predictions to one calibrated distribution per object, and its evaluation. Numbers in, numbers out.
//!
//! | module | what it does |
//! |---|---|
//! | [`mixture`] | the ensemble's distribution: mean, uncertainties, quantiles |
//! | [`calibration`] | rescales intervals to nominal coverage |
//! | [`metrics`] | metrics of predictions with known true values |
//! | [`quantiles`] | a smooth distribution through given quantiles |
//! | `shape` | moments and scores of a calibrated distribution |
//! | `quantity` | name and unit of what is predicted |
//! | [`ood`] | out-of-distribution score |

pub mod calibration;
mod error;
mod members;
pub mod metrics;
pub mod mixture;
pub mod ood;
pub mod quantiles;
mod quantity;
mod shape;

pub use error::Error;
pub use members::MemberPredictions;
pub use quantity::Quantity;
