//! The words and signs of a condition.

use super::FilterError;

/// One word or sign.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name without quotes: a keyword or a column.
    Word(String),
    /// A column's name in backticks or double quotes.
    Quoted(String),
    /// A text in single quotes.
    Text(String),
    /// A number, as it is written.
    Number(String),
    /// `(`, `)`, `,`, a comparison, `&&`, `||` or `!`.
    Sign(&'static str),
    /// Anything else.
    Unknown,
}

/// Longer ones first.
const SIGNS: [&str; 14] = [
    "==", "!=", "<>", "<=", ">=", "&&", "||", "=", "<", ">", "!", "(", ")", ",",
];

/// The tokens, each with the byte at which it begins.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, FilterError> {
    let (mut tokens, mut at) = (Vec::new(), 0);
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        let rest = &text[at..];
        let Some(first) = rest.chars().next() else {
            return Ok(tokens);
        };
        let (token, length) = match first {
            '\'' | '"' | '`' => {
                let (content, length) = quoted(rest, first).ok_or_else(|| FilterError::OpenQuote {
                    text: text.into(),
                    position: position(text, at),
                    quote: first,
                })?;
                match first {
                    '\'' => (Token::Text(content), length),
                    _ => (Token::Quoted(content), length),
                }
            }
            _ if is_of_word(first) && !first.is_ascii_digit() && first != '.' => {
                let length = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
                (Token::Word(rest[..length].into()), length)
            }
            _ => match (number(rest), SIGNS.iter().find(|sign| rest.starts_with(**sign))) {
                (Some(length), _) => (Token::Number(rest[..length].into()), length),
                (None, Some(sign)) => (Token::Sign(sign), sign.len()),
                (None, None) => (Token::Unknown, rest.len()),
            },
        };
        tokens.push((at, token));
        at += length;
    }
}

/// The place of a byte, in characters counted from 1.
pub(super) fn position(text: &str, at: usize) -> usize {
    text[..at].chars().count() + 1
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '.'
}

/// The content and the length of a quoted text; a quote in it is doubled.
fn quoted(rest: &str, quote: char) -> Option<(String, usize)> {
    let (mut content, mut chars) = (String::new(), rest.char_indices().skip(1).peekable());
    while let Some((at, c)) = chars.next() {
        if c != quote {
            content.push(c);
        } else if chars.next_if(|(_, next)| *next == quote).is_some() {
            content.push(quote);
        } else {
            return Some((content, at + 1));
        }
    }
    None
}

/// The length of the number at the beginning of a text.
fn number(rest: &str) -> Option<usize> {
    let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let sign = usize::from(rest.starts_with(['-', '+']));
    let whole = digits(&rest[sign..]);
    let mut length = sign + whole;
    let mut fraction = 0;
    if rest[length..].starts_with('.') {
        fraction = digits(&rest[length + 1..]);
        length += 1 + fraction;
    }
    if whole + fraction == 0 {
        return None;
    }
    if rest[length..].starts_with(['e', 'E']) {
        let signed = usize::from(rest[length + 1..].starts_with(['-', '+']));
        let exponent = digits(&rest[length + 1 + signed..]);
        if exponent > 0 {
            length += 1 + signed + exponent;
        }
    }
    Some(length)
}
