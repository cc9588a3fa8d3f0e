//! The plots of a report, each an SVG.

use crate::evaluate::SubEnsembles;
use crate::numeric::median;
use crate::plot::Error;
use crate::plot::chart::{Axes, SIZE, band, legend, line, point};
use crate::plot::svg::{Area, BLUE, INK, PALETTE, VERMILLION, draw_svg, drawing, tick};
use crate::posterior::Quantity;
use crate::posterior::metrics::ScoredPrediction;
use crate::posterior::metrics::curves::{SigmaBin, central_levels, curve, ence, sigma_bins};
use plotters::prelude::*;

/// Colour of the band of perfect calibration.
const GREY: RGBColor = RGBColor(130, 130, 130);
const PIT_BINS: usize = 20;
/// Maximum number of points drawn.
const MAX_DRAWN: usize = 3000;
/// Position of a legend in the upper left corner of a plot.
const UPPER_LEFT: (i32, i32) = (104, 60);

fn percent(value: &f64) -> String {
    format!("{:.0}", 100.0 * value)
}

/// Axes of two fractions, in percent.
pub(super) fn fractions<'a>([title, x, y]: [&'a str; 3]) -> Axes<'a> {
    Axes {
        title,
        x,
        y,
        xs: (0.0, 1.0),
        ys: (0.0, 1.0),
        x_tick: &percent,
        y_tick: &percent,
    }
}

/// A legend in the lower right corner of such a plot.
pub(super) fn legend_below(area: &Area, rows: &[(Option<RGBColor>, String)]) -> Result<(), Error> {
    legend(area, (276, 398 - 21 * rows.len() as i32), rows)
}

/// Legend entries of the main series and of the uncalibrated one, if there is one.
fn names(raw: Option<&[ScoredPrediction]>) -> [&'static str; 2] {
    match raw {
        Some(_) => ["calibrated", "uncalibrated"],
        None => ["ensemble", ""],
    }
}

/// Smallest extent of an axis: `arcsec` for angles; for other quantities only what keeps it from being nothing.
fn least(quantity: &Quantity, arcsec: f64) -> f64 {
    if quantity.is_angle() { arcsec } else { 1e-9 }
}

/// Predicted minus true against the true value, with medians and 16 to 84 % ranges in bins of equal numbers of objects.
pub fn residuals(quantity: &Quantity, objects: &[ScoredPrediction]) -> Result<String, Error> {
    let mut magnitudes: Vec<f64> = objects.iter().map(|o| o.error().abs()).collect();
    magnitudes.sort_by(f64::total_cmp);
    let usual = magnitudes[(magnitudes.len() - 1) * 98 / 100].max(least(quantity, 0.05));
    let half = 1.1 * magnitudes[magnitudes.len() - 1].min(2.5 * usual);
    let mut sorted: Vec<&ScoredPrediction> = objects.iter().collect();
    sorted.sort_by(|a, b| a.truth.total_cmp(&b.truth));
    let (low, high) = (sorted[0].truth, sorted[sorted.len() - 1].truth);
    let margin = (0.04 * (high - low)).max(least(quantity, 0.05));
    let span = high - low + 2.0 * margin;
    draw_svg((SIZE.0, 640), |area| {
        let mut chart = Axes {
            title: &format!("Error vs {}", quantity.name()),
            x: &quantity.axis("true"),
            y: &quantity.of("predicted − true"),
            xs: (low - margin, high + margin),
            ys: (-half, half),
            x_tick: &tick(span),
            y_tick: &tick(2.0 * half),
        }
        .draw(area)?;
        let every = objects.len().div_ceil(MAX_DRAWN).max(1);
        let opacity = if objects.len() > 300 { 0.3 } else { 0.6 };
        let style = BLUE.mix(opacity).filled();
        let (inside, outside): (Vec<&ScoredPrediction>, Vec<&ScoredPrediction>) =
            objects.iter().step_by(every).partition(|o| o.error().abs() <= half);
        chart
            .draw_series(inside.iter().map(|o| Circle::new((o.truth, o.error()), 3, style)))
            .map_err(drawing)?;
        let at_edge = |o: &&ScoredPrediction| {
            TriangleMarker::new((o.truth, (0.97 * half).copysign(o.error())), 6, VERMILLION.filled())
        };
        chart.draw_series(outside.iter().map(at_edge)).map_err(drawing)?;
        line(
            &mut chart,
            [(low - margin, 0.0), (high + margin, 0.0)],
            INK.stroke_width(1),
        )?;
        let bins = (sorted.len() / 15).clamp(1, 8);
        for k in 0..bins {
            let part = &sorted[k * sorted.len() / bins..(k + 1) * sorted.len() / bins];
            let mut errors: Vec<f64> = part.iter().map(|o| o.error()).collect();
            errors.sort_by(f64::total_cmp);
            let at = |fraction: f64| errors[(fraction * (errors.len() - 1) as f64).round() as usize];
            let mut true_values: Vec<f64> = part.iter().map(|o| o.truth).collect();
            let x = median(&mut true_values).expect("a bin has objects");
            point(
                &mut chart,
                (x, at(0.5)),
                (at(0.16).max(-half), at(0.84).min(half)),
                PALETTE[4],
            )?;
        }
        let mut rows = vec![(Some(PALETTE[4]), "median and 16 to 84 % range per bin".to_string())];
        let beyond = objects.iter().filter(|o| o.error().abs() > half).count();
        if beyond > 0 {
            rows.push((Some(VERMILLION), format!("outside the axis range: {beyond}")));
        }
        legend(area, UPPER_LEFT, &rows)
    })
}

/// Histogram of the PIT, in units of the mean count; perfect calibration is flat.
pub fn pit_histogram(objects: &[ScoredPrediction], raw: Option<&[ScoredPrediction]>) -> Result<String, Error> {
    let densities = |objects: &[ScoredPrediction]| {
        let mut counts = [0.0; PIT_BINS];
        for o in objects {
            counts[((o.pit * PIT_BINS as f64) as usize).min(PIT_BINS - 1)] += PIT_BINS as f64 / objects.len() as f64;
        }
        counts
    };
    let (own, before) = (densities(objects), raw.map(densities));
    // Two binomial standard errors of a bin of a flat histogram, in units of the mean count.
    let p = 1.0 / PIT_BINS as f64;
    let spread = 2.0 * ((1.0 - p) / (p * objects.len() as f64)).sqrt();
    let all = own.iter().chain(before.iter().flatten());
    let top = 1.35 * all.copied().fold(1.0 + spread, f64::max);
    draw_svg(SIZE, |area| {
        let mut chart = Axes {
            title: "PIT histogram",
            x: "probability integral transform (PIT)",
            y: "observed / expected count",
            xs: (0.0, 1.0),
            ys: (0.0, top),
            x_tick: &tick(2.0),
            y_tick: &tick(top),
        }
        .draw(area)?;
        let bar = |(k, &density): (usize, &f64)| {
            let x = |k: usize| k as f64 / PIT_BINS as f64;
            Rectangle::new([(x(k), 0.0), (x(k + 1), density)], BLUE.mix(0.55).filled())
        };
        chart.draw_series(own.iter().enumerate().map(bar)).map_err(drawing)?;
        let level = |y: f64| [(0.0, y), (1.0, y)];
        for y in [1.0 - spread, 1.0 + spread] {
            line(&mut chart, level(y), INK.mix(0.5).stroke_width(1))?;
        }
        line(&mut chart, level(1.0), INK.stroke_width(2))?;
        let [own_name, raw_name] = names(raw);
        let mut rows = vec![(Some(BLUE), own_name.to_string())];
        if let Some(before) = &before {
            let steps = before
                .iter()
                .enumerate()
                .flat_map(|(k, &density)| [k, k + 1].map(|edge| (edge as f64 / PIT_BINS as f64, density)));
            line(&mut chart, steps, VERMILLION.stroke_width(2))?;
            rows.push((Some(VERMILLION), raw_name.into()));
        }
        rows.push((Some(INK), "perfect calibration ± 2 sigma".into()));
        legend(area, UPPER_LEFT, &rows)
    })
}

/// Fraction of true values below each predicted quantile.
pub fn reliability(objects: &[ScoredPrediction], raw: Option<&[ScoredPrediction]>) -> Result<String, Error> {
    let levels = |objects: &[ScoredPrediction]| {
        let mut levels: Vec<f64> = objects.iter().map(|o| o.pit).collect();
        levels.sort_by(f64::total_cmp);
        levels
    };
    diagonal(
        ["Reliability", "predicted quantile [%]", "true values below it [%]"],
        &levels(objects),
        raw.map(levels),
        &[],
    )
}

/// Fraction of true values within the central interval of each level.
pub fn coverage(objects: &[ScoredPrediction], raw: Option<&[ScoredPrediction]>) -> Result<String, Error> {
    let levels = |objects: &[ScoredPrediction]| central_levels(objects.iter().map(|o| o.pit));
    diagonal(
        ["Coverage", "central interval [%]", "true values inside [%]"],
        &levels(objects),
        raw.map(levels),
        &[0.683, 0.954, 0.997],
    )
}

/// Observed against nominal fractions, with those at the `marked` levels as dots.
fn diagonal(texts: [&str; 3], own: &[f64], raw: Option<Vec<f64>>, marked: &[f64]) -> Result<String, Error> {
    let n = own.len() as f64;
    draw_svg(SIZE, |area| {
        let mut chart = fractions(texts).draw(area)?;
        let edge = |k: usize| {
            let p = k as f64 / 100.0;
            let error = 2.0 * (p * (1.0 - p) / n).sqrt();
            (p, (p - error).max(0.0), (p + error).min(1.0))
        };
        band(
            &mut chart,
            &(0..=100).map(edge).collect::<Vec<_>>(),
            GREY.mix(0.25).filled(),
        )?;
        line(&mut chart, [(0.0, 0.0), (1.0, 1.0)], INK.stroke_width(1))?;
        let points = |levels: &[f64]| {
            curve(levels)
                .into_iter()
                .map(|[p, fraction]| (p, fraction))
                .collect::<Vec<_>>()
        };
        if let Some(raw) = &raw {
            line(&mut chart, points(raw), VERMILLION.stroke_width(2))?;
        }
        line(&mut chart, points(own), BLUE.stroke_width(3))?;
        for (levels, colour) in raw.iter().map(|raw| (&raw[..], VERMILLION)).chain([(own, BLUE)]) {
            let fraction = |p: f64| levels.partition_point(|&level| level <= p) as f64 / levels.len() as f64;
            let at = marked
                .iter()
                .map(|&p| Circle::new((p, fraction(p)), 5, colour.filled()));
            chart.draw_series(at).map_err(drawing)?;
        }
        let mut rows = match raw {
            Some(_) => vec![
                (Some(BLUE), "calibrated".to_string()),
                (Some(VERMILLION), "uncalibrated".into()),
            ],
            None => vec![(Some(BLUE), "ensemble".to_string())],
        };
        rows.push((Some(GREY), "perfect calibration ± 2 sigma".into()));
        if !marked.is_empty() {
            rows.push((None, "dots: 68.3, 95.4, 99.7 %".into()));
        }
        legend_below(area, &rows)
    })
}

/// RMS error against predicted sigma in bins, on logarithmic axes.
pub fn sigma_error(
    quantity: &Quantity,
    objects: &[ScoredPrediction],
    raw: Option<&[ScoredPrediction]>,
) -> Result<String, Error> {
    let (own, before) = (sigma_bins(objects), raw.map(sigma_bins));
    let all = || {
        own.iter()
            .chain(before.iter().flatten())
            .flat_map(|b| [b.predicted, b.observed])
    };
    let log = |value: f64| value.max(1e-6).log10();
    let (low, high) = all().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
        (l.min(log(v)), h.max(log(v)))
    });
    let (low, high) = (low - 0.15, high + 0.15);
    let number = |value: &f64| match 10f64.powf(*value) {
        v if v >= 10.0 => format!("{v:.0}"),
        v if v >= 1.0 => format!("{v:.1}"),
        v if v >= 0.1 => format!("{v:.2}"),
        v => format!("{v:.3}"),
    };
    draw_svg(SIZE, |area| {
        let mut chart = Axes {
            title: "Predicted sigma vs RMS error",
            x: &quantity.of("RMS predicted sigma per bin"),
            y: &quantity.of("RMS error per bin"),
            xs: (low, high),
            ys: (low, high),
            x_tick: &number,
            y_tick: &number,
        }
        .draw(area)?;
        line(&mut chart, [(low, low), (high, high)], INK.stroke_width(1))?;
        let mut draw = |bins: &[SigmaBin], colour: RGBColor| -> Result<(), Error> {
            for bin in bins {
                // Relative standard error of the root mean square of n values.
                let error = 1.0 / (2.0 * bin.n as f64).sqrt();
                let y = |factor: f64| log(bin.observed * factor).clamp(low, high);
                point(
                    &mut chart,
                    (log(bin.predicted), y(1.0)),
                    (y(1.0 - error), y(1.0 + error)),
                    colour,
                )?;
            }
            Ok(())
        };
        if let Some(before) = &before {
            draw(before, VERMILLION)?;
        }
        draw(&own, BLUE)?;
        let [own_name, raw_name] = names(raw);
        let mut rows = vec![(Some(BLUE), format!("{own_name}, ENCE {:.2}", ence(&own)))];
        if let Some(before) = &before {
            rows.push((Some(VERMILLION), format!("{raw_name}, ENCE {:.2}", ence(before))));
        }
        legend(area, UPPER_LEFT, &rows)
    })
}

/// RMSE and NLL of sub-ensembles of 1 to M members.
pub fn by_size(quantity: &Quantity, sizes: &[SubEnsembles]) -> Result<String, Error> {
    type Curve<'a> = (&'static str, &'a str, fn(&SubEnsembles) -> (f64, f64, f64));
    let rmse = quantity.of("RMSE");
    let panels: [Curve; 2] = [
        ("Error", &rmse, |s| (s.rmse, s.rmse_range.0, s.rmse_range.1)),
        ("Negative log-likelihood", "NLL of the mixture", |s| {
            (s.nll, s.nll_range.0, s.nll_range.1)
        }),
    ];
    draw_svg((2 * SIZE.0, SIZE.1), |area| {
        let (left, right) = area.split_horizontally(SIZE.0);
        for (area, (title, y, value)) in [left, right].iter().zip(panels) {
            let values: Vec<_> = sizes.iter().map(value).collect();
            let low = values.iter().map(|v| v.1).fold(f64::INFINITY, f64::min);
            let high = values.iter().map(|v| v.2).fold(f64::NEG_INFINITY, f64::max);
            let margin = (0.08 * (high - low)).max(1e-3);
            let mut chart = Axes {
                title,
                x: "members",
                y,
                xs: (0.5, sizes.len() as f64 + 0.5),
                ys: (low - margin, high + 3.0 * margin),
                x_tick: &|x| {
                    if (x - x.round()).abs() < 1e-9 {
                        format!("{x:.0}")
                    } else {
                        String::new()
                    }
                },
                y_tick: &tick(high - low),
            }
            .draw(area)?;
            let points = sizes.iter().zip(&values).map(|(size, v)| (size.members as f64, v.0));
            line(&mut chart, points, BLUE.mix(0.5).stroke_width(2))?;
            for (size, &(mean, low, high)) in sizes.iter().zip(&values) {
                point(&mut chart, (size.members as f64, mean), (low, high), BLUE)?;
            }
            let text = "mean and range over sub-ensembles".to_string();
            legend(area, (SIZE.0 as i32 - 350, 60), &[(Some(BLUE), text)])?;
        }
        Ok(())
    })
}
