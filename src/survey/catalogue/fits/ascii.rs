//! Columns of ASCII tables (FITS standard 4.0, section 7.2).

use super::hdu::{integer, text};
use super::rows::{AsciiKind, Field, FitsColumn};
use super::scaling::{Scaling, null};
use super::{Formats, fields};
use fitsio_pure::header::Card;

/// The columns in their order, in rows of `row_length` characters.
pub(super) fn columns(cards: &[Card], row_length: usize) -> Formats {
    (1..=fields(cards)).map(|n| column(cards, n, row_length)).collect()
}

fn column(cards: &[Card], n: usize, row_length: usize) -> Result<FitsColumn, String> {
    let tform = text(cards, &format!("TFORM{n}"));
    let unknown = || format!("its format '{tform}' is unknown");
    let letter = tform.chars().next().ok_or_else(unknown)?;
    let width: usize = match tform[letter.len_utf8()..].split('.').next() {
        None | Some("") => 1,
        Some(digits) => digits.trim().parse().map_err(|_| unknown())?,
    };
    let kind = match letter.to_ascii_uppercase() {
        'A' => AsciiKind::Text,
        'I' => AsciiKind::Whole { width },
        'F' | 'E' | 'D' => AsciiKind::Real,
        _ => return Err(unknown()),
    };
    let start = integer(cards, &format!("TBCOL{n}")).and_then(|n| usize::try_from(n.checked_sub(1)?).ok());
    let start = start.filter(|start| start.checked_add(width).is_some_and(|end| end <= row_length));
    Ok(FitsColumn {
        start: start.ok_or("it lies outside the row")?,
        field: Field::Ascii { width, kind },
        scaling: Scaling::of(cards, n),
        null: null(cards, n),
        null_text: text(cards, &format!("TNULL{n}")).into(),
    })
}
