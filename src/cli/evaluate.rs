//! `lensgpu evaluate`: a model against labelled images, as a report.

use super::arguments::Images;
use super::console::Console;
use super::text::table;
use crate::device::Device;
use crate::evaluate::{Evaluation, answers};
use crate::files;
use crate::infer::Passes;
use crate::infer::stream::open;
use crate::model::{Model, utc_now};
use crate::report::{self, Subject};
use anyhow::Result;
use std::path::PathBuf;
use std::sync::Arc;

/// Score a model on labelled images: figures, plots and a report
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu evaluate runs/ground/model.safetensors test_lenses/ -o report/
  lensgpu evaluate model.safetensors cutouts/ --images '{id}_{band}.fits' --catalogue truth.csv --label theta_e -o report/
  lensgpu evaluate model.safetensors test_lenses/ --raw -o report_uncalibrated/")]
pub struct Evaluate {
    /// The model.safetensors that `lensgpu train` wrote
    model: PathBuf,
    /// Folder with images that the model has not seen, and the catalogue with their labels
    dir: PathBuf,
    /// The folder to write, new: report.html, metrics.json, metrics.csv, figures/
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// The catalogue's column with the Einstein radius in arcsec [default: theta_e, or the preset's]
    #[arg(long, value_name = "COLUMN", help_heading = "Images")]
    label: Option<String>,
    /// Answers as the members give them, without the model's calibration
    #[arg(long)]
    raw: bool,
    /// See each image in all flips and quarter turns, as `infer --tta` does
    #[arg(long)]
    tta: bool,
    /// The training's log.csv [default: the one beside the model]
    #[arg(long, value_name = "CSV")]
    log: Option<PathBuf>,
    /// Decides the samples of the bootstrap
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Images on the device at a time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// auto (a real GPU, else the processor), cpu, software, or a name or number of `lensgpu devices`
    #[arg(long, default_value = "auto")]
    device: String,
    /// Warnings only
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    images: Images,
}

/// # Errors
/// Those of [`open`], [`answers`] and [`evaluation::write`]; an output folder that is not empty.
pub fn run(args: Evaluate) -> Result<()> {
    let console = Console::new(args.quiet)?;
    let mut model = Model::read(&args.model)?;
    if args.raw {
        model.about.calibration = None;
    }
    let device = Device::choose(&args.device)?;
    console.note(&format!("device: {}", device.name()));
    let options = args.images.options(&args.dir, args.label.clone(), None)?;
    let source = Arc::new(open(&model, &options.image_folder(true)?, &|event| {
        console.report(event)
    })?);
    files::new_folder(&args.output)?;
    let passes = Passes {
        batch: usize::from(args.batch),
        all_views: args.tta,
    };
    let known = answers(&model, &device, &source, passes, &|event| console.report(event));
    console.finish();
    let evaluation = Evaluation::new(&model, &source, known?, args.seed)?;
    let beside = files::folder_of(&args.model).join("log.csv");
    let log = args.log.or(beside.exists().then_some(beside));
    let subject = Subject {
        model: &model,
        model_file: args.model.display().to_string(),
        data: args.dir.display().to_string(),
        date: utc_now(),
    };
    let page = report::write(&args.output, &subject, &evaluation, &source, log.as_deref())?;
    if !args.quiet {
        println!("{}", evaluation.sets[0].metrics);
        print!("{}", flags(&evaluation));
        println!("  {}", evaluation.largest);
        let median = &evaluation.median.metrics;
        println!(
            "  the mixture's median instead of its mean: RMSE {:.3}\", errors above 1\" {:.1} %",
            median.rmse,
            100.0 * median.share_above_1_arcsec
        );
        println!("report: {}", page.display());
    }
    Ok(())
}

/// What each flag is worth.
fn flags(evaluation: &Evaluation) -> String {
    let rows = evaluation.by_flag().map(|(name, set)| {
        let m = &set.metrics;
        let (rmse, runaways) = (format!("{:.3}\"", m.rmse), format!("{:.1} %", 100.0 * m.runaway_share));
        [name.into(), m.n.to_string(), rmse, runaways]
    });
    table(["flag", "objects", "RMSE", "beyond max(1\", 5 sigma)"], rows)
}
