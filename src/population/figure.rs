//! The inferred distribution over the histogram of the catalogue.

use super::report::PopulationReport;
use crate::plot::Error;
use crate::plot::chart::{Axes, band, legend, line};
use crate::plot::svg::{BLUE, VERMILLION, draw_svg, tick};
use plotters::prelude::*;

/// Colour of the histogram.
const GREY: RGBColor = RGBColor(130, 130, 130);
/// Size of the figure, pixels.
const SIZE: (u32, u32) = (720, 520);
/// Values of theta_e at which the densities are drawn.
const POINTS: usize = 300;
/// Draws that the band is computed from.
const DRAWS: usize = 1000;
/// The largest number of bins of the histogram.
const MAX_BINS: f64 = 60.0;

/// The density of the population with its 68 and 95 % bands, the histogram of theta_e in the catalogue, and the training
/// prior, as an SVG.
pub(super) fn distribution(report: &PopulationReport) -> Result<String, Error> {
    let populations = report.populations(DRAWS);
    let high = end(report, &populations[0].moments().values());
    let grid: Vec<f64> = (1..=POINTS).map(|i| high * i as f64 / POINTS as f64).collect();
    let bands: Vec<[f64; 5]> = grid
        .iter()
        .map(|&theta_e| {
            let mut densities: Vec<f64> = populations.iter().map(|p| p.density(theta_e)).collect();
            densities.sort_by(f64::total_cmp);
            [0.025, 0.16, 0.5, 0.84, 0.975].map(|level| densities[(level * (densities.len() - 1) as f64) as usize])
        })
        .collect();
    let bars = histogram(&report.theta_e, high);
    let prior: Vec<(f64, f64)> = prior(report, &grid);
    let tallest = bands
        .iter()
        .map(|b| b[4])
        .chain(bars.iter().map(|b| b.2))
        .fold(0.0, f64::max);
    let tallest = prior.iter().map(|p| p.1).fold(tallest, f64::max);
    let span = 1.12 * tallest;
    let axes = Axes {
        title: &format!("Population of {} lenses", report.theta_e.len()),
        x: "Einstein radius [arcsec]",
        y: "probability density [1/arcsec]",
        xs: (0.0, high),
        ys: (0.0, span),
        x_tick: &tick(high),
        y_tick: &tick(span),
    };
    draw_svg(SIZE, |area| {
        let mut chart = axes.draw(area)?;
        for &(from, to, height) in &bars {
            band(
                &mut chart,
                &[(from, 0.0, height), (to, 0.0, height)],
                GREY.mix(0.3).filled(),
            )?;
        }
        for (low, high, opacity) in [(0, 4, 0.2), (1, 3, 0.35)] {
            let points: Vec<(f64, f64, f64)> = grid.iter().zip(&bands).map(|(&x, b)| (x, b[low], b[high])).collect();
            band(&mut chart, &points, BLUE.mix(opacity).filled())?;
        }
        line(
            &mut chart,
            grid.iter().zip(&bands).map(|(&x, b)| (x, b[2])),
            BLUE.stroke_width(2),
        )?;
        let mut rows = vec![
            (Some(BLUE), "population, 68 and 95 % bands".to_string()),
            (Some(GREY), "theta_e of the catalogue".to_string()),
        ];
        if !prior.is_empty() {
            line(&mut chart, prior.iter().copied(), VERMILLION.stroke_width(2))?;
            rows.push((Some(VERMILLION), "training prior".to_string()));
        }
        legend(area, (430, 56), &rows)
    })
}

/// Where the axis ends: beyond all values of theta_e, and beyond the mean of the population by 4 times its scatter.
fn end(report: &PopulationReport, moments: &[f64; 5]) -> f64 {
    let largest = report.theta_e.iter().copied().fold(0.0, f64::max);
    (1.05 * largest).max(moments[0] + 4.0 * moments[1])
}

/// (from, to, density) of bins of equal width; sqrt(n) of them over the range of the values.
fn histogram(values: &[f64], high: f64) -> Vec<(f64, f64, f64)> {
    let ends = |(low, high): (f64, f64), v: &f64| (low.min(*v), high.max(*v));
    let (smallest, largest) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), ends);
    let wanted = (values.len() as f64).sqrt().ceil().clamp(4.0, MAX_BINS);
    let width = ((largest - smallest) / wanted).max(high / 500.0);
    let bins = (((largest - smallest) / width).ceil() as usize).max(1);
    let mut counts = vec![0usize; bins];
    for value in values {
        counts[(((value - smallest) / width) as usize).min(bins - 1)] += 1;
    }
    let bin = |(i, count): (usize, &usize)| {
        let from = smallest + width * i as f64;
        (from, from + width, *count as f64 / (values.len() as f64 * width))
    };
    counts.iter().enumerate().map(bin).collect()
}

/// The density of the training prior, which is 0 outside of its support; empty without one.
fn prior(report: &PopulationReport, grid: &[f64]) -> Vec<(f64, f64)> {
    let Some([low, high]) = report.prior.support() else {
        return Vec::new();
    };
    let half = 0.5 * (grid[1] - grid[0]);
    let density = |&x: &f64| {
        let (a, b) = ((x - half).max(low).max(f64::MIN_POSITIVE), (x + half).min(high));
        (
            x,
            if b > a {
                report.prior.between(a, b) / (2.0 * half)
            } else {
                0.0
            },
        )
    };
    grid.iter().map(density).collect()
}
