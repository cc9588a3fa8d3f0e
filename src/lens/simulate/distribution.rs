//! The distribution of one quantity of a population.

use super::population::PopulationError;
use rand::{Rng, RngExt};
use rand_distr::{Distribution as _, StandardNormal};
use serde::{Deserialize, Serialize};

/// A number or a random variable: `0.9`, `{ uniform = [0.5, 1] }` or `{ log_normal = [1.3, 0.42], within = [0.45, 4.2] }`
/// for instance. With `within`, values are drawn until one lies in that range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "toml::Value", into = "toml::Value")]
pub enum Distribution {
    /// Always this value.
    Fixed(f64),
    /// A random variable.
    Drawn(Drawn),
}

/// A random variable.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// Its distribution, before truncation.
    pub shape: Family,
    /// The range to which it is truncated.
    pub within: Option<[f64; 2]>,
}

/// A family of distributions with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Smallest and largest value.
    Uniform([f64; 2]),
    /// Smallest and largest value; uniform in the logarithm.
    LogUniform([f64; 2]),
    /// Mean and standard deviation.
    Normal([f64; 2]),
    /// Median, and standard deviation of the natural logarithm.
    LogNormal([f64; 2]),
    /// Mode.
    Rayleigh(f64),
    /// Quantiles at probabilities evenly spaced from 0 to 1, with linear interpolation.
    Quantiles(Vec<f64>),
}

impl TryFrom<toml::Value> for Distribution {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Distribution, String> {
        match value {
            toml::Value::Float(value) => Ok(Distribution::Fixed(value)),
            toml::Value::Integer(value) => Ok(Distribution::Fixed(value as f64)),
            toml::Value::Table(mut table) => {
                let within = table.remove("within").map(toml::Value::try_into).transpose();
                let within = within.map_err(|error| format!("within: {}", error.message()))?;
                let shape = toml::Value::Table(table).try_into();
                let shape: Family = shape.map_err(|error| error.message().to_string())?;
                Ok(Distribution::Drawn(Drawn { shape, within }))
            }
            other => Err(format!(
                "{other} is not a distribution; expected a number or a table such as {{ uniform = [0, 1] }}"
            )),
        }
    }
}

impl From<Distribution> for toml::Value {
    fn from(distribution: Distribution) -> toml::Value {
        match distribution {
            Distribution::Fixed(value) => toml::Value::Float(value),
            Distribution::Drawn(Drawn { shape, within }) => {
                let mut value = toml::Value::try_from(shape).expect("numbers and lists of numbers");
                if let (Some(table), Some(within)) = (value.as_table_mut(), within) {
                    table.insert("within".into(), toml::Value::from(within.to_vec()));
                }
                value
            }
        }
    }
}

/// Draws after which a value is moved to the nearest end of `within`.
const MAX_DRAWS: usize = 1000;

impl Distribution {
    /// One random value.
    pub fn draw(&self, rng: &mut impl Rng) -> f64 {
        match self {
            Distribution::Fixed(value) => *value,
            Distribution::Drawn(Drawn { shape, within: None }) => shape.draw(rng),
            Distribution::Drawn(Drawn {
                shape,
                within: Some([low, high]),
            }) => {
                let mut value = shape.draw(rng);
                for _ in 1..MAX_DRAWS {
                    if (*low..=*high).contains(&value) {
                        break;
                    }
                    value = shape.draw(rng);
                }
                value.clamp(*low, *high)
            }
        }
    }

    /// Smallest and largest value that can be drawn; infinite if there is no bound.
    pub fn range(&self) -> [f64; 2] {
        let (shape, within) = match self {
            Distribution::Fixed(value) => return [*value; 2],
            Distribution::Drawn(Drawn { shape, within }) => {
                (shape, within.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]))
            }
        };
        let [low, high] = match shape {
            Family::Uniform(ends) | Family::LogUniform(ends) => *ends,
            Family::Normal([mean, 0.0]) => [*mean; 2],
            Family::Normal(_) => [f64::NEG_INFINITY, f64::INFINITY],
            Family::LogNormal([median, 0.0]) => [*median; 2],
            Family::LogNormal(_) | Family::Rayleigh(_) => [0.0, f64::INFINITY],
            Family::Quantiles(values) => [values[0], values[values.len() - 1]],
        };
        [low.max(within[0]), high.min(within[1])]
    }

    /// Checks that the parameters are consistent and that all values lie between `low` and `high`.
    ///
    /// # Errors
    /// [`PopulationError::Distribution`] or [`PopulationError::Range`], about `key`; [`PopulationError::Value`] for a fixed
    /// value.
    pub fn check(&self, key: &str, low: f64, high: f64) -> Result<(), PopulationError> {
        if let Distribution::Drawn(Drawn { shape, within }) = self {
            let require = |ok, requirement| match ok {
                true => Ok(()),
                false => Err(PopulationError::Distribution {
                    key: key.into(),
                    distribution: self.to_string(),
                    requirement,
                }),
            };
            require(
                shape.is_consistent(),
                "widths must not be negative; medians, modes and logarithmic ends must be positive; ends and quantiles \
                 must increase",
            )?;
            require(
                within.is_none_or(is_ordered),
                "'within' must be the smallest value, then the largest",
            )?;
        }
        let [least, most] = self.range();
        if least <= most && least >= low && most <= high {
            return Ok(());
        }
        let (key, allowed) = (key.to_owned(), range_text(low, high));
        Err(match self {
            Distribution::Fixed(value) => PopulationError::Value {
                key,
                value: value.to_string(),
                allowed,
            },
            Distribution::Drawn(_) => PopulationError::Range {
                key,
                distribution: self.to_string(),
                least,
                most,
                allowed,
            },
        })
    }
}

/// A range in words.
pub(super) fn range_text(low: f64, high: f64) -> String {
    match (low.is_finite(), high.is_finite()) {
        (true, true) => format!("{low} to {high}"),
        (true, false) => format!("{low} or more"),
        (false, true) => format!("{high} or less"),
        (false, false) => "any number".into(),
    }
}

/// As in the file.
impl std::fmt::Display for Distribution {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Distribution::Fixed(value) => write!(f, "{value}"),
            Distribution::Drawn(_) => write!(f, "{}", toml::Value::from(self.clone())),
        }
    }
}

impl Family {
    fn draw(&self, rng: &mut impl Rng) -> f64 {
        let mut uniform = || rng.random_range(0.0..1.0f64);
        match self {
            Family::Uniform([a, b]) => a + (b - a) * uniform(),
            Family::LogUniform([a, b]) => a * (b / a).powf(uniform()),
            Family::Normal([mean, sigma]) => mean + sigma * normal(rng),
            Family::LogNormal([median, sigma]) => median * (sigma * normal(rng)).exp(),
            Family::Rayleigh(mode) => mode * (-2.0 * (1.0 - uniform()).ln()).sqrt(),
            Family::Quantiles(values) => {
                let place = uniform() * (values.len() - 1) as f64;
                let k = (place as usize).min(values.len() - 2);
                values[k] + (place - k as f64) * (values[k + 1] - values[k])
            }
        }
    }

    fn is_consistent(&self) -> bool {
        match self {
            Family::Uniform(ends) => is_ordered(*ends),
            Family::LogUniform(ends) => is_ordered(*ends) && ends[0] > 0.0,
            Family::Normal([mean, sigma]) => mean.is_finite() && sigma.is_finite() && *sigma >= 0.0,
            Family::LogNormal([median, sigma]) => *median > 0.0 && sigma.is_finite() && *sigma >= 0.0,
            Family::Rayleigh(mode) => mode.is_finite() && *mode > 0.0,
            Family::Quantiles(values) => values.len() > 1 && values.windows(2).all(|w| is_ordered([w[0], w[1]])),
        }
    }
}

fn is_ordered([a, b]: [f64; 2]) -> bool {
    a.is_finite() && b.is_finite() && a <= b
}

fn normal(rng: &mut impl Rng) -> f64 {
    StandardNormal.sample(rng)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[derive(Deserialize)]
    struct File {
        x: Distribution,
    }

    fn parse(text: &str) -> Distribution {
        toml::from_str::<File>(&format!("x = {text}")).unwrap().x
    }

    #[test]
    fn every_family_has_its_median_and_stays_in_its_range() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for (text, median) in [
            ("0.9", 0.9),
            ("{ uniform = [1, 3] }", 2.0),
            ("{ log_uniform = [1, 100] }", 10.0),
            ("{ normal = [5, 1], within = [4, 6] }", 5.0),
            ("{ log_normal = [1.3, 0.42], within = [0.45, 4.2] }", 1.3),
            ("{ rayleigh = 2 }", 2.0 * (2.0 * 2f64.ln()).sqrt()),
            ("{ quantiles = [0, 1, 10] }", 1.0),
        ] {
            let distribution = parse(text);
            distribution.check("x", 0.0, f64::INFINITY).unwrap();
            let mut values: Vec<f64> = (0..20_001).map(|_| distribution.draw(&mut rng)).collect();
            values.sort_by(f64::total_cmp);
            assert!(
                (values[10_000] / median - 1.0).abs() < 0.1,
                "{text}: {}",
                values[10_000]
            );
            let [low, high] = distribution.range();
            assert!(low <= values[0] && values[20_000] <= high, "{text}");
        }
    }

    #[test]
    fn impossible_distributions_are_errors_with_key_and_range() {
        for text in [
            "-1",
            "{ uniform = [3, 1] }",
            "{ normal = [5, -1] }",
            "{ log_normal = [-1, 1] }",
            "{ quantiles = [1] }",
            "{ normal = [5, 1] }",
            "{ uniform = [1, 3], within = [4, 5] }",
        ] {
            let error = parse(text).check("source.radius", 0.0, 9.0).unwrap_err().to_string();
            assert!(error.starts_with("source.radius = "), "{text}: {error}");
        }
        let error = parse("-1").check("radius", 0.01, 9.0).unwrap_err().to_string();
        assert!(error.contains("allowed is 0.01 to 9"), "{error}");
    }
}
