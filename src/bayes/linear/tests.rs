//! The posterior against numpy's closed form, and every refusal.

use super::*;
use crate::bayes::mcmc;
use crate::bayes::recorded::{assert_close, list, number, read};
use crate::progress::ignore_events;

fn design(rows: &[&[f64]]) -> DMatrix<f64> {
    DMatrix::from_fn(rows.len(), rows[0].len(), |i, j| rows[i][j])
}

fn recorded() -> (serde_json::Value, DMatrix<f64>, Vec<f64>) {
    let r = read("linear.json");
    let rows: Vec<Vec<f64>> = r["design"].as_array().unwrap().iter().map(list).collect();
    let x = DMatrix::from_fn(rows.len(), rows[0].len(), |i, j| rows[i][j]);
    let y = list(&r["label"]);
    (r, x, y)
}

fn recorded_prior(r: &serde_json::Value) -> Prior {
    let noise = Noise::InverseGamma {
        shape: number(&r["shape0"]),
        rate: number(&r["rate0"]),
    };
    Prior {
        mean: list(&r["mean0"]),
        precision: list(&r["precision"]),
        noise,
    }
}

fn flat(columns: usize) -> Prior {
    Prior {
        mean: vec![0.0; columns],
        precision: vec![0.0; columns],
        noise: Noise::Reference,
    }
}

fn flattened(matrix: &serde_json::Value) -> Vec<f64> {
    matrix.as_array().unwrap().iter().flat_map(list).collect()
}

#[test]
fn mean_covariance_and_evidence_are_numpys() {
    let (r, x, y) = recorded();
    let posterior = fit(&x, &y, &recorded_prior(&r), Undetermined::Refuse).unwrap();
    assert_close(posterior.mean(), &list(&r["mean"]), 1e-8);
    assert_close(
        posterior.covariance().unwrap().as_slice(),
        &flattened(&r["covariance"]),
        1e-8,
    );
    assert_close(
        &[posterior.log_evidence().unwrap()],
        &[number(&r["log_evidence"])],
        1e-8,
    );
    let NoisePosterior::InverseGamma { shape, rate } = posterior.noise() else {
        panic!()
    };
    assert_close(&[shape, rate], &[number(&r["shape"]), number(&r["rate"])], 1e-8);

    let new = list(&r["new"]);
    let predictive = posterior.predictive(&new, 1.0);
    assert_close(&[predictive.scale], &[number(&r["predictive_scale"])], 1e-8);
    assert_close(&predictive.interval(0.95), &list(&r["predictive_95"]), 1e-8);
    let density = [predictive.log_pdf(7.0), predictive.cdf(7.0)];
    assert_close(
        &density,
        &[number(&r["predictive_log_pdf"]), number(&r["predictive_cdf"])],
        1e-8,
    );
}

#[test]
fn known_noise_has_a_normal_posterior() {
    let (r, x, y) = recorded();
    let noise = Noise::Known {
        sigma: number(&r["known_sigma"]),
    };
    let prior = Prior {
        noise,
        ..recorded_prior(&r)
    };
    let posterior = fit(&x, &y, &prior, Undetermined::Refuse).unwrap();
    assert_close(posterior.mean(), &list(&r["mean"]), 1e-8);
    assert_close(
        posterior.covariance().unwrap().as_slice(),
        &flattened(&r["known_covariance"]),
        1e-8,
    );
    assert_close(
        &[posterior.log_evidence().unwrap()],
        &[number(&r["known_log_evidence"])],
        1e-8,
    );
    assert_eq!(posterior.dof(), f64::INFINITY);
}

#[test]
fn the_reference_prior_gives_least_squares_and_its_confidence_intervals() {
    let (r, x, y) = recorded();
    let posterior = fit(&x, &y, &flat(4), Undetermined::Refuse).unwrap();
    assert_close(posterior.mean(), &list(&r["ols"]), 1e-8);
    assert_eq!(posterior.dof(), 26.0);
    assert_eq!(posterior.log_evidence(), None);
    let intervals = (0..4).flat_map(|j| {
        let unit: Vec<f64> = (0..4).map(|k| f64::from(u8::from(j == k))).collect();
        posterior.combination(&unit).interval(0.95)
    });
    assert_close(&intervals.collect::<Vec<_>>(), &flattened(&r["ols_interval"]), 1e-8);
}

#[test]
fn evidence_prefers_the_model_that_made_the_data() {
    let x: Vec<f64> = (0..60).map(|i| f64::from(i) / 30.0 - 1.0).collect();
    let y: Vec<f64> = x
        .iter()
        .enumerate()
        .map(|(i, x)| 1.0 + x - 2.0 * x * x + 0.1 * (i as f64 * 12.9).sin())
        .collect();
    let evidence = |degree: i32| {
        let columns = degree as usize + 1;
        let design = DMatrix::from_fn(60, columns, |i, j| x[i].powi(j as i32));
        let noise = Noise::InverseGamma { shape: 0.5, rate: 0.05 };
        let prior = Prior {
            mean: vec![0.0; columns],
            precision: vec![0.01; columns],
            noise,
        };
        fit(&design, &y, &prior, Undetermined::Refuse)
            .unwrap()
            .log_evidence()
            .unwrap()
    };
    assert!(
        evidence(2) > evidence(1) + 10.0 && evidence(2) > evidence(3),
        "{:?}",
        [1, 2, 3].map(evidence)
    );
}

#[test]
fn mcmc_agrees_with_the_exact_posterior_within_three_standard_errors() {
    let (r, x, y) = recorded();
    let known = Noise::Known { sigma: 0.6 };
    let proper = recorded_prior(&r);
    for prior in [proper.clone(), Prior { noise: known, ..proper }, flat(4)] {
        let posterior = fit(&x, &y, &prior, Undetermined::Refuse).unwrap();
        let covariance = posterior.covariance().unwrap();
        // The walkers start away from the centre, in all directions.
        let unknown = usize::from(!matches!(prior.noise, Noise::Known { .. }));
        let starts: Vec<Vec<f64>> = (0..32)
            .map(|walker| {
                let offset = |j: usize| 2.0 * ((walker * 7 + j * 5 + walker * j) as f64 * 12.9898).sin();
                let beta = (0..4).map(|j| posterior.mean()[j] + offset(j) * covariance[(j, j)].sqrt());
                let variance = posterior.noise_scale().powi(2).ln() + 0.3 * offset(4);
                beta.chain(std::iter::repeat_n(variance, unknown)).collect()
            })
            .collect();
        let options = mcmc::Options {
            steps: 6000,
            burn_in: 1000,
            seed: 2,
        };
        let log_prob = |p: &[f64]| posterior.log_density(p);
        let chain = mcmc::sample(&log_prob, &starts, &options, &ignore_events).unwrap();
        let summary = chain.summary().unwrap();
        for j in 0..4 {
            let s = &summary[j];
            let error = (s.mean - posterior.mean()[j]) / s.standard_error;
            assert!(error.abs() < 3.0, "coefficient {j}: {error} standard errors");
            // The error of a standard deviation is about sigma / sqrt(2 ess), more with the tails of Student's t.
            let ess = chain.diagnostics().parameters[j].ess_tail;
            let ratio = s.sigma / covariance[(j, j)].sqrt();
            assert!(
                (ratio - 1.0).abs() < 3.0 / ess.sqrt(),
                "coefficient {j}: sigma is {ratio} of the exact one"
            );
        }
        if let NoisePosterior::InverseGamma { shape, rate } = posterior.noise() {
            let mean_precision = chain.draws().map(|draw| (-draw[4]).exp()).sum::<f64>() / chain.draws().len() as f64;
            let sigma = (1.0 / shape / chain.diagnostics().parameters[4].ess_bulk).sqrt();
            assert!(
                (mean_precision / (shape / rate) - 1.0).abs() < 3.0 * sigma,
                "{mean_precision} {}",
                shape / rate
            );
        }
    }
}

#[test]
fn designs_that_determine_nothing_are_refused_unless_left_to_a_proper_prior() {
    let wide = design(&[&[1.0, 0.3, 2.0], &[1.0, -0.5, 1.0]]);
    let refused = fit(&wide, &[1.0, 2.0], &flat(3), Undetermined::LeaveToPrior).unwrap_err();
    assert_eq!(refused, Error::MoreColumnsThanRows { rows: 2, columns: 3 });
    let noise = Noise::InverseGamma { shape: 1.0, rate: 1.0 };
    let proper = Prior {
        mean: vec![0.0; 3],
        precision: vec![1.0; 3],
        noise,
    };
    assert_eq!(
        fit(&wide, &[1.0, 2.0], &proper, Undetermined::Refuse).unwrap_err(),
        refused
    );
    let posterior = fit(&wide, &[1.0, 2.0], &proper, Undetermined::LeaveToPrior).unwrap();
    // (X^T X + 1)^-1 X^T y, by X^T (X X^T + 1)^-1 y.
    let expected = wide.transpose()
        * (&wide * wide.transpose() + DMatrix::identity(2, 2))
            .try_inverse()
            .unwrap()
        * DVector::from_column_slice(&[1.0, 2.0]);
    assert_close(posterior.mean(), expected.as_slice(), 1e-12);

    // Column 3 is twice column 1 minus column 0.
    let x = |i: usize| ((i * i) as f64 * 0.7).sin() * 100.0;
    let singular = DMatrix::from_fn(20, 4, |i, j| [1.0, x(i), x(i + 50), 2.0 * x(i) - 1.0][j]);
    let y: Vec<f64> = (0..20).map(|i| x(i + 9)).collect();
    let refused = fit(&singular, &y, &flat(4), Undetermined::Refuse).unwrap_err();
    assert_eq!(refused, Error::Singular { columns: vec![0, 1, 3] });
    let proper = Prior {
        mean: vec![0.0; 4],
        precision: vec![0.1; 4],
        noise,
    };
    assert!(fit(&singular, &y, &proper, Undetermined::LeaveToPrior).is_ok());
}

#[test]
fn bad_values_are_named() {
    let good: [&[f64]; 4] = [&[1.0, 0.5], &[1.0, 2.0], &[1.0, 3.0], &[1.0, 7.0]];
    let y = [1.0, 2.0, 2.5, 9.0];
    let with = |row: usize, column: usize, value: f64| {
        let mut x = design(&good);
        x[(row, column)] = value;
        fit(&x, &y, &flat(2), Undetermined::Refuse)
    };
    assert!(with(0, 1, 0.6).is_ok());
    assert!(matches!(
        with(2, 1, f64::NAN),
        Err(Error::Design { row: 2, column: 1, .. })
    ));
    assert_eq!(
        with(3, 0, f64::INFINITY).unwrap_err(),
        Error::Design {
            row: 3,
            column: 0,
            value: f64::INFINITY
        }
    );
    let label = fit(
        &design(&good),
        &[1.0, f64::NEG_INFINITY, 2.0, 3.0],
        &flat(2),
        Undetermined::Refuse,
    );
    assert_eq!(
        label.unwrap_err(),
        Error::Label {
            row: 1,
            value: f64::NEG_INFINITY
        }
    );
    let constant = DMatrix::from_fn(4, 2, |_, j| [1.0, 3.0][j]);
    let refused = fit(&constant, &y, &flat(2), Undetermined::Refuse).unwrap_err();
    assert_eq!(refused, Error::Constant { column: 1, value: 3.0 });
    let short = fit(&design(&good), &y[..3], &flat(2), Undetermined::Refuse).unwrap_err();
    assert_eq!(
        short,
        Error::Length {
            what: "the labels",
            found: 3,
            expected: 4
        }
    );
    assert_eq!(
        fit(&DMatrix::zeros(0, 2), &[], &flat(2), Undetermined::Refuse).unwrap_err(),
        Error::Empty { rows: 0, columns: 2 }
    );
}

#[test]
fn noise_that_is_not_determined_is_refused() {
    let x = design(&[&[1.0, 0.0], &[1.0, 1.0], &[1.0, 2.0]]);
    let exact = [3.0, 5.0, 7.0];
    assert_eq!(
        fit(&x, &exact, &flat(2), Undetermined::Refuse).unwrap_err(),
        Error::NoNoise
    );
    let two = design(&[&[1.0, 0.0], &[1.0, 1.0]]);
    assert_eq!(
        fit(&two, &[1.0, 3.0], &flat(2), Undetermined::Refuse).unwrap_err(),
        Error::NoNoise
    );
}

#[test]
fn priors_outside_their_range_are_refused() {
    let x = design(&[&[1.0, 0.0], &[1.0, 1.0], &[1.0, 2.5]]);
    let refused = |prior: Prior| {
        fit(&x, &[1.0, 2.0, 2.5], &prior, Undetermined::Refuse)
            .unwrap_err()
            .to_string()
    };
    let noise = |noise| Prior { noise, ..flat(2) };
    assert!(refused(noise(Noise::Known { sigma: 0.0 })).contains("sigma of the prior is 0"));
    assert!(refused(noise(Noise::InverseGamma { shape: -1.0, rate: 1.0 })).contains("the shape of the prior is -1"));
    assert!(
        refused(noise(Noise::InverseGamma {
            shape: 1.0,
            rate: f64::NAN
        }))
        .contains("the rate of the prior is NaN")
    );
    assert!(
        refused(Prior {
            precision: vec![0.0, -1.0],
            ..flat(2)
        })
        .contains("a precision of the prior is -1")
    );
    assert!(
        refused(Prior {
            mean: vec![f64::NAN, 0.0],
            ..flat(2)
        })
        .contains("a mean of the prior is NaN")
    );
    assert!(refused(flat(3)).contains("3 values where 2 are needed"));
}
