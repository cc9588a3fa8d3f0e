//! Draws figure 1 of the deep ensembles paper: `cargo run --release --example toy_cubic -- toy_cubic.svg`

mod toy;

use anyhow::{Context, Result};
use lensgpu::device::Device;
use lensgpu::plot::chart::{Axes, band, line};
use lensgpu::plot::svg::{BLUE, INK, VERMILLION, draw_svg, drawing, write_svg};
use plotters::prelude::*;
use std::path::Path;
use toy::{RECIPES, points, predictions};

fn main() -> Result<()> {
    let path = std::env::args().nth(1).context("give the SVG to write")?;
    let device = Device::choose("auto")?;
    let points = points(20, 1);
    let xs: Vec<f64> = (-60..=60).map(|i| f64::from(i) / 10.0).collect();
    let predictions = RECIPES.iter().map(|recipe| predictions(&device, recipe, &points, &xs));
    let predictions = predictions.collect::<Result<Vec<_>>>()?;
    let svg = draw_svg((1120, 900), |area| {
        let panels = area.split_evenly((2, 2));
        for ((panel, recipe), predicted) in panels.iter().zip(&RECIPES).zip(&predictions) {
            let axes = Axes {
                title: recipe.title,
                x: "x",
                y: "y",
                xs: (-6.0, 6.0),
                ys: (-200.0, 200.0),
                x_tick: &|x| format!("{x:.0}"),
                y_tick: &|y| format!("{y:.0}"),
            };
            let mut chart = axes.draw(panel)?;
            if !recipe.squared_error {
                let sigmas = xs.iter().zip(predicted).map(|(&x, a)| (x, a.mean(), 3.0 * a.sigma()));
                let sigmas: Vec<_> = sigmas.map(|(x, mean, width)| (x, mean - width, mean + width)).collect();
                band(&mut chart, &sigmas, BLUE.mix(0.2).filled())?;
            }
            line(&mut chart, xs.iter().map(|&x| (x, x.powi(3))), INK.stroke_width(1))?;
            line(
                &mut chart,
                xs.iter().zip(predicted).map(|(&x, a)| (x, a.mean())),
                BLUE.stroke_width(3),
            )?;
            let circles = points.iter().map(|&point| Circle::new(point, 4, VERMILLION.filled()));
            chart.draw_series(circles).map_err(drawing)?;
        }
        Ok(())
    })?;
    Ok(write_svg(Path::new(&path), &svg)?)
}
