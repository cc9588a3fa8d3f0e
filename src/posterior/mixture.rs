//! The ensemble's answer: an equally weighted mixture of the members' distributions (arXiv 1612.01474, section 2.4).
//!
//! Quantiles are those of the mixture itself. A Gaussian of the same variance would be wrong exactly where it
//! matters: when members disagree, the mixture has several peaks.

use crate::likelihood::{Component, Likelihood};
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
        self.average(|c| c.sf(x))
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
        largest + (sum / self.size() as f64).ln() + self.likelihood.log_constant()
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
        }
    }

    /// One Gaussian with the mixture's mean and variance.
    pub fn moments(&self) -> Mixture {
        Mixture {
            likelihood: Likelihood::Gaussian,
            components: vec![Component::gaussian(self.mean(), self.sigma())],
        }
    }

    /// How many members there are.
    pub fn size(&self) -> usize {
        self.components.len()
    }

    /// One X at random.
    pub fn draw(&self, rng: &mut impl Rng) -> f64 {
        let member = rng.random_range(0..self.size() as u64) as usize;
        self.components[member].sample(rng)
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
        let spread = |x: f64| self.components.iter().map(|c| c.dx_dz(x)).fold(f64::INFINITY, f64::min);
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
        let t = self.likelihood.tail_bound(p.min(1.0 - p));
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
mod tests;
