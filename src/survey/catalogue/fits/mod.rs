//! FITS tables, binary and ASCII (FITS standard 4.0, section 7), decoded cell by cell when they are asked for.

mod ascii;
mod binary;
mod error;
mod hdu;
mod rows;
mod scaling;

pub use error::FitsTableError;
pub(super) use rows::FitsRows;

use super::choose::{Candidate, choose};
use super::content::{Content, LeftOut, Rows};
use crate::survey::table::Column;
use fitsio_pure::header::Card;
use hdu::{Hdu, hdus, integer, logical, text};
use rows::{FitsColumn, Table};

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
    let mut hdus = hdus(&bytes)?;
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
    let Hdu { cards, data, .. } = hdus.swap_remove(place);
    if data.end > bytes.len() {
        return Err(FitsTableError::CutInData {
            length: bytes.len(),
            expected: data.end,
        });
    }
    if let Some(value) = integer(&cards, "TFIELDS").filter(|n| !(0..=MOST_FIELDS).contains(n)) {
        let keyword = "TFIELDS".into();
        return Err(FitsTableError::DamagedKeyword { keyword, value });
    }
    bytes.truncate(data.end);
    bytes.drain(..data.start);
    let table = Table::new(bytes, &cards);
    let mut content = decode(table, &cards);
    content.notes.extend(note);
    Ok(content)
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

fn decode(table: Table, cards: &[Card]) -> Content {
    let formats = match text(cards, "XTENSION") {
        "TABLE" => ascii::columns(cards, table.row_length),
        _ => binary::columns(cards, table.row_length),
    };
    let (mut described, mut columns, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    let mut complex = Vec::new();
    for (i, format) in formats.into_iter().enumerate() {
        let n = i + 1;
        let name = name(cards, n);
        match format.and_then(|column| Ok((table.column_type(&column)?, column))) {
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
        ..Content::new(described, Rows::Fits(FitsRows::new(table, columns)))
    };
    if !complex.is_empty() {
        let warning = format!(
            "complex numbers become pairs of real and imaginary part: {}",
            complex.join(", ")
        );
        content.warnings.push(warning);
    }
    content
}

/// The columns of a table, each with the reason why it cannot be read.
type Formats = Vec<Result<FitsColumn, String>>;

#[cfg(test)]
mod tests;
