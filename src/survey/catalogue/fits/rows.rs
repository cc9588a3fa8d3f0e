//! The bytes of a table, and its cells.

use super::hdu::integer;
use super::scaling::Scaling;
use crate::survey::catalogue::content::number;
use crate::survey::table::{Cell, ColumnType};
use fitsio_pure::header::Card;
use std::ops::Range;
use std::sync::Arc;

/// Where rows and arrays of variable length are in the data unit of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub row_length: usize,
    pub rows: usize,
    /// Where the arrays of variable length are.
    pub heap: usize,
    /// Bytes of these.
    pub heap_length: usize,
}

/// Rows of a table, and the part of the heap with their arrays.
#[derive(Debug)]
pub(super) struct Table {
    layout: Layout,
    /// The rows that are held.
    bytes: Vec<u8>,
    /// The part of the heap that is held, and its first byte in the heap.
    arrays: Vec<u8>,
    arrays_from: usize,
}

/// A table and its columns.
#[derive(Debug)]
pub(in super::super) struct FitsRows {
    table: Table,
    columns: Arc<[FitsColumn]>,
}

/// What the rows say about a column, beyond its format.
#[derive(Debug)]
pub(super) struct Seen {
    /// Whether a whole number is beyond 64 bits.
    beyond: bool,
    /// Bytes of all arrays in the heap; `None` if one lies outside.
    in_heap: Option<usize>,
}

impl Default for Seen {
    fn default() -> Seen {
        Seen {
            beyond: false,
            in_heap: Some(0),
        }
    }
}

/// Where a column is in the row, and how it is stored.
#[derive(Debug, Clone)]
pub(super) struct FitsColumn {
    /// Its first byte in the row.
    pub start: usize,
    pub field: Field,
    pub scaling: Scaling,
    /// The stored number that means "unknown".
    pub null: Option<i64>,
    /// The text that means "unknown", in an ASCII table.
    pub null_text: String,
}

/// What a column stores per row. Shapes have the fastest axis first.
#[derive(Debug, Clone)]
pub(super) enum Field {
    /// One text.
    Text { width: usize },
    /// Texts of `length` characters.
    Texts { length: usize, shape: Vec<usize> },
    /// Numbers; one if `shape` is empty.
    Numbers {
        element: Element,
        shape: Vec<usize>,
        complex: bool,
    },
    /// An array in the heap, whose values have `parts` numbers each (2: complex); `wide`: its descriptor has 64 bits.
    Heap { element: Element, parts: usize, wide: bool },
    /// A text in the heap.
    HeapText { wide: bool },
    /// Characters of an ASCII table.
    Ascii { width: usize, kind: AsciiKind },
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Element {
    Logical,
    Bit,
    U8,
    I16,
    I32,
    I64,
    F32,
    F64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum AsciiKind {
    Text,
    /// Whole numbers of at most so many characters.
    Whole {
        width: usize,
    },
    Real,
}

impl Element {
    /// Bytes of `count` values.
    pub fn bytes(self, count: usize) -> Option<usize> {
        match self {
            Element::Bit => Some(count.div_ceil(8)),
            Element::Logical | Element::U8 => Some(count),
            Element::I16 => count.checked_mul(2),
            Element::I32 | Element::F32 => count.checked_mul(4),
            Element::I64 | Element::F64 => count.checked_mul(8),
        }
    }
}

impl Layout {
    /// Of a data unit of `length` bytes.
    pub fn new(length: usize, cards: &[Card]) -> Layout {
        let size = |key: &str| integer(cards, key).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let row_length = size("NAXIS1");
        let rows = length
            .checked_div(row_length)
            .map_or(0, |most| most.min(size("NAXIS2")));
        let after_rows = row_length * rows;
        let theap = integer(cards, "THEAP").and_then(|n| usize::try_from(n).ok());
        let heap = theap.unwrap_or(after_rows).clamp(after_rows, length);
        Layout {
            row_length,
            rows,
            heap,
            heap_length: length - heap,
        }
    }

    /// The type of a column's cells, of which all rows were seen.
    ///
    /// # Errors
    /// Why the column cannot be read.
    pub fn column_type(&self, column: &FitsColumn, seen: &Seen) -> Result<ColumnType, String> {
        let array = |element: ColumnType, shape| ColumnType::Array {
            element: Box::new(element),
            shape,
        };
        let or_text = |column_type| match seen.beyond {
            true => ColumnType::Str,
            false => column_type,
        };
        let of_element = |element: Element| match element {
            Element::I64 => or_text(column.element_type(element)),
            other => column.element_type(other),
        };
        Ok(match &column.field {
            Field::Text { .. } => ColumnType::Str,
            Field::Texts { shape, .. } => array(ColumnType::Str, Some(shape.clone())),
            Field::Numbers { element, shape, .. } => {
                let element = of_element(*element);
                match shape.is_empty() {
                    true => element,
                    false => array(element, Some(shape.clone())),
                }
            }
            Field::Heap { element, .. } => {
                self.check_heap(seen)?;
                array(of_element(*element), None)
            }
            Field::HeapText { .. } => {
                self.check_heap(seen)?;
                ColumnType::Str
            }
            Field::Ascii { kind, .. } => match kind {
                AsciiKind::Text => ColumnType::Str,
                AsciiKind::Real => ColumnType::F64,
                AsciiKind::Whole { .. } => or_text(column.ascii_type(*kind)),
            },
        })
    }

    /// Arrays that share their bytes could have any length in a small file.
    fn check_heap(&self, seen: &Seen) -> Result<(), String> {
        match seen.in_heap.map(|total| total <= self.heap_length) {
            Some(true) => Ok(()),
            Some(false) => Err("its arrays are longer than the file's heap".into()),
            None => Err("its arrays lie outside the file's heap".into()),
        }
    }
}

impl Table {
    /// All rows and arrays; `bytes` are those of the data unit.
    pub fn new(layout: Layout, mut bytes: Vec<u8>) -> Table {
        let arrays = bytes.split_off(layout.heap);
        bytes.truncate(layout.row_length * layout.rows);
        Table {
            layout,
            bytes,
            arrays,
            arrays_from: 0,
        }
    }

    /// Some of the rows, without arrays.
    pub fn window(layout: Layout, bytes: Vec<u8>) -> Table {
        Table {
            layout,
            bytes,
            arrays: Vec::new(),
            arrays_from: 0,
        }
    }

    /// Number of rows that are held.
    pub fn rows(&self) -> usize {
        self.bytes.len().checked_div(self.layout.row_length).unwrap_or(0)
    }

    /// The part of the heap that has the arrays of these rows.
    pub fn arrays<'a>(&self, columns: impl IntoIterator<Item = &'a FitsColumn>) -> Range<usize> {
        let (mut from, mut to) = (usize::MAX, 0);
        for column in columns.into_iter().filter(|column| column.is_in_heap()) {
            for row in 0..self.rows() {
                if let Some((range, 1..)) = self.array_place(column, row) {
                    (from, to) = (from.min(range.start), to.max(range.end));
                }
            }
        }
        from.min(to)..to
    }

    /// Takes over a part of the heap.
    pub fn set_arrays(&mut self, from: usize, bytes: Vec<u8>) {
        (self.arrays_from, self.arrays) = (from, bytes);
    }

    /// Takes note of these rows of a column.
    pub fn see(&self, column: &FitsColumn, seen: &mut Seen) {
        if column.is_in_heap() {
            for row in 0..self.rows() {
                let place = self.array_place(column, row);
                let total = seen.in_heap.zip(place);
                seen.in_heap = total.map(|(total, (range, _))| total.saturating_add(range.len()));
            }
        }
        let is_text = |cell: &Cell| matches!(cell, Cell::Str(_));
        let beyond = |row| match self.cell(column, row) {
            Cell::Array(values) => values.iter().any(is_text),
            cell => is_text(&cell),
        };
        seen.beyond = seen.beyond || column.may_be_beyond() && (0..self.rows()).any(beyond);
    }

    /// Where an array is in the heap, and its number of values; `None` if that is outside.
    fn array_place(&self, column: &FitsColumn, row: usize) -> Option<(Range<usize>, usize)> {
        let (wide, element, parts) = match &column.field {
            Field::Heap { element, parts, wide } => (*wide, *element, *parts),
            Field::HeapText { wide } => (*wide, Element::U8, 1),
            Field::Text { .. } | Field::Texts { .. } | Field::Numbers { .. } | Field::Ascii { .. } => return None,
        };
        let width = if wide { 8 } else { 4 };
        let descriptor = self.field(column, row, 2 * width);
        let number = |bytes: &[u8]| usize::try_from(bytes.iter().fold(0i64, |n, &b| n << 8 | i64::from(b))).ok();
        let (count, start) = (number(&descriptor[..width])?, number(&descriptor[width..])?);
        if count == 0 {
            return Some((0..0, 0));
        }
        let length = element.bytes(count.checked_mul(parts)?)?;
        let end = start
            .checked_add(length)
            .filter(|end| *end <= self.layout.heap_length)?;
        Some((start..end, count.checked_mul(parts)?))
    }

    /// The bytes and the number of values of an array in the heap.
    fn array(&self, column: &FitsColumn, row: usize) -> Option<(&[u8], usize)> {
        let (range, count) = self.array_place(column, row)?;
        if count == 0 {
            return Some((&[], 0));
        }
        let from = range.start.checked_sub(self.arrays_from)?;
        Some((self.arrays.get(from..from + range.len())?, count))
    }

    fn field(&self, column: &FitsColumn, row: usize, width: usize) -> &[u8] {
        let start = row * self.layout.row_length + column.start;
        &self.bytes[start..start + width]
    }

    fn cell(&self, column: &FitsColumn, row: usize) -> Cell {
        match &column.field {
            Field::Text { width } => text(self.field(column, row, *width)),
            Field::Texts { length, shape } => {
                let count: usize = shape.iter().product();
                let bytes = self.field(column, row, length * count);
                match length {
                    0 => Cell::Array(vec![Cell::Null; count]),
                    _ => Cell::Array(bytes.chunks_exact(*length).map(text).collect()),
                }
            }
            Field::Numbers { element, shape, .. } => {
                let count: usize = shape.iter().product();
                let bytes = self.field(column, row, element.bytes(count).unwrap_or(0));
                match shape.is_empty() {
                    true => column.values(*element, bytes, 1).next().unwrap_or(Cell::Null),
                    false => Cell::Array(column.values(*element, bytes, count).collect()),
                }
            }
            Field::Heap { element, .. } => match self.array(column, row) {
                Some((bytes, count)) => Cell::Array(column.values(*element, bytes, count).collect()),
                None => Cell::Null,
            },
            Field::HeapText { .. } => self.array(column, row).map_or(Cell::Null, |(bytes, _)| text(bytes)),
            Field::Ascii { width, kind } => column.ascii(*kind, text(self.field(column, row, *width))),
        }
    }
}

impl FitsColumn {
    fn element_type(&self, element: Element) -> ColumnType {
        let whole = |from, to| self.scaling.whole_type(from, to);
        match element {
            Element::Logical | Element::Bit => ColumnType::Bool,
            Element::U8 => whole(0, u8::MAX.into()),
            Element::I16 => whole(i16::MIN.into(), i16::MAX.into()),
            Element::I32 => whole(i32::MIN.into(), i32::MAX.into()),
            Element::I64 => whole(i64::MIN, i64::MAX),
            Element::F32 if self.scaling == Scaling::Offset(0) => ColumnType::F32,
            Element::F32 | Element::F64 => ColumnType::F64,
        }
    }

    fn ascii_type(&self, kind: AsciiKind) -> ColumnType {
        match kind {
            AsciiKind::Text => ColumnType::Str,
            AsciiKind::Real => ColumnType::F64,
            AsciiKind::Whole { width } => {
                let largest = if width < 10 { i32::MAX.into() } else { i64::MAX };
                self.scaling.whole_type(-largest, largest)
            }
        }
    }

    /// Whether whole numbers of the column may be beyond 64 bits: without an offset, stored values have 64 bits at most;
    /// texts of ASCII tables may be longer.
    fn may_be_beyond(&self) -> bool {
        let of_element = |element| element == Element::I64 && self.element_type(element) == ColumnType::I64;
        match &self.field {
            Field::Numbers { element, .. } | Field::Heap { element, .. } => {
                self.scaling != Scaling::Offset(0) && of_element(*element)
            }
            Field::Ascii { kind, .. } => self.ascii_type(*kind) == ColumnType::I64,
            Field::Text { .. } | Field::Texts { .. } | Field::HeapText { .. } => false,
        }
    }

    pub fn is_in_heap(&self) -> bool {
        matches!(self.field, Field::Heap { .. } | Field::HeapText { .. })
    }

    pub fn is_complex(&self) -> bool {
        matches!(
            self.field,
            Field::Numbers { complex: true, .. } | Field::Heap { parts: 2, .. }
        )
    }

    /// The physical number that means "unknown".
    pub fn null(&self) -> Option<i64> {
        match self.scaling.whole(self.null?) {
            Cell::Int(null) => Some(null),
            _ => None,
        }
    }

    fn values(&self, element: Element, bytes: &[u8], count: usize) -> impl Iterator<Item = Cell> {
        let size = element.bytes(1).unwrap_or(1);
        (0..count).map(move |i| match element {
            Element::Bit => Cell::Bool(bytes[i / 8] >> (7 - i % 8) & 1 == 1),
            _ => self.value(element, &bytes[i * size..(i + 1) * size]),
        })
    }

    fn value(&self, element: Element, bytes: &[u8]) -> Cell {
        let stored = |bytes: &[u8]| bytes.iter().fold(0u64, |n, &b| n << 8 | u64::from(b));
        let whole = |stored: i64| match self.null == Some(stored) {
            true => Cell::Null,
            false => self.scaling.whole(stored),
        };
        match element {
            Element::Logical | Element::Bit => match bytes[0] {
                b'T' | 1 => Cell::Bool(true),
                b'F' => Cell::Bool(false),
                _ => Cell::Null,
            },
            Element::U8 => whole(bytes[0].into()),
            Element::I16 => whole((stored(bytes) as u16 as i16).into()),
            Element::I32 => whole((stored(bytes) as u32 as i32).into()),
            Element::I64 => whole(stored(bytes) as i64),
            Element::F32 => self.scaling.real(f32::from_bits(stored(bytes) as u32).into()),
            Element::F64 => self.scaling.real(f64::from_bits(stored(bytes))),
        }
    }

    fn ascii(&self, kind: AsciiKind, cell: Cell) -> Cell {
        let Cell::Str(text) = cell else {
            return Cell::Null;
        };
        let trimmed = text.trim();
        if trimmed.is_empty() || (!self.null_text.is_empty() && trimmed == self.null_text) {
            return Cell::Null;
        }
        match kind {
            AsciiKind::Text => Cell::Str(text),
            AsciiKind::Whole { .. } => match trimmed.parse::<i64>() {
                Ok(value) if Some(value) == self.null => Cell::Null,
                Ok(value) => self.scaling.whole(value),
                Err(_) if trimmed.parse::<u128>().is_ok() => Cell::Str(trimmed.into()),
                Err(_) => Cell::Null,
            },
            AsciiKind::Real => self.scaling.real(number(trimmed)),
        }
    }
}

impl FitsRows {
    pub(super) fn new(table: Table, columns: Arc<[FitsColumn]>) -> FitsRows {
        FitsRows { table, columns }
    }

    pub fn len(&self) -> usize {
        self.table.rows()
    }

    pub fn cell(&self, row: usize, column: usize) -> Cell {
        self.table.cell(&self.columns[column], row)
    }
}

/// A text ends at the first zero byte; spaces at its end do not count. Characters that are neither ASCII nor UTF-8 are
/// taken for Latin-1.
fn text(bytes: &[u8]) -> Cell {
    let text = bytes.split(|&b| b == 0).next().unwrap_or_default().trim_ascii_end();
    match str::from_utf8(text) {
        Ok("") => Cell::Null,
        Ok(text) => Cell::Str(text.into()),
        Err(_) => Cell::Str(text.iter().map(|&b| char::from(b)).collect()),
    }
}
