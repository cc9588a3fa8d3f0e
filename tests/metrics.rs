//! Metrics and quantiles against independent implementations, on a recorded table: see `tests/data/metrics/README.md`.

use lensgpu::posterior::MemberPredictions;
use lensgpu::posterior::calibration::PredictiveDistribution;
use lensgpu::posterior::metrics::{METRICS, Metrics, ScoredPrediction};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

fn recorded(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/metrics");
    fs::read_to_string(folder.join(name)).unwrap()
}

/// (true value, means, variances) of each object.
fn predictions() -> Vec<(f64, Vec<f64>, Vec<f64>)> {
    let rows = recorded("predictions.csv");
    let row = |line: &str| {
        let v: Vec<f64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
        (v[0], v[1..6].to_vec(), v[6..].to_vec())
    };
    rows.lines().skip(1).map(row).collect()
}

#[test]
fn every_metric_agrees_to_1e_minus_6() {
    let expected: Value = serde_json::from_str(&recorded("expected.json")).unwrap();
    let rows = predictions();
    let compare = |name: &str, members: &[usize], sigmas: f64| {
        let scored: Vec<ScoredPrediction> = rows
            .iter()
            .map(|(truth, mu, var)| {
                let var: Vec<f64> = var.iter().map(|v| v * sigmas * sigmas).collect();
                let selected = MemberPredictions::gaussian(mu, &var).select(members);
                ScoredPrediction::new(*truth, &PredictiveDistribution::new(&selected, None).unwrap())
            })
            .collect();
        let metrics = Metrics::new(&scored).unwrap();
        for metric in &METRICS {
            let (ours, theirs) = ((metric.of)(&metrics), expected[name][metric.name].as_f64().unwrap());
            assert!(
                (ours - theirs).abs() <= 1e-6,
                "{name}: {} is {ours}, not {theirs}",
                metric.name
            );
        }
    };
    for (sigmas, what) in [(1.0, ""), (0.25, ", sigmas / 4")] {
        compare(&format!("mixture{what}"), &[0, 1, 2, 3, 4], sigmas);
        (0..5).for_each(|m| compare(&format!("member {m}{what}"), &[m], sigmas));
    }
}

#[test]
fn quantiles_agree_with_root_finding() {
    let expected: Value = serde_json::from_str(&recorded("expected.json")).unwrap();
    let quantiles = expected["quantiles of the first 10"].as_array().unwrap();
    for ((_, mu, var), expected) in predictions().iter().zip(quantiles) {
        let ours = PredictiveDistribution::new(&MemberPredictions::gaussian(mu, var), None)
            .unwrap()
            .prediction()
            .quantiles;
        for (ours, theirs) in ours.iter().zip(expected.as_array().unwrap()) {
            // A radius is not negative.
            let theirs = theirs.as_f64().unwrap().max(0.0);
            assert!((ours - theirs).abs() < 1e-9);
        }
    }
}
