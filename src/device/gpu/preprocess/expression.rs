//! Expressions of integers, names and operators.

use super::error::{Error, Result};

/// The value of `expression`; of several names that are the same, the last counts.
pub fn evaluate(expression: &str, names: &[(String, i64)]) -> Result<i64> {
    let mut parser = Parser {
        names,
        rest: expression.trim(),
    };
    let value = parser.binary(0)?;
    if !parser.rest.is_empty() {
        return Err(Error::Unexpected {
            rest: parser.rest.into(),
            expression: expression.trim().into(),
        });
    }
    Ok(value)
}

/// Whether a character can be part of a name.
pub fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Operators by precedence, the lowest first; of the same precedence, the longer ones first.
const OPERATORS: &[&[&str]] = &[
    &["||"],
    &["&&"],
    &["==", "!=", "<=", ">=", "<", ">"],
    &["+", "-"],
    &["*", "/", "%"],
];

struct Parser<'a> {
    names: &'a [(String, i64)],
    rest: &'a str,
}

impl Parser<'_> {
    fn take(&mut self, token: &str) -> bool {
        let tail = self.rest.strip_prefix(token);
        self.rest = tail.map_or(self.rest, str::trim_start);
        tail.is_some()
    }

    fn binary(&mut self, precedence: usize) -> Result<i64> {
        let Some(operators) = OPERATORS.get(precedence) else {
            return self.unary();
        };
        let mut a = self.binary(precedence + 1)?;
        while let Some(operator) = operators.iter().copied().find(|o| self.take(o)) {
            let b = self.binary(precedence + 1)?;
            let value = match operator {
                "||" => Some((a != 0 || b != 0).into()),
                "&&" => Some((a != 0 && b != 0).into()),
                "==" => Some((a == b).into()),
                "!=" => Some((a != b).into()),
                "<=" => Some((a <= b).into()),
                ">=" => Some((a >= b).into()),
                "<" => Some((a < b).into()),
                ">" => Some((a > b).into()),
                "+" => a.checked_add(b),
                "-" => a.checked_sub(b),
                "*" => a.checked_mul(b),
                "/" => a.checked_div(b),
                _ => a.checked_rem(b),
            };
            a = value.ok_or(Error::NoValue { a, operator, b })?;
        }
        Ok(a)
    }

    fn unary(&mut self) -> Result<i64> {
        if self.take("!") {
            return Ok((self.unary()? == 0).into());
        }
        if self.take("-") {
            return Ok(-self.unary()?);
        }
        if self.take("(") {
            let value = self.binary(0)?;
            return if self.take(")") {
                Ok(value)
            } else {
                Err(Error::Expected("')'"))
            };
        }
        let (word, tail) = self
            .rest
            .split_at(self.rest.find(|c: char| !is_name(c)).unwrap_or(self.rest.len()));
        self.rest = tail.trim_start();
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return word.parse().map_err(|_| Error::NotANumber(word.into()));
        }
        let value = self.names.iter().rev().find(|(name, _)| name == word);
        value
            .map(|(_, value)| *value)
            .ok_or_else(|| Error::UnknownName(word.into()))
    }
}
