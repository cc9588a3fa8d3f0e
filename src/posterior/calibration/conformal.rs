//! Split conformal intervals with normalised scores (Papadopoulos et al. 2002, ECML; Lei et al. 2018, JASA 113, 1094).
//!
//! The score of a row is s = |y - mean| / sigma. The central interval at level p is mean ± h(p) sigma, where h(p) is the
//! ceil((n + 1) p)-th smallest of the n scores. If a new object and the calibration rows are exchangeable, the interval
//! contains the true value with probability at least p and at most p + 1 / (n + 1), whatever the network and the
//! distribution of its errors. The guarantee holds for each level on average over objects, not for each object.
//!
//! Intervals are symmetric about the mean. q50 stays the mixture's median, clamped to q16..q84; sigmas, NLL and CRPS stay
//! those of the mixture.

use super::interpolate;
use crate::posterior::Error;
use crate::posterior::calibration::Method;
use crate::posterior::mixture::Mixture;
use serde::{Deserialize, Serialize};

/// Rows needed for q02_5 and q97_5: ceil(0.95 (n + 1)) <= n.
pub const LEAST: usize = 19;

/// h(p), tabulated from p = 0.01 on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conformal {
    /// (level, half width / sigma), from (0, 0) on. The highest levels are left out if there are too few rows for a finite
    /// interval.
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
        let half_widths = levels().into_iter().map_while(half_width);
        Ok(Conformal {
            half_widths: std::iter::once([0.0, 0.0]).chain(half_widths).collect(),
        })
    }

    /// Whether the table is finite and in ascending order.
    pub(super) fn is_valid(&self) -> bool {
        let ascending = |pair: &[[f64; 2]]| pair[0][0] < pair[1][0] && pair[0][1] <= pair[1][1];
        self.half_widths.len() > 1
            && self.half_widths.iter().flatten().all(|v| v.is_finite())
            && self.half_widths.windows(2).all(ascending)
    }

    /// An end of the central interval at level |2 p - 1|; infinite beyond the last level.
    pub(super) fn quantile(&self, mixture: &Mixture, p: f64) -> f64 {
        let half = |level: f64| match self.half_widths.last() {
            Some(&[last, _]) if level > last + 1e-9 => f64::INFINITY,
            _ => interpolate(&self.half_widths, level) * mixture.sigma(),
        };
        if p == 0.5 {
            let (mean, half) = (mixture.mean(), half(0.68));
            return mixture.quantile(0.5).clamp(mean - half, mean + half);
        }
        mixture.mean() + half((2.0 * p - 1.0).abs()).copysign(p - 0.5)
    }

    /// 1/2 ± half the level of the smallest central interval that contains `truth`.
    pub(super) fn pit(&self, mixture: &Mixture, truth: f64) -> f64 {
        let error = truth - mixture.mean();
        let score = error.abs() / mixture.sigma();
        let level = match self.half_widths.last() {
            // Contained in the interval of the next level, which is infinite.
            Some(&[last, half]) if score > half => last.next_up(),
            _ => {
                let swapped: Vec<[f64; 2]> = self.half_widths.iter().map(|&[level, half]| [half, level]).collect();
                interpolate(&swapped, score)
            }
        };
        0.5 + (0.5 * level).copysign(error)
    }
}
