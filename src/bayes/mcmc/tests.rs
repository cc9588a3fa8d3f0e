//! The sampler against known distributions and emcee's chains, and every refusal.

use super::*;
use crate::bayes::recorded::{assert_close, list, number, read};
use crate::progress::ignore_events;
use rand::RngExt;
use std::sync::atomic::AtomicBool;

/// Independent normal starting points.
fn starts(walkers: usize, centre: &[f64], sigma: f64, seed: u64) -> Vec<Vec<f64>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut normal = || sigma * rng.sample::<f64, _>(rand_distr::StandardNormal);
    (0..walkers)
        .map(|_| centre.iter().map(|c| c + normal()).collect())
        .collect()
}

fn options(steps: usize) -> Options {
    Options {
        steps,
        burn_in: steps / 5,
        seed: 1,
    }
}

/// A correlated normal distribution.
fn normal(p: &[f64]) -> f64 {
    -0.5 * (p[0] * p[0] + (p[1] - p[0]).powi(2) / 0.5)
}

fn banana(p: &[f64]) -> f64 {
    -0.5 * (p[0] * p[0] + (p[1] - p[0] * p[0]).powi(2) / 0.25)
}

fn mixture(separation: f64) -> impl Fn(&[f64]) -> f64 {
    move |p: &[f64]| {
        let mode = |at: f64| (-0.5 * ((p[0] - at).powi(2) + p[1] * p[1])).exp();
        (mode(-separation) + mode(separation)).ln()
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

#[test]
fn diagnostics_are_those_of_emcee_and_arviz() {
    let recorded = read("short_chain.json");
    let chain = Chain::new(list(&recorded["values"]), 6, 2, 0);
    for (found, expected) in chain
        .diagnostics()
        .parameters
        .iter()
        .zip(recorded["figures"].as_array().unwrap())
    {
        let expected = ["tau", "r_hat", "ess_bulk"].map(|name| number(&expected[name]));
        assert_close(&[found.tau, found.r_hat, found.ess_bulk], &expected, 1e-9);
    }
    let Err(Error::NotConverged { reasons }) = chain.check() else {
        panic!()
    };
    assert!(matches!(
        reasons[..],
        [
            Reason::Short { parameter: 0, .. },
            Reason::Unmixed { .. },
            Reason::Few { .. }
        ]
    ));
    assert!(chain.summary().is_err());
}

#[test]
fn a_normal_distribution_is_recovered() {
    let chain = sample(
        &normal,
        &starts(32, &[3.0, -2.0], 1.0, 1),
        &options(4000),
        &ignore_events,
    )
    .unwrap();
    let summary = chain.summary().unwrap();
    for (s, sigma) in summary.iter().zip([1.0, 1.5f64.sqrt()]) {
        assert!(s.mean.abs() < 3.0 * s.standard_error, "{s:?}");
        assert!((s.sigma / sigma - 1.0).abs() < 3.0 * s.standard_error / sigma, "{s:?}");
        let z = [-1.959_96, -0.994_46, 0.0, 0.994_46, 1.959_96];
        for (q, z) in s.quantiles.iter().zip(z) {
            assert!((q - z * sigma).abs() < 8.0 * s.standard_error, "{s:?}");
        }
    }
    // Goodman & Weare's figure for two dimensions is about 0.7.
    let d = chain.diagnostics();
    assert!((0.6..0.8).contains(&d.acceptance), "{}", d.acceptance);
    assert!((d.nan, d.walkers, d.steps) == (0, 32, 4000) && d.stuck.is_empty());
    assert_eq!(chain.draws().len(), 32 * 4000);
    assert_eq!(chain.thinned(1000).count(), 32 * 4);
    let sum = chain.map(|p| vec![p[0] + p[1]]);
    let sum = &sum.summary().unwrap()[0];
    // Variances 1 and 1.5, covariance 1.
    assert!((sum.sigma / 4.5f64.sqrt() - 1.0).abs() < 0.03, "{sum:?}");
}

#[test]
fn the_banana_has_the_moments_that_emcee_finds() {
    let chain = sample(
        &banana,
        &starts(40, &[0.0, 0.0], 0.5, 2),
        &options(40_000),
        &ignore_events,
    )
    .unwrap();
    chain.check().unwrap();
    type Moment = fn(&[f64]) -> f64;
    let moments: [(&str, Moment, f64); 5] = [
        ("x", |p| p[0], 0.0),
        ("y", |p| p[1], 1.0),
        ("x2", |p| p[0] * p[0], 1.0),
        ("y2", |p| p[1] * p[1], 3.25),
        ("x2y", |p| p[0] * p[0] * p[1], 3.0),
    ];
    let recorded = read("banana.json");
    for (name, of, exact) in moments {
        let values: Vec<f64> = chain.draws().map(of).collect();
        let walkers: Vec<Vec<f64>> = (0..40)
            .map(|w| values.iter().skip(w).step_by(40).copied().collect())
            .collect();
        let found = Summary::new(values, 40.0 * 40_000.0 / autocorrelation::integrated_time(&walkers));
        let [emcee, error] = list(&recorded[name])[..] else {
            panic!()
        };
        let both = found.standard_error.hypot(error);
        assert!(
            (found.mean - emcee).abs() < 3.0 * both,
            "{name}: {found:?}, emcee {emcee} +- {error}"
        );
        assert!(
            (found.mean - exact).abs() < 3.0 * found.standard_error,
            "{name}: {found:?}, exact {exact}"
        );
        assert!(found.standard_error < 0.12, "{name}: {found:?}");
    }
}

#[test]
fn modes_between_which_walkers_do_not_move_are_reported() {
    // Half of the walkers start in each mode, and none can cross.
    let mut both = starts(16, &[-10.0, 0.0], 1.0, 3);
    both.extend(starts(16, &[10.0, 0.0], 1.0, 4));
    let alternating: Vec<Vec<f64>> = (0..32).map(|w| both[w / 2 + 16 * (w % 2)].clone()).collect();
    for starts in [both, alternating] {
        let chain = sample(&mixture(10.0), &starts, &options(4000), &ignore_events).unwrap();
        let Err(Error::NotConverged { reasons }) = chain.check() else {
            panic!("{:?}", chain.diagnostics())
        };
        let unmixed = |r: &&Reason| matches!(r, Reason::Unmixed { r_hat, .. } if *r_hat > 1.5);
        assert!(reasons.iter().any(|r| unmixed(&r)), "{reasons:?}");
        let message = chain.check().unwrap_err().to_string();
        assert!(
            message.contains("the walkers have not mixed: R-hat of parameter"),
            "{message}"
        );
    }
}

#[test]
fn modes_between_which_walkers_do_move_are_not_reported() {
    let starts = starts(32, &[0.0, 0.0], 2.0, 5);
    let chain = sample(&mixture(2.0), &starts, &options(20_000), &ignore_events).unwrap();
    chain.check().unwrap();
    let right = mean(chain.draws().map(|p| f64::from(u8::from(p[0] > 0.0))));
    let ess = chain.diagnostics().parameters[0].ess_bulk;
    assert!((right - 0.5).abs() < 3.0 * 0.5 / ess.sqrt(), "{right} {ess}");
}

#[test]
fn a_chain_that_is_too_short_is_reported() {
    let chain = sample(&normal, &starts(8, &[0.0, 0.0], 1.0, 6), &options(100), &ignore_events).unwrap();
    let Err(Error::NotConverged { reasons }) = chain.check() else {
        panic!()
    };
    assert!(matches!(reasons[0], Reason::Short { steps: 100, .. }), "{reasons:?}");
    // Long enough for its autocorrelation time, but still on its way to the target.
    let far = starts(8, &[1e6, 0.0], 1.0, 7);
    let chain = sample(
        &normal,
        &far,
        &Options {
            burn_in: 0,
            ..options(300)
        },
        &ignore_events,
    )
    .unwrap();
    assert!(chain.check().is_err());
}

#[test]
fn a_walker_that_never_moves_is_reported() {
    // Walker 2 starts on a spike that no proposal hits again.
    let mut starts = starts(8, &[0.0, 0.0], 1.0, 8);
    starts[2] = vec![0.25, 0.25];
    let spiked = |p: &[f64]| if p == [0.25, 0.25] { 1e9 } else { normal(p) };
    let chain = sample(&spiked, &starts, &options(5000), &ignore_events).unwrap();
    let Err(Error::NotConverged { reasons }) = chain.check() else {
        panic!()
    };
    assert_eq!(reasons[0], Reason::Stuck { walker: 2 });
    assert!(
        reasons
            .iter()
            .any(|r| matches!(r, Reason::Short { tau, .. } if tau.is_nan())),
        "{reasons:?}"
    );
}

#[test]
fn draws_depend_on_the_seed_and_not_on_threads() {
    let starts = starts(8, &[0.0, 0.0], 1.0, 9);
    let slow = |p: &[f64]| {
        std::thread::sleep(Duration::from_micros(50));
        normal(p)
    };
    let draws = |threads: usize, seed: u64, slowly: bool| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let options = Options {
            steps: 30,
            burn_in: 10,
            seed,
        };
        let chain = pool.install(|| match slowly {
            true => sample(&slow, &starts, &options, &ignore_events),
            false => sample(&normal, &starts, &options, &ignore_events),
        });
        chain
            .unwrap()
            .draws()
            .flatten()
            .map(|x| x.to_bits())
            .collect::<Vec<_>>()
    };
    let one = draws(1, 1, true);
    assert!(one == draws(3, 1, true) && one == draws(2, 1, false));
    assert_ne!(one, draws(1, 2, true));
}

#[test]
fn a_callback_sees_progress_and_can_stop() {
    let starts = starts(8, &[0.0, 0.0], 1.0, 10);
    let finished = AtomicBool::new(false);
    let watch = |event: Event| {
        if let Event::Advanced {
            phase: Phase::Sampling,
            done,
            total,
        } = event
        {
            assert!(total == 60 && done <= 60);
            finished.fetch_or(done == total, Ordering::Relaxed);
        }
        ControlFlow::Continue(())
    };
    sample(&normal, &starts, &options(50), &watch).unwrap();
    assert!(finished.load(Ordering::Relaxed));
    let stop = |_: Event| ControlFlow::Break(());
    assert_eq!(
        sample(&normal, &starts, &options(50), &stop).unwrap_err(),
        Error::Stopped { steps: 0 }
    );
}

#[test]
fn targets_and_starting_points_that_cannot_be_used_are_refused() {
    let good = starts(8, &[0.0, 0.0], 1.0, 11);
    let refused = |log_prob: &(dyn Fn(&[f64]) -> f64 + Sync), starts: &[Vec<f64>]| {
        sample(&log_prob, starts, &options(50), &ignore_events).unwrap_err()
    };
    assert_eq!(refused(&|_| f64::NAN, &good), Error::NanEverywhere);
    let mut far = good.clone();
    far[5] = vec![20.0, 1.0];
    let bounded = |p: &[f64]| if p[0] > 10.0 { f64::NEG_INFINITY } else { normal(p) };
    assert_eq!(
        refused(&bounded, &far),
        Error::StartOutside {
            walker: 5,
            at: vec![20.0, 1.0]
        }
    );
    let hole = |p: &[f64]| if p[0] > 10.0 { f64::NAN } else { normal(p) };
    assert_eq!(
        refused(&hole, &far),
        Error::StartNan {
            walker: 5,
            at: vec![20.0, 1.0]
        }
    );
    let pole = |p: &[f64]| if p[0] > 10.0 { f64::INFINITY } else { normal(p) };
    assert_eq!(refused(&pole, &far), Error::Infinite { at: vec![20.0, 1.0] });
    // A half plane of infinite probability, which the walkers find on their way.
    let found = refused(
        &|p| {
            if p[0] > 1.5 * good.iter().fold(0.0, |m: f64, p| m.max(p[0])) {
                f64::INFINITY
            } else {
                0.0
            }
        },
        &good,
    );
    assert!(matches!(found, Error::Infinite { .. }), "{found}");

    assert_eq!(refused(&normal, &[]), Error::NoParameters);
    assert_eq!(
        refused(&normal, &good[..4]).to_string(),
        "4 walkers for 2 parameters; an even number of at least 6 is needed"
    );
}

#[test]
fn shapes_are_checked() {
    let good = starts(8, &[0.0, 0.0], 1.0, 11);
    let refused = |starts: &[Vec<f64>], options| sample(&normal, starts, &options, &ignore_events).unwrap_err();
    let ok = options(50);
    assert_eq!(
        refused(&good[..4], ok),
        Error::Walkers {
            walkers: 4,
            parameters: 2,
            least: 6
        }
    );
    assert_eq!(
        refused(&good[..7], ok),
        Error::Walkers {
            walkers: 7,
            parameters: 2,
            least: 6
        }
    );
    let mut short = good.clone();
    short[3].pop();
    assert_eq!(
        refused(&short, ok),
        Error::Lengths {
            walker: 3,
            found: 1,
            expected: 2
        }
    );
    let mut infinite = good.clone();
    infinite[1][1] = f64::INFINITY;
    assert_eq!(
        refused(&infinite, ok),
        Error::StartNotFinite {
            walker: 1,
            parameter: 1,
            value: f64::INFINITY
        }
    );
    let line: Vec<Vec<f64>> = (0..8).map(|w| vec![f64::from(w), 2.0 * f64::from(w) + 1.0]).collect();
    assert_eq!(refused(&line, ok), Error::StartsDependent);
    assert_eq!(
        refused(&good, Options { steps: 7, ..ok }),
        Error::Steps { steps: 7, least: 8 }
    );
}

#[test]
fn nan_on_the_way_is_rejected_counted_and_warned_about() {
    let starts: Vec<Vec<f64>> = starts(8, &[3.0, 0.0], 0.5, 12);
    let root = |p: &[f64]| p[0].ln() - p[0] - 0.5 * p[1] * p[1];
    let warned = AtomicBool::new(false);
    let watch = |event: Event| {
        if let Event::Warning(message) = event {
            warned.store(message.contains("was NaN in"), Ordering::Relaxed);
        }
        ControlFlow::Continue(())
    };
    let chain = sample(&root, &starts, &options(2000), &watch).unwrap();
    assert!(chain.diagnostics().nan > 0 && warned.load(Ordering::Relaxed));
    assert!(chain.draws().all(|p| p[0] > 0.0));
}
