//! `lensgpu prior`: priors on the Einstein radius for programs that model lenses.

use super::arguments::{Json, MassArguments, PredictionArguments, Quiet, command};
use super::console::Console;
use super::output::outln;
use super::text::count;
use super::{choices, usage};
use crate::modelling::Error;
use crate::modelling::prior::{Format, MassProfile, PriorOptions, PriorReport, PriorShape, write_priors};
use crate::survey::table::provenance::Provenance;
use anyhow::Result;
use serde_json::json;
use std::path::PathBuf;

/// Write priors on the Einstein radius for PyAutoLens, lenstronomy or COOLEST from a catalogue of predictions
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu prior einstein_radii.fits --format pyautolens -o priors/
  lensgpu prior einstein_radii.fits --format lenstronomy --mass isothermal -o priors.json
  lensgpu prior einstein_radii.csv --format coolest --pixel-scale 0.1 --axis-ratio q_light --axis-ratio-error 0.1 -o coolest/
  lensgpu prior einstein_radii.csv --format pyautolens --flags near_edge --widen 3 -o priors/

Each program has its own definition of the Einstein radius; the prior is converted to it. docs/modelling.md has the \
equations, and shows how each program loads the files.")]
pub struct Prior {
    /// Catalogue written by `lensgpu infer`
    catalogue: PathBuf,
    /// Program that the priors are for
    #[arg(long, value_name = "FORMAT", value_parser = choices::format())]
    format: Format,
    /// New or empty folder; a file for lenstronomy
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
    /// Mass profile that the prior is for
    #[arg(long, value_name = "PROFILE", default_value = "power-law", value_parser = choices::mass_profile())]
    mass: MassProfile,
    /// Shape of the prior
    #[arg(long, value_name = "SHAPE", default_value = "normal", value_parser = choices::prior_shape())]
    shape: PriorShape,
    #[command(flatten)]
    predictions: PredictionArguments,
    /// Multiply the sigma of rows with accepted flags by this factor
    #[arg(long, value_name = "FACTOR", default_value_t = 2.0, allow_negative_numbers = true)]
    widen: f64,
    #[command(flatten)]
    masses: MassArguments,
    /// Pixel scale of the images in arcsec per pixel, which a COOLEST file must have
    #[arg(long, value_name = "ARCSEC", allow_negative_numbers = true)]
    pixel_scale: Option<f64>,
    #[command(flatten)]
    json: Json,
    #[command(flatten)]
    quiet: Quiet,
}

/// # Errors
/// Those of [`write_priors`].
pub fn run(args: Prior) -> Result<()> {
    let options = PriorOptions {
        predictions: args.predictions.of(args.catalogue),
        format: args.format,
        mass: args.mass,
        shape: args.shape,
        masses: args.masses.options(),
        widen: args.widen,
        pixel_scale: args.pixel_scale,
        output: args.output,
        provenance: Provenance {
            command: Some(command()),
            ..Provenance::new("PRIORS")
        },
    };
    let console = Console::for_result(args.quiet.quiet, args.json.json)?;
    let report = write_priors(&options, &|event| console.report(event));
    console.finish();
    let report = report.map_err(|error| match error {
        Error::Number { .. } | Error::NoPixelScale => usage(error),
        error => error.into(),
    })?;
    if args.json.json {
        outln!("{}", console.as_json(as_json(&report, &options))?);
    } else if !args.quiet.quiet {
        print(&report, &options);
    }
    Ok(())
}

fn print(report: &PriorReport, options: &PriorOptions) {
    outln!(
        "theta_e of the catalogue: {} ({})",
        report.convention.name(),
        report.convention_source
    );
    outln!(
        "Einstein radius of {}: {}, {:.4} times as large on average; the conversion adds {:.1} % to sigma, in quadrature",
        options.format.name(),
        options.format.convention().name(),
        report.factor,
        100.0 * report.factor_error
    );
    outln!("{}: {}", count(report.rows, "row"), report.left_out);
    let widened = match report.widened {
        0 => String::new(),
        widened => format!(", {widened} of them flagged and {} times as wide", options.widen),
    };
    outln!(
        "{}{widened}, in {}",
        count(report.written, "prior"),
        options.output.display()
    );
    if options.shape == PriorShape::Normal && 2 * report.log_normal > report.written {
        outln!(
            "{} of {} predictions are closer to a log-normal distribution (--shape log-normal)",
            report.log_normal,
            report.written
        );
    }
}

fn as_json(report: &PriorReport, options: &PriorOptions) -> serde_json::Value {
    json!({
        "output": options.output,
        "format": options.format.name(),
        "mass": options.mass.name(),
        "shape": options.shape.name(),
        "rows": report.rows,
        "written": report.written,
        "widened": report.widened,
        "left_out": report.left_out,
        "catalogue_convention": report.convention.name(),
        "convention_source": report.convention_source,
        "convention": options.format.convention().name(),
        "factor": report.factor,
        "factor_error": report.factor_error,
        "closer_to_log_normal": report.log_normal,
    })
}
