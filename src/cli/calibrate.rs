//! `lensgpu calibrate`: calibrates a model's error bars on labelled images.

use super::arguments::Seed;
use super::choices;
use super::console::Console;
use super::labelled::LabelledArguments;
use super::text::{Column, table};
use crate::evaluate::{cross_fitted, mixtures};
use crate::model::{Model, utc_now};
use crate::posterior::calibration::{Calibration, Map, Method, Record, fit};
use crate::posterior::metrics::{METRICS, Metrics};
use crate::posterior::ood::Threshold;
use anyhow::Result;
use std::path::PathBuf;

/// Calibrate a model's error bars on labelled images that it was not trained on
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu calibrate runs/ground/model.safetensors calibration_lenses/
  lensgpu calibrate model.safetensors other_survey/ -o calibrated.safetensors --method conformal
  lensgpu calibrate model.safetensors cutouts/ --images '{id}_{band}.fits' --catalogue truth.csv --label theta_e

A calibration with --tta is valid for predictions by `lensgpu infer --tta`, and one without for those without.")]
#[command(mut_arg("seed", |arg| arg.help("Random seed of the split into two halves, each scored by a fit to the other")))]
pub struct Calibrate {
    /// Model file to write [default: overwrite MODEL]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Calibration method
    #[arg(long, default_value = Method::default().name(), value_parser = choices::method())]
    method: Method,
    #[command(flatten)]
    seed: Seed,
    #[command(flatten)]
    labelled: LabelledArguments,
}

/// # Errors
/// Those of [`LabelledArguments::open`], [`fit`] and [`Model::write`]. Nothing is written in this case.
pub fn run(args: Calibrate) -> Result<()> {
    let labelled = &args.labelled;
    let quiet = labelled.quiet.quiet;
    let console = Console::new(quiet)?;
    let mut model = Model::read(&labelled.model)?;
    let known = labelled
        .open(&model, false, &console)?
        .predict(&model, &console)?
        .lenses;
    let rows = mixtures(&known)?;
    let map = fit(args.method, &rows)?;
    if !quiet {
        println!("{}", summary(&map));
        match cross_fitted(args.method, &rows, args.seed.seed) {
            Ok((before, after)) => {
                println!("on {} rows, each half scored with a fit to the other half:", rows.len());
                print!("{}", before_and_after(&before, &after));
            }
            Err(_) => println!("too few rows to score the calibration on rows that it was not fitted to"),
        }
    }
    let data = labelled.dir.display().to_string();
    let scores = known.iter().filter_map(|k| k.members.ood_score).collect();
    model.about.ood = Threshold::new(scores, data.clone());
    let record = Record::new(data, rows.len(), utc_now());
    model.about.calibration = Some(Calibration { map, record });
    let output = args.output.as_ref().unwrap_or(&labelled.model);
    model.write(output)?;
    if !quiet {
        println!("model: {}", output.display());
    }
    Ok(())
}

fn summary(map: &Map) -> String {
    match map {
        Map::Factors(f) => format!("factors: {:.3} aleatoric, {:.3} epistemic", f.aleatoric, f.epistemic),
        Map::Isotonic(map) => format!("isotonic: {} knots", map.knots.len()),
        Map::Conformal(map) => {
            let widest = map.half_widths.last().map_or(0.0, |w| w[0]);
            format!("conformal: intervals up to {:.1} %", 100.0 * widest)
        }
    }
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
    let rows = METRICS.iter().filter(|f| SHOWN.contains(&f.name));
    let rows = rows.map(|f| [f.title.to_string(), f.text((f.of)(before)), f.text((f.of)(after))]);
    table(
        [Column::Text(""), Column::Number("before"), Column::Number("after")],
        rows,
    )
}
