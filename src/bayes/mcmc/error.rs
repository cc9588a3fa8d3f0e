//! Why a distribution cannot be sampled, or the draws cannot be used.

use super::diagnostics::{MAX_R_HAT, MIN_DRAWS, MIN_STEPS_PER_TAU};
use std::fmt;

/// A target or starting points that cannot be used, or a chain that must not be reported. Walkers and parameters are
/// counted from 0.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There are no parameters.
    #[error("there are no parameters to sample")]
    NoParameters,
    /// Starting points of different length.
    #[error("walker {walker} starts with {found} parameters, walker 0 with {expected}")]
    Lengths {
        /// The walker.
        walker: usize,
        /// Its parameters.
        found: usize,
        /// Those of walker 0.
        expected: usize,
    },
    /// Too few walkers, or an odd number: they move in two halves, each along directions that the other half spans.
    #[error("{walkers} walkers for {parameters} parameters; an even number of at least {least} is needed")]
    Walkers {
        /// As given.
        walkers: usize,
        /// Parameters of the target.
        parameters: usize,
        /// Smallest number of walkers.
        least: usize,
    },
    /// No steps are to be kept.
    #[error("{steps} steps after the burn-in are too few; at least {least} are needed")]
    Steps {
        /// As given.
        steps: usize,
        /// Smallest number.
        least: usize,
    },
    /// A starting point that is not finite.
    #[error("parameter {parameter} of walker {walker} starts at {value}")]
    StartNotFinite {
        /// The walker.
        walker: usize,
        /// The parameter.
        parameter: usize,
        /// Its value.
        value: f64,
    },
    /// The walkers start in a subspace, which they can never leave.
    #[error(
        "the walkers of one half start in a subspace that they cannot leave; start them at independent random points"
    )]
    StartsDependent,
    /// The log-probability is NaN wherever it was evaluated.
    #[error("the log-probability is NaN at every starting point")]
    NanEverywhere,
    /// The log-probability of a starting point is NaN.
    #[error("the log-probability of walker {walker} is NaN at its starting point {at:?}")]
    StartNan {
        /// The walker.
        walker: usize,
        /// Its parameters.
        at: Vec<f64>,
    },
    /// The probability of a starting point is 0.
    #[error("walker {walker} starts outside the support, at {at:?}; start where the probability is not 0")]
    StartOutside {
        /// The walker.
        walker: usize,
        /// Its parameters.
        at: Vec<f64>,
    },
    /// A walker at infinite probability would never leave it.
    #[error("the log-probability is infinite at {at:?}")]
    Infinite {
        /// The parameters.
        at: Vec<f64>,
    },
    /// The caller stopped the computation.
    #[error("stopped after {steps} steps")]
    Stopped {
        /// Steps taken, burn-in included.
        steps: usize,
    },
    /// The draws are not draws from the target, or too few to describe it.
    #[error("the chain has not converged: {}", join(reasons))]
    NotConverged {
        /// What shows it; at least one.
        reasons: Vec<Reason>,
    },
}

/// What shows that a chain has not converged. Parameters are counted from 0.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// A walker was never moved.
    Stuck {
        /// The walker.
        walker: usize,
    },
    /// The chain is too short for its autocorrelation time, and for an estimate of that time.
    Short {
        /// The parameter with the longest autocorrelation time.
        parameter: usize,
        /// That time, steps; NaN if the parameter does not vary.
        tau: f64,
        /// Steps kept.
        steps: usize,
    },
    /// The walkers, or the halves of the chain, disagree: they have not mixed, as in a target with several modes.
    Unmixed {
        /// The parameter with the largest R-hat.
        parameter: usize,
        /// Its R-hat.
        r_hat: f64,
    },
    /// Too few independent draws.
    Few {
        /// The parameter with the fewest.
        parameter: usize,
        /// Its effective sample size, of the bulk or the tails.
        ess: f64,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Reason::Stuck { walker } => write!(f, "walker {walker} never moved"),
            Reason::Short { parameter, tau, steps } => write!(
                f,
                "{steps} steps are fewer than {MIN_STEPS_PER_TAU} autocorrelation times of parameter {parameter} \
                 ({tau:.0} steps)"
            ),
            Reason::Unmixed { parameter, r_hat } => write!(
                f,
                "the walkers have not mixed: R-hat of parameter {parameter} is {r_hat:.3}, above {MAX_R_HAT}"
            ),
            Reason::Few { parameter, ess } => write!(
                f,
                "parameter {parameter} has {ess:.0} effective draws, fewer than {MIN_DRAWS}"
            ),
        }
    }
}

fn join(reasons: &[Reason]) -> String {
    let texts: Vec<String> = reasons.iter().map(Reason::to_string).collect();
    texts.join("; ")
}
