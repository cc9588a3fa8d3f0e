//! The rows of a text file, byte for byte.

use super::records::Separator;
use crate::survey::catalogue::content::number;
use crate::survey::catalogue::{CatalogueError, Place, RowNumber};
use crate::survey::table::ColumnType;
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

/// What the rows say about the columns.
pub(super) struct Seen {
    columns: usize,
    /// Whether all values of the last column are empty.
    last_unused: bool,
    /// The first row with another number of values than there are columns, and than there are without the last one.
    misfits: [Option<(RowNumber, usize)>; 2],
    /// By column.
    values: Vec<SeenValues>,
}

#[derive(Default)]
struct SeenValues {
    /// The narrowest type, of the texts as they are and with the first comma as a point.
    narrowest: Option<ColumnType>,
    with_point: Option<ColumnType>,
    commas: bool,
    /// A value that is no number, not even with a point for a comma.
    no_number: bool,
}

impl Seen {
    pub fn new(columns: usize) -> Seen {
        Seen {
            columns,
            last_unused: true,
            misfits: [None, None],
            values: (0..columns).map(|_| SeenValues::default()).collect(),
        }
    }

    /// Takes note of rows; `types`: also of the types of their values.
    pub fn see(&mut self, records: &[StringRecord], separator: Separator, types: bool) {
        let last = self.columns.saturating_sub(1);
        for record in records.iter().filter(|record| !is_empty(record)) {
            self.last_unused &= record.get(last).is_none_or(str::is_empty);
            for (misfit, columns) in self.misfits.iter_mut().zip([self.columns, last]) {
                if misfit.is_none() && !fits(record, columns) {
                    *misfit = Some((row_number(record), record.len()));
                }
            }
            if !types && separator == Separator::Comma {
                continue;
            }
            for (values, text) in self.values.iter_mut().zip(record).filter(|(_, text)| !text.is_empty()) {
                if types {
                    values.narrowest = ColumnType::wider(values.narrowest.take(), text);
                }
                if separator != Separator::Comma {
                    let point = text.replace(',', ".");
                    values.commas |= text.contains(',');
                    values.no_number |= text.replacen(',', ".", 1).parse::<f64>().is_err();
                    if types {
                        values.with_point = ColumnType::wider(values.with_point.take(), &point);
                    }
                }
            }
        }
    }

    /// Drops the last of `names` if there is nothing in its column: a separator at the end of each line. Returns which
    /// columns have numbers with decimal commas.
    ///
    /// # Errors
    /// A row with another number of values than there are columns.
    pub fn columns(
        &self,
        names: &mut Vec<String>,
        separator: Separator,
        path: &Path,
    ) -> Result<Vec<bool>, CatalogueError> {
        let drop = names.len() > 1 && names.last().is_some_and(String::is_empty) && self.last_unused;
        if drop {
            names.pop();
        }
        if let Some((row, found)) = self.misfits[usize::from(drop)] {
            return Err(CatalogueError::RowLength {
                place: Place { path: path.into(), row },
                found,
                expected: names.len(),
                separator: separator.name(),
            });
        }
        let values = self.values.iter().take(names.len());
        Ok(values
            .map(|v| separator != Separator::Comma && v.commas && !v.no_number)
            .collect())
    }

    /// The types of the columns, of which these have decimal commas.
    pub fn types(self, decimal_comma: &[bool]) -> Vec<ColumnType> {
        let of_column = |(values, comma): (SeenValues, &bool)| match comma {
            true => values.with_point,
            false => values.narrowest,
        };
        let types = self.values.into_iter().zip(decimal_comma).map(of_column);
        types.map(|narrowest| narrowest.unwrap_or(ColumnType::Str)).collect()
    }
}

/// Whether a record has so many values, or one more that is empty.
fn fits(record: &StringRecord, columns: usize) -> bool {
    record.len() == columns || (record.len() == columns + 1 && record.get(columns) == Some(""))
}

fn is_empty(record: &StringRecord) -> bool {
    record.iter().all(str::is_empty)
}

impl TextRows {
    /// Rows for the columns `names`, without rows that are empty. A separator at the end of each line is ignored: the
    /// last of `names` is then removed if it is empty.
    ///
    /// # Errors
    /// A row with another number of values than there are columns.
    pub fn new(
        names: &mut Vec<String>,
        records: Vec<StringRecord>,
        separator: Separator,
        path: &Path,
    ) -> Result<TextRows, CatalogueError> {
        let mut seen = Seen::new(names.len());
        seen.see(&records, separator, false);
        let decimal_comma = seen.columns(names, separator, path)?;
        Ok(TextRows::of_columns(records, decimal_comma))
    }

    /// Rows whose columns are known; records that are empty are left out.
    pub fn of_columns(mut records: Vec<StringRecord>, decimal_comma: Vec<bool>) -> TextRows {
        records.retain(|record| !is_empty(record));
        records
            .iter_mut()
            .for_each(|record| record.truncate(decimal_comma.len()));
        TextRows { records, decimal_comma }
    }

    /// The last rows, from `at` on, which are removed.
    pub fn split_off(&mut self, at: usize) -> TextRows {
        TextRows {
            records: self.records.split_off(at),
            decimal_comma: self.decimal_comma.clone(),
        }
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
}

fn row_number(record: &StringRecord) -> RowNumber {
    RowNumber::Line(record.position().map_or(0, csv::Position::line))
}
