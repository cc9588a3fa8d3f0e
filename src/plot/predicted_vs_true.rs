//! Predicted against true Einstein radius, with error bars and residuals.

use super::Error;
use super::svg::{BLUE, GRID, INK, LABEL, SMALL, TITLE, VERMILLION, draw_svg, drawing, text_style, tick};
use crate::posterior::Quantity;
use crate::posterior::metrics::{Metrics, ScoredPrediction};
use plotters::prelude::*;

/// Maximum number of objects drawn. Of more, an evenly spaced selection is drawn, to keep the file small enough for browsers.
const MAX_DRAWN: usize = 3000;

/// An SVG of predictions (mixture mean, error bars from q16 to q84) against true values in arcsec, with the line of
/// equality and some of the `metrics`; below it the residuals, predicted minus true.
///
/// # Errors
/// [`Error::NoData`] if no object has a finite prediction and true value, and [`Error::Drawing`].
pub fn predicted_vs_true(
    title: &str,
    quantity: &Quantity,
    objects: &[ScoredPrediction],
    metrics: &Metrics,
) -> Result<String, Error> {
    let every = objects.len().div_ceil(MAX_DRAWN).max(1);
    let finite = |o: &&ScoredPrediction| o.truth.is_finite() && o.prediction.quantiles.iter().all(|q| q.is_finite());
    let drawn: Vec<&ScoredPrediction> = objects.iter().step_by(every).filter(finite).collect();
    if drawn.is_empty() {
        return Err(Error::NoData);
    }

    let least = if quantity.is_angle() { 0.05 } else { 1e-9 };
    let radius = range(
        least,
        drawn
            .iter()
            .flat_map(|o| [o.truth, o.prediction.quantiles[1], o.prediction.quantiles[3]]),
    );
    let half = 1.08 * drawn.iter().map(|o| o.error().abs()).fold(least, f64::max);
    let (size, opacity) = if drawn.len() > 300 { (2, 0.3) } else { (3, 0.8) };

    draw_svg((720, 930), |area| {
        let (upper, lower) = area.split_vertically(690);
        let mut chart = ChartBuilder::on(&upper)
            .caption(title, text_style(TITLE, &INK))
            .margin_top(14)
            .margin_right(24)
            .x_label_area_size(12)
            .margin_left(8)
            .y_label_area_size(66)
            .build_cartesian_2d(radius.0..radius.1, radius.0..radius.1)
            .map_err(drawing)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(INK)
            .x_labels(7)
            .y_labels(7)
            .x_label_formatter(&|_| String::new())
            .y_label_formatter(&tick(radius.1 - radius.0))
            .y_desc(quantity.axis("predicted"))
            .label_style(text_style(SMALL, &INK))
            .axis_desc_style(text_style(LABEL, &INK))
            .draw()
            .map_err(drawing)?;
        let bars = drawn.iter().map(|o| {
            let [_, q16, _, q84, _] = o.prediction.quantiles;
            PathElement::new(
                vec![(o.truth, q16), (o.truth, q84)],
                BLUE.mix(0.5 * opacity).stroke_width(1),
            )
        });
        chart.draw_series(bars).map_err(drawing)?;
        let points = drawn
            .iter()
            .map(|o| Circle::new((o.truth, o.prediction.theta_e), size, BLUE.mix(opacity).filled()));
        chart.draw_series(points).map_err(drawing)?;
        let equal = [(radius.0, radius.0), (radius.1, radius.1)];
        chart
            .draw_series(LineSeries::new(equal, VERMILLION.stroke_width(2)))
            .map_err(drawing)?;
        let plate = Rectangle::new([(82, 52), (392, 146)], WHITE.mix(0.8).filled());
        upper.draw(&plate).map_err(drawing)?;
        for (i, line) in text(quantity, metrics, drawn.len()).iter().enumerate() {
            upper
                .draw_text(line, &text_style(SMALL, &INK), (90, 58 + 22 * i as i32))
                .map_err(drawing)?;
        }

        let mut residuals = ChartBuilder::on(&lower)
            .margin_top(6)
            .margin_bottom(10)
            .margin_right(24)
            .x_label_area_size(48)
            .margin_left(8)
            .y_label_area_size(66)
            .build_cartesian_2d(radius.0..radius.1, -half..half)
            .map_err(drawing)?;
        residuals
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(INK)
            .x_labels(7)
            .y_labels(5)
            .x_label_formatter(&tick(radius.1 - radius.0))
            .y_label_formatter(&tick(2.0 * half))
            .x_desc(quantity.axis("true"))
            .y_desc(quantity.of("predicted − true"))
            .label_style(text_style(SMALL, &INK))
            .axis_desc_style(text_style(LABEL, &INK))
            .draw()
            .map_err(drawing)?;
        let points = drawn
            .iter()
            .map(|o| Circle::new((o.truth, o.error()), size, BLUE.mix(opacity).filled()));
        residuals.draw_series(points).map_err(drawing)?;
        let zero = [(radius.0, 0.0), (radius.1, 0.0)];
        residuals
            .draw_series(LineSeries::new(zero, VERMILLION.stroke_width(2)))
            .map_err(drawing)?;
        Ok(())
    })
}

fn text(quantity: &Quantity, m: &Metrics, drawn: usize) -> Vec<String> {
    let objects = if drawn < m.n {
        format!("{} objects, {drawn} drawn", m.n)
    } else {
        format!("{} objects", m.n)
    };
    let number = |value: f64| quantity.with_unit(&format!("{value:.3}"));
    vec![
        objects,
        format!(
            "RMSE {}, NMAD {}, bias {}",
            number(m.rmse),
            number(m.nmad),
            quantity.with_unit(&format!("{:+.3}", m.bias))
        ),
        format!("true value within 68.3 % interval: {:.1} %", 100.0 * m.coverage_683),
        format!("true value within 95.4 % interval: {:.1} %", 100.0 * m.coverage_954),
    ]
}

/// Smallest and largest value with a margin of 4 %, at least `least`.
fn range(least: f64, values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    let margin = (0.04 * (high - low)).max(least);
    (low - margin, high + margin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posterior::MemberPredictions;
    use crate::posterior::calibration::PredictiveDistribution;

    fn objects(n: usize) -> Vec<ScoredPrediction> {
        let object = |i: usize| {
            let truth = 0.5 + 2.0 * i as f64 / n as f64;
            ScoredPrediction::new(
                truth,
                &PredictiveDistribution::new(&MemberPredictions::gaussian(&[truth + 0.1, truth], &[0.01, 0.02]), None)
                    .unwrap(),
            )
        };
        (0..n).map(object).collect()
    }

    #[test]
    fn draws_every_object_twice_and_its_error_bar() {
        let objects = objects(40);
        let svg = predicted_vs_true(
            "held out",
            &Quantity::einstein_radius(),
            &objects,
            &Metrics::new(&objects).unwrap(),
        )
        .unwrap();
        assert_eq!(svg.matches("<circle").count(), 80);
        for text in ["held out", "true Einstein radius [arcsec]", "40 objects", "bias +0.050"] {
            assert!(svg.contains(text), "no {text}");
        }
    }

    #[test]
    fn a_large_sample_is_thinned_and_says_so() {
        let objects = objects(7000);
        let svg = predicted_vs_true(
            "many",
            &Quantity::einstein_radius(),
            &objects,
            &Metrics::new(&objects).unwrap(),
        )
        .unwrap();
        assert!(svg.contains("7000 objects, 2334 drawn"));
    }

    #[test]
    fn one_object_and_nothing() {
        let objects = objects(1);
        let metrics = Metrics::new(&objects).unwrap();
        predicted_vs_true("", &Quantity::einstein_radius(), &objects, &metrics).unwrap();
        assert!(predicted_vs_true("", &Quantity::einstein_radius(), &[], &metrics).is_err());
    }
}
