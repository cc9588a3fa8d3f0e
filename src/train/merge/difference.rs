//! The first value in which two trees of values differ.

use serde_json::Value;

/// Numbers that differ by a smaller fraction are the same: mathematical functions differ in the last bit between machines.
const TOLERANCE: f64 = 1e-6;

/// A value that differs.
#[derive(Debug, PartialEq)]
pub(super) struct Difference {
    /// Its keys, such as `training.seed`, without the first one.
    pub path: String,
    /// In both trees.
    pub values: [Value; 2],
}

/// The first difference of two trees; `None` if they are the same.
pub(super) fn difference(a: &Value, b: &Value) -> Option<Difference> {
    let (keys, values) = first(a, b)?;
    let named = keys.into_iter().rev().skip(1);
    Some(Difference {
        path: named.collect::<Vec<_>>().join("."),
        values,
    })
}

/// The keys of the first difference, the last one first, and its values.
fn first(a: &Value, b: &Value) -> Option<(Vec<String>, [Value; 2])> {
    let below = |key: &str, a: &Value, b: &Value| {
        let (mut keys, values) = first(a, b)?;
        keys.push(key.into());
        Some((keys, values))
    };
    match (a, b) {
        (Value::Object(left), Value::Object(right)) => {
            let keys = left.keys().chain(right.keys().filter(|key| !left.contains_key(*key)));
            keys.into_iter().find_map(|key| below(key, &a[key], &b[key]))
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            let mut pairs = left.iter().zip(right).enumerate();
            pairs.find_map(|(at, (a, b))| below(&at.to_string(), a, b))
        }
        (a, b) if a == b || are_close(a, b) => None,
        (a, b) => Some((vec![], [a.clone(), b.clone()])),
    }
}

/// Counts and seeds must be equal.
fn are_close(a: &Value, b: &Value) -> bool {
    if !(a.is_f64() && b.is_f64()) {
        return false;
    }
    let numbers = a.as_f64().zip(b.as_f64());
    numbers.is_some_and(|(a, b)| (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_difference_has_a_name_and_rounding_is_none() {
        let a = json!({"run": {"seed": 10_000_000, "rates": [1e-3, 2e-3], "label": "theta_e", "folds": null}});
        let mut b = a.clone();
        assert_eq!(difference(&a, &b), None);
        b["run"]["rates"][1] = json!(2e-3 * (1.0 + 1e-9));
        assert_eq!(difference(&a, &b), None);
        b["run"]["rates"][1] = json!(2.001e-3);
        let found = difference(&a, &b).unwrap();
        assert_eq!(
            (found.path.as_str(), found.values),
            ("rates.1", [json!(2e-3), json!(2.001e-3)])
        );
        b = a.clone();
        b["run"]["seed"] = json!(10_000_001);
        assert_eq!(difference(&a, &b).unwrap().path, "seed");
        b = a.clone();
        b["run"]["crop"] = json!(5);
        assert_eq!(difference(&a, &b).unwrap().values, [Value::Null, json!(5)]);
        assert_eq!(
            difference(&json!({"run": [1]}), &json!({"run": [1, 2]})).unwrap().path,
            ""
        );
    }
}
