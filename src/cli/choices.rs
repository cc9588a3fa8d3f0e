//! Options that take one of a few names, shown in `--help` with a line each.

use crate::likelihood::Likelihood;
use crate::posterior::calibration::Method;
use crate::train::Recipe;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

/// `--likelihood`.
pub fn likelihood() -> impl TypedValueParser<Value = Likelihood> {
    one_of(&Likelihood::ALL, Likelihood::name, Likelihood::summary)
}

/// `--recipe`.
pub fn recipe() -> impl TypedValueParser<Value = Recipe> {
    one_of(&Recipe::ALL, Recipe::name, Recipe::summary)
}

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
