//! The ensemble's answer: an equally weighted mixture of the members' Gaussians (arXiv 1612.01474, section 2.4).
//!
//! Quantiles are those of the mixture itself. A Gaussian of the same variance would be wrong exactly where it
//! matters: when members disagree, the mixture has several peaks.

use anyhow::{Result, ensure};
use libm::{erf, erfc};
use std::f64::consts::{PI, SQRT_2};

/// The levels of the quantiles that every answer carries.
pub const LEVELS: [f64; 5] = [0.025, 0.16, 0.5, 0.84, 0.975];

/// exp(-700) is a normal number.
const LONGEST_TAIL: f64 = 700.0;

/// p(x) = 1/M sum_m N(x; mu_m, sigma_m^2) for one object. All values in the label's unit (arcsec).
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    mu: Vec<f64>,
    sigma: Vec<f64>,
}

/// What a mixture says about one object, arcsec.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Mean of the mixture.
    pub theta_e: f64,
    /// Standard deviation of the mixture: sigma^2 = sigma_aleatoric^2 + sigma_epistemic^2.
    pub sigma: f64,
    /// Noise in the image: the root of the mean of the members' variances.
    pub sigma_aleatoric: f64,
    /// What the model does not know: the standard deviation (divided by M) of the members' means.
    pub sigma_epistemic: f64,
    /// Quantiles of the mixture at [`LEVELS`].
    pub quantiles: [f64; 5],
}

impl Prediction {
    /// The answer for an object whose image could not be read: NaN throughout.
    pub const UNKNOWN: Prediction = Prediction {
        theta_e: f64::NAN,
        sigma: f64::NAN,
        sigma_aleatoric: f64::NAN,
        sigma_epistemic: f64::NAN,
        quantiles: [f64::NAN; 5],
    };
}

impl Mixture {
    /// `mu` and `var` hold one value a member.
    ///
    /// Fails if they are empty or of unequal length, a mean is not finite, or a variance is not finite and positive.
    pub fn new(mu: &[f64], var: &[f64]) -> Result<Mixture> {
        ensure!(
            !mu.is_empty() && mu.len() == var.len(),
            "{} means but {} variances",
            mu.len(),
            var.len()
        );
        for (member, (&mu, &var)) in mu.iter().zip(var).enumerate() {
            ensure!(
                mu.is_finite() && var.is_finite() && var > 0.0,
                "member {member} answers mean {mu}, variance {var}: both must be finite and the variance positive"
            );
        }
        Ok(Mixture {
            mu: mu.to_vec(),
            sigma: var.iter().map(|v| v.sqrt()).collect(),
        })
    }

    /// Mean, uncertainties and quantiles together.
    pub fn prediction(&self) -> Prediction {
        self.prediction_with(|p| self.quantile(p))
    }

    /// The same with other quantiles.
    pub fn prediction_with(&self, quantile: impl Fn(f64) -> f64) -> Prediction {
        Prediction {
            theta_e: self.mean(),
            sigma: self.sigma(),
            sigma_aleatoric: self.sigma_aleatoric(),
            sigma_epistemic: self.sigma_epistemic(),
            quantiles: LEVELS.map(quantile),
        }
    }

    pub fn mean(&self) -> f64 {
        self.average(|mu, _| mu)
    }

    /// sqrt(sigma_aleatoric^2 + sigma_epistemic^2).
    pub fn sigma(&self) -> f64 {
        self.sigma_aleatoric().hypot(self.sigma_epistemic())
    }

    /// sqrt(avg(var)).
    pub fn sigma_aleatoric(&self) -> f64 {
        self.average(|_, sigma| sigma * sigma).sqrt()
    }

    /// sqrt(var(mu)), divided by M.
    pub fn sigma_epistemic(&self) -> f64 {
        let mean = self.mean();
        self.average(|mu, _| (mu - mean).powi(2)).sqrt()
    }

    /// P(X <= x).
    pub fn cdf(&self, x: f64) -> f64 {
        self.average(|mu, sigma| normal_cdf((x - mu) / sigma))
    }

    /// ln(2 P(X <= x)) below the median, -ln(2 P(X > x)) above it: keeps its digits in both tails, to +-700.
    pub fn tail(&self, x: f64) -> f64 {
        let below = self.cdf(x);
        let above = self.average(|mu, sigma| normal_cdf((mu - x) / sigma));
        let tail = if below <= above {
            (2.0 * below).ln()
        } else {
            -(2.0 * above).ln()
        };
        tail.clamp(-LONGEST_TAIL, LONGEST_TAIL)
    }

    /// The x of a [`tail`](Self::tail).
    pub fn at_tail(&self, tail: f64) -> f64 {
        let p = 0.5 * (-tail.abs().min(LONGEST_TAIL)).exp();
        if tail < 0.0 {
            return self.quantile(p);
        }
        let mirrored = Mixture {
            mu: self.mu.iter().map(|mu| -mu).collect(),
            sigma: self.sigma.clone(),
        };
        -mirrored.quantile(p)
    }

    /// ln p(x), by log-sum-exp: finite wherever the nearest member's exponent is, however small p is.
    pub fn log_pdf(&self, x: f64) -> f64 {
        let term = |(mu, sigma): (f64, f64)| -0.5 * ((x - mu) / sigma).powi(2) - sigma.ln();
        let largest = self.members().map(term).fold(f64::NEG_INFINITY, f64::max);
        if largest == f64::NEG_INFINITY {
            return largest;
        }
        let sum: f64 = self.members().map(|m| (term(m) - largest).exp()).sum();
        largest + (sum / self.mu.len() as f64).ln() - 0.5 * (2.0 * PI).ln()
    }

    /// The continuous ranked probability score, integral of (F(x) - [x >= truth])^2 dx, in the label's unit: the
    /// absolute error's counterpart for a distribution, 0 for a sure and true answer. In closed form (Grimit et al. 2006,
    /// Q. J. R. Meteorol. Soc. 132, 2925): avg_m A(y - mu_m, sigma_m^2) - avg_mk A(mu_m - mu_k, sigma_m^2 + sigma_k^2) / 2
    /// with A(d, s^2) = E|N(d, s^2)|.
    pub fn crps(&self, truth: f64) -> f64 {
        let to_truth = self.average(|mu, sigma| mean_absolute(truth - mu, sigma));
        let among = self.average(|a, s| self.average(|b, t| mean_absolute(a - b, s.hypot(t))));
        to_truth - 0.5 * among
    }

    /// The mixture with its means moved to `epistemic` times their distance from their mean, and its sigmas times
    /// `aleatoric`: the mean stays, the two parts of the uncertainty are multiplied by the two factors.
    pub fn scaled(&self, aleatoric: f64, epistemic: f64) -> Mixture {
        let mean = self.mean();
        Mixture {
            mu: self.mu.iter().map(|mu| mean + epistemic * (mu - mean)).collect(),
            sigma: self.sigma.iter().map(|sigma| aleatoric * sigma).collect(),
        }
    }

    /// One Gaussian with the mixture's mean and variance.
    pub fn moments(&self) -> Mixture {
        Mixture {
            mu: vec![self.mean()],
            sigma: vec![self.sigma()],
        }
    }

    /// How many members there are.
    pub fn size(&self) -> usize {
        self.mu.len()
    }

    /// The x with P(X <= x) = `p`, for 0 < p < 1, to about 1e-13 of the smallest sigma or the last digits of x.
    ///
    /// Newton's method inside a shrinking bracket; a step that leaves the bracket or does not halve the one before
    /// is replaced by a bisection, so it ends even where the density is zero to the last bit between the members.
    pub fn quantile(&self, p: f64) -> f64 {
        assert!(p > 0.0 && p < 1.0, "a quantile's level lies between 0 and 1, not {p}");
        let (mut low, mut high) = self.bracket(p);
        let sigma_min = self.sigma.iter().fold(f64::INFINITY, |a, &b| a.min(b));
        let mut x = 0.5 * low + 0.5 * high;
        let mut last_step = f64::INFINITY;
        loop {
            let excess = self.excess(x, p);
            if excess == 0.0 {
                return x;
            }
            if excess < 0.0 {
                low = x
            } else {
                high = x
            }
            let newton = -excess / self.slope(x);
            let precision = 1e-13 * sigma_min + 4.0 * f64::EPSILON * x.abs();
            if newton.abs() <= precision || high - low <= precision {
                return (x + newton).clamp(low, high);
            }
            let inside = x + newton > low && x + newton < high;
            let next = if inside && newton.abs() < 0.5 * last_step {
                x + newton
            } else {
                0.5 * low + 0.5 * high
            };
            if next <= low || next >= high {
                return next;
            }
            last_step = (next - x).abs();
            x = next;
        }
    }

    /// The mixture's quantile lies between the smallest and the largest of the members' own, mu + sigma z; and
    /// z lies between 0 and the bound that Phi(-t) <= exp(-t^2/2)/2 gives.
    fn bracket(&self, p: f64) -> (f64, f64) {
        let t = (-2.0 * (2.0 * p.min(1.0 - p)).ln()).max(0.0).sqrt();
        let (z_low, z_high) = if p < 0.5 { (-t, 0.0) } else { (0.0, t) };
        self.members()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (mu, sigma)| {
                (low.min(mu + sigma * z_low), high.max(mu + sigma * z_high))
            })
    }

    /// Increases with x and has the sign of cdf(x) - p; M (cdf(x) - p) wherever that is not lost in rounding.
    ///
    /// Each member counts by its smaller tail. So between groups of members, where the cdf is flat, its distance
    /// from p keeps its digits if p M is whole (the median of an even number of members); and where the tails
    /// underflow as well, the side whose nearest member is fewer sigmas away wins.
    fn excess(&self, x: f64, p: f64) -> f64 {
        let (mut passed, mut tails) = (0.0, 0.0);
        let (mut nearest_below, mut nearest_above) = (f64::INFINITY, f64::INFINITY);
        for (mu, sigma) in self.members() {
            let z = (x - mu) / sigma;
            let tail = 0.5 * erfc(z.abs() / SQRT_2);
            if z >= 0.0 {
                passed += 1.0;
                tails -= tail;
                nearest_below = nearest_below.min(z);
            } else {
                tails += tail;
                nearest_above = nearest_above.min(-z);
            }
        }
        let excess = (passed - p * self.mu.len() as f64) + tails;
        let underflown = nearest_below.min(nearest_above) > 37.0;
        if excess == 0.0 && underflown {
            nearest_below - nearest_above
        } else {
            excess
        }
    }

    /// M times the density, the derivative of [`excess`](Self::excess).
    fn slope(&self, x: f64) -> f64 {
        let unit = 1.0 / (2.0 * PI).sqrt();
        self.members()
            .map(|(mu, sigma)| unit / sigma * (-0.5 * ((x - mu) / sigma).powi(2)).exp())
            .sum()
    }

    fn members(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.mu.iter().copied().zip(self.sigma.iter().copied())
    }

    fn average(&self, value: impl Fn(f64, f64) -> f64) -> f64 {
        self.members().map(|(mu, sigma)| value(mu, sigma)).sum::<f64>() / self.mu.len() as f64
    }
}

fn normal_cdf(z: f64) -> f64 {
    0.5 * erfc(-z / SQRT_2)
}

/// E|X| of X ~ N(mu, sigma^2): 2 sigma phi(z) + mu (2 Phi(z) - 1), z = mu / sigma.
fn mean_absolute(mu: f64, sigma: f64) -> f64 {
    let z = mu / sigma;
    sigma * (2.0 / PI).sqrt() * (-0.5 * z * z).exp() + mu * erf(z / SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Standard normal quantiles at LEVELS, from tables.
    const Z: [f64; 5] = [
        -1.959963984540054,
        -0.994457883209753,
        0.0,
        0.994457883209753,
        1.959963984540054,
    ];

    fn mixture(mu: &[f64], sigma: &[f64]) -> Mixture {
        Mixture::new(mu, &sigma.iter().map(|s| s * s).collect::<Vec<_>>()).unwrap()
    }

    fn close(a: f64, b: f64, tolerance: f64) {
        assert!((a - b).abs() <= tolerance, "{a} is not {b} within {tolerance:e}");
    }

    #[test]
    fn one_member_is_a_gaussian() {
        for (mu, sigma) in [
            (0.0, 1.0),
            (1.7, 0.2),
            (-3e5, 1e-3),
            (2.0, 1e-9),
            (1e-30, 1e-40),
            (5.0, 1e12),
        ] {
            let p = mixture(&[mu], &[sigma]).prediction();
            for (q, z) in p.quantiles.iter().zip(Z) {
                let expected = mu + sigma * z;
                close(*q, expected, 1e-12 * sigma + 1e-15 * expected.abs());
            }
            assert_eq!((p.theta_e, p.sigma_epistemic), (mu, 0.0));
            close(p.sigma, sigma, 1e-12 * sigma);
        }
    }

    #[test]
    fn the_parts_of_the_variance_by_hand() {
        // means 1, 2, 6: mean 3, variance (4 + 1 + 9) / 3; variances 0.1, 0.2, 0.6: mean 0.3
        let p = Mixture::new(&[1.0, 2.0, 6.0], &[0.1, 0.2, 0.6]).unwrap().prediction();
        close(p.theta_e, 3.0, 1e-15);
        close(p.sigma_aleatoric, 0.3f64.sqrt(), 1e-15);
        close(p.sigma_epistemic, (14.0f64 / 3.0).sqrt(), 1e-15);
        close(p.sigma, (0.3f64 + 14.0 / 3.0).sqrt(), 1e-14);
    }

    #[test]
    fn quantiles_density_and_moments_agree_with_numerical_integration() {
        let m = mixture(&[0.8, 1.1, 1.15, 2.4, 0.9], &[0.1, 0.05, 0.3, 0.2, 0.6]);
        // Midpoint rule on a fine grid from -5 to 7; the cdf is the running sum of the density.
        let h = 12.0 / 4e6;
        let (mut cdf, mut mean, mut second) = (0.0, 0.0, 0.0);
        let mut found = Vec::new();
        for i in 0..4_000_000 {
            let x = -5.0 + (i as f64 + 0.5) * h;
            let mass = m.log_pdf(x).exp() * h;
            if found.len() < 5 && cdf + mass >= LEVELS[found.len()] {
                found.push(x - 0.5 * h + h * (LEVELS[found.len()] - cdf) / mass);
            }
            cdf += mass;
            mean += mass * x;
            second += mass * x * x;
        }
        let p = m.prediction();
        close(cdf, 1.0, 1e-9);
        close(p.theta_e, mean, 1e-9);
        close(p.sigma, (second - mean * mean).sqrt(), 1e-9);
        for (q, expected) in p.quantiles.iter().zip(found) {
            close(*q, expected, 1e-8);
        }
        for (q, level) in p.quantiles.iter().zip(LEVELS) {
            close(m.cdf(*q), level, 1e-13);
        }
    }

    #[test]
    fn two_equal_peaks_have_their_median_in_the_middle_however_far_apart() {
        for d in [0.1, 1.0, 5.0, 9.0, 30.0, 1e3, 1e6, 1e12] {
            let m = mixture(&[3.0 - d, 3.0 + d], &[1.0, 1.0]);
            close(m.quantile(0.5), 3.0, 1e-10);
            // far apart, the 16 % quantile is the left peak's own 32 % quantile
            if d >= 9.0 {
                close(m.quantile(0.16), 3.0 - d - 0.467698799114508, 1e-10 + 1e-15 * d);
                close(m.quantile(0.84), 3.0 + d + 0.467698799114508, 1e-10 + 1e-15 * d);
            }
        }
    }

    #[test]
    fn a_flat_median_keeps_its_digits() {
        // In the gap both tails are below 1e-16: only their balance places the median, at equal z on both sides.
        for (left, right) in [(1.0, 3.0), (0.01, 1.0), (1.0, 1.0)] {
            for z in [9.0, 20.0, 36.0, 60.0, 1e6] {
                let m = mixture(&[-z * left, z * right], &[left, right]);
                close(m.quantile(0.5), 0.0, 1e-9 * z);
            }
        }
    }

    #[test]
    fn extreme_members_give_finite_ordered_quantiles_that_satisfy_the_cdf() {
        let cases: [(&[f64], &[f64]); 6] = [
            (&[1.0, 1e6, -1e6, 2.0, 3.0], &[1.0, 1.0, 1.0, 1.0, 1.0]),
            (&[1.0, 1.0, 1.0], &[1e-12, 1.0, 1e12]),
            (&[0.0, 1.0], &[1e-150, 1.0]),
            (&[1e300, -1e300, 1.0], &[1.0, 1e150, 1e-150]),
            (&[1.5; 20], &[1e-8; 20]),
            (&[0.5, 0.5 + 1e-9], &[1e-6, 1e-6]),
        ];
        for (mu, sigma) in cases {
            let m = mixture(mu, sigma);
            let q = m.prediction().quantiles;
            assert!(q.iter().all(|q| q.is_finite()), "{q:?}");
            assert!(q.is_sorted(), "{q:?}");
            for (q, p) in q.iter().zip(LEVELS) {
                // the next numbers on either side enclose p
                let d = q.abs() * 1e-10 + 1e-10 * sigma.iter().fold(f64::INFINITY, |a, &b| a.min(b));
                assert!(
                    m.cdf(q - d) <= p + 1e-15 && m.cdf(q + d) >= p - 1e-15,
                    "{mu:?} {sigma:?} {p} {q}"
                );
            }
        }
    }

    #[test]
    fn crps_agrees_with_its_integral() {
        let m = mixture(&[0.8, 1.1, 2.4], &[0.1, 0.3, 0.2]);
        for truth in [-1.0, 0.9, 2.0, 5.0] {
            let h = 12.0 / 1e5;
            let square = |i: usize| {
                let x = -5.0 + (i as f64 + 0.5) * h;
                (m.cdf(x) - f64::from(x >= truth)).powi(2) * h
            };
            close(m.crps(truth), (0..100_000).map(square).sum(), 1e-4);
        }
        // one Gaussian at its own mean: sigma (sqrt(2) - 1) / sqrt(pi)
        close(
            mixture(&[3.0], &[0.5]).crps(3.0),
            0.5 * (SQRT_2 - 1.0) / PI.sqrt(),
            1e-15,
        );
        close(mixture(&[3.0], &[1e-12]).crps(5.0), 2.0, 1e-11);
    }

    #[test]
    fn tails_keep_their_digits() {
        let m = mixture(&[0.8, 1.1, 2.4], &[0.1, 0.3, 0.2]);
        for x in [-8.0, -1.0, 0.7, 1.2, 2.0, 4.0, 9.0] {
            close(m.at_tail(m.tail(x)), x, 1e-9);
        }
        close(m.tail(1.0), (2.0 * m.cdf(1.0)).ln(), 1e-12);
        assert!((m.tail(1e9), m.tail(-1e9)) == (700.0, -700.0) && m.at_tail(1e5).is_finite());
    }

    #[test]
    fn scaling_keeps_the_mean_and_multiplies_the_parts() {
        let m = Mixture::new(&[1.0, 2.0, 6.0], &[0.1, 0.2, 0.6]).unwrap();
        let (a, b) = (m.prediction(), m.scaled(0.5, 3.0).prediction());
        close(b.theta_e, a.theta_e, 1e-15);
        close(b.sigma_aleatoric, 0.5 * a.sigma_aleatoric, 1e-15);
        close(b.sigma_epistemic, 3.0 * a.sigma_epistemic, 1e-14);
        assert_eq!(m.scaled(1.0, 1.0).prediction().quantiles, a.quantiles);
        // equal factors scale every quantile about the mean
        for (q, p) in m.scaled(2.0, 2.0).prediction().quantiles.iter().zip(a.quantiles) {
            close(q - a.theta_e, 2.0 * (p - a.theta_e), 1e-12);
        }
        let one = m.moments().prediction();
        close(one.theta_e, a.theta_e, 1e-15);
        close(one.sigma, a.sigma, 1e-15);
    }

    #[test]
    fn log_pdf_far_out_is_finite() {
        let m = mixture(&[0.0, 1.0], &[0.1, 0.1]);
        close(
            m.log_pdf(101.0),
            -0.5 * 1e6 - (0.1f64).ln() - 0.5 * (2.0 * PI).ln() - 2f64.ln(),
            1e-6,
        );
        assert!(m.log_pdf(1e300).is_sign_negative());
    }

    #[test]
    fn bad_members_are_named() {
        let message = |mu: &[f64], var: &[f64]| Mixture::new(mu, var).unwrap_err().to_string();
        assert!(message(&[1.0, f64::NAN], &[1.0, 1.0]).contains("member 1"));
        assert!(message(&[1.0], &[0.0]).contains("member 0"));
        assert!(message(&[1.0], &[f64::INFINITY]).contains("member 0"));
        assert!(message(&[], &[]).contains("0 means"));
        assert!(message(&[1.0], &[]).contains("1 means but 0 variances"));
    }
}
