//! What a run is told, and everything it decided: the content of `run.toml`.

use crate::data::SourceOptions;
use crate::data::preset::Preset;
use crate::lens::Population;
use crate::net::Network;
use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where the images and labels are; see [`SourceOptions`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataOptions {
    pub dir: PathBuf,
    pub preset: Option<String>,
    pub images: Option<String>,
    pub bands: Option<Vec<String>>,
    pub label: Option<String>,
    pub catalogue: Option<PathBuf>,
    pub id_column: Option<String>,
    pub crop: Option<usize>,
    pub flux_scale: f64,
    pub pixel_scale: Option<f64>,
}

impl DataOptions {
    /// # Errors
    /// A preset that is not known.
    pub fn source(&self, label_needed: bool) -> Result<SourceOptions> {
        Ok(SourceOptions {
            dir: self.dir.clone(),
            preset: self.preset.as_deref().map(Preset::by_name).transpose()?,
            images: self.images.clone(),
            bands: self.bands.clone(),
            label: self.label.clone(),
            catalogue: self.catalogue.clone(),
            id_column: self.id_column.clone(),
            crop: self.crop,
            flux_scale: self.flux_scale,
            pixel_scale: self.pixel_scale,
            label_needed,
        })
    }
}

/// How an ensemble is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainOptions {
    /// Numbers of the members, which decide their weights and their mini-batches.
    pub members: Vec<u32>,
    pub batch: usize,
    pub epochs: usize,
    /// Adam's learning rate at the first step; it falls along half a cosine to `final_rate`.
    pub learning_rate: f32,
    pub final_rate: f32,
    /// Largest norm of a member's gradient.
    pub clip: f32,
    /// Share of the rows that choose the best weights.
    pub validation: f64,
    /// Share of the rows that nothing but the calibration is fitted on; none where it is too few for that, see
    /// [`split`](crate::data::split::split). Runs of earlier versions had none.
    #[serde(default)]
    pub calibration: f64,
    /// Rows that are neither trained on nor used to choose anything.
    pub hold_out: usize,
    pub seed: u64,
    /// Flips and quarter turns, drawn for each image and member.
    pub augment: bool,
    /// Leave the convolutions as they are, in fine-tuning.
    #[serde(default)]
    pub freeze_convolutions: bool,
    // What follows is 0 where it is off, as it was in runs that do not have it; docs/training.md says what it does.
    /// The adversary's epsilon, as a share of each band's range.
    #[serde(default)]
    pub adversarial: f32,
}

impl Default for TrainOptions {
    fn default() -> TrainOptions {
        TrainOptions {
            members: (0..5).collect(),
            batch: 32,
            epochs: 40,
            learning_rate: 1e-3,
            final_rate: 1e-5,
            clip: 5.0,
            validation: 0.1,
            calibration: 0.1,
            hold_out: 0,
            seed: 1,
            augment: true,
            freeze_convolutions: false,
            adversarial: 0.0,
        }
    }
}

impl TrainOptions {
    /// # Errors
    /// A value out of its range, with the range.
    pub fn check(&self) -> Result<()> {
        ensure!(!self.members.is_empty(), "--members: at least one member is needed");
        ensure!(self.batch >= 1, "--batch is {}; at least 1 is needed", self.batch);
        ensure!(self.epochs >= 1, "--epochs is {}; at least 1 is needed", self.epochs);
        let rate = self.learning_rate;
        ensure!(
            rate.is_finite() && rate > 0.0,
            "--learning-rate is {rate}; it must be positive (usual: 1e-3)"
        );
        ensure!(
            self.clip > 0.0,
            "--clip is {}; it must be positive (usual: 5)",
            self.clip
        );
        for (option, share) in [("--validation", self.validation), ("--calibration", self.calibration)] {
            ensure!(
                (0.0..1.0).contains(&share),
                "{option} is {share}; it is a share, at least 0 and below 1"
            );
        }
        ensure!(
            (0.0..=1.0).contains(&self.adversarial),
            "--adversarial is {}; it is a share of each band's range, above 0 and at most 1 (usual: 0.01)",
            self.adversarial
        );
        Ok(())
    }
}

/// Training on simulated lenses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimulateOptions {
    /// The population: a preset's name, or a TOML file.
    pub population: String,
    /// Lenses that an epoch trains on; a quarter of them are new in each.
    pub pool: usize,
}

impl SimulateOptions {
    /// # Errors
    /// A population that is not known, or cannot be; fewer than eight lenses.
    pub fn population(&self) -> Result<Population> {
        ensure!(self.pool >= 8, "--pool is {}; at least 8 are needed", self.pool);
        match self.population.ends_with(".toml") {
            true => Population::read(self.population.as_ref()),
            false => Population::preset(&self.population),
        }
    }
}

/// A run, with everything resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunOptions {
    /// Version of lensgpu that began the run.
    pub lensgpu: String,
    pub data: DataOptions,
    /// Train on lenses made on the fly instead of on those of a folder.
    #[serde(default)]
    pub simulate: Option<SimulateOptions>,
    /// The model whose weights the members start from, and whose stretch and label scale they keep.
    #[serde(default)]
    pub from: Option<PathBuf>,
    pub training: TrainOptions,
    pub network: Network,
}
