//! Reads a condition by recursive descent.
//!
//! ```text
//! or         = and { ("or" | "||") and }
//! and        = not { ("and" | "&&") not }
//! not        = ("not" | "!") not | "(" or ")" | "isnull" "(" value ")" | test
//! test       = value [ comparison value | ["not"] "in" "(" value { "," value } ")" | "is" ["not"] "null" ]
//! value      = column | number | 'text' | "true" | "false"
//! comparison = "==" | "=" | "!=" | "<>" | "<" | "<=" | ">" | ">="
//! ```
//!
//! Keywords have any case. A column is a name, or any text in backticks or double quotes.

use super::tokens::{Token, position, tokens};
use super::{Comparison, FilterError, Node, Operand};
use crate::survey::catalogue::Catalogue;

/// Parentheses and `not` inside each other; more would overflow the stack.
const DEEPEST: usize = 64;

/// Text of a message that repeats the condition.
const LONGEST_REST: usize = 40;

pub(super) fn parse(text: &str, catalogue: &Catalogue) -> Result<Node, FilterError> {
    let mut parser = Parser {
        text,
        tokens: tokens(text)?,
        next: 0,
        depth: 0,
        catalogue,
    };
    let node = parser.or()?;
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.expected("'and', 'or' or the end")),
    }
}

struct Parser<'a> {
    text: &'a str,
    /// With the byte at which each begins.
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
    catalogue: &'a Catalogue,
}

impl Parser<'_> {
    fn or(&mut self) -> Result<Node, FilterError> {
        let mut parts = vec![self.and()?];
        while self.takes_word("or") || self.takes_sign("||") {
            parts.push(self.and()?);
        }
        Ok(Node::Or(parts))
    }

    fn and(&mut self) -> Result<Node, FilterError> {
        let mut parts = vec![self.not()?];
        while self.takes_word("and") || self.takes_sign("&&") {
            parts.push(self.not()?);
        }
        Ok(Node::And(parts))
    }

    fn not(&mut self) -> Result<Node, FilterError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(FilterError::TooDeep {
                text: shortened(self.text),
                limit: DEEPEST,
            });
        }
        let node = if self.takes_word("not") || self.takes_sign("!") {
            Node::Not(Box::new(self.not()?))
        } else if self.takes_sign("(") {
            let inner = self.or()?;
            self.needs_sign(")", "')'")?;
            inner
        } else if self.takes_word("isnull") {
            self.needs_sign("(", "'('")?;
            let value = self.value()?;
            self.needs_sign(")", "')'")?;
            Node::IsNull(value)
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(node)
    }

    fn test(&mut self) -> Result<Node, FilterError> {
        let left = self.value()?;
        if let Some(comparison) = self.comparison() {
            return Ok(Node::Compare(left, comparison, self.value()?));
        }
        if self.takes_word("is") {
            let negated = self.takes_word("not");
            if !self.takes_word("null") {
                return Err(self.expected("'null' or 'not null'"));
            }
            return Ok(negated_if(negated, Node::IsNull(left)));
        }
        let negated = self.takes_word("not");
        if self.takes_word("in") {
            return Ok(negated_if(negated, Node::In(left, self.list()?)));
        }
        match left {
            _ if negated => Err(self.expected("'in'")),
            Operand::Column(_) | Operand::Bool(_) => Ok(Node::True(left)),
            Operand::Number(_) | Operand::Text(_) => Err(self.expected("a comparison")),
        }
    }

    fn list(&mut self) -> Result<Vec<Operand>, FilterError> {
        self.needs_sign("(", "'('")?;
        let mut values = vec![self.value()?];
        while self.takes_sign(",") {
            values.push(self.value()?);
        }
        self.needs_sign(")", "',' or ')'")?;
        Ok(values)
    }

    fn value(&mut self) -> Result<Operand, FilterError> {
        let operand = match self.peek() {
            Some(Token::Number(text)) => Operand::Number(text.clone()),
            Some(Token::Text(text)) => Operand::Text(text.clone()),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("true") => Operand::Bool(true),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("false") => Operand::Bool(false),
            Some(Token::Word(name) | Token::Quoted(name)) => Operand::Column(self.column(name)?),
            Some(Token::Sign(_) | Token::Unknown) | None => return Err(self.expected("a column or a value")),
        };
        self.next += 1;
        Ok(operand)
    }

    fn column(&self, name: &str) -> Result<usize, FilterError> {
        self.catalogue.find(name).ok_or_else(|| FilterError::NoColumn {
            text: shortened(self.text),
            position: position(self.text, self.at()),
            name: name.into(),
            columns: most_alike(name, &self.catalogue.columns),
        })
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let Some(Token::Sign(sign)) = self.peek() else {
            return None;
        };
        let comparison = match *sign {
            "==" | "=" => Comparison::Equal,
            "!=" | "<>" => Comparison::NotEqual,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            _ => return None,
        };
        self.next += 1;
        Some(comparison)
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    /// The byte at which the next token begins.
    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.text.len(), |(at, _)| *at)
    }

    fn takes(&mut self, is: impl Fn(&Token) -> bool) -> bool {
        let taken = self.peek().is_some_and(is);
        self.next += usize::from(taken);
        taken
    }

    fn takes_word(&mut self, keyword: &str) -> bool {
        self.takes(|token| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case(keyword)))
    }

    fn takes_sign(&mut self, sign: &str) -> bool {
        self.takes(|token| matches!(token, Token::Sign(found) if *found == sign))
    }

    fn needs_sign(&mut self, sign: &str, expected: &'static str) -> Result<(), FilterError> {
        match self.takes_sign(sign) {
            true => Ok(()),
            false => Err(self.expected(expected)),
        }
    }

    fn expected(&self, expected: &'static str) -> FilterError {
        FilterError::Syntax {
            text: shortened(self.text),
            position: position(self.text, self.at()),
            expected,
            rest: shortened(&self.text[self.at()..]),
        }
    }
}

fn negated_if(negated: bool, node: Node) -> Node {
    if negated { Node::Not(Box::new(node)) } else { node }
}

/// The columns, those whose names share the most letters with `name` at their beginning first.
fn most_alike(name: &str, columns: &[String]) -> Vec<String> {
    let name = name.to_lowercase();
    let alike = |column: &String| {
        let column = column.to_lowercase();
        column.chars().zip(name.chars()).take_while(|(a, b)| a == b).count()
    };
    let mut columns = columns.to_vec();
    columns.sort_by_key(|column| std::cmp::Reverse(alike(column)));
    columns
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_REST) {
        Some((at, _)) => format!("{} ...", &text[..at]),
        None => text.into(),
    }
}
