//! The normal distribution.

use super::{Component, Error, Family};
use libm::{erf, erfc};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::{PI, SQRT_2};

pub(super) struct Gaussian;

impl Family for Gaussian {
    fn location_and_scale(&self, mean: f64, sigma: f64) -> Result<(f64, f64), Error> {
        Ok((mean, sigma))
    }

    fn mean(&self, of: &Component) -> f64 {
        of.location
    }

    fn sigma(&self, of: &Component) -> f64 {
        of.scale
    }

    fn z(&self, of: &Component, x: f64) -> f64 {
        (x - of.location) / of.scale
    }

    fn x(&self, of: &Component, z: f64) -> f64 {
        of.location + of.scale * z
    }

    fn dx_dz(&self, of: &Component, _x: f64) -> f64 {
        of.scale
    }

    fn log_density(&self, of: &Component, x: f64) -> f64 {
        let z = self.z(of, x);
        -0.5 * z * z - of.scale.ln()
    }

    fn log_constant(&self) -> f64 {
        -0.5 * (2.0 * PI).ln()
    }

    fn tail(&self, z: f64) -> f64 {
        0.5 * erfc(z / SQRT_2)
    }

    fn log_tail(&self, z: f64) -> f64 {
        if z < 30.0 {
            return self.tail(z).ln();
        }
        // The asymptotic series of Mills' ratio, whose next term is 1e-8 here (Abramowitz & Stegun 1964, 7.1.23).
        let series = -1.0 / (z * z) + 3.0 / z.powi(4);
        -0.5 * z * z - (z * (2.0 * PI).sqrt()).ln() + series.ln_1p()
    }

    fn tail_bound(&self, p: f64) -> f64 {
        // Phi(-t) <= exp(-t^2/2) / 2.
        (-2.0 * (2.0 * p).ln()).max(0.0).sqrt()
    }

    fn distance_to(&self, of: &Component, x: f64) -> f64 {
        mean_absolute(of.location - x, of.scale)
    }

    fn distance(&self, of: &Component, other: &Component) -> f64 {
        mean_absolute(of.location - other.location, of.scale.hypot(other.scale))
    }

    fn sample(&self, rng: &mut dyn Rng) -> f64 {
        StandardNormal.sample(rng)
    }

    fn is_of_logarithm(&self) -> bool {
        false
    }

    fn label_moments(&self, mean: f64, var: f64) -> (f64, f64) {
        (mean, var)
    }

    fn log_scale_over_sigma(&self) -> f64 {
        0.0
    }

    fn shift_to_mean(&self, _before: &[Component], _after: &[Component]) -> f64 {
        0.0
    }
}

/// E|D| of a Gaussian D: 2 s phi(z) + mu (2 Phi(z) - 1) with z = mu / s.
fn mean_absolute(mu: f64, s: f64) -> f64 {
    let z = mu / s;
    s * (2.0 / PI).sqrt() * (-0.5 * z * z).exp() + mu * erf(z / SQRT_2)
}
