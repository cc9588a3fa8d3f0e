//! Student's t with five degrees of freedom, in closed form.
//!
//! Density and tail are written out because the tail keeps its digits down to 1e-300 that way.

use super::{Component, Error, Family};
use rand::Rng;
use rand_distr::Distribution;
use std::f64::consts::PI;

/// Degrees of freedom. The closed forms below hold for 5 only.
const NU: f64 = 5.0;
/// Density at 0: Gamma(3) / (Gamma(5/2) sqrt(5 pi)).
const PEAK: f64 = 0.379_606_689_822_494_45;

pub(super) struct StudentT;

impl Family for StudentT {
    fn location_and_scale(&self, mean: f64, sigma: f64) -> Result<(f64, f64), Error> {
        Ok((mean, sigma * ((NU - 2.0) / NU).sqrt()))
    }

    fn mean(&self, of: &Component) -> f64 {
        of.location
    }

    fn sigma(&self, of: &Component) -> f64 {
        of.scale * (NU / (NU - 2.0)).sqrt()
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
        -0.5 * (NU + 1.0) * (z * z / NU).ln_1p() - of.scale.ln()
    }

    fn log_constant(&self) -> f64 {
        PEAK.ln()
    }

    /// With s = sin(phi) and tan(phi) = sqrt(5) / z, it is 8 / (3 pi) times the integral of sin^4 from 0 to phi.
    fn tail(&self, z: f64) -> f64 {
        let hypotenuse = z.hypot(NU.sqrt());
        let (s, c) = (NU.sqrt() / hypotenuse, z / hypotenuse);
        if s > 0.5 {
            return (NU.sqrt().atan2(z) - s * c * (1.0 + 2.0 / 3.0 * s * s)) / PI;
        }
        // Integral of s^4 / sqrt(1 - s^2) term by term, where the closed form would cancel.
        let (mut power, mut sum) = (s.powi(5), 0.0);
        for k in 0..32 {
            let k = f64::from(k);
            sum += power / (5.0 + 2.0 * k);
            power *= s * s * (2.0 * k + 1.0) / (2.0 * k + 2.0);
        }
        8.0 / (3.0 * PI) * sum
    }

    fn tail_bound(&self, p: f64) -> f64 {
        // The density is below PEAK (z^2/5)^-3.
        (PEAK * 25.0 / p).powf(0.2)
    }

    fn distance_to(&self, of: &Component, x: f64) -> f64 {
        mean_absolute(of.location - x, of.scale, 0.0)
    }

    fn distance(&self, of: &Component, other: &Component) -> f64 {
        mean_absolute(of.location - other.location, of.scale, other.scale)
    }

    fn sample(&self, rng: &mut dyn Rng) -> f64 {
        let standard = rand_distr::StudentT::new(NU).expect("NU is positive");
        standard.sample(rng)
    }

    fn is_of_logarithm(&self) -> bool {
        false
    }

    fn label_moments(&self, mean: f64, var: f64) -> (f64, f64) {
        (mean, var)
    }

    fn log_scale_over_sigma(&self) -> f64 {
        0.5 * ((NU - 2.0) / NU).ln()
    }

    fn shift_to_mean(&self, _before: &[Component], _after: &[Component]) -> f64 {
        0.0
    }
}

/// E|c + a T + b T'| of two independent Student's t variables.
///
/// It is 2/pi times the integral of (1 - Re f(t)) / t^2 over t > 0, where f is the characteristic function: exp(i c t)
/// times exp(-A t) (1 + A t + A^2 t^2 / 3) with A = sqrt(5) a, times the same with b. Each term has a primitive.
pub(super) fn mean_absolute(c: f64, a: f64, b: f64) -> f64 {
    let [a, b] = [a, b].map(|scale| NU.sqrt() * scale);
    let unit = (a + b).hypot(c);
    if unit == 0.0 {
        return 0.0;
    }
    let [a, b, c] = [a, b, c].map(|length| length / unit);
    let s = a + b;
    let second = ((a * a + b * b) / 3.0 + a * b) * s;
    let third = a * b * s / 3.0 * (s * s - c * c);
    let fourth = 2.0 / 9.0 * (a * b).powi(2) * s * (s * s - 3.0 * c * c);
    2.0 / PI * unit * (s + c * c.atan2(s) - second - third - fourth)
}
