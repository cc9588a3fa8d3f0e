//! The rows of a table without images.

use super::columns::{find_column, optional_id_column};
use super::labels::DEFAULT_LABEL;
use super::rows::{check_ids, selected_rows};
use super::{ColumnRole, DropReport, Object, Pixels, SelectionError};
use crate::survey::catalogue::Catalogue;
use crate::survey::error::Result;
use crate::survey::folder::ImageFolderOptions;
use crate::survey::label::is_value;
use crate::survey::tabular::{Missing, TabularError};

/// Texts that stand for a value that is not known, in lower case.
const UNKNOWN: [&str; 8] = ["", "nan", "na", "n/a", "null", "none", "-", "--"];

/// Whether the text of a cell says that its value is not known.
pub(crate) fn is_missing(text: &str) -> bool {
    UNKNOWN.contains(&text.trim().to_ascii_lowercase().as_str())
}

/// Whether the text of a cell without a number says that the number is not known, and is no other text.
pub(crate) fn is_unknown_number(text: &str) -> bool {
    is_missing(text) || text.trim().parse::<f64>().is_ok()
}

/// The rows that are used, in the order of the table.
pub(in crate::survey) struct RowSelection {
    objects: Vec<Object>,
    /// The column of the ids, if there is one.
    pub id_column: Option<usize>,
    label: Option<(String, usize)>,
    /// Which rows are not used.
    pub dropped: DropReport,
}

impl RowSelection {
    /// The rows that fulfil the condition of the options, and their labels if the options require them. Rows without a
    /// label are dropped if the options drop rows with missing values.
    ///
    /// # Errors
    /// No column of the label; a condition that no row fulfils; an id that is empty or repeated; a label that is not a
    /// finite number.
    pub fn of_table(
        options: &ImageFolderOptions,
        catalogue: &Catalogue,
        missing: Option<Missing>,
    ) -> Result<RowSelection> {
        let id_column = optional_id_column(options, catalogue)?;
        let rows = selected_rows(options, catalogue)?;
        if let Some(ids) = id_column {
            check_ids(catalogue, ids, &rows).map_err(SelectionError::Ids)?;
        }
        let label = match options.require_labels {
            true => Some(label_column(options, catalogue)?),
            false => None,
        };
        let mut selection = RowSelection {
            objects: Vec::with_capacity(rows.len()),
            id_column,
            label,
            dropped: DropReport::new(catalogue, rows.len()),
        };
        let mut unlabelled = 0;
        for row in rows {
            let id = match id_column {
                Some(ids) => catalogue.text(row, ids).to_owned(),
                None => row.to_string(),
            };
            let value = match &selection.label {
                None => None,
                Some((_, column)) => {
                    let value = catalogue.number(row, *column);
                    if missing == Some(Missing::Drop) && is_missing(catalogue.text(row, *column)) {
                        unlabelled += 1;
                        continue;
                    }
                    if !is_value(value) {
                        return Err(SelectionError::BadValue {
                            place: catalogue.place(row),
                            column: catalogue.columns[*column].clone(),
                            text: catalogue.text(row, *column).into(),
                        }
                        .into());
                    }
                    Some(value)
                }
            };
            selection.objects.push(Object {
                id,
                theta_e: value,
                row: Some(row),
                pixels: None,
            });
        }
        selection.dropped.add("without a label", unlabelled);
        selection.kept(catalogue)?;
        Ok(selection)
    }

    /// Drops the rows that `keep` does not hold for.
    ///
    /// # Errors
    /// No row is left.
    pub fn retain(&mut self, catalogue: &Catalogue, reason: &str, keep: impl Fn(usize) -> bool) -> Result<()> {
        let before = self.objects.len();
        self.objects.retain(|object| object.row.is_some_and(&keep));
        self.dropped.add(reason, before - self.objects.len());
        self.kept(catalogue)
    }

    fn kept(&mut self, catalogue: &Catalogue) -> Result<()> {
        self.dropped.kept = self.objects.len();
        match self.objects.is_empty() {
            true => Err(SelectionError::NothingUsable {
                catalogue: catalogue.path.clone(),
                dropped: self.dropped.clone(),
            }
            .into()),
            false => Ok(()),
        }
    }

    /// Their places in the table, from 0.
    pub fn rows(&self) -> impl Iterator<Item = usize> {
        self.objects.iter().filter_map(|object| object.row)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Name and column of the label.
    pub fn label(&self) -> Option<(&str, usize)> {
        self.label.as_ref().map(|(name, column)| (name.as_str(), *column))
    }

    /// The objects, whose pixels are numbered in their order.
    pub fn into_objects(self) -> Vec<Object> {
        let numbered = self.objects.into_iter().enumerate();
        let with_pixels = numbered.map(|(place, object)| Object {
            pixels: Some(Pixels::InStack(place)),
            ..object
        });
        with_pixels.collect()
    }
}

/// The column that the user names, otherwise that of the model's training table if it is here too, otherwise `theta_e`.
fn label_column(options: &ImageFolderOptions, catalogue: &Catalogue) -> Result<(String, usize)> {
    let remembered = options.remembered().label;
    let remembered = remembered.filter(|name| catalogue.find(name).is_some());
    match options.label.clone().or(remembered) {
        Some(name) => {
            let column = find_column(catalogue, &name, ColumnRole::Label)?;
            Ok((name, column))
        }
        None => match catalogue.find(DEFAULT_LABEL) {
            Some(column) => Ok((DEFAULT_LABEL.into(), column)),
            None => Err(TabularError::NoLabel {
                path: catalogue.path.clone(),
                columns: catalogue.columns.clone(),
            }
            .into()),
        },
    }
}
