//! Parquet files. Units and descriptions are those that astropy stores beside the data.
//!
//! | file | what it does |
//! |---|---|
//! | this one | a whole file in memory, column by column |
//! | `values` | what the decoder gives, as cells; the type of a column |
//! | `windows` | the rows of one or several files, some at a time |

mod values;
mod windows;

pub(super) use windows::ParquetTable;

use super::content::{CellRows, Content, LeftOut, Rows};
use super::text::described_columns;
use crate::files::unpack;
use crate::survey::guard::caught;
use crate::survey::table::{Cell, Column, ColumnType};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::FileMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;
use std::fs::File;
use std::sync::Arc;
use values::{Evidence, cell, has_nanoseconds, only_value};

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
    let (mut evidence, mut cells) = (Evidence::default(), Vec::new());
    scan(reader, field, count, &mut evidence, |cell| cells.push(cell))?;
    Ok((evidence.column_type(field), cells))
}

/// Hands over the cells of a column, one more than `count` at most, and adds what they say about its type.
fn scan(
    reader: &SerializedFileReader<File>,
    field: &Arc<Type>,
    count: usize,
    evidence: &mut Evidence,
    mut each: impl FnMut(Cell),
) -> Result<(), String> {
    let damaged = |error: ParquetError| match unread_compression(reader, field) {
        Some(compression) => format!("it is compressed by {compression:?}"),
        None => format!("it is damaged ({error})"),
    };
    let projection = Type::group_type_builder("schema")
        .with_fields(vec![field.clone()])
        .build();
    let rows = projection.and_then(|projection| RowIter::from_file(Some(projection), reader));
    let nanoseconds = has_nanoseconds(field);
    for row in rows.map_err(damaged)?.take(count.saturating_add(1)) {
        let value = only_value(row.map_err(damaged)?);
        evidence.see_value(&value);
        let cell = cell(value, nanoseconds).ok_or("it has columns of its own")?;
        evidence.see_cell(&cell);
        each(cell);
    }
    Ok(())
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

#[cfg(test)]
mod tests;
