//! Numbers from which nothing can be computed.

use super::calibration::Method;
use crate::likelihood;

/// Predictions, true values or features from which nothing can be computed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An ensemble without members, or one whose means and variances differ in number.
    #[error("the ensemble has {means} means but {variances} variances")]
    MemberCount {
        /// Number of means.
        means: usize,
        /// Number of variances.
        variances: usize,
    },
    /// A member's mean and variance are those of no distribution.
    #[error("the prediction of member {member} is invalid")]
    Member {
        /// Index in the ensemble.
        member: usize,
        /// What is wrong with its mean and variance.
        source: likelihood::Error,
    },
    /// There is nothing to compute metrics of.
    #[error("no object has both a prediction and a true value")]
    NoObjects,
    /// An object's true value or prediction is not finite.
    #[error(
        "object {index}: true value {truth}, predicted {predicted}, NLL {nll}: all must be finite, and true values \
         positive if the likelihood is log-normal"
    )]
    NotFinite {
        /// Index in the given objects.
        index: usize,
        /// True value, arcsec.
        truth: f64,
        /// Mean of the mixture, arcsec.
        predicted: f64,
        /// -ln p(truth), p in 1/arcsec.
        nll: f64,
    },
    /// A true value of the calibration set is not finite.
    #[error("row {row} of the calibration set: the true value {truth} is not finite")]
    TruthNotFinite {
        /// Index in the given rows.
        row: usize,
        /// As given, arcsec.
        truth: f64,
    },
    /// The calibration set is too small for the method.
    #[error("{rows} rows are too few for calibration by {}: at least {needed} are needed", .method.name())]
    TooFewRows {
        /// What was to be fitted.
        method: Method,
        /// Rows given.
        rows: usize,
        /// Rows needed.
        needed: usize,
    },
    /// A covariance needs two images at least.
    #[error("{images} images are too few to fit the distribution of features: at least 2 are needed")]
    TooFewImages {
        /// Images given.
        images: usize,
    },
    /// The features have no usable covariance.
    #[error("the features of the last hidden layer are constant or not finite")]
    DegenerateFeatures,
}
