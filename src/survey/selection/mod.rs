//! Which objects are used: rows of the catalogue that have images and, for training, a label.
//!
//! | file | what it does |
//! |---|---|
//! | this one | the objects |
//! | `columns` | finds the catalogue, and its columns by their roles |
//! | `filter` | the user's condition on rows |
//! | `rows`, `ids`, `present` | which rows are selected, which images there are, and which belongs to which |
//! | `labels` | labels, and rows that have none |
//! | `table_rows` | the rows of a table without images |
//! | `streamed_rows` | the rows of a table that is read in windows |

mod columns;
mod error;
mod filter;
mod ids;
mod labels;
mod present;
mod rows;
mod streamed_rows;
mod table_rows;

pub use error::{ColumnRole, SelectionError};
pub(crate) use filter::Filter;
pub use filter::FilterError;
pub(super) use filter::truth;
pub(crate) use labels::LensColumn;
pub(super) use present::is_table;
pub(super) use streamed_rows::StreamedRows;
pub(super) use table_rows::RowSelection;
pub(crate) use table_rows::{is_missing, is_unknown_number};

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::catalogue::Catalogue;
use super::error::Result;
use super::folder::ImageFolderOptions;
use super::images::Images;
use super::layout::FolderLayout;
use columns::find_catalogue;
use labels::LabelColumns;
use present::PresentImages;
use rows::SelectedRows;

/// An object: an image, a row of the catalogue, or both.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its id in the catalogue or, without a row, in the file names.
    pub id: String,
    /// The label: arcsec, or the unit of a table's column; `None` if labels are not asked for, and for an object that is
    /// not a lens.
    pub theta_e: Option<f64>,
    /// Its row in the catalogue, counted from 0, if it has one.
    pub row: Option<usize>,
    /// `None` for a row without an image.
    pub(super) pixels: Option<Pixels>,
}

/// Where an object's image is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Pixels {
    /// In a stack or a table, at this place among its images or among the objects that are used.
    InStack(usize),
    /// In the files whose names have this id. The catalogue may write it in another way: `7` for `007`.
    InFiles(String),
}

impl Object {
    /// Says where its image is in a stack or among the objects that have one; `None`: it has none.
    pub(super) fn set_place(&mut self, place: Option<usize>) {
        self.pixels = place.map(Pixels::InStack);
    }

    /// Whether it has an image, which may be unreadable.
    pub fn has_image(&self) -> bool {
        self.pixels.is_some()
    }
}

/// How many rows of a catalogue are used, and why others are not. Displayed as one line.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DropReport {
    /// Rows of the catalogue.
    pub rows: usize,
    /// Rows that are used.
    pub kept: usize,
    /// How many rows were dropped for each reason.
    pub reasons: BTreeMap<String, usize>,
}

impl DropReport {
    /// Of a catalogue, of whose rows some are selected.
    fn new(catalogue: &Catalogue, selected: usize) -> DropReport {
        DropReport::of(catalogue.len(), selected)
    }

    /// Of so many rows, of which some are selected.
    pub(super) fn of(rows: usize, selected: usize) -> DropReport {
        let mut report = DropReport {
            rows,
            kept: selected,
            reasons: BTreeMap::new(),
        };
        report.add(NOT_SELECTED, rows - selected);
        report
    }

    fn add(&mut self, reason: &str, count: usize) {
        if count > 0 {
            *self.reasons.entry(reason.to_owned()).or_default() += count;
        }
    }
}

impl fmt::Display for DropReport {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} of {} rows used", self.kept, self.rows)?;
        for (i, (reason, count)) in self.reasons.iter().enumerate() {
            write!(f, "{} {count} {reason}", if i == 0 { "; dropped:" } else { "," })?;
        }
        Ok(())
    }
}

/// The objects to use, in the order of the catalogue, or in natural order of their ids if there is none.
pub(super) struct Selection {
    pub objects: Vec<Object>,
    pub catalogue: Option<Catalogue>,
    /// The column of the ids in the catalogue.
    pub id_column: Option<usize>,
    pub label: Option<String>,
    pub dropped: DropReport,
    pub warnings: Vec<String>,
}

const NO_IMAGE: &str = "without an image";
const NOT_SELECTED: &str = "not selected";

impl Selection {
    /// Rows of the catalogue with a label, and those of non-lenses if the options ask for them. With a survey's preset,
    /// an object without an image is dropped, because a download may be in progress; otherwise it is an error, because
    /// the name pattern is probably wrong.
    pub fn labelled(options: &ImageFolderOptions, layout: &FolderLayout) -> Result<Selection> {
        let path = required_catalogue(options)?;
        let catalogue = read(&path, options)?;
        let rows = SelectedRows::new(options, &catalogue)?;
        let labels = LabelColumns::find(options, layout.challenge(), &catalogue)?;
        let present = PresentImages::find(&layout.images, catalogue.len(), &catalogue.path)?;
        let mut matches = rows.matches(&present)?;
        let mut dropped = DropReport::new(&catalogue, rows.rows.len());
        let (mut objects, mut without_image) = (Vec::new(), Vec::new());
        for (&row, pixels) in rows.rows.iter().zip(&mut matches.pixels) {
            let without_label = options.non_lenses && labels.is_non_lens(&catalogue, row);
            if !without_label && let Some(reason) = labels.reason_to_drop(&catalogue, row) {
                dropped.add(&reason, 1);
                continue;
            }
            let Some(pixels) = pixels.take() else {
                without_image.push(row);
                continue;
            };
            check_bands(&present, &pixels)?;
            let id = rows.id(row);
            let label = (!without_label).then(|| labels.theta_e(&catalogue, row, id));
            objects.push(Object {
                id: id.to_owned(),
                theta_e: label.transpose()?,
                row: Some(row),
                pixels: Some(pixels),
            });
        }
        if layout.challenge().is_none()
            && let Some(&first) = without_image.first()
        {
            let id = rows.id(first);
            return Err(SelectionError::NoImage {
                place: catalogue.place(first),
                id: id.into(),
                file: present.file(id),
                others: without_image.len() - 1,
            }
            .into());
        }
        dropped.add(NO_IMAGE, without_image.len());
        dropped.kept = objects.len();
        if objects.is_empty() {
            return Err(SelectionError::NothingUsable {
                catalogue: catalogue.path,
                dropped,
            }
            .into());
        }
        Ok(Selection {
            objects,
            warnings: rows.without_row_warning(&matches).into_iter().collect(),
            id_column: Some(rows.ids),
            catalogue: Some(catalogue),
            label: Some(labels.name),
            dropped,
        })
    }

    /// Without a catalogue, all images; with one, its rows, whether they have an image or not. The catalogue is the one
    /// that the user names; a stack, and a condition on the rows, may also use that of the folder.
    pub fn unlabelled(options: &ImageFolderOptions, layout: &FolderLayout) -> Result<Selection> {
        let path = match (&layout.images, &options.condition) {
            (_, Some(_)) => Some(required_catalogue(options)?),
            (Images::Stack { .. }, None) => find_catalogue(options)?,
            (
                Images::PerBand { .. }
                | Images::PerObject { .. }
                | Images::Pictures { .. }
                | Images::Table(_)
                | Images::Tiles(_),
                None,
            ) => options.catalogue.clone(),
        };
        match path {
            Some(path) => Selection::of_rows(read(&path, options)?, options, layout),
            None => Selection::of_images(options, &layout.images),
        }
    }

    fn of_images(options: &ImageFolderOptions, images: &Images) -> Result<Selection> {
        let objects = match images {
            Images::Stack { stack, .. } => numbered(stack.shape[0]),
            Images::PerBand { .. }
            | Images::PerObject { .. }
            | Images::Pictures { .. }
            | Images::Table(_)
            | Images::Tiles(_) => {
                let present = PresentImages::find(images, 0, &options.dir)?;
                let ids = present.ids();
                if ids.is_empty() {
                    return Err(no_images(options, &present).into());
                }
                ids.into_iter().map(image_only).collect()
            }
        };
        Ok(Selection {
            objects,
            catalogue: None,
            id_column: None,
            label: None,
            dropped: DropReport::default(),
            warnings: vec![],
        })
    }

    fn of_rows(catalogue: Catalogue, options: &ImageFolderOptions, layout: &FolderLayout) -> Result<Selection> {
        let present = PresentImages::find(&layout.images, catalogue.len(), &catalogue.path)?;
        let rows = SelectedRows::new(options, &catalogue)?;
        let matches = rows.matches(&present)?;
        if matches.pixels.iter().all(Option::is_none) {
            return Err(no_images(options, &present).into());
        }
        let warnings = [rows.without_image_warning(&matches), rows.without_row_warning(&matches)];
        let mut objects = Vec::with_capacity(rows.rows.len());
        for (&row, pixels) in rows.rows.iter().zip(matches.pixels) {
            objects.push(Object {
                id: rows.id(row).to_owned(),
                theta_e: None,
                row: Some(row),
                pixels,
            });
        }
        if options.keep_unmatched {
            objects.extend(matches.without_row.iter().map(|id| image_only(id)));
        }
        Ok(Selection {
            objects,
            label: None,
            dropped: DropReport::new(&catalogue, rows.rows.len()),
            id_column: Some(rows.ids),
            catalogue: Some(catalogue),
            warnings: warnings.into_iter().flatten().collect(),
        })
    }
}

/// The images of a stack without a catalogue: their numbers are their ids.
fn numbered(images: usize) -> Vec<Object> {
    let object = |image: usize| Object {
        id: image.to_string(),
        theta_e: None,
        row: None,
        pixels: Some(Pixels::InStack(image)),
    };
    (0..images).map(object).collect()
}

/// An object that has files and no row. If it lacks the file of a band, reading it is an error.
fn image_only(id: &str) -> Object {
    Object {
        id: id.to_owned(),
        theta_e: None,
        row: None,
        pixels: Some(Pixels::InFiles(id.to_owned())),
    }
}

fn check_bands(present: &PresentImages, pixels: &Pixels) -> Result<(), SelectionError> {
    match pixels {
        Pixels::InStack(_) => Ok(()),
        Pixels::InFiles(id) => present.check_bands(id),
    }
}

fn no_images(options: &ImageFolderOptions, present: &PresentImages) -> SelectionError {
    SelectionError::NoImages {
        folder: options.dir.clone(),
        file: present.file("ID"),
    }
}

fn required_catalogue(options: &ImageFolderOptions) -> Result<PathBuf> {
    let missing = || SelectionError::NoCatalogue {
        folder: options.dir.clone(),
    };
    Ok(find_catalogue(options)?.ok_or_else(missing)?)
}

/// The catalogue; of several tables in a file, the one with the columns that the options name.
fn read(path: &Path, options: &ImageFolderOptions) -> Result<Catalogue> {
    let remembered = options.remembered();
    let named = [
        &options.id_column,
        &options.label,
        &remembered.id_column,
        &remembered.label,
    ];
    let named = named.into_iter().flatten().map(String::as_str);
    let wanted: Vec<&str> = named.chain([columns::DEFAULT_ID, labels::DEFAULT_LABEL]).collect();
    Catalogue::read_with(path, &wanted)
}
