//! The rows of a table that is read in windows: the condition on rows, and their ids.

use super::columns::optional_id_column;
use super::filter::Filter;
use super::{Object, SelectionError};
use crate::survey::catalogue::{Catalogue, CatalogueError, StreamedTable};
use crate::survey::error::Result;
use crate::survey::folder::ImageFolderOptions;
use crate::survey::table::{ColumnType, is_canonical};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Which rows are objects, and their ids.
#[derive(Debug)]
pub(in crate::survey) struct StreamedRows {
    /// The column of the ids, if there is one; otherwise the numbers of rows, from 0, are the ids.
    pub id_column: Option<usize>,
    filter: Option<Filter>,
    condition: String,
}

impl StreamedRows {
    /// # Errors
    /// No column of the ids that the options name; a condition that is none.
    pub fn new(options: &ImageFolderOptions, head: &Catalogue) -> Result<StreamedRows> {
        let condition = options.condition.as_deref();
        let filter = condition.map(|text| Filter::parse(text, head)).transpose();
        Ok(StreamedRows {
            id_column: optional_id_column(options, head)?,
            filter: filter.map_err(SelectionError::from)?,
            condition: condition.unwrap_or_default().into(),
        })
    }

    /// The columns that it depends on.
    pub fn columns(&self) -> Vec<usize> {
        let filter = self.filter.iter().flat_map(Filter::columns);
        filter.chain(self.id_column).collect()
    }

    /// The objects of a window, without images.
    pub fn objects(&self, window: &Catalogue) -> Vec<Object> {
        let selected = |row: &usize| self.filter.as_ref().is_none_or(|filter| filter.selects(window, *row));
        let object = |row: usize| Object {
            id: match self.id_column {
                Some(column) => window.text(row, column).to_owned(),
                None => (window.first_row() + row).to_string(),
            },
            theta_e: None,
            row: Some(row),
            pixels: None,
        };
        (0..window.len()).filter(selected).map(object).collect()
    }

    /// # Errors
    /// None of the rows is selected.
    pub fn some_selected(&self, table: &StreamedTable, selected: usize) -> Result<(), SelectionError> {
        match selected {
            0 => Err(SelectionError::NothingSelected {
                catalogue: table.head.path.clone(),
                rows: table.len(),
                condition: self.condition.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// A check of the ids, before any row.
    pub fn check(&self) -> IdCheck<'_> {
        IdCheck {
            rows: self,
            hashes: Vec::new(),
            whole: true,
        }
    }
}

/// Finds ids that are empty or repeated. Of every id, 8 bytes are kept.
pub(in crate::survey) struct IdCheck<'a> {
    rows: &'a StreamedRows,
    hashes: Vec<u64>,
    /// Whether all ids are whole numbers as a program writes them.
    whole: bool,
}

impl IdCheck<'_> {
    /// Takes note of the objects of a window.
    ///
    /// # Errors
    /// An id that is empty.
    pub fn see(&mut self, window: &Catalogue, objects: &[Object]) -> Result<(), SelectionError> {
        let Some(column) = self.rows.id_column else {
            return Ok(());
        };
        for object in objects {
            if object.id.is_empty() {
                return Err(SelectionError::Ids(CatalogueError::EmptyId {
                    place: window.place(object.row.unwrap_or_default()),
                    column: window.columns[column].clone(),
                }));
            }
            self.whole = self.whole && is_canonical(&object.id);
            self.hashes.push(hash(&object.id));
        }
        Ok(())
    }

    /// # Errors
    /// An id that is repeated.
    pub fn finish(&mut self, table: &StreamedTable) -> Result<()> {
        let mut hashes = std::mem::take(&mut self.hashes);
        hashes.par_sort_unstable();
        let twice = hashes.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
        let twice: HashSet<u64> = twice.collect();
        drop(hashes);
        let Some(column) = self.rows.id_column.filter(|_| !twice.is_empty()) else {
            return Ok(());
        };
        // Different ids may have the same hash.
        let mut seen = HashMap::new();
        for window in table.windows(0, &table.only(self.rows.columns())) {
            let window = window?;
            for object in self.rows.objects(&window) {
                if !twice.contains(&hash(&object.id)) {
                    continue;
                }
                let place = window.place(object.row.unwrap_or_default());
                if let Some(first) = seen.insert(object.id.clone(), place.row) {
                    return Err(SelectionError::Ids(CatalogueError::RepeatedId {
                        place,
                        first,
                        id: object.id,
                        column: window.columns[column].clone(),
                    })
                    .into());
                }
            }
        }
        Ok(())
    }

    /// The type of a column of these ids.
    pub fn column_type(&self) -> ColumnType {
        match self.whole {
            true => ColumnType::I64,
            false => ColumnType::Str,
        }
    }
}

fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
