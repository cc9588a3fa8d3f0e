//! Everything that is said about an object follows from one distribution.

use super::*;

/// Maps of every method, fitted to errors with heavier tails than predicted.
fn maps(likelihood: Likelihood) -> Vec<Map> {
    let mut rows = scaled_rows(likelihood, 500, [0.6, 0.8], 21);
    for (mixture, truth) in rows.iter_mut().step_by(9) {
        *truth = mixture.mean() + 1.5 * (*truth - mixture.mean());
    }
    Method::ALL.map(|method| fit(method, &rows).unwrap()).to_vec()
}

fn mixtures(likelihood: Likelihood) -> Vec<Mixture> {
    let new = |mu: &[f64], var: &[f64]| Mixture::new(likelihood, mu, var).unwrap();
    vec![
        new(&[1.2], &[0.01]),
        new(&[1.0, 1.1, 1.05, 0.95, 1.3], &[0.01, 0.02, 0.005, 0.01, 0.04]),
        new(&[1.0, 2.0], &[0.01, 0.02]),
    ]
}

/// Calls `check` with every distribution.
fn with_every_distribution(check: impl Fn(&PredictiveDistribution, &str)) {
    for likelihood in Likelihood::ALL {
        for map in maps(likelihood) {
            for (k, mixture) in mixtures(likelihood).iter().enumerate() {
                check(
                    &PredictiveDistribution::of(mixture, Some(&map)),
                    &format!("{likelihood:?}, mixture {k}, {map}"),
                );
            }
        }
    }
}

#[test]
fn the_quantile_of_a_level_is_the_inverse_of_the_distribution_function() {
    with_every_distribution(|predicted, name| {
        for p in [1e-4, 0.0015, 0.16, 0.42, 0.5001, 0.84, 0.975, 0.9985, 0.9999] {
            let q = predicted.quantile(p);
            assert!(
                (predicted.pit(q) - p).abs() < 1e-9,
                "{name}: {p} {q} {}",
                predicted.pit(q)
            );
            assert!(
                (predicted.quantile(predicted.pit(q)) - q).abs() < 1e-6,
                "{name}: {p} {q}"
            );
        }
    });
}

#[test]
fn the_density_is_the_slope_of_the_distribution_function() {
    with_every_distribution(|predicted, name| {
        let ends: Vec<f64> = (0..=20_000)
            .map(|k| predicted.quantile(1e-4 + f64::from(k) * 0.9998 / 20_000.0))
            .collect();
        let piece = |ends: &[f64]| (ends[1] - ends[0]) * predicted.log_pdf(0.5 * (ends[0] + ends[1])).exp();
        let integral: f64 = ends.windows(2).map(piece).sum();
        assert!((integral - (1.0 - 2e-4)).abs() < 2e-3, "{name}: {integral}");
        for p in [0.003, 0.2, 0.37, 0.61, 0.95] {
            let x = predicted.quantile(p);
            let h = 1e-5;
            let slope = (predicted.pit(x + h) - predicted.pit(x - h)) / (2.0 * h);
            let density = predicted.log_pdf(x).exp();
            // A step of the density, as isotonic and conformal maps have, may lie within h.
            if !name.contains("isotonic") && !name.contains("conformal") {
                assert!((slope / density - 1.0).abs() < 1e-3, "{name}: {p} {slope} {density}");
            }
        }
    });
}

#[test]
fn mean_sigma_and_crps_are_those_of_the_samples() {
    with_every_distribution(|predicted, name| {
        let prediction = predicted.prediction();
        // Evenly spaced levels instead of random ones.
        let n = 20_000;
        let x: Vec<f64> = (0..n)
            .map(|k| predicted.quantile((f64::from(k) + 0.5) / f64::from(n)))
            .collect();
        let mean = x.iter().sum::<f64>() / f64::from(n);
        let sigma = (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(n)).sqrt();
        assert!(
            (prediction.theta_e - mean).abs() < 0.03 * sigma,
            "{name}: {prediction:?} {mean}"
        );
        // The moments are those up to 8 scales and the levels 1e-4 and 1 - 1e-4, beyond which Student's t is broad.
        let allowed = if name.starts_with("StudentT") { 0.35 } else { 0.05 };
        assert!(
            (prediction.sigma / sigma - 1.0).abs() < allowed,
            "{name}: {prediction:?} {sigma}"
        );
        let parts = prediction.sigma_aleatoric.hypot(prediction.sigma_epistemic);
        assert!((parts / prediction.sigma - 1.0).abs() < 1e-12, "{name}");
        for truth in [0.7, mean, 1.6] {
            let distance = x.iter().map(|x| (x - truth).abs()).sum::<f64>() / f64::from(n);
            // E|X - X'| from the sorted values.
            let weights = x
                .iter()
                .enumerate()
                .map(|(k, x)| (2.0 * k as f64 + 1.0 - f64::from(n)) * x);
            let among = 2.0 * weights.sum::<f64>() / f64::from(n).powi(2);
            let crps = predicted.crps(truth);
            let expected = distance - 0.5 * among;
            // The density of these two has steps, and their tails reach beyond the last place.
            let steps = name.contains("isotonic") || name.contains("conformal");
            let allowed = if steps { 0.05 } else { 0.01 } * sigma;
            assert!((crps - expected).abs() < allowed, "{name}: {truth} {crps} {expected}");
        }
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let drawn: f64 = (0..2000).map(|_| predicted.pit(predicted.sample(&mut rng))).sum();
        assert!((drawn / 2000.0 - 0.5).abs() < 0.03, "{name}: {drawn}");
    });
}

#[test]
fn the_smooth_map_without_a_change_is_the_mixture() {
    let factors = Factors {
        aleatoric: 1.0,
        epistemic: 1.0,
    };
    let map = Map::Spline(spline::Spline::new(
        factors,
        0.0,
        vec![[-3.0, 1.0], [0.0, 1.0], [8.0, 1.0]],
    ));
    assert!(map.is_valid());
    for mixture in Likelihood::ALL.into_iter().flat_map(mixtures) {
        let predicted = PredictiveDistribution::of(&mixture, Some(&map));
        let (a, b) = (predicted.prediction(), mixture.prediction());
        for (a, b) in a.quantiles.iter().zip(b.quantiles) {
            assert!((a - b).abs() < 1e-9, "{a} {b}");
        }
        // Up to the tails beyond 1e-4, which Student's t has.
        assert!((a.theta_e - b.theta_e).abs() < 3e-3 * b.sigma, "{a:?} {b:?}");
        assert!((a.sigma / b.sigma - 1.0).abs() < 0.01, "{a:?} {b:?}");
        for truth in [0.3, 1.0, 1.7, 9.0] {
            assert!((predicted.log_pdf(truth) - mixture.log_pdf(truth)).abs() < 1e-9);
            let [found, expected] = [predicted.crps(truth), mixture.crps(truth)];
            assert!(
                (found - expected).abs() < 5e-3 * b.sigma,
                "{truth} {found} {expected} {b:?}"
            );
        }
    }
}

#[test]
fn the_smooth_map_follows_its_slopes_and_its_inverse_leads_back() {
    let factors = Factors {
        aleatoric: 1.0,
        epistemic: 1.0,
    };
    // A slope of -1 of ln ds/dt in ln(1 + t): a logarithm. The next knot is the same to the left.
    let e = std::f64::consts::E;
    let map = spline::Spline::new(factors, 0.5, vec![[1.0 - e, 2.0], [0.0, 1.0], [e - 1.0, 1.0 / e]]);
    assert!((map.at(0.7) - (0.5 + 1.7f64.ln())).abs() < 1e-12, "{}", map.at(0.7));
    assert!((map.at(e - 1.0 + 2.0) - (1.5 + 2.0 / e)).abs() < 1e-12);
    for t in [-1e6, -40.0, -1.2, -1e-3, 0.0, 1e-9, 0.3, 2.0, 700.0] {
        assert!((map.inverse(map.at(t)) - t).abs() < 1e-9 * (1.0 + t.abs()), "{t}");
    }
}

#[test]
fn a_map_that_does_not_increase_is_refused() {
    let with = |shift: f64, slopes: &[[f64; 2]]| {
        let factors = Factors {
            aleatoric: 1.0,
            epistemic: 1.0,
        };
        Map::Spline(spline::Spline::new(factors, shift, slopes.to_vec())).is_valid()
    };
    assert!(with(0.1, &[[-1.0, 0.5], [0.0, 1.0], [1.0, 2.0]]));
    assert!(!with(0.1, &[[-1.0, 0.5], [0.0, 1.0], [1.0, -2.0]]), "decreasing");
    assert!(!with(0.1, &[[-1.0, 0.5], [0.0, 0.0], [1.0, 2.0]]), "flat");
    assert!(!with(0.1, &[[0.0, 1.0], [-1.0, 0.5]]), "not in order");
    assert!(!with(0.1, &[[-1.0, 1.0], [1.0, 0.5]]), "no knot at 0");
    assert!(!with(f64::NAN, &[[0.0, 1.0]]) && !with(0.0, &[[0.0, f64::NAN]]) && !with(0.0, &[]));
}

#[test]
fn an_error_of_sixty_sigma_costs_less_than_in_the_mixture() {
    let rows = scaled_rows(Likelihood::Gaussian, 300, [1.0, 1.0], 31);
    let map = fit(Method::Spline, &rows).unwrap();
    let mixture = &mixtures(Likelihood::Gaussian)[0];
    let predicted = PredictiveDistribution::of(mixture, Some(&map));
    let truth = 1.2 + 60.0 * 0.1;
    assert!((mixture.log_pdf(truth) + 1800.0).abs() < 2.0);
    assert!(
        (-1800.0..-20.0).contains(&predicted.log_pdf(truth)),
        "{}",
        predicted.log_pdf(truth)
    );
}
