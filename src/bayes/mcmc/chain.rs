//! The draws of all walkers after the burn-in.

use super::diagnostics::{Diagnostics, ParameterDiagnostics};
use super::error::Error;
use rayon::prelude::*;
use std::sync::OnceLock;

/// Draws of all walkers, in the order of the steps.
#[derive(Clone, Debug)]
pub struct Chain {
    /// (steps, walkers, parameters), the parameter fastest.
    values: Vec<f64>,
    walkers: usize,
    parameters: usize,
    nan: usize,
    /// Computed when they are first asked for.
    diagnostics: OnceLock<Diagnostics>,
}

impl Chain {
    /// A chain from values (steps, walkers, parameters), the parameter fastest; `nan` evaluations gave NaN.
    pub(super) fn new(values: Vec<f64>, walkers: usize, parameters: usize, nan: usize) -> Chain {
        Chain {
            values,
            walkers,
            parameters,
            nan,
            diagnostics: OnceLock::new(),
        }
    }

    /// All draws, one row of parameters each: those of the first step by walker, then those of the second, and so on.
    pub fn draws(&self) -> impl ExactSizeIterator<Item = &[f64]> + Clone {
        self.values.chunks_exact(self.parameters)
    }

    /// The draws of every `every`-th step, from the first one on, as [`draws`](Self::draws).
    pub fn thinned(&self, every: usize) -> impl Iterator<Item = &[f64]> + Clone {
        let steps = self.values.chunks_exact(self.parameters * self.walkers);
        steps
            .step_by(every.max(1))
            .flat_map(|step| step.chunks_exact(self.parameters))
    }

    /// The same chain of other parameters, which `of` computes from those of a draw. Their diagnostics are computed anew.
    pub fn map(&self, of: impl Fn(&[f64]) -> Vec<f64>) -> Chain {
        let values: Vec<f64> = self.draws().flat_map(of).collect();
        let parameters = values.len() / self.draws().len();
        Chain::new(values, self.walkers, parameters, self.nan)
    }

    /// Parameters per draw.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// Autocorrelation time, R-hat, effective sample sizes, acceptance.
    pub fn diagnostics(&self) -> &Diagnostics {
        self.diagnostics.get_or_init(|| self.diagnose())
    }

    fn diagnose(&self) -> Diagnostics {
        let (walkers, parameters) = (self.walkers, self.parameters);
        let steps = self.values.len() / (walkers * parameters);
        let row = |step: usize, walker: usize| {
            let begin = (step * walkers + walker) * parameters;
            &self.values[begin..begin + parameters]
        };
        let moves: Vec<usize> = (0..walkers)
            .map(|walker| {
                let moved = |&step: &usize| row(step, walker) != row(step - 1, walker);
                (1..steps).filter(moved).count()
            })
            .collect();
        let of_parameter = |parameter: usize| {
            let walker = |walker| (0..steps).map(|step| row(step, walker)[parameter]).collect();
            ParameterDiagnostics::new(&(0..walkers).map(walker).collect::<Vec<_>>())
        };
        Diagnostics {
            walkers,
            steps,
            acceptance: moves.iter().sum::<usize>() as f64 / (walkers * (steps - 1)) as f64,
            stuck: (0..walkers).filter(|&walker| moves[walker] == 0).collect(),
            nan: self.nan,
            parameters: (0..parameters).into_par_iter().map(of_parameter).collect(),
        }
    }

    /// Refuses a chain that has not converged. Walkers that all start in one of several modes and never leave it cannot be
    /// told from converged ones; start them over the whole prior.
    ///
    /// # Errors
    /// [`Error::NotConverged`], with all reasons.
    pub fn check(&self) -> Result<(), Error> {
        match self.diagnostics().reasons() {
            reasons if reasons.is_empty() => Ok(()),
            reasons => Err(Error::NotConverged { reasons }),
        }
    }

    /// Mean, standard deviation and quantiles of every parameter, of a chain that has converged.
    ///
    /// # Errors
    /// Those of [`check`](Self::check).
    pub fn summary(&self) -> Result<Vec<Summary>, Error> {
        self.check()?;
        let of = |parameter: usize| {
            let values = self.draws().map(|draw| draw[parameter]).collect();
            Summary::new(values, self.diagnostics().parameters[parameter].ess_bulk)
        };
        Ok((0..self.parameters).into_par_iter().map(of).collect())
    }
}

/// The marginal distribution of one parameter.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Summary {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub sigma: f64,
    /// Monte Carlo standard error of the mean.
    pub standard_error: f64,
    /// The 2.5, 16, 50, 84 and 97.5 % quantiles.
    pub quantiles: [f64; 5],
}

impl Summary {
    /// Of draws that are worth `ess` independent ones; there must be at least two.
    pub fn new(mut values: Vec<f64>, ess: f64) -> Summary {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let sigma = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
        values.sort_by(f64::total_cmp);
        Summary {
            mean,
            sigma,
            standard_error: sigma / ess.sqrt(),
            quantiles: super::LEVELS.map(|level| quantile(&values, level)),
        }
    }
}

/// The quantile of sorted values, by linear interpolation between neighbours.
fn quantile(sorted: &[f64], level: f64) -> f64 {
    let place = level * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}
