//! Einstein radii and arcs in catalogues.

use crate::{PANEL, print_head, quantile};
use anyhow::{Context, Result, ensure};
use lensgpu::plot::chart::{Axes, legend, line};
use lensgpu::plot::svg::{INK, PALETTE, draw_svg, drawing, write_svg};
use plotters::prelude::*;
use std::path::{Path, PathBuf};

const PERCENT: [f64; 7] = [5.0, 16.0, 25.0, 50.0, 75.0, 84.0, 95.0];

struct Quantity {
    title: &'static str,
    unit: &'static str,
    /// Column of our catalogue.
    ours: &'static str,
    /// Column of the challenge's catalogue.
    theirs: &'static str,
    /// Conversion from its unit to ours.
    convert: fn(f64) -> f64,
}

const QUANTITIES: [Quantity; 3] = [
    Quantity {
        title: "theta_e_crit",
        unit: "arcsec",
        ours: "theta_e_crit",
        theirs: "Einstein_area",
        convert: |area| 206_264.806 * (area / std::f64::consts::PI).sqrt(),
    },
    Quantity {
        title: "arc area",
        unit: "pixels",
        ours: "arc_pixels",
        theirs: "numb_pix_lensed_image",
        convert: |value| value,
    },
    Quantity {
        title: "arc light",
        unit: "noise of a pixel",
        ours: "arc_sigma",
        theirs: "flux_lensed_image_in_sigma",
        convert: |value| value,
    },
];

/// The lenses of a preset and those of the challenge: sorted values of each of [`QUANTITIES`], ours and theirs.
struct Compared {
    name: String,
    values: [[Vec<f64>; 2]; QUANTITIES.len()],
}

pub fn compare(catalogues: &[PathBuf], plot: Option<&Path>) -> Result<()> {
    ensure!(
        catalogues.len().is_multiple_of(2),
        "catalogues come in pairs: ours, theirs"
    );
    let compared = catalogues.chunks(2).map(|pair| Compared::read(&pair[0], &pair[1]));
    let compared: Vec<Compared> = compared.collect::<Result<_>>()?;
    for preset in &compared {
        println!("\n`{}`:\n", preset.name);
        print_head("| | |", &PERCENT);
        for (quantity, values) in QUANTITIES.iter().zip(&preset.values) {
            for (who, values) in ["ours", "challenge"].iter().zip(values) {
                let row = PERCENT.map(|p| format!("{:.4}", quantile(values, p)));
                let row = row.map(|v| v.chars().take(6).collect::<String>()).join(" | ");
                println!("| {} [{}] | {who} | {row} |", quantity.title, quantity.unit);
            }
        }
    }
    plot.map_or(Ok(()), |path| Ok(write_svg(path, &draw(&compared)?)?))
}

impl Compared {
    fn read(ours: &Path, theirs: &Path) -> Result<Compared> {
        let folder = ours
            .parent()
            .and_then(Path::file_name)
            .context("our catalogue must be in a folder")?;
        let mut values = Vec::new();
        for quantity in &QUANTITIES {
            let same = |value: f64| value;
            values.push([
                lenses(ours, quantity.ours, same)?,
                lenses(theirs, quantity.theirs, quantity.convert)?,
            ]);
        }
        Ok(Compared {
            name: folder.to_string_lossy().into_owned(),
            values: values.try_into().expect("one per quantity"),
        })
    }
}

/// The sorted values of a column in the rows that are lenses.
fn lenses(path: &Path, column: &str, convert: impl Fn(f64) -> f64) -> Result<Vec<f64>> {
    let mut reader = csv::Reader::from_path(path)?;
    let headers = reader.headers()?.clone();
    let place = |name: &str| {
        let place = headers.iter().position(|h| h == name);
        place.with_context(|| format!("{} has no column {name}", path.display()))
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

/// One panel per quantity: our quantiles against those of the challenge, both logarithmic. Zeros are left out.
fn draw(compared: &[Compared]) -> Result<String, lensgpu::plot::Error> {
    let tick = |value: &f64| match 10f64.powf(*value) {
        v if v >= 1e4 => format!("{:.0}k", 1e-3 * v),
        v if v >= 1e3 => format!("{:.1}k", 1e-3 * v),
        v if v >= 10.0 => format!("{v:.0}"),
        v if v >= 1.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    };
    draw_svg((PANEL.0 * QUANTITIES.len() as u32, PANEL.1), |area| {
        let panels = area.split_evenly((1, QUANTITIES.len()));
        for (k, (area, quantity)) in panels.iter().zip(&QUANTITIES).enumerate() {
            let at = |preset: &Compared, percent: f64| {
                let [ours, theirs] = &preset.values[k];
                (quantile(theirs, percent).log10(), quantile(ours, percent).log10())
            };
            let curve = |preset: &Compared, percents: &[f64]| -> Vec<(f64, f64)> {
                let points = percents.iter().map(|&p| at(preset, p));
                points.filter(|(x, y)| x.is_finite() && y.is_finite()).collect()
            };
            let percents: Vec<f64> = (1..=99).map(f64::from).collect();
            let curves: Vec<_> = compared.iter().map(|preset| curve(preset, &percents)).collect();
            let all = || curves.iter().flatten().flat_map(|&(x, y)| [x, y]);
            let low = all().fold(f64::INFINITY, f64::min) - 0.1;
            let high = all().fold(f64::NEG_INFINITY, f64::max) + 0.1;
            let mut chart = Axes {
                title: quantity.title,
                x: &format!("challenge [{}]", quantity.unit),
                y: &format!("simulated [{}]", quantity.unit),
                xs: (low, high),
                ys: (low, high),
                x_tick: &tick,
                y_tick: &tick,
            }
            .draw(area)?;
            line(&mut chart, [(low, low), (high, high)], INK.stroke_width(1))?;
            for ((preset, points), colour) in compared.iter().zip(curves).zip(PALETTE) {
                line(&mut chart, points, colour.stroke_width(2))?;
                let dots = curve(preset, &PERCENT).into_iter();
                let dots = dots.map(|at| Circle::new(at, 4, colour.filled()));
                chart.draw_series(dots).map_err(drawing)?;
            }
        }
        let names = compared.iter().zip(PALETTE);
        let mut rows: Vec<_> = names
            .map(|(preset, colour)| (Some(colour), preset.name.clone()))
            .collect();
        rows.push((Some(INK), "equal".into()));
        legend(&panels[0], (100, 60), &rows)
    })
}
