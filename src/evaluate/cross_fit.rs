//! The effect of a calibration, measured on rows that it was not fitted to.

use crate::posterior;
use crate::posterior::calibration::{Map, Method, PredictiveDistribution, fit};
use crate::posterior::metrics::{Metrics, ScoredPrediction};
use crate::posterior::mixture::Mixture;
use crate::survey::split::random_order;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Metrics with the calibration `stored` in a model, and with a new one. `rows` are split at random by `seed`; a
/// calibration is fitted to each half and scored on the other.
///
/// # Errors
/// Those of [`fit`] for half of the rows.
pub fn cross_fitted(
    method: Method,
    rows: &[(Mixture, f64)],
    stored: Option<&Map>,
    seed: u64,
) -> Result<(Metrics, Metrics), posterior::Error> {
    let order = random_order(rows.len(), &mut ChaCha8Rng::seed_from_u64(seed));
    let (a, b) = order.split_at(order.len() / 2);
    let pick = |half: &[usize]| half.iter().map(|&row| rows[row].clone()).collect::<Vec<_>>();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (fitted, scored) in [(pick(a), pick(b)), (pick(b), pick(a))] {
        let map = fit(method, &fitted)?;
        for (mixture, truth) in &scored {
            let score = |map| ScoredPrediction::new(*truth, &PredictiveDistribution::of(mixture, map));
            before.push(score(stored));
            after.push(score(Some(&map)));
        }
    }
    Ok((Metrics::new(&before)?, Metrics::new(&after)?))
}

#[cfg(test)]
mod tests {
    use super::super::{mixtures, tests::labelled};
    use super::*;

    #[test]
    fn cross_fitting_scores_every_row_once() {
        let rows = mixtures(&labelled(60)).unwrap();
        let (before, after) = cross_fitted(Method::Factors, &rows, None, 1).unwrap();
        assert_eq!((before.n, after.n), (60, 60));
        assert!((before.rmse - after.rmse).abs() < 1e-12);
        assert!(cross_fitted(Method::Factors, &rows[..30], None, 1).is_err());
    }

    #[test]
    fn before_is_the_model_with_its_stored_calibration() {
        let rows = mixtures(&labelled(60)).unwrap();
        let stored = fit(Method::Factors, &rows).unwrap();
        let [raw, calibrated] =
            [None, Some(&stored)].map(|stored| cross_fitted(Method::Factors, &rows, stored, 1).unwrap());
        assert_ne!(raw.0.nll, calibrated.0.nll);
        assert_eq!(
            raw.1, calibrated.1,
            "the new calibration does not depend on the stored one"
        );
    }
}
