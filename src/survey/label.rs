//! Which numbers can be labels. Others, such as 1e300 in a damaged catalogue, would become infinite in a square or a sum.

use std::ops::RangeInclusive;

/// Sizes of labels that are not 0: those whose squares are neither 0 nor infinite.
const SIZES: RangeInclusive<f64> = 1e-100..=1e100;

/// Whether a number can be an Einstein radius, in whatever unit it is.
pub(crate) fn is_radius(label: f64) -> bool {
    SIZES.contains(&label)
}

/// Whether a number can be the label of a row of a table.
pub(crate) fn is_value(label: f64) -> bool {
    label == 0.0 || SIZES.contains(&label.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_no_labels() {
        for label in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300, 1e-300] {
            assert!(!is_radius(label) && !is_value(label), "{label}");
        }
        assert!(!is_radius(0.0) && !is_radius(-1.0) && is_value(0.0) && is_value(-1.0));
        assert!(is_radius(1.5) && is_radius(1e30) && is_radius(1e-30));
    }
}
