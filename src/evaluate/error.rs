//! Why a model could not be evaluated.

/// Why there is no evaluation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing to evaluate on.
    #[error("there is no labelled object to evaluate on")]
    NoObjects,
    /// True values that do not belong to the predictions.
    #[error("{found} true values for {predictions} predictions")]
    TruthLength {
        /// Number of predictions.
        predictions: usize,
        /// Number of true values.
        found: usize,
    },
    /// Metrics of some of the objects would be misleading.
    #[error("stopped after {done} of {total} objects")]
    Stopped {
        /// Objects with a prediction.
        done: usize,
        /// All objects.
        total: usize,
    },
    /// An object has no label.
    #[error("object {id} has no true value")]
    Unlabelled {
        /// Id of the object.
        id: String,
    },
    /// Predictions or true values that nothing can be computed from.
    #[error(transparent)]
    Posterior(#[from] crate::posterior::Error),
    /// Inference failed.
    #[error(transparent)]
    Infer(#[from] crate::infer::Error),
}
