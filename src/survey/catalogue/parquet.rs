//! Parquet files, column by column. Units and descriptions are those that astropy stores beside the data.

use super::content::{CellRows, Content, LeftOut, Rows};
use super::text::described_columns;
use crate::files::unpack;
use crate::survey::guard::caught;
use crate::survey::table::{Cell, Column, ColumnType};
use parquet::basic::{Compression, LogicalType, TimeUnit, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::file::metadata::FileMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use parquet::schema::types::Type;
use std::fs::File;
use std::sync::Arc;

/// Reads all columns. A column that cannot be read is left out.
///
/// # Errors
/// A file whose metadata are damaged.
pub(super) fn read(file: File) -> Result<Content, ParquetError> {
    let most = unpack::limit(
        file.metadata()
            .map_err(|error| ParquetError::External(error.into()))?
            .len(),
    );
    let reader = SerializedFileReader::new(file)?;
    let metadata = reader.metadata().file_metadata();
    let remarks = remarks(metadata);
    let count = usize::try_from(metadata.num_rows()).unwrap_or(0);
    let columns = reader.metadata().row_groups().iter().flat_map(|group| group.columns());
    let values = columns.map(|column| usize::try_from(column.num_values()).unwrap_or(0));
    let cells = values.fold(
        count.saturating_mul(metadata.schema().get_fields().len()),
        usize::saturating_add,
    );
    if cells.saturating_mul(size_of::<Cell>()) as u64 > most {
        return Err(ParquetError::General(format!(
            "it claims {count} rows, more than it can hold"
        )));
    }
    let (mut described, mut columns, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    for field in metadata.schema().get_fields() {
        let name = field.name().to_string();
        // The decoder panics at types that it does not know.
        let read = caught(|| column(&reader, field, count));
        match read.unwrap_or_else(|_| Err("it is damaged or of an unknown type".into())) {
            Ok((_, cells)) if cells.len() != count => {
                let reason = format!("it has {} of {count} rows", cells.len());
                left_out.push(LeftOut { name, reason });
            }
            Ok((column_type, cells)) => {
                let remark = remarks.iter().find(|remark| remark.name == name);
                let (unit, description) = remark.map_or(("", ""), |r| (r.unit.as_str(), r.description.as_str()));
                described.push(Column::new(name, column_type, unit, description));
                columns.push(cells);
            }
            Err(reason) => left_out.push(LeftOut { name, reason }),
        }
    }
    Ok(Content {
        left_out,
        ..Content::new(described, Rows::Cells(CellRows { count, columns }))
    })
}

/// The columns as astropy describes them, in the YAML of ECSV.
fn remarks(metadata: &FileMetaData) -> Vec<Column> {
    let entries = metadata.key_value_metadata().map_or(&[][..], Vec::as_slice);
    let yaml = entries
        .iter()
        .find(|entry| entry.key == "table_meta_yaml")
        .and_then(|entry| entry.value.as_deref());
    let lines: Vec<&str> = yaml.unwrap_or("").lines().collect();
    described_columns(&lines).unwrap_or_default()
}

/// `count`: the rows of the file.
fn column(
    reader: &SerializedFileReader<File>,
    field: &Arc<Type>,
    count: usize,
) -> Result<(ColumnType, Vec<Cell>), String> {
    let projection = Type::group_type_builder("schema")
        .with_fields(vec![field.clone()])
        .build();
    let rows = projection.and_then(|projection| RowIter::from_file(Some(projection), reader));
    let values: Result<Vec<Field>, ParquetError> = rows.and_then(|rows| {
        rows.take(count.saturating_add(1))
            .map(|row| row.map(only_value))
            .collect()
    });
    let values = values.map_err(|error| match unread_compression(reader, field) {
        Some(compression) => format!("it is compressed by {compression:?}"),
        None => format!("it is damaged ({error})"),
    })?;
    let nanoseconds = field.is_primitive()
        && matches!(field.get_basic_info().logical_type_ref(), Some(LogicalType::Timestamp(time)) if time.unit == TimeUnit::NANOS);
    let first = values.iter().find_map(|value| match value {
        Field::ListInternal(list) => list.elements().iter().find_map(value_type),
        value => value_type(value),
    });
    let cells = values
        .into_iter()
        .map(|value| cell(value, nanoseconds))
        .collect::<Option<Vec<Cell>>>();
    let cells = cells.ok_or("it has columns of its own")?;
    let value_type = first.unwrap_or_else(|| physical_type(field));
    Ok((column_type(value_type, &cells), cells))
}

fn only_value(row: Row) -> Field {
    row.into_columns()
        .into_iter()
        .next()
        .map_or(Field::Null, |(_, value)| value)
}

/// The compression of a column, if it is one that is not read.
fn unread_compression(reader: &SerializedFileReader<File>, field: &Arc<Type>) -> Option<Compression> {
    let groups = reader.metadata().row_groups().iter();
    let columns = groups.flat_map(|group| group.columns());
    let of_field = columns.filter(|column| {
        column
            .column_path()
            .parts()
            .first()
            .is_some_and(|name| name == field.name())
    });
    of_field
        .map(|column| column.compression())
        .find(|c| matches!(c, Compression::BROTLI(_) | Compression::LZO))
}

/// `None`: a value that has columns of its own.
fn cell(value: Field, nanoseconds: bool) -> Option<Cell> {
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

/// The type of a column whose values, or the elements of whose lists, are of the type `element`.
fn column_type(element: ColumnType, cells: &[Cell]) -> ColumnType {
    let is_text = |cell: &Cell| matches!(cell, Cell::Str(_));
    let lists: Vec<&Vec<Cell>> = cells
        .iter()
        .filter_map(|c| if let Cell::Array(v) = c { Some(v) } else { None })
        .collect();
    // Whole numbers beyond 64 bits are text.
    let text = cells.iter().any(is_text) || lists.iter().any(|list| list.iter().any(is_text));
    let element = if text { ColumnType::Str } else { element };
    let Some(first) = lists.first() else {
        return element;
    };
    ColumnType::Array {
        element: Box::new(element),
        shape: (lists.len() == cells.len() && lists.iter().all(|list| list.len() == first.len()))
            .then(|| vec![first.len()]),
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

#[cfg(test)]
mod tests;
