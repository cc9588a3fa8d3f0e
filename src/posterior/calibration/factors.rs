//! Two factors, for the aleatoric and the epistemic part: the default.
//!
//! The members' sigmas are multiplied by one, their distances from their mean by the other. What comes out is again a
//! mixture of the same likelihood with the same mean, so that sigmas, quantiles, NLL and CRPS all follow from it. Where
//! that is log-normal, it is sigmas and distances of ln theta_e that are multiplied.
//!
//! They minimise n (D + C / 10) + P over n rows:
//!
//! - D, coverage: central intervals at the levels p of 1 to 99 % and 99.7 % shall hold the share p of the truths. Each
//!   level is weighed by its binomial variance, mean_p (coverage(p) - p)^2 / (p (1 - p)), as the Anderson-Darling
//!   statistic does. It rules where the mixture has not the shape of the errors.
//! - C, the mean CRPS of the scaled mixtures, each over the sigma it had before, so that all objects count alike. A proper
//!   score (Gneiting & Raftery 2007, JASA 102, 359): it tells the two factors apart, for it knows which objects have a
//!   large share of which part, where a curve of coverage does not.
//! - P = (ln(epistemic / aleatoric) / 0.5)^2 keeps the two together where a few rows, or one member, say nothing else.
//!
//! Why not maximum likelihood: an ensemble of this kind is too wide for most objects and far too narrow for a few. An
//! error of 60 sigma counts 1,800 nats there, as much as all the others, and leaves intervals as wide as they were. In
//! coverage it is one object that is not held, in the CRPS its error.

use super::simplex::minimise;
use crate::posterior::metrics::curves::central_levels;
use crate::posterior::mixture::Mixture;
use anyhow::{Result, ensure};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Rows that are needed. The error of a factor is near 1 / sqrt(2 n): 16 % here, 10 % from 50 rows.
pub const LEAST: usize = 20;
/// Weight of the CRPS beside coverage.
const SCORE: f64 = 0.1;
/// Width of the penalty in ln(epistemic / aleatoric).
const ALIKE: f64 = 0.5;
/// A factor lies between 1 / this and this.
const LARGEST: f64 = 20.0;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Factors {
    /// Multiplies sigma_aleatoric; log-normal: that of ln theta_e.
    pub aleatoric: f64,
    /// Multiplies sigma_epistemic; log-normal: that of ln theta_e.
    pub epistemic: f64,
}

impl Factors {
    pub fn fit(rows: &[(Mixture, f64)]) -> Result<Factors> {
        let n = rows.len();
        ensure!(
            n >= LEAST,
            "{n} rows are too few to fit two factors: at least {LEAST} are needed, and 500 or more are better"
        );
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

    pub fn is_valid(&self) -> bool {
        [self.aleatoric, self.epistemic]
            .iter()
            .all(|f| f.is_finite() && *f > 0.0)
    }
}

/// mean over p of (share of levels at most p - p)^2 / (p (1 - p)). `levels` ascend.
fn distance(levels: &[f64]) -> f64 {
    let nominal = (1..100).map(|percent| f64::from(percent) / 100.0).chain([0.997]);
    let term = |p: f64| {
        let share = levels.partition_point(|&level| level <= p) as f64 / levels.len() as f64;
        (share - p).powi(2) / (p * (1.0 - p))
    };
    nominal.map(term).sum::<f64>() / 100.0
}
