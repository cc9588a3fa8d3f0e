//! Columns, their types, and the values in them.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::ops::RangeInclusive;

/// What a column holds. A column that is passed through keeps the type that its file gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// True or false.
    Bool,
    /// Whole numbers from 0 to 255.
    U8,
    /// Whole numbers of 16 bits.
    I16,
    /// Whole numbers of 32 bits.
    I32,
    /// Whole numbers of 64 bits.
    I64,
    /// Numbers in single precision.
    F32,
    /// Numbers in double precision.
    F64,
    /// Text.
    Str,
    /// Several values of one type per row.
    Array {
        /// The type of each value, which is not an array.
        element: Box<ColumnType>,
        /// Lengths of the axes, the fastest first, as in FITS' TDIM; `None` if rows differ in length.
        shape: Option<Vec<usize>>,
    },
}

/// The description of a column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub column_type: ColumnType,
    /// In the notation of FITS (`arcsec`, `deg`); may be empty.
    pub unit: String,
    /// One line for readers; may be empty.
    pub description: String,
    /// The IVOA's Unified Content Descriptor, such as `pos.eq.ra;meta.main`; may be empty.
    pub ucd: String,
    /// How FITS viewers should show it (TDISP), such as `F10.4`; may be empty.
    pub display: String,
    /// The whole number that means "unknown" (TNULL), if the file that the column comes from has one.
    pub null: Option<i64>,
}

impl Column {
    /// A column of this name; `unit` and `description` may be empty.
    pub fn new(name: impl Into<String>, column_type: ColumnType, unit: &str, description: &str) -> Column {
        Column {
            name: name.into(),
            column_type,
            unit: unit.into(),
            description: description.into(),
            ucd: String::new(),
            display: String::new(),
            null: None,
        }
    }

    /// This column with a UCD and a TDISP.
    pub fn shown(self, ucd: &str, display: &str) -> Column {
        Column {
            ucd: ucd.into(),
            display: display.into(),
            ..self
        }
    }

    /// A cell of this column as a value of its type: a text is parsed, and what means "unknown" is `Null`.
    pub(super) fn value<'a>(&self, cell: &'a Cell) -> Cow<'a, Cell> {
        match cell {
            Cell::Str(text) if self.column_type != ColumnType::Str => {
                let parsed = self.column_type.cell(text);
                Cow::Owned(self.value(&parsed).into_owned())
            }
            Cell::Int(number) if Some(*number) == self.null => Cow::Owned(Cell::Null),
            Cell::F64(number) if number.is_nan() => Cow::Owned(Cell::Null),
            Cell::Str(_) | Cell::Bool(_) | Cell::F64(_) | Cell::Int(_) | Cell::Array(_) | Cell::Null => {
                Cow::Borrowed(cell)
            }
        }
    }
}

/// One value of a row. `Null` fits any column, and a text fits any column that is not an array: CSV keeps it as it was
/// read, and other formats parse it as the column's type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Cell {
    /// Text.
    Str(String),
    /// True or false.
    Bool(bool),
    /// A number; NaN is unknown.
    F64(f64),
    /// A whole number.
    Int(i64),
    /// Values of a column of arrays.
    Array(Vec<Cell>),
    /// Unknown.
    Null,
}

impl ColumnType {
    /// The name that ECSV and Python's libraries have for it.
    pub fn name(&self) -> &'static str {
        match self {
            ColumnType::Bool => "bool",
            ColumnType::U8 => "uint8",
            ColumnType::I16 => "int16",
            ColumnType::I32 => "int32",
            ColumnType::I64 => "int64",
            ColumnType::F32 => "float32",
            ColumnType::F64 => "float64",
            ColumnType::Str => "string",
            ColumnType::Array { element, .. } => element.name(),
        }
    }

    /// The type of this [`name`](Self::name) that is no array.
    pub fn of_name(name: &str) -> Option<ColumnType> {
        use ColumnType::{Bool, F32, F64, I16, I32, I64, Str, U8};
        let all = [Bool, U8, I16, I32, I64, F32, F64, Str];
        all.into_iter().find(|column_type| column_type.name() == name)
    }

    /// The numbers of a type of whole numbers.
    pub(in crate::survey) fn range(&self) -> Option<RangeInclusive<i64>> {
        match self {
            ColumnType::U8 => Some(0..=u8::MAX.into()),
            ColumnType::I16 => Some(i16::MIN.into()..=i16::MAX.into()),
            ColumnType::I32 => Some(i32::MIN.into()..=i32::MAX.into()),
            ColumnType::I64 => Some(i64::MIN..=i64::MAX),
            ColumnType::Bool | ColumnType::F32 | ColumnType::F64 | ColumnType::Str | ColumnType::Array { .. } => None,
        }
    }

    /// Whether a column of this type can have this cell. An array of fixed shape may have fewer values; the others are
    /// unknown then.
    pub(in crate::survey) fn fits(&self, cell: &Cell) -> bool {
        match (cell, self) {
            (Cell::Null, _) => true,
            (Cell::Array(cells), ColumnType::Array { element, shape }) => {
                let values = shape.as_ref().map_or(usize::MAX, |shape| shape.iter().product());
                let value =
                    |cell| element.fits(cell) && (!matches!(cell, Cell::Str(_)) || **element == ColumnType::Str);
                cells.len() <= values && cells.iter().all(value)
            }
            (_, ColumnType::Array { .. }) => false,
            (Cell::Str(_), _) => true,
            (Cell::Bool(_), _) => *self == ColumnType::Bool,
            (Cell::F64(_), _) => matches!(self, ColumnType::F32 | ColumnType::F64),
            (Cell::Int(number), _) => self.range().is_some_and(|range| range.contains(number)),
            (Cell::Array(_), _) => false,
        }
    }

    /// The narrowest type that holds all of a column's texts without a change of meaning: I32, I64, F64 or Str. Numbers
    /// with a leading zero (`007`), and whole numbers beyond 64 bits, stay text.
    pub fn of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> ColumnType {
        let texts = texts.into_iter();
        texts.fold(None, ColumnType::wider).unwrap_or(ColumnType::Str)
    }

    /// The narrowest type that holds a text and what `narrowest` holds, see [`of_texts`](Self::of_texts); `None` for
    /// empty texts only.
    pub(in crate::survey) fn wider(narrowest: Option<ColumnType>, text: &str) -> Option<ColumnType> {
        use ColumnType::{F64, I32, I64, Str};
        let text = text.trim();
        if text.is_empty() || narrowest == Some(Str) {
            return narrowest;
        }
        Some(match (narrowest, type_of_text(text)) {
            (_, Str) => Str,
            (Some(F64), _) | (_, F64) => F64,
            (Some(I64), _) | (_, I64) => I64,
            _ => I32,
        })
    }

    /// The type of a column of ids: I64 if every text is a whole number as a program writes it (no sign `+`, no leading
    /// zero, no decimals), otherwise Str, because an id is written as it was read.
    pub fn of_ids<'a>(texts: impl IntoIterator<Item = &'a str>) -> ColumnType {
        match texts.into_iter().all(is_canonical) {
            true => ColumnType::I64,
            false => ColumnType::Str,
        }
    }

    /// `text` as a cell of this type; an empty text is `Null`, and so is one that cannot be parsed as the type.
    pub fn cell(&self, text: &str) -> Cell {
        let trimmed = text.trim();
        match self {
            ColumnType::Str if text.is_empty() => Cell::Null,
            ColumnType::Str => Cell::Str(text.into()),
            ColumnType::F32 | ColumnType::F64 => trimmed.parse().map_or(Cell::Null, Cell::F64),
            ColumnType::U8 | ColumnType::I16 | ColumnType::I32 | ColumnType::I64 => {
                let in_range = |number: &i64| self.range().is_some_and(|range| range.contains(number));
                trimmed.parse().ok().filter(in_range).map_or(Cell::Null, Cell::Int)
            }
            ColumnType::Bool => match trimmed.to_ascii_lowercase().as_str() {
                "true" | "t" | "1" => Cell::Bool(true),
                "false" | "f" | "0" => Cell::Bool(false),
                _ => Cell::Null,
            },
            ColumnType::Array { .. } => Cell::Null,
        }
    }
}

/// Whether a text is a whole number as a program writes it.
pub(in crate::survey) fn is_canonical(text: &str) -> bool {
    text.parse::<i64>().is_ok_and(|number| number.to_string() == text)
}

fn type_of_text(text: &str) -> ColumnType {
    let digits = text.trim_start_matches(['-', '+']);
    let padded = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    let whole = digits.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<f64>() {
        Err(_) => ColumnType::Str,
        Ok(_) if padded => ColumnType::Str,
        Ok(_) if whole && text.parse::<i32>().is_ok() => ColumnType::I32,
        Ok(_) if whole && text.parse::<i64>().is_ok() => ColumnType::I64,
        Ok(_) if whole => ColumnType::Str,
        Ok(_) => ColumnType::F64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_type_that_keeps_the_meaning() {
        let cases: [(&[&str], ColumnType); 10] = [
            (&["1", " -20 ", ""], ColumnType::I32),
            (&["1", "2.5"], ColumnType::F64),
            (&["2.5", "1"], ColumnType::F64),
            (&["1", "3000000000", "2"], ColumnType::I64),
            (&["5853498713190525696"], ColumnType::I64), // a Gaia source id: an f64 would change it
            (&["58534987131905256960"], ColumnType::Str),
            (&["007"], ColumnType::Str),
            (&["0", "0.5", "-0.5"], ColumnType::F64),
            (&["1", "x"], ColumnType::Str),
            (&["", ""], ColumnType::Str),
        ];
        for (texts, column_type) in cases {
            assert_eq!(ColumnType::of_texts(texts.iter().copied()), column_type, "{texts:?}");
        }
        assert_eq!(ColumnType::I32.cell(" 7"), Cell::Int(7));
        assert_eq!(ColumnType::U8.cell("256"), Cell::Null);
        assert_eq!(ColumnType::F64.cell(""), Cell::Null);
        assert_eq!(ColumnType::Bool.cell("T"), Cell::Bool(true));
        assert_eq!(ColumnType::Str.cell(" a"), Cell::Str(" a".into()));
    }

    #[test]
    fn ids_are_numbers_only_if_no_character_would_change() {
        for texts in [&["3000000001", "-7", "0"][..], &["5853498713190525696"]] {
            assert_eq!(ColumnType::of_ids(texts.iter().copied()), ColumnType::I64, "{texts:?}");
        }
        for text in ["007", "12.10", "1e5", "+7", "-0", "", " 7", "58534987131905256960", "a"] {
            assert_eq!(ColumnType::of_ids(["1", text]), ColumnType::Str, "{text}");
        }
    }
}
