//! Which image belongs to which row. Ids are text.

use crate::survey::table::escape;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use unicode_normalization::UnicodeNormalization;

/// The ids in the file names, to be found by those of a catalogue.
pub(super) struct ImageIds<'a> {
    exact: HashSet<&'a str>,
    /// By their composed form (NFC), those with characters outside ASCII: macOS decomposes file names.
    composed: HashMap<String, Candidate<'a>>,
    /// By the escaped form that a FITS table has for those that it cannot hold, so that our own tables can be read back.
    escaped: HashMap<String, Candidate<'a>>,
    /// By the number without its leading zeros.
    unpadded: HashMap<&'a str, Candidate<'a>>,
}

/// An image that could be meant.
#[derive(Clone, Copy)]
enum Candidate<'a> {
    One(&'a str),
    /// Several could; then none is taken.
    Ambiguous,
}

impl<'a> ImageIds<'a> {
    pub fn new(ids: &[&'a str]) -> ImageIds<'a> {
        let (mut composed, mut escaped, mut unpadded) = (HashMap::new(), HashMap::new(), HashMap::new());
        for &id in ids {
            if let Cow::Owned(text) = escape(id) {
                add(&mut escaped, text, id);
            }
            if !id.is_ascii() {
                add(&mut composed, id.nfc().collect(), id);
            } else if let Some(number) = without_zeros(id) {
                add(&mut unpadded, number, id);
            }
        }
        ImageIds {
            exact: ids.iter().copied().collect(),
            composed,
            escaped,
            unpadded,
        }
    }

    /// The image of each row: the one with the same text; otherwise the one with the same composed or escaped form;
    /// otherwise, if all ids of the catalogue are whole numbers without leading zeros, the one with that number after
    /// leading zeros.
    /// Where two rows would take the same image without having its very text, neither does.
    pub fn of_rows(&self, rows: &[&str], whole_numbers: bool) -> Vec<Option<&'a str>> {
        let exact: Vec<Option<&str>> = rows.iter().map(|id| self.exact.get::<str>(id).copied()).collect();
        let taken: HashSet<&str> = exact.iter().flatten().copied().collect();
        let alike = |id: &str| {
            let candidate = match id.is_ascii() {
                false => self.composed.get(&id.nfc().collect::<String>()),
                true if whole_numbers => self.unpadded.get::<str>(id),
                true => self.escaped.get::<str>(id),
            };
            match candidate {
                Some(Candidate::One(image)) if !taken.contains(image) => Some(*image),
                Some(Candidate::One(_) | Candidate::Ambiguous) | None => None,
            }
        };
        let mut found: Vec<Option<&str>> = exact.iter().zip(rows).map(|(e, id)| e.or_else(|| alike(id))).collect();
        let mut uses: HashMap<&str, usize> = HashMap::new();
        for image in found.iter().flatten() {
            *uses.entry(image).or_default() += 1;
        }
        for image in &mut found {
            *image = image.filter(|image| uses[image] == 1);
        }
        found
    }
}

fn add<'a, K: std::hash::Hash + Eq>(map: &mut HashMap<K, Candidate<'a>>, key: K, id: &'a str) {
    let candidate = |_: &mut Candidate<'a>| Candidate::Ambiguous;
    map.entry(key)
        .and_modify(|c| *c = candidate(c))
        .or_insert(Candidate::One(id));
}

/// `7` of `007`; `None` for anything but digits that begin with a zero.
fn without_zeros(id: &str) -> Option<&str> {
    let padded = id.len() > 1 && id.starts_with('0') && id.bytes().all(|b| b.is_ascii_digit());
    padded.then(|| match id.trim_start_matches('0') {
        "" => "0",
        number => number,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(images: &[&str], rows: &[&str], whole_numbers: bool) -> Vec<String> {
        let found = ImageIds::new(images).of_rows(rows, whole_numbers);
        found.into_iter().map(|id| id.unwrap_or("-").to_owned()).collect()
    }

    #[test]
    fn ids_are_compared_byte_for_byte() {
        let rows = ["12.10", "12.1", "1e5", "007", "A"];
        assert_eq!(
            matched(&["12.1", "100000", "7", "a"], &rows, false),
            ["-", "12.1", "-", "-", "-"]
        );
    }

    #[test]
    fn unicode_normal_forms_match_each_other() {
        let (composed, decomposed) = ("S\u{e3}o", "Sa\u{303}o");
        assert_eq!(matched(&[decomposed], &[composed], false), [decomposed]);
        assert_eq!(matched(&[composed], &[decomposed], false), [composed]);
        // With an image of each form, each row has its own.
        let both = [composed, decomposed];
        assert_eq!(matched(&both, &both, false), both);
        // Two rows and one image: that of the same text.
        assert_eq!(matched(&[composed], &[decomposed, composed], false), ["-", composed]);
        // A third form, of which either image could be meant.
        let (angstrom, ring, letter) = ("\u{212b}", "A\u{30a}", "\u{c5}");
        assert_eq!(matched(&[angstrom, ring], &[letter], false), ["-"]);
        assert_eq!(matched(&[angstrom], &[letter, ring], false), ["-", "-"]);
    }

    #[test]
    fn escaped_ids_of_a_fits_table_match_what_they_stand_for() {
        let images = ["\u{e9}", "e\u{301}", "a ", "\\u0041"];
        let rows = ["\\u00e9", "e\\u0301", "a\\u0020", "\\u005cu0041", "\\u0042"];
        assert_eq!(
            matched(&images, &rows, false),
            ["\u{e9}", "e\u{301}", "a ", "\\u0041", "-"]
        );
        assert_eq!(
            matched(&["\\u00e9", "\u{e9}"], &["\\u00e9"], false),
            ["\\u00e9"],
            "exact first"
        );
    }

    #[test]
    fn whole_numbers_match_file_names_with_leading_zeros() {
        assert_eq!(
            matched(&["007", "010", "000"], &["7", "10", "0"], true),
            ["007", "010", "000"]
        );
        assert_eq!(matched(&["007"], &["7"], false), ["-"], "the catalogue has text");
        assert_eq!(matched(&["007", "07"], &["7"], true), ["-"], "ambiguous");
        assert_eq!(matched(&["7", "007"], &["7"], true), ["7"]);
        assert_eq!(matched(&["7"], &["007"], false), ["-"]);
        assert_eq!(matched(&["0x7", "00.7", "-07"], &["7", "-7"], true), ["-", "-"]);
    }
}
