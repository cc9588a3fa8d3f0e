//! Expected values of tests, as tests/data/bayes/make.py recorded them.

use serde_json::Value;
use std::path::Path;

/// A recorded file.
pub fn read(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/bayes")
        .join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A list of numbers.
pub fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// A number.
pub fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// Fails unless both agree to this relative difference, or absolute difference below 1.
pub fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        let difference = (f - e).abs() / e.abs().max(1.0);
        assert!(difference <= tolerance, "entry {i}: {f} instead of {e}");
    }
}
