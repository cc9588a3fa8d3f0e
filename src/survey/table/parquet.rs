//! Writes Parquet, in groups of rows that are held in memory until they are large enough to be compressed well.

use super::provenance::Provenance;
use super::{Cell, Column, ColumnType, Complete, Content, Format};
use fitsio_pure::io::AtomicFile;
use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};
use serde_json::json;
use std::io::{self, Write};
use std::sync::Arc;

/// Bytes of a group of rows.
const GROUP: usize = 32 << 20;

pub(super) struct ParquetTable {
    writer: SerializedFileWriter<AtomicFile>,
    columns: Vec<Column>,
    group: Vec<Values>,
    bytes: usize,
}

/// The cells of a column in the current group.
struct Values {
    known: Known,
    /// How far each value is known: 1 for a value and 0 for an unknown one; in a column of arrays 0: no array, 1: an
    /// empty one, 2: an unknown value, 3: a value.
    definition: Vec<i16>,
    /// 0 for the first value of a row, 1 for the others; for arrays only.
    repetition: Option<Vec<i16>>,
    /// Characters of the longest text of all groups.
    longest: usize,
}

/// The values that are known.
enum Known {
    Bool(Vec<bool>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Text(Vec<ByteArray>),
}

impl ParquetTable {
    pub(super) fn new(
        file: AtomicFile,
        columns: &[Column],
        provenance: Option<&Provenance>,
    ) -> io::Result<ParquetTable> {
        Ok(ParquetTable {
            writer: writer(file, columns, provenance).map_err(io_error)?,
            columns: columns.to_vec(),
            group: columns.iter().map(Values::new).collect(),
            bytes: 0,
        })
    }

    /// The file with all its content, which the caller must commit.
    pub(super) fn into_file(mut self) -> io::Result<AtomicFile> {
        if self.bytes > 0 {
            self.write_group().map_err(io_error)?;
        }
        for (column, values) in self.columns.iter().zip(&self.group) {
            // astropy cannot read a text that is unknown without this.
            if *element(&column.column_type).0 == ColumnType::Str {
                let key = format!("table::len::{}", column.name);
                self.writer
                    .append_key_value_metadata(KeyValue::new(key, values.longest.to_string()));
            }
        }
        self.writer.into_inner().map_err(io_error)
    }

    fn write_group(&mut self) -> Result<()> {
        let mut group = self.writer.next_row_group()?;
        for values in &mut self.group {
            let mut column = group
                .next_column()?
                .ok_or_else(|| ParquetError::General("fewer columns".into()))?;
            let (definition, repetition) = (Some(&values.definition[..]), values.repetition.as_deref());
            match (column.untyped(), &values.known) {
                (ColumnWriter::BoolColumnWriter(writer), Known::Bool(v)) => {
                    writer.write_batch(v, definition, repetition)
                }
                (ColumnWriter::Int32ColumnWriter(writer), Known::I32(v)) => {
                    writer.write_batch(v, definition, repetition)
                }
                (ColumnWriter::Int64ColumnWriter(writer), Known::I64(v)) => {
                    writer.write_batch(v, definition, repetition)
                }
                (ColumnWriter::FloatColumnWriter(writer), Known::F32(v)) => {
                    writer.write_batch(v, definition, repetition)
                }
                (ColumnWriter::DoubleColumnWriter(writer), Known::F64(v)) => {
                    writer.write_batch(v, definition, repetition)
                }
                (ColumnWriter::ByteArrayColumnWriter(writer), Known::Text(v)) => {
                    writer.write_batch(v, definition, repetition)
                }
                (_, _) => Err(ParquetError::General(
                    "a column of another type than in the schema".into(),
                )),
            }?;
            column.close()?;
            values.clear();
        }
        group.close()?;
        self.bytes = 0;
        Ok(())
    }
}

impl Format for ParquetTable {
    fn push(&mut self, row: &[&Cell]) -> io::Result<()> {
        for ((cell, column), values) in row.iter().zip(&self.columns).zip(&mut self.group) {
            self.bytes += values.push(&column.value(cell), column);
        }
        if self.bytes > GROUP {
            self.write_group().map_err(io_error)?;
        }
        Ok(())
    }

    fn complete(self: Box<Self>, _rows: u64) -> io::Result<Complete> {
        Ok(Complete {
            content: Content::File(self.into_file()?),
            warnings: Vec::new(),
        })
    }
}

impl Values {
    fn new(column: &Column) -> Values {
        let (element, is_array) = element(&column.column_type);
        Values {
            known: match element {
                ColumnType::Bool => Known::Bool(Vec::new()),
                ColumnType::U8 | ColumnType::I16 | ColumnType::I32 => Known::I32(Vec::new()),
                ColumnType::I64 => Known::I64(Vec::new()),
                ColumnType::F32 => Known::F32(Vec::new()),
                ColumnType::F64 => Known::F64(Vec::new()),
                ColumnType::Str | ColumnType::Array { .. } => Known::Text(Vec::new()),
            },
            definition: Vec::new(),
            repetition: is_array.then(Vec::new),
            longest: 1,
        }
    }

    /// Appends a cell; returns about how many bytes it takes.
    fn push(&mut self, cell: &Cell, column: &Column) -> usize {
        let texts = match cell {
            Cell::Array(cells) => cells.as_slice(),
            one => std::slice::from_ref(one),
        };
        for text in texts {
            if let Cell::Str(text) = text {
                self.longest = self.longest.max(text.chars().count());
            }
        }
        let Some(repetition) = &mut self.repetition else {
            let size = self.known.push(cell);
            self.definition.push(size.is_some().into());
            return size.unwrap_or(0) + size_of::<i16>();
        };
        let cells = match cell {
            Cell::Array(cells) => cells.as_slice(),
            Cell::Str(_) | Cell::Bool(_) | Cell::F64(_) | Cell::Int(_) | Cell::Null => &[],
        };
        if cells.is_empty() {
            self.definition.push((*cell != Cell::Null).into());
            repetition.push(0);
        }
        let mut bytes = 2 * size_of::<i16>();
        for (i, value) in cells.iter().enumerate() {
            let null = matches!(value, Cell::Int(number) if Some(*number) == column.null);
            let size = if null { None } else { self.known.push(value) };
            self.definition.push(if size.is_some() { 3 } else { 2 });
            repetition.push((i > 0).into());
            bytes += size.unwrap_or(0) + 2 * size_of::<i16>();
        }
        bytes
    }

    fn clear(&mut self) {
        match &mut self.known {
            Known::Bool(values) => values.clear(),
            Known::I32(values) => values.clear(),
            Known::I64(values) => values.clear(),
            Known::F32(values) => values.clear(),
            Known::F64(values) => values.clear(),
            Known::Text(values) => values.clear(),
        }
        self.definition.clear();
        if let Some(repetition) = &mut self.repetition {
            repetition.clear();
        }
    }
}

impl Known {
    /// Appends a value, unless it is unknown; returns its bytes.
    fn push(&mut self, cell: &Cell) -> Option<usize> {
        match (self, cell) {
            (_, Cell::F64(number)) if number.is_nan() => return None,
            (Known::Bool(values), Cell::Bool(value)) => values.push(*value),
            // The cell is known to be in the range of the column's type.
            (Known::I32(values), Cell::Int(number)) => values.push(*number as i32),
            (Known::I64(values), Cell::Int(number)) => values.push(*number),
            (Known::F32(values), Cell::F64(number)) => values.push(*number as f32),
            (Known::F64(values), Cell::F64(number)) => values.push(*number),
            (Known::Text(values), Cell::Str(text)) => {
                values.push(text.as_bytes().to_vec().into());
                return Some(size_of::<ByteArray>() + text.len());
            }
            (_, _) => return None,
        }
        Some(size_of::<f64>())
    }
}

fn writer<W: Write + Send>(
    file: W,
    columns: &[Column],
    provenance: Option<&Provenance>,
) -> Result<SerializedFileWriter<W>> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by(concat!("lensgpu version ", env!("CARGO_PKG_VERSION")).into())
        .set_key_value_metadata(Some(metadata(columns, provenance)))
        .build();
    SerializedFileWriter::new(file, schema(columns)?, Arc::new(properties))
}

/// Writes a file without rows, which describes the columns of others; returns its description.
pub(super) fn common_metadata(
    file: impl Write + Send,
    columns: &[Column],
    provenance: Option<&Provenance>,
) -> io::Result<ParquetMetaData> {
    let writer = writer(file, columns, provenance);
    writer.and_then(SerializedFileWriter::close).map_err(io_error)
}

/// The type of a column's values, and whether it has several per row.
fn element(column_type: &ColumnType) -> (&ColumnType, bool) {
    match column_type {
        ColumnType::Array { element, .. } => (element, true),
        scalar => (scalar, false),
    }
}

/// Every value may be unknown. An array is the three-level list of the format's specification; arrays of several axes
/// are written as one list, the first axis fastest.
fn schema(columns: &[Column]) -> Result<TypePtr> {
    let field = |column: &Column| {
        let (element, is_array) = element(&column.column_type);
        let name = if is_array { "element" } else { &column.name };
        let (physical, logical) = match element {
            ColumnType::Bool => (Physical::BOOLEAN, None),
            ColumnType::U8 => (Physical::INT32, Some(LogicalType::integer(8, false))),
            ColumnType::I16 => (Physical::INT32, Some(LogicalType::integer(16, true))),
            ColumnType::I32 => (Physical::INT32, None),
            ColumnType::I64 => (Physical::INT64, None),
            ColumnType::F32 => (Physical::FLOAT, None),
            ColumnType::F64 => (Physical::DOUBLE, None),
            ColumnType::Str | ColumnType::Array { .. } => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        };
        let value = Type::primitive_type_builder(name, physical)
            .with_logical_type(logical)
            .with_repetition(Repetition::OPTIONAL)
            .build()?;
        if !is_array {
            return Ok(Arc::new(value));
        }
        let list = Type::group_type_builder("list")
            .with_repetition(Repetition::REPEATED)
            .with_fields(vec![Arc::new(value)])
            .build()?;
        let column = Type::group_type_builder(&column.name)
            .with_logical_type(Some(LogicalType::List))
            .with_converted_type(ConvertedType::LIST)
            .with_repetition(Repetition::OPTIONAL)
            .with_fields(vec![Arc::new(list)])
            .build()?;
        Ok(Arc::new(column))
    };
    let fields = columns.iter().map(field).collect::<Result<_>>()?;
    Ok(Arc::new(
        Type::group_type_builder("schema").with_fields(fields).build()?,
    ))
}

/// The provenance; and units and descriptions where astropy looks for them, as JSON, which is YAML too.
fn metadata(columns: &[Column], provenance: Option<&Provenance>) -> Vec<KeyValue> {
    let entries: Vec<(&str, String)> = provenance.iter().flat_map(|p| p.entries()).collect();
    let about = columns.iter().map(|column| {
        let mut about = json!({ "name": column.name, "datatype": column.column_type.name() });
        for (key, text) in [("unit", &column.unit), ("description", &column.description)] {
            if !text.is_empty() {
                about[key] = text.clone().into();
            }
        }
        if !column.ucd.is_empty() {
            about["meta"] = json!({ "ucd": column.ucd });
        }
        about
    });
    let meta: serde_json::Map<_, _> = entries
        .iter()
        .map(|(key, text)| (key.to_string(), text.clone().into()))
        .collect();
    let yaml = json!({ "datatype": about.collect::<Vec<_>>(), "meta": meta });
    let entries = entries
        .into_iter()
        .map(|(key, text)| KeyValue::new(key.to_string(), text));
    entries
        .chain([KeyValue::new("table_meta_yaml".to_string(), yaml.to_string())])
        .collect()
}

fn io_error(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(source) => io::Error::other(source),
        },
        other => io::Error::other(other),
    }
}
