mod identities;
mod populations;

use super::*;
use crate::likelihood::Likelihood;
use crate::posterior::MemberPredictions;
use crate::posterior::mixture::LEVELS;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(rng)
}

/// Predictions of five members, and true values drawn from the mixture with sigmas and spread `aleatoric` and `epistemic`
/// times those predicted.
fn rows(n: usize, aleatoric: f64, epistemic: f64, seed: u64) -> Vec<(Mixture, f64)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let row = |_| {
        let (centre, spread) = (0.5 + 2.0 * rng.random::<f64>(), 0.05 + 0.3 * rng.random::<f64>());
        let mu: Vec<f64> = (0..5).map(|_| centre + spread * normal(&mut rng)).collect();
        let var: Vec<f64> = (0..5).map(|_| (0.05 + 0.2 * rng.random::<f64>()).powi(2)).collect();
        let mean = mu.iter().sum::<f64>() / 5.0;
        let m = rng.random_range(0..5u32) as usize;
        let truth = mean + epistemic * (mu[m] - mean) + aleatoric * var[m].sqrt() * normal(&mut rng);
        (Mixture::new(Likelihood::Gaussian, &mu, &var).unwrap(), truth)
    };
    (0..n).map(row).collect()
}

fn coverage(rows: &[(Mixture, f64)], map: Option<&Map>, level: f64) -> f64 {
    let contained = |(mixture, truth): &&(Mixture, f64)| {
        let forecast = PredictiveDistribution::of(mixture, map);
        let ends = [0.5 - 0.5 * level, 0.5 + 0.5 * level].map(|p| forecast.quantile(p));
        let within = ends[0] <= *truth && *truth <= ends[1];
        let by_pit = (2.0 * forecast.pit(*truth) - 1.0).abs() <= level;
        assert!(
            within == by_pit || ends.iter().any(|end| (end - truth).abs() < 1e-9),
            "{ends:?} {truth} {level}"
        );
        within
    };
    rows.iter().filter(contained).count() as f64 / rows.len() as f64
}

#[test]
fn every_method_corrects_known_miscalibration_within_binomial_error() {
    let (n_cal, n_test) = (3000, 3000);
    for (aleatoric, epistemic) in [(0.5, 0.5), (1.0, 1.0), (1.8, 2.5), (0.6, 2.0)] {
        let (cal, test) = (
            rows(n_cal, aleatoric, epistemic, 1),
            rows(n_test, aleatoric, epistemic, 2),
        );
        for method in Method::ALL {
            let map = fit(method, &cal).unwrap();
            assert!(map.is_valid());
            for p in [0.683, 0.954, 0.997] {
                let allowed = 2.5 * (p * (1.0 - p) * (1.0 / n_cal as f64 + 1.0 / n_test as f64)).sqrt();
                let found = coverage(&test, Some(&map), p);
                assert!(
                    (found - p).abs() <= allowed,
                    "{aleatoric} {epistemic} {method:?}: {found} at {p}, {allowed} allowed"
                );
            }
        }
        if aleatoric != 1.0 && aleatoric != 0.6 {
            assert!(
                (coverage(&test, None, 0.683) - 0.683).abs() > 0.1,
                "nothing to calibrate"
            );
        }
    }
}

#[test]
fn factors_are_recovered_from_many_rows() {
    for (aleatoric, epistemic) in [(1.0, 1.0), (0.5, 0.5), (1.5, 2.0)] {
        let Map::Factors(f) = fit(Method::Factors, &rows(6000, aleatoric, epistemic, 3)).unwrap() else {
            unreachable!()
        };
        assert!((f.aleatoric / aleatoric - 1.0).abs() < 0.12, "{f:?}");
        assert!((f.epistemic / epistemic - 1.0).abs() < 0.15, "{f:?}");
    }
    // A single member has no spread: only the penalty constrains the ratio, to 1.
    let single: Vec<_> = rows(200, 1.0, 1.0, 4)
        .into_iter()
        .map(|(m, y)| (Mixture::gaussian(m.mean(), m.sigma()), y))
        .collect();
    let f = Factors::fit(&single).unwrap();
    assert!((f.epistemic / f.aleatoric - 1.0).abs() < 0.02, "{f:?}");
}

/// As [`rows`] for any likelihood: true values are drawn from the mixture scaled by the two factors.
fn scaled_rows(likelihood: Likelihood, n: usize, factors: [f64; 2], seed: u64) -> Vec<(Mixture, f64)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let row = |_| {
        let centre = 1.0 + rng.random::<f64>();
        let mu: Vec<f64> = (0..5).map(|_| centre * (0.1 * normal(&mut rng)).exp()).collect();
        let var: Vec<f64> = (0..5).map(|_| (0.05 + 0.2 * rng.random::<f64>()).powi(2)).collect();
        let mixture = Mixture::new(likelihood, &mu, &var).unwrap();
        let truth = mixture.scaled(factors[0], factors[1]).sample(&mut rng);
        (mixture, truth)
    };
    (0..n).map(row).collect()
}

#[test]
fn every_method_calibrates_every_likelihood() {
    let (n, factors) = (2000, [1.7, 2.2]);
    for likelihood in Likelihood::ALL {
        let (cal, test) = (
            scaled_rows(likelihood, n, factors, 11),
            scaled_rows(likelihood, n, factors, 12),
        );
        for method in Method::ALL {
            let map = fit(method, &cal).unwrap();
            for p in [0.683, 0.954] {
                let allowed = 3.0 * (p * (1.0 - p) * 2.0 / n as f64).sqrt();
                let found = coverage(&test, Some(&map), p);
                assert!(
                    (found - p).abs() <= allowed,
                    "{likelihood:?} {method:?}: {found} at {p}, {allowed} allowed"
                );
            }
            if let Map::Factors(f) = map {
                assert!((f.aleatoric / factors[0] - 1.0).abs() < 0.12, "{likelihood:?} {f:?}");
                assert!((f.epistemic / factors[1] - 1.0).abs() < 0.2, "{likelihood:?} {f:?}");
            }
        }
        assert!(
            (coverage(&test, None, 0.683) - 0.683).abs() > 0.1,
            "nothing to calibrate"
        );
    }
}

#[test]
fn one_catastrophic_outlier_hardly_changes_the_factors() {
    let mut rows = rows(300, 0.5, 0.5, 5);
    let before = Factors::fit(&rows).unwrap();
    rows[0].1 = 60.0;
    let after = Factors::fit(&rows).unwrap();
    assert!(
        (after.aleatoric / before.aleatoric - 1.0).abs() < 0.1,
        "{before:?} {after:?}"
    );
}

/// Over many samples of calibration rows and a new object, the interval at p contains the true value with probability p or
/// more, however wrong the predicted sigmas are: at least ceil((n + 1) p) / (n + 1), and with the first of equal half
/// widths kept, at most 1 / (n + 1) more.
#[test]
fn conformal_keeps_its_guarantee_in_finite_samples() {
    for (n, level) in [(19, 0.95), (19, 0.5), (50, 0.68), (50, 0.95)] {
        let draws = 4000;
        let contained = (0..draws)
            .filter(|&draw| {
                let rows = rows(n + 1, 2.0, 0.3, 1000 + draw);
                let map = fit(Method::Conformal, &rows[..n]).unwrap();
                let (mixture, truth) = &rows[n];
                let forecast = PredictiveDistribution::of(mixture, Some(&map));
                let p = 0.5 - 0.5 * level;
                (forecast.quantile(p)..=forecast.quantile(1.0 - p)).contains(truth)
            })
            .count() as f64
            / draws as f64;
        let exact = ((n + 1) as f64 * level - 1e-9).ceil() / (n + 1) as f64;
        let error = (exact * (1.0 - exact) / draws as f64).sqrt();
        let highest = exact + 1.0 / (n + 1) as f64;
        assert!(
            exact >= level && contained > exact - 3.5 * error && contained < highest + 3.5 * error,
            "{n} {level}: {contained}, not {exact} to {highest}"
        );
    }
}

#[test]
fn every_method_changes_sigmas_and_quantiles_together() {
    let rows = rows(400, 0.4, 2.0, 6);
    for method in Method::ALL {
        let map = fit(method, &rows).unwrap();
        for (mixture, _) in &rows[..50] {
            let (raw, calibrated) = (
                mixture.prediction(),
                PredictiveDistribution::of(mixture, Some(&map)).prediction(),
            );
            assert!(calibrated.quantiles.is_sorted(), "{method:?} {calibrated:?}");
            let shift = (calibrated.theta_e - raw.theta_e).abs();
            match method {
                Method::Factors | Method::Conformal => assert!(shift < 1e-9, "{method:?} {shift}"),
                Method::Spline | Method::Isotonic => assert!(shift < 0.5 * raw.sigma, "{method:?} {shift}"),
            }
            assert_ne!(calibrated.sigma, raw.sigma);
            assert_ne!(calibrated.quantiles[0], raw.quantiles[0]);
        }
    }
    let conformal = Conformal::fit(&rows).unwrap();
    let mixture = &rows[0].0;
    let widths = [0.9985, 0.9999, 0.999999].map(|p| conformal.quantile(mixture, p));
    assert!(widths.is_sorted() && widths[2].is_finite(), "{widths:?}");
}

#[test]
fn levels_that_underflow_do_not_end_the_map() {
    let mut rows = rows(100, 1.0, 1.0, 7);
    for row in &mut rows[..20] {
        row.1 += 1e3;
    }
    let map = fit(Method::Isotonic, &rows).unwrap();
    assert!(map.is_valid());
    let q = PredictiveDistribution::of(&rows[50].0, Some(&map))
        .prediction()
        .quantiles;
    assert!(q.iter().all(|q| q.is_finite()) && q.is_sorted(), "{q:?}");
    assert!(LEVELS.len() == q.len());
}

#[test]
fn too_few_rows_and_true_values_that_are_not_finite_are_errors() {
    let mut few = rows(18, 1.0, 1.0, 8);
    for (method, needed) in [
        (Method::Spline, 20),
        (Method::Factors, 20),
        (Method::Isotonic, 40),
        (Method::Conformal, 19),
    ] {
        let error = fit(method, &few).unwrap_err();
        let expected = Error::TooFewRows {
            method,
            rows: 18,
            needed,
        };
        assert_eq!(error, expected);
        let message = error.to_string();
        assert!(
            message.contains("18 rows are too few") && message.contains(&format!("at least {needed} are needed")),
            "{message}"
        );
    }
    few[3].1 = f64::NAN;
    let error = fit(Method::Factors, &few).unwrap_err();
    assert!(matches!(error, Error::TruthNotFinite { row: 3, .. }), "{error}");
}

#[test]
fn the_map_is_readable_json() {
    let calibration = Calibration {
        map: Map::Factors(Factors {
            aleatoric: 0.5,
            epistemic: 1.0 / 3.0,
        }),
        record: Record::new("cal/", 400, "2026-07-14T09:30:00Z".into()),
    };
    let text = serde_json::to_string(&calibration).unwrap();
    assert!(
        text.starts_with(r#"{"map":{"method":"factors","aleatoric":0.5,"epistemic":0.3333333333333333}"#),
        "{text}"
    );
    assert_eq!(serde_json::from_str::<Calibration>(&text).unwrap(), calibration);
}

#[test]
fn no_quantile_of_a_prediction_is_negative() {
    let members = MemberPredictions::gaussian(&[0.1, 0.2], &[0.04, 0.01]);
    let predicted = PredictiveDistribution::new(&members, None).unwrap();
    let (mixture, prediction) = (members.mixture().unwrap(), predicted.prediction());
    assert!(
        mixture.quantile(0.025) < 0.0 && mixture.quantile(0.16) < 0.0,
        "the mixture itself extends below 0"
    );
    assert_eq!(prediction.quantiles[..2], [0.0, 0.0]);
    assert_eq!(prediction.quantiles[2..], LEVELS.map(|p| mixture.quantile(p))[2..]);
    assert!(
        (prediction.theta_e - 0.15).abs() < 1e-15,
        "the mean is that of the mixture"
    );
}
