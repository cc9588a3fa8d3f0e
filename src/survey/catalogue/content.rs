//! What a file's decoder hands over: columns, rows, and remarks for the user.

use super::fits::FitsRows;
use super::text::TextRows;
use crate::survey::table::{Cell, Column, ColumnType};

/// A table as it was decoded.
#[derive(Debug)]
pub(super) struct Content {
    /// Names of the columns.
    pub names: Vec<String>,
    /// Types, units and descriptions of the columns; empty if the format has none (CSV).
    pub described: Vec<Column>,
    pub rows: Rows,
    /// What was detected, such as the separator.
    pub notes: Vec<String>,
    /// What may be wrong.
    pub warnings: Vec<String>,
    /// Columns of the file that cannot be held.
    pub left_out: Vec<LeftOut>,
}

/// A column that cannot be held, and why.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LeftOut {
    pub name: String,
    pub reason: String,
}

/// The rows, as each format has them.
#[derive(Debug)]
pub(super) enum Rows {
    /// Texts as they were read.
    Texts(TextRows),
    /// The bytes of a FITS table; cells are decoded when they are asked for.
    Fits(FitsRows),
    /// Decoded cells.
    Cells(CellRows),
}

/// Decoded cells, by column.
#[derive(Debug)]
pub(super) struct CellRows {
    pub count: usize,
    pub columns: Vec<Vec<Cell>>,
}

impl Content {
    /// A table whose columns are described, without remarks.
    pub fn new(described: Vec<Column>, rows: Rows) -> Content {
        Content {
            names: described.iter().map(|column| column.name.clone()).collect(),
            described,
            rows,
            notes: Vec::new(),
            warnings: Vec::new(),
            left_out: Vec::new(),
        }
    }
}

impl Rows {
    /// No rows, of a table whose rows are read later.
    pub fn none() -> Rows {
        Rows::Cells(CellRows {
            count: 0,
            columns: Vec::new(),
        })
    }

    pub fn count(&self) -> usize {
        match self {
            Rows::Texts(rows) => rows.len(),
            Rows::Fits(rows) => rows.len(),
            Rows::Cells(rows) => rows.count,
        }
    }
}

/// A cell as text: numbers with as many digits as are needed to recover the same value, an unknown value as an empty
/// text, several values in brackets.
pub(super) fn text_of(cell: &Cell, column_type: &ColumnType) -> String {
    match (cell, column_type) {
        (Cell::Null, _) => String::new(),
        (Cell::Str(text), _) => text.clone(),
        (Cell::Bool(value), _) => value.to_string(),
        (Cell::Int(value), _) => value.to_string(),
        (Cell::F64(value), _) if value.is_nan() => String::new(),
        // 0.1 in single precision is written as 0.1, not as 0.10000000149011612.
        (Cell::F64(value), ColumnType::F32) => format!("{:?}", *value as f32),
        (Cell::F64(value), _) => format!("{value:?}"),
        (Cell::Array(values), ColumnType::Array { element, .. }) => {
            let texts: Vec<String> = values.iter().map(|value| text_of(value, element)).collect();
            format!("[{}]", texts.join(", "))
        }
        (Cell::Array(_), _) => String::new(),
    }
}

/// A cell as its column has it: whole numbers are texts where others of the column do not fit in 64 bits.
pub(super) fn as_described(cell: Cell, column_type: &ColumnType) -> Cell {
    match (cell, column_type) {
        (Cell::Int(value), ColumnType::Str) => Cell::Str(value.to_string()),
        (Cell::Array(values), ColumnType::Array { element, .. }) if **element == ColumnType::Str => {
            Cell::Array(values.into_iter().map(|value| as_described(value, element)).collect())
        }
        (cell, _) => cell,
    }
}

/// A cell as a number; NaN if it is not one.
pub(super) fn number_of(cell: &Cell) -> f64 {
    match cell {
        Cell::F64(value) => *value,
        Cell::Int(value) => *value as f64,
        Cell::Bool(value) => f64::from(u8::from(*value)),
        Cell::Str(text) => number(text),
        Cell::Array(_) | Cell::Null => f64::NAN,
    }
}

/// A text as a number, also with Fortran's exponents (`1.5D-3`); NaN if it is not one.
pub(super) fn number(text: &str) -> f64 {
    let text = text.trim();
    let fortran = || text.replace(['D', 'd'], "e").parse().ok();
    text.parse().ok().or_else(fortran).unwrap_or(f64::NAN)
}
