//! Writes a VOTable 1.4 with its data as text (<https://www.ivoa.net/documents/VOTable/>).

use super::provenance::Provenance;
use super::{Cell, Column, ColumnType, Complete, Content, Format};
use fitsio_pure::io::AtomicFile;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Whether a column of this type can be written. The format has arrays of texts of equal length only.
pub(super) fn can_hold(column_type: &ColumnType) -> bool {
    !matches!(column_type, ColumnType::Array { element, .. } if **element == ColumnType::Str)
}

pub(super) struct VoTable {
    file: AtomicFile,
    columns: Vec<Column>,
    row: String,
}

impl VoTable {
    pub(super) fn new(
        mut file: AtomicFile,
        columns: &[Column],
        provenance: Option<&Provenance>,
    ) -> io::Result<VoTable> {
        write!(
            file,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <VOTABLE version=\"1.4\" xmlns=\"http://www.ivoa.net/xml/VOTable/v1.3\">\n<RESOURCE type=\"results\">\n"
        )?;
        for (name, value) in provenance.iter().flat_map(|p| p.entries()) {
            writeln!(file, "<INFO name=\"{}\" value=\"{}\"/>", xml(name), xml(&value))?;
        }
        let name = provenance.map_or(String::new(), |p| format!(" name=\"{}\"", xml(&p.table)));
        writeln!(file, "<TABLE{name}>")?;
        for column in columns {
            file.write_all(field(column).as_bytes())?;
        }
        writeln!(file, "<DATA><TABLEDATA>")?;
        Ok(VoTable {
            file,
            columns: columns.to_vec(),
            row: String::new(),
        })
    }
}

impl Format for VoTable {
    fn push(&mut self, row: &[&Cell]) -> io::Result<()> {
        self.row.clear();
        self.row.push_str("<TR>");
        for (cell, column) in row.iter().zip(&self.columns) {
            self.row.push_str("<TD>");
            match column.value(cell).as_ref() {
                Cell::Null => self
                    .row
                    .push_str(&column.null.map_or(String::new(), |null| null.to_string())),
                Cell::Array(cells) => push_array(&mut self.row, cells, column),
                one => push_value(&mut self.row, one, &column.column_type),
            }
            self.row.push_str("</TD>");
        }
        self.row.push_str("</TR>\n");
        self.file.write_all(self.row.as_bytes())
    }

    fn complete(mut self: Box<Self>, _rows: u64) -> io::Result<Complete> {
        self.file
            .write_all(b"</TABLEDATA></DATA>\n</TABLE>\n</RESOURCE>\n</VOTABLE>\n")?;
        Ok(Complete {
            content: Content::File(self.file),
            warnings: Vec::new(),
        })
    }
}

/// The description of a column. It has no ID: readers would show it in place of the name.
fn field(column: &Column) -> String {
    let (element, size) = match &column.column_type {
        ColumnType::Array { element, shape: None } => (&**element, "*".to_string()),
        ColumnType::Array {
            element,
            shape: Some(shape),
        } => (
            &**element,
            shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x"),
        ),
        ColumnType::Str => (&ColumnType::Str, "*".into()),
        scalar => (scalar, String::new()),
    };
    let mut field = format!(
        "<FIELD name=\"{}\" datatype=\"{}\"",
        xml(&column.name),
        datatype(element, &column.column_type)
    );
    for (attribute, value) in [("arraysize", &size), ("unit", &column.unit), ("ucd", &column.ucd)] {
        if !value.is_empty() {
            let _ = write!(field, " {attribute}=\"{}\"", xml(value));
        }
    }
    field.push('>');
    if !column.description.is_empty() {
        let _ = write!(field, "<DESCRIPTION>{}</DESCRIPTION>", xml(&column.description));
    }
    if let Some(null) = null(column) {
        let _ = write!(field, "<VALUES null=\"{null}\"/>");
    }
    field + "</FIELD>\n"
}

/// The column's own number for "unknown", or the one that arrays need for it: an unknown cell is empty, but an unknown
/// value of an array needs a number.
fn null(column: &Column) -> Option<i64> {
    let of_array = match &column.column_type {
        ColumnType::Array { element, .. } => match **element {
            ColumnType::U8 => Some(i16::MIN.into()),
            ref element => element.range().map(|range| *range.start()),
        },
        _ => None,
    };
    column.null.or(of_array)
}

/// Bytes in arrays are written as 16-bit numbers, which have a number to spare for "unknown".
fn datatype(element: &ColumnType, column: &ColumnType) -> &'static str {
    match element {
        ColumnType::Bool => "boolean",
        ColumnType::U8 if element == column => "unsignedByte",
        ColumnType::U8 | ColumnType::I16 => "short",
        ColumnType::I32 => "int",
        ColumnType::I64 => "long",
        ColumnType::F32 => "float",
        ColumnType::F64 => "double",
        ColumnType::Str | ColumnType::Array { .. } => "unicodeChar",
    }
}

fn push_array(row: &mut String, cells: &[Cell], column: &Column) {
    let ColumnType::Array { element, shape } = &column.column_type else {
        return;
    };
    let missing = shape
        .as_ref()
        .map_or(0, |shape| shape.iter().product::<usize>().saturating_sub(cells.len()));
    let values = cells.iter().chain(std::iter::repeat_n(&Cell::Null, missing));
    for (i, cell) in values.enumerate() {
        if i > 0 {
            row.push(' ');
        }
        match (cell, null(column)) {
            (Cell::Null, Some(null)) => _ = write!(row, "{null}"),
            (Cell::Null, None) if **element == ColumnType::Bool => row.push('?'),
            (Cell::Null, None) => row.push_str("NaN"),
            (cell, _) => push_value(row, cell, element),
        }
    }
}

fn push_value(row: &mut String, cell: &Cell, column_type: &ColumnType) {
    // Writing to a string does not fail.
    let _ = match cell {
        Cell::Str(text) => row.write_str(&xml(text)),
        Cell::Bool(value) => row.write_char(if *value { 'T' } else { 'F' }),
        Cell::Int(number) => write!(row, "{number}"),
        Cell::F64(number) if number.is_nan() => row.write_str("NaN"),
        Cell::F64(number) if number.is_infinite() => row.write_str(if *number > 0.0 { "+Inf" } else { "-Inf" }),
        Cell::F64(number) if *column_type == ColumnType::F32 => write!(row, "{:?}", *number as f32),
        Cell::F64(number) => write!(row, "{number:?}"),
        Cell::Array(_) | Cell::Null => Ok(()),
    };
}

/// `text` in XML. Characters that XML 1.0 excludes become U+FFFD.
fn xml(text: &str) -> Cow<'_, str> {
    let special = |c: char| matches!(c, '<' | '>' | '&' | '"' | '\u{fffe}' | '\u{ffff}' | ..' ');
    if !text.contains(|c| special(c) && c != ' ') {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            // Readers turn these into spaces in attributes, and \r into \n.
            '\t' | '\n' | '\r' => _ = write!(escaped, "&#{};", u32::from(c)),
            '\u{fffe}' | '\u{ffff}' | ..' ' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_valid_xml() {
        assert_eq!(xml("a b é"), "a b é");
        assert_eq!(
            xml("<a & \"b\">\r\t\u{1}"),
            "&lt;a &amp; &quot;b&quot;&gt;&#13;&#9;\u{fffd}"
        );
    }
}
