//! The posterior of the population's parameters, by the affine-invariant sampler.

use super::cells::Cells;
use super::shape::{MAX_SIGMA, Shape};
use super::{Error, PopulationOptions};
use crate::bayes::mcmc::{self, Chain};
use crate::progress::Callback;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Random starting points that are tried per walker.
const ATTEMPTS: usize = 1000;
/// The smallest and largest scatter of ln theta_e that starting points are based on.
const SCATTER: [f64; 2] = [0.05, 1.0];

/// Draws parameters from their posterior; refuses a chain that has not converged. `medians` are those of the objects.
pub(super) fn explore(
    cells: &Cells,
    options: &PopulationOptions,
    medians: &[f64],
    progress: &Callback,
) -> Result<Chain, Error> {
    let shape = options.shape;
    let range = cells.range();
    let log_posterior = |parameters: &[f64]| {
        let population = shape.population(parameters);
        match shape.allows(&population, range) {
            true => cells.log_likelihood(&population),
            false => f64::NEG_INFINITY,
        }
    };
    let logarithms: Vec<f64> = medians
        .iter()
        .map(|m| {
            if *m > 0.0 {
                m.ln().clamp(range[0], range[1])
            } else {
                range[0]
            }
        })
        .collect();
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let mut start = || {
        let mut tried = (0..ATTEMPTS).map(|_| random_start(shape, &logarithms, &mut rng));
        tried.find(|start| log_posterior(start).is_finite())
    };
    let starts: Option<Vec<Vec<f64>>> = (0..options.walkers).map(|_| start()).collect();
    let starts = starts.ok_or(Error::Impossible { shape })?;
    let sampler = mcmc::Options {
        steps: options.steps,
        burn_in: options.steps / 4,
        seed: options.seed,
    };
    let chain = mcmc::sample(&log_posterior, &starts, &sampler, progress)?;
    chain.check()?;
    Ok(chain)
}

/// A random starting point, spread more widely than the posterior will be.
fn random_start(shape: Shape, logarithms: &[f64], rng: &mut ChaCha8Rng) -> Vec<f64> {
    let n = logarithms.len() as f64;
    let mean = logarithms.iter().sum::<f64>() / n;
    let scatter = (logarithms.iter().map(|u| (u - mean).powi(2)).sum::<f64>() / n).sqrt();
    let scatter = scatter.clamp(SCATTER[0], SCATTER[1]);
    let k = shape.components();
    let mut mu: Vec<f64> = (0..k).map(|_| mean + scatter * rng.random_range(-1.5..1.5)).collect();
    mu.sort_by(f64::total_cmp);
    let sigma = (0..k)
        .map(|_| (scatter * rng.random_range(0.3..1.5)).min(MAX_SIGMA))
        .collect();
    let mut weights: Vec<f64> = (0..k).map(|_| rng.random_range(0.2..1.0)).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights.truncate(k - 1);
    [mu, sigma, weights].concat()
}
