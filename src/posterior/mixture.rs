//! The ensemble's prediction: an equally weighted mixture of the members' distributions (Lakshminarayanan et al. 2017,
//! arXiv:1612.01474, section 2.4).
//!
//! Quantiles are those of the mixture itself. A Gaussian of the same variance would be wrong where it matters most: when
//! members disagree, the mixture has several peaks.

use super::Error;
use crate::likelihood::{Component, Likelihood};

use rand::{Rng, RngExt};

/// The levels of the quantiles of a [`Prediction`].
pub const LEVELS: [f64; 5] = [0.025, 0.16, 0.5, 0.84, 0.975];

/// The largest [`signed_log_tail`](Mixture::signed_log_tail): exp(-700) is still a normal number.
const LARGEST_LOG_TAIL: f64 = 700.0;
/// The largest [`logit`](Mixture::logit), that of a Gaussian 45,000 sigma from its mean.
const LARGEST_LOGIT: f64 = 1e9;

/// p(x) = 1/M sum_m p_m(x) for one object, where all p_m are of one likelihood. Values are in the label's unit (arcsec).
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    likelihood: Likelihood,
    components: Vec<Component>,
    /// Smallest possible value, see [`MemberPredictions::lowest`](super::MemberPredictions::lowest).
    pub(super) lowest: f64,
}

/// The predicted Einstein radius of one object, in arcsec.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Mean of the mixture.
    pub theta_e: f64,
    /// Standard deviation of the mixture: sigma^2 = sigma_aleatoric^2 + sigma_epistemic^2.
    pub sigma: f64,
    /// Uncertainty from noise in the image: the root of the mean of the members' variances.
    pub sigma_aleatoric: f64,
    /// Uncertainty of the model: the standard deviation (normalised by M) of the members' means.
    pub sigma_epistemic: f64,
    /// Quantiles of the mixture at [`LEVELS`].
    pub quantiles: [f64; 5],
}

impl Prediction {
    /// The 95 % interval: q02_5 and q97_5.
    pub fn interval(&self) -> [f64; 2] {
        [self.quantiles[0], self.quantiles[4]]
    }

    /// This, or [`UNKNOWN`](Self::UNKNOWN) if any of its numbers is not finite.
    pub(super) fn if_finite(self) -> Prediction {
        let [theta_e, sigma] = [self.theta_e, self.sigma];
        let parts = [theta_e, sigma, self.sigma_aleatoric, self.sigma_epistemic];
        match parts.iter().chain(&self.quantiles).all(|number| number.is_finite()) {
            true => self,
            false => Prediction::UNKNOWN,
        }
    }

    /// No prediction, for an object whose image is missing, unreadable or masked: NaN throughout.
    pub const UNKNOWN: Prediction = Prediction {
        theta_e: f64::NAN,
        sigma: f64::NAN,
        sigma_aleatoric: f64::NAN,
        sigma_epistemic: f64::NAN,
        quantiles: [f64::NAN; 5],
    };
}

impl Mixture {
    /// The mixture of members with means `mu` and variances `var`, both (M).
    ///
    /// # Errors
    /// No member, unequal lengths, a mean that is not finite (log-normal: not positive), or a variance that is not finite
    /// and positive.
    pub fn new(likelihood: Likelihood, mu: &[f64], var: &[f64]) -> Result<Mixture, Error> {
        if mu.is_empty() || mu.len() != var.len() {
            return Err(Error::MemberCount {
                means: mu.len(),
                variances: var.len(),
            });
        }
        let component = |(member, (&mu, &var)): (usize, (&f64, &f64))| {
            Component::new(likelihood, mu, var).map_err(|source| Error::Member { member, source })
        };
        let members = mu.iter().zip(var).enumerate();
        Ok(Mixture {
            likelihood,
            components: members.map(component).collect::<Result<_, _>>()?,
            lowest: 0.0,
        })
    }

    /// Mean, uncertainties and quantiles together.
    pub fn prediction(&self) -> Prediction {
        Prediction {
            theta_e: self.mean(),
            sigma: self.sigma(),
            sigma_aleatoric: self.sigma_aleatoric(),
            sigma_epistemic: self.sigma_epistemic(),
            quantiles: LEVELS.map(|p| self.quantile(p)),
        }
    }

    /// Mean of the mixture.
    pub fn mean(&self) -> f64 {
        self.average(Component::mean)
    }

    /// Standard deviation of the mixture: sqrt(sigma_aleatoric^2 + sigma_epistemic^2).
    pub fn sigma(&self) -> f64 {
        self.sigma_aleatoric().hypot(self.sigma_epistemic())
    }

    /// Uncertainty from noise in the image: sqrt(mean(var)).
    pub fn sigma_aleatoric(&self) -> f64 {
        self.average(|c| c.sigma().powi(2)).sqrt()
    }

    /// Uncertainty of the model: the standard deviation of the members' means, normalised by M.
    pub fn sigma_epistemic(&self) -> f64 {
        let mean = self.mean();
        self.average(|c| (c.mean() - mean).powi(2)).sqrt()
    }

    /// P(X <= x).
    pub fn cdf(&self, x: f64) -> f64 {
        self.average(|c| c.cdf(x))
    }

    /// P(X > x), the survival function.
    pub fn sf(&self, x: f64) -> f64 {
        self.average(|c| c.sf(x))
    }

    /// ln(2 P(X <= x)) below the median and -ln(2 P(X > x)) above it, limited to ±700: a level that keeps its precision in
    /// both tails.
    pub fn signed_log_tail(&self, x: f64) -> f64 {
        let (below, above) = (self.cdf(x), self.sf(x));
        let tail = if below <= above {
            (2.0 * below).ln()
        } else {
            -(2.0 * above).ln()
        };
        tail.clamp(-LARGEST_LOG_TAIL, LARGEST_LOG_TAIL)
    }

    /// The x of a [`signed_log_tail`](Self::signed_log_tail).
    pub fn at_signed_log_tail(&self, tail: f64) -> f64 {
        let p = 0.5 * (-tail.abs().min(LARGEST_LOG_TAIL)).exp();
        if tail < 0.0 {
            self.quantile(p)
        } else {
            self.upper_quantile(p)
        }
    }

    /// ln(P(X <= x) / P(X > x)), limited to ±1e9, however close to 0 one of them is.
    pub fn logit(&self, x: f64) -> f64 {
        let (below, above) = (self.cdf(x), self.sf(x));
        if below.min(above) > f64::MIN_POSITIVE {
            return (below / above).ln();
        }
        let tail = |sign: f64| {
            let terms = || {
                self.components
                    .iter()
                    .map(move |c| self.likelihood.log_below(sign * c.z(x)))
            };
            let largest = terms().fold(f64::NEG_INFINITY, f64::max);
            let largest = largest.max(f64::MIN);
            largest + terms().map(|term| (term - largest).exp()).sum::<f64>().ln()
        };
        (tail(1.0) - tail(-1.0)).clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
    }

    /// The x of a [`logit`](Self::logit), which is limited to ±700.
    pub fn at_logit(&self, logit: f64) -> f64 {
        let p = 1.0 / (1.0 + logit.abs().min(LARGEST_LOG_TAIL).exp());
        if logit < 0.0 {
            self.quantile(p)
        } else {
            self.upper_quantile(p)
        }
    }

    /// The quantiles of every member at these logits of a level, limited to 8 of its scales on either side.
    pub(super) fn places(&self, logits: &[f64]) -> Vec<f64> {
        let standard = Mixture {
            likelihood: self.likelihood,
            components: vec![Component::standard(self.likelihood)],
            lowest: f64::NEG_INFINITY,
        };
        let z = |&logit: &f64| standard.components[0].z(standard.at_logit(logit)).clamp(-8.0, 8.0);
        let z: Vec<f64> = logits.iter().map(z).collect();
        let of_member = |c: &Component| z.iter().map(|&z| c.x(z)).collect::<Vec<f64>>();
        self.components.iter().flat_map(of_member).collect()
    }

    /// ln p(x), p in 1/arcsec, by log-sum-exp: finite wherever the exponent of the nearest member is, however small p is.
    pub fn log_pdf(&self, x: f64) -> f64 {
        let terms = || self.components.iter().map(|c| c.log_density(x));
        let largest = terms().fold(f64::NEG_INFINITY, f64::max);
        if largest == f64::NEG_INFINITY {
            return largest;
        }
        let sum: f64 = terms().map(|term| (term - largest).exp()).sum();
        largest + (sum / self.members() as f64).ln() + self.likelihood.log_constant()
    }

    /// The continuous ranked probability score: the integral of (F(x) - [x >= truth])^2 dx, in the label's unit. It
    /// generalises the absolute error to distributions.
    ///
    /// In closed form (Grimit et al. 2006, Q. J. R. Meteorol. Soc. 132, 2925): mean_m E|X_m - y| - mean_mk E|X_m - X_k| / 2
    /// with independent X.
    pub fn crps(&self, truth: f64) -> f64 {
        let among = self.average(|a| self.average(|b| a.distance(b)));
        self.average(|c| c.distance_to(truth)) - 0.5 * among
    }

    /// The mixture with the members' scales multiplied by `aleatoric` and the distances of their locations from the mean
    /// location by `epistemic`. The mean is unchanged, and the two parts of the uncertainty are multiplied by the two
    /// factors. For a log-normal likelihood this is done in ln x, which keeps x positive, and then all members are shifted
    /// in ln x to restore the mean of x.
    pub fn scaled(&self, aleatoric: f64, epistemic: f64) -> Mixture {
        let centre = self.average(|c| c.location);
        let component = |c: &Component| Component {
            location: centre + epistemic * (c.location - centre),
            scale: aleatoric * c.scale,
            ..*c
        };
        let mut components: Vec<Component> = self.components.iter().map(component).collect();
        let shift = self.likelihood.shift_to_mean(&self.components, &components);
        components.iter_mut().for_each(|c| c.location += shift);
        Mixture {
            likelihood: self.likelihood,
            components,
            lowest: self.lowest,
        }
    }

    /// One normal distribution; `sigma` may be any positive number, infinity included.
    pub fn gaussian(mean: f64, sigma: f64) -> Mixture {
        Mixture {
            likelihood: Likelihood::Gaussian,
            components: vec![Component::gaussian(mean, sigma)],
            lowest: 0.0,
        }
    }

    /// Number of members.
    pub fn members(&self) -> usize {
        self.components.len()
    }

    /// One random X.
    pub fn sample(&self, rng: &mut impl Rng) -> f64 {
        let member = rng.random_range(0..self.members() as u64) as usize;
        self.components[member].sample(rng)
    }

    /// The x with P(X <= x) = `p`, for 0 < p < 1, to about 1e-13 of the narrowest member's scale or the last digits of x.
    ///
    /// # Panics
    /// A `p` outside (0, 1).
    pub fn quantile(&self, p: f64) -> f64 {
        self.root(Level::Below(p))
    }

    /// The x with P(X > x) = `p`: [`quantile`](Self::quantile) of 1 - p, precise for p so small that 1 - p rounds to 1.
    ///
    /// # Panics
    /// A `p` outside (0, 1).
    pub fn upper_quantile(&self, p: f64) -> f64 {
        self.root(Level::Above(p))
    }

    /// Newton's method inside a shrinking bracket. A step that leaves the bracket, or is more than half as long as the
    /// previous one, is replaced by a bisection, so that it converges even where the density between the members
    /// underflows to zero.
    fn root(&self, level: Level) -> f64 {
        let (mut low, mut high) = self.bracket(level);
        let narrowest = |x: f64| self.components.iter().map(|c| c.dx_dz(x)).fold(f64::INFINITY, f64::min);
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
            let precision = 1e-13 * narrowest(x) + 4.0 * f64::EPSILON * x.abs();
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

    /// The mixture's quantile lies between the smallest and the largest of the members' own quantiles, whose z lies between
    /// 0 and a bound.
    fn bracket(&self, level: Level) -> (f64, f64) {
        let (Level::Below(p) | Level::Above(p)) = level;
        assert!(
            p > 0.0 && p < 1.0,
            "the level of a quantile must be between 0 and 1, not {p}"
        );
        let t = self.likelihood.tail_bound(p.min(1.0 - p));
        let lower = matches!(level, Level::Below(_)) == (p < 0.5);
        let (z_low, z_high) = if lower { (-t, 0.0) } else { (0.0, t) };
        self.components
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), c| {
                (low.min(c.x(z_low)), high.max(c.x(z_high)))
            })
    }

    /// M (cdf(x) - p), without cancellation: it increases with x and has the sign of cdf(x) - p even where the difference
    /// would be lost in rounding.
    ///
    /// Each member contributes its smaller tail. Between groups of members, where the cdf is flat, the result keeps its
    /// precision if p M is an integer (as for the median of an even number of members). Where the tails underflow as well,
    /// the sign is that of the side whose nearest member is fewer sigmas away.
    fn excess(&self, x: f64, level: Level) -> f64 {
        let (mut passed, mut tails) = (0.0, 0.0);
        let (mut nearest_below, mut nearest_above) = (f64::INFINITY, f64::INFINITY);
        for component in &self.components {
            let z = component.z(x);
            let tail = self.likelihood.tail(z.abs());
            if z >= 0.0 {
                passed += 1.0;
                tails -= tail;
                nearest_below = nearest_below.min(z);
            } else {
                tails += tail;
                nearest_above = nearest_above.min(-z);
            }
        }
        let members = self.members() as f64;
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
        self.components.iter().map(value).sum::<f64>() / self.members() as f64
    }
}

/// The probability that defines a quantile.
#[derive(Clone, Copy)]
enum Level {
    /// P(X <= x).
    Below(f64),
    /// P(X > x).
    Above(f64),
}

#[cfg(test)]
mod tests;
