//! Text in FITS, which allows printable ASCII only.

use std::borrow::Cow;
use std::fmt::Write;

/// `text` in printable ASCII, such that different texts stay different: any other character becomes `\uXXXX`, or
/// `\UXXXXXXXX` beyond 16 bits, as in Python. So does the backslash of a text that contains `\u` or `\U`, and the last
/// character if it is a space, which readers drop.
pub(in crate::survey) fn escape(text: &str) -> Cow<'_, str> {
    let plain = text.bytes().all(|b| (b' '..=b'~').contains(&b)) && !text.ends_with(' ');
    if plain && !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let literal = match c {
            '\\' => !matches!(characters.peek(), Some('u' | 'U')),
            ' ' => characters.peek().is_some(),
            c => ('!'..='~').contains(&c),
        };
        // Writing to a string does not fail.
        let _ = match (literal, u32::from(c)) {
            (true, _) => escaped.write_char(c),
            (false, code @ ..=0xffff) => write!(escaped, "\\u{code:04x}"),
            (false, code) => write!(escaped, "\\U{code:08x}"),
        };
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_texts_stay_different() {
        for (text, escaped) in [
            ("SDSS J1430+4105", "SDSS J1430+4105"),
            ("é", "\\u00e9"),
            ("\\u00e9", "\\u005cu00e9"),
            ("\\\\U1", "\\\\u005cU1"),
            ("C:\\new", "C:\\new"),
            ("a ", "a\\u0020"),
            (" a", " a"),
            ("a\tb\n", "a\\u0009b\\u000a"),
            ("\u{1f52d}", "\\U0001f52d"),
            ("e\u{301}", "e\\u0301"),
            ("", ""),
        ] {
            assert_eq!(escape(text), escaped, "{text:?}");
        }
    }
}
