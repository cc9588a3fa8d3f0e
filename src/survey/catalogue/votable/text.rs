//! Cells of TABLEDATA.

use super::field::{Field, Kind};
use crate::survey::table::{Cell, ColumnType};

/// The text of a TD element as a cell.
pub(super) fn cell(field: &Field, text: &str) -> Cell {
    let Some(kind) = field.kind else {
        return Cell::Null;
    };
    if kind.is_text() {
        return match field.is_array() {
            false if text.is_empty() || (!field.null.is_empty() && text == field.null) => Cell::Null,
            false => Cell::Str(text.into()),
            true => Cell::Array(words(field, text)),
        };
    }
    let mut values = text.split_whitespace().map(|word| value(kind, word, &field.null));
    match field.is_array() {
        false => values.next().unwrap_or(Cell::Null),
        // An empty TD is unknown, not an array without values.
        true if text.trim().is_empty() => Cell::Null,
        true if kind == Kind::Bit => Cell::Array(text.chars().filter_map(bit).collect()),
        true => {
            let mut values: Vec<Cell> = values.collect();
            if let Some(length) = field.fixed_length() {
                values.resize(length.saturating_mul(kind.parts()).min(text.len() + 1), Cell::Null);
            }
            Cell::Array(values)
        }
    }
}

fn value(kind: Kind, word: &str, null: &str) -> Cell {
    if word == null {
        return Cell::Null;
    }
    let hexadecimal = word.strip_prefix("0x").or(word.strip_prefix("0X"));
    match (kind.value_type(), hexadecimal) {
        (ColumnType::U8 | ColumnType::I16 | ColumnType::I32 | ColumnType::I64, Some(digits)) => {
            i64::from_str_radix(digits, 16).map_or(Cell::Null, Cell::Int)
        }
        (column_type, _) => column_type.cell(word),
    }
}

fn bit(c: char) -> Option<Cell> {
    match c {
        '0' => Some(Cell::Bool(false)),
        '1' => Some(Cell::Bool(true)),
        _ => None,
    }
}

/// Texts of the length of the first axis, one after another.
pub(super) fn words(field: &Field, text: &str) -> Vec<Cell> {
    let length = field.axes.first().copied().flatten().unwrap_or(1).max(1);
    let characters: Vec<char> = text.chars().collect();
    let word = |characters: &[char]| {
        let word: String = characters.iter().take_while(|&&c| c != '\0').collect();
        match word.trim_end() {
            "" => Cell::Null,
            word => Cell::Str(word.into()),
        }
    };
    characters.chunks(length).map(word).collect()
}
