//! The posterior explored by MCMC, to compare with the exact one.

use super::error::Error;
use super::model::LinearModel;
use crate::bayes::linear::Posterior;
use crate::bayes::mcmc::{self, Chain, MIN_STEPS_PER_TAU, Options};
use crate::progress::Callback;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// Steps of the first attempt.
const FIRST_STEPS: usize = 2000;
/// Fewest walkers, and walkers per parameter.
const WALKERS: usize = 32;
const WALKERS_PER_PARAMETER: usize = 4;
/// Autocorrelation times, as estimated before, of the next attempt; a little more than a chain must have.
const TAUS: f64 = 1.3 * MIN_STEPS_PER_TAU;
/// How far from the posterior mean the walkers start, in its standard deviations.
const START_WIDTH: f64 = 2.0;

/// Draws of the coefficients in the units of the table and, unless the noise is known, sigma behind them. The number of steps is at
/// least doubled until the chain has converged, up to `largest_steps`.
///
/// # Errors
/// Those of [`mcmc::sample`], and a chain that has not converged by then.
pub fn explore(
    linear: &LinearModel,
    names: &[String],
    largest_steps: usize,
    seed: u64,
    progress: &Callback,
) -> Result<Chain, Error> {
    let failed = |source| match source {
        mcmc::Error::Stopped { .. } => Error::Stopped,
        source => Error::Mcmc {
            parameters: numbered(names),
            source,
        },
    };
    let posterior = linear.posterior();
    let starts = starts(posterior, seed);
    let mut steps = FIRST_STEPS.min(largest_steps);
    loop {
        let options = Options {
            steps,
            burn_in: steps / 2,
            seed,
        };
        let chain = mcmc::sample(&|p: &[f64]| posterior.log_density(p), &starts, &options, progress).map_err(failed)?;
        let chain = chain.map(|draw| linear.in_units(draw));
        match chain.check() {
            Ok(()) => return Ok(chain),
            Err(error) if steps >= largest_steps => return Err(failed(error)),
            // A chain that is too short underestimates its autocorrelation time.
            Err(_) => {
                steps = (2 * steps)
                    .max((TAUS * chain.diagnostics().longest_tau()) as usize)
                    .min(largest_steps)
            }
        }
    }
}

/// Starting points in all directions around the posterior mean, farther away than the posterior reaches.
fn starts(posterior: &Posterior, seed: u64) -> Vec<Vec<f64>> {
    let columns = posterior.mean().len();
    let mut unit = vec![0.0; columns];
    let mut centre: Vec<(f64, f64)> = Vec::with_capacity(columns + 1);
    for j in 0..columns {
        unit[j] = 1.0;
        let marginal = posterior.combination(&unit);
        unit[j] = 0.0;
        centre.push((marginal.location, marginal.scale));
    }
    if let Some(noise) = posterior.noise_sigma() {
        // The variance of ln sigma^2 is about 1 / shape.
        centre.push(((noise.rate / noise.shape).ln(), noise.shape.max(1.0).recip().sqrt()));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let walkers = WALKERS.max(WALKERS_PER_PARAMETER * centre.len());
    let mut start = |(mean, scale): &(f64, f64)| mean + START_WIDTH * scale * rng.sample::<f64, _>(StandardNormal);
    (0..walkers).map(|_| centre.iter().map(&mut start).collect()).collect()
}

/// `0 intercept, 1 x, 2 sigma`.
fn numbered(names: &[String]) -> String {
    let all = names.iter().map(String::as_str).chain(["sigma"]).enumerate();
    let texts: Vec<String> = all.map(|(i, name)| format!("{i} {name}")).collect();
    texts.join(", ")
}
