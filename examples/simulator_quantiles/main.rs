//! Compares simulations with another one, or with real catalogues: the tables and figures of docs/simulator.md.

mod arcs;
mod pixels;

use anyhow::Result;
use clap::Parser;
use std::path::PathBuf;

#[derive(Parser)]
enum Arguments {
    /// Quantiles of pixels by band and by distance from the centre, ours over theirs
    Pixels {
        /// (N,H,W,C)
        ours: PathBuf,
        theirs: PathBuf,
        /// Arcsec a pixel
        scale: f64,
        /// Names, in order
        #[arg(value_delimiter = ',')]
        bands: Vec<String>,
        #[arg(long, value_name = "SVG")]
        plot: Option<PathBuf>,
    },
    /// Quantiles of the lenses' radius, arc pixels and arc light, ours beside the challenge's
    Arcs {
        /// OURS/catalogue.csv and THEIRS/classifications_all.csv of one or more presets; OURS names it
        #[arg(required = true)]
        catalogues: Vec<PathBuf>,
        #[arg(long, value_name = "SVG")]
        plot: Option<PathBuf>,
    },
}

fn main() -> Result<()> {
    match Arguments::parse() {
        Arguments::Pixels {
            ours,
            theirs,
            scale,
            bands,
            plot,
        } => pixels::compare(&ours, &theirs, scale, &bands, plot.as_deref()),
        Arguments::Arcs { catalogues, plot } => arcs::compare(&catalogues, plot.as_deref()),
    }
}

/// Of a figure's panels, side by side; pixels.
const PANEL: (u32, u32) = (400, 400);

fn quantile(sorted: &[f64], percent: f64) -> f64 {
    let place = percent / 100.0 * (sorted.len() - 1) as f64;
    let k = (place as usize).min(sorted.len().saturating_sub(2));
    sorted[k] + (place - k as f64) * (sorted[(k + 1).min(sorted.len() - 1)] - sorted[k])
}

/// The head of a table: `columns`, then one a quantile.
fn print_head(columns: &str, percents: &[f64]) {
    let names: Vec<String> = percents.iter().map(|p| format!("{p} %")).collect();
    println!("{columns} {} |", names.join(" | "));
    println!("|{}", "---|".repeat(columns.matches('|').count() - 1 + names.len()));
}
