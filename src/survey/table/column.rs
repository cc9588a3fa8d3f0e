//! Columns, their types, and the values in them.

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Text.
    Str,
    /// Numbers in double precision.
    F64,
    /// Whole numbers of 32 bits.
    I32,
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
}

impl Column {
    /// A column of this name; `unit` and `description` may be empty.
    pub fn new(name: impl Into<String>, column_type: ColumnType, unit: &str, description: &str) -> Column {
        Column {
            name: name.into(),
            column_type,
            unit: unit.into(),
            description: description.into(),
        }
    }
}

/// One value of a row. `Null` fits any column.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Text.
    Str(String),
    /// A number; NaN is unknown.
    F64(f64),
    /// A whole number.
    I32(i32),
    /// Unknown.
    Null,
}

impl ColumnType {
    /// The narrowest type that holds all of a column's texts without a change of meaning. Whole numbers are I32, or F64
    /// beyond its range; numbers with a leading zero (`007`) or with more digits than an f64 can hold stay text.
    pub fn of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> ColumnType {
        let mut narrowest = None;
        for text in texts.into_iter().map(str::trim).filter(|t| !t.is_empty()) {
            narrowest = match (narrowest, type_of_text(text)) {
                (_, ColumnType::Str) => return ColumnType::Str,
                (Some(ColumnType::F64), _) | (_, ColumnType::F64) => Some(ColumnType::F64),
                (None | Some(ColumnType::I32 | ColumnType::Str), ColumnType::I32) => Some(ColumnType::I32),
            };
        }
        narrowest.unwrap_or(ColumnType::Str)
    }

    /// `text` as a cell of this type; an empty text is `Null`, and so is one that cannot be parsed as the type.
    pub fn cell(self, text: &str) -> Cell {
        let trimmed = text.trim();
        match self {
            ColumnType::Str if text.is_empty() => Cell::Null,
            ColumnType::Str => Cell::Str(text.into()),
            ColumnType::F64 => trimmed.parse().map_or(Cell::Null, Cell::F64),
            ColumnType::I32 => trimmed.parse().map_or(Cell::Null, Cell::I32),
        }
    }
}

fn type_of_text(text: &str) -> ColumnType {
    let digits = text.trim_start_matches(['-', '+']);
    let padded = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    let whole = digits.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<f64>() {
        Err(_) => ColumnType::Str,
        Ok(_) if padded => ColumnType::Str,
        Ok(_) if whole && text.parse::<i32>().is_ok() => ColumnType::I32,
        Ok(value) if whole && value.abs() > 2f64.powi(53) => ColumnType::Str,
        Ok(_) => ColumnType::F64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_type_that_keeps_the_meaning() {
        let cases: [(&[&str], ColumnType); 9] = [
            (&["1", " -20 ", ""], ColumnType::I32),
            (&["1", "2.5"], ColumnType::F64),
            (&["2.5", "1"], ColumnType::F64),
            (&["3000000000"], ColumnType::F64),
            (&["5853498713190525696"], ColumnType::Str), // a Gaia source id: an f64 would change it
            (&["007"], ColumnType::Str),
            (&["0", "0.5", "-0.5"], ColumnType::F64),
            (&["1", "x"], ColumnType::Str),
            (&["", ""], ColumnType::Str),
        ];
        for (texts, column_type) in cases {
            assert_eq!(ColumnType::of_texts(texts.iter().copied()), column_type, "{texts:?}");
        }
        assert_eq!(ColumnType::I32.cell(" 7"), Cell::I32(7));
        assert_eq!(ColumnType::F64.cell(""), Cell::Null);
        assert_eq!(ColumnType::Str.cell(" a"), Cell::Str(" a".into()));
    }
}
