//! Detects how a text file separates its values, and which line names its columns.

use super::records::{Separator, records, split_words};
use csv::StringRecord;

/// Lines and bytes that are looked at.
const LINES: usize = 100;
const BYTES: usize = 1 << 16;

/// How a text file is to be read.
#[derive(Debug, PartialEq)]
pub(super) struct Dialect {
    pub separator: Separator,
    pub header: Header,
}

/// Where the names of the columns are.
#[derive(Debug, PartialEq)]
pub(super) enum Header {
    /// In the first line that is not a comment.
    FirstLine,
    /// In a comment, as `numpy.savetxt` writes them: these names.
    Comment(Vec<String>),
    /// Nowhere: the first line has numbers only.
    Missing,
}

/// One way to read the beginning of the file.
struct Attempt {
    dialect: Dialect,
    /// Names that are looked for and found.
    wanted: usize,
    columns: usize,
    /// The fraction of lines that have as many values as there are columns.
    regular: f64,
}

/// The dialect in which most of the `wanted` columns are found, then that in which most lines have as many values as
/// there are columns. Spaces are the last choice, because texts contain them.
pub(super) fn detect(text: &str, wanted: &[&str]) -> Result<Dialect, csv::Error> {
    let (sample, cut) = beginning(text);
    let comments = comments(sample);
    if let Some(names) = sextractor(&comments) {
        return Ok(Dialect {
            separator: Separator::Spaces,
            header: Header::Comment(names),
        });
    }
    let mut best: Option<Attempt> = None;
    for separator in Separator::ALL {
        let mut rows = records(sample, separator, LINES)?;
        if cut && rows.len() > 1 && rows.len() < LINES {
            rows.pop();
        }
        let attempt = Attempt::new(separator, &rows, &comments, wanted);
        if best.as_ref().is_none_or(|best| attempt.rank() > best.rank()) {
            best = Some(attempt);
        }
    }
    Ok(best.map_or(
        Dialect {
            separator: Separator::Comma,
            header: Header::FirstLine,
        },
        |best| best.dialect,
    ))
}

/// The beginning of the text, and whether that is not all.
fn beginning(text: &str) -> (&str, bool) {
    let mut end = BYTES.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (&text[..end], end < text.len())
}

/// The comments above the first line of data, the last one first.
fn comments(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim);
    let above = lines.take_while(|line| line.is_empty() || line.starts_with('#'));
    let mut comments: Vec<&str> = above.filter_map(|line| line.strip_prefix('#')).map(str::trim).collect();
    comments.reverse();
    comments
}

impl Attempt {
    fn new(separator: Separator, rows: &[StringRecord], comments: &[&str], wanted: &[&str]) -> Attempt {
        let empty = StringRecord::new();
        let first = rows.first().unwrap_or(&empty);
        let names: Vec<&str> = first.iter().collect();
        let numbers = names.iter().filter(|name| name.parse::<f64>().is_ok()).count();
        let found = |names: &[&str]| {
            let has = |name: &&&str| names.iter().any(|n| n.eq_ignore_ascii_case(name));
            wanted.iter().filter(has).count()
        };
        let commented = comments
            .iter()
            .filter_map(|line| names_in(line, names.len(), separator));
        // The last of equals is the line nearest to the data, because the comments are in reverse order.
        let commented = commented.rev().max_by_key(|names| found(names));
        let better = commented
            .filter(|comment| found(comment) > found(&names) || (numbers > 0 && found(comment) == found(&names)));
        let (wanted, header) = match better {
            Some(comment) => (
                found(&comment),
                Header::Comment(comment.into_iter().map(str::to_string).collect()),
            ),
            None if numbers > 0 && numbers == names.len() => (0, Header::Missing),
            None => (found(&names), Header::FirstLine),
        };
        let columns = names.len();
        let regular = rows.iter().filter(|row| fits(row, first)).count() as f64 / rows.len().max(1) as f64;
        Attempt {
            dialect: Dialect { separator, header },
            wanted,
            columns,
            regular,
        }
    }

    /// Tuples of attempts compare as they are preferred; of equal ones, the first in [`Separator::ALL`] is taken.
    fn rank(&self) -> (bool, usize, bool, f64, bool, usize) {
        (
            self.columns > 1,
            self.wanted,
            self.regular == 1.0,
            self.regular,
            self.dialect.separator != Separator::Spaces,
            self.columns,
        )
    }
}

/// Whether a row has as many values as the header, or either has a separator at the end.
fn fits(row: &StringRecord, header: &StringRecord) -> bool {
    let ends_empty = |record: &StringRecord| record.iter().next_back() == Some("");
    row.len() == header.len()
        || (row.len() == header.len() + 1 && ends_empty(row))
        || (row.len() + 1 == header.len() && ends_empty(header))
}

/// The `count` names in a comment, separated as the data are, or in another way.
fn names_in(comment: &str, count: usize, separator: Separator) -> Option<Vec<&str>> {
    let split = |separator: Separator| -> Vec<&str> {
        let names = match separator {
            Separator::Comma => comment.split(',').collect(),
            Separator::Semicolon => comment.split(';').collect(),
            Separator::Tab => comment.split('\t').collect(),
            Separator::Pipe => comment.split('|').collect(),
            Separator::Spaces => split_words(comment),
        };
        names
            .into_iter()
            .map(|name| name.trim().trim_matches(['"', ',']))
            .collect()
    };
    let usable = |names: &Vec<&str>| names.len() == count && names.iter().all(|name| !name.is_empty());
    let ways = [separator].into_iter().chain(Separator::ALL);
    ways.map(split).find(usable)
}

/// The names in the header of a SExtractor catalogue: lines `#  2 MAG_AUTO  Description  [mag]`. A column of several
/// values has the numbers up to the next one; they become `NAME`, `NAME_1`, ...
fn sextractor(comments: &[&str]) -> Option<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for line in comments.iter().rev() {
        let mut words = line.split_whitespace();
        let number: usize = words.next()?.parse().ok().filter(|n| (1..10_000).contains(n))?;
        let name = words.next()?;
        let previous = names.last().cloned();
        let filled = names.len();
        names.extend((filled + 1..number).map(|n| format!("{}_{}", previous.as_deref().unwrap_or("col"), n - filled)));
        if names.len() + 1 != number {
            return None;
        }
        names.push(name.into());
    }
    (!names.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comment(names: &[&str]) -> Header {
        Header::Comment(names.iter().map(|n| n.to_string()).collect())
    }

    #[test]
    fn separators() {
        let cases = [
            ("id,theta_e\n1,2\n", Separator::Comma),
            ("id;theta_e\n1;2,5\n2;3,5\n", Separator::Semicolon),
            ("id\ttheta e\tnote\n1\t2\ta, b\n", Separator::Tab),
            ("id|z\n1|2\n", Separator::Pipe),
            ("id   z\n 1   2\n20  3\n", Separator::Spaces),
            ("id\n1\n2\n", Separator::Comma),
            ("my id,my note\na b,c d\n", Separator::Comma), // three words in each line
            ("id,z\n1,2\n3\n", Separator::Comma),           // one line is too short
            ("id;x,y;z\n1;2,3;4\n", Separator::Semicolon),
            ("id,note\n1,\"a;b\"\n2,\"c\nd\"\n", Separator::Comma),
            ("id, z\n1, 2\n", Separator::Comma),
        ];
        for (text, separator) in cases {
            let found = detect(text, &["id"]).unwrap();
            assert_eq!(
                (found.separator, found.header),
                (separator, Header::FirstLine),
                "{text}"
            );
        }
    }

    #[test]
    fn names_in_comments() {
        let names = ["id", "theta_e"];
        let cases = [
            ("# id,theta_e\n1,2\n", Separator::Comma),
            ("#id theta_e\n1 2\n", Separator::Spaces),
            ("# id, theta_e\n1.0 2e3\n", Separator::Spaces),
            ("# id theta_e\n1\t2\n", Separator::Tab),
            ("# lenses 2024\n#\n# id theta_e\n#\n1 2\n", Separator::Spaces),
            ("# id theta_e\n# two words\n1 2\n", Separator::Spaces),
            ("# id theta_e\nlens_a unknown\n", Separator::Spaces),
        ];
        for (text, separator) in cases {
            let found = detect(text, &["id"]).unwrap();
            assert_eq!((found.separator, found.header), (separator, comment(&names)), "{text}");
        }
        assert_eq!(
            detect("# a, b\nid,theta_e\nx,1\n", &["id"]).unwrap().header,
            Header::FirstLine
        );
        assert_eq!(
            detect("# a, b\nid,2\nx,1\n", &["id"]).unwrap().header,
            Header::FirstLine
        );
        assert_eq!(detect("1,2\n3,4\n", &["id"]).unwrap().header, Header::Missing);
    }

    #[test]
    fn the_header_of_sextractor() {
        let text = "#   1 NUMBER   Running object number\n#   2 FLUX_APER  Flux [count]\n#   4 FLAGS\n1 2.5 3.5 0\n";
        let found = detect(text, &["id"]).unwrap();
        assert_eq!(found.header, comment(&["NUMBER", "FLUX_APER", "FLUX_APER_1", "FLAGS"]));
    }
}
