//! `lensgpu calibrate`: calibrates a model's error bars on labelled images.

use super::arguments::Seed;
use super::choices;
use super::console::Console;
use super::labelled::LabelledArguments;
use super::text::{Column, table};
use super::usage;
use crate::evaluate::{cross_fitted, mixtures};
use crate::model::shipped::Named;
use crate::model::utc_now;
use crate::posterior::calibration::{Calibration, Method, Record, fit};
use crate::posterior::metrics::{METRICS, Metrics};
use crate::posterior::ood::Distances;
use crate::posterior::{MemberPredictions, Quantity};
use anyhow::{Result, anyhow};
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
    /// Model file to write [default: overwrite MODEL, unless it is a shipped one]
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
/// Those of [`LabelledArguments::open`], [`fit`] and [`Model::write`](crate::model::Model::write); a shipped model without
/// an output. Nothing is written in this case.
pub fn run(args: Calibrate) -> Result<()> {
    let labelled = &args.labelled;
    let quiet = labelled.quiet.quiet;
    let console = Console::new(quiet)?;
    let named = Named::of(&labelled.model)?;
    let output = match (&args.output, named) {
        (Some(output), _) => output.as_path(),
        (None, Named::File(path)) => path,
        (None, Named::Shipped(model)) => {
            return Err(usage(anyhow!(
                "{} is a shipped model; name a file to write with -o",
                model.name
            )));
        }
    };
    let mut model = named.read()?;
    let known = labelled
        .open(&model, false, &console)?
        .predict(&model, &console)?
        .lenses;
    let rows = mixtures(&known)?;
    let map = fit(args.method, &rows)?;
    if !quiet {
        println!("{map}");
        let stored = model.about.calibration.as_ref();
        match cross_fitted(args.method, &rows, stored.map(|c| &c.map), args.seed.seed) {
            Ok((before, after)) => {
                let before_is = match stored {
                    Some(c) => format!(
                        "the model with its calibration from {} rows of {}",
                        c.record.rows, c.record.data
                    ),
                    None => "the model without calibration".to_string(),
                };
                println!("on {} rows; before: {before_is};", rows.len());
                println!("after: each half with a fit to the other half");
                print!("{}", before_and_after(&model.quantity(), &before, &after));
            }
            Err(_) => println!("too few rows to score the calibration on rows that it was not fitted to"),
        }
    }
    let data = labelled.dir.display().to_string();
    let distances: Vec<Distances> = known.iter().map(|k| k.distances).collect();
    let predictions: Vec<MemberPredictions> = known.iter().map(|k| k.members.clone()).collect();
    model.about.set_limits(&distances, &predictions, &data);
    let record = Record::new(data, rows.len(), utc_now());
    model.about.calibration = Some(Calibration { map, record });
    model.write(output)?;
    if !quiet {
        println!("model: {}", output.display());
    }
    Ok(())
}

fn before_and_after(quantity: &Quantity, before: &Metrics, after: &Metrics) -> String {
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
    let rows = rows.map(|f| {
        [
            f.title.to_string(),
            f.text(quantity, (f.of)(before)),
            f.text(quantity, (f.of)(after)),
        ]
    });
    table(
        [Column::Text(""), Column::Number("before"), Column::Number("after")],
        rows,
    )
}
