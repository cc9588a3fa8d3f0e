//! What a member's answer is: a distribution of known mean and variance.
//!
//! All three are one symmetric standard distribution of z, and a place and a width that take a label to it: z = (x - mu) / s,
//! or z = (ln x - mu) / s for the log-normal.

use anyhow::{Result, ensure};
use libm::{erf, erfc};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal, StudentT};
use serde::{Deserialize, Serialize};
use std::f64::consts::{PI, SQRT_2};

/// The distribution whose mean and variance the heads give; [`crate::likelihood`] has its density.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Likelihood {
    #[default]
    Gaussian,
    /// Of five degrees of freedom: a label far from the mean costs the logarithm of its distance, not the square.
    StudentT,
    /// The label's logarithm is Gaussian, and the heads give its mean and variance: for labels that are positive.
    LogNormal,
}

impl Likelihood {
    /// As files and the command line have it.
    pub fn name(self) -> &'static str {
        match self {
            Likelihood::Gaussian => "gaussian",
            Likelihood::StudentT => "student-t",
            Likelihood::LogNormal => "log-normal",
        }
    }

    pub fn is_default(&self) -> bool {
        *self == Likelihood::default()
    }
}

/// Degrees of freedom of Student's t. The closed forms below are those of 5 alone.
const NU: f64 = 5.0;
/// Gamma(3) / (Gamma(5/2) sqrt(5 pi)): the density of Student's t at 0.
const STUDENT_PEAK: f64 = 0.379_606_689_822_494_45;

/// One member's distribution, in the label's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Component {
    pub likelihood: Likelihood,
    /// mu of the label, or of its logarithm.
    pub place: f64,
    /// s of the label, or of its logarithm.
    pub width: f64,
}

impl Component {
    /// # Errors
    /// A mean that is not finite (log-normal: not positive), or a variance that is not finite and positive.
    pub fn new(likelihood: Likelihood, mean: f64, var: f64) -> Result<Component> {
        ensure!(
            mean.is_finite() && var.is_finite() && var > 0.0,
            "mean {mean}, variance {var}: both must be finite and the variance positive"
        );
        let sigma = var.sqrt();
        let (place, width) = match likelihood {
            Likelihood::Gaussian => (mean, sigma),
            Likelihood::StudentT => (mean, sigma * ((NU - 2.0) / NU).sqrt()),
            Likelihood::LogNormal => {
                ensure!(mean > 0.0, "mean {mean}: that of a log-normal distribution is positive");
                let of_logarithm = (sigma / mean).powi(2).ln_1p();
                (mean.ln() - 0.5 * of_logarithm, of_logarithm.sqrt())
            }
        };
        ensure!(width > 0.0, "variance {var} is too small for mean {mean}");
        Ok(Component {
            likelihood,
            place,
            width,
        })
    }

    pub fn mean(&self) -> f64 {
        match self.likelihood {
            Likelihood::LogNormal => self.log_mean().exp(),
            _ => self.place,
        }
    }

    /// Of a log-normal distribution: the logarithm of its mean.
    pub fn log_mean(&self) -> f64 {
        self.place + 0.5 * self.width * self.width
    }

    /// Standard deviation.
    pub fn sigma(&self) -> f64 {
        match self.likelihood {
            Likelihood::Gaussian => self.width,
            Likelihood::StudentT => self.width * (NU / (NU - 2.0)).sqrt(),
            Likelihood::LogNormal => self.mean() * (self.width * self.width).exp_m1().sqrt(),
        }
    }

    /// In the standard distribution; minus infinity below the support.
    pub fn z(&self, x: f64) -> f64 {
        match self.likelihood {
            Likelihood::LogNormal if x <= 0.0 => f64::NEG_INFINITY,
            Likelihood::LogNormal => (x.ln() - self.place) / self.width,
            _ => (x - self.place) / self.width,
        }
    }

    /// The other way.
    pub fn x(&self, z: f64) -> f64 {
        match self.likelihood {
            Likelihood::LogNormal => (self.place + self.width * z).exp().min(f64::MAX),
            _ => self.place + self.width * z,
        }
    }

    /// dx/dz: how far around x the distribution changes.
    pub fn spread(&self, x: f64) -> f64 {
        match self.likelihood {
            Likelihood::LogNormal => self.width * x.max(0.0),
            _ => self.width,
        }
    }

    /// ln p(x) without [`constant`].
    pub fn log_density(&self, x: f64) -> f64 {
        let z = self.z(x);
        match self.likelihood {
            Likelihood::Gaussian => -0.5 * z * z - self.width.ln(),
            Likelihood::StudentT => -0.5 * (NU + 1.0) * (z * z / NU).ln_1p() - self.width.ln(),
            Likelihood::LogNormal if x <= 0.0 => f64::NEG_INFINITY,
            Likelihood::LogNormal => -0.5 * z * z - self.width.ln() - x.ln(),
        }
    }

    /// ln p(x).
    pub fn log_pdf(&self, x: f64) -> f64 {
        self.log_density(x) + constant(self.likelihood)
    }

    pub fn pdf(&self, x: f64) -> f64 {
        self.log_pdf(x).exp()
    }

    /// P(X <= x).
    pub fn cdf(&self, x: f64) -> f64 {
        below(self.likelihood, self.z(x))
    }

    /// P(X > x).
    pub fn above(&self, x: f64) -> f64 {
        below(self.likelihood, -self.z(x))
    }

    /// E|X - x|.
    pub fn distance_to(&self, x: f64) -> f64 {
        match self.likelihood {
            Likelihood::Gaussian => gaussian_distance(self.place - x, self.width),
            Likelihood::StudentT => student_distance(self.place - x, self.width, 0.0),
            Likelihood::LogNormal if x <= 0.0 => self.mean() - x,
            Likelihood::LogNormal => log_normal_distance(self.log_mean(), x.ln(), self.width),
        }
    }

    /// E|X - Y|, Y being independent of X and of the same likelihood.
    pub fn distance(&self, other: &Component) -> f64 {
        match self.likelihood {
            Likelihood::Gaussian => gaussian_distance(self.place - other.place, self.width.hypot(other.width)),
            Likelihood::StudentT => student_distance(self.place - other.place, self.width, other.width),
            Likelihood::LogNormal => {
                log_normal_distance(self.log_mean(), other.log_mean(), self.width.hypot(other.width))
            }
        }
    }

    /// One X at random.
    pub fn draw(&self, rng: &mut impl Rng) -> f64 {
        let z = match self.likelihood {
            Likelihood::StudentT => StudentT::new(NU).expect("more than 0 degrees of freedom").sample(rng),
            _ => StandardNormal.sample(rng),
        };
        self.x(z)
    }
}

/// E|D| of a Gaussian D: 2 s phi(z) + mu (2 Phi(z) - 1), z = mu / s.
fn gaussian_distance(mu: f64, s: f64) -> f64 {
    let z = mu / s;
    s * (2.0 / PI).sqrt() * (-0.5 * z * z).exp() + mu * erf(z / SQRT_2)
}

/// E|c + a T + b T'| of two independent Student's t.
///
/// It is 2/pi times the integral of (1 - Re f(t)) / t^2 over t > 0, f being the characteristic function: exp(i c t) times
/// exp(-A t) (1 + A t + A^2 t^2 / 3), A = sqrt(5) a, and the same with b, each term of which has a primitive.
fn student_distance(c: f64, a: f64, b: f64) -> f64 {
    let [a, b] = [a, b].map(|width| NU.sqrt() * width);
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

/// E|X - Y| of two independent log-normal ones, by the logarithms of their means, and the root of the sum of the squares
/// of their widths (Margrabe 1978, J. Finance 33, 177).
fn log_normal_distance(a: f64, b: f64, width: f64) -> f64 {
    let d = (a - b) / width;
    let share = |d: f64| erf(d / SQRT_2);
    a.exp() * share(d + 0.5 * width) - b.exp() * share(d - 0.5 * width)
}

/// What [`Component::log_density`] leaves out.
pub fn constant(likelihood: Likelihood) -> f64 {
    match likelihood {
        Likelihood::StudentT => STUDENT_PEAK.ln(),
        _ => -0.5 * (2.0 * PI).ln(),
    }
}

/// What must be added to the loss of the plan, which is in scaled labels and without constants, for -ln p in the label's
/// unit: for label = `scale` x output + shift, or ln(label); then the mean of ln(label) comes on top.
pub fn loss_to_nll(likelihood: Likelihood, scale: f64) -> f64 {
    // The loss has the logarithm of the standard deviation, where the density has that of the width.
    let width = match likelihood {
        Likelihood::StudentT => 0.5 * ((NU - 2.0) / NU).ln(),
        _ => 0.0,
    };
    scale.ln() + width - constant(likelihood)
}

/// Mean and variance in the label's unit of an output whose mean and variance are given: the same, but for the
/// log-normal, whose output is the label's logarithm.
pub fn moments(likelihood: Likelihood, mean: f64, var: f64) -> (f64, f64) {
    match likelihood {
        Likelihood::LogNormal => {
            let of_label = (mean + 0.5 * var).exp();
            (of_label, of_label * of_label * var.exp_m1())
        }
        _ => (mean, var),
    }
}

/// P(Z <= z) of the standard distribution.
fn below(likelihood: Likelihood, z: f64) -> f64 {
    let tail = tail(likelihood, z.abs());
    if z < 0.0 { tail } else { 1.0 - tail }
}

/// P(Z > z) of the standard distribution, for z >= 0, to its last digits however small.
pub fn tail(likelihood: Likelihood, z: f64) -> f64 {
    match likelihood {
        Likelihood::StudentT => student_tail(z),
        _ => 0.5 * erfc(z / SQRT_2),
    }
}

/// With s = sin(phi), tan(phi) = sqrt(5) / z, it is 8 / (3 pi) times the integral of sin^4 from 0 to phi.
fn student_tail(z: f64) -> f64 {
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

/// A z whose [`tail`] is at most `p`, for p of at most 1/2.
pub fn far_enough(likelihood: Likelihood, p: f64) -> f64 {
    match likelihood {
        // The density is below STUDENT_PEAK (z^2/5)^-3.
        Likelihood::StudentT => (STUDENT_PEAK * 25.0 / p).powf(0.2),
        // Phi(-t) <= exp(-t^2/2) / 2.
        _ => (-2.0 * (2.0 * p).ln()).max(0.0).sqrt(),
    }
}

#[cfg(test)]
mod tests;
