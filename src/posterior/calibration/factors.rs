//! Two factors, for the aleatoric and the epistemic part.
//!
//! One factor multiplies the members' sigmas, the other their distances from their mean. The result is again a mixture of
//! the same likelihood with the same mean, so that sigmas, quantiles, NLL and CRPS all follow from it. For a log-normal
//! likelihood, the sigmas and distances are those of ln theta_e.
//!
//! The factors minimise n (D + C / 10) + P over n rows:
//!
//! - D, coverage: the central intervals at the levels p of 1 to 99 % and 99.7 % should contain the fraction p of the true
//!   values. Each level is weighted by its binomial variance, mean_p (coverage(p) - p)^2 / (p (1 - p)), as in the
//!   Anderson-Darling statistic. It dominates if the shape of the mixture is not that of the errors.
//! - C, the mean CRPS of the scaled mixtures, each divided by the sigma before scaling, so that all objects have the same
//!   weight. As a proper score (Gneiting & Raftery 2007, JASA 102, 359) it separates the two factors: unlike a coverage
//!   curve, it depends on which objects have a large fraction of which part.
//! - P = (ln(epistemic / aleatoric) / 0.5)^2 keeps the two factors similar if few rows, or a single member, do not
//!   constrain their ratio.
//!
//! Maximum likelihood would not do: such an ensemble is too wide for most objects and far too narrow for a few. An error of
//! 60 sigma contributes 1,800 nats, as much as all other objects together, and the intervals would stay as wide as they
//! were. In the coverage it is one object outside its interval, in the CRPS it counts by its absolute error.

use super::simplex::minimise;
use crate::posterior::Error;
use crate::posterior::calibration::Method;
use crate::posterior::metrics::curves::central_levels;
use crate::posterior::mixture::Mixture;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Rows needed. The relative error of a factor is about 1 / sqrt(2 n): 16 % here, 10 % from 50 rows on.
pub const LEAST: usize = 20;
/// Weight of the CRPS relative to coverage.
const SCORE: f64 = 0.1;
/// Width of the penalty in ln(epistemic / aleatoric).
const ALIKE: f64 = 0.5;
/// Factors are limited to between 1 / this and this.
const LARGEST: f64 = 20.0;

/// The two factors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Factors {
    /// Multiplies sigma_aleatoric; log-normal: that of ln theta_e.
    pub aleatoric: f64,
    /// Multiplies sigma_epistemic; log-normal: that of ln theta_e.
    pub epistemic: f64,
}

impl fmt::Display for Factors {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Factors { aleatoric, epistemic } = self;
        write!(f, "sigma_aleatoric x {aleatoric:.4}, sigma_epistemic x {epistemic:.4}")
    }
}

impl Factors {
    /// Fits the factors to uncalibrated predictions and their true values.
    ///
    /// # Errors
    /// Fewer than [`LEAST`] rows.
    pub fn fit(rows: &[(Mixture, f64)]) -> Result<Factors, Error> {
        let n = rows.len();
        Method::Factors.check_rows(n, LEAST)?;
        let factors = |x: [f64; 2]| x.map(|ln| ln.clamp(-LARGEST.ln(), LARGEST.ln()).exp());
        let value = |x: [f64; 2]| {
            let [aleatoric, epistemic] = factors(x);
            let of_row = |(mixture, truth): &(Mixture, f64)| {
                let scaled = mixture.scaled(aleatoric, epistemic);
                (scaled.cdf(*truth), scaled.crps(*truth) / mixture.sigma())
            };
            let (pits, scores): (Vec<f64>, Vec<f64>) = rows.par_iter().map(of_row).unzip();
            let score = scores.iter().sum::<f64>() / n as f64;
            let distance = distance(&central_levels(pits.into_iter()));
            n as f64 * (distance + SCORE * score) + ((x[1] - x[0]) / ALIKE).powi(2)
        };
        let [aleatoric, epistemic] = factors(minimise(value, -0.5, 1e-9));
        Ok(Factors { aleatoric, epistemic })
    }

    /// The scaled mixture.
    pub(super) fn apply(&self, mixture: &Mixture) -> Mixture {
        mixture.scaled(self.aleatoric, self.epistemic)
    }

    /// Whether both factors are in the range of the fit, up to rounding.
    pub(super) fn is_valid(&self) -> bool {
        let largest = LARGEST * (1.0 + 1e-9);
        let range = 1.0 / largest..=largest;
        range.contains(&self.aleatoric) && range.contains(&self.epistemic)
    }
}

/// Mean over p of (fraction of levels at most p - p)^2 / (p (1 - p)). `levels` are in ascending order.
fn distance(levels: &[f64]) -> f64 {
    let nominal = (1..100).map(|percent| f64::from(percent) / 100.0).chain([0.997]);
    let term = |p: f64| {
        let fraction = levels.partition_point(|&level| level <= p) as f64 / levels.len() as f64;
        (fraction - p).powi(2) / (p * (1.0 - p))
    };
    nominal.map(term).sum::<f64>() / 100.0
}
