//! `lensgpu train`: a folder of labelled images to a model.

use super::arguments::{Images, members};
use super::console::Console;
use super::techniques::Techniques;
use super::usage;
use crate::device::Device;
use crate::model::Model;
use crate::nn::Network;
use crate::train::run::{Outcome, begin, resume};
use crate::train::{RunOptions, SimulateOptions, TrainOptions, network_of};
use anyhow::{Result, ensure};
use std::path::PathBuf;

/// Train an ensemble on a folder of labelled images
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu train lens_challenge/ --preset lfc1-ground -o runs/ground
  lensgpu train cutouts/ --images '{id}_{band}.fits' --bands g,r,i --label theta_e -o runs/mine
  lensgpu train stack/ --members 10 --epochs 60 --hold-out 500 -o runs/stack
  lensgpu train stack/ --likelihood student-t --adversarial 0.01 --ema 0.999 --patience 10 -o runs/more
  lensgpu train --simulate lfc1-ground -o runs/simulated
  lensgpu train real_lenses/ --from runs/simulated/model.safetensors --freeze conv -o runs/tuned
  lensgpu train --resume runs/mine")]
pub struct Train {
    /// Folder with the images, and the catalogue with their labels
    #[arg(required_unless_present_any = ["resume", "simulate"])]
    dir: Option<PathBuf>,
    /// The run's folder, new: model.safetensors, log.csv, run.toml, plots
    #[arg(short, long, value_name = "RUN", required_unless_present = "resume")]
    output: Option<PathBuf>,
    /// Go on with a run that was stopped, with everything as it was
    #[arg(long, value_name = "RUN", conflicts_with_all = OF_A_NEW_RUN)]
    resume: Option<PathBuf>,

    /// The catalogue's column with the Einstein radius in arcsec [default: theta_e, or the preset's]
    #[arg(long, value_name = "COLUMN", help_heading = "Images")]
    label: Option<String>,
    /// Use the central N x N pixels [default: the preset's, else all]
    #[arg(long, value_name = "N", help_heading = "Images")]
    crop: Option<usize>,

    /// How many members, or which: 5 is 0 to 4, 3..7 is 3 to 7
    /// [default: 5, or those of --from]
    #[arg(long, value_parser = members, help_heading = "Training")]
    members: Option<std::vec::Vec<u32>>,
    /// Images of each member in a step
    #[arg(long, default_value_t = TrainOptions::default().batch, help_heading = "Training")]
    batch: usize,
    /// Passes over the training images
    #[arg(long, default_value_t = TrainOptions::default().epochs, help_heading = "Training")]
    epochs: usize,
    /// Adam's first learning rate; it falls to 1/100 of it along half a cosine [default: 1e-3, with --from 1e-4]
    #[arg(long, value_name = "RATE", help_heading = "Training")]
    learning_rate: Option<f32>,
    /// Largest norm of a member's gradient
    #[arg(long, value_name = "NORM", default_value_t = TrainOptions::default().clip, help_heading = "Training")]
    clip: f32,
    /// Share of the images that chooses the best weights
    #[arg(long, value_name = "SHARE", default_value_t = TrainOptions::default().validation, help_heading = "Training")]
    validation: f64,
    /// Share of the images that calibrates the error bars; none where that is fewer than 50
    #[arg(long, value_name = "SHARE", default_value_t = TrainOptions::default().calibration, help_heading = "Training")]
    calibration: f64,
    /// Keep this many images out of everything, and score the ensemble on them in the end
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Training")]
    hold_out: usize,
    /// Decides the split, first weights and mini-batches
    #[arg(long, default_value_t = TrainOptions::default().seed, value_parser = clap::value_parser!(u64).range(..=MAX_SEED), help_heading = "Training")]
    seed: u64,
    /// No flips and quarter turns
    #[arg(long, help_heading = "Training")]
    no_augment: bool,
    /// A network file, as docs/networks.md has it [default: the vanilla lens model]
    #[arg(long, value_name = "TOML", help_heading = "Training")]
    network: Option<PathBuf>,

    /// Train on lenses made on the fly, of a preset of `lensgpu simulate` or a population's TOML file
    #[arg(long, value_name = "POPULATION", conflicts_with = "dir", help_heading = "Training")]
    simulate: Option<String>,
    /// With --simulate: lenses that an epoch trains on, of which a quarter is new in each
    #[arg(
        long,
        value_name = "N",
        default_value_t = 2048,
        requires = "simulate",
        conflicts_with = "dir",
        help_heading = "Training"
    )]
    pool: usize,
    /// Start from this model's weights and keep its network, stretch and label scale: fine-tuning on a few real lenses
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["network", "likelihood"], help_heading = "Training")]
    from: Option<PathBuf>,
    /// With --from: leave the convolutions as they are
    #[arg(long, value_enum, requires = "from", help_heading = "Training")]
    freeze: Option<Freeze>,

    /// auto (a real GPU, else the processor), cpu, software, or a name or number of `lensgpu devices`
    #[arg(long, default_value = "auto")]
    device: String,
    /// No line an epoch, warnings only
    #[arg(short, long)]
    quiet: bool,

    #[command(flatten)]
    images: Images,
    #[command(flatten)]
    techniques: Techniques,
}

/// A population's file is named by its absolute path: a run goes on from any folder.
fn simulate_options(population: &str, pool: usize) -> Result<SimulateOptions> {
    let population = match population.ends_with(".toml") {
        true => std::path::absolute(population)?.display().to_string(),
        false => population.to_string(),
    };
    Ok(SimulateOptions { population, pool })
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Freeze {
    Conv,
}

/// What TOML can hold.
const MAX_SEED: u64 = i64::MAX as u64;

/// Arguments that a run which goes on has in its `run.toml`.
const OF_A_NEW_RUN: [&str; 21] = [
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
    "calibration",
    "seed",
    "no_augment",
    "network",
    "Techniques",
    "simulate",
    "pool",
    "from",
    "freeze",
];

/// # Errors
/// Those of [`begin`] and [`resume`].
pub fn run(args: Train) -> Result<()> {
    let console = Console::new("steps", args.quiet)?;
    let device = Device::choose(&args.device).map_err(usage)?;
    console.line(&format!("device: {}", device.name()));
    let dir = args.dir.clone().or(args.simulate.is_some().then(PathBuf::new));
    let (folder, outcome) = match (&args.resume, &dir, &args.output) {
        (Some(folder), ..) => (folder.clone(), resume(folder, &device, &console)),
        (None, Some(dir), Some(output)) => {
            let from = args.from.as_deref().map(Model::read).transpose()?;
            let default = TrainOptions::default();
            let learning_rate = args.learning_rate.unwrap_or(match from {
                Some(_) => default.learning_rate / 10.0,
                None => default.learning_rate,
            });
            let numbers = from
                .as_ref()
                .map(|model| model.members.iter().map(|m| m.number).collect());
            let options = RunOptions {
                lensgpu: env!("CARGO_PKG_VERSION").into(),
                data: args.images.options(dir, args.label.clone(), args.crop)?,
                simulate: args
                    .simulate
                    .as_deref()
                    .map(|p| simulate_options(p, args.pool))
                    .transpose()?,
                from: args.from.as_deref().map(std::path::absolute).transpose()?,
                training: args.techniques.over(TrainOptions {
                    members: args.members.clone().or(numbers).unwrap_or(default.members),
                    batch: args.batch,
                    epochs: args.epochs,
                    learning_rate,
                    final_rate: learning_rate / 100.0,
                    clip: args.clip,
                    validation: args.validation,
                    calibration: args.calibration,
                    hold_out: args.hold_out,
                    seed: args.seed,
                    augment: !args.no_augment,
                    freeze_convolutions: args.freeze.is_some(),
                    ..TrainOptions::default()
                }),
                network: Network {
                    input: vec![],
                    layers: vec![],
                },
            };
            options.training.check().map_err(usage)?;
            match &options.simulate {
                Some(simulate) => drop(simulate.population().map_err(usage)?),
                None => drop(options.data.image_folder(true).map_err(usage)?),
            }
            let network = |input: &[usize]| match from {
                Some(model) => {
                    ensure!(
                        model.network.input == input,
                        "the model to start from takes images of {:?} (height, width, bands), and these are {input:?}: \
                         choose them with --crop and --bands",
                        model.network.input
                    );
                    Ok(model.network)
                }
                None => {
                    let network = network_of(args.network.as_deref(), input)?;
                    Ok(match args.techniques.likelihood {
                        Some(likelihood) => network.with_likelihood(likelihood),
                        None => network,
                    })
                }
            };
            (output.clone(), begin(output, options, network, &device, &console))
        }
        _ => unreachable!("clap asks for one or the other"),
    };
    console.finish();
    let folder = folder.display();
    match outcome? {
        Outcome::Stopped => {
            println!("stopped and saved; go on with: lensgpu train --resume {folder}");
        }
        Outcome::Done { model, metrics } => {
            if let Some((rows, metrics)) = metrics {
                println!("the ensemble on the {rows} images:\n{metrics}");
            }
            ensure!(model.exists(), "{} is gone", model.display());
            println!(
                "model: {}\nplots: {folder}/predicted_vs_true.svg, {folder}/training_curves.svg",
                model.display()
            );
        }
    }
    Ok(())
}
