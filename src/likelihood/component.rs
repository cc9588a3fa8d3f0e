//! One ensemble member's distribution for one object.

use super::{Error, Likelihood};
use rand::Rng;

/// A distribution of given mean and variance. All values are in the label's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Component {
    pub(crate) likelihood: Likelihood,
    /// Of the label, or of its logarithm.
    pub(crate) location: f64,
    /// Of the label, or of its logarithm.
    pub(crate) scale: f64,
}

impl Component {
    /// The distribution with this mean and variance.
    ///
    /// # Errors
    /// A mean that is not finite (log-normal: not positive), or a variance that is not finite and positive.
    pub fn new(likelihood: Likelihood, mean: f64, var: f64) -> Result<Component, Error> {
        let valid = mean.is_finite() && var.is_finite() && var > 0.0;
        if !valid {
            return Err(Error::InvalidMoments { mean, variance: var });
        }
        let (location, scale) = likelihood.family().location_and_scale(mean, var.sqrt())?;
        if scale.is_nan() || scale <= 0.0 {
            return Err(Error::VarianceTooSmall { mean, variance: var });
        }
        Ok(Component {
            likelihood,
            location,
            scale,
        })
    }

    /// A normal distribution; `sigma` may be any positive number, infinity included.
    pub(crate) fn gaussian(mean: f64, sigma: f64) -> Component {
        Component {
            likelihood: Likelihood::Gaussian,
            location: mean,
            scale: sigma,
        }
    }

    /// The distribution whose z is the label, or its logarithm.
    pub(crate) fn standard(likelihood: Likelihood) -> Component {
        Component {
            likelihood,
            location: 0.0,
            scale: 1.0,
        }
    }

    /// Mean.
    pub fn mean(&self) -> f64 {
        self.likelihood.family().mean(self)
    }

    /// Standard deviation.
    pub fn sigma(&self) -> f64 {
        self.likelihood.family().sigma(self)
    }

    /// The z of an x: its place in the standard distribution; minus infinity below the support.
    pub(crate) fn z(&self, x: f64) -> f64 {
        self.likelihood.family().z(self, x)
    }

    /// The x of a z.
    pub(crate) fn x(&self, z: f64) -> f64 {
        self.likelihood.family().x(self, z)
    }

    /// dx/dz at x: the length over which the distribution changes there.
    pub(crate) fn dx_dz(&self, x: f64) -> f64 {
        self.likelihood.family().dx_dz(self, x)
    }

    /// ln p(x) without the constant of the likelihood.
    pub(crate) fn log_density(&self, x: f64) -> f64 {
        self.likelihood.family().log_density(self, x)
    }

    /// ln p(x), p in 1/unit.
    pub fn log_pdf(&self, x: f64) -> f64 {
        self.log_density(x) + self.likelihood.log_constant()
    }

    /// p(x), in 1/unit.
    pub fn pdf(&self, x: f64) -> f64 {
        self.log_pdf(x).exp()
    }

    /// P(X <= x).
    pub fn cdf(&self, x: f64) -> f64 {
        self.below(self.z(x))
    }

    /// P(X > x), the survival function.
    pub fn sf(&self, x: f64) -> f64 {
        self.below(-self.z(x))
    }

    /// P(Z <= z) of the standard distribution.
    fn below(&self, z: f64) -> f64 {
        let tail = self.likelihood.tail(z.abs());
        if z < 0.0 { tail } else { 1.0 - tail }
    }

    /// E|X - x|.
    pub(crate) fn distance_to(&self, x: f64) -> f64 {
        self.likelihood.family().distance_to(self, x)
    }

    /// E|X - Y|, where Y is independent of X and of the same likelihood.
    pub(crate) fn distance(&self, other: &Component) -> f64 {
        self.likelihood.family().distance(self, other)
    }

    /// One random X.
    pub fn sample(&self, rng: &mut impl Rng) -> f64 {
        self.x(self.likelihood.family().sample(rng))
    }
}
