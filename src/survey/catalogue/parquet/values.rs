//! What the decoder gives, as cells; and the type of a column.

use crate::survey::table::{Cell, ColumnType};
use parquet::basic::{LogicalType, TimeUnit, Type as PhysicalType};
use parquet::record::{Field, Row};
use parquet::schema::types::Type;

/// The value of a row with one column.
pub(super) fn only_value(row: Row) -> Field {
    row.into_columns()
        .into_iter()
        .next()
        .map_or(Field::Null, |(_, value)| value)
}

/// Whether the numbers of a column are times in nanoseconds, which the decoder does not know.
pub(super) fn has_nanoseconds(field: &Type) -> bool {
    field.is_primitive()
        && matches!(field.get_basic_info().logical_type_ref(), Some(LogicalType::Timestamp(time)) if time.unit == TimeUnit::NANOS)
}

/// `None`: a value that has columns of its own.
pub(super) fn cell(value: Field, nanoseconds: bool) -> Option<Cell> {
    Some(match value {
        Field::Null => Cell::Null,
        Field::Bool(value) => Cell::Bool(value),
        Field::Byte(value) => Cell::Int(value.into()),
        Field::Short(value) => Cell::Int(value.into()),
        Field::Int(value) => Cell::Int(value.into()),
        Field::Long(value) if nanoseconds => {
            let microseconds = time(&Field::TimestampMicros(value.div_euclid(1000)));
            Cell::Str(format!("{microseconds}{:03}", value.rem_euclid(1000)))
        }
        Field::Long(value) => Cell::Int(value),
        Field::UByte(value) => Cell::Int(value.into()),
        Field::UShort(value) => Cell::Int(value.into()),
        Field::UInt(value) => Cell::Int(value.into()),
        Field::ULong(value) => i64::try_from(value).map_or_else(|_| Cell::Str(value.to_string()), Cell::Int),
        Field::Float16(value) => Cell::F64(value.to_f64()),
        Field::Float(value) => Cell::F64(value.into()),
        Field::Double(value) => Cell::F64(value),
        Field::Str(value) => Cell::Str(value),
        Field::Bytes(value) => Cell::Str(String::from_utf8_lossy(value.data()).into_owned()),
        // The decoder writes a decimal number without decimals as `12.`.
        Field::Decimal(_) => Cell::Str(value.to_string().trim_end_matches('.').into()),
        Field::Date(_)
        | Field::TimeMillis(_)
        | Field::TimeMicros(_)
        | Field::TimestampMillis(_)
        | Field::TimestampMicros(_) => Cell::Str(time(&value)),
        Field::ListInternal(list) => {
            let values = list.elements().iter().map(|value| match value {
                Field::ListInternal(_) => None,
                value => cell(value.clone(), false),
            });
            Cell::Array(values.collect::<Option<_>>()?)
        }
        Field::Group(_) | Field::MapInternal(_) => return None,
    })
}

/// A date or time as ISO 8601 has it, in UTC.
fn time(value: &Field) -> String {
    value.to_string().trim_end_matches(" +00:00").replacen(' ', "T", 1)
}

/// What the values of a column say about its type.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// The type of the first value that is known, or of the first element of a list.
    element: Option<ColumnType>,
    /// Whole numbers beyond 64 bits are text.
    text: bool,
    rows: usize,
    lists: usize,
    /// Elements of the first list.
    length: Option<usize>,
    /// Whether a list has another number of elements.
    ragged: bool,
}

impl Evidence {
    /// Takes note of the next value.
    pub fn see_value(&mut self, value: &Field) {
        if self.element.is_none() {
            self.element = match value {
                Field::ListInternal(list) => list.elements().iter().find_map(value_type),
                value => value_type(value),
            };
        }
    }

    /// Takes note of the same value as a cell.
    pub fn see_cell(&mut self, cell: &Cell) {
        let is_text = |cell: &Cell| matches!(cell, Cell::Str(_));
        self.rows += 1;
        match cell {
            Cell::Array(values) => {
                self.lists += 1;
                self.ragged |= *self.length.get_or_insert(values.len()) != values.len();
                self.text |= values.iter().any(is_text);
            }
            cell => self.text |= is_text(cell),
        }
    }

    /// Number of values.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Takes note of the values of another file, which follow these.
    pub fn add(&mut self, next: Evidence) {
        self.element = self.element.take().or(next.element);
        self.text |= next.text;
        self.rows += next.rows;
        self.lists += next.lists;
        self.ragged |= next.ragged || self.length.zip(next.length).is_some_and(|(one, other)| one != other);
        self.length = self.length.or(next.length);
    }

    /// The type of a column with these values.
    pub fn column_type(self, field: &Type) -> ColumnType {
        let element = self.element.unwrap_or_else(|| physical_type(field));
        let element = if self.text { ColumnType::Str } else { element };
        let Some(length) = self.length else {
            return element;
        };
        ColumnType::Array {
            element: Box::new(element),
            shape: (self.lists == self.rows && !self.ragged).then(|| vec![length]),
        }
    }
}

/// The type that holds a value; `None` if it is unknown.
fn value_type(value: &Field) -> Option<ColumnType> {
    match value {
        Field::Bool(_) => Some(ColumnType::Bool),
        Field::UByte(_) => Some(ColumnType::U8),
        Field::Byte(_) | Field::Short(_) => Some(ColumnType::I16),
        Field::UShort(_) | Field::Int(_) => Some(ColumnType::I32),
        Field::UInt(_) | Field::Long(_) | Field::ULong(_) => Some(ColumnType::I64),
        Field::Float16(_) | Field::Float(_) => Some(ColumnType::F32),
        Field::Double(_) => Some(ColumnType::F64),
        Field::Str(_)
        | Field::Bytes(_)
        | Field::Decimal(_)
        | Field::Date(_)
        | Field::TimeMillis(_)
        | Field::TimeMicros(_)
        | Field::TimestampMillis(_)
        | Field::TimestampMicros(_) => Some(ColumnType::Str),
        Field::Null | Field::Group(_) | Field::ListInternal(_) | Field::MapInternal(_) => None,
    }
}

/// The type of a column without values.
fn physical_type(field: &Type) -> ColumnType {
    if !field.is_primitive() {
        return ColumnType::Str;
    }
    match field.get_physical_type() {
        PhysicalType::BOOLEAN => ColumnType::Bool,
        PhysicalType::INT32 => ColumnType::I32,
        PhysicalType::INT64 => ColumnType::I64,
        PhysicalType::FLOAT => ColumnType::F32,
        PhysicalType::DOUBLE => ColumnType::F64,
        PhysicalType::INT96 | PhysicalType::BYTE_ARRAY | PhysicalType::FIXED_LEN_BYTE_ARRAY => ColumnType::Str,
    }
}
