//! Metadata of a model: everything besides the weights that users and inference need.

use super::Error;
use crate::nn::Network;
use crate::numeric::upper_limit;
use crate::posterior::MemberPredictions;
use crate::posterior::calibration::Calibration;
use crate::posterior::ood::{Distances, Threshold};
use crate::survey::sky::SkyRange;
use crate::survey::{ImageSource, Photometry, Preset, Stretch};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Metadata of a model. Unknown keys, as later versions may write them, are ignored when a file is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// What the model predicts.
    pub label: Target,
    /// Name of each channel of the network's input, in order.
    pub bands: Vec<String>,
    /// Pixel scale, arcsec per pixel; `None` if neither the headers nor the user gave it.
    pub pixel_scale: Option<f64>,
    /// The flux scale of the training images. Models of early versions have none.
    #[serde(default)]
    pub photometry: Photometry,
    /// The survey preset that the training images were read with.
    pub preset: Option<String>,
    /// How the training images are stored and their catalogue is read, for images that are stored alike; `None` for
    /// simulated lenses, images in memory, and models of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<ImageSource>,
    /// From raw flux to network input.
    pub stretch: Stretch,
    /// SkyStatistics level and noise of the training images.
    pub sky: SkyRange,
    /// How the model was trained.
    pub training: TrainingSummary,
    /// How the weights are stored.
    #[serde(default, skip_serializing_if = "Precision::is_full")]
    pub precision: Precision,
    /// What a user of a shipped model must know; `None` for any other model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<Card>,
    /// Applied to every prediction; `None` if the model was never calibrated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// The score above which an image counts as out of distribution; `None` if the members have no feature distribution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ood: Option<Threshold>,
    /// sigma_epistemic, arcsec, that 1 % of the images exceed that `ood` is derived from; `None` for models of earlier
    /// versions, and without such images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epistemic_limit: Option<f64>,
}

/// The type of the numbers in a model file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit numbers.
    #[default]
    Float32,
    /// 16-bit numbers in kernels and other matrices, 32-bit ones in vectors: half of the size.
    Float16,
}

impl Precision {
    fn is_full(&self) -> bool {
        *self == Precision::Float32
    }

    /// `float32` or `float16`.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Float32 => "float32",
            Precision::Float16 => "float16",
        }
    }
}

/// What `lensgpu models` says of a shipped model; the rest is in its page in docs/models.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// The population that it was trained on, in a few words.
    pub trained_on: String,
    /// The images that `rmse` and `nmad` were measured on, in a few words.
    pub scored_on: String,
    /// Root mean square error on these images, arcsec.
    pub rmse: Option<f64>,
    /// 1.4826 times the median absolute deviation of the error on these images, arcsec.
    pub nmad: Option<f64>,
}

/// The predicted quantity, and how it follows from the network's output: value = scale x output + shift, or for a
/// log-normal likelihood ln(value) = scale x output + shift.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Name of the label's column, such as `theta_e`.
    pub name: String,
    /// Unit of the label: `arcsec`.
    pub unit: String,
    /// Factor, in `unit`; positive.
    pub scale: f64,
    /// Offset, in `unit`; 0 if the activation of the mean is `abs`.
    pub shift: f64,
    /// The definition of the Einstein radius that the labels follow, such as `theta_e_crit`, if it is known.
    pub definition: Option<String>,
    /// Smallest and largest training label, in `unit`.
    pub range: (f64, f64),
    /// Quantiles of the training labels, in `unit`, at the normal scores
    /// [`LABEL_SCORES`](crate::posterior::quantiles::LABEL_SCORES): the prior that the predictions contain. `None` for fewer
    /// than 100 labels and models of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantiles: Option<Vec<f64>>,
}

/// How a model was trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingSummary {
    /// Labelled images of all splits together.
    pub rows: usize,
    /// Images of the training split.
    pub train: usize,
    /// Images of the validation split, which chose each member's best weights.
    pub validation: usize,
    /// Images that were neither trained on nor used to choose anything.
    pub held_out: usize,
    /// Images that only the calibration was fitted on.
    #[serde(default)]
    pub calibration: usize,
    /// Epochs asked for.
    pub epochs: usize,
    /// Images per member and step.
    pub batch: usize,
    /// Random seed.
    pub seed: u64,
    /// Initial learning rate.
    pub learning_rate: f64,
    /// Name of the device.
    pub device: String,
    /// When training ended, in UTC and RFC 3339.
    pub date: String,
    /// Version of lensgpu.
    pub version: String,
    /// The techniques of docs/training.md that were switched on, by their names in `run.toml`.
    #[serde(default)]
    pub options: BTreeMap<String, f64>,
    /// One entry per member, in the order of [`Model::members`](super::Model::members).
    pub members: Vec<MemberSummary>,
}

/// How one member was trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberSummary {
    /// Number of the member.
    pub number: u32,
    /// The epoch whose weights are in the model, counted from 1.
    pub best_epoch: usize,
    /// Negative log likelihood of the validation images with these weights (label in arcsec); `None` without validation.
    pub nll: Option<f64>,
    /// Root mean square error of the validation images, arcsec.
    pub rmse: Option<f64>,
    /// Optimiser steps taken.
    pub steps: u64,
    /// Steps skipped because a gradient was not finite.
    pub skipped: u64,
    /// Returns to the last good weights.
    pub restored: u64,
}

/// The fraction of in-distribution images whose sigma_epistemic lies above the limit.
const ABOVE_EPISTEMIC_LIMIT: f64 = 0.01;

impl About {
    /// Derives the limits of the flags `out_of_distribution` and `epistemic` from images that were not trained on: their
    /// distances from the training images, and predictions in the label's unit. `data` says which images they are.
    pub fn set_limits(&mut self, distances: &[Distances], predictions: &[MemberPredictions], data: &str) {
        self.ood = Threshold::new(distances, data);
        let mixtures = predictions.iter().filter_map(|members| members.mixture().ok());
        let mut epistemic: Vec<f64> = mixtures.map(|mixture| mixture.sigma_epistemic()).collect();
        self.epistemic_limit = upper_limit(&mut epistemic, ABOVE_EPISTEMIC_LIMIT);
    }

    /// The value of masked pixels in the survey that the model was trained on, if it has one.
    pub fn mask_value(&self) -> Option<f64> {
        let preset = Preset::by_name(self.preset.as_deref()?).ok()?;
        preset.mask_value
    }

    /// Every number must survive JSON, which has no NaN, and every list must fit the network.
    pub(super) fn check(&self, network: &Network) -> Result<(), Error> {
        let Target {
            scale, shift, range, ..
        } = self.label;
        // Beyond this size, squares of predictions are infinite.
        if !(1e-100..=1e100).contains(&scale) {
            return Err(Error::LabelScale { scale });
        }
        let (stretch, training) = (&self.stretch, &self.training);
        let sky = self.sky.bands.iter().flat_map(|b| b.sky.into_iter().chain(b.noise));
        let scores = training.members.iter().flat_map(|m| [m.nll, m.rmse]).flatten();
        let typical = self.ood.iter().flat_map(|threshold| threshold.typical).flatten();
        let mut all = [shift, range.0, range.1, training.learning_rate]
            .into_iter()
            .chain(
                [&stretch.scale, &stretch.softening, &stretch.mean, &stretch.std]
                    .into_iter()
                    .flatten()
                    .copied(),
            )
            .chain(sky)
            .chain(scores)
            .chain(self.pixel_scale)
            .chain(self.label.quantiles.iter().flatten().copied())
            .chain(self.card.iter().flat_map(|card| [card.rmse, card.nmad]).flatten())
            .chain(self.epistemic_limit)
            .chain(self.ood.iter().map(|threshold| threshold.score))
            .chain(typical.flat_map(|typical| [typical.mean, typical.std]));
        if !all.all(f64::is_finite) {
            return Err(Error::MetadataNotFinite);
        }
        if self.calibration.as_ref().is_some_and(|c| !c.map.is_valid()) {
            return Err(Error::Calibration);
        }
        if let [_, _, channels] = network.input[..] {
            let lengths = [
                ("list of bands", self.bands.len()),
                ("stretch", stretch.scale.len()),
                ("stretch", stretch.mean.len()),
                ("stretch", stretch.std.len()),
                ("sky range", self.sky.bands.len()),
            ];
            if let Some(&(what, found)) = lengths.iter().find(|(_, found)| *found != channels) {
                return Err(Error::Bands { channels, what, found });
            }
        }
        Ok(())
    }
}
