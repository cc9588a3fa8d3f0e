//! Options that take one of a few names, shown in `--help` with a line each.

use crate::device::Precision;
use crate::lens::physics::convention::Convention;
use crate::likelihood::Likelihood;
use crate::modelling::prior::{Format, MassProfile, PriorShape};
use crate::posterior::calibration::Method;
use crate::survey::Missing;
use crate::survey::flags::bits;
use crate::train::Recipe;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use std::path::PathBuf;

/// `--likelihood`.
pub fn likelihood() -> impl TypedValueParser<Value = Likelihood> {
    one_of(&Likelihood::ALL, Likelihood::name, Likelihood::summary)
}

/// `--precision`.
pub fn precision() -> impl TypedValueParser<Value = Precision> {
    one_of(&Precision::ALL, Precision::name, Precision::summary)
}

/// `--recipe`.
pub fn recipe() -> impl TypedValueParser<Value = Recipe> {
    one_of(&Recipe::ALL, Recipe::name, Recipe::summary)
}

/// `--missing`.
pub fn missing() -> impl TypedValueParser<Value = Missing> {
    one_of(&Missing::ALL, Missing::name, Missing::summary)
}

/// `--flags`.
///
/// # Errors
/// A name that is no flag.
pub fn flags(text: &str) -> Result<i32, String> {
    bits(text).map_err(|error| error.to_string())
}

/// `--format`.
pub fn format() -> impl TypedValueParser<Value = Format> {
    one_of(&Format::ALL, Format::name, Format::summary)
}

/// `--mass`.
pub fn mass_profile() -> impl TypedValueParser<Value = MassProfile> {
    one_of(&MassProfile::ALL, MassProfile::name, MassProfile::summary)
}

/// `--shape` of a prior.
pub fn prior_shape() -> impl TypedValueParser<Value = PriorShape> {
    one_of(&PriorShape::ALL, PriorShape::name, PriorShape::summary)
}

/// `--convention` and `--catalogue-convention`.
pub fn convention() -> impl TypedValueParser<Value = Convention> {
    one_of(&Convention::ALL, Convention::name, Convention::summary)
}

/// `--network`.
#[derive(Clone, Debug, PartialEq)]
pub enum NetworkChoice {
    /// A network file.
    File(PathBuf),
    /// `mlp:50,50`: dense layers of so many units.
    Dense(Vec<usize>),
}

/// # Errors
/// Units that are no counts.
pub fn network(text: &str) -> Result<NetworkChoice, String> {
    let Some(units) = text.strip_prefix("mlp:") else {
        return Ok(NetworkChoice::File(text.into()));
    };
    let count = |text: &str| match text.trim().parse() {
        Ok(count @ 1..=MAX_UNITS) => Ok(count),
        _ => Err(format!(
            "'{text}' is no number of units from 1 to {MAX_UNITS}; write for instance mlp:50,50"
        )),
    };
    Ok(NetworkChoice::Dense(
        units.split(',').map(count).collect::<Result<_, _>>()?,
    ))
}

/// Largest dense layer of `--network mlp:...`.
const MAX_UNITS: usize = 4096;

/// `--method`.
pub fn method() -> impl TypedValueParser<Value = Method> {
    one_of(&Method::ALL, Method::name, Method::summary)
}

fn one_of<T: Copy + Send + Sync>(
    values: &'static [T],
    name: fn(T) -> &'static str,
    summary: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let shown = values
        .iter()
        .map(|&value| PossibleValue::new(name(value)).help(summary(value)));
    PossibleValuesParser::new(shown).map(move |given| {
        let mut named = values.iter().copied().filter(|&value| name(value) == given);
        named.next().expect("the parser lets no other name through")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_a_file_or_dense_layers() {
        assert_eq!(network("mlp:50,8").unwrap(), NetworkChoice::Dense(vec![50, 8]));
        assert_eq!(network("mlp.toml").unwrap(), NetworkChoice::File("mlp.toml".into()));
        for bad in ["mlp:", "mlp:50,", "mlp:0", "mlp:x", "mlp:50;50", "mlp:5000000"] {
            assert!(network(bad).unwrap_err().contains("mlp:50,50"), "{bad}");
        }
    }
}
