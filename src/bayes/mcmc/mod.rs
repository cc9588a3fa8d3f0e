//! Draws from a distribution of which only the log-probability is known: an affine-invariant ensemble of walkers
//! (Goodman & Weare 2010, CAMCoS 5, 65), and a judgement of whether the draws can be used.
//!
//! The stretch moves are those of the crate `hammer-and-sample`, with a = 2 as in emcee. Each walker has a random
//! number stream of its own, so the draws depend on the seed but not on the number of threads.

mod autocorrelation;
mod chain;
mod diagnostics;
mod error;

pub use chain::{Chain, Summary};
pub use diagnostics::{Diagnostics, MAX_R_HAT, MIN_DRAWS, MIN_STEPS_PER_TAU, ParameterDiagnostics};
pub use error::{Error, Reason};

use crate::progress::{Callback, Event, Phase, warn};
use hammer_and_sample::{Execution, Model, Parallel, Schedule, Serial, Stretch};
use nalgebra::DMatrix;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::ops::ControlFlow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The levels of the quantiles in a [`Summary`].
pub const LEVELS: [f64; 5] = [0.025, 0.16, 0.5, 0.84, 0.975];

/// Fewest steps to keep: both halves of a chain need a variance.
const MIN_STEPS: usize = 8;
/// Time between two reports of progress.
const REPORT_EVERY: Duration = Duration::from_millis(50);
/// Time for all walkers below which threads would cost more than they gain.
const WORTH_THREADS: Duration = Duration::from_micros(100);
/// Condition number of the starting points above which they count as dependent; emcee's limit.
const MAX_CONDITION: f64 = 1e8;

/// How long the walkers walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Steps of each walker that are kept.
    pub steps: usize,
    /// Steps before them that are not kept.
    pub burn_in: usize,
    /// Random seed.
    pub seed: u64,
}

/// Draws from the distribution with this log-probability, up to a constant; minus infinity is outside of its support. One
/// walker starts at each of `starts`. Where the log-probability is NaN, the proposal is rejected, and a warning says so.
///
/// The result may not have converged: see [`Chain::check`].
///
/// # Errors
/// Starting points that are too few (at least two walkers per parameter, and an even number), not finite, dependent, or
/// of no finite log-probability; a log-probability of infinity; [`Error::Stopped`] by the callback.
pub fn sample<F>(log_prob: &F, starts: &[Vec<f64>], options: &Options, progress: &Callback) -> Result<Chain, Error>
where
    F: Fn(&[f64]) -> f64 + Sync,
{
    check_shape(starts, options)?;
    let per_ensemble = check_starts(log_prob, starts)?;
    let (walkers, parameters) = (starts.len(), starts[0].len());

    let target = Target {
        log_prob,
        nan: AtomicUsize::new(0),
        infinite: OnceLock::new(),
    };
    let mut stopped_at = None;
    let schedule = Steps {
        total: options.burn_in + options.steps,
        walkers,
        target: &target,
        progress,
        reported: Instant::now(),
        stopped_at: &mut stopped_at,
    };
    let states = starts.iter().map(|start| start.as_slice().into());
    let states = states.zip((0..walkers).map(|walker| generator(options.seed, walker as u64)));
    let chain = if per_ensemble < WORTH_THREADS {
        run(&target, states, schedule, Serial)
    } else {
        run(&target, states, schedule, Parallel)
    };
    if let Some(at) = target.infinite.get() {
        return Err(Error::Infinite { at: at.clone() });
    }
    if let Some(steps) = stopped_at {
        return Err(Error::Stopped { steps });
    }
    let nan = target.nan.load(Ordering::Relaxed);
    if nan > 0 {
        let evaluations = walkers * (options.burn_in + options.steps);
        warn(
            progress,
            &format!("the log-probability was NaN in {nan} of {evaluations} proposals; they were rejected"),
        );
    }
    let kept = chain[walkers * options.burn_in..]
        .iter()
        .flat_map(|state| state.iter().copied());
    Ok(Chain::new(kept.collect(), walkers, parameters, nan))
}

fn run<F: Fn(&[f64]) -> f64 + Sync>(
    target: &Target<F>,
    walkers: impl Iterator<Item = (Box<[f64]>, ChaCha8Rng)>,
    schedule: Steps<F>,
    execution: impl Execution,
) -> Vec<Box<[f64]>> {
    hammer_and_sample::sample(target, &Stretch::default(), walkers, schedule, execution).0
}

fn generator(seed: u64, walker: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..12].copy_from_slice(b"mcmc");
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(walker);
    rng
}

/// The target, and what must not be overlooked about it.
struct Target<'a, F> {
    log_prob: &'a F,
    nan: AtomicUsize,
    /// Where the log-probability was infinite.
    infinite: OnceLock<Vec<f64>>,
}

impl<F: Fn(&[f64]) -> f64 + Sync> Model for Target<'_, F> {
    type Params = Box<[f64]>;

    fn log_prob(&self, state: &Box<[f64]>) -> f64 {
        let value = (self.log_prob)(state);
        if value.is_nan() {
            self.nan.fetch_add(1, Ordering::Relaxed);
            return f64::NEG_INFINITY;
        }
        if value == f64::INFINITY {
            self.infinite.get_or_init(|| state.to_vec());
        }
        value
    }
}

/// Runs a number of steps, reports them, and ends early where it is asked to or has to.
struct Steps<'a, 'b, F> {
    total: usize,
    walkers: usize,
    target: &'a Target<'a, F>,
    progress: &'a Callback<'b>,
    reported: Instant,
    stopped_at: &'a mut Option<usize>,
}

impl<F: Fn(&[f64]) -> f64 + Sync> Schedule<Box<[f64]>> for Steps<'_, '_, F> {
    fn next_step(&mut self, chain: &[Box<[f64]>]) -> ControlFlow<()> {
        let (done, total) = (chain.len() / self.walkers, self.total);
        if self.target.infinite.get().is_some() {
            return ControlFlow::Break(());
        }
        if done == 0 || done == total || self.reported.elapsed() >= REPORT_EVERY {
            self.reported = Instant::now();
            let asked = (self.progress)(Event::Advanced {
                phase: Phase::Sampling,
                done,
                total,
            });
            if asked.is_break() && done < total {
                *self.stopped_at = Some(done);
                return ControlFlow::Break(());
            }
        }
        match done < total {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    }

    fn iterations(&self, _walkers: usize) -> Option<usize> {
        Some(self.total)
    }
}

fn check_shape(starts: &[Vec<f64>], options: &Options) -> Result<(), Error> {
    let parameters = starts.first().map_or(0, Vec::len);
    if parameters == 0 {
        return Err(Error::NoParameters);
    }
    for (walker, start) in starts.iter().enumerate() {
        if start.len() != parameters {
            return Err(Error::Lengths {
                walker,
                found: start.len(),
                expected: parameters,
            });
        }
        if let Some(parameter) = start.iter().position(|x| !x.is_finite()) {
            return Err(Error::StartNotFinite {
                walker,
                parameter,
                value: start[parameter],
            });
        }
    }
    // Each half must span the space: as many directions as parameters, between one walker more.
    let least = 2 * (parameters + 1);
    if starts.len() < least || !starts.len().is_multiple_of(2) {
        return Err(Error::Walkers {
            walkers: starts.len(),
            parameters,
            least,
        });
    }
    if options.steps < MIN_STEPS {
        return Err(Error::Steps {
            steps: options.steps,
            least: MIN_STEPS,
        });
    }
    let spans = |half: &[Vec<f64>]| {
        let mean = |j: usize| half.iter().map(|start| start[j]).sum::<f64>() / half.len() as f64;
        let mut offsets = DMatrix::from_fn(half.len(), parameters, |i, j| half[i][j]);
        for (j, mut column) in offsets.column_iter_mut().enumerate() {
            column.add_scalar_mut(-mean(j));
            // Parameters may be of any scale.
            let norm = column.norm();
            column.unscale_mut(if norm > 0.0 { norm } else { 1.0 });
        }
        let values = offsets.singular_values();
        values.min() * MAX_CONDITION > values.max()
    };
    let (lower, upper) = starts.split_at(starts.len() / 2);
    match spans(lower) && spans(upper) {
        true => Ok(()),
        false => Err(Error::StartsDependent),
    }
}

/// Refuses starting points without a finite log-probability. Returns the time for one evaluation per walker.
fn check_starts<F: Fn(&[f64]) -> f64 + Sync>(log_prob: &F, starts: &[Vec<f64>]) -> Result<Duration, Error> {
    let begin = Instant::now();
    let values: Vec<f64> = starts.iter().map(|start| log_prob(start)).collect();
    let elapsed = begin.elapsed();
    if values.iter().all(|value| value.is_nan()) {
        return Err(Error::NanEverywhere);
    }
    for (walker, (value, start)) in values.iter().zip(starts).enumerate() {
        let at = start.clone();
        match *value {
            value if value.is_nan() => return Err(Error::StartNan { walker, at }),
            f64::INFINITY => return Err(Error::Infinite { at }),
            f64::NEG_INFINITY => return Err(Error::StartOutside { walker, at }),
            _ => {}
        }
    }
    Ok(elapsed)
}

#[cfg(test)]
mod tests;
