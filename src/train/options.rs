//! What a run is told, and everything it decided: the content of `run.toml`.

use crate::lens::Population;
use crate::nn::Network;
use crate::survey::ImageFolderOptions;
use crate::survey::preset::Preset;
use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where the images and labels are; see [`ImageFolderOptions`].
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
    pub fn image_folder(&self, require_labels: bool) -> Result<ImageFolderOptions> {
        Ok(ImageFolderOptions {
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
            require_labels,
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
    /// [`split`](crate::survey::split::split). Runs of earlier versions had none.
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
    /// Power of the variance that weighs each image's loss (Seitzer et al. 2022).
    #[serde(default)]
    pub beta_nll: f32,
    /// Epochs in the beginning that fit the mean alone.
    #[serde(default)]
    pub warm_up_mean: usize,
    /// Largest shift, pixels, drawn for each image and member.
    #[serde(default)]
    pub shift: usize,
    /// Noise that is added, in units of the sky's noise of each band.
    #[serde(default)]
    pub noise: f32,
    /// Steps in the beginning over which the learning rate rises.
    #[serde(default)]
    pub warm_up: usize,
    /// Decoupled decay of kernels.
    #[serde(default)]
    pub weight_decay: f32,
    /// Decay of the moving average of weights.
    #[serde(default)]
    pub ema: f32,
    /// Epochs without a better validation nll after which a member's training ends.
    #[serde(default)]
    pub patience: usize,
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
            beta_nll: 0.0,
            warm_up_mean: 0,
            shift: 0,
            noise: 0.0,
            warm_up: 0,
            weight_decay: 0.0,
            ema: 0.0,
            patience: 0,
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
        for (option, value, largest, usual) in [
            ("--beta-nll", self.beta_nll, 1.0, "0.5"),
            ("--adversarial", self.adversarial, 1.0, "0.01"),
            ("--noise", self.noise, 10.0, "0.3"),
            ("--weight-decay", self.weight_decay, 1.0, "1e-4"),
        ] {
            ensure!(
                (0.0..=largest).contains(&value),
                "{option} is {value}; it is between 0, which is off, and {largest} (usual: {usual})"
            );
        }
        ensure!(
            (0.0..1.0).contains(&self.ema),
            "--ema is {}; it is at least 0, which is off, and below 1 (usual: 0.999, which averages over 1000 steps)",
            self.ema
        );
        ensure!(
            self.warm_up_mean < self.epochs,
            "--warm-up-mean is {}; it is below --epochs, {}, for the variance is learnt after it (usual: 5)",
            self.warm_up_mean,
            self.epochs
        );
        ensure!(
            self.patience == 0 || self.validation > 0.0,
            "--patience {} waits for a better validation nll, and --validation is 0: there is none",
            self.patience
        );
        Ok(())
    }
}

impl TrainOptions {
    /// Whether the plan asks for what is known of each band.
    pub fn needs_bands(&self) -> bool {
        self.adversarial > 0.0 || self.shift > 0 || self.noise > 0.0
    }

    /// Those of the options of docs/training.md that are on.
    pub fn switched_on(&self) -> BTreeMap<String, f64> {
        let all = [
            ("adversarial", short(self.adversarial)),
            ("beta_nll", short(self.beta_nll)),
            ("warm_up_mean", self.warm_up_mean as f64),
            ("shift", self.shift as f64),
            ("noise", short(self.noise)),
            ("warm_up", self.warm_up as f64),
            ("weight_decay", short(self.weight_decay)),
            ("ema", short(self.ema)),
            ("patience", self.patience as f64),
        ];
        let on = all.into_iter().filter(|(_, value)| *value != 0.0);
        on.map(|(name, value)| (name.to_string(), value)).collect()
    }
}

/// The double that is written as the float is: 0.01, not 0.009999999776.
fn short(value: f32) -> f64 {
    value.to_string().parse().expect("a number's own text")
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

#[cfg(test)]
mod tests {
    use super::*;

    /// As the first versions wrote it.
    const OLD: &str = "members = [0, 1]\nbatch = 32\nepochs = 40\nlearning_rate = 0.001\nfinal_rate = 0.00001\n\
        clip = 5.0\nvalidation = 0.1\nhold_out = 0\nseed = 1\naugment = true\n";

    #[test]
    fn what_a_run_of_an_earlier_version_does_not_have_is_off() {
        let old: TrainOptions = toml::from_str(OLD).unwrap();
        assert!(old.switched_on().is_empty());
        assert!(toml::from_str::<TrainOptions>(&format!("{OLD}adversary = 1.0\n")).is_err());
        let new = TrainOptions {
            adversarial: 0.01,
            patience: 7,
            ..old
        };
        let expected = [("adversarial".to_string(), 0.01), ("patience".to_string(), 7.0)];
        assert_eq!(new.switched_on(), BTreeMap::from(expected));
        assert_eq!(
            toml::from_str::<TrainOptions>(&toml::to_string(&new).unwrap()).unwrap(),
            new
        );
    }

    #[test]
    fn options_out_of_range_are_named() {
        let refused = |change: fn(&mut TrainOptions)| {
            let mut options = TrainOptions::default();
            change(&mut options);
            options.check().unwrap_err().to_string()
        };
        assert!(refused(|o| o.adversarial = -0.1).contains("--adversarial"));
        assert!(refused(|o| o.adversarial = f32::NAN).contains("--adversarial"));
        assert!(refused(|o| o.beta_nll = 1.5).contains("--beta-nll is 1.5; it is between 0, which is off, and 1"));
        assert!(refused(|o| o.noise = f32::INFINITY).contains("--noise"));
        assert!(refused(|o| o.weight_decay = -1.0).contains("--weight-decay"));
        assert!(refused(|o| o.ema = 1.0).contains("--ema is 1; it is at least 0"));
        assert!(refused(|o| o.warm_up_mean = 40).contains("--warm-up-mean is 40; it is below --epochs, 40"));
        assert!(refused(|o| (o.patience, o.validation) = (3, 0.0)).contains("--patience"));
    }
}
