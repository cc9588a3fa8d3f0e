//! Inference: a model and images to Einstein radii.
//!
//! | file | what it does |
//! |---|---|
//! | `predictor` | images in memory to predictions |
//! | `predicted` | the prediction for one image, and its flags |
//! | [`stream`](mod@stream) | the images of a folder to predictions, with constant memory for pixels |
//! | `catalogue` | the same to a catalogue |
//! | `journal` | what a run has predicted so far, from which another run continues |
//! | `origin` | what predictions follow from |
//! | `shard` | a part of the objects, predicted in a run of its own |
//! | [`merge`](mod@merge) | the catalogues of all shards in one |
//! | `details` | what the file beside the catalogue says |

mod catalogue;
mod details;
mod error;
mod journal;
pub mod merge;
mod origin;
mod predicted;
mod predictor;
mod shard;
pub mod stream;

pub use catalogue::{InferOptions, InferReport, infer};
pub use error::Error;
pub use predicted::{ImagePrediction, PredictedImage};
pub use predictor::Predictor;
pub use shard::Shard;

use crate::device::Device;
use crate::model::{Ensemble, Model};

/// How images pass through the network.
#[derive(Clone, Copy, Debug)]
pub struct Passes {
    /// Images on the device at a time. Predictions do not depend on it.
    pub batch: usize,
    /// Test-time augmentation: average each member's mean, variance and probability of a lens over all flips and
    /// quarter turns of an image.
    pub all_views: bool,
}

impl Default for Passes {
    fn default() -> Passes {
        Passes {
            batch: 64,
            all_views: false,
        }
    }
}

impl Passes {
    /// The members of a model on a device.
    fn ensemble(self, model: &Model, device: &Device) -> Result<Ensemble, Error> {
        let ensemble = Ensemble::of_members(device, &model.network, &model.members, self.batch)?;
        Ok(match self.all_views {
            true => ensemble.in_all_views(),
            false => ensemble,
        })
    }
}
