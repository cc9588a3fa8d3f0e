//! Compares simulations with another simulation: the tables and figures of docs/simulator.md.

mod arcs;
mod pixels;

use anyhow::Result;
use clap::Parser;
use std::path::PathBuf;

#[derive(Parser)]
enum Arguments {
    /// Ratio of our pixel quantiles to theirs, by band and distance from the centre
    Pixels {
        /// Our images (N,H,W,C), .npy
        ours: PathBuf,
        /// Their images (N,H,W,C), .npy
        theirs: PathBuf,
        /// Arcsec per pixel
        scale: f64,
        /// Names of the bands, in order
        #[arg(value_delimiter = ',')]
        bands: Vec<String>,
        #[arg(long, value_name = "SVG")]
        plot: Option<PathBuf>,
    },
    /// Quantiles of the lenses' radius, arc pixels and arc light, ours and those of the challenge
    Arcs {
        /// Pairs of OURS/catalogue.csv and THEIRS/classifications_all.csv; the folder OURS names the preset
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

/// Size of a panel, pixels.
const PANEL: (u32, u32) = (400, 400);

fn quantile(sorted: &[f64], percent: f64) -> f64 {
    let place = percent / 100.0 * (sorted.len() - 1) as f64;
    let k = (place as usize).min(sorted.len().saturating_sub(2));
    sorted[k] + (place - k as f64) * (sorted[(k + 1).min(sorted.len() - 1)] - sorted[k])
}

/// Prints the head of a table: `columns`, then one per quantile.
fn print_head(columns: &str, percents: &[f64]) {
    let names: Vec<String> = percents.iter().map(|p| format!("{p} %")).collect();
    println!("{columns} {} |", names.join(" | "));
    println!("|{}", "---|".repeat(columns.matches('|').count() - 1 + names.len()));
}
