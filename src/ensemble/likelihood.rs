//! What a member's answer is: a distribution of known mean and variance.
//!
//! All three are one symmetric standard distribution of z, and a place and a width that take a label to it: z = (x - mu) / s,
//! or z = (ln x - mu) / s for the log-normal.

use crate::net::Likelihood;
use anyhow::{Result, ensure};
use libm::{erf, erfc};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal, StudentT};
use std::f64::consts::{PI, SQRT_2};

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
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    const ALL: [Likelihood; 3] = [Likelihood::Gaussian, Likelihood::StudentT, Likelihood::LogNormal];

    #[test]
    fn students_tail_and_density_are_those_of_scipy() {
        // scipy.stats.t.sf(z, 5), scipy 1.17
        for (z, expected) in [
            (0.0, 0.5),
            (0.5, 0.319_149_435_820_464_57),
            (1.0, 0.181_608_733_824_561_44),
            (2.0, 0.050_969_739_414_929_174),
            (4.0, 0.005_161_707_740_415_725),
            (10.0, 8.547_378_787_148_181e-5),
            (100.0, 9.480_007_112_311_82e-10),
            (1e6, 9.490_167_245_460_681e-30),
        ] {
            let tail = tail(Likelihood::StudentT, z);
            assert!((tail / expected - 1.0).abs() < 1e-13, "{z}: {tail:e}, not {expected:e}");
        }
        // scipy.stats.t.logpdf(z, 5)
        let standard = Component::new(Likelihood::StudentT, 0.0, 5.0 / 3.0).unwrap();
        for (z, expected) in [(0.5, -1.114_990_081_563_020_3), (3.0, -4.057_477_840_598_2)] {
            assert!((standard.log_pdf(z) - expected).abs() < 1e-14);
        }
    }

    #[test]
    fn a_far_place_is_far_enough() {
        for likelihood in ALL {
            for p in [0.5, 0.3, 0.025, 1e-6, 1e-12] {
                let z = far_enough(likelihood, p);
                assert!(z >= 0.0 && tail(likelihood, z) <= p, "{likelihood:?} {p}");
            }
        }
    }

    #[test]
    fn the_density_has_the_mean_and_the_variance_that_are_asked_for() {
        for likelihood in ALL {
            let component = Component::new(likelihood, 1.5, 0.2).unwrap();
            let h = 1e-3;
            let (mut mass, mut mean, mut square) = (0.0, 0.0, 0.0);
            for i in -400_000..400_000 {
                let x = (f64::from(i) + 0.5) * h;
                let p = component.pdf(x) * h;
                (mass, mean, square) = (mass + p, mean + p * x, square + p * x * x);
            }
            assert!(
                (mass - 1.0).abs() < 1e-6 && (mean - 1.5).abs() < 1e-6,
                "{likelihood:?} {mass} {mean}"
            );
            assert!((square - mean * mean - 0.2).abs() < 1e-5, "{likelihood:?}");
            for z in [-2.0, 0.0, 1.5] {
                assert!((component.z(component.x(z)) - z).abs() < 1e-13);
            }
        }
    }

    #[test]
    fn a_component_has_the_mean_and_the_sigma_that_are_asked_for() {
        for likelihood in ALL {
            let component = Component::new(likelihood, 1.5, 0.2).unwrap();
            assert!((component.mean() - 1.5).abs() < 1e-15 && (component.sigma() - 0.2f64.sqrt()).abs() < 1e-15);
        }
    }

    /// E|X - x| is the integral of F below x and of 1 - F above; E|X - Y| that of F (1 - G) + G (1 - F).
    #[test]
    fn distances_are_those_of_a_quadrature() {
        for likelihood in ALL {
            let [a, b] = [(1.5, 0.2), (0.9, 0.7)].map(|(mean, var)| Component::new(likelihood, mean, var).unwrap());
            let (h, x) = (1e-3, 1.1);
            let (mut to_x, mut apart, mut among) = (0.0, 0.0, 0.0);
            for i in -200_000..400_000 {
                let y = (f64::from(i) + 0.5) * h;
                let (f, g) = (a.cdf(y), b.cdf(y));
                to_x += h * if y < x { f } else { a.above(y) };
                apart += h * (f * b.above(y) + g * a.above(y));
                among += h * 2.0 * f * a.above(y);
            }
            for (found, expected) in [
                (a.distance_to(x), to_x),
                (a.distance(&b), apart),
                (b.distance(&a), apart),
                (a.distance(&a), among),
            ] {
                assert!(
                    (found - expected).abs() < 1e-6,
                    "{likelihood:?}: {found}, not {expected}"
                );
            }
            for x in [-1e9, 1e9] {
                assert!((a.distance_to(x) - (x - 1.5).abs()).abs() < 1e-6, "{likelihood:?}");
            }
        }
        assert_eq!(student_distance(0.0, 0.0, 0.0), 0.0);
    }

    #[test]
    fn draws_have_the_distribution() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for likelihood in ALL {
            let component = Component::new(likelihood, 1.5, 0.2).unwrap();
            let draws: Vec<f64> = (0..100_000).map(|_| component.draw(&mut rng)).collect();
            for x in [0.6, 1.2, 1.5, 2.4] {
                let share = draws.iter().filter(|draw| **draw <= x).count() as f64 / draws.len() as f64;
                assert!((share - component.cdf(x)).abs() < 0.006, "{likelihood:?} {x}");
            }
        }
    }

    #[test]
    fn a_loss_becomes_the_nll_of_the_label() {
        let (scale, shift, mu, var) = (0.4, 0.3, 1.2, 0.5);
        for likelihood in ALL {
            let label: f64 = 1.7;
            let logarithm = if likelihood == Likelihood::LogNormal {
                label.ln()
            } else {
                label
            };
            let square = ((logarithm - shift) / scale - mu).powi(2) / var;
            // As the plan has it.
            let loss: f64 = match likelihood {
                Likelihood::StudentT => 0.5 * f64::ln(var) + 3.0 * (square / 3.0).ln_1p(),
                _ => 0.5 * (f64::ln(var) + square),
            };
            let jacobian = if likelihood == Likelihood::LogNormal {
                label.ln()
            } else {
                0.0
            };
            let (mean, var) = moments(likelihood, scale * mu + shift, scale * scale * var);
            let nll = -Component::new(likelihood, mean, var).unwrap().log_pdf(label);
            assert!(
                (loss + loss_to_nll(likelihood, scale) + jacobian - nll).abs() < 1e-12,
                "{likelihood:?}"
            );
        }
    }

    #[test]
    fn what_no_distribution_has_is_refused() {
        let refused = |likelihood, mean, var| Component::new(likelihood, mean, var).is_err();
        for likelihood in ALL {
            assert!(refused(likelihood, f64::NAN, 1.0) && refused(likelihood, 1.0, 0.0));
            assert!(refused(likelihood, 1.0, f64::INFINITY));
        }
        assert!(refused(Likelihood::LogNormal, 0.0, 1.0) && refused(Likelihood::LogNormal, -1.0, 1.0));
        let positive = Component::new(Likelihood::LogNormal, 1.0, 1.0).unwrap();
        assert_eq!(
            (positive.cdf(0.0), positive.cdf(-3.0), positive.pdf(-3.0)),
            (0.0, 0.0, 0.0)
        );
    }
}
