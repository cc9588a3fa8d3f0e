//! Autocovariances by Fourier transforms, and the integrated autocorrelation time.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

/// Lags over which the autocorrelation is summed, in autocorrelation times (Sokal 1997; the default of emcee).
const WINDOW: f64 = 5.0;

/// The autocovariances of several series of the same length n, summed over the series: entry k is the sum of
/// (x_i - mean)(x_{i+k} - mean) / n over i and series. The means are those of each series.
pub fn summed_autocovariances<'a>(series: impl IntoIterator<Item = &'a [f64]>) -> Vec<f64> {
    let series: Vec<&[f64]> = series.into_iter().collect();
    let n = series.first().map_or(0, |s| s.len());
    if n == 0 {
        return Vec::new();
    }
    // Padded with zeros, so that the circular correlation does not wrap around.
    let size = (2 * n).next_power_of_two();
    let mut planner = FftPlanner::new();
    let (forward, inverse) = (planner.plan_fft_forward(size), planner.plan_fft_inverse(size));
    let mut scratch =
        vec![Complex::default(); forward.get_inplace_scratch_len().max(inverse.get_inplace_scratch_len())];
    let mut power = vec![Complex::default(); size];
    let mut values = vec![Complex::default(); size];
    // Two series per transform, as real and imaginary part: the real part of the result is the sum over both.
    for pair in series.chunks(2) {
        values.fill(Complex::default());
        let mean = |s: &[f64]| s.iter().sum::<f64>() / n as f64;
        let means: Vec<f64> = pair.iter().map(|s| mean(s)).collect();
        for (i, value) in values[..n].iter_mut().enumerate() {
            value.re = pair[0][i] - means[0];
            value.im = pair.get(1).map_or(0.0, |s| s[i] - means[1]);
        }
        forward.process_with_scratch(&mut values, &mut scratch);
        for (power, value) in power.iter_mut().zip(&values) {
            power.re += value.norm_sqr();
        }
    }
    inverse.process_with_scratch(&mut power, &mut scratch);
    power[..n].iter().map(|p| p.re / (size as f64 * n as f64)).collect()
}

/// The integrated autocorrelation time in steps: 1 + 2 sum of the autocorrelations, averaged over the walkers and summed
/// up to the first lag of at least [`WINDOW`] times the sum so far (Sokal 1997, as in emcee). NaN if a walker does not
/// vary.
pub fn integrated_time(walkers: &[Vec<f64>]) -> f64 {
    let scaled: Vec<Vec<f64>> = walkers
        .iter()
        .map(|walker| {
            let n = walker.len() as f64;
            let mean = walker.iter().sum::<f64>() / n;
            let sigma = (walker.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
            walker.iter().map(|x| (x - mean) / sigma).collect()
        })
        .collect();
    let correlation = summed_autocovariances(scaled.iter().map(Vec::as_slice));
    let mut tau = -1.0;
    for (lag, sum) in correlation.iter().enumerate() {
        tau += 2.0 * sum / walkers.len() as f64;
        if lag as f64 >= WINDOW * tau {
            break;
        }
    }
    tau
}
