//! A condition on the columns of a catalogue, which selects rows: `is_lens == 1 and snr > 10`.
//!
//! | file | what it does |
//! |---|---|
//! | `tokens` | text to tokens |
//! | `parse` | tokens to a tree |
//! | this one | the tree, applied to a row |

mod parse;
mod tokens;

use crate::survey::catalogue::Catalogue;
use crate::survey::few;
use std::cmp::Ordering;

/// A condition, for the columns of one catalogue.
#[derive(Debug)]
pub(crate) struct Filter(Node);

/// What is wrong with a condition.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum FilterError {
    /// Something else was expected.
    #[error(
        "the condition \"{text}\": {expected} is expected at character {position}, before {}",
        shown(rest)
    )]
    Syntax {
        /// The condition.
        text: String,
        /// Where in it, counted from 1.
        position: usize,
        /// What could be there.
        expected: &'static str,
        /// What is there.
        rest: String,
    },
    /// A quote that is not closed.
    #[error("the condition \"{text}\": the {quote} at character {position} is not closed")]
    OpenQuote {
        /// The condition.
        text: String,
        /// Where the quote begins, counted from 1.
        position: usize,
        /// The quotation mark.
        quote: char,
    },
    /// A name that no column has.
    #[error(
        "the condition \"{text}\": no column is called '{name}' (character {position}; text is written in single \
         quotes); the columns are {}",
        few(columns)
    )]
    NoColumn {
        /// The condition.
        text: String,
        /// Where the name begins, counted from 1.
        position: usize,
        /// The name.
        name: String,
        /// The columns; those whose names are most like it first.
        columns: Vec<String>,
    },
    /// Too many parentheses inside each other.
    #[error("the condition \"{text}\" has more than {limit} parentheses or `not` inside each other")]
    TooDeep {
        /// The condition.
        text: String,
        /// How many are allowed.
        limit: usize,
    },
}

/// The text at which an error was found.
fn shown(rest: &str) -> String {
    match rest.is_empty() {
        true => "its end".into(),
        false => format!("'{rest}'"),
    }
}

/// Whether a row is selected.
#[derive(Debug)]
enum Node {
    Or(Vec<Node>),
    And(Vec<Node>),
    Not(Box<Node>),
    Compare(Operand, Comparison, Operand),
    In(Operand, Vec<Operand>),
    IsNull(Operand),
    /// A column of true and false.
    True(Operand),
}

#[derive(Debug)]
enum Operand {
    /// A column, by its place.
    Column(usize),
    /// As it is written: a number of many digits keeps all of them.
    Number(String),
    Text(String),
    Bool(bool),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Filter {
    /// Reads a condition. Names are those of columns of `catalogue`; the case of letters matters only if it tells two
    /// columns apart.
    ///
    /// # Errors
    /// A text that is no condition, and a name that is no column.
    pub fn parse(text: &str, catalogue: &Catalogue) -> Result<Filter, FilterError> {
        parse::parse(text, catalogue).map(Filter)
    }

    /// The columns that it depends on.
    pub fn columns(&self) -> Vec<usize> {
        let mut columns = Vec::new();
        self.0.add_columns(&mut columns);
        columns
    }

    /// Whether a row fulfils the condition. A comparison with an empty cell is false.
    pub fn selects(&self, catalogue: &Catalogue, row: usize) -> bool {
        self.0.holds(&|column| catalogue.text(row, column))
    }
}

impl Node {
    fn add_columns(&self, columns: &mut Vec<usize>) {
        let mut add = |operand: &Operand| {
            if let Operand::Column(column) = operand {
                columns.push(*column);
            }
        };
        match self {
            Node::Or(parts) | Node::And(parts) => parts.iter().for_each(|part| part.add_columns(columns)),
            Node::Not(part) => part.add_columns(columns),
            Node::Compare(left, _, right) => [left, right].into_iter().for_each(add),
            Node::In(left, values) => std::iter::once(left).chain(values).for_each(add),
            Node::IsNull(operand) | Node::True(operand) => add(operand),
        }
    }

    fn holds<'a>(&'a self, cell: &impl Fn(usize) -> &'a str) -> bool {
        match self {
            Node::Or(parts) => parts.iter().any(|part| part.holds(cell)),
            Node::And(parts) => parts.iter().all(|part| part.holds(cell)),
            Node::Not(part) => !part.holds(cell),
            Node::Compare(left, comparison, right) => compare(left, right, cell).is_some_and(|o| comparison.admits(o)),
            Node::In(left, values) => values
                .iter()
                .any(|value| compare(left, value, cell) == Some(Ordering::Equal)),
            Node::IsNull(operand) => is_null(operand.text(cell)),
            Node::True(operand) => truth(operand.text(cell)) == Some(true),
        }
    }
}

impl Operand {
    fn text<'a>(&'a self, cell: &impl Fn(usize) -> &'a str) -> &'a str {
        match self {
            Operand::Column(column) => cell(*column),
            Operand::Number(text) | Operand::Text(text) => text,
            Operand::Bool(true) => "true",
            Operand::Bool(false) => "false",
        }
    }
}

impl Comparison {
    fn admits(self, order: Ordering) -> bool {
        match self {
            Comparison::Equal => order.is_eq(),
            Comparison::NotEqual => order.is_ne(),
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterOrEqual => order.is_ge(),
        }
    }
}

/// Compares two values as what they are written as: with a text as text, with true or false as such, and otherwise as
/// numbers, or as text if one of two columns is no number. `None` if a cell is empty or cannot be compared.
fn compare<'a>(left: &'a Operand, right: &'a Operand, cell: &impl Fn(usize) -> &'a str) -> Option<Ordering> {
    let (a, b) = (left.text(cell), right.text(cell));
    if is_null(a) || is_null(b) {
        return None;
    }
    match (left, right) {
        (Operand::Text(_), _) | (_, Operand::Text(_)) => Some(a.cmp(b)),
        (Operand::Bool(_), _) | (_, Operand::Bool(_)) => Some(truth(a)?.cmp(&truth(b)?)),
        (Operand::Number(_), _) | (_, Operand::Number(_)) => numbers(a, b),
        (Operand::Column(_), Operand::Column(_)) => numbers(a, b).or_else(|| Some(a.cmp(b))),
    }
}

/// Whole numbers are compared exactly, because ids of 19 digits are not exact as f64.
fn numbers(a: &str, b: &str) -> Option<Ordering> {
    match (a.parse::<i128>(), b.parse::<i128>()) {
        (Ok(a), Ok(b)) => Some(a.cmp(&b)),
        _ => number(a)?.partial_cmp(&number(b)?),
    }
}

/// A number; true and false are 1 and 0.
fn number(text: &str) -> Option<f64> {
    text.parse().ok().or_else(|| truth(text).map(f64::from))
}

/// The truth value that a cell stands for: true, T or 1, and false, F or 0, in any case.
pub(in crate::survey) fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" => Some(true),
        "false" | "f" => Some(false),
        number => match number.parse() {
            Ok(1.0) => Some(true),
            Ok(0.0) => Some(false),
            _ => None,
        },
    }
}

/// Whether a cell is empty, or NaN.
fn is_null(text: &str) -> bool {
    text.is_empty() || text.parse().is_ok_and(f64::is_nan)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cat.csv");
        let text = "id,is_lens,snr,survey,z lens,gaia,not\n\
                    a,1,12.5,deep,0.5,5853498713190525696,x\n\
                    b,T,,it's wide,nan,5853498713190525697,y\n\
                    c,false,-3,deep,0.9,7,\n\
                    d,0,100,,1e3,,z\n";
        std::fs::write(&path, text).unwrap();
        Catalogue::read(&path).unwrap()
    }

    /// The ids of the rows that a condition selects.
    fn selected(condition: &str) -> String {
        let catalogue = catalogue();
        let filter = Filter::parse(condition, &catalogue).unwrap_or_else(|error| panic!("{error}"));
        let rows = (0..catalogue.len()).filter(|row| filter.selects(&catalogue, *row));
        rows.map(|row| catalogue.text(row, 0)).collect()
    }

    #[test]
    fn conditions_select_rows() {
        for (condition, rows) in [
            ("is_lens == 1 and snr > 10", "a"),
            ("is_lens = 1", "ab"),
            ("is_lens", "ab"),
            ("not is_lens", "cd"),
            ("IS_LENS == true", "ab"),
            ("is_lens == false", "cd"),
            ("is_lens != 1", "cd"),
            ("snr >= -3 && snr<100", "ac"),
            ("snr != 12.5", "cd"),
            ("not snr == 12.5", "bcd"),
            ("snr > 10 or survey == 'deep' and is_lens == 0", "acd"),
            ("(snr > 10 or survey == 'deep') and is_lens == 0", "cd"),
            ("survey == 'it''s wide'", "b"),
            ("survey in ('deep', 'shallow')", "ac"),
            ("survey not in ('deep')", "bd"),
            ("snr in (-3, 1e2)", "cd"),
            ("`z lens` > 0.6", "cd"),
            ("\"z lens\" <= .5", "a"),
            ("`z lens` is null", "b"),
            ("survey is not null and snr IS NOT NULL", "ac"),
            ("isnull(gaia) || gaia < 8", "cd"),
            ("gaia == 5853498713190525696", "a"),
            ("10 < snr", "ad"),
            ("snr > `z lens`", "a"),
            ("`not` == 'x' or !(`not` is null) and snr > 99", "ad"),
            ("id > 'b'", "cd"),
            ("id > 1", ""),
            ("survey > snr", "ac"),
        ] {
            assert_eq!(selected(condition), rows, "{condition}");
        }
    }

    #[test]
    fn errors_say_where_and_what_is_possible() {
        let error = |condition: &str| Filter::parse(condition, &catalogue()).unwrap_err().to_string();
        for (condition, parts) in [
            ("snr >", ["a column or a value", "character 6, before its end"]),
            ("", ["a column or a value", "character 1"]),
            ("snr > 10 survey", ["'and', 'or' or the end", "before 'survey'"]),
            ("snr > 10)", ["'and', 'or' or the end", "before ')'"]),
            ("(snr > 10", ["')'", "before its end"]),
            ("12", ["a comparison", "character 3"]),
            ("snr in 3", ["'('", "before '3'"]),
            ("snr is 3", ["'null'", "before '3'"]),
            ("snr ~ 3", ["'and', 'or' or the end", "before '~ 3'"]),
            ("survey == 'deep", ["the ' at character 11", "not closed"]),
            ("flux > 3", ["no column is called 'flux' (character 1", "id, is_lens"]),
            ("snr > 3 and é == 1", ["'é' (character 13", "single quotes"]),
            ("survey == \"deep\"", ["'deep'", "text is written in single quotes"]),
        ] {
            let error = error(condition);
            assert!(parts.iter().all(|part| error.contains(part)), "{condition}: {error}");
        }
        assert!(
            error("snr_ > 1").contains("the columns are snr,"),
            "{}",
            error("snr_ > 1")
        );
        assert!(error(&"(".repeat(100_000)).contains("inside each other"));
        assert!(error(&"not ".repeat(100_000)).contains("inside each other"));
    }
}
