//! Coverage of the default method over many splits of populations whose errors are not as predicted.

use super::*;

/// An error in units of the predicted sigma.
type Errors = fn(&mut ChaCha8Rng) -> f64;

fn too_wide(rng: &mut ChaCha8Rng) -> f64 {
    0.6 * normal(rng)
}

fn too_narrow(rng: &mut ChaCha8Rng) -> f64 {
    1.8 * normal(rng)
}

/// Student's t with three degrees of freedom: 0.4 % of the errors are beyond 6 of its scales.
fn heavy(rng: &mut ChaCha8Rng) -> f64 {
    let chi2: f64 = (0..3).map(|_| normal(rng).powi(2)).sum();
    0.6 * normal(rng) / (chi2 / 3.0).sqrt()
}

/// Gumbel's distribution.
fn skewed(rng: &mut ChaCha8Rng) -> f64 {
    0.5 * (-(-rng.random_range(f64::EPSILON..1.0).ln()).ln() - 0.3)
}

/// Two percent catastrophic outliers.
fn outliers(rng: &mut ChaCha8Rng) -> f64 {
    if rng.random_bool(0.02) {
        rng.random_range(5.0..20.0)
    } else {
        0.7 * normal(rng)
    }
}

const POPULATIONS: [(&str, Errors); 5] = [
    ("too wide", too_wide),
    ("too narrow", too_narrow),
    ("heavy", heavy),
    ("skewed", skewed),
    ("outliers", outliers),
];

fn population(n: usize, error: Errors, seed: u64) -> Vec<(Mixture, f64)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let row = |_| {
        let (centre, sigma) = (30.0 + rng.random::<f64>(), 0.05 + 0.3 * rng.random::<f64>());
        let mu: Vec<f64> = (0..3).map(|_| centre + 0.5 * sigma * normal(&mut rng)).collect();
        let mixture = Mixture::new(Likelihood::Gaussian, &mu, &[sigma * sigma; 3]).unwrap();
        let truth = mixture.mean() + mixture.sigma() * error(&mut rng);
        (mixture, truth)
    };
    (0..n).map(row).collect()
}

/// For each level, how many of the samples miss it by more than 2.5 standard errors, and the mean change of NLL compared
/// with the better of no calibration and of the factors.
fn missed(error: Errors, n_cal: usize, n_test: usize, samples: u64) -> ([usize; 3], f64) {
    let (mut missed, mut change) = ([0; 3], 0.0);
    for sample in 0..samples {
        let rows = population(n_cal + n_test, error, 7000 + sample);
        let (cal, test) = rows.split_at(n_cal);
        let map = fit(Method::Spline, cal).unwrap();
        let Map::Spline(spline) = &map else { unreachable!() };
        let factors = Map::Factors(spline.factors);
        let (mut nll, mut pits) = ([0.0; 3], Vec::new());
        for (mixture, truth) in test {
            let predicted = PredictiveDistribution::of(mixture, Some(&map));
            pits.push(predicted.pit(*truth));
            nll[0] -= predicted.log_pdf(*truth);
            nll[1] -= mixture.log_pdf(*truth);
            nll[2] -= PredictiveDistribution::of(mixture, Some(&factors)).log_pdf(*truth);
        }
        change += (nll[0] - nll[1].min(nll[2])) / (n_test as f64 * samples as f64);
        for (p, missed) in [0.683, 0.954, 0.997].into_iter().zip(&mut missed) {
            let inside = pits.iter().filter(|pit| (2.0 * **pit - 1.0).abs() <= p).count();
            let allowed = 2.5 * (p * (1.0 - p) * (1.0 / n_cal as f64 + 1.0 / n_test as f64)).sqrt();
            *missed += usize::from((inside as f64 / n_test as f64 - p).abs() > allowed);
        }
    }
    (missed, change)
}

/// The probability to miss a level is about 1 %: three or more of 20 samples are missed in one of 1,000 cases.
#[test]
fn coverage_holds_at_every_level_with_few_and_many_rows() {
    for (n_cal, samples, costs) in [(60, 20, 0.05), (440, 20, 0.01), (5000, 2, 0.002)] {
        for (name, error) in POPULATIONS {
            let (missed, change) = missed(error, n_cal, 1000, samples);
            println!("{name} {n_cal}: missed {missed:?} of {samples}, NLL larger by {change:.4}");
            let most = samples.div_ceil(10) as usize;
            assert!(
                missed.iter().all(|&m| m <= most),
                "{name}, {n_cal} rows: missed {missed:?} of {samples}"
            );
            // One nat per two rows and effective parameter.
            assert!(change < costs, "{name}, {n_cal} rows: NLL is larger by {change}");
        }
    }
}
