//! `lensgpu calibrate`: labelled images make a model's error bars true.

use super::arguments::Images;
use super::console::Console;
use super::text::table;
use crate::device::Device;
use crate::evaluate::{answers, cross_fitted, mixtures};
use crate::infer::Passes;
use crate::infer::stream::open;
use crate::model::Model;
use crate::posterior::calibration::{Calibration, Map, Method, Record, fit};
use crate::posterior::metrics::{FIGURES, Metrics};
use crate::posterior::ood::Threshold;
use anyhow::Result;
use std::path::PathBuf;
use std::sync::Arc;

/// Calibrate a model's error bars on labelled images that it was not trained on
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu calibrate runs/ground/model.safetensors calibration_lenses/
  lensgpu calibrate model.safetensors other_survey/ -o calibrated.safetensors --method conformal
  lensgpu calibrate model.safetensors cutouts/ --images '{id}_{band}.fits' --catalogue truth.csv --label theta_e")]
pub struct Calibrate {
    /// The model.safetensors that `lensgpu train` wrote
    model: PathBuf,
    /// Folder with images that the model was not trained on, and the catalogue with their labels
    dir: PathBuf,
    /// The model to write [default: in place of the one that was read]
    #[arg(short, long, value_name = "MODEL")]
    output: Option<PathBuf>,
    /// What is fitted
    #[arg(long, default_value = Method::default().name(), value_parser = super::choices::method())]
    method: Method,
    /// The catalogue's column with the Einstein radius in arcsec [default: theta_e, or the preset's]
    #[arg(long, value_name = "COLUMN", help_heading = "Images")]
    label: Option<String>,
    /// See each image in all flips and quarter turns: for answers of `infer --tta`
    #[arg(long)]
    tta: bool,
    /// Decides the halves of which each is scored by the fit to the other
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
/// Those of [`open`], [`answers`], [`fit`] and [`Model::write`]. Nothing is written then.
pub fn run(args: Calibrate) -> Result<()> {
    let console = Console::new(args.quiet)?;
    let mut model = Model::read(&args.model)?;
    let device = Device::choose(&args.device)?;
    console.note(&format!("device: {}", device.name()));
    let options = args.images.options(&args.dir, args.label.clone(), None)?;
    let source = Arc::new(open(&model, &options.image_folder(true)?, &|event| {
        console.report(event)
    })?);
    let passes = Passes {
        batch: usize::from(args.batch),
        all_views: args.tta,
    };
    let known = answers(&model, &device, &source, passes, &|event| console.report(event));
    console.finish();
    let known = known?;
    let rows = mixtures(&known)?;
    let map = fit(args.method, &rows)?;
    if !args.quiet {
        match &map {
            Map::Factors(f) => println!("factors: {:.3} aleatoric, {:.3} epistemic", f.aleatoric, f.epistemic),
            Map::Isotonic(map) => println!("isotonic: {} knots", map.knots.len()),
            Map::Conformal(map) => {
                let last = map.half_widths.last().map_or(0.0, |w| w[0]);
                println!("conformal: intervals up to {:.1} %", 100.0 * last);
            }
        }
        match cross_fitted(args.method, &rows, args.seed) {
            Ok((before, after)) => {
                println!("on {} rows, each half scored by a fit to the other:", rows.len());
                print!("{}", before_and_after(&before, &after));
            }
            Err(_) => println!("too few rows to score the calibration on rows that it did not see"),
        }
    }
    let data = args.dir.display().to_string();
    let scores = known.iter().filter_map(|k| k.answer.ood_score).collect();
    model.about.ood = Threshold::new(scores, data.clone());
    let record = Record::now(data, rows.len());
    model.about.calibration = Some(Calibration { map, record });
    let output = args.output.unwrap_or(args.model);
    model.write(&output)?;
    if !args.quiet {
        println!("model: {}", output.display());
    }
    Ok(())
}

fn before_and_after(before: &Metrics, after: &Metrics) -> String {
    const SHOWN: [&str; 9] = [
        "coverage_683",
        "coverage_954",
        "coverage_997",
        "miscalibration_area",
        "nll",
        "nll_gaussian",
        "crps",
        "ence",
        "sharpness",
    ];
    let rows = FIGURES.iter().filter(|f| SHOWN.contains(&f.name));
    let rows = rows.map(|f| [f.title.to_string(), f.text((f.of)(before)), f.text((f.of)(after))]);
    table(["", "before", "after"], rows)
}
