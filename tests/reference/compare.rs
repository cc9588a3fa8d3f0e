//! How far values are from what they should be.

/// max |got - want|, infinite for a value that is not finite.
pub fn largest_error<G: Copy + Into<f64>, W: Copy + Into<f64>>(got: &[G], want: &[W]) -> f64 {
    errors(got, want).fold(0.0, f64::max)
}

/// Fails with the worst elements unless every value is within `tolerance` times the largest value of `want`; where all
/// of `want` is zero, within `tolerance`.
pub fn assert_close<G: Copy + Into<f64>, W: Copy + Into<f64>>(name: &str, got: &[G], want: &[W], tolerance: f64) {
    assert_eq!(
        got.len(),
        want.len(),
        "{name}: {} values, {} expected",
        got.len(),
        want.len()
    );
    let largest = want.iter().map(|&w| w.into().abs()).fold(0.0, f64::max);
    let scale = if largest > 0.0 { largest } else { 1.0 };
    let errors: Vec<f64> = errors(got, want).map(|error| error / scale).collect();
    let mut out: Vec<usize> = (0..errors.len())
        .filter(|&i| errors[i].is_nan() || errors[i] > tolerance)
        .collect();
    if out.is_empty() {
        return;
    }
    out.sort_by(|&i, &j| errors[j].total_cmp(&errors[i]));
    let worst: Vec<String> = out
        .iter()
        .take(8)
        .map(|&i| {
            format!(
                "  [{i}] {:e}, expected {:e}, error {:.1e}",
                got[i].into(),
                want[i].into(),
                errors[i]
            )
        })
        .collect();
    panic!(
        "{name}: {} of {} values are further than {tolerance:.1e} of the largest from what is expected:\n{}",
        out.len(),
        errors.len(),
        worst.join("\n")
    );
}

fn errors<G: Copy + Into<f64>, W: Copy + Into<f64>>(got: &[G], want: &[W]) -> impl Iterator<Item = f64> {
    got.iter().zip(want).map(|(&got, &want)| {
        let error = (got.into() - want.into()).abs();
        if error.is_finite() { error } else { f64::INFINITY }
    })
}
