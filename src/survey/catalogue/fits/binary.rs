//! Columns of binary tables (FITS standard 4.0, section 7.3).

use super::hdu::text;
use super::rows::{Element, Field, FitsColumn};
use super::scaling::{Scaling, null};
use super::{Formats, fields};
use fitsio_pure::header::Card;

/// The columns in their order, in rows of `row_length` bytes.
pub(super) fn columns(cards: &[Card], row_length: usize) -> Formats {
    let formats: Vec<Result<Format, String>> = (1..=fields(cards))
        .map(|n| format(text(cards, &format!("TFORM{n}"))))
        .collect();
    let known = formats
        .iter()
        .flatten()
        .try_fold(0usize, |sum, format| sum.checked_add(format.width));
    let unknown = formats.iter().filter(|format| format.is_err()).count();
    // The width of a single column of unknown format is what the others leave of the row.
    let rest = known
        .filter(|_| unknown == 1)
        .and_then(|known| row_length.checked_sub(known));
    let mut offset = Some(0usize);
    let place = |(i, format): (usize, Result<Format, String>)| {
        let start = offset;
        let width = format.as_ref().map_or(rest, |format| Some(format.width));
        offset = start.zip(width).and_then(|(start, width)| start.checked_add(width));
        let Format { letter, repeat, width } = format?;
        let start = start.ok_or("a column before it has an unknown format")?;
        if offset.is_none_or(|end| end > row_length) {
            return Err("it lies outside the row".into());
        }
        let field = field(letter, repeat, width, &axes(text(cards, &format!("TDIM{}", i + 1))))?;
        Ok(FitsColumn {
            start,
            field,
            scaling: Scaling::of(cards, i + 1),
            null: null(cards, i + 1),
            null_text: String::new(),
        })
    };
    formats.into_iter().enumerate().map(place).collect()
}

/// TFORM, such as `8E`. What follows the letter does not matter, except for variable-length arrays.
struct Format {
    letter: Letter,
    repeat: usize,
    /// Bytes in the row.
    width: usize,
}

enum Letter {
    Text,
    Numbers(Element, Parts),
    /// Descriptors of arrays in the heap, of two 32-bit or two 64-bit numbers.
    Heap {
        element: Element,
        parts: Parts,
        wide: bool,
    },
    HeapText {
        wide: bool,
    },
}

/// Numbers per value.
#[derive(Clone, Copy, PartialEq)]
enum Parts {
    One,
    /// Complex numbers.
    Two,
}

fn element(letter: char) -> Option<(Element, Parts)> {
    Some(match letter {
        'L' => (Element::Logical, Parts::One),
        'X' => (Element::Bit, Parts::One),
        'B' => (Element::U8, Parts::One),
        'I' => (Element::I16, Parts::One),
        'J' => (Element::I32, Parts::One),
        'K' => (Element::I64, Parts::One),
        'E' => (Element::F32, Parts::One),
        'D' => (Element::F64, Parts::One),
        'C' => (Element::F32, Parts::Two),
        'M' => (Element::F64, Parts::Two),
        _ => return None,
    })
}

fn format(tform: &str) -> Result<Format, String> {
    let unknown = || format!("its format '{tform}' is unknown");
    let digits = tform.bytes().take_while(u8::is_ascii_digit).count();
    let repeat = match &tform[..digits] {
        "" => 1,
        digits => digits.parse().map_err(|_| unknown())?,
    };
    let mut letters = tform[digits..].chars().map(|c| c.to_ascii_uppercase());
    let letter = match letters.next().ok_or_else(unknown)? {
        'A' => Letter::Text,
        pointer @ ('P' | 'Q') => {
            let wide = pointer == 'Q';
            match letters.next() {
                Some('A') => Letter::HeapText { wide },
                other => {
                    let (element, parts) = other.and_then(element).ok_or_else(unknown)?;
                    Letter::Heap { element, parts, wide }
                }
            }
        }
        other => element(other)
            .map(|(element, parts)| Letter::Numbers(element, parts))
            .ok_or_else(unknown)?,
    };
    let width = match &letter {
        Letter::Text => Some(repeat),
        Letter::Numbers(element, parts) => element.bytes(repeat).and_then(|n| n.checked_mul(parts.count())),
        Letter::Heap { wide, .. } | Letter::HeapText { wide } => repeat.checked_mul(if *wide { 16 } else { 8 }),
    };
    Ok(Format {
        letter,
        repeat,
        width: width.ok_or_else(unknown)?,
    })
}

impl Parts {
    fn count(self) -> usize {
        match self {
            Parts::One => 1,
            Parts::Two => 2,
        }
    }
}

fn field(letter: Letter, repeat: usize, width: usize, tdim: &[usize]) -> Result<Field, String> {
    let product = tdim.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    let axes = (!tdim.is_empty() && product == Some(repeat)).then(|| tdim.to_vec());
    match letter {
        Letter::Text => Ok(match axes.as_deref() {
            Some([length, shape @ ..]) if repeat > 0 && !shape.is_empty() && shape != [1] => Field::Texts {
                length: *length,
                shape: shape.to_vec(),
            },
            _ => Field::Text { width },
        }),
        _ if repeat == 0 => Err("it has no values".into()),
        Letter::Numbers(element, parts) => {
            let mut shape = axes.unwrap_or_else(|| vec![repeat]);
            if shape.iter().all(|&n| n == 1) {
                shape.clear();
            }
            if parts == Parts::Two {
                shape.insert(0, 2);
            }
            Ok(Field::Numbers {
                element,
                shape,
                complex: parts == Parts::Two,
            })
        }
        Letter::Heap { .. } | Letter::HeapText { .. } if repeat > 1 => Err("it has several arrays per row".into()),
        Letter::Heap { element, parts, wide } => Ok(Field::Heap {
            element,
            parts: parts.count(),
            wide,
        }),
        Letter::HeapText { wide } => Ok(Field::HeapText { wide }),
    }
}

/// TDIM, such as `(8,3)`; empty if there is none.
fn axes(tdim: &str) -> Vec<usize> {
    let inside = tdim.trim().trim_start_matches('(').trim_end_matches(')');
    let axes: Option<Vec<usize>> = inside.split(',').map(|n| n.trim().parse().ok()).collect();
    axes.unwrap_or_default()
}
