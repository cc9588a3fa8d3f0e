//! Training: an ensemble from images and labels.
//!
//! | file | what it does |
//! |---|---|
//! | [`run`], `folder` | a run that can be resumed, and its files |
//! | `arrays` | the same on images in memory |
//! | `labelled` | labelled images from a folder or from memory |
//! | `prepare` | splits, stretches and scales them |
//! | `simulated` | simulated lenses instead |
//! | `folds` | several splits of the same rows, trained at once |
//! | [`trainer`], `validation` | epoch by epoch on a device: start reading here |
//! | `fit` | the loop over epochs |
//! | `finish` | from the trained members to a calibrated model with scores |
//! | `calibration_rows` | what the members predict for the rows of their calibration |
//! | `merge` | members of several runs in one model |
//! | [`bands`], `dataset` | what the trainer takes |
//! | `batches`, `schedule` | which images in which step, and the learning rate |
//! | `initial` | bias correction of the running statistics |
//! | [`checkpoint`], `resumable`, `history` | what is needed to resume, whether it fits, and the log |
//! | [`options`], `recipe` | options of a training, and which of them go with which network |

mod arrays;
pub mod bands;
mod batches;
mod calibration_rows;
pub mod checkpoint;
mod dataset;
mod error;
mod finish;
mod fit;
mod folder;
mod folds;
mod history;
mod initial;
mod labelled;
mod merge;
pub mod options;
mod prepare;
mod recipe;
mod resumable;
pub mod run;
mod schedule;
mod simulated;
pub mod trainer;
mod validation;

pub use arrays::{Start, Trained, train_arrays, train_folds};
pub use bands::Band;
pub use dataset::{Dataset, EpochImages, Examples};
pub use error::{Cause, Error};
pub use folds::{Folds, OverFolds};
pub use labelled::LabelledImages;
pub use merge::{MergeError, merge};
pub use options::{DataOptions, RunOptions, SimulateOptions, TrainOptions};
pub use prepare::network_of;
pub use recipe::Recipe;
pub use trainer::{EpochEnd, Trainer};
