//! Scores of predictions for images in memory.

use super::{Error, MetricSet};
use crate::infer::ImagePrediction;
use crate::model::Model;
use crate::posterior::metrics::ScoredPrediction;

/// Scores what `model` predicted for images with known values, as `lensgpu evaluate` does: one value of `truth` per
/// prediction, arcsec. Images without a prediction are left out. `seed` determines the bootstrap samples.
///
/// # Errors
/// Unequal numbers of predictions and true values; no prediction; a true value that is not finite.
pub fn evaluate_arrays(
    model: &Model,
    predictions: &[ImagePrediction],
    truth: &[f64],
    seed: u64,
) -> Result<MetricSet, Error> {
    if predictions.len() != truth.len() {
        return Err(Error::TruthLength {
            predictions: predictions.len(),
            found: truth.len(),
        });
    }
    let scored = predictions.iter().zip(truth).filter_map(|(image, &truth)| {
        let distribution = image.distribution(model)?;
        Some(ScoredPrediction::new(truth, &distribution))
    });
    let scored: Vec<ScoredPrediction> = scored.collect();
    if scored.is_empty() {
        return Err(Error::NoObjects);
    }
    Ok(MetricSet::new("ensemble".into(), &scored, seed)?)
}
