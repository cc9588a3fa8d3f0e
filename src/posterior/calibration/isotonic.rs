//! Quantiles by the distribution of the PIT (Kuleshov, Fenner & Ermon 2018, "Accurate uncertainties for deep learning
//! using calibrated regression", ICML).
//!
//! The answer's own level F(y) of each truth is compared with the share R of calibration rows whose level is no larger.
//! R is the isotonic regression of the observed shares on the stated levels; these ascend together, so it is the
//! distribution function of the levels itself. The calibrated level of y is R(F(y)), and its quantile at p is that of the
//! mixture at R^-1(p). Coverage becomes right at every level on average over objects alike those it was fitted on; mean,
//! sigmas, NLL and CRPS stay those of the mixture.
//!
//! R is kept as straight lines in the [`tail`] of both levels, where 1 - 1e-40 differs from 1: truths far outside the
//! stated intervals are what calibration is for. Beyond the first and the last row the tail keeps its distance.

use super::interpolate;
use crate::posterior::mixture::Mixture;
use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// Rows that are needed: with fewer, 95 % intervals would rest on no row at all.
pub const LEAST: usize = 40;
/// Knots at most. They lie closest near levels 0 and 1, where intervals end.
const KNOTS: usize = 200;

/// R as a piecewise linear map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Isotonic {
    /// (stated, observed) level, both as [`tail`] and ascending.
    pub knots: Vec<[f64; 2]>,
}

/// ln(2 u) below the median and -ln(2 (1 - u)) above: 0 at u = 1/2, infinite at 0 and 1.
pub fn tail(level: f64) -> f64 {
    if level < 0.5 {
        (2.0 * level).ln()
    } else {
        -(2.0 * (1.0 - level)).ln()
    }
}

/// The level of a [`tail`].
pub fn level(tail: f64) -> f64 {
    let half = 0.5 * (-tail.abs()).exp();
    if tail < 0.0 { half } else { 1.0 - half }
}

impl Isotonic {
    pub fn fit(rows: &[(Mixture, f64)]) -> Result<Isotonic> {
        let n = rows.len();
        ensure!(
            n >= LEAST,
            "{n} rows are too few for isotonic calibration: at least {LEAST} are needed; use two factors"
        );
        let mut stated: Vec<f64> = rows
            .iter()
            .map(|(mixture, truth)| mixture.signed_log_tail(*truth))
            .collect();
        stated.sort_by(f64::total_cmp);
        // Ranks at the nodes of Chebyshev; the expected level of rank r of n uniform ones is r / (n + 1).
        let rank = |k: usize| {
            let share = 0.5 * (1.0 - (PI * k as f64 / KNOTS as f64).cos());
            ((share * (n + 1) as f64).round() as usize).clamp(1, n)
        };
        let mut ranks: Vec<usize> = (1..KNOTS).map(rank).collect();
        ranks.dedup();
        let mut knots: Vec<[f64; 2]> = Vec::new();
        for rank in ranks {
            let knot = [stated[rank - 1], tail(rank as f64 / (n + 1) as f64)];
            // Of equal stated levels the last, as a distribution function has it.
            if knots.last().is_some_and(|last| last[0] >= knot[0]) {
                knots.pop();
            }
            knots.push(knot);
        }
        Ok(Isotonic { knots })
    }

    pub fn is_valid(&self) -> bool {
        let ascending = |pair: &[[f64; 2]]| pair[0][0] < pair[1][0] && pair[0][1] < pair[1][1];
        !self.knots.is_empty()
            && self.knots.iter().flatten().all(|v| v.is_finite())
            && self.knots.windows(2).all(ascending)
    }

    /// R(F(truth)).
    pub fn pit(&self, mixture: &Mixture, truth: f64) -> f64 {
        level(through(&self.knots, mixture.signed_log_tail(truth)))
    }

    /// F^-1(R^-1(p)).
    pub fn quantile(&self, mixture: &Mixture, p: f64) -> f64 {
        let swapped: Vec<[f64; 2]> = self
            .knots
            .iter()
            .map(|&[stated, observed]| [observed, stated])
            .collect();
        mixture.at_signed_log_tail(through(&swapped, tail(p)))
    }
}

/// Straight lines between the knots, and of slope 1 beyond them.
fn through(knots: &[[f64; 2]], x: f64) -> f64 {
    let end = x.clamp(knots[0][0], knots[knots.len() - 1][0]);
    interpolate(knots, end) + (x - end)
}
