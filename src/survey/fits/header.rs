//! A FITS header, read as leniently as astropy reads it.

use fitsio_pure::block::{BLOCK_SIZE, CARD_SIZE};
use fitsio_pure::value::{Value, parse_value};

/// One keyword of a header.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// In upper case; that of a HIERARCH card may be long and have spaces.
    pub keyword: String,
    /// `None` for commentary, and for a value that is none of FITS' types.
    pub value: Option<Value>,
    pub comment: String,
}

/// The keywords of one HDU, in their order.
#[derive(Debug, Clone, Default)]
pub(super) struct Header {
    entries: Vec<Entry>,
}

/// What cfitsio names a compressed image unless it is told a name.
const DEFAULT_NAME: &str = "COMPRESSED_IMAGE";

impl Header {
    /// The cards up to END. A byte that is not ASCII is read as `?`, and a control character as a space.
    pub fn parse(bytes: &[u8]) -> Header {
        let mut header = Header::default();
        for card in bytes.chunks_exact(CARD_SIZE).take_while(|card| !is_end(card)) {
            header.push(&card.iter().map(|&b| printable(b)).collect::<Vec<u8>>());
        }
        header
    }

    /// `card`: 80 printable characters.
    fn push(&mut self, card: &[u8]) {
        let text = String::from_utf8_lossy(card).into_owned();
        let keyword = text[..8].trim_end().to_ascii_uppercase();
        let (keyword, field) = match keyword.as_str() {
            "COMMENT" | "HISTORY" | "" | "END" => return,
            "CONTINUE" => return self.continue_text(&text[8..]),
            "HIERARCH" => match text[8..].split_once('=') {
                Some((name, value)) => (name.trim().to_ascii_uppercase(), value),
                None => return,
            },
            _ if card[8] == b'=' => (keyword, &text[9..]),
            _ => return,
        };
        let (value, comment) = match parse_value(field.as_bytes()) {
            Some((value, comment)) => (Some(value), comment.unwrap_or_default().to_owned()),
            None => {
                let (value, comment) = field.split_once('/').unwrap_or((field, ""));
                (
                    value.trim().is_empty().then_some(Value::Undefined),
                    comment.trim().to_owned(),
                )
            }
        };
        self.entries.push(Entry {
            keyword,
            value,
            comment,
        });
    }

    /// Appends to the text of the last keyword, which ends with `&` if it goes on.
    fn continue_text(&mut self, field: &str) {
        let Some(Value::String(text)) = self.entries.last_mut().and_then(|entry| entry.value.as_mut()) else {
            return;
        };
        if let Some((Value::String(more), _)) = parse_value(field.as_bytes())
            && text.ends_with('&')
        {
            text.pop();
            text.push_str(&more);
        }
    }

    /// The first card with this keyword, as in astropy.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.keyword == key)
    }

    pub fn value(&self, key: &str) -> Option<&Value> {
        self.entry(key)?.value.as_ref()
    }

    pub fn number(&self, key: &str) -> Option<f64> {
        match *self.value(key)? {
            Value::Float(v) if v.is_finite() => Some(v),
            Value::Integer(v) => Some(v as f64),
            _ => None,
        }
    }

    /// A whole number, which may be written as a float: `55.`
    pub fn integer(&self, key: &str) -> Option<i64> {
        match *self.value(key)? {
            Value::Integer(v) => Some(v),
            Value::Float(v) if v.fract() == 0.0 && v.abs() < 2f64.powi(63) => Some(v as i64),
            _ => None,
        }
    }

    /// A text that is not blank, without padding.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.texts(key).next()
    }

    /// All texts with this keyword that are not blank.
    pub fn texts(&self, key: &str) -> impl Iterator<Item = &str> {
        let all = self.entries.iter().filter(move |entry| entry.keyword == key);
        let texts = all.filter_map(|entry| match &entry.value {
            Some(Value::String(text)) => Some(text.trim()),
            _ => None,
        });
        texts.filter(|text| !text.is_empty())
    }

    pub fn is_true(&self, key: &str) -> bool {
        self.value(key) == Some(&Value::Logical(true))
    }

    /// EXTNAME. cfitsio writes its own default name first, where the true one follows.
    pub fn name(&self) -> Option<&str> {
        self.texts("EXTNAME")
            .find(|name| *name != DEFAULT_NAME)
            .or_else(|| self.text("EXTNAME"))
    }

    /// Whether any keyword is this stem followed by a number, or by two as in `CD1_2`.
    pub fn has_any(&self, stem: &str) -> bool {
        self.entries.iter().any(|entry| {
            let number = entry.keyword.strip_prefix(stem);
            number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit() || b == b'_'))
        })
    }
}

fn printable(byte: u8) -> u8 {
    match byte {
        b' '..=b'~' => byte,
        0..b' ' | 0x7f => b' ',
        0x80.. => b'?',
    }
}

fn is_end(card: &[u8]) -> bool {
    card.starts_with(b"END") && card[3..].iter().all(|&b| printable(b) == b' ')
}

/// Whether a block, the last one perhaps shorter, has the END card.
pub(super) fn has_end(block: &[u8]) -> bool {
    debug_assert!(block.len() <= BLOCK_SIZE);
    block.chunks_exact(CARD_SIZE).any(is_end)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn header(lines: &[&str]) -> Header {
        Header::parse(lines.iter().map(|l| format!("{l:<80}")).collect::<String>().as_bytes())
    }

    #[test]
    fn odd_cards_are_read_as_astropy_reads_them() {
        let h = header(&[
            "NAXIS1  =                  55.",
            "naxis2  =                   12 / lower case",
            "CTYPE1  ='RA---TAN'",
            "EXPTIME =             1.25D+02",
            "AIRMASS =                      / undefined",
            "FILTER  = 'g       '",
            "FILTER  = 'r       '",
            "HIERARCH FPA.FILTERID = 'i.00000' / of the camera",
            "HIERARCH ESO DET GAIN = 1.5",
            "HIERARCH LAYER = 'VIS'",
            "LONG    = 'one &'",
            "CONTINUE  'two &' / comment",
            "CONTINUE  'three'",
            "EMPTY   = ''",
            "BROKEN  = 12x4",
            "COMMENT = 'no value'",
            "END",
            "AFTER   = 1",
        ]);
        assert_eq!((h.integer("NAXIS1"), h.integer("NAXIS2")), (Some(55), Some(12)));
        assert_eq!(h.text("CTYPE1"), Some("RA---TAN"));
        assert_eq!(h.number("EXPTIME"), Some(125.0));
        assert_eq!(h.value("AIRMASS"), Some(&Value::Undefined));
        assert_eq!(h.text("FILTER"), Some("g"));
        assert_eq!(h.texts("FILTER").collect::<Vec<_>>(), ["g", "r"]);
        assert_eq!(h.text("FPA.FILTERID"), Some("i.00000"));
        assert_eq!(h.number("ESO DET GAIN"), Some(1.5));
        assert_eq!(h.text("LAYER"), Some("VIS"));
        assert_eq!(h.text("LONG"), Some("one two three"));
        assert_eq!((h.text("EMPTY"), h.number("BROKEN")), (None, None));
        assert!(h.entry("BROKEN").unwrap().value.is_none());
        assert!(h.entry("COMMENT").is_none() && h.entry("AFTER").is_none());
    }

    #[test]
    fn bytes_that_are_not_ascii_become_question_marks_in_any_card() {
        let lines = [
            "OBJECT  = 'caf\u{e9}'",
            "COMMENT \u{e9}",
            "\u{e9}BC     = 1",
            "GAIN\0   = \t2.5",
        ];
        let mut bytes = Vec::new();
        for line in lines {
            let mut card: Vec<u8> = line.chars().map(|c| c as u32 as u8).collect();
            card.resize(80, b' ');
            bytes.extend(card);
        }
        let h = Header::parse(&bytes);
        assert_eq!(h.text("OBJECT"), Some("caf?"));
        assert_eq!(h.number("?BC"), Some(1.0));
        assert_eq!(h.number("GAIN"), Some(2.5));
    }

    #[test]
    fn the_true_name_follows_the_default_one_of_cfitsio() {
        let name = |lines: &[&str]| header(lines).name().map(str::to_owned);
        let default = "EXTNAME = 'COMPRESSED_IMAGE'";
        assert_eq!(name(&[default, "EXTNAME = 'SCI'"]).as_deref(), Some("SCI"));
        assert_eq!(name(&["EXTNAME = 'A'", "EXTNAME = 'B'"]).as_deref(), Some("A"));
        assert_eq!(name(&[default]).as_deref(), Some("COMPRESSED_IMAGE"));
        assert_eq!(name(&["EXTNAME = '  '"]), None);
    }
}
