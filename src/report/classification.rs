//! The plots of the lens head, each an SVG.

use super::figures::{fractions, legend_below};
use crate::plot::Error;
use crate::plot::chart::{SIZE, line, point};
use crate::plot::svg::{BLUE, INK, draw_svg};
use crate::posterior::metrics::classification::{ClassMetrics, ScoredClass, reliability_bins, roc_curve};
use plotters::prelude::*;

/// Fraction of lenses against fraction of other objects with a p_lens above each threshold.
pub fn roc(objects: &[ScoredClass], metrics: &ClassMetrics) -> Result<String, Error> {
    draw_svg(SIZE, |area| {
        let texts = [
            "ROC curve",
            "other objects above the threshold [%]",
            "lenses above the threshold [%]",
        ];
        let mut chart = fractions(texts).draw(area)?;
        line(&mut chart, [(0.0, 0.0), (1.0, 1.0)], INK.stroke_width(1))?;
        let curve = roc_curve(objects).into_iter().map(|[x, y]| (x, y));
        line(&mut chart, curve, BLUE.stroke_width(3))?;
        let [low, high] = metrics.roc_auc_interval;
        let rows = [
            (Some(BLUE), format!("area {:.3}", metrics.roc_auc)),
            (None, format!("95 %: {low:.3} to {high:.3}")),
            (Some(INK), "chance".into()),
        ];
        legend_below(area, &rows)
    })
}

/// Fraction of lenses against mean p_lens, in bins.
pub fn reliability(objects: &[ScoredClass]) -> Result<String, Error> {
    draw_svg(SIZE, |area| {
        let texts = ["Reliability of p_lens", "mean p_lens per bin [%]", "lenses per bin [%]"];
        let mut chart = fractions(texts).draw(area)?;
        line(&mut chart, [(0.0, 0.0), (1.0, 1.0)], INK.stroke_width(1))?;
        for bin in reliability_bins(objects) {
            // Binomial standard error of the fraction, of one more lens and one more other object (Agresti & Coull
            // 1998).
            let n = bin.n as f64;
            let p = (n * bin.observed + 1.0) / (n + 2.0);
            let error = (p * (1.0 - p) / (n + 2.0)).sqrt();
            let ends = ((bin.observed - error).max(0.0), (bin.observed + error).min(1.0));
            point(&mut chart, (bin.predicted, bin.observed), ends, BLUE)?;
        }
        let rows = [
            (Some(BLUE), "bins with standard errors".to_string()),
            (Some(INK), "perfect calibration".into()),
        ];
        legend_below(area, &rows)
    })
}
