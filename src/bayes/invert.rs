//! Quantiles from distribution functions.

/// The z > 0 with `above(z)` equal to `tail`, where `above` falls from more than `tail` at 0, with slope -`density`.
pub fn upper_quantile(above: impl Fn(f64) -> f64, density: impl Fn(f64) -> f64, tail: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while above(high) > tail {
        (low, high) = (high, 2.0 * high);
    }
    // Newton's method, kept within a bracket that shrinks.
    let mut z = 0.5 * (low + high);
    for _ in 0..200 {
        let error = above(z) - tail;
        match error > 0.0 {
            true => low = z,
            false => high = z,
        }
        let newton = z + error / density(z);
        let next = match newton > low && newton < high {
            true => newton,
            false => 0.5 * (low + high),
        };
        if (next - z).abs() <= 4.0 * f64::EPSILON * z {
            return next;
        }
        z = next;
    }
    z
}
