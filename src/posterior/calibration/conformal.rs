//! Split conformal intervals with normalised scores (Papadopoulos et al. 2002, ECML; Lei et al. 2018, JASA 113, 1094).
//!
//! The score of a row is s = |y - mean| / sigma. The central interval at level p is mean ± h(p) sigma, where h(p) is the
//! ceil((n + 1) p)-th smallest of the n scores. If a new object and the calibration rows are exchangeable, the interval
//! contains the true value with probability at least p and at most p + 1 / (n + 1), whatever the network and the
//! distribution of its errors. The guarantee holds for each level on average over objects, not for each object.
//!
//! The calibrated distribution is symmetric about the mean, with the central intervals as above: straight lines between the
//! tabulated levels, and an exponential tail beyond the last, where the guarantee ends. Where several levels have the same
//! half width, a fit keeps the first, so that the intervals of the others are a little wider and a density exists.

use super::interpolate;
use crate::posterior::Error;
use crate::posterior::calibration::Method;
use crate::posterior::mixture::Mixture;
use serde::{Deserialize, Serialize};

/// Rows needed for q02_5 and q97_5: ceil(0.95 (n + 1)) <= n.
pub const LEAST: usize = 19;

/// A half width in a file that is larger than this, in units of sigma, is an error of the file.
const WIDEST: f64 = 1e12;

/// h(p), tabulated from p = 0.01 on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conformal {
    /// (level, half width / sigma), from (0, 0) on. The highest levels are left out if there are too few rows for them.
    pub half_widths: Vec<[f64; 2]>,
}

/// Every percent, and the levels of the coverage metrics.
fn levels() -> Vec<f64> {
    let mut levels: Vec<f64> = (1..100).map(|percent| f64::from(percent) / 100.0).collect();
    levels.extend([0.683, 0.954, 0.997]);
    levels.sort_by(f64::total_cmp);
    levels
}

impl Conformal {
    /// Tabulates h from uncalibrated predictions and their true values.
    ///
    /// # Errors
    /// Fewer than [`LEAST`] rows.
    pub fn fit(rows: &[(Mixture, f64)]) -> Result<Conformal, Error> {
        let n = rows.len();
        Method::Conformal.check_rows(n, LEAST)?;
        let score = |(mixture, truth): &(Mixture, f64)| (truth - mixture.mean()).abs() / mixture.sigma();
        let mut scores: Vec<f64> = rows.iter().map(score).collect();
        scores.sort_by(f64::total_cmp);
        let half_width = |level: f64| {
            // 0.95 x 20 must be 19, not the next floating-point number above it.
            let rank = ((n + 1) as f64 * level - 1e-9).ceil().max(1.0) as usize;
            scores.get(rank - 1).map(|&score| [level, score])
        };
        let levels = levels().into_iter().map_while(half_width);
        let mut half_widths: Vec<[f64; 2]> = std::iter::once([0.0, 0.0]).chain(levels).collect();
        half_widths.dedup_by(|next, kept| next[1] <= kept[1]);
        Ok(Conformal { half_widths })
    }

    /// Whether the table is finite and in ascending order.
    pub(super) fn is_valid(&self) -> bool {
        let ascending = |pair: &[[f64; 2]]| pair[0][0] < pair[1][0] && pair[0][1] <= pair[1][1];
        self.half_widths.len() > 1
            && self.last()[0] < 1.0
            && self.last()[1] > 0.0
            && self.half_widths.iter().flatten().all(|v| v.abs() <= WIDEST)
            && self.half_widths.windows(2).all(ascending)
    }

    /// An end of the central interval at level |2 p - 1|.
    pub(super) fn quantile(&self, mixture: &Mixture, p: f64) -> f64 {
        let half = self.half_width((2.0 * p - 1.0).abs(), 2.0 * p.min(1.0 - p));
        mixture.mean() + (half * mixture.sigma()).copysign(p - 0.5)
    }

    /// 1/2 ± half the level of the smallest central interval that contains `truth`.
    pub(super) fn pit(&self, mixture: &Mixture, truth: f64) -> f64 {
        let error = truth - mixture.mean();
        let score = error.abs() / mixture.sigma();
        let [last, widest] = self.last();
        let level = if score > widest {
            1.0 - (1.0 - last) * ((widest - score) * self.decay()).exp()
        } else {
            let swapped: Vec<[f64; 2]> = self.half_widths.iter().map(|&[level, half]| [half, level]).collect();
            interpolate(&swapped, score)
        };
        0.5 + (0.5 * level).copysign(error)
    }

    /// ln of the density at x.
    pub(super) fn log_pdf(&self, mixture: &Mixture, x: f64) -> f64 {
        let score = (x - mixture.mean()).abs() / mixture.sigma();
        let [last, widest] = self.last();
        let log_slope = if score > widest {
            ((1.0 - last) * self.decay()).ln() + (widest - score) * self.decay()
        } else {
            let after = self.half_widths.partition_point(|knot| knot[1] < score).max(1);
            let ([p0, half0], [p1, half1]) = (self.half_widths[after - 1], self.half_widths[after]);
            ((p1 - p0) / (half1 - half0)).ln()
        };
        log_slope - (2.0 * mixture.sigma()).ln()
    }

    /// Values that reach from one end of the distribution to the other, up to levels 1e-7 from 0 and 1.
    pub(super) fn places(&self, mixture: &Mixture) -> Vec<f64> {
        let [_, widest] = self.last();
        let beyond = (1..=32).map(|k| widest + 0.5 * f64::from(k) / self.decay());
        let halves: Vec<f64> = self.half_widths.iter().map(|knot| knot[1]).chain(beyond).collect();
        let (mean, sigma) = (mixture.mean(), mixture.sigma());
        halves
            .iter()
            .flat_map(|half| [mean - half * sigma, mean + half * sigma])
            .collect()
    }

    /// The standard deviation of the distribution: the root of the mean squared half width, over all levels.
    pub(super) fn sigma(&self, mixture: &Mixture) -> f64 {
        let uniform = |pair: &[[f64; 2]]| {
            let ([p0, a], [p1, b]) = (pair[0], pair[1]);
            (p1 - p0) * (a * a + a * b + b * b) / 3.0
        };
        let ([last, widest], length) = (self.last(), 1.0 / self.decay());
        let tail = (1.0 - last) * (widest * widest + 2.0 * widest * length + 2.0 * length * length);
        mixture.sigma() * (self.half_widths.windows(2).map(uniform).sum::<f64>() + tail).sqrt()
    }

    /// h at a level, where `beyond` = 1 - level.
    fn half_width(&self, level: f64, beyond: f64) -> f64 {
        let [last, widest] = self.last();
        if level <= last {
            interpolate(&self.half_widths, level)
        } else {
            widest + ((1.0 - last) / beyond).ln() / self.decay()
        }
    }

    fn last(&self) -> [f64; 2] {
        self.half_widths[self.half_widths.len() - 1]
    }

    /// The rate of the exponential tail: that at which the table falls from 1 to 1 - level, on average.
    fn decay(&self) -> f64 {
        let [last, widest] = self.last();
        -(1.0 - last).ln() / widest
    }
}
