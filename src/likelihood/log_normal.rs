//! The distribution of a positive value whose logarithm is Gaussian.

use super::gaussian::Gaussian;
use super::{Component, Error, Family};
use libm::erf;
use rand::Rng;
use std::f64::consts::SQRT_2;

pub(super) struct LogNormal;

impl Family for LogNormal {
    fn location_and_scale(&self, mean: f64, sigma: f64) -> Result<(f64, f64), Error> {
        if mean <= 0.0 {
            return Err(Error::MeanNotPositive { mean });
        }
        let log_variance = (sigma / mean).powi(2).ln_1p();
        Ok((mean.ln() - 0.5 * log_variance, log_variance.sqrt()))
    }

    fn mean(&self, of: &Component) -> f64 {
        log_mean(of).exp()
    }

    fn sigma(&self, of: &Component) -> f64 {
        self.mean(of) * (of.scale * of.scale).exp_m1().sqrt()
    }

    fn z(&self, of: &Component, x: f64) -> f64 {
        if x <= 0.0 {
            f64::NEG_INFINITY
        } else {
            (x.ln() - of.location) / of.scale
        }
    }

    fn x(&self, of: &Component, z: f64) -> f64 {
        (of.location + of.scale * z).exp().min(f64::MAX)
    }

    fn dx_dz(&self, of: &Component, x: f64) -> f64 {
        of.scale * x.max(0.0)
    }

    fn log_density(&self, of: &Component, x: f64) -> f64 {
        if x <= 0.0 {
            return f64::NEG_INFINITY;
        }
        let z = self.z(of, x);
        -0.5 * z * z - of.scale.ln() - x.ln()
    }

    fn log_constant(&self) -> f64 {
        Gaussian.log_constant()
    }

    fn tail(&self, z: f64) -> f64 {
        Gaussian.tail(z)
    }

    fn log_tail(&self, z: f64) -> f64 {
        Gaussian.log_tail(z)
    }

    fn tail_bound(&self, p: f64) -> f64 {
        Gaussian.tail_bound(p)
    }

    fn distance_to(&self, of: &Component, x: f64) -> f64 {
        if x <= 0.0 {
            self.mean(of) - x
        } else {
            mean_absolute_difference(log_mean(of), x.ln(), of.scale)
        }
    }

    fn distance(&self, of: &Component, other: &Component) -> f64 {
        mean_absolute_difference(log_mean(of), log_mean(other), of.scale.hypot(other.scale))
    }

    fn sample(&self, rng: &mut dyn Rng) -> f64 {
        Gaussian.sample(rng)
    }

    fn is_of_logarithm(&self) -> bool {
        true
    }

    fn label_moments(&self, mean: f64, var: f64) -> (f64, f64) {
        let of_label = (mean + 0.5 * var).exp();
        (of_label, of_label * of_label * var.exp_m1())
    }

    fn log_scale_over_sigma(&self) -> f64 {
        0.0
    }

    fn shift_to_mean(&self, before: &[Component], after: &[Component]) -> f64 {
        log_mean_of_mixture(before) - log_mean_of_mixture(after)
    }
}

/// ln of the mean.
fn log_mean(of: &Component) -> f64 {
    of.location + 0.5 * of.scale * of.scale
}

/// ln of the mean of an equally weighted mixture; the mean itself may overflow.
fn log_mean_of_mixture(components: &[Component]) -> f64 {
    let largest = components.iter().map(log_mean).fold(f64::NEG_INFINITY, f64::max);
    let relative: f64 = components.iter().map(|c| (log_mean(c) - largest).exp()).sum();
    largest + (relative / components.len() as f64).ln()
}

/// E|X - Y| of two independent log-normal variables with the logarithms `a` and `b` of their means; `scale` is the root
/// of the sum of their squared scales (Margrabe 1978, J. Finance 33, 177).
fn mean_absolute_difference(a: f64, b: f64, scale: f64) -> f64 {
    let d = (a - b) / scale;
    let weight = |d: f64| erf(d / SQRT_2);
    a.exp() * weight(d + 0.5 * scale) - b.exp() * weight(d - 0.5 * scale)
}
