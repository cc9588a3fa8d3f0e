//! The distribution of a standard deviation whose square is inverse-gamma.

use super::invert::upper_quantile;
use libm::lgamma;
use statrs::function::gamma::checked_gamma_lr;

/// sigma, where sigma^2 ~ inverse-gamma(shape, rate).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseSigma {
    /// Shape of the inverse-gamma distribution, more than 0.
    pub shape: f64,
    /// Its rate, more than 0, in squared units of sigma.
    pub rate: f64,
}

impl NoiseSigma {
    /// Mean; infinite with a shape of 1/2 or less.
    pub fn mean(&self) -> f64 {
        match self.shape > 0.5 {
            true => self.rate.sqrt() * (lgamma(self.shape - 0.5) - lgamma(self.shape)).exp(),
            false => f64::INFINITY,
        }
    }

    /// Standard deviation; infinite with a shape of 1 or less.
    pub fn sigma(&self) -> f64 {
        match self.shape > 1.0 {
            true => (self.rate / (self.shape - 1.0) - self.mean().powi(2)).max(0.0).sqrt(),
            false => f64::INFINITY,
        }
    }

    /// ln p(sigma).
    pub fn log_pdf(&self, sigma: f64) -> f64 {
        let (a, b) = (self.shape, self.rate);
        2f64.ln() + a * b.ln() - lgamma(a) - (2.0 * a + 1.0) * sigma.ln() - b / (sigma * sigma)
    }

    /// The value below which a fraction `level` of the probability lies.
    pub fn quantile(&self, level: f64) -> f64 {
        // In units of the scale of sigma, so that the search starts in the right place.
        let unit = (self.rate / self.shape).sqrt();
        let scaled = NoiseSigma {
            rate: self.shape,
            ..*self
        };
        // 1/sigma^2 ~ gamma.
        let above = |z: f64| match z {
            0.0 => 1.0,
            z => checked_gamma_lr(scaled.shape, scaled.rate / (z * z)).unwrap_or(1.0),
        };
        unit * upper_quantile(above, |z| scaled.log_pdf(z).exp(), 1.0 - level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bayes::recorded::{assert_close, list, number, read};

    #[test]
    fn moments_quantiles_and_density_are_those_of_scipy() {
        for case in read("noise_sigma.json").as_array().unwrap() {
            let sigma = NoiseSigma {
                shape: number(&case["shape"]),
                rate: number(&case["rate"]),
            };
            let levels = [0.025, 0.16, 0.5, 0.84, 0.975];
            assert_close(
                &levels.map(|level| sigma.quantile(level)),
                &list(&case["quantiles"]),
                1e-8,
            );
            let moments = [sigma.mean(), sigma.sigma(), sigma.log_pdf(1.3)];
            assert_close(&moments, &list(&case["moments"]), 1e-8);
        }
    }

    #[test]
    fn moments_that_do_not_exist_are_infinite() {
        assert_eq!(NoiseSigma { shape: 0.5, rate: 1.0 }.mean(), f64::INFINITY);
        assert_eq!(NoiseSigma { shape: 1.0, rate: 1.0 }.sigma(), f64::INFINITY);
    }
}
