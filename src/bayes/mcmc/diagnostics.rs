//! Whether a chain has converged: autocorrelation time, rank-normalised split R-hat and effective sample sizes
//! (Vehtari et al. 2021, Bayesian Analysis 16, 667; [arXiv:1903.08008](https://arxiv.org/abs/1903.08008)).

use super::autocorrelation::{integrated_time, summed_autocovariances};
use super::error::Reason;
use crate::numeric::median;
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal};

/// Steps per autocorrelation time below which a chain is refused; shorter chains underestimate that time.
pub const MIN_STEPS_PER_TAU: f64 = 50.0;
/// R-hat above which a chain is refused. Every walker counts as a chain, so that R-hat is about 1 + tau / steps even if
/// all walkers sample the same distribution: 1.02 at [`MIN_STEPS_PER_TAU`].
pub const MAX_R_HAT: f64 = 1.05;
/// Effective draws, of the bulk or the tails, below which a chain is refused (Vehtari et al. 2021).
pub const MIN_DRAWS: f64 = 400.0;

/// Figures of a chain after its burn-in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diagnostics {
    /// Walkers.
    pub walkers: usize,
    /// Steps of each walker.
    pub steps: usize,
    /// Fraction of proposals that were accepted.
    pub acceptance: f64,
    /// Walkers that never moved.
    pub stuck: Vec<usize>,
    /// Evaluations of the log-probability that gave NaN, burn-in included. Their proposals were rejected.
    pub nan: usize,
    /// One entry per parameter.
    pub parameters: Vec<ParameterDiagnostics>,
}

/// Figures of one parameter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ParameterDiagnostics {
    /// Integrated autocorrelation time, steps.
    pub tau: f64,
    /// Rank-normalised split R-hat: the larger of that of the values and that of their distance from the median.
    pub r_hat: f64,
    /// Effective sample size of the bulk: the standard error of the mean is about the standard deviation divided by its
    /// square root.
    pub ess_bulk: f64,
    /// Effective sample size of the tails: the smaller of those of the 5 % and the 95 % quantile.
    pub ess_tail: f64,
}

impl ParameterDiagnostics {
    /// Figures of one parameter, from its values by walker and step.
    pub(super) fn new(walkers: &[Vec<f64>]) -> ParameterDiagnostics {
        let halves = halves(walkers);
        let bulk = rank_normalised(&halves);
        let middle = median(&mut halves.concat()).unwrap_or(f64::NAN);
        let folded: Vec<Vec<f64>> = map(&halves, |x| (x - middle).abs());
        let mut sorted = halves.concat();
        sorted.sort_by(f64::total_cmp);
        let below = |fraction: f64| {
            let limit = sorted[((sorted.len() - 1) as f64 * fraction).round() as usize];
            effective_size(&map(&halves, |x| f64::from(u8::from(x <= limit))))
        };
        ParameterDiagnostics {
            tau: integrated_time(walkers),
            r_hat: f64::max(r_hat(&bulk), r_hat(&rank_normalised(&folded))),
            ess_bulk: effective_size(&bulk),
            ess_tail: below(0.05).min(below(0.95)),
        }
    }
}

impl Diagnostics {
    /// What shows that the chain has not converged; empty if nothing does.
    pub fn reasons(&self) -> Vec<Reason> {
        let mut reasons: Vec<Reason> = self.stuck.iter().map(|&walker| Reason::Stuck { walker }).collect();
        // Comparisons are such that NaN is refused.
        let worst = |of: &dyn Fn(&ParameterDiagnostics) -> f64| {
            let values = self.parameters.iter().map(of).enumerate();
            values.max_by(|(_, a), (_, b)| a.abs().total_cmp(&b.abs()))
        };
        if let Some((parameter, tau)) = worst(&|p| p.tau) {
            let enough = self.steps as f64 >= MIN_STEPS_PER_TAU * tau;
            if !enough {
                reasons.push(Reason::Short {
                    parameter,
                    tau,
                    steps: self.steps,
                });
            }
        }
        if let Some((parameter, r_hat)) = worst(&|p| p.r_hat) {
            let mixed = r_hat <= MAX_R_HAT;
            if !mixed {
                reasons.push(Reason::Unmixed { parameter, r_hat });
            }
        }
        if let Some((parameter, inverse)) = worst(&|p| 1.0 / p.ess_bulk.min(p.ess_tail)) {
            let ess = 1.0 / inverse;
            let enough = ess >= MIN_DRAWS;
            if !enough {
                reasons.push(Reason::Few { parameter, ess });
            }
        }
        reasons
    }

    /// The longest autocorrelation time of the parameters, steps.
    pub fn longest_tau(&self) -> f64 {
        self.parameters.iter().map(|p| p.tau).fold(1.0, f64::max)
    }
}

fn map(chains: &[Vec<f64>], of: impl Fn(f64) -> f64) -> Vec<Vec<f64>> {
    chains
        .iter()
        .map(|chain| chain.iter().map(|&x| of(x)).collect())
        .collect()
}

/// Every chain cut in two; of an odd number of steps, the one in the middle is left out.
fn halves(chains: &[Vec<f64>]) -> Vec<Vec<f64>> {
    chains
        .iter()
        .flat_map(|chain| {
            let half = chain.len() / 2;
            [chain[..half].to_vec(), chain[chain.len() - half..].to_vec()]
        })
        .collect()
}

/// The normal quantiles of the ranks over all chains; equal values share their mean rank (equation 14).
fn rank_normalised(chains: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let values = chains.concat();
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let normal = Normal::standard();
    let mut scores = vec![0.0; values.len()];
    let mut begin = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = begin as f64 + (equal.len() + 1) as f64 / 2.0;
        let score = normal.inverse_cdf((rank - 0.375) / (values.len() as f64 + 0.25));
        equal.iter().for_each(|&i| scores[i] = score);
        begin += equal.len();
    }
    let length = chains.first().map_or(1, Vec::len).max(1);
    scores.chunks(length).map(<[f64]>::to_vec).collect()
}

/// Mean and variance (divided by n - 1).
fn moments(values: impl ExactSizeIterator<Item = f64> + Clone) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.clone().sum::<f64>() / n;
    (mean, values.map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0))
}

/// sqrt(var+ / W) of chains that are already split (equations 1 to 4).
fn r_hat(chains: &[Vec<f64>]) -> f64 {
    let n = chains.first().map_or(0, Vec::len) as f64;
    let of_chains: Vec<(f64, f64)> = chains.iter().map(|chain| moments(chain.iter().copied())).collect();
    let within = moments(of_chains.iter().map(|m| m.1)).0;
    let between = moments(of_chains.iter().map(|m| m.0)).1;
    ((n - 1.0) / n + between / within).sqrt()
}

/// Effective sample size of chains that are already split (equations 10 to 13): Geyer's initial monotone sequence of the
/// autocorrelations that the chains have in common.
fn effective_size(chains: &[Vec<f64>]) -> f64 {
    let n = chains.first().map_or(0, Vec::len);
    if n < 4 {
        return f64::NAN;
    }
    let count = chains.len() as f64;
    let covariance = summed_autocovariances(chains.iter().map(Vec::as_slice));
    let within = covariance[0] / count * n as f64 / (n as f64 - 1.0);
    let means = chains.iter().map(|chain| chain.iter().sum::<f64>() / n as f64);
    let between = moments(means.collect::<Vec<_>>().into_iter()).1;
    let total = within * (n as f64 - 1.0) / n as f64 + between;
    let rho = |lag: usize| match lag {
        0 => 1.0,
        _ => 1.0 - (within - covariance[lag] / count) / total,
    };
    // Sums of pairs are positive and decrease for a reversible chain; where they do not, noise has taken over. Of the last
    // pair, the first entry counts once, as in Stan.
    let (mut sum, mut smallest, mut lag) = (0.0, f64::INFINITY, 0);
    let remainder = loop {
        let (even, odd) = (rho(lag), rho(lag + 1));
        if (even + odd).is_nan() {
            return f64::NAN;
        }
        if even + odd <= 0.0 || lag + 4 >= n {
            break even.max(0.0);
        }
        smallest = smallest.min(even + odd);
        sum += smallest;
        lag += 2;
    };
    let draws = count * n as f64;
    let tau = (-1.0 + 2.0 * sum + remainder).max(1.0 / draws.log10());
    draws / tau
}
