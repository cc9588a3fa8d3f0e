//! The result of a fit, as `fit.json` has it.

use super::options::{Basis, CoefficientPrior, NoiseModel};
use super::table::Name;
use crate::bayes::mcmc::{ParameterDiagnostics, Summary};
use serde::Serialize;
use std::path::PathBuf;

/// The levels of the quantiles of every distribution.
pub use crate::bayes::mcmc::LEVELS;

/// What was fitted, and the result.
#[derive(Clone, Debug, Serialize)]
pub struct FitReport {
    /// The table.
    pub table: PathBuf,
    /// The column that is predicted.
    pub label: Name,
    /// The columns that it is predicted from.
    pub features: Vec<Name>,
    /// Functions of the features.
    pub basis: Basis,
    /// Prior of the coefficients.
    pub prior: CoefficientPrior,
    /// Noise of the label.
    pub noise_model: NoiseModel,
    /// Rows that were fitted.
    pub rows: usize,
    /// Rows that were held out.
    pub held_out_rows: usize,
    /// Degrees of freedom of the coefficients' distributions; `None` if they are normal.
    pub dof: Option<f64>,
    /// Coefficients in the units of the table.
    pub coefficients: Vec<Parameter>,
    /// Standard deviation of the noise in the label's unit; `None` if it was known.
    pub noise: Option<Parameter>,
    /// ln p(labels), for labels in their unit; `None` if the prior is improper.
    pub log_evidence: Option<f64>,
    /// The MCMC run.
    pub mcmc: McmcReport,
    /// Scores of the linear model on the rows that were held out; `None` without any.
    pub held_out: Option<Scores>,
    /// The deep ensemble on the same rows; `None` without members.
    pub ensemble: Option<EnsembleReport>,
}

/// One parameter.
#[derive(Clone, Debug, Serialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its exact marginal distribution.
    pub exact: Marginal,
    /// The same from the draws.
    pub mcmc: Summary,
    /// Mean of the draws minus exact mean, in Monte Carlo standard errors; `None` if the exact mean does not exist.
    pub difference: Option<f64>,
    /// Convergence.
    pub diagnostics: ParameterDiagnostics,
}

/// A marginal distribution.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Marginal {
    /// Mean; infinite if there is none.
    pub mean: f64,
    /// Standard deviation; infinite if there is none.
    pub sigma: f64,
    /// Quantiles at [`LEVELS`].
    pub quantiles: [f64; 5],
}

/// The MCMC run.
#[derive(Clone, Debug, Serialize)]
pub struct McmcReport {
    /// Walkers.
    pub walkers: usize,
    /// Steps of each that were kept.
    pub steps: usize,
    /// Fraction of proposals that were accepted.
    pub acceptance: f64,
    /// Draws that were written: every so many steps of all walkers.
    pub every: usize,
}

/// How predictions compare with the labels of held-out rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// Root mean square error of the means.
    pub rmse: f64,
    /// Mean of -ln p(label).
    pub nll: f64,
    /// Fraction of the labels within the 68 % interval.
    pub coverage_68: f64,
    /// Fraction of the labels within the 95 % interval.
    pub coverage_95: f64,
}

/// The deep ensemble.
#[derive(Clone, Debug, Serialize)]
pub struct EnsembleReport {
    /// Members.
    pub members: usize,
    /// Scores on the rows that were held out; `None` without any.
    pub held_out: Option<Scores>,
}

/// The predicted distribution of one row's label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowPrediction {
    /// Mean.
    pub mean: f64,
    /// Standard deviation; infinite if there is none.
    pub sigma: f64,
    /// Quantiles at [`LEVELS`].
    pub quantiles: [f64; 5],
    /// -ln p(label).
    pub nll: f64,
}

impl Scores {
    /// Scores of predictions, each with the label; `None` without any.
    pub fn new<'a>(predictions: impl Iterator<Item = (f64, &'a RowPrediction)> + Clone) -> Option<Scores> {
        let n = predictions.clone().count() as f64;
        let mean =
            |of: &dyn Fn(f64, &RowPrediction) -> f64| predictions.clone().map(|(y, p)| of(y, p)).sum::<f64>() / n;
        let within = |low: usize, high: usize| {
            mean(&|y, p| f64::from(u8::from((p.quantiles[low]..=p.quantiles[high]).contains(&y))))
        };
        (n > 0.0).then(|| Scores {
            rmse: mean(&|y, p| (y - p.mean).powi(2)).sqrt(),
            nll: mean(&|_, p| p.nll),
            coverage_68: within(1, 3),
            coverage_95: within(0, 4),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_count_labels_within_the_intervals() {
        let p = RowPrediction {
            mean: 0.0,
            sigma: 1.0,
            quantiles: [-2.0, -1.0, 0.0, 1.0, 2.0],
            nll: 1.5,
        };
        let labels = [0.0, 1.5, -0.5, 3.0];
        let scores = Scores::new(labels.iter().map(|&y| (y, &p))).unwrap();
        assert_eq!((scores.coverage_68, scores.coverage_95, scores.nll), (0.5, 0.75, 1.5));
        assert!((scores.rmse - (11.5f64 / 4.0).sqrt()).abs() < 1e-12);
        assert_eq!(Scores::new([].into_iter()), None);
    }
}
