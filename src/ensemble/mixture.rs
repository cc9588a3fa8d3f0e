//! The ensemble's answer: an equally weighted mixture of the members' distributions (arXiv 1612.01474, section 2.4).
//!
//! Quantiles are those of the mixture itself. A Gaussian of the same variance would be wrong exactly where it
//! matters: when members disagree, the mixture has several peaks.

use super::likelihood::{self, Component};
use crate::net::Likelihood;
use anyhow::{Context, Result, ensure};
use rand::{Rng, RngExt};

/// The levels of the quantiles that every answer carries.
pub const LEVELS: [f64; 5] = [0.025, 0.16, 0.5, 0.84, 0.975];

/// exp(-700) is a normal number.
const LONGEST_TAIL: f64 = 700.0;

/// p(x) = 1/M sum_m p_m(x) for one object, p_m of one likelihood. All values in the label's unit (arcsec).
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    likelihood: Likelihood,
    components: Vec<Component>,
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
    /// `mu` and `var` hold one mean and one variance a member.
    ///
    /// Fails if they are empty or of unequal length, a mean is not finite (log-normal: not positive), or a variance is not
    /// finite and positive.
    pub fn new(likelihood: Likelihood, mu: &[f64], var: &[f64]) -> Result<Mixture> {
        ensure!(
            !mu.is_empty() && mu.len() == var.len(),
            "{} means but {} variances",
            mu.len(),
            var.len()
        );
        let component = |(member, (&mu, &var)): (usize, (&f64, &f64))| {
            Component::new(likelihood, mu, var).with_context(|| format!("member {member} answers"))
        };
        let members = mu.iter().zip(var).enumerate();
        Ok(Mixture {
            likelihood,
            components: members.map(component).collect::<Result<_>>()?,
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
        self.average(Component::mean)
    }

    /// sqrt(sigma_aleatoric^2 + sigma_epistemic^2).
    pub fn sigma(&self) -> f64 {
        self.sigma_aleatoric().hypot(self.sigma_epistemic())
    }

    /// sqrt(avg(var)).
    pub fn sigma_aleatoric(&self) -> f64 {
        self.average(|c| c.sigma().powi(2)).sqrt()
    }

    /// sqrt(var(mu)), divided by M.
    pub fn sigma_epistemic(&self) -> f64 {
        let mean = self.mean();
        self.average(|c| (c.mean() - mean).powi(2)).sqrt()
    }

    /// P(X <= x).
    pub fn cdf(&self, x: f64) -> f64 {
        self.average(|c| c.cdf(x))
    }

    /// P(X > x).
    pub fn above(&self, x: f64) -> f64 {
        self.average(|c| c.above(x))
    }

    /// ln(2 P(X <= x)) below the median, -ln(2 P(X > x)) above it: keeps its digits in both tails, to +-700.
    pub fn tail(&self, x: f64) -> f64 {
        let (below, above) = (self.cdf(x), self.above(x));
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
            self.quantile(p)
        } else {
            self.upper_quantile(p)
        }
    }

    /// ln p(x), by log-sum-exp: finite wherever the nearest member's exponent is, however small p is.
    pub fn log_pdf(&self, x: f64) -> f64 {
        let terms = || self.components.iter().map(|c| c.log_density(x));
        let largest = terms().fold(f64::NEG_INFINITY, f64::max);
        if largest == f64::NEG_INFINITY {
            return largest;
        }
        let sum: f64 = terms().map(|term| (term - largest).exp()).sum();
        largest + (sum / self.size() as f64).ln() + likelihood::constant(self.likelihood)
    }

    /// The continuous ranked probability score, integral of (F(x) - [x >= truth])^2 dx, in the label's unit: the
    /// absolute error's counterpart for a distribution, 0 for a sure and true answer. In closed form (Grimit et al. 2006,
    /// Q. J. R. Meteorol. Soc. 132, 2925): avg_m E|X_m - y| - avg_mk E|X_m - X_k| / 2, all X independent.
    pub fn crps(&self, truth: f64) -> f64 {
        let among = self.average(|a| self.average(|b| a.distance(b)));
        self.average(|c| c.distance_to(truth)) - 0.5 * among
    }

    /// The mixture with its members moved to `epistemic` times their distance from their mean, and their widths times
    /// `aleatoric`: the mean stays, the two parts of the uncertainty are multiplied by the two factors. Log-normal: all
    /// that in ln x, so that x stays positive, and then as a whole to where the mean of x was.
    pub fn scaled(&self, aleatoric: f64, epistemic: f64) -> Mixture {
        let centre = self.average(|c| c.place);
        let component = |c: &Component| Component {
            place: centre + epistemic * (c.place - centre),
            width: aleatoric * c.width,
            ..*c
        };
        let mut scaled = Mixture {
            likelihood: self.likelihood,
            components: self.components.iter().map(component).collect(),
        };
        if self.likelihood == Likelihood::LogNormal {
            let back = self.log_mean() - scaled.log_mean();
            scaled.components.iter_mut().for_each(|c| c.place += back);
        }
        scaled
    }

    /// ln of the mean of a log-normal mixture, which itself may be too large for a number.
    fn log_mean(&self) -> f64 {
        let largest = self
            .components
            .iter()
            .map(Component::log_mean)
            .fold(f64::NEG_INFINITY, f64::max);
        largest + self.average(|c| (c.log_mean() - largest).exp()).ln()
    }

    /// One Gaussian with the mixture's mean and variance.
    pub fn moments(&self) -> Mixture {
        Mixture {
            likelihood: Likelihood::Gaussian,
            components: vec![Component {
                likelihood: Likelihood::Gaussian,
                place: self.mean(),
                width: self.sigma(),
            }],
        }
    }

    /// How many members there are.
    pub fn size(&self) -> usize {
        self.components.len()
    }

    /// One X at random.
    pub fn draw(&self, rng: &mut impl Rng) -> f64 {
        let member = rng.random_range(0..self.size() as u64) as usize;
        self.components[member].draw(rng)
    }

    /// The x with P(X <= x) = `p`, for 0 < p < 1, to about 1e-13 of the narrowest member's width or the last digits of x.
    pub fn quantile(&self, p: f64) -> f64 {
        self.root(Level::Below(p))
    }

    /// The x with P(X > x) = `p`: [`quantile`](Self::quantile) of 1 - p, where that has no digits left.
    pub fn upper_quantile(&self, p: f64) -> f64 {
        self.root(Level::Above(p))
    }

    /// Newton's method inside a shrinking bracket; a step that leaves the bracket or does not halve the one before
    /// is replaced by a bisection, so it ends even where the density is zero to the last bit between the members.
    fn root(&self, level: Level) -> f64 {
        let (mut low, mut high) = self.bracket(level);
        let spread = |x: f64| {
            self.components
                .iter()
                .map(|c| c.spread(x))
                .fold(f64::INFINITY, f64::min)
        };
        let mut x = 0.5 * low + 0.5 * high;
        let mut last_step = f64::INFINITY;
        loop {
            let excess = self.excess(x, level);
            if excess == 0.0 {
                return x;
            }
            if excess < 0.0 {
                low = x
            } else {
                high = x
            }
            let newton = -excess / self.slope(x);
            let precision = 1e-13 * spread(x) + 4.0 * f64::EPSILON * x.abs();
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

    /// The mixture's quantile lies between the smallest and the largest of the members' own, whose z lies between 0 and
    /// a bound.
    fn bracket(&self, level: Level) -> (f64, f64) {
        let (Level::Below(p) | Level::Above(p)) = level;
        assert!(p > 0.0 && p < 1.0, "a quantile's level lies between 0 and 1, not {p}");
        let t = likelihood::far_enough(self.likelihood, p.min(1.0 - p));
        let lower = matches!(level, Level::Below(_)) == (p < 0.5);
        let (z_low, z_high) = if lower { (-t, 0.0) } else { (0.0, t) };
        self.components
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), c| {
                (low.min(c.x(z_low)), high.max(c.x(z_high)))
            })
    }

    /// Increases with x and has the sign of cdf(x) - p; M (cdf(x) - p) wherever that is not lost in rounding.
    ///
    /// Each member counts by its smaller tail. So between groups of members, where the cdf is flat, its distance
    /// from p keeps its digits if p M is whole (the median of an even number of members); and where the tails
    /// underflow as well, the side whose nearest member is fewer sigmas away wins.
    fn excess(&self, x: f64, level: Level) -> f64 {
        let (mut passed, mut tails) = (0.0, 0.0);
        let (mut nearest_below, mut nearest_above) = (f64::INFINITY, f64::INFINITY);
        for component in &self.components {
            let z = component.z(x);
            let tail = likelihood::tail(self.likelihood, z.abs());
            if z >= 0.0 {
                passed += 1.0;
                tails -= tail;
                nearest_below = nearest_below.min(z);
            } else {
                tails += tail;
                nearest_above = nearest_above.min(-z);
            }
        }
        let members = self.size() as f64;
        let whole = match level {
            Level::Below(p) => passed - p * members,
            Level::Above(p) => p * members - (members - passed),
        };
        let excess = whole + tails;
        let underflown = nearest_below.min(nearest_above) > 37.0;
        if excess == 0.0 && underflown {
            nearest_below - nearest_above
        } else {
            excess
        }
    }

    /// M times the density, the derivative of [`excess`](Self::excess).
    fn slope(&self, x: f64) -> f64 {
        self.components.iter().map(|c| c.pdf(x)).sum()
    }

    fn average(&self, value: impl Fn(&Component) -> f64) -> f64 {
        self.components.iter().map(value).sum::<f64>() / self.size() as f64
    }
}

/// Which probability of a quantile is given.
#[derive(Clone, Copy)]
enum Level {
    Below(f64),
    Above(f64),
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::{PI, SQRT_2};

    /// Standard normal quantiles at LEVELS, from tables.
    const Z: [f64; 5] = [
        -1.959963984540054,
        -0.994457883209753,
        0.0,
        0.994457883209753,
        1.959963984540054,
    ];

    fn mixture(mu: &[f64], sigma: &[f64]) -> Mixture {
        gaussians(mu, &sigma.iter().map(|s| s * s).collect::<Vec<_>>())
    }

    fn gaussians(mu: &[f64], var: &[f64]) -> Mixture {
        Mixture::new(Likelihood::Gaussian, mu, var).unwrap()
    }

    /// Three members of each likelihood.
    fn of_every_likelihood() -> [Mixture; 3] {
        [Likelihood::Gaussian, Likelihood::StudentT, Likelihood::LogNormal]
            .map(|likelihood| Mixture::new(likelihood, &[0.8, 1.1, 2.4], &[0.01, 0.09, 0.04]).unwrap())
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
        let p = gaussians(&[1.0, 2.0, 6.0], &[0.1, 0.2, 0.6]).prediction();
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

    /// Quantiles at [`LEVELS`], and ln p and P at 0.3, 1.2 and 9, of a mixture of means 1, 1.5, 4 and variances 0.04,
    /// 0.25, 1: scipy 1.17, stats.t(5, mu, sqrt(3/5 var)), stats.lognorm and optimize.brentq.
    #[test]
    fn mixtures_of_student_t_and_of_log_normals_are_those_of_scipy() {
        let student = (
            Likelihood::StudentT,
            [
                0.637_165_130_606_584_1,
                0.945_138_766_495_187_7,
                1.5,
                4.042_097_578_536_939,
                5.317_059_697_769_252,
            ],
            [-3.897_656_105_466_965, -0.543_708_035_254_229_3, -8.508_871_782_483_213],
            [
                0.006_363_207_315_101_281,
                0.372_621_690_808_756_07,
                0.999_777_541_380_309_9,
            ],
        );
        let log_normal = (
            Likelihood::LogNormal,
            [
                0.717_692_065_753_205,
                0.926_371_148_610_051_9,
                1.450_981_126_066_923_6,
                3.930_907_927_010_518,
                5.531_447_425_924_839,
            ],
            [
                -11.186_584_790_338_765,
                -0.461_781_180_514_539_26,
                -8.649_869_631_064_327,
            ],
            [
                2.701_035_752_350_628_3e-7,
                0.381_929_127_085_776_03,
                0.999_894_324_988_542_1,
            ],
        );
        for (likelihood, quantiles, log_pdf, cdf) in [student, log_normal] {
            let m = Mixture::new(likelihood, &[1.0, 1.5, 4.0], &[0.04, 0.25, 1.0]).unwrap();
            let p = m.prediction();
            close(p.theta_e, 6.5 / 3.0, 1e-14);
            close(p.sigma_aleatoric, 0.43f64.sqrt(), 1e-14);
            p.quantiles
                .iter()
                .zip(quantiles)
                .for_each(|(q, expected)| close(*q, expected, 1e-12));
            for (x, (log_pdf, cdf)) in [0.3, 1.2, 9.0].iter().zip(log_pdf.iter().zip(cdf)) {
                close(m.log_pdf(*x), *log_pdf, 1e-12);
                close(m.cdf(*x), cdf, 1e-13);
            }
        }
    }

    #[test]
    fn extreme_members_of_every_likelihood_have_finite_ordered_quantiles() {
        let cases: [(&[f64], &[f64]); 5] = [
            (&[1.0, 1e6, 2.0], &[1.0, 1.0, 1.0]),
            (&[1.0, 1.0, 1.0], &[1e-10, 1.0, 1e10]),
            (&[1e-6, 1e6], &[1e-12, 1e12]),
            (&[1.5; 20], &[1e-8; 20]),
            (&[1.0], &[1e100]),
        ];
        for likelihood in [Likelihood::StudentT, Likelihood::LogNormal] {
            for (mu, var) in cases {
                let m = Mixture::new(likelihood, mu, var).unwrap();
                let q = m.prediction().quantiles;
                assert!(
                    q.iter().all(|q| q.is_finite()) && q.is_sorted(),
                    "{likelihood:?} {mu:?} {var:?}: {q:?}"
                );
                for (q, p) in q.iter().zip(LEVELS) {
                    let d = 1e-9 * q.abs();
                    assert!(
                        m.cdf(q - d) <= p + 1e-14 && m.cdf(q + d) >= p - 1e-14,
                        "{likelihood:?} {mu:?} {p} {q}"
                    );
                }
            }
        }
    }

    #[test]
    fn crps_agrees_with_its_integral() {
        for m in of_every_likelihood() {
            for truth in [-1.0, 0.9, 2.0, 5.0] {
                let h = 2e-4;
                let square = |i: i32| {
                    let x = (f64::from(i) + 0.5) * h;
                    (m.cdf(x) - f64::from(x >= truth)).powi(2) * h
                };
                close(m.crps(truth), (-150_000..150_000).map(square).sum(), 1e-6);
            }
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
        for m in of_every_likelihood() {
            for x in [-8.0, -1.0, 0.7, 1.2, 2.0, 4.0, 9.0] {
                let positive = m.likelihood != Likelihood::LogNormal || x > 0.0;
                close(m.at_tail(m.tail(x)), if positive { x } else { m.at_tail(-700.0) }, 1e-9);
            }
            close(m.tail(1.0), (2.0 * m.cdf(1.0)).ln(), 1e-12);
            assert!(m.tail(-1e9) <= -50.0 && m.at_tail(1e5).is_finite() && m.at_tail(-1e5).is_finite());
            close(m.upper_quantile(0.3), m.quantile(0.7), 1e-12);
        }
        let m = mixture(&[0.8, 1.1, 2.4], &[0.1, 0.3, 0.2]);
        assert_eq!((m.tail(1e9), m.tail(-1e9)), (700.0, -700.0));
    }

    #[test]
    fn scaling_keeps_the_mean_and_multiplies_the_parts() {
        let m = gaussians(&[1.0, 2.0, 6.0], &[0.1, 0.2, 0.6]);
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
    fn scaling_works_for_every_likelihood() {
        for m in of_every_likelihood() {
            for (aleatoric, epistemic) in [(1.0, 1.0), (0.5, 3.0), (20.0, 0.05), (0.05, 20.0)] {
                let (a, b) = (m.prediction(), m.scaled(aleatoric, epistemic).prediction());
                close(b.theta_e, a.theta_e, 1e-14);
                assert!(b.quantiles.is_sorted() && b.sigma > 0.0);
                if m.likelihood == Likelihood::LogNormal {
                    assert!(b.quantiles[0] > 0.0);
                } else {
                    close(b.sigma_aleatoric, aleatoric * a.sigma_aleatoric, 1e-14);
                    close(b.sigma_epistemic, epistemic * a.sigma_epistemic, 1e-12);
                }
            }
        }
        // where members are narrow and near each other, a logarithm is as good as a line
        let m = Mixture::new(Likelihood::LogNormal, &[1.0, 1.001, 1.003], &[1e-6, 2e-6, 3e-6]).unwrap();
        let (a, b) = (m.prediction(), m.scaled(2.0, 3.0).prediction());
        close(b.sigma_aleatoric, 2.0 * a.sigma_aleatoric, 2e-5);
        close(b.sigma_epistemic, 3.0 * a.sigma_epistemic, 2e-5);
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
        let message =
            |mu: &[f64], var: &[f64]| format!("{:#}", Mixture::new(Likelihood::Gaussian, mu, var).unwrap_err());
        assert!(message(&[1.0, f64::NAN], &[1.0, 1.0]).contains("member 1"));
        assert!(message(&[1.0], &[0.0]).contains("member 0"));
        assert!(message(&[1.0], &[f64::INFINITY]).contains("member 0"));
        assert!(message(&[], &[]).contains("0 means"));
        assert!(message(&[1.0], &[]).contains("1 means but 0 variances"));
    }
}
