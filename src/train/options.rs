//! Options of a training, and everything a run resolved from them: the content of `run.toml`.

use super::error::Error;
use super::folds::Folds;
use super::recipe::Recipe;
use crate::lens::Population;
use crate::model::Model;
use crate::nn::Network;
use crate::survey::preset::Preset;
use crate::survey::{ImageFolderOptions, Missing, PixelOptions};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Where the images and labels are; see [`ImageFolderOptions`], which has the same fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataOptions {
    /// Folder with the images, or a table; empty for simulated lenses.
    pub dir: PathBuf,
    /// Name of a survey preset; detected if `None`.
    pub preset: Option<String>,
    /// Pattern of the file names.
    pub images: Option<String>,
    /// Bands, in the order of the network's channels.
    pub bands: Option<Vec<String>>,
    /// What is done with rows of a table that lack a value.
    #[serde(default)]
    pub missing: Option<Missing>,
    /// Column of the label, arcsec.
    pub label: Option<String>,
    /// The catalogue; detected if `None`.
    pub catalogue: Option<PathBuf>,
    /// Column of the objects' ids.
    pub id_column: Option<String>,
    /// Use the central `crop` x `crop` pixels.
    pub crop: Option<usize>,
    /// All fluxes are multiplied by this factor.
    pub flux_scale: f64,
    /// Pixel scale, arcsec per pixel; from the preset or the headers if `None`.
    pub pixel_scale: Option<f64>,
    /// Which pixels have no value, and the unit of flux. Runs of early versions had none.
    #[serde(default)]
    pub pixels: PixelOptions,
    /// Use the rows of the catalogue that fulfil this condition, such as `snr > 10`.
    #[serde(default, rename = "where")]
    pub condition: Option<String>,
}

impl DataOptions {
    /// The images and labels of a folder, everything about them detected.
    pub fn new(dir: impl Into<PathBuf>) -> DataOptions {
        DataOptions {
            dir: dir.into(),
            preset: None,
            images: None,
            bands: None,
            missing: None,
            label: None,
            catalogue: None,
            id_column: None,
            crop: None,
            flux_scale: 1.0,
            pixel_scale: None,
            pixels: PixelOptions::default(),
            condition: None,
        }
    }

    /// The same for [`ImageFolder::open`](crate::survey::ImageFolder::open).
    ///
    /// # Errors
    /// An unknown preset.
    pub fn image_folder(&self, require_labels: bool) -> Result<ImageFolderOptions, Error> {
        Ok(ImageFolderOptions {
            dir: self.dir.clone(),
            preset: self.preset.as_deref().map(Preset::by_name).transpose()?,
            images: self.images.clone(),
            bands: self.bands.clone(),
            missing: self.missing,
            label: self.label.clone(),
            catalogue: self.catalogue.clone(),
            tiles: None,
            id_column: self.id_column.clone(),
            crop: self.crop,
            flux_scale: self.flux_scale,
            pixel_scale: self.pixel_scale,
            pixels: self.pixels.clone(),
            require_labels,
            non_lenses: false,
            condition: self.condition.clone(),
            keep_unmatched: false,
            like: None,
        })
    }
}

/// How an ensemble is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainOptions {
    /// Numbers of the members. A number determines a member's initial weights and mini-batches.
    pub members: Vec<u32>,
    /// Images per member and step.
    pub batch: usize,
    /// Passes over the training images.
    pub epochs: usize,
    /// If these are fewer steps, there are more epochs.
    #[serde(default)]
    pub least_steps: usize,
    /// Adam's learning rate at the first step; it decays along half a cosine to `final_rate`.
    pub learning_rate: f32,
    /// Learning rate of the last step.
    pub final_rate: f32,
    /// Maximum norm of a member's gradient.
    pub clip: f32,
    /// Fraction of the rows that choose the best weights.
    pub validation: f64,
    /// Fraction of the rows that only the calibration is fitted on; none if that is too few, see
    /// `DataSplit::new`. Runs of early versions had none.
    #[serde(default)]
    pub calibration: f64,
    /// Number of rows that are neither trained on nor used to choose anything.
    pub hold_out: usize,
    /// Random seed of the split, the initial weights and the mini-batches.
    pub seed: u64,
    /// Random flips and quarter turns of each image.
    pub augment: bool,
    /// Keep the convolutions' weights fixed, in fine-tuning.
    #[serde(default)]
    pub freeze_convolutions: bool,
    // The options below are off if they are 0, as in runs of versions that did not have them; docs/training.md describes
    // them.
    /// Epsilon of the adversarial perturbation, as a fraction of each band's range.
    #[serde(default)]
    pub adversarial: f32,
    /// Exponent of the variance that weights each image's loss (Seitzer et al. 2022).
    #[serde(default)]
    pub beta_nll: f32,
    /// Initial epochs that fit the mean only.
    #[serde(default)]
    pub warm_up_mean: usize,
    /// Maximum random shift of each image, pixels.
    #[serde(default)]
    pub shift: usize,
    /// Noise that is added to each image, in units of the sky noise of each band.
    #[serde(default)]
    pub noise: f32,
    /// Flux where the stretch of the images turns from linear to logarithmic, in units of the sky noise; 0: chosen by their
    /// brightness ([`Stretch::fit`](crate::survey::Stretch::fit)).
    #[serde(default)]
    pub softening: f64,
    /// Initial steps over which the learning rate rises, at most a tenth of all steps.
    #[serde(default)]
    pub warm_up: usize,
    /// Decoupled weight decay of the kernels.
    #[serde(default)]
    pub weight_decay: f32,
    /// Decay of the moving average of the weights, which covers at most a fifth of all steps.
    #[serde(default)]
    pub ema: f32,
    /// Epochs without improvement of the validation nll after which a member stops training.
    #[serde(default)]
    pub patience: usize,
}

impl Default for TrainOptions {
    fn default() -> TrainOptions {
        Recipe::default().options()
    }
}

impl TrainOptions {
    /// The default for the rows of a table, which cannot be shifted.
    pub fn for_tables() -> TrainOptions {
        Recipe::default().options_for_tables()
    }

    /// Checks what does not depend on the data.
    ///
    /// # Errors
    /// An option out of its range.
    pub fn check(&self) -> Result<(), Error> {
        require(!self.members.is_empty(), "members", "empty", "at least one number")?;
        let most = MOST_MEMBERS;
        require(
            self.members.len() <= most,
            "members",
            self.members.len(),
            format!("at most {most} of them"),
        )?;
        let numbers: BTreeSet<u32> = self.members.iter().copied().collect();
        let allowed = "without a number that is repeated";
        require(
            numbers.len() == self.members.len(),
            "members",
            format!("{:?}", self.members),
            allowed,
        )?;
        require(self.batch >= 1, "batch", self.batch, "at least 1")?;
        for (option, value) in [
            ("epochs", self.epochs),
            ("batch", self.batch),
            ("patience", self.patience),
            ("warm_up", self.warm_up),
            ("least_steps", self.least_steps),
            ("hold_out", self.hold_out),
        ] {
            require(value <= MOST, option, value, format!("at most {MOST}"))?;
        }
        require(self.epochs >= 1, "epochs", self.epochs, "at least 1")?;
        let rate = self.learning_rate;
        require(
            rate.is_finite() && rate > 0.0,
            "learning_rate",
            rate,
            "positive (usually 1e-3)",
        )?;
        let rate = self.final_rate;
        let allowed = "a number from 0 to the learning rate";
        require((0.0..=self.learning_rate).contains(&rate), "final_rate", rate, allowed)?;
        require(self.clip > 0.0, "clip", self.clip, "positive (usually 5)")?;
        for (option, value) in [("validation", self.validation), ("calibration", self.calibration)] {
            let allowed = "a fraction, at least 0 and below 1";
            require((0.0..1.0).contains(&value), option, value, allowed)?;
        }
        for (option, value, largest, usual) in [
            ("beta_nll", self.beta_nll, 1.0, "0.5"),
            ("adversarial", self.adversarial, 1.0, "0.01"),
            ("noise", self.noise, 10.0, "0.3"),
            ("weight_decay", self.weight_decay, 1.0, "1e-4"),
        ] {
            let allowed = format!("between 0 (off) and {largest} (usually {usual})");
            require((0.0..=largest).contains(&value), option, value, allowed)?;
        }
        let (softening, largest) = (self.softening, LARGEST_SOFTENING);
        let allowed = format!("between 0 (chosen by the brightness of the images) and {largest:e} (usually 1 to 10)");
        require((0.0..=largest).contains(&softening), "softening", softening, allowed)?;
        require(
            (0.0..1.0).contains(&self.ema),
            "ema",
            self.ema,
            "at least 0 (off) and below 1 (usually 0.999, which averages over 1000 steps)",
        )?;
        let epochs = self.epochs;
        require(
            self.warm_up_mean < epochs,
            "warm_up_mean",
            self.warm_up_mean,
            format!("below the number of epochs, {epochs}, because the variance is fitted afterwards (usually 5)"),
        )?;
        require(
            self.patience == 0 || self.validation > 0.0,
            "patience",
            self.patience,
            "0 (off) without validation rows, whose nll it waits for",
        )
    }

    /// Checks what depends on the size of the images.
    pub(super) fn check_images(&self, network: &Network) -> Result<(), Error> {
        if !network.takes_images() {
            for (option, on) in [
                ("shift", self.shift > 0),
                ("noise", self.noise != 0.0),
                ("softening", self.softening != 0.0),
            ] {
                if on {
                    return Err(Error::NeedsImages { option });
                }
            }
        }
        let image = network.input_shape();
        let largest = image.h.min(image.w) / 2;
        let allowed = format!("at most half of the image, {largest} pixels");
        require(self.shift <= largest, "shift", self.shift, allowed)
    }

    /// The same for fine-tuning `model`: its members, and a tenth of the learning rate.
    pub fn for_fine_tuning(self, model: &Model) -> TrainOptions {
        let rate = self.learning_rate / 10.0;
        TrainOptions {
            members: model.members.iter().map(|member| member.number).collect(),
            ..self.with_learning_rate(rate)
        }
    }

    /// The same with another learning rate at the first step, which decays to a hundredth of it.
    pub fn with_learning_rate(self, rate: f32) -> TrainOptions {
        TrainOptions {
            learning_rate: rate,
            final_rate: rate / 100.0,
            ..self
        }
    }

    /// The same with so many epochs, however few steps they are.
    pub fn with_epochs(self, epochs: usize) -> TrainOptions {
        TrainOptions {
            epochs,
            least_steps: 0,
            ..self
        }
    }

    /// The same for `rows` training images: with enough epochs for `least_steps`, a warm-up of at most a tenth of the steps,
    /// and an average over at most a fifth of them.
    pub(super) fn resolved(&self, rows: usize) -> TrainOptions {
        let of_epoch = (rows / self.batch.min(rows).max(1)).max(1);
        let epochs = self.epochs.max(self.least_steps.div_ceil(of_epoch));
        let steps = epochs * of_epoch;
        TrainOptions {
            epochs,
            warm_up: self.warm_up.min(steps / 10),
            ema: self.ema.min(1.0 - 5.0 / steps.max(5) as f32),
            ..self.clone()
        }
    }

    /// Whether the plan needs the properties of each band.
    pub fn needs_bands(&self) -> bool {
        self.adversarial > 0.0 || self.shift > 0 || self.noise > 0.0
    }

    /// The options of docs/training.md that are on, by name.
    pub fn switched_on(&self) -> BTreeMap<String, f64> {
        let all = [
            ("adversarial", short(self.adversarial)),
            ("beta_nll", short(self.beta_nll)),
            ("warm_up_mean", self.warm_up_mean as f64),
            ("shift", self.shift as f64),
            ("noise", short(self.noise)),
            ("softening", self.softening),
            ("warm_up", self.warm_up as f64),
            ("weight_decay", short(self.weight_decay)),
            ("ema", short(self.ema)),
            ("patience", self.patience as f64),
        ];
        let on = all.into_iter().filter(|(_, value)| *value != 0.0);
        on.map(|(name, value)| (name.to_string(), value)).collect()
    }
}

/// Beyond it, the stretch of every image is linear.
const LARGEST_SOFTENING: f64 = 1e6;

/// Members of an ensemble, and largest value of other counts: sums and products of them do not overflow.
const MOST_MEMBERS: usize = 1000;
const MOST: usize = 1_000_000_000;

/// An error unless `holds`.
fn require(holds: bool, option: &'static str, value: impl ToString, allowed: impl Into<String>) -> Result<(), Error> {
    match holds {
        true => Ok(()),
        false => Err(Error::Option {
            option,
            value: value.to_string(),
            allowed: allowed.into(),
        }),
    }
}

/// The double with the same decimal text as the float: 0.01, not 0.009999999776.
fn short(value: f32) -> f64 {
    value.to_string().parse().expect("the text of a number")
}

/// Training on simulated lenses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimulateOptions {
    /// The population: name of a preset, or path of a TOML file.
    pub population: String,
    /// Lenses per epoch; a quarter of them are new in each epoch.
    pub pool: usize,
}

impl SimulateOptions {
    /// Reads the population.
    ///
    /// # Errors
    /// A population that is unknown or not valid; fewer than eight lenses.
    pub fn population(&self) -> Result<Population, Error> {
        require(
            (8..=MOST).contains(&self.pool),
            "pool",
            self.pool,
            format!("at least 8 and at most {MOST}"),
        )?;
        Ok(Population::open(&self.population)?)
    }
}

/// A run, with everything resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunOptions {
    /// Version of lensgpu that began the run.
    pub lensgpu: String,
    /// The images and labels.
    pub data: DataOptions,
    /// Train on simulated lenses instead of those of a folder.
    #[serde(default)]
    pub simulate: Option<SimulateOptions>,
    /// The model to fine-tune: the members start from its weights, and its stretch and label scale are kept.
    #[serde(default)]
    pub from: Option<PathBuf>,
    /// Train one ensemble per fold of the rows instead of one for all.
    #[serde(default)]
    pub folds: Option<Folds>,
    /// How the ensemble is trained.
    pub training: TrainOptions,
    /// The network.
    pub network: Network,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `run.toml` of the first versions.
    const OLD: &str = "members = [0, 1]\nbatch = 32\nepochs = 40\nlearning_rate = 0.001\nfinal_rate = 0.00001\n\
        clip = 5.0\nvalidation = 0.1\nhold_out = 0\nseed = 1\naugment = true\n";

    #[test]
    fn options_that_a_run_of_an_early_version_lacks_are_off() {
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
    fn few_images_have_more_epochs_and_short_trainings_a_short_warm_up() {
        let options = TrainOptions {
            batch: 32,
            epochs: 40,
            least_steps: 4000,
            ema: 0.999,
            warm_up: 200,
            ..TrainOptions::default()
        };
        let epochs = [4000, 560, 20].map(|rows| options.resolved(rows).epochs);
        assert_eq!(epochs, [40, 236, 4000]);
        assert_eq!(
            (options.resolved(4000).warm_up, options.resolved(4000).ema),
            (200, 0.999)
        );
        let exact = TrainOptions {
            least_steps: 0,
            ..options
        };
        let short = exact.resolved(800);
        assert_eq!((short.epochs, short.warm_up, short.ema), (40, 100, 0.995));
        let vanilla = Recipe::Vanilla.options();
        assert_eq!(vanilla.resolved(20), vanilla);
    }

    #[test]
    fn options_out_of_range_are_named() {
        let refused = |change: fn(&mut TrainOptions)| {
            let mut options = TrainOptions::default();
            change(&mut options);
            options.check().unwrap_err().to_string()
        };
        assert!(refused(|o| o.adversarial = -0.1).contains("adversarial is -0.1"));
        assert!(refused(|o| o.adversarial = f32::NAN).contains("adversarial is NaN"));
        assert!(refused(|o| o.beta_nll = 1.5).contains("beta_nll is 1.5; it must be between 0 (off) and 1"));
        assert!(refused(|o| o.noise = f32::INFINITY).contains("noise is inf"));
        assert!(refused(|o| o.weight_decay = -1.0).contains("weight_decay is -1"));
        assert!(refused(|o| o.ema = 1.0).contains("ema is 1; it must be at least 0 (off) and below 1"));
        assert!(refused(|o| o.warm_up_mean = 40).contains("warm_up_mean is 40; it must be below"));
        assert!(refused(|o| (o.patience, o.validation) = (3, 0.0)).contains("patience is 3"));
    }
}
