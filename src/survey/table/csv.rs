//! Writes CSV, with an ECSV header if there is a provenance to write.

use super::provenance::Provenance;
use super::{Cell, Column, ColumnType, Complete, Content, Format};
use fitsio_pure::io::AtomicFile;
use std::io::{self, Write};

/// Whether a column of this type can be written.
pub(super) fn can_hold(column_type: &ColumnType) -> bool {
    !matches!(column_type, ColumnType::Array { .. })
}

pub(super) struct CsvTable {
    file: AtomicFile,
    columns: Vec<Column>,
    /// The texts of false and true; ECSV has those of Python.
    truth: [&'static str; 2],
    line: Vec<u8>,
}

impl CsvTable {
    pub(super) fn new(
        mut file: AtomicFile,
        columns: &[Column],
        provenance: Option<&Provenance>,
    ) -> io::Result<CsvTable> {
        if let Some(provenance) = provenance {
            write_header(provenance, columns, &mut file)?;
        }
        let mut table = CsvTable {
            file,
            columns: columns.to_vec(),
            truth: if provenance.is_some() {
                ["False", "True"]
            } else {
                ["false", "true"]
            },
            line: Vec::new(),
        };
        for (i, column) in columns.iter().enumerate() {
            table.begin_cell(i);
            table.text(&column.name, i == 0);
        }
        table.end_line()?;
        Ok(table)
    }

    fn begin_cell(&mut self, column: usize) {
        if column > 0 {
            self.line.push(b',');
        }
    }

    /// A text as it is; in quotes if a reader would otherwise change it. A line whose first character is `#` would be a
    /// comment; in quotes it begins with a quote.
    fn text(&mut self, text: &str, first: bool) {
        let ends = [text.bytes().next(), text.bytes().next_back()];
        let quoted = text.bytes().any(|b| matches!(b, b',' | b'"' | b'\n' | b'\r'))
            || ends.iter().flatten().any(u8::is_ascii_whitespace)
            || first && text.starts_with('#')
            // A line without any character would be skipped.
            || text.is_empty() && self.columns.len() == 1;
        if quoted {
            self.line.push(b'"');
            self.line.extend_from_slice(text.replace('"', "\"\"").as_bytes());
            self.line.push(b'"');
        } else {
            self.line.extend_from_slice(text.as_bytes());
        }
    }

    fn end_line(&mut self) -> io::Result<()> {
        self.line.push(b'\n');
        self.file.write_all(&self.line)?;
        self.line.clear();
        Ok(())
    }
}

impl Format for CsvTable {
    fn push(&mut self, row: &[&Cell]) -> io::Result<()> {
        for (i, cell) in row.iter().enumerate() {
            self.begin_cell(i);
            // The shortest text from which the same number is recovered. Writing to memory does not fail.
            match cell {
                Cell::Str(text) => self.text(text, i == 0),
                Cell::Null => self.text("", i == 0),
                Cell::F64(number) if number.is_nan() => self.text("", i == 0),
                Cell::Int(number) if Some(*number) == self.columns[i].null => self.text("", i == 0),
                Cell::F64(number) if self.columns[i].column_type == ColumnType::F32 => {
                    write!(self.line, "{:?}", *number as f32)?;
                }
                Cell::F64(number) => write!(self.line, "{number:?}")?,
                Cell::Int(number) => write!(self.line, "{number}")?,
                Cell::Bool(value) => self.line.extend_from_slice(self.truth[usize::from(*value)].as_bytes()),
                Cell::Array(_) => return Err(io::Error::other("CSV holds no arrays")),
            }
        }
        self.end_line()
    }

    fn complete(self: Box<Self>, _rows: u64) -> io::Result<Complete> {
        Ok(Complete {
            content: Content::File(self.file),
            warnings: Vec::new(),
        })
    }
}

/// The header of an ECSV file: <https://github.com/astropy/astropy-APEs/blob/main/APE6.rst>. Texts are written as JSON,
/// which is YAML too.
fn write_header(provenance: &Provenance, columns: &[Column], file: &mut impl Write) -> io::Result<()> {
    let json = |text: &str| serde_json::Value::from(text).to_string();
    write!(file, "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n")?;
    for column in columns {
        write!(file, "# - {{name: {}", json(&column.name))?;
        if !column.unit.is_empty() {
            write!(file, ", unit: {}", json(&column.unit))?;
        }
        write!(file, ", datatype: {}", column.column_type.name())?;
        if !column.description.is_empty() {
            write!(file, ", description: {}", json(&column.description))?;
        }
        writeln!(file, "}}")?;
    }
    writeln!(file, "# meta:")?;
    for (key, text) in provenance.entries() {
        writeln!(file, "#   {}: {}", json(key), json(&text))?;
    }
    writeln!(file, "# schema: astropy-2.0")
}
