//! The parts of a FITS file: headers and data units.

use super::FitsTableError;
use fitsio_pure::block::{BLOCK_SIZE, padded_byte_len};
use fitsio_pure::header::{Card, parse_header_blocks};
use fitsio_pure::value::Value;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

/// Bytes of the longest header that is read; those of surveys have some 100 kB.
const LONGEST_HEADER: usize = 64 << 20;

/// One header and where its data are.
pub(super) struct Hdu {
    /// Its number, 0 for the primary one.
    pub number: usize,
    pub cards: Vec<Card>,
    /// Bytes of the data in the file. They may end behind the end of a file that is cut short.
    pub data: Range<usize>,
}

/// All parts of a file of `length` bytes, up to its end or the first part that is none.
///
/// # Errors
/// A file that is not FITS, ends inside its first header or cannot be read; a damaged header of the first part.
pub(super) fn hdus(file: &mut (impl Read + Seek), length: usize) -> Result<Vec<Hdu>, FitsTableError> {
    let (mut hdus, mut at) = (Vec::new(), 0);
    while at < length {
        let keyword: &[u8] = if at == 0 { b"SIMPLE  =" } else { b"XTENSION=" };
        let Some(header) = header(file, at, keyword)? else {
            break;
        };
        let cards = parse_header_blocks(&sanitised(&header)).map_err(FitsTableError::Header)?;
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

/// The blocks from `at` to the one with the END card; `None` if they do not begin with `keyword`: special records may
/// follow the last HDU (FITS standard 4.0, section 3.5).
fn header(file: &mut (impl Read + Seek), at: usize, keyword: &[u8]) -> Result<Option<Vec<u8>>, FitsTableError> {
    let ends = |block: &[u8]| block.chunks_exact(80).any(|card| card.starts_with(b"END     "));
    file.seek(SeekFrom::Start(at as u64)).map_err(FitsTableError::Read)?;
    let (mut header, mut block) = (Vec::new(), [0; BLOCK_SIZE]);
    loop {
        let read = read_up_to(file, &mut block).map_err(FitsTableError::Read)?;
        if header.is_empty() && !block[..read].starts_with(keyword) {
            return Ok(None);
        }
        if read < BLOCK_SIZE || header.len() > LONGEST_HEADER {
            return Err(FitsTableError::CutInHeader);
        }
        header.extend_from_slice(&block);
        if ends(&block) {
            return Ok(Some(header));
        }
    }
}

/// Fills the buffer as far as there are bytes.
fn read_up_to(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
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
