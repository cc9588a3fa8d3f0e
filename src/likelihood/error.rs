//! Why no distribution has the moments that were given.

/// Moments that no distribution of the likelihood has, or the name of no likelihood.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The mean is not finite, or the variance is not finite and positive.
    #[error("mean {mean}, variance {variance}: both must be finite and the variance positive")]
    InvalidMoments {
        /// As given, in the label's unit.
        mean: f64,
        /// As given, in the label's unit squared.
        variance: f64,
    },
    /// A log-normal distribution cannot have this mean.
    #[error("mean {mean}: the mean of a log-normal distribution must be positive")]
    MeanNotPositive {
        /// As given, in the label's unit.
        mean: f64,
    },
    /// The scale underflows to zero.
    #[error("variance {variance} is too small for mean {mean}")]
    VarianceTooSmall {
        /// As given, in the label's unit.
        mean: f64,
        /// As given, in the label's unit squared.
        variance: f64,
    },
    /// No likelihood has this name.
    #[error("unknown likelihood '{name}', expected one of: {}", super::Likelihood::ALL.map(|l| l.name()).join(", "))]
    UnknownName {
        /// As given.
        name: String,
    },
}
