//! The parts of a FITS file: headers and data units.

use super::FitsTableError;
use fitsio_pure::block::{BLOCK_SIZE, padded_byte_len};
use fitsio_pure::header::{Card, parse_header_blocks};
use fitsio_pure::value::Value;
use std::ops::Range;

/// One header and where its data are.
pub(super) struct Hdu {
    /// Its number, 0 for the primary one.
    pub number: usize,
    pub cards: Vec<Card>,
    /// Bytes of the data in the file. They may end behind the end of a file that is cut short.
    pub data: Range<usize>,
}

/// All parts, up to the end of the file or the first part that is none.
///
/// # Errors
/// A file that is not FITS or ends inside its first header; a damaged header of the first part.
pub(super) fn hdus(bytes: &[u8]) -> Result<Vec<Hdu>, FitsTableError> {
    let (mut hdus, mut at) = (Vec::new(), 0);
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let keyword: &[u8] = if at == 0 { b"SIMPLE  =" } else { b"XTENSION=" };
        // Special records may follow the last HDU (FITS standard 4.0, section 3.5).
        if !rest.starts_with(keyword) {
            break;
        }
        let header = header(rest).ok_or(FitsTableError::CutInHeader)?;
        let cards = parse_header_blocks(&sanitised(header)).map_err(FitsTableError::Header)?;
        let start = at + header.len();
        let length = data_length(&cards)?;
        let end = start
            .checked_add(length)
            .filter(|&end| end < usize::MAX / 2)
            .ok_or(FitsTableError::TooLarge)?;
        hdus.push(Hdu {
            number: hdus.len(),
            cards,
            data: start..end,
        });
        at = start + padded_byte_len(length);
    }
    Ok(hdus)
}

/// The blocks up to the one with the END card.
fn header(bytes: &[u8]) -> Option<&[u8]> {
    let blocks = bytes.chunks_exact(BLOCK_SIZE);
    let ends = |block: &[u8]| block.chunks_exact(80).any(|card| card.starts_with(b"END     "));
    let last = blocks.into_iter().position(ends)?;
    Some(&bytes[..(last + 1) * BLOCK_SIZE])
}

/// A header in ASCII: astropy and cfitsio read those with other characters, which stand for question marks here.
fn sanitised(header: &[u8]) -> Vec<u8> {
    let printable = |&byte: &u8| match byte {
        b' '..=b'~' => byte,
        0x80.. => b'?',
        _ => b' ',
    };
    header.iter().map(printable).collect()
}

/// Bytes of the data unit (FITS standard 4.0, equations 1, 2 and 4).
fn data_length(cards: &[Card]) -> Result<usize, FitsTableError> {
    let size = |key: &str, otherwise: i64| {
        let value = integer(cards, key).unwrap_or(otherwise);
        usize::try_from(value).map_err(|_| FitsTableError::DamagedKeyword {
            keyword: key.into(),
            value,
        })
    };
    let axes = size("NAXIS", 0)?;
    if axes > 999 {
        return Err(FitsTableError::DamagedKeyword {
            keyword: "NAXIS".into(),
            value: axes as i64,
        });
    }
    if axes == 0 {
        return Ok(0);
    }
    let mut elements = 1usize;
    for axis in 1..=axes {
        let length = size(&format!("NAXIS{axis}"), 0)?;
        // Random groups have a first axis of length 0, which does not count.
        let random_groups = axis == 1 && length == 0 && logical(cards, "GROUPS") == Some(true);
        elements = elements
            .checked_mul(if random_groups { 1 } else { length })
            .ok_or(FitsTableError::TooLarge)?;
    }
    let bytes = integer(cards, "BITPIX").unwrap_or(8).unsigned_abs() as usize / 8;
    let with_heap = elements.checked_add(size("PCOUNT", 0)?);
    let total = with_heap.and_then(|n| n.checked_mul(bytes)?.checked_mul(size("GCOUNT", 1).ok()?));
    total.ok_or(FitsTableError::TooLarge)
}

fn value<'a>(cards: &'a [Card], key: &str) -> Option<&'a Value> {
    cards.iter().find(|card| card.keyword_str() == key)?.value.as_ref()
}

/// The value of a keyword that is a whole number, also if it is written as 8.0.
pub(super) fn integer(cards: &[Card], key: &str) -> Option<i64> {
    match value(cards, key)? {
        Value::Integer(value) => Some(*value),
        Value::Float(value) if value.fract() == 0.0 && value.abs() < 1e15 => Some(*value as i64),
        _ => None,
    }
}

pub(super) fn logical(cards: &[Card], key: &str) -> Option<bool> {
    match value(cards, key)? {
        Value::Logical(value) => Some(*value),
        _ => None,
    }
}

pub(super) fn number(cards: &[Card], key: &str) -> Option<f64> {
    match value(cards, key)? {
        Value::Float(value) => Some(*value),
        Value::Integer(value) => Some(*value as f64),
        _ => None,
    }
}

/// The text of a keyword, without padding; empty if there is none.
pub(super) fn text<'a>(cards: &'a [Card], key: &str) -> &'a str {
    match value(cards, key) {
        Some(Value::String(text)) => text.trim(),
        _ => "",
    }
}
