//! The folder of a result: chain, summary and figures.

use super::Error;
use super::figure::distribution;
use super::report::PopulationReport;
use super::shape::Moments;
use crate::bayes::draws::write_draws;
use crate::files::{NewFolder, write_atomic};
use crate::plot::corner::{Corner, corner};
use crate::plot::svg::write_svg;
use crate::plot::{self, png};
use serde_json::{Value, json};
use std::io::Write as _;

/// Writes `chain.csv`, `chain.safetensors`, `summary.json`, and as SVG and PNG `corner` and `distribution`, into a new
/// [staged](NewFolder::staged) folder, and keeps it.
///
/// The chain has one row per draw: the parameters of the shape, then mean, scatter and median of the population. Draws that
/// depend on each other are left out: one is kept per half of the longest autocorrelation time.
///
/// # Errors
/// A file that cannot be written, a figure that cannot be drawn.
pub fn write(new: NewFolder, report: &PopulationReport) -> Result<(), Error> {
    let bytes = |name: &str, bytes: &[u8]| write_atomic(&new.path().join(name), |file| file.write_all(bytes));
    let (names, rows) = chain(report);
    write_draws(new.path(), &names, &rows.concat(), report.diagnostics().walkers)?;
    bytes("summary.json", format!("{:#}\n", as_json(report)).as_bytes())?;
    let figures = [
        ("corner", corner_plot(report)?),
        ("distribution", distribution(report)?),
    ];
    for (name, svg) in figures {
        write_svg(&new.path().join(format!("{name}.svg")), &svg)?;
        bytes(&format!("{name}.png"), &png::of_svg(&svg)?)?;
    }
    Ok(new.keep()?)
}

/// The columns of the chain and its rows.
fn chain(report: &PopulationReport) -> (Vec<String>, Vec<Vec<f64>>) {
    let names = report.shape.names().into_iter().chain(Moments::NAMES.map(String::from));
    let every = (0.5 * report.diagnostics().longest_tau()) as usize;
    let row = |draw: &[f64]| {
        let moments = report.shape.population(draw).moments();
        draw.iter().copied().chain(moments.values()).collect()
    };
    (names.collect(), report.chain.thinned(every).map(row).collect())
}

/// Mean and scatter of a single log-normal distribution, or the parameters of a mixture, against each other.
fn corner_plot(report: &PopulationReport) -> Result<String, plot::Error> {
    let names = report.shape.names();
    let (names, columns) = match report.shape.components() {
        1 => (vec!["mean [arcsec]".into(), "scatter [arcsec]".into()], 2..4),
        _ => (names.clone(), 0..names.len()),
    };
    let (_, rows) = chain(report);
    let draws: Vec<&[f64]> = rows.iter().map(|row| &row[columns.clone()]).collect();
    corner(&Corner {
        title: &format!("Population of {} lenses", report.theta_e.len()),
        names: &names,
        draws: &draws,
        true_values: None,
        exact: None,
    })
}

/// The result as JSON, for `summary.json` and scripts.
pub fn as_json(report: &PopulationReport) -> Value {
    let parameters = report
        .parameters
        .iter()
        .map(|(name, posterior)| json!({ "name": name, "posterior": posterior }));
    json!({
        "shape": report.shape.to_string(),
        "objects": report.theta_e.len(),
        "rows": report.rows,
        "left_out": report.left_out,
        "posteriors": report.source.to_string(),
        "prior": report.prior.to_string(),
        "levels": crate::bayes::mcmc::LEVELS,
        "quantities": report.quantities,
        "parameters": parameters.collect::<Vec<_>>(),
        "log_likelihood": report.log_likelihood,
        "bic": report.bic(),
        "diagnostics": report.diagnostics(),
    })
}
