//! What is reported about a population.

use super::cells::Cells;
use super::prior::TrainingPrior;
use super::shape::{MAX_SIGMA, Moments, Population, Shape};
use crate::bayes::mcmc::{Chain, Diagnostics, Summary};
use crate::numeric::counted;
use crate::survey::PosteriorSource;
use serde::Serialize;
use std::fmt;

/// The inferred population.
pub struct PopulationReport {
    /// Its shape.
    pub shape: Shape,
    /// What the posteriors were divided by.
    pub prior: TrainingPrior,
    /// What the posteriors were taken from.
    pub source: PosteriorSource,
    /// Rows of the catalogue.
    pub rows: usize,
    /// How many of them were not used, and why.
    pub left_out: LeftOut,
    /// theta_e of the objects that were used, arcsec.
    pub theta_e: Vec<f64>,
    /// Mean, scatter and median of the population, in the order of [`Moments::NAMES`].
    pub quantities: Vec<Quantity>,
    /// The parameters of the shape, in the order of [`Shape::names`].
    pub parameters: Vec<(String, Summary)>,
    /// The largest log-likelihood among the draws, up to a constant that does not depend on the shape.
    pub log_likelihood: f64,
    /// The draws.
    pub chain: Chain,
}

/// The marginal distribution of one parameter of a chain.
fn summary(chain: &Chain, parameter: usize) -> Summary {
    let values = chain.draws().map(|draw| draw[parameter]).collect();
    Summary::new(values, chain.diagnostics().parameters[parameter].ess_bulk)
}

/// A number that describes the population.
#[derive(Clone, Debug, Serialize)]
pub struct Quantity {
    /// One of [`Moments::NAMES`].
    pub name: &'static str,
    /// `arcsec`, or empty.
    pub unit: &'static str,
    /// Its posterior.
    pub posterior: Summary,
    /// The same number of the values of theta_e in the catalogue; `None` if it does not exist.
    pub naive: Option<f64>,
}

/// Rows that were not used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Not selected by the condition.
    pub not_selected: usize,
    /// With a flag that is not accepted.
    pub flagged: usize,
    /// Without a prediction.
    pub without_prediction: usize,
    /// With more than half of their posterior where the prior has no support.
    pub outside_prior: usize,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let reasons = [
            (self.not_selected, "not selected"),
            (self.flagged, "flagged"),
            (self.without_prediction, "without a prediction"),
            (self.outside_prior, "outside the training prior"),
        ];
        f.write_str(&counted(&reasons, "none left out"))
    }
}

impl PopulationReport {
    /// The report of a chain that has converged. `theta_e` are the values of the objects that were used, `rows` the rows of
    /// the catalogue and those that were left out.
    pub(super) fn new(
        shape: Shape,
        prior: TrainingPrior,
        source: PosteriorSource,
        chain: Chain,
        theta_e: &[f64],
        (rows, left_out): (usize, LeftOut),
        cells: &Cells,
    ) -> PopulationReport {
        let moments = chain.map(|draw| shape.population(draw).moments().values().to_vec());
        let naive = Moments::of_values(theta_e).values();
        let units = ["arcsec", "arcsec", "arcsec", "", ""];
        let quantity = |i: usize| Quantity {
            name: Moments::NAMES[i],
            unit: units[i],
            posterior: summary(&moments, i),
            naive: Some(naive[i]).filter(|value| value.is_finite()),
        };
        let of_parameter = |(i, name): (usize, String)| (name, summary(&chain, i));
        let every = chain.diagnostics().longest_tau() as usize;
        let log_likelihood = |draw: &[f64]| cells.log_likelihood(&shape.population(draw));
        PopulationReport {
            shape,
            prior,
            source,
            rows,
            left_out,
            theta_e: theta_e.to_vec(),
            quantities: (0..Moments::NAMES.len()).map(quantity).collect(),
            parameters: shape.names().into_iter().enumerate().map(of_parameter).collect(),
            log_likelihood: chain
                .thinned(every)
                .map(log_likelihood)
                .fold(f64::NEG_INFINITY, f64::max),
            chain,
        }
    }

    /// The Bayesian information criterion (Schwarz 1978) up to a constant: of two shapes for the same rows, the one with the
    /// lower value is preferred.
    pub fn bic(&self) -> f64 {
        self.shape.parameters() as f64 * (self.theta_e.len() as f64).ln() - 2.0 * self.log_likelihood
    }

    /// Autocorrelation times, R-hat and effective sample sizes.
    pub fn diagnostics(&self) -> &Diagnostics {
        self.chain.diagnostics()
    }

    /// Populations of about `count` draws, evenly spread over the chain.
    pub fn populations(&self, count: usize) -> Vec<Population> {
        let draws = self.chain.draws();
        let every = (draws.len() / count.max(1)).max(1);
        draws.step_by(every).map(|draw| self.shape.population(draw)).collect()
    }

    /// What may make the result wrong.
    pub fn warnings(&self) -> Vec<String> {
        let at_limit = |(name, summary): &(String, Summary)| {
            let limit = name.starts_with("sigma") && summary.quantiles[4] > 0.95 * MAX_SIGMA;
            limit.then(|| {
                format!(
                    "the posterior of {name} reaches its limit of {MAX_SIGMA}: the catalogue does not determine the scatter"
                )
            })
        };
        self.parameters.iter().filter_map(at_limit).collect()
    }
}
