//! Recalibrated quantiles from the distribution of the PIT (Kuleshov, Fenner & Ermon 2018, "Accurate uncertainties for
//! deep learning using calibrated regression", ICML).
//!
//! The level F(y) of each true value y in its predicted distribution is compared with the fraction R of calibration rows
//! whose level is no larger. R is the isotonic regression of the observed fractions on the predicted levels; as these
//! increase together, it is the distribution function of the levels. The calibrated level of y is R(F(y)), and the
//! calibrated quantile at p is that of the mixture at R^-1(p). Coverage then is nominal at every level, on average over a
//! population like that of the calibration set. The density R'(F) f has a step at every knot, and so many knots that its
//! NLL is worse than that of a smooth map.
//!
//! R is stored as straight lines in the `signed_log_tail` of both levels, in which 1 - 1e-40 differs from 1: true values
//! far outside the predicted intervals are what calibration is for. Beyond the first and the last row the offset is
//! constant.

use super::interpolate;
use crate::posterior::Error;
use crate::posterior::calibration::Method;
use crate::posterior::mixture::Mixture;
use serde::{Deserialize, Serialize};
use std::f64::consts::{LN_2, PI};

/// Rows needed: with fewer, no row would constrain the ends of 95 % intervals.
pub const LEAST: usize = 40;
/// Maximum number of knots. They are densest near levels 0 and 1, where intervals end.
const KNOTS: usize = 200;

/// R as a piecewise linear map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Isotonic {
    /// (predicted, observed) level, both as [`Mixture::signed_log_tail`] and in ascending order.
    pub knots: Vec<[f64; 2]>,
}

/// ln(2 u) for u below 1/2 and -ln(2 (1 - u)) above: 0 at u = 1/2, infinite at 0 and 1.
fn signed_log_tail(level: f64) -> f64 {
    if level < 0.5 {
        (2.0 * level).ln()
    } else {
        -(2.0 * (1.0 - level)).ln()
    }
}

/// The level of a [`signed_log_tail`].
fn level(tail: f64) -> f64 {
    let half = 0.5 * (-tail.abs()).exp();
    if tail < 0.0 { half } else { 1.0 - half }
}

impl Isotonic {
    /// Fits R to uncalibrated predictions and their true values.
    ///
    /// # Errors
    /// Fewer than [`LEAST`] rows.
    pub fn fit(rows: &[(Mixture, f64)]) -> Result<Isotonic, Error> {
        let n = rows.len();
        Method::Isotonic.check_rows(n, LEAST)?;
        let mut predicted: Vec<f64> = rows
            .iter()
            .map(|(mixture, truth)| mixture.signed_log_tail(*truth))
            .collect();
        predicted.sort_by(f64::total_cmp);
        // Ranks at Chebyshev nodes; the expected level of rank r of n uniform levels is r / (n + 1).
        let rank = |k: usize| {
            let fraction = 0.5 * (1.0 - (PI * k as f64 / KNOTS as f64).cos());
            ((fraction * (n + 1) as f64).round() as usize).clamp(1, n)
        };
        let mut ranks: Vec<usize> = (1..KNOTS).map(rank).collect();
        ranks.dedup();
        let mut knots: Vec<[f64; 2]> = Vec::new();
        for rank in ranks {
            let knot = [predicted[rank - 1], signed_log_tail(rank as f64 / (n + 1) as f64)];
            // Of equal predicted levels the last one counts, as in a distribution function.
            if knots.last().is_some_and(|last| last[0] >= knot[0]) {
                knots.pop();
            }
            knots.push(knot);
        }
        Ok(Isotonic { knots })
    }

    /// Whether the knots are finite and in ascending order.
    pub(super) fn is_valid(&self) -> bool {
        let ascending = |pair: &[[f64; 2]]| pair[0][0] < pair[1][0] && pair[0][1] < pair[1][1];
        !self.knots.is_empty()
            && self.knots.iter().flatten().all(|v| v.is_finite())
            && self.knots.windows(2).all(ascending)
    }

    /// R(F(truth)).
    pub(super) fn pit(&self, mixture: &Mixture, truth: f64) -> f64 {
        level(extrapolate(&self.knots, mixture.signed_log_tail(truth)))
    }

    /// F^-1(R^-1(p)).
    pub(super) fn quantile(&self, mixture: &Mixture, p: f64) -> f64 {
        mixture.at_signed_log_tail(self.predicted(signed_log_tail(p)))
    }

    /// The level of F, as a logit, at a level of R(F), as a logit.
    pub(super) fn inverse(&self, logit: f64) -> f64 {
        // logit(u) and the signed log tail v of the same level: exp(|logit|) = 2 exp(|v|) - 1.
        let tail = logit.abs() + (-logit.abs()).exp().ln_1p() - LN_2;
        let tail = self.predicted(tail.copysign(logit));
        (tail.abs() + (2.0 - (-tail.abs()).exp()).ln()).copysign(tail)
    }

    /// ln R'(F(x)), constant between two knots in the signed log tails of both levels.
    pub(super) fn log_density_ratio(&self, mixture: &Mixture, x: f64) -> f64 {
        let predicted = mixture.signed_log_tail(x);
        let observed = extrapolate(&self.knots, predicted);
        let after = self.knots.partition_point(|knot| knot[0] < predicted);
        let slope = match (after.checked_sub(1).map(|i| self.knots[i]), self.knots.get(after)) {
            (Some([x0, y0]), Some(&[x1, y1])) => (y1 - y0) / (x1 - x0),
            _ => 1.0,
        };
        slope.ln() + predicted.abs() - observed.abs()
    }

    fn predicted(&self, observed: f64) -> f64 {
        let swapped: Vec<[f64; 2]> = self.knots.iter().map(|&[x, y]| [y, x]).collect();
        extrapolate(&swapped, observed)
    }
}

/// Straight lines between the knots, with slope 1 beyond them.
fn extrapolate(knots: &[[f64; 2]], x: f64) -> f64 {
    let end = x.clamp(knots[0][0], knots[knots.len() - 1][0]);
    interpolate(knots, end) + (x - end)
}
