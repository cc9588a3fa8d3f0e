//! The rows of a catalogue that fulfil the user's condition, and their images.

use super::columns::id_column;
use super::filter::Filter;
use super::ids::ImageIds;
use super::present::PresentImages;
use super::{Pixels, SelectionError};
use crate::survey::catalogue::{Catalogue, CatalogueError};
use crate::survey::error::Result;
use crate::survey::few;
use crate::survey::folder::ImageFolderOptions;
use crate::survey::table::ColumnType;
use std::collections::HashMap;

/// Images without a row of which more than this exist are not looked into, to see whether they are tables.
const FEW_FILES: usize = 20;

/// The rows that are selected, by their ids.
pub(super) struct SelectedRows<'a> {
    catalogue: &'a Catalogue,
    /// The column of the ids.
    pub ids: usize,
    /// Places in the catalogue, in order.
    pub rows: Vec<usize>,
}

/// Which image belongs to which row.
pub(super) struct Matches {
    /// For every selected row, its image if it has one.
    pub pixels: Vec<Option<Pixels>>,
    /// Ids of the images that belong to no row, in natural order.
    pub without_row: Vec<String>,
    /// All images.
    images: usize,
}

/// The rows that fulfil the user's condition, all without one.
///
/// # Errors
/// A condition that is none, or that no row fulfils.
pub(super) fn selected_rows(options: &ImageFolderOptions, catalogue: &Catalogue) -> Result<Vec<usize>, SelectionError> {
    let mut rows: Vec<usize> = (0..catalogue.len()).collect();
    if let Some(text) = &options.condition {
        let filter = Filter::parse(text, catalogue)?;
        rows.retain(|row| filter.selects(catalogue, *row));
        if rows.is_empty() {
            return Err(SelectionError::NothingSelected {
                catalogue: catalogue.path.clone(),
                rows: catalogue.len(),
                condition: text.clone(),
            });
        }
    }
    Ok(rows)
}

/// # Errors
/// An id that is empty or repeated, among the `selected` rows.
pub(super) fn check_ids(catalogue: &Catalogue, ids: usize, selected: &[usize]) -> Result<(), CatalogueError> {
    let column = || catalogue.columns[ids].clone();
    let mut rows = HashMap::with_capacity(selected.len());
    for &row in selected {
        let (id, place) = (catalogue.text(row, ids), || catalogue.place(row));
        if id.is_empty() {
            return Err(CatalogueError::EmptyId {
                place: place(),
                column: column(),
            });
        }
        if let Some(first) = rows.insert(id, row) {
            return Err(CatalogueError::RepeatedId {
                place: place(),
                first: catalogue.place(first).row,
                id: id.into(),
                column: column(),
            });
        }
    }
    Ok(())
}

impl<'a> SelectedRows<'a> {
    /// # Errors
    /// No column of ids; a condition that is none, or that no row fulfils; an id that is empty or repeated.
    pub fn new(options: &ImageFolderOptions, catalogue: &'a Catalogue) -> Result<Self, SelectionError> {
        let ids = id_column(options, catalogue)?;
        let rows = selected_rows(options, catalogue)?;
        check_ids(catalogue, ids, &rows).map_err(SelectionError::Ids)?;
        Ok(SelectedRows { catalogue, ids, rows })
    }

    /// The id of a row.
    pub fn id(&self, row: usize) -> &'a str {
        self.catalogue.text(row, self.ids)
    }

    /// Finds the image of every selected row. Images of rows that are not selected count as images with a row.
    ///
    /// # Errors
    /// There are images, and not one belongs to a selected row.
    pub fn matches(&self, present: &PresentImages) -> Result<Matches, SelectionError> {
        if let PresentImages::Stack = present {
            return Ok(Matches {
                pixels: self.rows.iter().map(|&row| Some(Pixels::InStack(row))).collect(),
                without_row: vec![],
                images: self.catalogue.len(),
            });
        }
        let images = present.ids();
        let ids: Vec<&str> = self.rows.iter().map(|&row| self.id(row)).collect();
        let all = || (0..self.catalogue.len()).map(|row| self.id(row));
        let whole_numbers = ColumnType::of_ids(all()) == ColumnType::I64;
        let known = ImageIds::new(&images);
        let found = known.of_rows(&ids, whole_numbers);
        if !images.is_empty() && found.iter().all(Option::is_none) {
            return Err(SelectionError::NothingMatches {
                catalogue: self.catalogue.path.clone(),
                column: self.catalogue.columns[self.ids].clone(),
                rows: ids.into_iter().map(String::from).collect(),
                images: images.into_iter().map(String::from).collect(),
            });
        }
        let mut with_row: Vec<&str> = found.iter().flatten().copied().collect();
        if self.rows.len() < self.catalogue.len() {
            let all: Vec<&str> = all().collect();
            with_row.extend(known.of_rows(&all, whole_numbers).into_iter().flatten());
        }
        let with_row: std::collections::HashSet<&str> = with_row.into_iter().collect();
        let mut without_row: Vec<String> = images
            .iter()
            .filter(|id| !with_row.contains(*id))
            .map(|id| id.to_string())
            .collect();
        if without_row.len() <= FEW_FILES {
            without_row.retain(|id| !present.is_table(id));
        }
        Ok(Matches {
            pixels: found
                .iter()
                .map(|id| id.map(|id| Pixels::InFiles(id.to_owned())))
                .collect(),
            images: with_row.len() + without_row.len(),
            without_row,
        })
    }

    /// A warning about the rows that have no image.
    pub fn without_image_warning(&self, matches: &Matches) -> Option<String> {
        let pairs = self.rows.iter().zip(&matches.pixels);
        let ids: Vec<&str> = pairs
            .filter(|(_, p)| p.is_none())
            .map(|(&row, _)| self.id(row))
            .collect();
        let (rows, name) = (self.rows.len(), self.catalogue.path.display());
        (!ids.is_empty()).then(|| {
            let count = ids.len();
            format!(
                "{count} of {rows} rows of {name} have no image, for example {}",
                few(&ids)
            )
        })
    }

    /// A warning about the images that have no row.
    pub fn without_row_warning(&self, matches: &Matches) -> Option<String> {
        let ids = &matches.without_row;
        let (images, name) = (matches.images, self.catalogue.path.display());
        (!ids.is_empty()).then(|| {
            let count = ids.len();
            format!(
                "{count} of {images} images have no row in {name}, for example {}",
                few(ids)
            )
        })
    }
}
