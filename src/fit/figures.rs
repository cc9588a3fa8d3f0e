//! The figures of a fit, each an SVG.

use super::Curves;
use super::model::LinearModel;
use super::report::{FitReport, RowPrediction, Scores};
use crate::bayes::mcmc::Chain;
use crate::plot::Error;
use crate::plot::chart::{Axes, SIZE, band, legend, line};
use crate::plot::corner::{Corner, Exact, LEVELS, corner};
use crate::plot::svg::{Area, BLUE, PALETTE, VERMILLION, draw_svg, drawing, tick};
use plotters::prelude::*;
use std::f64::consts::TAU;

/// Parameters of a corner plot, at most: more are too small to read.
const MAX_PARAMETERS: usize = 8;
/// Draws of a corner plot, at most.
const MAX_DRAWS: usize = 200_000;
/// Points of a figure, at most; of more, an evenly spaced selection is drawn.
const MAX_POINTS: usize = 3000;
/// Points of a band, at most.
const MAX_BAND: usize = 1000;
/// Points of a curve.
const CURVE: i32 = 100;
/// Colour of the ensemble's band, and of rows that were fitted.
const GREEN: RGBColor = PALETTE[2];
const GREY: RGBColor = RGBColor(110, 110, 110);
/// Position of a legend in the upper left corner of a panel.
const UPPER_LEFT: (i32, i32) = (90, 56);

/// What the figures show.
pub struct Drawn<'a> {
    /// The result.
    pub report: &'a FitReport,
    /// The exact posterior.
    pub linear: &'a LinearModel,
    /// The draws, in the units of the table.
    pub chain: &'a Chain,
    /// Labels of all rows.
    pub labels: &'a [f64],
    /// Values of each feature in all rows.
    pub values: &'a [Vec<f64>],
    /// Rows that were held out, in ascending order.
    pub held_out: &'a [usize],
    /// Predictions for all rows.
    pub by_linear: &'a [RowPrediction],
    /// Predictions of the ensemble for all rows.
    pub by_ensemble: Option<&'a [RowPrediction]>,
}

/// The posterior: draws, and what is known exactly. Of many coefficients, those are shown whose mean is largest in units of
/// their standard deviation, without the intercept; and the noise.
///
/// # Errors
/// [`Error::Drawing`].
pub fn posterior(of: &Drawn) -> Result<String, Error> {
    let report = of.report;
    let all: Vec<&super::report::Parameter> = report.coefficients.iter().chain(&report.noise).collect();
    let shown = shown(of);
    let names: Vec<String> = shown.iter().map(|&j| all[j].name.clone()).collect();
    let every = of.chain.draws().len().div_ceil(MAX_DRAWS).max(1);
    let draws: Vec<Vec<f64>> = of
        .chain
        .draws()
        .step_by(every)
        .map(|draw| shown.iter().map(|&j| draw[j]).collect())
        .collect();
    let rows: Vec<&[f64]> = draws.iter().map(Vec::as_slice).collect();
    let title = match shown.len() < all.len() {
        true => format!("Posterior: {} of {} parameters", shown.len(), all.len()),
        false => "Posterior".into(),
    };
    let exact = exact(of, &shown);
    corner(&Corner {
        title: &title,
        names: &names,
        draws: &rows,
        true_values: None,
        exact: Some(&exact),
    })
}

/// The parameters of the corner plot, in ascending order.
fn shown(of: &Drawn) -> Vec<usize> {
    let coefficients = &of.report.coefficients;
    let noise = of.report.noise.iter().map(|_| coefficients.len());
    let all: Vec<usize> = (0..coefficients.len()).chain(noise.clone()).collect();
    if all.len() <= MAX_PARAMETERS {
        return all;
    }
    let mut slopes: Vec<usize> = (1..coefficients.len()).collect();
    let size = |&j: &usize| (coefficients[j].mcmc.mean / coefficients[j].mcmc.sigma).abs();
    slopes.sort_by(|a, b| size(b).total_cmp(&size(a)));
    slopes.truncate(MAX_PARAMETERS - noise.len());
    slopes.sort_unstable();
    slopes.into_iter().chain(noise).collect()
}

/// Densities of all parameters, and the ellipses of pairs of coefficients.
fn exact(of: &Drawn, shown: &[usize]) -> Exact {
    let marginals = of.linear.coefficients();
    let noise = of.linear.noise();
    let covariance = of.linear.covariance();
    let mut exact = Exact::default();
    for (i, &a) in shown.iter().enumerate() {
        let density: Box<dyn Fn(f64) -> f64> = match (marginals.get(a), noise) {
            (Some(&t), _) => Box::new(move |x| t.log_pdf(x).exp()),
            (None, Some(noise)) => Box::new(move |x| if x > 0.0 { noise.log_pdf(x).exp() } else { 0.0 }),
            (None, None) => Box::new(|_| 0.0),
        };
        let parameter = of.report.coefficients.get(a).or(of.report.noise.as_ref());
        let [low, .., high] = parameter.map_or([0.0; 5], |p| p.exact.quantiles);
        let at = |k: i32| low + (high - low) * (f64::from(k) / f64::from(CURVE) * 2.4 - 0.7);
        exact
            .densities
            .push((0..=CURVE).map(|k| (at(k), density(at(k)))).collect());
        let Some(covariance) = &covariance else { continue };
        for (j, &b) in shown
            .iter()
            .enumerate()
            .skip(i + 1)
            .filter(|(_, b)| **b < marginals.len())
        {
            let (ta, tb) = (&marginals[a], &marginals[b]);
            let correlation = covariance[(a, b)] / (covariance[(a, a)] * covariance[(b, b)]).sqrt();
            let ellipse = |level: f64| -> Vec<(f64, f64)> {
                // Of a bivariate Student's t: r^2 = nu ((1 - p)^(-2/nu) - 1).
                let radius = match ta.dof.is_finite() {
                    true => (ta.dof * ((1.0 - level).powf(-2.0 / ta.dof) - 1.0)).sqrt(),
                    false => (-2.0 * (1.0 - level).ln()).sqrt(),
                };
                let point = |k: i32| {
                    let (sin, cos) = (TAU * f64::from(k) / f64::from(CURVE)).sin_cos();
                    let y = correlation * cos + (1.0 - correlation * correlation).max(0.0).sqrt() * sin;
                    (
                        ta.location + radius * ta.scale * cos,
                        tb.location + radius * tb.scale * y,
                    )
                };
                (0..=CURVE).map(point).collect()
            };
            exact.contours.insert((i, j), LEVELS.map(ellipse).into());
        }
    }
    exact
}

/// Which model a panel shows.
#[derive(Clone, Copy)]
struct Panel<'a> {
    title: &'a str,
    colour: RGBColor,
    predictions: &'a [RowPrediction],
    curve: Option<&'a [RowPrediction]>,
    scores: Option<Scores>,
}

/// A panel of the linear model, and beside it one of the ensemble if there is one.
fn panels<'a>(of: &Drawn<'a>, curves: Option<&'a Curves>) -> Vec<Panel<'a>> {
    let linear = Panel {
        title: "Linear regression",
        colour: BLUE,
        predictions: of.by_linear,
        curve: curves.map(|curves| curves.linear.as_slice()),
        scores: of.report.held_out,
    };
    let ensemble = of.by_ensemble.map(|predictions| Panel {
        title: "Deep ensemble",
        colour: GREEN,
        predictions,
        curve: curves.and_then(|curves| curves.ensemble.as_deref()),
        scores: of.report.ensemble.as_ref().and_then(|ensemble| ensemble.held_out),
    });
    [Some(linear), ensemble].into_iter().flatten().collect()
}

fn side_by_side(panels: &[Panel], draw: impl Fn(&Area, &Panel) -> Result<(), Error>) -> Result<String, Error> {
    draw_svg((SIZE.0 * panels.len() as u32, SIZE.1), |area| {
        let areas = area.split_evenly((1, panels.len()));
        areas.iter().zip(panels).try_for_each(|(area, panel)| draw(area, panel))
    })
}

/// The data with the 68 and 95 % predictive bands, against the feature if there is one only, otherwise against the prediction.
///
/// # Errors
/// [`Error::Drawing`].
pub fn prediction(of: &Drawn, curves: Option<&Curves>) -> Result<String, Error> {
    let label = of.report.label.axis();
    let ys = with_legend(range(of.labels.iter().copied(), 0.1));
    let panels = panels(of, curves);
    side_by_side(&panels, |area, panel| {
        let along = |row: usize| match curves {
            Some(_) => of.values[0][row],
            None => panel.predictions[row].mean,
        };
        let (xs, bands) = match (curves, panel.curve) {
            (Some(curves), Some(curve)) => {
                let ends = (curves.x[0], curves.x[curves.x.len() - 1]);
                (ends, curves.x.iter().copied().zip(curve).collect())
            }
            _ => {
                let xs = range((0..of.labels.len()).map(along), 0.03);
                let mut rows: Vec<(f64, &RowPrediction)> = panel.predictions.iter().map(|p| (p.mean, p)).collect();
                rows.sort_by(|a, b| a.0.total_cmp(&b.0));
                (xs, rows)
            }
        };
        let x = match curves {
            Some(_) => of.report.features[0].axis(),
            None => format!("predicted {label}"),
        };
        let axes = Axes {
            title: panel.title,
            x: &x,
            y: &label,
            xs,
            ys,
            x_tick: &digits(xs),
            y_tick: &digits(ys),
        };
        let mut chart = axes.draw(area)?;
        draw_bands(&mut chart, &bands, ys, panel.colour, |p| p.mean, |p| p.quantiles)?;
        points(&mut chart, of, |row| (along(row), of.labels[row]))?;
        legend(area, UPPER_LEFT, &rows_of_legend(panel))
    })
}

/// Label minus predicted mean against the predicted mean, with the 68 and 95 % intervals of the prediction.
///
/// # Errors
/// [`Error::Drawing`].
pub fn residuals(of: &Drawn) -> Result<String, Error> {
    let label = of.report.label.axis();
    let panels = panels(of, None);
    let residual = |predictions: &[RowPrediction], row: usize| of.labels[row] - predictions[row].mean;
    let all = panels
        .iter()
        .flat_map(|panel| (0..of.labels.len()).map(|row| residual(panel.predictions, row)));
    let ys = with_legend(range(all, 0.1));
    side_by_side(&panels, |area, panel| {
        let xs = range(panel.predictions.iter().map(|p| p.mean), 0.03);
        let (x, y) = (format!("predicted {label}"), format!("{label} − predicted"));
        let axes = Axes {
            title: panel.title,
            x: &x,
            y: &y,
            xs,
            ys,
            x_tick: &digits(xs),
            y_tick: &digits(ys),
        };
        let mut chart = axes.draw(area)?;
        let mut rows: Vec<(f64, &RowPrediction)> = panel.predictions.iter().map(|p| (p.mean, p)).collect();
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        let minus_mean = |p: &RowPrediction| p.quantiles.map(|q| q - p.mean);
        draw_bands(&mut chart, &rows, ys, panel.colour, |_| 0.0, minus_mean)?;
        points(&mut chart, of, |row| {
            (panel.predictions[row].mean, residual(panel.predictions, row))
        })?;
        legend(area, UPPER_LEFT, &rows_of_legend(panel))
    })
}

type Chart<'a, 'b> = crate::plot::chart::Chart<'a, 'b>;

/// The 95 % band, the 68 % band and the mean, within the range of the axis.
fn draw_bands(
    chart: &mut Chart,
    rows: &[(f64, &RowPrediction)],
    ys: (f64, f64),
    colour: RGBColor,
    mean: impl Fn(&RowPrediction) -> f64,
    quantiles: impl Fn(&RowPrediction) -> [f64; 5],
) -> Result<(), Error> {
    let every = rows.len().div_ceil(MAX_BAND).max(1);
    let rows: Vec<(f64, &RowPrediction)> = rows.iter().step_by(every).copied().collect();
    for (low, high) in [(0, 4), (1, 3)] {
        let limits = |&(x, p): &(f64, &RowPrediction)| {
            let q = quantiles(p).map(|q| q.clamp(ys.0, ys.1));
            (x, q[low], q[high])
        };
        band(
            chart,
            &rows.iter().map(limits).collect::<Vec<_>>(),
            colour.mix(0.2).filled(),
        )?;
    }
    let inside = rows
        .iter()
        .map(|&(x, p)| (x, mean(p)))
        .filter(|(_, y)| (ys.0..=ys.1).contains(y));
    line(chart, inside, colour.stroke_width(2))
}

/// The rows as points: those that were fitted first, so that those held out are seen.
fn points(chart: &mut Chart, of: &Drawn, at: impl Fn(usize) -> (f64, f64)) -> Result<(), Error> {
    let every = of.labels.len().div_ceil(MAX_POINTS).max(1);
    let is_held_out = |row: &usize| of.held_out.binary_search(row).is_ok();
    let (held_out, fitted): (Vec<usize>, Vec<usize>) = (0..of.labels.len()).step_by(every).partition(is_held_out);
    let size = if of.labels.len() > 300 { 2 } else { 3 };
    for (rows, colour) in [(fitted, GREY), (held_out, VERMILLION)] {
        let circles = rows
            .into_iter()
            .map(|row| Circle::new(at(row), size, colour.mix(0.7).filled()));
        chart.draw_series(circles).map_err(drawing)?;
    }
    Ok(())
}

fn rows_of_legend(panel: &Panel) -> Vec<(Option<RGBColor>, String)> {
    let mut rows = vec![
        (Some(panel.colour), "68 and 95 % bands".into()),
        (Some(GREY), "rows that were fitted".into()),
    ];
    if let Some(scores) = panel.scores {
        let percent = |fraction: f64| format!("{:.0}", 100.0 * fraction);
        let within = format!(
            "held out: {} and {} % within",
            percent(scores.coverage_68),
            percent(scores.coverage_95)
        );
        rows.push((Some(VERMILLION), within));
    }
    rows
}

/// Smallest and largest value, and a margin on either side in units of their distance.
fn range(values: impl Iterator<Item = f64>, margin: f64) -> (f64, f64) {
    let finite = values.filter(|v| v.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    match low < high {
        true => (low - margin * (high - low), high + margin * (high - low)),
        false => (low - 1.0, low + 1.0),
    }
}

/// The range with room for a legend above.
fn with_legend((low, high): (f64, f64)) -> (f64, f64) {
    (low, high + 0.3 * (high - low))
}

/// Tick labels of an axis of any unit.
fn digits((low, high): (f64, f64)) -> impl Fn(&f64) -> String {
    let span = high - low;
    let few = tick(span);
    move |value| match span {
        span if span > 20.0 => format!("{value:.0}"),
        span if span < 0.02 => format!("{value:.2e}"),
        _ => few(value),
    }
}
