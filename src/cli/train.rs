//! `lensgpu train`: from labelled images to a model.

use super::arguments::{DeviceArgument, Images, Quiet, members};
use super::choices::NetworkChoice;
use super::console::Console;
use super::on_device_lost::{OnDeviceLost, PAUSES, retry};
use super::output::{out, outln};
use super::techniques::Techniques;
use super::text;
use super::{Interrupted, usage};
use crate::device::Device;
use crate::model::Model;
use crate::model::shipped::Named;
use crate::nn::Network;
use crate::train::run::{RunEnd, begin, has_begun, resume};
use crate::train::{Error, Folds, Recipe, RunOptions, SimulateOptions, TrainOptions, network_of};
use anyhow::Result;
use std::path::{Path, PathBuf};

/// Train an ensemble on a folder of labelled images, or on a table
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu train lens_challenge/ --preset lfc1-ground -o runs/ground
  lensgpu train cutouts/ --images '{id}_{band}.fits' --bands g,r,i --label theta_e -o runs/mine
  lensgpu train stack/ --members 10 --epochs 60 --hold-out 500 -o runs/stack
  lensgpu train stack/ --likelihood student-t --adversarial 0.01 --ema 0.999 --patience 10 -o runs/more
  lensgpu train photometry.csv --label z_spec --features g,r,i,z --hold-out 500 -o runs/photometry
  lensgpu train --simulate lfc1-ground -o runs/simulated
  lensgpu train real_lenses/ --from runs/simulated/model.safetensors --freeze conv -o runs/tuned
  lensgpu train --resume runs/mine")]
pub struct Train {
    /// Folder with the images and the catalogue with their labels; or a table (CSV, FITS, VOTable, Parquet), see
    /// docs/tables.md
    #[arg(required_unless_present_any = ["resume", "simulate"])]
    dir: Option<PathBuf>,
    /// New folder for the run: model.safetensors, log.csv, run.toml, plots
    #[arg(short, long, value_name = "RUN", required_unless_present = "resume")]
    output: Option<PathBuf>,
    /// Resume a run that was stopped, with the same settings
    #[arg(long, value_name = "RUN", conflicts_with_all = OF_A_NEW_RUN)]
    resume: Option<PathBuf>,

    /// Column of the label: of a catalogue, the Einstein radius in arcsec; of a table, any number
    /// [default: the preset's, otherwise theta_e]
    #[arg(long, value_name = "COLUMN", help_heading = "Images")]
    label: Option<String>,
    /// Use the central N x N pixels [default: the preset's, otherwise all]
    #[arg(long, value_name = "N", help_heading = "Images")]
    crop: Option<usize>,

    /// Number of members, or a range of their numbers: 5 means 0 to 4, 3..7 means 3 to 7
    /// [default: 5, or those of --from]
    #[arg(long, value_parser = members, help_heading = "Training")]
    members: Option<std::vec::Vec<u32>>,
    /// Images per member and step [default: 16 in the standard recipe; 32 in vanilla and for a table]
    #[arg(long, help_heading = "Training")]
    batch: Option<usize>,
    /// Passes over the training images [default: 40; in the standard recipe more for few images, up to 8,000 steps]
    #[arg(long, help_heading = "Training")]
    epochs: Option<usize>,
    /// Initial learning rate of Adam; it decays to 1/100 along half a cosine [default: 3e-3 in the standard recipe, 1e-3
    /// in vanilla; with --from a tenth of that]
    #[arg(long, value_name = "RATE", help_heading = "Training")]
    learning_rate: Option<f32>,
    /// Maximum norm of each member's gradient
    #[arg(long, value_name = "NORM", default_value_t = TrainOptions::default().clip, help_heading = "Training")]
    clip: f32,
    /// Fraction of the images that select the best weights
    #[arg(long, value_name = "FRACTION", default_value_t = TrainOptions::default().validation, help_heading = "Training")]
    validation: f64,
    /// Fraction of the images that calibrate the error bars; none if that is fewer than 50
    #[arg(long, value_name = "FRACTION", default_value_t = TrainOptions::default().calibration, help_heading = "Training")]
    calibration: f64,
    /// Hold out this many images from everything else, and score the ensemble on them at the end
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Training")]
    hold_out: usize,
    /// Train K ensembles at once, each holding out another K-th of the rows: cross-validation
    #[arg(long, value_name = "K", conflicts_with_all = ["splits", "hold_out", "from", "simulate"], help_heading = "Training")]
    folds: Option<usize>,
    /// The same with folds that a table names: one row per fold and object it holds out, columns fold (from 0) and id
    #[arg(long, value_name = "FILE", conflicts_with_all = ["hold_out", "from", "simulate"], help_heading = "Training")]
    splits: Option<PathBuf>,
    /// Random seed of the split, initial weights and mini-batches
    #[arg(long, default_value_t = TrainOptions::default().seed, value_parser = clap::value_parser!(u64).range(..=MAX_SEED), help_heading = "Training")]
    seed: u64,
    /// Disable random flips and quarter turns
    #[arg(long, help_heading = "Training")]
    no_augment: bool,
    /// Network and techniques to begin with; options below change them one by one
    #[arg(long, value_name = "NAME", value_parser = super::choices::recipe(), default_value = Recipe::default().name(), help_heading = "Training")]
    recipe: Recipe,
    /// Network file, see docs/networks.md, or for a table mlp:UNITS,..., its dense layers [default: that of the recipe]
    #[arg(long, value_name = "TOML", value_parser = super::choices::network, help_heading = "Training")]
    network: Option<NetworkChoice>,

    /// Train on simulated lenses: a preset of `lensgpu simulate`, or the TOML file of a population
    #[arg(long, value_name = "POPULATION", conflicts_with_all = OF_A_FOLDER, help_heading = "Training")]
    simulate: Option<String>,
    /// With --simulate: lenses per epoch, a quarter of which are new in each epoch
    #[arg(
        long,
        value_name = "N",
        default_value_t = 2048,
        requires = "simulate",
        conflicts_with = "dir",
        help_heading = "Training"
    )]
    pool: usize,
    /// Fine-tune this model, a file or the name of a shipped one: start from its weights, and keep its network, stretch and label scale
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["network", "likelihood"], help_heading = "Training")]
    from: Option<PathBuf>,
    /// With --from: keep the weights of the convolutions fixed
    #[arg(long, value_enum, requires = "from", help_heading = "Training")]
    freeze: Option<Freeze>,

    #[command(flatten)]
    device: DeviceArgument,
    /// What to do when the device fails in the middle of a run
    #[arg(long, value_enum, default_value_t = OnDeviceLost::Stop, value_name = "WHAT")]
    on_device_lost: OnDeviceLost,
    #[command(flatten)]
    quiet: Quiet,

    #[command(flatten)]
    images: Images,
    #[command(flatten)]
    techniques: Techniques,
}

/// The dense layers of `--network mlp:UNITS,...`, for the rows of a table.
fn dense(input: &[usize], units: &[usize]) -> std::result::Result<Network, Error> {
    match input {
        [1, 1, _] => Ok(Network::dense(input, units)?),
        _ => Err(Error::NeedsTable),
    }
}

/// The path of a population becomes absolute, so that a run can be resumed from any folder.
fn simulate_options(population: &str, pool: usize) -> Result<SimulateOptions> {
    let population = match population.ends_with(".toml") {
        true => std::path::absolute(population)?.display().to_string(),
        false => population.to_string(),
    };
    Ok(SimulateOptions { population, pool })
}

/// So does the path of a model, but not the name of a shipped one.
fn from_any_folder(model: &Path) -> Result<PathBuf> {
    Ok(match Named::of(model)? {
        Named::File(path) => std::path::absolute(path)?,
        Named::Shipped(_) => model.into(),
    })
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Freeze {
    Conv,
}

/// The largest integer in TOML.
const MAX_SEED: u64 = i64::MAX as u64;

/// Arguments that say where images and labels are and how they are read, which simulated lenses do not need.
const OF_A_FOLDER: [&str; 15] = [
    "dir",
    "preset",
    "images",
    "features",
    "missing",
    "label",
    "catalogue",
    "id_column",
    "condition",
    "flux_scale",
    "pixel_scale",
    "mask_value",
    "mask_bits",
    "zero_is_missing",
    "flux_unit",
];

/// Arguments that a resumed run takes from its `run.toml`.
const OF_A_NEW_RUN: [&str; 24] = [
    "dir",
    "output",
    "Images",
    "label",
    "crop",
    "members",
    "batch",
    "epochs",
    "learning_rate",
    "clip",
    "validation",
    "hold_out",
    "folds",
    "splits",
    "calibration",
    "seed",
    "no_augment",
    "recipe",
    "network",
    "Techniques",
    "simulate",
    "pool",
    "from",
    "freeze",
];

/// Trains a new run, or resumes one.
///
/// # Errors
/// Those of [`begin`] and [`resume`].
pub fn run(args: Train) -> Result<()> {
    let console = Console::new(args.quiet.quiet)?;
    let mut device = args.device.open_and_show(&console)?;
    let resumed = |folder: &Path, device: &Device| Ok(resume(folder, device, &|event| console.report(event))?);
    let (folder, end) = match (&args.resume, &args.output) {
        (Some(folder), _) => (folder, resumed(folder, &device)),
        (None, Some(output)) => {
            let from = args.from.as_deref().map(Model::open).transpose()?;
            let options = args.options(from.as_ref())?;
            check(&options).map_err(usage)?;
            let network = |input: &[usize]| args.network(from, input);
            let end = begin(output, options, network, &device, &|event| console.report(event));
            (output, end.map_err(Into::into))
        }
        (None, None) => unreachable!("clap requires one of them"),
    };
    let end = match args.on_device_lost {
        OnDeviceLost::Retry if has_begun(folder) => retry(end, &PAUSES, &console, || {
            device = device.reopened()?;
            resumed(folder, &device)
        }),
        _ => end,
    };
    console.finish();
    let (end, folder) = (end?, folder.display().to_string());
    if let RunEnd::Stopped = end {
        outln!("stopped and saved; resume with: lensgpu train --resume {folder}");
        return Err(Interrupted.into());
    }
    print(end, &folder);
    Ok(())
}

/// What can be checked before any image is read.
fn check(options: &RunOptions) -> std::result::Result<(), Error> {
    options.training.check()?;
    match &options.simulate {
        Some(simulate) => drop(simulate.population()?),
        None => drop(options.data.image_folder(true)?),
    }
    Ok(())
}

fn print(end: RunEnd, folder: &str) {
    match end {
        RunEnd::Stopped => {}
        RunEnd::Folds {
            scores,
            quantity,
            metrics,
        } => {
            outln!(
                "the {} ensembles on the rows that each held out, mean ± standard error:",
                metrics.len()
            );
            out!("{}", text::over_folds(&quantity, &metrics));
            outln!("scores of every fold: {}", scores.display());
            outln!("models: {folder}/fold_00/model.safetensors, ...");
        }
        RunEnd::Complete {
            model,
            quantity,
            metrics,
            class_metrics,
        } => {
            if let Some((split, metrics)) = metrics {
                out!(
                    "the ensemble on the {split} objects:\n{}",
                    text::metrics(&quantity, &metrics)
                );
            }
            if let Some(metrics) = class_metrics {
                out!("p_lens on the same objects:\n{}", text::class_metrics(&metrics));
            }
            outln!("model: {}", model.display());
            outln!("plots: {folder}/predicted_vs_true.svg, {folder}/training_curves.svg");
        }
    }
}

impl Train {
    /// The options of a new run, which fine-tunes `from` if there is such a model.
    fn options(&self, from: Option<&Model>) -> Result<RunOptions> {
        let default = match self.dir.as_deref().is_some_and(Path::is_file) {
            true => self.recipe.options_for_tables(),
            false => self.recipe.options(),
        };
        let default = match from {
            Some(model) => default.for_fine_tuning(model),
            None => default,
        };
        let default = match self.epochs {
            Some(epochs) => default.with_epochs(epochs),
            None => default,
        };
        let rate = self.learning_rate.unwrap_or(default.learning_rate);
        let default = default.with_learning_rate(rate);
        // Simulated lenses have no folder.
        let dir = self.dir.clone().unwrap_or_default();
        Ok(RunOptions {
            lensgpu: env!("CARGO_PKG_VERSION").into(),
            data: self.images.options(&dir, self.label.clone(), self.crop)?,
            simulate: self
                .simulate
                .as_deref()
                .map(|population| simulate_options(population, self.pool))
                .transpose()?,
            from: self.from.as_deref().map(from_any_folder).transpose()?,
            folds: match (self.folds, &self.splits) {
                (Some(count), _) => Some(Folds::Count(count)),
                (None, Some(path)) => Some(Folds::File(std::path::absolute(path)?)),
                (None, None) => None,
            },
            training: self.techniques.over(TrainOptions {
                members: self.members.clone().unwrap_or(default.members),
                batch: self.batch.unwrap_or(default.batch),
                clip: self.clip,
                validation: self.validation,
                calibration: self.calibration,
                hold_out: self.hold_out,
                seed: self.seed,
                augment: !self.no_augment,
                freeze_convolutions: self.freeze.is_some(),
                ..default
            }),
            network: Network {
                input: vec![],
                layers: vec![],
            },
        })
    }

    /// The network for images of a shape (height, width, bands).
    fn network(&self, from: Option<Model>, input: &[usize]) -> std::result::Result<Network, Error> {
        let network = match from {
            Some(model) if model.network.input == input => model.network,
            Some(model) => {
                return Err(Error::OtherInput {
                    expected: model.network.input,
                    found: input.to_vec(),
                });
            }
            None => match &self.network {
                Some(NetworkChoice::Dense(units)) => dense(input, units)?,
                Some(NetworkChoice::File(path)) => network_of(Some(path), self.recipe, input)?,
                None => network_of(None, self.recipe, input)?,
            },
        };
        let network = match self.techniques.likelihood {
            Some(likelihood) => network.with_likelihood(likelihood),
            None => network,
        };
        Ok(match self.techniques.p_lens {
            true => network.with_lens_head()?,
            false => network,
        })
    }
}
