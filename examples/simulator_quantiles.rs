//! Compares a simulation with another, or with a real catalogue: the tables of docs/simulator.md.
//!
//! ```text
//! cargo run --release --example simulator_quantiles -- pixels OURS/images.npy THEIRS/images.npy 0.2
//! cargo run --release --example simulator_quantiles -- arcs OURS/catalogue.csv THEIRS/classifications_all.csv
//! ```

use anyhow::{Context, Result, bail};
use npyz::NpyFile;
use std::fs::File;
use std::io::BufReader;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["pixels", ours, theirs, scale] => pixels(ours, theirs, scale.parse()?),
        ["arcs", ours, theirs] => arcs(ours, theirs),
        _ => bail!("either: pixels OURS.npy THEIRS.npy ARCSEC_A_PIXEL, or: arcs OURS.csv THEIRS.csv"),
    }
}

fn quantile(sorted: &[f64], percent: f64) -> f64 {
    let place = percent / 100.0 * (sorted.len() - 1) as f64;
    let k = (place as usize).min(sorted.len().saturating_sub(2));
    sorted[k] + (place - k as f64) * (sorted[(k + 1).min(sorted.len() - 1)] - sorted[k])
}

/// Pixel quantiles by band and by distance from the centre, ours over theirs.
fn pixels(ours: &str, theirs: &str, scale: f64) -> Result<()> {
    const PERCENT: [f64; 6] = [1.0, 16.0, 50.0, 84.0, 99.0, 99.9];
    const RINGS: [f64; 7] = [0.0, 0.5, 1.0, 1.5, 2.5, 3.5, 5.5];
    let read = |path: &str| -> Result<(Vec<usize>, Vec<f32>)> {
        let file = NpyFile::new(BufReader::new(File::open(path).with_context(|| path.to_string())?))?;
        let shape = file.shape().iter().map(|&n| n as usize).collect();
        Ok((shape, file.into_vec()?))
    };
    let (ours, theirs) = (read(ours)?, read(theirs)?);
    let ring_of = |(shape, values): &(Vec<usize>, Vec<f32>), band: usize, ring: usize| -> Vec<f64> {
        let [_, h, w, c] = shape[..] else { return vec![] };
        let within = |place: usize| {
            let (i, j) = (place / c / w % h, place / c % w);
            let r = (i as f64 - (h - 1) as f64 / 2.0).hypot(j as f64 - (w - 1) as f64 / 2.0) * scale;
            r >= RINGS[ring] && r < RINGS.get(ring + 1).copied().unwrap_or(f64::INFINITY)
        };
        let chosen = values.iter().enumerate().skip(band).step_by(c);
        let mut out: Vec<f64> = chosen
            .filter(|(place, _)| within(*place))
            .map(|(_, v)| f64::from(*v))
            .collect();
        out.sort_by(f64::total_cmp);
        out
    };
    println!(
        "| band | from [\"] | {} |",
        PERCENT.map(|p| format!("{p} %")).join(" | ")
    );
    println!("|---|---|{}", "---|".repeat(PERCENT.len()));
    for band in 0..ours.0[3] {
        for (ring, from) in RINGS.iter().enumerate() {
            let (a, b) = (ring_of(&ours, band, ring), ring_of(&theirs, band, ring));
            let ratios = PERCENT.map(|p| format!("{:.2}", quantile(&a, p) / quantile(&b, p)));
            println!("| {band} | {from} | {} |", ratios.join(" | "));
        }
    }
    Ok(())
}

/// Quantiles of the lenses' radius, arc pixels and arc light, ours beside the challenge's.
fn arcs(ours: &str, theirs: &str) -> Result<()> {
    const PERCENT: [f64; 7] = [5.0, 16.0, 25.0, 50.0, 75.0, 84.0, 95.0];
    println!("| | | {} |", PERCENT.map(|p| format!("{p} %")).join(" | "));
    println!("|---|---|{}", "---|".repeat(PERCENT.len()));
    let radius = |area: f64| 206_264.806 * (area / std::f64::consts::PI).sqrt();
    let same = |value: f64| value;
    for (what, mine, yours, convert) in [
        (
            "theta_e_crit [\"]",
            "theta_e_crit",
            "Einstein_area",
            radius as fn(f64) -> f64,
        ),
        ("arc pixels", "arc_pixels", "numb_pix_lensed_image", same),
        (
            "arc light over the noise",
            "arc_sigma",
            "flux_lensed_image_in_sigma",
            same,
        ),
    ] {
        for (who, path, column, convert) in [
            ("ours", ours, mine, same as fn(f64) -> f64),
            ("challenge", theirs, yours, convert),
        ] {
            let values = lenses(path, column, convert)?;
            let row = PERCENT.map(|p| format!("{:.4}", quantile(&values, p)));
            println!(
                "| {what} | {who} | {} |",
                row.map(|v| v.chars().take(6).collect::<String>()).join(" | ")
            );
        }
    }
    Ok(())
}

fn lenses(path: &str, column: &str, convert: fn(f64) -> f64) -> Result<Vec<f64>> {
    let mut reader = csv::Reader::from_path(path)?;
    let headers = reader.headers()?.clone();
    let place = |name: &str| {
        headers
            .iter()
            .position(|h| h == name)
            .with_context(|| format!("{path} has no column {name}"))
    };
    let (is_lens, column) = (place("is_lens")?, place(column)?);
    let mut values = Vec::new();
    for row in reader.records() {
        let row = row?;
        if &row[is_lens] == "1" {
            values.push(convert(row[column].parse()?));
        }
    }
    values.sort_by(f64::total_cmp);
    Ok(values)
}
