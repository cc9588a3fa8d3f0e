//! The shape of a population: a log-normal distribution of theta_e, or a mixture of several.

use super::Error;
use crate::posterior::quantiles::normal_between;
use std::fmt;
use std::str::FromStr;

/// Largest number of log-normal distributions in a mixture.
pub const MAX_COMPONENTS: usize = 4;
/// Upper limit of the standard deviation of ln theta_e.
pub const MAX_SIGMA: f64 = 2.0;

/// p(theta_e) = sum_k w_k LogNormal(theta_e; mu_k, sigma_k): the logarithm of theta_e / 1 arcsec is normal with mean mu_k and
/// standard deviation sigma_k.
///
/// The parameters of the sampler are mu_1, ..., mu_K, sigma_1, ..., sigma_K, w_1, ..., w_(K - 1); the last weight is the
/// remainder. The components are in ascending order of mu, since the likelihood does not change if they are exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    components: usize,
}

impl Shape {
    /// One log-normal distribution.
    pub const LOG_NORMAL: Shape = Shape { components: 1 };

    /// Number of log-normal distributions.
    pub fn components(self) -> usize {
        self.components
    }

    /// Number of parameters.
    pub fn parameters(self) -> usize {
        3 * self.components - 1
    }

    /// Names of the parameters.
    pub fn names(self) -> Vec<String> {
        if self.components == 1 {
            return vec!["mu".into(), "sigma".into()];
        }
        let numbered = |name: &str, count: usize| (1..=count).map(|k| format!("{name}_{k}")).collect::<Vec<_>>();
        let k = self.components;
        [numbered("mu", k), numbered("sigma", k), numbered("weight", k - 1)].concat()
    }

    /// The population of these parameters.
    ///
    /// # Panics
    /// Another number of parameters.
    pub fn population(self, parameters: &[f64]) -> Population {
        assert_eq!(parameters.len(), self.parameters());
        let (mu, rest) = parameters.split_at(self.components);
        let (sigma, weights) = rest.split_at(self.components);
        let last = 1.0 - weights.iter().sum::<f64>();
        let weights = weights.iter().copied().chain([last]);
        let component = |((&mu, &sigma), weight)| Component { weight, mu, sigma };
        Population {
            components: mu.iter().zip(sigma).zip(weights).map(component).collect(),
        }
    }

    /// The parameters of a population of this shape.
    pub fn parameters_of(self, population: &Population) -> Vec<f64> {
        let c = &population.components;
        let (mu, sigma) = (c.iter().map(|c| c.mu), c.iter().map(|c| c.sigma));
        let weights = c[..c.len() - 1].iter().map(|c| c.weight);
        mu.chain(sigma).chain(weights).collect()
    }

    /// Whether the prior allows these parameters, where each mu has to lie in `mu`: every sigma between 0 and
    /// [`MAX_SIGMA`], every weight between 0 and 1, and ascending mu. The prior is uniform there.
    pub fn allows(self, population: &Population, mu: [f64; 2]) -> bool {
        let c = &population.components;
        let allowed = |c: &Component| {
            (mu[0]..=mu[1]).contains(&c.mu)
                && c.sigma > 0.0
                && c.sigma <= MAX_SIGMA
                && c.weight > 0.0
                && c.weight <= 1.0
        };
        c.iter().all(allowed) && c.windows(2).all(|pair| pair[0].mu < pair[1].mu)
    }
}

/// `log-normal` or `mixture:K`.
impl FromStr for Shape {
    type Err = Error;

    fn from_str(text: &str) -> Result<Shape, Error> {
        let components = match text.strip_prefix("mixture:") {
            Some(count) => count.parse().ok().filter(|k| (2..=MAX_COMPONENTS).contains(k)),
            None => (text == "log-normal").then_some(1),
        };
        let components = components.ok_or_else(|| Error::UnknownShape { text: text.into() })?;
        Ok(Shape { components })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.components {
            1 => f.write_str("log-normal"),
            k => write!(f, "mixture:{k}"),
        }
    }
}

/// A distribution of theta_e.
#[derive(Clone, Debug, PartialEq)]
pub struct Population {
    pub(super) components: Vec<Component>,
}

/// One log-normal distribution of a [`Population`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Component {
    pub(super) weight: f64,
    /// Mean of ln theta_e.
    pub(super) mu: f64,
    /// Standard deviation of ln theta_e.
    pub(super) sigma: f64,
}

/// What is reported about a distribution of theta_e.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// Mean of theta_e, arcsec.
    pub mean: f64,
    /// Standard deviation of theta_e, arcsec.
    pub scatter: f64,
    /// Median of theta_e, arcsec.
    pub median: f64,
    /// Mean of ln theta_e.
    pub mean_ln: f64,
    /// Standard deviation of ln theta_e.
    pub scatter_ln: f64,
}

impl Moments {
    /// Names of the values, as in the files that are written.
    pub const NAMES: [&'static str; 5] = ["mean", "scatter", "median", "mean_ln", "scatter_ln"];

    /// The values, in the order of [`NAMES`](Self::NAMES).
    pub fn values(&self) -> [f64; 5] {
        [self.mean, self.scatter, self.median, self.mean_ln, self.scatter_ln]
    }

    /// Of values of theta_e, all positive, with divisor n - 1; NaN without values.
    pub fn of_values(values: &[f64]) -> Moments {
        let moments = |values: &[f64]| {
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
            (mean, (squares / (n - 1.0)).sqrt())
        };
        let logarithms: Vec<f64> = values.iter().map(|v| v.ln()).collect();
        let ((mean, scatter), (mean_ln, scatter_ln)) = (moments(values), moments(&logarithms));
        Moments {
            mean,
            scatter,
            median: crate::numeric::median(&mut values.to_vec()).unwrap_or(f64::NAN),
            mean_ln,
            scatter_ln,
        }
    }
}

impl Population {
    /// Mean, scatter and median.
    pub fn moments(&self) -> Moments {
        let average =
            |value: &dyn Fn(&Component) -> f64| self.components.iter().map(|c| c.weight * value(c)).sum::<f64>();
        let mean = average(&|c| (c.mu + 0.5 * c.sigma * c.sigma).exp());
        let within = average(&|c| (2.0 * c.mu + c.sigma * c.sigma).exp() * (c.sigma * c.sigma).exp_m1());
        let between = average(&|c| ((c.mu + 0.5 * c.sigma * c.sigma).exp() - mean).powi(2));
        let mean_ln = average(&|c| c.mu);
        Moments {
            mean,
            scatter: (within + between).sqrt(),
            median: self.median_ln().exp(),
            mean_ln,
            scatter_ln: average(&|c| c.sigma * c.sigma + (c.mu - mean_ln).powi(2)).sqrt(),
        }
    }

    /// Density at theta_e (arcsec), 1/arcsec.
    pub fn density(&self, theta_e: f64) -> f64 {
        let density = |c: &Component| {
            let z = (theta_e.ln() - c.mu) / c.sigma;
            c.weight * (-0.5 * z * z).exp() / (c.sigma * theta_e * std::f64::consts::TAU.sqrt())
        };
        self.components.iter().map(density).sum()
    }

    /// The probability in each of the cells between `edges`, which are ln theta_e in ascending order; added to `cells`.
    pub(super) fn add_cells(&self, edges: &[f64], cells: &mut [f64]) {
        for c in &self.components {
            let mut below = (edges[0] - c.mu) / c.sigma;
            for (cell, edge) in cells.iter_mut().zip(&edges[1..]) {
                let above = (edge - c.mu) / c.sigma;
                // Beyond 38 sigma the tail of the normal distribution underflows.
                if above > -38.0 && below < 38.0 {
                    *cell += c.weight * normal_between(below, above);
                }
                below = above;
            }
        }
    }

    /// By bisection between the smallest and the largest mu.
    fn median_ln(&self) -> f64 {
        let ends = self.components.iter().map(|c| c.mu);
        let (mut low, mut high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), mu| (l.min(mu), h.max(mu)));
        while high - low > 1e-12 {
            let middle = 0.5 * (low + high);
            let below = |c: &Component| c.weight * normal_between(f64::NEG_INFINITY, (middle - c.mu) / c.sigma);
            if self.components.iter().map(below).sum::<f64>() < 0.5 {
                low = middle;
            } else {
                high = middle;
            }
        }
        0.5 * (low + high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
    }

    fn mixture() -> (Shape, Population) {
        let shape: Shape = "mixture:2".parse().unwrap();
        (shape, shape.population(&[-0.2, 0.6, 0.1, 0.3, 0.7]))
    }

    #[test]
    fn shapes_are_named_on_the_command_line() {
        for text in ["log-normal", "mixture:2", "mixture:4"] {
            assert_eq!(text.parse::<Shape>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "lognormal",
            "mixture",
            "mixture:1",
            "mixture:5",
            "mixture:-2",
            "mixture:x",
        ] {
            let error = text.parse::<Shape>().unwrap_err().to_string();
            assert!(error.contains("log-normal") && error.contains("mixture:2"), "{error}");
        }
    }

    #[test]
    fn parameters_and_their_names() {
        let (shape, population) = mixture();
        assert_eq!(shape.names(), ["mu_1", "mu_2", "sigma_1", "sigma_2", "weight_1"]);
        assert_eq!(shape.names().len(), shape.parameters());
        assert_eq!(shape.parameters_of(&population), [-0.2, 0.6, 0.1, 0.3, 0.7]);
        assert_eq!(Shape::LOG_NORMAL.names(), ["mu", "sigma"]);
        let allowed = |parameters: [f64; 5]| shape.allows(&shape.population(&parameters), [-1.0, 1.0]);
        assert!(allowed([-0.2, 0.6, 0.1, 0.3, 0.7]));
        for refused in [
            [0.6, -0.2, 0.1, 0.3, 0.7],
            [-1.1, 0.6, 0.1, 0.3, 0.7],
            [-0.2, 1.1, 0.1, 0.3, 0.7],
            [-0.2, 0.6, 0.0, 0.3, 0.7],
            [-0.2, 0.6, 0.1, 2.1, 0.7],
            [-0.2, 0.6, 0.1, 0.3, 1.1],
            [-0.2, 0.6, 0.1, 0.3, -0.1],
            [f64::NAN, 0.6, 0.1, 0.3, 0.7],
        ] {
            assert!(!allowed(refused), "{refused:?}");
        }
    }

    #[test]
    fn moments_are_those_of_a_numerical_integral() {
        for population in [mixture().1, Shape::LOG_NORMAL.population(&[0.3, 0.5])] {
            let step = 1e-3;
            let grid: Vec<f64> = (1..40_000).map(|i| f64::from(i) * step).collect();
            let integral =
                |f: &dyn Fn(f64) -> f64| step * grid.iter().map(|&x| f(x) * population.density(x)).sum::<f64>();
            let found = population.moments();
            assert_close(integral(&|_| 1.0), 1.0, 1e-5);
            assert_close(found.mean, integral(&|x| x), 1e-5);
            assert_close(found.scatter, integral(&|x| (x - found.mean).powi(2)).sqrt(), 1e-4);
            assert_close(found.mean_ln, integral(&|x| x.ln()), 1e-5);
            assert_close(
                found.scatter_ln,
                integral(&|x| (x.ln() - found.mean_ln).powi(2)).sqrt(),
                1e-5,
            );
            assert_close(integral(&|x| f64::from(x <= found.median)), 0.5, 1e-3);
        }
    }

    #[test]
    fn moments_of_values() {
        let found = Moments::of_values(&[1.0, 2.0, 4.0, 8.0]);
        assert_close(found.mean, 3.75, 1e-12);
        assert_close(found.scatter, 3.095_695_936_834_452, 1e-12);
        assert_close(found.median, 3.0, 1e-12);
        assert_close(found.mean_ln, 1.5 * 2f64.ln(), 1e-12);
        assert_close(found.scatter_ln, 1.290_994_448_735_805_6 * 2f64.ln(), 1e-12);
    }

    #[test]
    fn cells_hold_the_probability_between_their_edges() {
        let (_, population) = mixture();
        let edges: Vec<f64> = (0..=400).map(|i| -3.0 + f64::from(i) * 0.02).collect();
        let mut cells = vec![0.0; 400];
        population.add_cells(&edges, &mut cells);
        assert_close(cells.iter().sum(), 1.0, 1e-9);
        let theta_e = (0.5 * (edges[150] + edges[151])).exp();
        assert_close(cells[150], population.density(theta_e) * theta_e * 0.02, 1e-4);
        assert!(cells.iter().all(|cell| *cell >= 0.0));
    }
}
