//! The learning rate schedule.

use std::f64::consts::PI;

/// Learning rate of step `step` of `steps`: half a cosine from `first` to `last` (Loshchilov & Hutter 2017, eq. 5).
pub fn cosine(step: usize, steps: usize, first: f32, last: f32) -> f32 {
    let (first, last) = (f64::from(first), f64::from(last));
    let fraction = step as f64 / (steps.max(2) - 1) as f64;
    (last + 0.5 * (first - last) * (1.0 + (PI * fraction).cos())) as f32
}

/// [`cosine`] with a linear warm-up over the first `warm_up` steps (Goyal et al. 2017).
pub fn warmed(step: usize, steps: usize, warm_up: usize, first: f32, last: f32) -> f32 {
    let rate = cosine(step, steps, first, last);
    if step >= warm_up {
        return rate;
    }
    (f64::from(rate) * (step + 1) as f64 / (warm_up + 1) as f64) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_falls_from_the_first_to_the_last() {
        let rates: Vec<f32> = (0..101).map(|step| cosine(step, 101, 1e-3, 1e-5)).collect();
        assert_eq!((rates[0], rates[100]), (1e-3, 1e-5));
        assert!((rates[50] - 5.05e-4).abs() < 1e-9);
        assert!(rates.windows(2).all(|w| w[0] > w[1]));
        assert_eq!(cosine(0, 1, 1e-3, 1e-5), 1e-3);
        let warmed: Vec<f32> = (0..101).map(|step| warmed(step, 101, 4, 1e-3, 1e-5)).collect();
        assert!((warmed[0] - 2e-4).abs() < 1e-9 && (warmed[1] - 4e-4).abs() < 1e-6);
        assert_eq!(warmed[4..], rates[4..]);
    }
}
