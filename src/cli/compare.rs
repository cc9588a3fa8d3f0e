//! `lensgpu compare`: lens models that contradict the predictions.

use super::arguments::{Json, MassArguments, PredictionArguments, ProvenanceArguments, Quiet};
use super::console::Console;
use super::output::{out, outln};
use super::text::{Column, count, table};
use super::{choices, usage};
use crate::lens::physics::convention::Convention;
use crate::model::Model;
use crate::modelling::Error;
use crate::modelling::compare::{CompareOptions, CompareReport, Comparison, compare};
use crate::survey::flags::FLAGS;
use anyhow::Result;
use serde_json::{Value, json};
use std::path::PathBuf;

/// List lens models whose Einstein radius contradicts the predictions, and by how many sigma
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu compare einstein_radii.fits models.csv --error theta_E_err
  lensgpu compare einstein_radii.fits published.fits --label einstein_radius --error sigma --convention pyautolens -o compared.fits
  lensgpu compare einstein_radii.csv models.csv --axis-ratio q --slope gamma --convention circularised --sigma 5 --json

A model belongs to the prediction with the same id. Sigma is that of a normal distribution whose tail is the probability, \
under the prediction and the model's error, of a radius at least as far off. docs/modelling.md has the equations.")]
pub struct Compare {
    /// Catalogue written by `lensgpu infer`
    catalogue: PathBuf,
    /// Table of lens models: CSV, FITS, VOTable or Parquet
    models: PathBuf,
    /// Column of MODELS with the Einstein radii in arcsec
    #[arg(long, value_name = "COLUMN", default_value = "theta_e")]
    label: String,
    /// Column of MODELS with the standard deviations of the radii [default: the radii are exact]
    #[arg(long, value_name = "COLUMN")]
    error: Option<String>,
    /// What the Einstein radius of the models means
    #[arg(long, value_name = "CONVENTION", default_value = "intermediate", value_parser = choices::convention())]
    convention: Convention,
    /// A model contradicts the prediction from this many sigma on
    #[arg(long, value_name = "N", default_value_t = 3.0, allow_negative_numbers = true)]
    sigma: f64,
    /// Table to write, of all models that are compared: .csv, .fits, .vot (VOTable) or .parquet
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    predictions: PredictionArguments,
    #[command(flatten)]
    masses: MassArguments,
    /// Model that the catalogue is from: with the members' columns, its calibration is applied to their mixture
    #[arg(long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Rebuild the posteriors from their quantiles even if the catalogue has the members' means and variances
    #[arg(long)]
    from_quantiles: bool,
    /// Column of MODELS with the object ids
    #[arg(long, value_name = "COLUMN", default_value = "id")]
    models_id_column: String,
    #[command(flatten)]
    provenance: ProvenanceArguments,
    #[command(flatten)]
    json: Json,
    #[command(flatten)]
    quiet: Quiet,
}

/// Contradictions that are printed.
const SHOWN: usize = 50;

/// # Errors
/// Those of [`Model::open`] and [`compare`].
pub fn run(args: Compare) -> Result<()> {
    let options = CompareOptions {
        predictions: args.predictions.of(args.catalogue),
        from_quantiles: args.from_quantiles,
        models: args.models,
        model_id: Some(args.models_id_column),
        radius: args.label,
        radius_error: args.error,
        convention: args.convention,
        masses: args.masses.options(),
        threshold: args.sigma,
        output: args.output,
        provenance: Some(args.provenance.of("COMPARED", args.model.as_deref())?),
    };
    let console = Console::for_result(args.quiet.quiet, args.json.json)?;
    let model = args.model.map(Model::open).transpose()?;
    let report = compare(&options, model.as_ref(), &|event| console.report(event));
    console.finish();
    let report = report.map_err(|error| match error {
        Error::Number { .. } => usage(error),
        error => error.into(),
    })?;
    if args.json.json {
        outln!("{}", console.as_json(as_json(&report, &options))?);
    } else if !args.quiet.quiet {
        print(&report, &options);
    }
    Ok(())
}

fn print(report: &CompareReport, options: &CompareOptions) {
    outln!(
        "theta_e of the predictions: {} ({})",
        report.convention.name(),
        report.convention_source
    );
    outln!("Einstein radius of the models: {}", options.convention.name());
    outln!("posteriors: {}", report.source);
    outln!("predictions: {}", report.left_out);
    outln!(
        "{} of {} compared",
        report.matches.compared,
        count(report.matches.models, "model")
    );
    for remark in report.matches.remarks() {
        outln!("  {remark}");
    }
    outln!(
        "\n{} of {} contradict the prediction by {} sigma or more; {:.2} would by chance",
        report.contradictions,
        report.comparisons.len(),
        options.threshold,
        report.expected
    );
    let contradictions = &report.comparisons[..report.contradictions];
    if !contradictions.is_empty() {
        let columns = [
            Column::Text("id"),
            Column::Number("sigma"),
            Column::Number("model [arcsec]"),
            Column::Number("theta_e [arcsec]"),
            Column::Number("95 % interval"),
            Column::Text("flags"),
        ];
        out!("{}", table(columns, contradictions.iter().take(SHOWN).map(row)));
        if contradictions.len() > SHOWN {
            outln!("  and {} more", contradictions.len() - SHOWN);
        }
    }
    if let Some(output) = &options.output {
        outln!("all comparisons: {}", output.display());
    }
}

fn row(comparison: &Comparison) -> [String; 6] {
    let [low, .., high] = comparison.quantiles;
    let flags = FLAGS.iter().filter(|flag| comparison.flags & flag.bit != 0);
    let flags: Vec<&str> = flags.map(|flag| flag.name).collect();
    [
        comparison.id.clone(),
        format!("{:+.1}", comparison.n_sigma),
        format!("{:.3} ± {:.3}", comparison.radius, comparison.radius_error),
        format!("{:.3}", comparison.theta_e),
        format!("{low:.3} to {high:.3}"),
        flags.join(", "),
    ]
}

fn as_json(report: &CompareReport, options: &CompareOptions) -> Value {
    let contradictions = report.comparisons[..report.contradictions].iter();
    let contradictions: Vec<Value> = contradictions
        .map(|c| {
            json!({
                "id": c.id,
                "n_sigma": c.n_sigma,
                "tail": c.tail,
                "compared_radius": c.radius,
                "compared_radius_error": c.radius_error,
                "theta_e": c.theta_e,
                "quantiles": c.quantiles,
                "flags": c.flags,
            })
        })
        .collect();
    json!({
        "output": options.output,
        "sigma": options.threshold,
        "convention": options.convention.name(),
        "catalogue_convention": report.convention.name(),
        "convention_source": report.convention_source,
        "posteriors": report.source.to_string(),
        "left_out": report.left_out,
        "matches": report.matches,
        "expected_by_chance": report.expected,
        "contradictions": contradictions,
    })
}
