//! Standard errors of the metrics by bootstrap (Efron 1979, Ann. Stat. 7, 1).

use super::{METRICS, Metrics, ScoredPrediction};
use crate::posterior::Error;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Default number of samples, which gives standard errors to 5 %.
pub const SAMPLES: usize = 200;

/// The standard deviation of each of [`METRICS`] over `samples` resamplings of the objects with replacement.
///
/// Sample k depends only on (seed, k). Samples in which a metric is not finite are left out for that metric. The result is
/// NaN for a single object, which says nothing about the scatter between objects.
///
/// # Errors
/// Those of [`Metrics::new`].
pub fn bootstrap(objects: &[ScoredPrediction], samples: usize, seed: u64) -> Result<[f64; METRICS.len()], Error> {
    if objects.len() == 1 {
        return Ok([f64::NAN; METRICS.len()]);
    }
    let sample = |k: usize| Metrics::new(&resample(objects, seed, k)).map(|m| METRICS.map(|metric| (metric.of)(&m)));
    let all: Vec<_> = (0..samples).into_par_iter().map(sample).collect::<Result<_, _>>()?;
    Ok(std::array::from_fn(|metric| {
        deviation(all.iter().map(|values| values[metric]).filter(|v| v.is_finite()))
    }))
}

/// Sample k: as many of the objects, drawn with replacement.
pub(super) fn resample<T: Copy>(objects: &[T], seed: u64, k: usize) -> Vec<T> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(k as u64);
    let mut draw = || objects[rng.random_range(0..objects.len() as u64) as usize];
    (0..objects.len()).map(|_| draw()).collect()
}

fn deviation(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    (values.map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posterior::MemberPredictions;
    use crate::posterior::calibration::PredictiveDistribution;

    #[test]
    fn the_error_of_a_mean_and_of_a_constant() {
        let objects: Vec<ScoredPrediction> = (0..400)
            .map(|i| {
                let error = if i % 2 == 0 { 0.3 } else { -0.3 };
                ScoredPrediction::new(
                    1.0,
                    &PredictiveDistribution::new(&MemberPredictions::gaussian(&[1.0 + error], &[0.09]), None).unwrap(),
                )
            })
            .collect();
        let errors = bootstrap(&objects, 400, 1).unwrap();
        let of = |name: &str| errors[METRICS.iter().position(|f| f.name == name).unwrap()];
        assert!((of("bias") / (0.3 / 20.0) - 1.0).abs() < 0.15, "{}", of("bias"));
        assert!(of("sharpness") < 1e-12);
        assert_eq!(
            errors.map(f64::to_bits),
            bootstrap(&objects, 400, 1).unwrap().map(f64::to_bits)
        );
        assert_ne!(of("bias"), bootstrap(&objects, 400, 2).unwrap()[1], "another seed");
        assert!(bootstrap(&objects[..1], 400, 1).unwrap().iter().all(|e| e.is_nan()));
    }
}
