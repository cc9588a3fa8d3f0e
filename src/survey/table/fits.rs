//! Writes a FITS binary table without holding it in memory.
//!
//! The header, which comes before the data, has the widths of the text columns and the number of rows, which are known
//! only at the end. Rows are therefore written to an unnamed spool file first, each text with its length, and are copied
//! with the final widths when the table is complete.

use super::{Cell, Column, ColumnType};
use fitsio_pure::bintable::{BinaryColumnDescriptor, BinaryColumnType, build_binary_table_cards};
use fitsio_pure::block::padded_byte_len;
use fitsio_pure::header::{Card, serialize_header};
use fitsio_pure::io::AtomicFile;
use fitsio_pure::primary::build_primary_header;
use fitsio_pure::value::Value;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

/// The value of a missing whole number; the column's TNULL.
const NULL: i32 = i32::MIN;

pub(super) struct FitsTable {
    file: AtomicFile,
    spool: BufWriter<File>,
    /// Bytes per cell of each column; for texts those of the longest so far, at least 1.
    widths: Vec<usize>,
    has_null: Vec<bool>,
}

impl FitsTable {
    pub(super) fn new(file: AtomicFile, folder: &Path, columns: &[Column]) -> io::Result<FitsTable> {
        let width = |column: &Column| match &column.column_type {
            ColumnType::Str => 1,
            ColumnType::F64 => 8,
            ColumnType::I32 => 4,
            _ => unreachable!("TEMPORARY"),
        };
        Ok(FitsTable {
            file,
            spool: BufWriter::new(tempfile::tempfile_in(folder)?),
            widths: columns.iter().map(width).collect(),
            has_null: vec![false; columns.len()],
        })
    }

    /// `row` must fit `columns`.
    pub(super) fn push(&mut self, row: &[Cell], columns: &[Column]) -> io::Result<()> {
        for (i, (cell, column)) in row.iter().zip(columns).enumerate() {
            match cell {
                Cell::F64(value) => self.spool.write_all(&value.to_be_bytes())?,
                Cell::Int(value) => self.spool.write_all(&(*value as i32).to_be_bytes())?,
                Cell::Str(text) => self.push_text(i, &ascii(text, '?'))?,
                Cell::Bool(_) | Cell::Array(_) => unreachable!("TEMPORARY"),
                Cell::Null => match &column.column_type {
                    ColumnType::Str => self.push_text(i, "")?,
                    ColumnType::F64 => self.spool.write_all(&f64::NAN.to_be_bytes())?,
                    ColumnType::I32 => {
                        self.has_null[i] = true;
                        self.spool.write_all(&NULL.to_be_bytes())?;
                    }
                    _ => unreachable!("TEMPORARY"),
                },
            }
        }
        Ok(())
    }

    fn push_text(&mut self, column: usize, text: &str) -> io::Result<()> {
        self.widths[column] = self.widths[column].max(text.len());
        let length = u32::try_from(text.len()).map_err(|_| io::Error::other("a text of more than 4 GiB"))?;
        self.spool.write_all(&length.to_be_bytes())?;
        self.spool.write_all(text.as_bytes())
    }

    /// Writes headers and data. The caller must commit the file.
    pub(super) fn complete(mut self, columns: &[Column], rows: u64) -> io::Result<AtomicFile> {
        let headers = self.headers(columns, rows as usize).map_err(io::Error::other)?;
        self.file.write_all(&headers)?;

        let mut spool = self.spool.into_inner().map_err(|e| e.into_error())?;
        spool.rewind()?;
        let mut spool = BufReader::new(spool);
        let mut cell = Vec::new();
        for _ in 0..rows {
            for (column, &width) in columns.iter().zip(&self.widths) {
                let mut filled = width;
                if column.column_type == ColumnType::Str {
                    let mut length = [0; 4];
                    spool.read_exact(&mut length)?;
                    filled = u32::from_be_bytes(length) as usize;
                }
                cell.clear();
                cell.resize(width, b' ');
                spool.read_exact(&mut cell[..filled])?;
                self.file.write_all(&cell)?;
            }
        }
        let bytes = self.widths.iter().sum::<usize>() * rows as usize;
        self.file.write_all(&vec![0; padded_byte_len(bytes) - bytes])?;
        Ok(self.file)
    }

    /// The primary header, which announces no data, and that of the table.
    fn headers(&self, columns: &[Column], rows: usize) -> fitsio_pure::Result<Vec<u8>> {
        let mut headers = serialize_header(&build_primary_header(8, &[])?)?;
        headers.extend(serialize_header(&self.cards(columns, rows)?)?);
        Ok(headers)
    }

    fn cards(&self, columns: &[Column], rows: usize) -> fitsio_pure::Result<Vec<Card>> {
        let descriptors: Vec<_> = columns
            .iter()
            .zip(&self.widths)
            .zip(names(columns))
            .map(|((column, &byte_width), name)| {
                let (col_type, repeat) = match &column.column_type {
                    ColumnType::Str => (BinaryColumnType::Ascii, byte_width),
                    ColumnType::F64 => (BinaryColumnType::Double, 1),
                    ColumnType::I32 => (BinaryColumnType::Int, 1),
                    _ => unreachable!("TEMPORARY"),
                };
                BinaryColumnDescriptor {
                    name: Some(name),
                    repeat,
                    col_type,
                    byte_width,
                    tdim: None,
                }
            })
            .collect();
        let mut cards = build_binary_table_cards(&descriptors, rows, 0)?;
        for (i, column) in columns.iter().enumerate() {
            let n = i + 1;
            for (key, text) in [("TUNIT", &column.unit), ("TCOMM", &column.description)] {
                if !text.is_empty() {
                    cards.push(Card::new(&format!("{key}{n}"), Value::String(ascii(text, '?')))?);
                }
            }
            if self.has_null[i] {
                cards.push(Card::new(&format!("TNULL{n}"), Value::Integer(NULL.into()))?);
            }
        }
        Ok(cards)
    }
}

/// Names that FITS allows: characters that are not ASCII become underscores, and a name that then is not unique gets the
/// number of its column appended.
fn names(columns: &[Column]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(columns.len());
    for (i, column) in columns.iter().enumerate() {
        let mut name = ascii(&column.name, '_');
        if names.iter().any(|n| n.eq_ignore_ascii_case(&name)) {
            name += &format!("_{}", i + 1);
        }
        names.push(name);
    }
    names
}

/// FITS text is printable ASCII; any other character becomes `substitute`.
fn ascii(text: &str, substitute: char) -> String {
    text.chars()
        .map(|c| if (' '..='~').contains(&c) { c } else { substitute })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ascii_and_unique() {
        let columns = ["id", "θ_E", "φ_E", "naïve"].map(|n| Column::new(n, ColumnType::F64, "", ""));
        assert_eq!(names(&columns), ["id", "__E", "__E_3", "na_ve"]);
    }
}
