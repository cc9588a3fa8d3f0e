//! The files of a fit.

use super::Curves;
use super::error::Error;
use super::figures::{self, Drawn};
use super::report::{FitReport, RowPrediction};
use crate::bayes::draws::write_draws;
use crate::bayes::mcmc::Chain;
use crate::files::write_atomic;
use crate::plot::png::of_svg;
use crate::plot::svg::write_svg;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// What is written.
pub struct Written<'a> {
    pub report: &'a FitReport,
    pub chain: &'a Chain,
    /// The chain is written every so many steps.
    pub every: usize,
    pub drawn: &'a Drawn<'a>,
    pub curves: Option<&'a Curves>,
}

/// Writes everything into a folder that exists.
///
/// # Errors
/// A file that cannot be written; a figure that cannot be drawn.
pub fn write(folder: &Path, written: &Written) -> Result<(), Error> {
    let names: Vec<String> = written
        .report
        .coefficients
        .iter()
        .chain(&written.report.noise)
        .map(|p| p.name.clone())
        .collect();
    let json = serde_json::to_vec_pretty(written.report);
    let json = json.map_err(|source| Error::Encode {
        name: "fit.json",
        source: source.into(),
    })?;
    write_atomic(&folder.join("fit.json"), |file| file.write_all(&json))?;
    let draws: Vec<f64> = written.chain.thinned(written.every).flatten().copied().collect();
    write_draws(folder, &names, &draws, written.report.mcmc.walkers)?;
    write_atomic(&folder.join("predictions.csv"), |file| {
        write_predictions(BufWriter::new(file), written.drawn)
    })?;
    for (name, svg) in [
        ("corner", figures::posterior(written.drawn)?),
        ("prediction", figures::prediction(written.drawn, written.curves)?),
        ("residuals", figures::residuals(written.drawn)?),
    ] {
        write_svg(&folder.join(name).with_extension("svg"), &svg)?;
        let png = of_svg(&svg)?;
        write_atomic(&folder.join(name).with_extension("png"), |file| file.write_all(&png))?;
    }
    Ok(())
}

/// Labels and predictions of every row, which is counted from 1.
fn write_predictions(mut file: impl Write, drawn: &Drawn) -> io::Result<()> {
    let columns = |prefix: &str| {
        ["mean", "sigma", "q02_5", "q16", "q50", "q84", "q97_5"]
            .map(|name| format!(",{prefix}{name}"))
            .concat()
    };
    let ensemble = if drawn.by_ensemble.is_some() {
        columns("ensemble_")
    } else {
        String::new()
    };
    writeln!(file, "row,held_out,label{}{ensemble}", columns(""))?;
    let texts = |p: &RowPrediction| {
        let [a, b, c, d, e] = p.quantiles;
        format!(",{},{},{a},{b},{c},{d},{e}", p.mean, p.sigma)
    };
    for (row, label) in drawn.labels.iter().enumerate() {
        let held_out = u8::from(drawn.held_out.binary_search(&row).is_ok());
        let ensemble = drawn
            .by_ensemble
            .map_or(String::new(), |predictions| texts(&predictions[row]));
        writeln!(
            file,
            "{},{held_out},{label}{}{ensemble}",
            row + 1,
            texts(&drawn.by_linear[row])
        )?;
    }
    file.flush()
}
