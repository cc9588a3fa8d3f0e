//! Clumps of the sources.

use super::check::number;
use super::error::PopulationError;
use crate::lens::simulate::distribution::Distribution;
use serde::{Deserialize, Serialize};

/// Clumps that a probability stands for.
pub const THREE: usize = 3;
/// Largest number of knots.
pub const MAX_KNOTS: usize = 8;

/// Clumps in addition to the main component of a source. Together they have the source's colours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, try_from = "toml::Value")]
pub enum Clumps {
    /// Probability of each of up to three clumps: each has a tenth to a half of the light that is left in the main
    /// component, a third of its radius, and lies inside that radius.
    Probability(f64),
    /// Knots of any number and brightness.
    Knots(Knots),
}

/// Knots: exponential profiles inside an ellipse with the shape of the main component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Knots {
    /// Their number, rounded to the nearest integer.
    pub number: Distribution,
    /// Fraction of the source's light in all knots together. It is divided among them at random.
    pub share: Distribution,
    /// Half-light radius of a knot in units of that of the main component.
    pub radius: Distribution,
    /// Half-light radii of the main component within which the knots lie.
    #[serde(default = "one")]
    pub within: f64,
}

fn one() -> f64 {
    1.0
}

impl Default for Clumps {
    fn default() -> Clumps {
        Clumps::Probability(0.0)
    }
}

/// Decides by the type, so that an error names the keys of the table.
impl TryFrom<toml::Value> for Clumps {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Clumps, String> {
        match value {
            toml::Value::Float(probability) => Ok(Clumps::Probability(probability)),
            toml::Value::Integer(probability) => Ok(Clumps::Probability(probability as f64)),
            toml::Value::Table(_) => {
                let knots: Result<Knots, toml::de::Error> = value.try_into();
                knots.map(Clumps::Knots).map_err(|error| error.message().to_string())
            }
            other => Err(format!(
                "{other} is not a probability; expected a number or a table such as {{ number = 4, share = 0.5, radius \
                 = 0.2 }}"
            )),
        }
    }
}

impl Clumps {
    /// Largest number of clumps that can be drawn.
    pub(in crate::lens::simulate) fn most(&self) -> usize {
        match self {
            Clumps::Probability(probability) => {
                if *probability > 0.0 {
                    THREE
                } else {
                    0
                }
            }
            Clumps::Knots(knots) => (knots.number.range()[1].round() as usize).min(MAX_KNOTS),
        }
    }

    pub(super) fn check(&self, key: &str) -> Result<(), PopulationError> {
        match self {
            Clumps::Probability(probability) => number(key, *probability, 0.0, 1.0),
            Clumps::Knots(knots) => {
                knots.number.check(&format!("{key}.number"), 0.0, MAX_KNOTS as f64)?;
                knots.share.check(&format!("{key}.share"), 0.0, 1.0)?;
                knots.radius.check(&format!("{key}.radius"), 0.01, 2.0)?;
                number(&format!("{key}.within"), knots.within, 0.0, 10.0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct File {
        clumps: Clumps,
    }

    fn read(text: &str) -> Result<Clumps, String> {
        let file: File = toml::from_str(&format!("clumps = {text}")).map_err(|error| error.message().to_string())?;
        file.clumps.check("source.clumps").map_err(|error| error.to_string())?;
        Ok(file.clumps)
    }

    #[test]
    fn a_probability_and_a_table_are_read() {
        assert_eq!(
            (read("0.3"), read("0")),
            (Ok(Clumps::Probability(0.3)), Ok(Clumps::default()))
        );
        assert_eq!((read("0.3").unwrap().most(), Clumps::default().most()), (3, 0));
        let knots = read("{ number = { uniform = [0, 5] }, share = 0.5, radius = 0.2 }").unwrap();
        assert_eq!(knots.most(), 5);
        let Clumps::Knots(knots) = knots else { panic!("a table") };
        assert_eq!((knots.within, knots.share), (1.0, Distribution::Fixed(0.5)));
    }

    #[test]
    fn impossible_clumps_are_errors_with_the_key() {
        for (text, says) in [
            ("1.5", "source.clumps = 1.5; allowed is 0 to 1"),
            (
                "{ number = 9, share = 0.5, radius = 0.2 }",
                "source.clumps.number = 9; allowed is 0 to 8",
            ),
            (
                "{ number = 3, share = 1.5, radius = 0.2 }",
                "source.clumps.share = 1.5; allowed is 0 to 1",
            ),
            (
                "{ number = 3, share = 0.5, radius = 0 }",
                "source.clumps.radius = 0; allowed is 0.01 to 2",
            ),
            (
                "{ number = 3, share = 0.5, radius = 0.2, within = -1 }",
                "source.clumps.within = -1",
            ),
            ("{ numbers = 3 }", "unknown field `numbers`"),
            ("\"many\"", "expected a number or a table"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
