//! Writes a FITS binary table without holding it in memory.
//!
//! The header, which comes before the data, has the widths of the text columns and the number of rows, which are known
//! only at the end. Rows are therefore written to an unnamed spool file first, and are copied when the table is complete.
//! The values of cells of variable length lie in the heap behind the rows, for which the spool file is read once more.

mod header;
mod spool;

use super::provenance::Provenance;
use super::{Cell, Column, ColumnType, Complete, Content, Format};
use fitsio_pure::block::padded_byte_len;
use fitsio_pure::io::AtomicFile;
use header::Header;
use spool::{Code, Field, Shape};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek, Write};
use std::path::Path;

/// Most columns of a table, a limit of the format.
pub(super) const MAX_COLUMNS: usize = 999;

/// Whether a column of this type can be written.
pub(super) fn can_hold(column_type: &ColumnType) -> bool {
    let texts_of_any_number =
        matches!(column_type, ColumnType::Array { element, shape: None } if **element == ColumnType::Str);
    !texts_of_any_number
}

pub(super) struct FitsTable {
    file: AtomicFile,
    spool: BufWriter<File>,
    columns: Vec<Column>,
    fields: Vec<Field>,
    provenance: Option<Provenance>,
}

/// The parts of the data.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Rows,
    Heap,
}

impl FitsTable {
    pub(super) fn new(
        file: AtomicFile,
        folder: &Path,
        columns: &[Column],
        provenance: Option<&Provenance>,
    ) -> io::Result<FitsTable> {
        Ok(FitsTable {
            file,
            spool: BufWriter::new(tempfile::tempfile_in(folder)?),
            columns: columns.to_vec(),
            fields: columns.iter().map(Field::new).collect(),
            provenance: provenance.cloned(),
        })
    }

    fn warnings(&self, codes: &[Code]) -> Vec<String> {
        let mut warnings = Vec::new();
        for ((column, field), code) in self.columns.iter().zip(&self.fields).zip(codes) {
            if let Some((text, escaped)) = &field.example {
                warnings.push(format!(
                    "column '{}': {} of its texts have characters that FITS cannot hold, which are escaped: {text:?} -> \
                     '{escaped}'",
                    column.name, field.escaped
                ));
            }
            if field.has_null && field.has_minimum && code.null == Some(i64::MIN) {
                warnings.push(format!(
                    "column '{}': the number {} cannot be told from unknown values",
                    column.name,
                    i64::MIN
                ));
            }
            if let (true, Shape::Variable, Some(null)) = (field.has_null, &field.shape, code.null) {
                warnings.push(format!(
                    "column '{}': unknown values of its arrays are written as {null}",
                    column.name
                ));
            }
        }
        warnings
    }

    /// The header of the table.
    fn header(&self, codes: &[Code], rows: u64, heap: u64) -> Vec<u8> {
        let mut header = Header::default();
        header.text("XTENSION", "BINTABLE", "binary table");
        let row: usize = self
            .fields
            .iter()
            .zip(codes)
            .map(|(field, code)| cell_bytes(field, code, heap))
            .sum();
        for (key, value) in [
            ("BITPIX", 8),
            ("NAXIS", 2),
            ("NAXIS1", row as i64),
            ("NAXIS2", rows as i64),
            ("PCOUNT", heap as i64),
            ("GCOUNT", 1),
            ("TFIELDS", self.columns.len() as i64),
        ] {
            header.integer(key, value);
        }
        if let Some(provenance) = &self.provenance {
            write_provenance(provenance, &mut header);
        }
        for (i, ((column, field), code)) in self.columns.iter().zip(&self.fields).zip(codes).enumerate() {
            let key = |name: &str| format!("{name}{}", i + 1);
            header.text(&key("TTYPE"), &column.name, &column.description);
            header.text(&key("TFORM"), &form(field, code, heap), "");
            if let Some(dimensions) = dimensions(field, code) {
                header.text(&key("TDIM"), &dimensions, "");
            }
            // astropy cannot read a table in which cells of variable length have a value for "unknown".
            if let (Some(null), Some(_)) = (code.null, field.repeat()) {
                header.integer(&key("TNULL"), null);
            }
            for (name, text) in [
                ("TUNIT", &column.unit),
                ("TDISP", &column.display),
                ("TUCD", &column.ucd),
                ("TCOMM", &column.description),
            ] {
                if !text.is_empty() {
                    header.text(&key(name), text, "");
                }
            }
        }
        header.complete()
    }
}

impl Format for FitsTable {
    fn push(&mut self, row: &[&Cell]) -> io::Result<()> {
        for ((cell, column), field) in row.iter().zip(&self.columns).zip(&mut self.fields) {
            field.put(&column.value(cell), &mut self.spool)?;
        }
        Ok(())
    }

    fn complete(mut self: Box<Self>, rows: u64) -> io::Result<Complete> {
        let codes: Vec<Code> = self.fields.iter().map(Field::code).collect();
        let variable = self
            .fields
            .iter()
            .zip(&codes)
            .filter(|(field, _)| field.repeat().is_none());
        let heap = variable
            .clone()
            .map(|(field, code)| field.values * code.width as u64)
            .sum();
        let has_heap = variable.count() > 0;

        let mut primary = Header::default();
        primary.logical("SIMPLE", true);
        primary.integer("BITPIX", 8);
        primary.integer("NAXIS", 0);
        primary.logical("EXTEND", true);
        self.file.write_all(&primary.complete())?;
        let header = self.header(&codes, rows, heap);
        self.file.write_all(&header)?;

        let warnings = self.warnings(&codes);
        let FitsTable {
            mut file,
            spool,
            fields,
            ..
        } = *self;
        let mut spool = spool.into_inner().map_err(|e| e.into_error())?;
        let mut bytes = 0;
        for part in [Part::Rows, Part::Heap] {
            if part == Part::Rows || has_heap {
                spool.rewind()?;
                bytes += copy(
                    part,
                    &fields,
                    &codes,
                    rows,
                    heap,
                    &mut BufReader::new(&spool),
                    &mut file,
                )?;
            }
        }
        file.write_all(&vec![0; padded_byte_len(bytes) - bytes])?;
        Ok(Complete {
            content: Content::File(file),
            warnings,
        })
    }
}

/// Copies a part of the data from the spool file; returns the number of bytes.
fn copy(
    part: Part,
    fields: &[Field],
    codes: &[Code],
    rows: u64,
    heap: u64,
    spool: &mut impl io::Read,
    file: &mut impl Write,
) -> io::Result<usize> {
    let (mut row, mut values, mut offset, mut bytes) = (Vec::new(), Vec::new(), 0, 0);
    for _ in 0..rows {
        row.clear();
        for (field, code) in fields.iter().zip(codes) {
            let fixed = field.repeat().is_some();
            if fixed && part == Part::Rows {
                field.take(code, spool, &mut row)?;
                continue;
            }
            values.clear();
            let count = field.take(code, spool, &mut values)?;
            match part {
                Part::Heap if fixed => {}
                Part::Heap => row.extend_from_slice(&values),
                Part::Rows => {
                    for number in [count as u64, offset] {
                        let start = 8 - descriptor_bytes(heap) / 2;
                        row.extend_from_slice(&number.to_be_bytes()[start..]);
                    }
                    offset += values.len() as u64;
                }
            }
        }
        file.write_all(&row)?;
        bytes += row.len();
    }
    Ok(bytes)
}

/// Bytes of what a row has of a cell of variable length: the number of its values and their place in the heap, of 64
/// bits each only if the heap needs it.
fn descriptor_bytes(heap: u64) -> usize {
    if i32::try_from(heap).is_ok() { 8 } else { 16 }
}

fn cell_bytes(field: &Field, code: &Code, heap: u64) -> usize {
    field
        .repeat()
        .map_or(descriptor_bytes(heap), |repeat| repeat * code.width)
}

/// TFORM.
fn form(field: &Field, code: &Code, heap: u64) -> String {
    let letter = code.letter;
    match field.repeat() {
        None if descriptor_bytes(heap) == 8 => format!("1P{letter}({})", field.longest),
        None => format!("1Q{letter}({})", field.longest),
        Some(repeat) if letter == 'A' => format!("{}A", repeat * code.width),
        Some(1) => letter.to_string(),
        Some(repeat) => format!("{repeat}{letter}"),
    }
}

/// TDIM, which cells of several texts or axes need.
fn dimensions(field: &Field, code: &Code) -> Option<String> {
    let Shape::Fixed(shape) = &field.shape else { return None };
    let mut axes: Vec<String> = shape.iter().map(usize::to_string).collect();
    if code.letter == 'A' {
        axes.insert(0, code.width.to_string());
    }
    (axes.len() > 1).then(|| format!("({})", axes.join(",")))
}

fn write_provenance(provenance: &Provenance, header: &mut Header) {
    header.text("EXTNAME", &provenance.table, "name of the table");
    // FITS gives dates without a time zone; they are UTC.
    header.text("DATE", provenance.date.trim_end_matches('Z'), "UTC date of this file");
    header.text("CREATOR", &provenance.program, "program that wrote this file");
    if let Some(model) = &provenance.model {
        header.text("MODEL", &model.name(), "file of the model");
        header.text("MODELSHA", &model.sha256, "");
    }
    for (key, text) in &provenance.notes {
        header.comment("COMMENT", &format!("{key}: {text}"));
    }
    if let Some(command) = &provenance.command {
        header.comment("HISTORY", command);
    }
}
