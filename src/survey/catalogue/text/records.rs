//! Cuts a text into records: by a separator as in CSV, or by spaces.

use csv::{Position, StringRecord};
use std::fmt;

/// What separates the values of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Separator {
    Comma,
    Semicolon,
    Tab,
    Pipe,
    /// One or more spaces or tabs.
    Spaces,
}

impl Separator {
    pub const ALL: [Separator; 5] = [
        Separator::Comma,
        Separator::Tab,
        Separator::Semicolon,
        Separator::Pipe,
        Separator::Spaces,
    ];

    /// For messages.
    pub fn name(self) -> &'static str {
        match self {
            Separator::Comma => "separated by commas",
            Separator::Semicolon => "separated by semicolons",
            Separator::Tab => "separated by tabs",
            Separator::Pipe => "separated by vertical bars",
            Separator::Spaces => "separated by spaces",
        }
    }

    fn byte(self) -> Option<u8> {
        match self {
            Separator::Comma => Some(b','),
            Separator::Semicolon => Some(b';'),
            Separator::Tab => Some(b'\t'),
            Separator::Pipe => Some(b'|'),
            Separator::Spaces => None,
        }
    }
}

impl fmt::Display for Separator {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The first `most` records, each with its line, without empty lines and comments, which begin with `#`. Spaces around
/// values are dropped.
pub(super) fn records(text: &str, separator: Separator, most: usize) -> Result<Vec<StringRecord>, csv::Error> {
    let Some(delimiter) = separator.byte() else {
        return Ok(words(text, most));
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let records = reader.records().take(most);
    let at_its_line = |record: Result<StringRecord, csv::Error>| {
        record.map(|mut record| {
            skip_comments(&mut record, text);
            record
        })
    };
    records.map(at_its_line).collect()
}

/// The reader's position of a record is before the comments and empty lines in front of it.
fn skip_comments(record: &mut StringRecord, text: &str) {
    let Some(mut position) = record.position().cloned() else {
        return;
    };
    while let Some(rest) = text.get(position.byte() as usize..)
        && rest.starts_with(['#', '\n', '\r'])
    {
        let Some(length) = rest.find('\n') else {
            break;
        };
        let (byte, line) = (position.byte() + length as u64 + 1, position.line() + 1);
        position.set_byte(byte).set_line(line);
    }
    record.set_position(Some(position));
}

fn words(text: &str, most: usize) -> Vec<StringRecord> {
    let lines = text.lines().enumerate().map(|(i, line)| (i as u64 + 1, line.trim()));
    let rows = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let record = |(number, line)| {
        let mut record = StringRecord::from(split_words(line));
        let mut position = Position::new();
        position.set_line(number);
        record.set_position(Some(position));
        record
    };
    rows.take(most).map(record).collect()
}

/// The words of a line; a word in double quotes may contain spaces.
pub(super) fn split_words(line: &str) -> Vec<&str> {
    let (mut words, mut rest) = (Vec::new(), line.trim());
    while !rest.is_empty() {
        let quoted = rest.strip_prefix('"').and_then(|inside| {
            let (word, behind) = inside.split_once('"')?;
            (behind.is_empty() || behind.starts_with(char::is_whitespace)).then_some((word, behind))
        });
        let (word, behind) =
            quoted.unwrap_or_else(|| rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())));
        words.push(word);
        rest = behind.trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_record_has_its_line() {
        let text = "# made by hand\n\nid,note\n# a comment\n7,\"two\nlines\"\n\n8,x\r\n9,y";
        let lines = |text: &str, separator| -> Vec<u64> {
            let records = records(text, separator, 100).unwrap();
            records.iter().map(|r| r.position().unwrap().line()).collect()
        };
        assert_eq!(lines(text, Separator::Comma), [3, 5, 8, 9]);
        assert_eq!(lines("# a\n\nid z\n # b\n1 2", Separator::Spaces), [3, 5]);
    }

    #[test]
    fn words_and_quotes() {
        assert_eq!(split_words("  1\t \"a b\"  \"\" c\"d "), ["1", "a b", "", "c\"d"]);
        assert_eq!(split_words("\"open"), ["\"open"]);
    }
}
