//! What an ensemble learns from, as the network takes it.

use super::bands::Band;
use super::error::Error;
use crate::likelihood::Likelihood;

/// Images and their labels.
#[derive(Clone, Debug, Default)]
pub struct Examples {
    /// Network input, (N, image).
    pub images: Vec<f32>,
    /// In the label's unit, (N); NaN for an object that is not a lens, which only a network with a lens head takes.
    pub labels: Vec<f64>,
}

impl Examples {
    /// The labels of the lenses.
    pub fn lens_labels(&self) -> Vec<f64> {
        self.labels.iter().copied().filter(|label| !label.is_nan()).collect()
    }
}

/// A label as the network is to predict it: (label - shift) / scale, or that of its logarithm.
pub fn scaled_label(label: f64, likelihood: Likelihood, scale: f64, shift: f64) -> f32 {
    let value = if likelihood.is_of_logarithm() {
        label.ln()
    } else {
        label
    };
    ((value - shift) / scale) as f32
}

/// Training and validation images, and how labels are scaled.
pub struct Dataset {
    /// Images to train on.
    pub train: Examples,
    /// Images that choose each member's best weights. May be empty: then the last weights are used.
    pub validation: Examples,
    /// One per channel; may be empty unless the options need them ([`needs_bands`](super::TrainOptions::needs_bands)).
    pub bands: Vec<Band>,
    /// label = scale x output + shift; for a log-normal likelihood ln(label) = scale x output + shift.
    pub scale: f64,
    /// See `scale`.
    pub shift: f64,
    /// A hash that identifies the objects, labels and images.
    pub fingerprint: u64,
}

/// Makes the training images of an epoch, counted from 0: always the same number of images, and the same ones for the
/// same epoch.
pub type EpochImages = Box<dyn FnMut(usize) -> Result<Examples, Error>>;
