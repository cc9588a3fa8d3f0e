//! Rows of BINARY and BINARY2: big-endian values, arrays of variable length behind their number of values.

use super::VoTableError;
use super::field::{Field, Kind};
use super::text::words;
use crate::survey::table::Cell;

/// The cells of each column. `null_flags`: each row begins with a bit per column that is set if the cell is unknown
/// (BINARY2).
pub(super) fn columns(fields: &[Field], bytes: &[u8], null_flags: bool) -> Result<Vec<Vec<Cell>>, VoTableError> {
    let mut columns = vec![Vec::new(); fields.len()];
    let mut rest = bytes;
    while !rest.is_empty() && !fields.is_empty() {
        let before = rest.len();
        let row = columns[0].len() + 1;
        read_row(fields, &mut rest, null_flags, &mut columns).ok_or(VoTableError::CutInRow { row })?;
        // Rows of columns without values would go on for ever.
        if rest.len() == before {
            return Err(VoTableError::CutInRow { row });
        }
    }
    Ok(columns)
}

fn read_row(fields: &[Field], rest: &mut &[u8], null_flags: bool, columns: &mut [Vec<Cell>]) -> Option<()> {
    let flags = if null_flags {
        take(rest, fields.len().div_ceil(8))?
    } else {
        &[]
    };
    for (i, (field, column)) in fields.iter().zip(columns).enumerate() {
        let cell = read_cell(field, rest)?;
        let is_null = flags.get(i / 8).is_some_and(|byte| byte >> (7 - i % 8) & 1 == 1);
        column.push(if is_null { Cell::Null } else { cell });
    }
    Some(())
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(taken)
}

fn read_cell(field: &Field, rest: &mut &[u8]) -> Option<Cell> {
    let kind = field.kind?;
    let count = match field.fixed_length() {
        Some(count) => count,
        None => {
            let count = u32::from_be_bytes(take(rest, 4)?.try_into().ok()?) as usize;
            // Of an array of several axes, the number of steps along the last one.
            match field.axes.len() > 1 && !kind.is_text() {
                true => count.checked_mul(field.values_per_step()?)?,
                false => count,
            }
        }
    };
    let numbers = count.checked_mul(kind.parts())?;
    let size = size(kind);
    let length = if kind == Kind::Bit {
        count.div_ceil(8)
    } else {
        numbers.checked_mul(size)?
    };
    let bytes = take(rest, length)?;
    if kind.is_text() {
        let text = characters(kind, bytes);
        return Some(match field.is_array() {
            true => Cell::Array(words(field, &text)),
            false => match text.split('\0').next().unwrap_or("") {
                "" => Cell::Null,
                text if !field.null.is_empty() && text == field.null => Cell::Null,
                text => Cell::Str(text.into()),
            },
        });
    }
    // A single bit should be the first of its byte; astropy writes the fifth.
    if kind == Kind::Bit && !field.is_array() {
        return Some(Cell::Bool(bytes.iter().any(|&byte| byte != 0)));
    }
    let mut values = (0..numbers).map(|i| match kind == Kind::Bit {
        true => Cell::Bool(bytes[i / 8] >> (7 - i % 8) & 1 == 1),
        false => value(field, kind, &bytes[i * size..(i + 1) * size]),
    });
    Some(match field.is_array() {
        true => Cell::Array(values.collect()),
        false => values.next().unwrap_or(Cell::Null),
    })
}

/// Bytes per number or character.
fn size(kind: Kind) -> usize {
    match kind {
        Kind::Boolean | Kind::Bit | Kind::Byte | Kind::Char => 1,
        Kind::Short | Kind::UnicodeChar => 2,
        Kind::Int | Kind::Float | Kind::FloatComplex => 4,
        Kind::Long | Kind::Double | Kind::DoubleComplex => 8,
    }
}

fn characters(kind: Kind, bytes: &[u8]) -> String {
    if kind == Kind::UnicodeChar {
        let units: Vec<u16> = bytes
            .chunks_exact(2)
            .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
            .collect();
        return String::from_utf16_lossy(&units);
    }
    // The standard has ASCII; UTF-8 is what is found.
    String::from_utf8_lossy(bytes).into_owned()
}

fn value(field: &Field, kind: Kind, bytes: &[u8]) -> Cell {
    let stored = bytes.iter().fold(0u64, |n, &b| n << 8 | u64::from(b));
    let whole = |value: i64| match field.column.null == Some(value) {
        true => Cell::Null,
        false => Cell::Int(value),
    };
    match kind {
        Kind::Boolean => match bytes[0] {
            b'T' | b't' | b'1' => Cell::Bool(true),
            b'F' | b'f' | b'0' => Cell::Bool(false),
            _ => Cell::Null,
        },
        Kind::Byte => whole(stored as i64),
        Kind::Short => whole((stored as u16 as i16).into()),
        Kind::Int => whole((stored as u32 as i32).into()),
        Kind::Long => whole(stored as i64),
        Kind::Float | Kind::FloatComplex => Cell::F64(f32::from_bits(stored as u32).into()),
        Kind::Double | Kind::DoubleComplex => Cell::F64(f64::from_bits(stored)),
        Kind::Bit | Kind::Char | Kind::UnicodeChar => Cell::Null,
    }
}
