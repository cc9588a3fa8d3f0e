//! The rows of a text file, some at a time. Only plain UTF-8 is read in this way.

use super::dialect;
use super::records::{Separator, records};
use super::rows::{Seen, TextRows};
use super::{Names, decimal_commas_note, ecsv, names, without_excel_hint};
use crate::files::{self, unpack};
use crate::survey::catalogue::CatalogueError;
use crate::survey::catalogue::content::{Content, Rows};
use crate::survey::catalogue::streamed::Head;
use csv::{Position, StringRecord};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes that are read at a time, unless a record is longer. Not fewer than are looked at to detect the separator.
const BLOCK: usize = 1 << 20;

/// A text file of separated values.
#[derive(Debug, Clone)]
pub(in super::super) struct TextTable {
    path: PathBuf,
    separator: Separator,
    /// Records above the first row.
    above: usize,
    /// Columns whose numbers have decimal commas.
    decimal_comma: Vec<bool>,
}

/// Why a file cannot be read in parts.
enum Problem {
    /// It can be read whole: it is not UTF-8, ECSV, compressed, or has the line ends of old Macs.
    OnlyWhole,
    Error(CatalogueError),
}

impl From<CatalogueError> for Problem {
    fn from(error: CatalogueError) -> Problem {
        Problem::Error(error)
    }
}

impl TextTable {
    /// Finds out how the file is separated and looks at all of its rows, as [`read`](super::read) does. `None` if the
    /// file can only be read whole.
    ///
    /// # Errors
    /// A file that cannot be read, or that is no table.
    pub fn survey(path: &Path, wanted: &[&str]) -> Result<Option<(TextTable, Head)>, CatalogueError> {
        match survey(path, wanted) {
            Ok(found) => Ok(Some(found)),
            Err(Problem::OnlyWhole) => Ok(None),
            Err(Problem::Error(error)) => Err(error),
        }
    }

    /// The rows from `first` on, at most `most` at a time.
    pub fn windows(&self, first: usize, most: usize) -> impl Iterator<Item = Result<Rows, CatalogueError>> + use<> {
        let (table, mut skip) = (self.clone(), first);
        let (mut blocks, mut above) = (None, table.above);
        let mut rest: Option<TextRows> = None;
        std::iter::from_fn(move || {
            loop {
                if let Some(mut rows) = rest.take() {
                    let skipped = skip.min(rows.len());
                    rows = rows.split_off(skipped);
                    skip -= skipped;
                    if rows.len() > most {
                        rest = Some(rows.split_off(most));
                    }
                    if rows.len() > 0 {
                        return Some(Ok(Rows::Texts(rows)));
                    }
                }
                let blocks = match &mut blocks {
                    Some(blocks) => blocks,
                    none => match Blocks::open(&table.path) {
                        Ok(opened) => none.insert(opened),
                        Err(error) => return Some(Err(error)),
                    },
                };
                let mut records = match blocks.records(table.separator) {
                    Ok(records) => records?,
                    // It could be read before.
                    Err(Problem::OnlyWhole) => {
                        return Some(Err(CatalogueError::Damaged {
                            path: table.path.clone(),
                        }));
                    }
                    Err(Problem::Error(error)) => return Some(Err(error)),
                };
                records.drain(..above.min(records.len()));
                above = 0;
                rest = Some(TextRows::of_columns(records, table.decimal_comma.clone()));
            }
        })
    }
}

fn survey(path: &Path, wanted: &[&str]) -> Result<(TextTable, Head), Problem> {
    let csv_error = |source| CatalogueError::Csv {
        path: path.into(),
        source,
    };
    let mut blocks = Blocks::open(path)?;
    let beginning = blocks.beginning()?;
    if beginning.starts_with(ecsv::MARK) || (beginning.contains('\r') && !beginning.contains('\n')) {
        return Err(Problem::OnlyWhole);
    }
    let dialect = dialect::detect(beginning, wanted).map_err(csv_error)?;
    let separator = dialect.separator;
    let first = blocks.records(separator)?.unwrap_or_default();
    let Names {
        names: mut columns,
        records: above,
        mut notes,
    } = names(dialect, &first, path)?;
    let mut seen = Seen::new(columns.len());
    seen.see(&first[above..], separator, true);
    let is_row = |record: &&StringRecord| record.iter().any(|value| !value.is_empty());
    let mut rows = first[above..].iter().filter(is_row).count();
    while let Some(records) = blocks.records(separator)? {
        seen.see(&records, separator, true);
        rows += records.iter().filter(is_row).count();
    }
    let decimal_comma = seen.columns(&mut columns, separator, path)?;
    let with_comma = decimal_comma.iter().enumerate().filter(|(_, comma)| **comma);
    notes.extend(decimal_commas_note(
        path,
        &columns,
        with_comma.map(|(column, _)| column),
    ));
    let head = Head {
        types: seen.types(&decimal_comma),
        rows,
        content: Content {
            names: columns,
            notes,
            ..Content::new(Vec::new(), Rows::none())
        },
    };
    let table = TextTable {
        path: path.into(),
        separator,
        above,
        decimal_comma,
    };
    Ok((table, head))
}

/// A file, some records at a time.
struct Blocks {
    path: PathBuf,
    file: File,
    /// Bytes that may be the begin of a character.
    bytes: Vec<u8>,
    /// What is read and not handed over.
    text: String,
    /// Lines before the text.
    lines: u64,
    begun: bool,
    ended: bool,
}

impl Blocks {
    fn open(path: &Path) -> Result<Blocks, CatalogueError> {
        let file = files::open(path).map_err(|source| CatalogueError::Open {
            path: path.into(),
            source,
        })?;
        Ok(Blocks {
            path: path.into(),
            file,
            bytes: Vec::new(),
            text: String::new(),
            lines: 0,
            begun: false,
            ended: false,
        })
    }

    /// The text before the first records are handed over.
    fn beginning(&mut self) -> Result<&str, Problem> {
        while self.text.len() < BLOCK && !self.ended {
            self.read()?;
        }
        Ok(&self.text)
    }

    /// Reads a block more.
    fn read(&mut self) -> Result<(), Problem> {
        let mut taken = (&mut self.file).take(BLOCK as u64);
        let read = taken
            .read_to_end(&mut self.bytes)
            .map_err(|source| CatalogueError::Open {
                path: self.path.clone(),
                source,
            })?;
        self.ended = read == 0;
        if !self.begun {
            self.begun = true;
            if unpack::is_gzip(&self.bytes) {
                return Err(Problem::OnlyWhole);
            }
            if self.bytes.starts_with(b"\xEF\xBB\xBF") {
                self.bytes.drain(..3);
            }
        }
        let valid = match str::from_utf8(&self.bytes) {
            Ok(_) => self.bytes.len(),
            Err(error) if error.error_len().is_none() && !self.ended => error.valid_up_to(),
            Err(_) => return Err(Problem::OnlyWhole),
        };
        let rest = self.bytes.split_off(valid);
        let text = String::from_utf8(std::mem::replace(&mut self.bytes, rest)).map_err(|_| Problem::OnlyWhole)?;
        match self.text.is_empty() && self.lines == 0 {
            true => self.text = without_excel_hint(text),
            false => self.text.push_str(&text),
        }
        Ok(())
    }

    /// The next records, each with its line; `None` at the end of the file.
    fn records(&mut self, separator: Separator) -> Result<Option<Vec<StringRecord>>, Problem> {
        loop {
            if self.text.len() < BLOCK && !self.ended {
                self.read()?;
                continue;
            }
            // The last record may go on in the next block. Records separated by spaces are lines.
            let end = match separator {
                Separator::Spaces if !self.ended => self.text.rfind('\n').map_or(0, |at| at + 1),
                _ => self.text.len(),
            };
            let mut found =
                records(&self.text[..end], separator, usize::MAX).map_err(|source| CatalogueError::Csv {
                    path: self.path.clone(),
                    source,
                })?;
            let mut used = end;
            if !self.ended && separator != Separator::Spaces {
                let last = found.pop().and_then(|record| record.position().cloned());
                used = last.map_or(0, |position| position.byte() as usize);
            }
            if used == 0 && !self.ended {
                // A record that is longer than a block.
                self.read()?;
                continue;
            }
            let before = self.lines;
            for record in &mut found {
                let mut position = record.position().cloned().unwrap_or_else(Position::new);
                position.set_line(before + position.line());
                record.set_position(Some(position));
            }
            self.lines += self.text[..used].bytes().filter(|&byte| byte == b'\n').count() as u64;
            self.text.drain(..used);
            return Ok((!found.is_empty() || !self.ended).then_some(found));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// All records of a file in blocks, with their lines.
    fn in_blocks(path: &Path, separator: Separator) -> Vec<(u64, Vec<String>)> {
        let mut blocks = Blocks::open(path).unwrap();
        let mut all = Vec::new();
        while let Ok(Some(records)) = blocks.records(separator) {
            all.extend(records.iter().map(described));
        }
        all
    }

    fn described(record: &StringRecord) -> (u64, Vec<String>) {
        let line = record.position().unwrap().line();
        (line, record.iter().map(str::to_string).collect())
    }

    #[test]
    fn blocks_have_the_records_of_the_whole_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.csv");
        // Quotes, comments, empty lines, characters of several bytes, and fields across lines, at every place in a block.
        let line = |i: usize| match i % 7 {
            0 => format!("{i},\"two\nlines, and a comma\",é{i}\n"),
            1 => format!("# a comment with a \" quote {i}\n\n{i},5\" dish,x\n"),
            2 => format!("{i},\"a \"\"quoted\"\" word\",\u{1F52D}\r\n"),
            _ => format!("{i},{},\n", "y".repeat(i % 50)),
        };
        let text: String = (0..120_000).map(line).collect();
        assert!(text.len() > 3 * BLOCK);
        fs::write(&path, &text).unwrap();
        for separator in [Separator::Comma, Separator::Spaces] {
            let whole: Vec<_> = records(&text, separator, usize::MAX)
                .unwrap()
                .iter()
                .map(described)
                .collect();
            assert_eq!(in_blocks(&path, separator), whole, "{separator}");
        }
        // One record longer than a block.
        let long = format!("id,note\n1,\"{}\"\n2,x\n", "é\n".repeat(BLOCK));
        fs::write(&path, &long).unwrap();
        let found = in_blocks(&path, Separator::Comma);
        assert_eq!((found.len(), found[2].0), (3, 3 + BLOCK as u64));
        assert!(in_blocks(&path, Separator::Comma)[1].1[1].len() > 2 * BLOCK);
    }

    #[test]
    fn what_is_not_plain_utf_8_is_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cat.csv");
        let survey = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            TextTable::survey(&path, &["id"]).unwrap().map(|(_, head)| head.rows)
        };
        assert_eq!(survey(b"\xEF\xBB\xBFid,z\n1,2\n\n,\n3,4\n"), Some(2));
        assert_eq!(survey(b"id,z\n1,caf\xE9\n"), None);
        assert_eq!(survey(b"\xFF\xFEi\0d\0\n\0"), None);
        assert_eq!(survey(b"id,z\r1,2\r"), None);
        assert_eq!(survey(b"# %ECSV 1.0\n# ---\nid z\n1 2\n"), None);
        assert_eq!(survey(b"\x1f\x8b\x08"), None);
    }
}
