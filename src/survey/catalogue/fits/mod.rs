//! FITS tables, binary and ASCII (FITS standard 4.0, section 7), decoded cell by cell when they are asked for.

mod ascii;
mod binary;
mod error;
mod hdu;
mod rows;
mod scaling;
mod windows;

pub use error::FitsTableError;
pub(super) use rows::FitsRows;
pub(super) use windows::FitsTable;

use super::choose::{Candidate, choose};
use super::content::{Content, LeftOut, Rows};
use crate::survey::table::{Column, ColumnType};
use fitsio_pure::header::Card;
use hdu::{Hdu, hdus, integer, logical, text};
use rows::{FitsColumn, Layout, Seen, Table};
use std::io::{Cursor, Read, Seek};

/// Reads the table that [`choose`] takes. `file` is the name for notes.
///
/// # Errors
/// No such table, or a damaged one. Columns that cannot be read are left out.
pub(super) fn read(
    mut bytes: Vec<u8>,
    wanted: &[&str],
    extension: Option<&str>,
    file: &str,
) -> Result<Content, FitsTableError> {
    let length = bytes.len();
    let (Hdu { cards, data, .. }, note) = find(&mut Cursor::new(&bytes), length, wanted, extension, file)?;
    bytes.truncate(data.end);
    bytes.drain(..data.start);
    let layout = Layout::new(bytes.len(), &cards);
    let table = Table::new(layout, bytes);
    let formats = formats(&cards, layout.row_length);
    let columns = formats.into_iter().map(|format| {
        let column = format?;
        let mut seen = Seen::default();
        table.see(&column, &mut seen);
        Ok((layout.column_type(&column, &seen)?, column))
    });
    let (mut content, columns) = decode(&cards, columns);
    content.rows = Rows::Fits(FitsRows::new(table, columns.into()));
    content.notes.extend(note);
    Ok(content)
}

/// The table that [`choose`] takes, and what is to be said about the choice.
fn find(
    bytes: &mut (impl Read + Seek),
    length: usize,
    wanted: &[&str],
    extension: Option<&str>,
    file: &str,
) -> Result<(Hdu, Option<String>), FitsTableError> {
    let mut hdus = hdus(bytes, length)?;
    let compressed = hdus
        .iter()
        .find(|hdu| is_table(hdu) && logical(&hdu.cards, "ZTABLE") == Some(true));
    let compressed = compressed.map(|hdu| candidate(hdu).label());
    hdus.retain(|hdu| {
        is_table(hdu)
            && ["ZTABLE", "ZIMAGE"]
                .iter()
                .all(|key| logical(&hdu.cards, key) != Some(true))
    });
    let tables: Vec<Candidate> = hdus.iter().map(candidate).collect();
    if tables.is_empty() {
        return Err(
            compressed.map_or(FitsTableError::NoTable, |extension| FitsTableError::Compressed {
                extension,
            }),
        );
    }
    let Some((place, note)) = choose(&tables, wanted, extension, file) else {
        return Err(FitsTableError::NoExtension {
            name: extension.unwrap_or_default().into(),
            found: tables.iter().map(Candidate::label).collect(),
        });
    };
    let hdu = hdus.swap_remove(place);
    if hdu.data.end > length {
        return Err(FitsTableError::CutInData {
            length,
            expected: hdu.data.end,
        });
    }
    if let Some(value) = integer(&hdu.cards, "TFIELDS").filter(|n| !(0..=MOST_FIELDS).contains(n)) {
        let keyword = "TFIELDS".into();
        return Err(FitsTableError::DamagedKeyword { keyword, value });
    }
    Ok((hdu, note))
}

fn is_table(hdu: &Hdu) -> bool {
    ["BINTABLE", "A3DTABLE", "TABLE"].contains(&text(&hdu.cards, "XTENSION"))
}

fn candidate(hdu: &Hdu) -> Candidate {
    let rows = integer(&hdu.cards, "NAXIS2").filter(|_| integer(&hdu.cards, "NAXIS1") != Some(0));
    Candidate {
        name: text(&hdu.cards, "EXTNAME").into(),
        number: hdu.number,
        version: integer(&hdu.cards, "EXTVER"),
        columns: (1..=fields(&hdu.cards)).map(|n| name(&hdu.cards, n)).collect(),
        rows: rows.map_or(0, |rows| rows.max(0) as usize),
    }
}

/// Columns that the standard allows.
const MOST_FIELDS: i64 = 999;

/// The number of columns.
fn fields(cards: &[Card]) -> usize {
    integer(cards, "TFIELDS").map_or(0, |n| n.clamp(0, MOST_FIELDS) as usize)
}

/// The name of column `n`, counted from 1.
fn name(cards: &[Card], n: usize) -> String {
    match text(cards, &format!("TTYPE{n}")) {
        "" => format!("col{n}"),
        name => name.into(),
    }
}

/// The columns of the table, each with the reason why it cannot be read.
fn formats(cards: &[Card], row_length: usize) -> Formats {
    match text(cards, "XTENSION") {
        "TABLE" => ascii::columns(cards, row_length),
        _ => binary::columns(cards, row_length),
    }
}

/// A table without rows, and where its columns are. Columns that cannot be read are left out.
fn decode(
    cards: &[Card],
    found: impl Iterator<Item = Result<(ColumnType, FitsColumn), String>>,
) -> (Content, Vec<FitsColumn>) {
    let (mut described, mut columns, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    let mut complex = Vec::new();
    for (i, found) in found.enumerate() {
        let n = i + 1;
        let name = name(cards, n);
        match found {
            Ok((column_type, column)) => {
                if column.is_complex() {
                    complex.push(name.clone());
                }
                let key = |key: &str| text(cards, &format!("{key}{n}"));
                described.push(Column {
                    ucd: key("TUCD").into(),
                    display: key("TDISP").into(),
                    null: column.null(),
                    ..Column::new(name, column_type, key("TUNIT"), key("TCOMM"))
                });
                columns.push(column);
            }
            Err(reason) => left_out.push(LeftOut { name, reason }),
        }
    }
    let mut content = Content {
        left_out,
        ..Content::new(described, Rows::none())
    };
    if !complex.is_empty() {
        let warning = format!(
            "complex numbers become pairs of real and imaginary part: {}",
            complex.join(", ")
        );
        content.warnings.push(warning);
    }
    (content, columns)
}

/// The columns of a table, each with the reason why it cannot be read.
type Formats = Vec<Result<FitsColumn, String>>;

#[cfg(test)]
mod tests;
