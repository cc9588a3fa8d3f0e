//! Text files: values separated by commas, semicolons, tabs, vertical bars or spaces; ECSV.

mod dialect;
mod ecsv;
mod encoding;
mod records;
mod rows;
mod windows;

pub(super) use ecsv::{array, described_columns};
pub(super) use encoding::decode;
pub(super) use rows::TextRows;
pub(super) use windows::TextTable;

use super::CatalogueError;
use super::content::{Content, Rows};
use super::source::Source;
use crate::survey::few;
use csv::StringRecord;
use dialect::{Dialect, Header};
use records::{Separator, records};
use std::path::Path;

/// Reads a text file. The columns `wanted` help to find out how it is separated.
pub(super) fn read(source: Source, wanted: &[&str]) -> Result<Content, CatalogueError> {
    let Source { path, bytes, .. } = source;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let decoded = decode(bytes);
    let text = without_excel_hint(with_line_feeds(decoded.text));
    let mut content = match ecsv::Header::parse(&text) {
        Some(header) => header.read(&text, &path)?,
        None => plain(&text, wanted, &path)?,
    };
    if text.starts_with(ecsv::MARK) && content.described.is_empty() {
        let problem = format!("{name}: its ECSV header is damaged; types and units are not used");
        content.warnings.push(problem);
    }
    if let Some(line) = decoded.not_utf8 {
        let problem = format!("{name} line {line} is not UTF-8; the file is read as Latin-1 (Windows-1252)");
        content.warnings.push(problem);
    }
    content.notes.extend(decoded.note.map(|note| format!("{name} {note}")));
    Ok(content)
}

/// Files of old Macs end their lines with carriage returns alone.
fn with_line_feeds(text: String) -> String {
    match text.contains('\r') && !text.contains('\n') {
        true => text.replace('\r', "\n"),
        false => text,
    }
}

/// Excel's first line `sep=;`, which is no part of the table, becomes a comment.
fn without_excel_hint(text: String) -> String {
    match text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("sep=")) {
        true => format!("#{text}"),
        false => text,
    }
}

/// How many rows below the names are none: VizieR writes units and a line of dashes.
fn units_and_dashes(records: &[StringRecord]) -> usize {
    let dashes = |value: &str| !value.is_empty() && value.bytes().all(|b| b == b'-');
    let ruler = records.iter().take(2).position(|record| record.iter().all(dashes));
    ruler.map_or(0, |place| place + 1)
}

fn plain(text: &str, wanted: &[&str], path: &Path) -> Result<Content, CatalogueError> {
    let csv_error = |source| CatalogueError::Csv {
        path: path.into(),
        source,
    };
    let dialect = dialect::detect(text, wanted).map_err(csv_error)?;
    let separator = dialect.separator;
    let mut records = records(text, separator, usize::MAX).map_err(csv_error)?;
    let Names {
        mut names,
        records: above,
        mut notes,
    } = names(dialect, &records, path)?;
    records.drain(..above);
    let rows = TextRows::new(&mut names, records, separator, path)?;
    notes.extend(decimal_commas_note(path, &names, rows.decimal_commas()));
    Ok(Content {
        names,
        notes,
        ..Content::new(Vec::new(), Rows::Texts(rows))
    })
}

/// The names of the columns.
struct Names {
    names: Vec<String>,
    /// Records above the first row.
    records: usize,
    notes: Vec<String>,
}

/// Where the first records say the names of the columns.
fn names(dialect: Dialect, records: &[StringRecord], path: &Path) -> Result<Names, CatalogueError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut notes = Vec::new();
    if dialect.separator != Separator::Comma {
        notes.push(format!("{name} is {}", dialect.separator.name()));
    }
    let (names, above) = match dialect.header {
        Header::Comment(names) => {
            notes.push(format!("{name}: the names of the columns are in a comment"));
            (names, 0)
        }
        Header::FirstLine => match records.split_first() {
            None => (Vec::new(), 0),
            Some((names, rest)) => {
                let skipped = units_and_dashes(rest);
                if skipped > 0 {
                    notes.push(format!(
                        "{name}: units and dashes below the names of the columns are skipped"
                    ));
                }
                (names.iter().map(str::to_string).collect(), 1 + skipped)
            }
        },
        Header::Missing => {
            return Err(CatalogueError::NoHeader {
                path: path.into(),
                first: records[0].iter().collect::<Vec<_>>().join(" "),
            });
        }
    };
    Ok(Names {
        names,
        records: above,
        notes,
    })
}

fn decimal_commas_note(path: &Path, names: &[String], columns: impl Iterator<Item = usize>) -> Option<String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let commas: Vec<&str> = columns.map(|column| names[column].as_str()).collect();
    (!commas.is_empty()).then(|| format!("{name}: decimal commas in {}", few(&commas)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &[u8]) -> Result<Content, String> {
        let source = Source {
            path: "a/cat.csv".into(),
            extension: None,
            bytes: text.to_vec(),
            was_packed: false,
        };
        read(source, &["id"]).map_err(|error| error.to_string())
    }

    fn texts(content: &Content) -> Vec<Vec<&str>> {
        let Rows::Texts(rows) = &content.rows else { panic!() };
        let row = |row| (0..content.names.len()).map(|column| rows.text(row, column)).collect();
        (0..rows.len()).map(row).collect()
    }

    #[test]
    fn values_stay_as_they_were_read_and_what_is_detected_is_noted() {
        let semicolons = content(b"id;z;note\r\n12.10;1,25;a\r\n007;-2,5;\r\n\r\n;;\r\n").unwrap();
        assert_eq!(texts(&semicolons), [["12.10", "1,25", "a"], ["007", "-2,5", ""]]);
        let Rows::Texts(rows) = &semicolons.rows else { panic!() };
        assert_eq!(
            (rows.number(0, 1), rows.number(1, 1), rows.number(0, 0)),
            (1.25, -2.5, 12.1)
        );
        assert_eq!(
            semicolons.notes,
            ["cat.csv is separated by semicolons", "cat.csv: decimal commas in z"]
        );
        let comment = content(b"# id z\n1e5 0.5\n").unwrap();
        assert_eq!(
            (comment.names.join(" "), texts(&comment)),
            ("id z".into(), vec![vec!["1e5", "0.5"]])
        );
        assert_eq!(texts(&content(b"id,z\r1,2\r3,4\r").unwrap()), [["1", "2"], ["3", "4"]]);
        assert!(content(b"id,z\n1,2\n").unwrap().notes.is_empty());
    }

    #[test]
    fn separators_at_the_end_of_lines() {
        for text in ["id,z,\n1,2,\n3,4,\n", "id,z\n1,2,\n3,4,\n", "id,z,\n1,2\n3,4\n"] {
            let content = content(text.as_bytes()).unwrap();
            assert_eq!(content.names, ["id", "z"], "{text}");
            assert_eq!(texts(&content), [["1", "2"], ["3", "4"]], "{text}");
        }
        // Column 3 has a value, so that it is one.
        assert_eq!(content(b"id,z,\n1,2,\n3,4,x\n").unwrap().names, ["id", "z", ""]);
    }

    #[test]
    fn lines_that_vizier_and_excel_add() {
        let vizier = b"#Column\tRAJ2000\t(F10.6)\n\nid\tRAJ2000\n \tdeg\n--\t-------\n1\t150.1\n-\t150.2\n";
        assert_eq!(texts(&content(vizier).unwrap()), [["1", "150.1"], ["-", "150.2"]]);
        let excel = content(b"sep=;\nid;z\n1;2,5\n").unwrap();
        assert_eq!(
            (excel.names.join(" "), texts(&excel)),
            ("id z".into(), vec![vec!["1", "2,5"]])
        );
        assert!(content(b"sep=;\nid;z\n1;2\n3\n").unwrap_err().contains("line 4"));
    }

    #[test]
    fn latin_1_is_read_with_a_warning_that_names_the_line() {
        let latin = content(b"id,note\n1,a\n2,caf\xE9\n").unwrap();
        assert_eq!(texts(&latin)[1], ["2", "caf\u{e9}"]);
        assert!(
            latin.warnings[0].contains("cat.csv line 3 is not UTF-8"),
            "{:?}",
            latin.warnings
        );
        let utf16: Vec<u8> = "\u{feff}id\tnote\n1\té\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(texts(&content(&utf16).unwrap()), [["1", "é"]]);
    }

    #[test]
    fn lines_that_do_not_fit_the_columns() {
        let message = content(b"id;z\n# c\n1;2\n3\n").unwrap_err();
        assert_eq!(
            message,
            "a/cat.csv line 4: 1 value for 2 columns (separated by semicolons)"
        );
        let message = content(b"1,2\n3,4\n").unwrap_err();
        assert!(
            message.contains("no line with the names of its columns; it begins with: 1 2"),
            "{message}"
        );
    }
}
