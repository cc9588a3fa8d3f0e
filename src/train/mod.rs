//! Training: an ensemble from images and labels.
//!
//! | file | what it does |
//! |---|---|
//! | [`run`] | a run folder: data in, log, checkpoint and model out |
//! | `prepare` | a folder of images to what an ensemble learns from |
//! | `simulated` | the same from lenses made on the fly |
//! | [`trainer`] | epoch by epoch on a device: start reading here |
//! | [`bands`] | what the adversary, shifts and noise must know of each channel |
//! | `draws`, `schedule` | which image in which step, and the learning rate |
//! | [`checkpoint`], [`history`] | what a run needs to go on, and what it logged |
//! | [`options`] | what a run is told |

pub mod bands;
pub mod checkpoint;
mod draws;
pub mod history;
pub mod options;
mod prepare;
pub mod run;
mod schedule;
mod simulated;
pub mod trainer;

pub use bands::Band;
pub use options::{DataOptions, RunOptions, SimulateOptions, TrainOptions};
pub use prepare::network_of;
pub use trainer::{Dataset, Ended, Examples, Trainer};
