//! The rows of a text file, byte for byte.

use super::records::Separator;
use crate::survey::catalogue::content::number;
use crate::survey::catalogue::{CatalogueError, Place, RowNumber};
use csv::StringRecord;
use std::borrow::Cow;
use std::path::Path;

/// Rows of texts, each with its line.
#[derive(Debug)]
pub(in super::super) struct TextRows {
    records: Vec<StringRecord>,
    /// Columns whose numbers have decimal commas.
    decimal_comma: Vec<bool>,
}

impl TextRows {
    /// Rows for the columns `names`, without rows that are empty. A separator at the end of each line is ignored: the
    /// last of `names` is then removed if it is empty.
    ///
    /// # Errors
    /// A row with another number of values than there are columns.
    pub fn new(
        names: &mut Vec<String>,
        mut records: Vec<StringRecord>,
        separator: Separator,
        path: &Path,
    ) -> Result<TextRows, CatalogueError> {
        records.retain(|record| record.iter().any(|value| !value.is_empty()));
        let last = names.len().saturating_sub(1);
        let unused = |record: &StringRecord| record.get(last).is_none_or(str::is_empty);
        if last > 0 && names[last].is_empty() && records.iter().all(unused) {
            names.pop();
        }
        for record in &mut records {
            let expected = names.len();
            if record.len() == expected + 1 && record.get(expected) == Some("") {
                record.truncate(expected);
            }
            if record.len() != expected {
                return Err(CatalogueError::RowLength {
                    place: Place {
                        path: path.into(),
                        row: row_number(record),
                    },
                    found: record.len(),
                    expected,
                    separator: separator.name(),
                });
            }
        }
        let mut rows = TextRows {
            records,
            decimal_comma: vec![false; names.len()],
        };
        if separator != Separator::Comma {
            rows.decimal_comma = (0..names.len()).map(|column| rows.has_decimal_commas(column)).collect();
        }
        Ok(rows)
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn text(&self, row: usize, column: usize) -> &str {
        self.records[row].get(column).unwrap_or("")
    }

    /// The text with a decimal point.
    pub fn with_point(&self, row: usize, column: usize) -> Cow<'_, str> {
        let text = self.text(row, column);
        match self.decimal_comma[column] {
            true => text.replace(',', ".").into(),
            false => text.into(),
        }
    }

    pub fn number(&self, row: usize, column: usize) -> f64 {
        number(&self.with_point(row, column))
    }

    pub fn row_number(&self, row: usize) -> RowNumber {
        row_number(&self.records[row])
    }

    /// The columns whose numbers have decimal commas.
    pub fn decimal_commas(&self) -> impl Iterator<Item = usize> {
        self.decimal_comma
            .iter()
            .enumerate()
            .filter(|&(_, &comma)| comma)
            .map(|(column, _)| column)
    }

    /// Whether a column holds numbers only, some with a comma.
    fn has_decimal_commas(&self, column: usize) -> bool {
        let texts = || {
            (0..self.len())
                .map(|row| self.text(row, column))
                .filter(|text| !text.is_empty())
        };
        let is_number = |text: &str| text.replacen(',', ".", 1).parse::<f64>().is_ok();
        texts().any(|text| text.contains(',')) && texts().all(is_number)
    }
}

fn row_number(record: &StringRecord) -> RowNumber {
    RowNumber::Line(record.position().map_or(0, csv::Position::line))
}
