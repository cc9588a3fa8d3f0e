//! The catalogue of a folder, and its columns by their roles.

use super::{ColumnRole, SelectionError};
use crate::survey::catalogue::{Catalogue, CatalogueError};
use crate::survey::error::Result;
use crate::survey::folder::ImageFolderOptions;
use crate::survey::layout::one_file;
use std::path::PathBuf;

pub(super) const DEFAULT_ID: &str = "id";

/// The column of the ids: the one that the user names, otherwise that of the model's training catalogue if it is here
/// too, otherwise `id`.
pub(super) fn id_column(options: &ImageFolderOptions, catalogue: &Catalogue) -> Result<usize, SelectionError> {
    let remembered = options.remembered().id_column;
    let remembered = remembered.filter(|name| catalogue.find(name).is_some());
    let name = options.id_column.clone().or(remembered);
    find_column(catalogue, name.as_deref().unwrap_or(DEFAULT_ID), ColumnRole::Id)
}

/// The same for a table, which needs no ids: `None` if nobody names the column and there is none of the default name.
pub(super) fn optional_id_column(
    options: &ImageFolderOptions,
    catalogue: &Catalogue,
) -> Result<Option<usize>, SelectionError> {
    let named = options.id_column.is_some() || catalogue.find(DEFAULT_ID).is_some();
    let remembered = options.remembered().id_column;
    let remembered = remembered.is_some_and(|name| catalogue.find(&name).is_some());
    (named || remembered).then(|| id_column(options, catalogue)).transpose()
}

pub(super) fn find_column(catalogue: &Catalogue, name: &str, role: ColumnRole) -> Result<usize, SelectionError> {
    let missing = |source: CatalogueError| SelectionError::Column { role, source };
    catalogue.column(name).map_err(missing)
}

/// The catalogue that the user names, otherwise the `.csv` in the folder.
pub(super) fn find_catalogue(options: &ImageFolderOptions) -> Result<Option<PathBuf>> {
    if options.catalogue.is_some() {
        return Ok(options.catalogue.clone());
    }
    let dir = &options.dir;
    let usual = if dir.join("classifications.csv").is_file() {
        "classifications.csv"
    } else {
        "catalogue.csv"
    };
    // The challenge's images are in DIR/Public and its catalogue is in DIR; users may name either folder.
    let above = dir
        .parent()
        .filter(|_| dir.file_name().is_some_and(|name| name == "Public"));
    match (one_file(dir, "csv", usual)?, above) {
        (None, Some(above)) => one_file(above, "csv", "classifications.csv"),
        (here, _) => Ok(here),
    }
}
