//! One quantity's distribution, as a population's file has it.

use anyhow::{Result, ensure};
use rand::{Rng, RngExt};
use rand_distr::{Distribution as _, StandardNormal};
use serde::{Deserialize, Serialize};

/// `0.9`, `{ uniform = [0.5, 1] }`, `{ log_normal = [1.3, 0.42], within = [0.45, 4.2] }` and so on. Where `within` is
/// given, values are drawn until one lies in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "toml::Value", into = "toml::Value")]
pub enum Distribution {
    Fixed(f64),
    Drawn(Drawn),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    pub shape: Shape,
    pub within: Option<[f64; 2]>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Smallest and largest.
    Uniform([f64; 2]),
    /// Smallest and largest, uniform in the logarithm.
    LogUniform([f64; 2]),
    /// Mean and standard deviation.
    Normal([f64; 2]),
    /// Median, and standard deviation of the natural logarithm.
    LogNormal([f64; 2]),
    /// Its mode.
    Rayleigh(f64),
    /// Quantiles at probabilities evenly spaced from 0 to 1, linear between them.
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
                let shape: Shape = shape.map_err(|error| error.message().to_string())?;
                Ok(Distribution::Drawn(Drawn { shape, within }))
            }
            other => Err(format!(
                "{other} is no distribution: a number or a table like {{ uniform = [0, 1] }} is"
            )),
        }
    }
}

impl From<Distribution> for toml::Value {
    fn from(distribution: Distribution) -> toml::Value {
        match distribution {
            Distribution::Fixed(value) => toml::Value::Float(value),
            Distribution::Drawn(Drawn { shape, within }) => {
                let mut value = toml::Value::try_from(shape).expect("numbers and lists of them");
                if let (Some(table), Some(within)) = (value.as_table_mut(), within) {
                    table.insert("within".into(), toml::Value::from(within.to_vec()));
                }
                value
            }
        }
    }
}

/// Draws after which a value is moved to the nearest end of `within`.
const TRIES: usize = 1000;

impl Distribution {
    pub fn draw(&self, rng: &mut impl Rng) -> f64 {
        match self {
            Distribution::Fixed(value) => *value,
            Distribution::Drawn(Drawn { shape, within: None }) => shape.draw(rng),
            Distribution::Drawn(Drawn {
                shape,
                within: Some([low, high]),
            }) => {
                let mut value = shape.draw(rng);
                for _ in 1..TRIES {
                    if (*low..=*high).contains(&value) {
                        break;
                    }
                    value = shape.draw(rng);
                }
                value.clamp(*low, *high)
            }
        }
    }

    /// Smallest and largest value that can come out; infinite where there is none.
    pub fn range(&self) -> [f64; 2] {
        let (shape, within) = match self {
            Distribution::Fixed(value) => return [*value; 2],
            Distribution::Drawn(Drawn { shape, within }) => {
                (shape, within.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]))
            }
        };
        let [low, high] = match shape {
            Shape::Uniform(ends) | Shape::LogUniform(ends) => *ends,
            Shape::Normal([mean, 0.0]) => [*mean; 2],
            Shape::Normal(_) => [f64::NEG_INFINITY, f64::INFINITY],
            Shape::LogNormal([median, 0.0]) => [*median; 2],
            Shape::LogNormal(_) | Shape::Rayleigh(_) => [0.0, f64::INFINITY],
            Shape::Quantiles(values) => [values[0], values[values.len() - 1]],
        };
        [low.max(within[0]), high.min(within[1])]
    }

    /// Fails, naming `key`, unless the distribution makes sense and all of it lies from `low` to `high`.
    ///
    /// # Errors
    /// Say the key, its value and what is allowed.
    pub fn check(&self, key: &str, low: f64, high: f64) -> Result<()> {
        if let Distribution::Drawn(Drawn { shape, within }) = self {
            let ordered = |[a, b]: [f64; 2]| a.is_finite() && b.is_finite() && a <= b;
            let sound = match shape {
                Shape::Uniform(ends) => ordered(*ends),
                Shape::LogUniform(ends) => ordered(*ends) && ends[0] > 0.0,
                Shape::Normal([mean, sigma]) => mean.is_finite() && sigma.is_finite() && *sigma >= 0.0,
                Shape::LogNormal([median, sigma]) => *median > 0.0 && sigma.is_finite() && *sigma >= 0.0,
                Shape::Rayleigh(mode) => mode.is_finite() && *mode > 0.0,
                Shape::Quantiles(values) => values.len() > 1 && values.windows(2).all(|w| ordered([w[0], w[1]])),
            };
            ensure!(
                sound,
                "{key} = {self}: widths must not be negative, medians, modes and logarithmic ends must be positive, \
                 and ends and quantiles must grow"
            );
            ensure!(
                within.is_none_or(ordered),
                "{key} = {self}: 'within' must name the smallest value, then the largest"
            );
        }
        let [least, most] = self.range();
        ensure!(
            least <= most && least >= low && most <= high,
            "{key} = {self} can be anything from {least} to {most}; allowed is {}",
            allowed(low, high)
        );
        Ok(())
    }
}

/// For people.
pub fn allowed(low: f64, high: f64) -> String {
    match (low.is_finite(), high.is_finite()) {
        (true, true) => format!("{low} to {high}"),
        (true, false) => format!("{low} or more"),
        (false, true) => format!("{high} or less"),
        (false, false) => "any number".into(),
    }
}

impl std::fmt::Display for Distribution {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Distribution::Fixed(value) => write!(f, "{value}"),
            Distribution::Drawn(Drawn { shape, within }) => {
                write!(f, "{shape:?}")?;
                within.map_or(Ok(()), |within| write!(f, " within {within:?}"))
            }
        }
    }
}

impl Shape {
    fn draw(&self, rng: &mut impl Rng) -> f64 {
        let mut uniform = || rng.random_range(0.0..1.0f64);
        match self {
            Shape::Uniform([a, b]) => a + (b - a) * uniform(),
            Shape::LogUniform([a, b]) => a * (b / a).powf(uniform()),
            Shape::Normal([mean, sigma]) => mean + sigma * normal(rng),
            Shape::LogNormal([median, sigma]) => median * (sigma * normal(rng)).exp(),
            Shape::Rayleigh(mode) => mode * (-2.0 * (1.0 - uniform()).ln()).sqrt(),
            Shape::Quantiles(values) => {
                let place = uniform() * (values.len() - 1) as f64;
                let k = (place as usize).min(values.len() - 2);
                values[k] + (place - k as f64) * (values[k + 1] - values[k])
            }
        }
    }
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
    fn each_shape_has_the_median_that_it_should_and_keeps_within_its_ends() {
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
    fn what_makes_no_sense_is_refused_with_its_key_and_what_is_allowed() {
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
