//! The cards of a FITS header.

use super::super::text::escape;
use fitsio_pure::block::padded_byte_len;

/// Bytes of a card.
const CARD: usize = 80;
/// Characters between the quotes of a card.
const TEXT: usize = 68;

/// A header being written.
#[derive(Default)]
pub(super) struct Header {
    cards: Vec<u8>,
    /// Whether the card that announces long texts has been written.
    long_texts: bool,
}

impl Header {
    /// A truth value.
    pub(super) fn logical(&mut self, key: &str, value: bool) {
        self.card(&format!("{key:<8}= {:>20}", if value { "T" } else { "F" }));
    }

    /// A whole number.
    pub(super) fn integer(&mut self, key: &str, value: i64) {
        self.card(&format!("{key:<8}= {value:>20}"));
    }

    /// A text; one that is too long for a card is continued on others. `comment` is left out if there is no room for it.
    pub(super) fn text(&mut self, key: &str, value: &str, comment: &str) {
        let value = escape(value.trim_end()).replace('\'', "''");
        if value.len() <= TEXT {
            let card = format!("{key:<8}= {:<20}", format!("'{value:<8}'"));
            let comment = format!("{card} / {}", escape(comment));
            self.card(if comment.len() > CARD || comment.ends_with("/ ") {
                &card
            } else {
                &comment
            });
            return;
        }
        if !self.long_texts {
            self.long_texts = true;
            self.text("LONGSTRN", "OGIP 1.0", "texts may continue on the next card");
        }
        let (mut rest, mut start) = (value.as_str(), format!("{key:<8}= "));
        while rest.len() > TEXT {
            // A doubled quote must not be cut in two.
            let quotes = rest[..TEXT - 1].bytes().rev().take_while(|b| *b == b'\'').count();
            let (part, others) = rest.split_at(TEXT - 1 - quotes % 2);
            self.card(&format!("{start}'{part}&'"));
            (rest, start) = (others, "CONTINUE  ".into());
        }
        self.card(&format!("{start}'{rest}'"));
    }

    /// Lines of comment under `key`, HISTORY or COMMENT, each as long as possible.
    pub(super) fn comment(&mut self, key: &str, text: &str) {
        let text = escape(text.trim_end());
        let mut rest: &str = &text;
        while !rest.is_empty() {
            // A space at the end of a line would be lost.
            let longest = &rest[..rest.len().min(CARD - 8)];
            let line = if longest.len() < rest.len() {
                longest.trim_end()
            } else {
                longest
            };
            // Of 72 spaces one line cannot begin the next.
            let line = if line.is_empty() { longest } else { line };
            self.card(&format!("{key:<8}{line}"));
            rest = &rest[line.len()..];
        }
    }

    /// The whole header.
    pub(super) fn complete(mut self) -> Vec<u8> {
        self.card("END");
        self.cards.resize(padded_byte_len(self.cards.len()), b' ');
        self.cards
    }

    fn card(&mut self, text: &str) {
        debug_assert!(text.is_ascii() && text.len() <= CARD, "{text}");
        self.cards.extend_from_slice(format!("{text:<80}").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cards(header: Header) -> Vec<String> {
        let bytes = header.complete();
        assert_eq!(bytes.len() % 2880, 0);
        let cards = bytes
            .chunks(CARD)
            .map(|c| String::from_utf8(c.to_vec()).unwrap().trim_end().to_string());
        cards.take_while(|c| c != "END").collect()
    }

    #[test]
    fn a_text_that_fits_has_its_comment_if_there_is_room() {
        let mut header = Header::default();
        header.text("TTYPE1", "id", "name");
        header.text("TTYPE2", "o'clock", &"x".repeat(60));
        header.text("TTYPE3", &"a".repeat(68), "name");
        assert_eq!(
            cards(header),
            [
                "TTYPE1  = 'id      '           / name".to_string(),
                "TTYPE2  = 'o''clock'".into(),
                format!("TTYPE3  = '{}'", "a".repeat(68)),
            ]
        );
    }

    #[test]
    fn a_long_text_is_continued_and_no_quote_is_cut_in_two() {
        for value in [
            "a".repeat(69),
            "b".repeat(66) + &"'".repeat(70),
            "é".repeat(40),
            "c&".repeat(100),
        ] {
            let mut header = Header::default();
            header.text("TCOMM1", &value, "");
            let cards = cards(header);
            assert!(cards[0].starts_with("LONGSTRN= 'OGIP 1.0'"));
            let mut joined = String::new();
            for (i, card) in cards[1..].iter().enumerate() {
                let key = if i == 0 { "TCOMM1  = '" } else { "CONTINUE  '" };
                let text = card
                    .strip_prefix(key)
                    .unwrap()
                    .strip_suffix('\'')
                    .unwrap()
                    .replace("''", "\0");
                assert!(!text.contains('\''), "{card}");
                joined = joined.strip_suffix('&').unwrap_or(&joined).to_string() + &text;
            }
            assert_eq!(joined.replace('\0', "'"), escape(&value));
        }
    }

    #[test]
    fn a_comment_is_wrapped_and_can_be_joined_again() {
        let text = format!("{} {}  {}", "a".repeat(71), "b".repeat(71), "c".repeat(80));
        let mut header = Header::default();
        header.comment("HISTORY", &text);
        let lines = cards(header);
        assert!(lines.len() > 2 && lines.iter().all(|line| line.len() <= CARD));
        let joined: String = lines
            .iter()
            .map(|line| line.strip_prefix("HISTORY ").unwrap())
            .collect();
        assert_eq!(joined, text);
    }
}
