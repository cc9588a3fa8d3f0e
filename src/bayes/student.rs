//! Student's t distribution of any location, scale and number of degrees of freedom.

use super::invert::upper_quantile;
use serde::Serialize;
use statrs::distribution::{Continuous, ContinuousCDF, StudentsT};

/// Student's t distribution; the normal distribution if the number of degrees of freedom is infinite.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StudentT {
    /// Median, and mean if there are more than one degrees of freedom.
    pub location: f64,
    /// Scale, which is less than the standard deviation.
    pub scale: f64,
    /// Degrees of freedom, more than 0.
    pub dof: f64,
}

impl StudentT {
    /// Standard deviation; infinite with two degrees of freedom or fewer.
    pub fn sigma(&self) -> f64 {
        match self.dof {
            dof if dof.is_infinite() => self.scale,
            dof if dof > 2.0 => self.scale * (dof / (dof - 2.0)).sqrt(),
            _ => f64::INFINITY,
        }
    }

    /// P(X <= x).
    pub fn cdf(&self, x: f64) -> f64 {
        self.standard().cdf((x - self.location) / self.scale)
    }

    /// ln p(x).
    pub fn log_pdf(&self, x: f64) -> f64 {
        self.standard().ln_pdf((x - self.location) / self.scale) - self.scale.ln()
    }

    /// The value below which a fraction `level` of the probability lies.
    pub fn quantile(&self, level: f64) -> f64 {
        // The median is exact, and the rest symmetric.
        let z = match level {
            0.5 => 0.0,
            level if level < 0.5 => -self.upper(level),
            level => self.upper(1.0 - level),
        };
        self.location + self.scale * z
    }

    /// The interval in the middle that holds a fraction `level` of the probability.
    pub fn interval(&self, level: f64) -> [f64; 2] {
        let tail = 0.5 * (1.0 - level);
        [tail, 1.0 - tail].map(|level| self.quantile(level))
    }

    /// The z of the standard distribution above which a fraction `tail` < 1/2 of the probability lies.
    fn upper(&self, tail: f64) -> f64 {
        let standard = self.standard();
        upper_quantile(|z| standard.sf(z), |z| standard.pdf(z), tail)
    }

    fn standard(&self) -> StudentsT {
        StudentsT::new(0.0, 1.0, self.dof).expect("the number of degrees of freedom is positive")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bayes::recorded::{assert_close, list, read};

    #[test]
    fn quantiles_are_those_of_scipy_and_invert_the_distribution_function() {
        let recorded = read("student.json");
        let levels = list(&recorded["level"]);
        for (dof, expected) in list(&recorded["dof"])
            .into_iter()
            .zip(recorded["quantile"].as_array().unwrap())
        {
            let t = StudentT {
                location: 0.0,
                scale: 1.0,
                dof,
            };
            let found: Vec<f64> = levels.iter().map(|&level| t.quantile(level)).collect();
            assert_close(&found, &list(expected), 1e-9);
            let back: Vec<f64> = found.iter().map(|&x| t.cdf(x)).collect();
            assert_close(&back, &levels, 1e-9);
        }
    }

    #[test]
    fn infinite_degrees_of_freedom_are_the_normal_distribution() {
        let t = StudentT {
            location: 1.0,
            scale: 2.0,
            dof: f64::INFINITY,
        };
        assert_close(
            &t.interval(0.95),
            &[1.0 - 2.0 * 1.959_963_984_540_054, 1.0 + 2.0 * 1.959_963_984_540_054],
            1e-10,
        );
        assert_eq!(t.sigma(), 2.0);
        assert_close(&[t.log_pdf(1.0)], &[-0.918_938_533_204_672_7 - 2f64.ln()], 1e-12);
    }

    #[test]
    fn the_standard_deviation_exists_above_two_degrees_of_freedom() {
        let t = |dof| StudentT {
            location: 0.0,
            scale: 3.0,
            dof,
        };
        assert_close(&[t(4.0).sigma()], &[3.0 * 2f64.sqrt()], 1e-12);
        assert_eq!(t(2.0).sigma(), f64::INFINITY);
    }
}
