//! Cells on their way to a FITS table: to a spool file as soon as they are known, and from there to the table when the
//! widths of texts and the values that mean "unknown" are known.

use super::super::text::escape;
use super::super::{Cell, Column, ColumnType};
use std::io::{self, Read, Write};

/// How many values a cell has.
pub(super) enum Shape {
    One,
    /// The lengths of the axes, the fastest first.
    Fixed(Vec<usize>),
    /// Another number in each row.
    Variable,
}

/// A column and what is known of its cells so far.
pub(super) struct Field {
    pub(super) shape: Shape,
    /// The type of a value.
    element: ColumnType,
    /// The column's own value for "unknown", if its type can hold it.
    own_null: Option<i64>,
    pub(super) has_null: bool,
    /// Whether the smallest number of the type occurs.
    pub(super) has_minimum: bool,
    /// Characters of the longest text, at least 1.
    width: usize,
    /// Values of the longest cell, and of all cells.
    pub(super) longest: usize,
    pub(super) values: u64,
    /// Texts that were escaped, and the first of them before and after.
    pub(super) escaped: u64,
    pub(super) example: Option<(String, String)>,
}

/// How a column's values are written.
pub(super) struct Code {
    /// The letter of TFORM.
    pub(super) letter: char,
    /// Bytes of a value.
    pub(super) width: usize,
    /// The number that means "unknown".
    pub(super) null: Option<i64>,
}

/// Length in the spool file of a text that is unknown.
const NO_TEXT: u32 = u32::MAX;

impl Field {
    pub(super) fn new(column: &Column) -> Field {
        let (element, shape) = match &column.column_type {
            ColumnType::Array { element, shape: None } => ((**element).clone(), Shape::Variable),
            ColumnType::Array {
                element,
                shape: Some(shape),
            } => ((**element).clone(), Shape::Fixed(shape.clone())),
            scalar => (scalar.clone(), Shape::One),
        };
        let own_null = column
            .null
            .filter(|null| element.range().is_some_and(|range| range.contains(null)));
        Field {
            shape,
            element,
            own_null,
            has_null: false,
            has_minimum: false,
            width: 1,
            longest: 0,
            values: 0,
            escaped: 0,
            example: None,
        }
    }

    /// Values of a cell, if all have the same number.
    pub(super) fn repeat(&self) -> Option<usize> {
        match &self.shape {
            Shape::One => Some(1),
            Shape::Fixed(shape) => Some(shape.iter().product()),
            Shape::Variable => None,
        }
    }

    /// How the values are written, given the cells so far. If whole numbers have none to spare for "unknown", they are
    /// written with more bits. Only 64 bits cannot be extended: there the smallest number means "unknown" as well.
    pub(super) fn code(&self) -> Code {
        let with = |letter, width, null| Code { letter, width, null };
        let null = self.own_null;
        let smallest = |minimum: i64| null.or(self.has_null.then_some(minimum));
        let no_other = self.has_null && null.is_none();
        let widened = no_other && self.has_minimum;
        match self.element {
            ColumnType::Bool => with('L', 1, None),
            ColumnType::U8 if no_other => with('I', 2, smallest(i16::MIN.into())),
            ColumnType::U8 => with('B', 1, null),
            ColumnType::I16 if !widened => with('I', 2, smallest(i16::MIN.into())),
            ColumnType::I16 => with('J', 4, smallest(i32::MIN.into())),
            ColumnType::I32 if !widened => with('J', 4, smallest(i32::MIN.into())),
            ColumnType::I32 | ColumnType::I64 => with('K', 8, smallest(i64::MIN)),
            ColumnType::F32 => with('E', 4, None),
            ColumnType::F64 => with('D', 8, None),
            ColumnType::Str | ColumnType::Array { .. } => with('A', self.width, None),
        }
    }

    /// Writes a cell to the spool file. Its type and length must fit the column.
    pub(super) fn put(&mut self, cell: &Cell, spool: &mut impl Write) -> io::Result<()> {
        let cells = match cell {
            Cell::Array(cells) => cells.as_slice(),
            one @ (Cell::Str(_) | Cell::Bool(_) | Cell::F64(_) | Cell::Int(_)) => std::slice::from_ref(one),
            Cell::Null => &[],
        };
        let count = self.repeat().unwrap_or(cells.len());
        if let Shape::Variable = self.shape {
            spool.write_all(&(count as u64).to_be_bytes())?;
        }
        self.longest = self.longest.max(count);
        self.values += count as u64;
        let missing = std::iter::repeat_n(&Cell::Null, count.saturating_sub(cells.len()));
        cells
            .iter()
            .chain(missing)
            .try_for_each(|value| self.put_value(value, spool))
    }

    fn put_value(&mut self, value: &Cell, spool: &mut impl Write) -> io::Result<()> {
        match self.element {
            ColumnType::Bool => spool.write_all(match value {
                Cell::Bool(true) => b"T",
                Cell::Bool(false) => b"F",
                _ => b"\0",
            }),
            ColumnType::F32 => spool.write_all(&(number(value) as f32).to_be_bytes()),
            ColumnType::F64 => spool.write_all(&number(value).to_be_bytes()),
            ColumnType::U8 | ColumnType::I16 | ColumnType::I32 | ColumnType::I64 => {
                let whole = match value {
                    Cell::Int(whole) if Some(*whole) != self.own_null => Some(*whole),
                    _ => None,
                };
                self.has_null |= whole.is_none();
                self.has_minimum |= whole == self.element.range().map(|range| *range.start());
                spool.write_all(&[whole.is_some().into()])?;
                spool.write_all(&whole.unwrap_or(0).to_be_bytes())
            }
            ColumnType::Str | ColumnType::Array { .. } => match value {
                Cell::Str(text) => self.put_text(text, spool),
                _ => spool.write_all(&NO_TEXT.to_be_bytes()),
            },
        }
    }

    fn put_text(&mut self, text: &str, spool: &mut impl Write) -> io::Result<()> {
        let escaped = escape(text);
        if escaped != text {
            self.escaped += 1;
            self.example
                .get_or_insert_with(|| (text.into(), escaped.clone().into()));
        }
        self.width = self.width.max(escaped.len());
        let length = u32::try_from(escaped.len()).ok().filter(|length| *length != NO_TEXT);
        let length = length.ok_or_else(|| io::Error::other("a text of more than 4 GiB"))?;
        spool.write_all(&length.to_be_bytes())?;
        spool.write_all(escaped.as_bytes())
    }

    /// Appends the next cell of the spool file, as it is in the table. Returns the number of its values.
    pub(super) fn take(&self, code: &Code, spool: &mut impl Read, out: &mut Vec<u8>) -> io::Result<usize> {
        let count = match self.repeat() {
            Some(count) => count,
            None => u64::from_be_bytes(take(spool)?) as usize,
        };
        (0..count).try_for_each(|_| self.take_value(code, spool, out))?;
        Ok(count)
    }

    fn take_value(&self, code: &Code, spool: &mut impl Read, out: &mut Vec<u8>) -> io::Result<()> {
        let start = out.len();
        match self.element {
            ColumnType::Bool | ColumnType::F32 | ColumnType::F64 => {
                out.resize(start + code.width, 0);
                spool.read_exact(&mut out[start..])?;
            }
            ColumnType::U8 | ColumnType::I16 | ColumnType::I32 | ColumnType::I64 => {
                let [known] = take(spool)?;
                let whole = i64::from_be_bytes(take(spool)?);
                let whole = if known == 1 { whole } else { code.null.unwrap_or(0) };
                out.extend_from_slice(&whole.to_be_bytes()[8 - code.width..]);
            }
            ColumnType::Str | ColumnType::Array { .. } => {
                // A text is padded with spaces; one that is unknown begins with a zero.
                let (length, padding) = match u32::from_be_bytes(take(spool)?) {
                    NO_TEXT => (0, 0),
                    length => (length as usize, b' '),
                };
                out.resize(start + code.width, padding);
                spool.read_exact(&mut out[start..start + length])?;
            }
        }
        Ok(())
    }
}

fn number(value: &Cell) -> f64 {
    match value {
        Cell::F64(number) => *number,
        _ => f64::NAN,
    }
}

fn take<const N: usize>(spool: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    spool.read_exact(&mut bytes)?;
    Ok(bytes)
}
