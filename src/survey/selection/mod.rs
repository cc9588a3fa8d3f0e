//! Which objects are used: rows of the catalogue that have images and, for training, a label.

mod error;
mod labels;
mod present;

pub use error::{ColumnRole, SelectionError};

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;

use super::catalogue::{Catalogue, CatalogueError};
use super::error::Result;
use super::folder::ImageFolderOptions;
use super::images::Images;
use super::layout::{FolderLayout, one_file};
use labels::LabelColumns;
use present::PresentImages;

/// An object that has all its images.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its id in the catalogue or the file names.
    pub id: String,
    /// The label, arcsec.
    pub theta_e: Option<f64>,
    /// Its row in the catalogue, counted from 0, if it has one.
    pub row: Option<usize>,
    /// Its place in a stack; 0 for separate files.
    pub(super) image: usize,
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

/// The objects to use, in the order of the catalogue, or of their ids if there is none.
pub(super) struct Selection {
    pub objects: Vec<Object>,
    pub catalogue: Option<Catalogue>,
    pub label: Option<String>,
    pub dropped: DropReport,
    pub warnings: Vec<String>,
}

const NO_IMAGE: &str = "without an image";

impl Selection {
    /// Rows of the catalogue with a label. With a survey's preset, an object without an image is dropped, because a
    /// download may be in progress; otherwise it is an error, because the name pattern is probably wrong.
    pub fn labelled(options: &ImageFolderOptions, layout: &FolderLayout) -> Result<Selection> {
        let path = find_catalogue(options)?.ok_or_else(|| SelectionError::NoCatalogue {
            folder: options.dir.clone(),
        })?;
        let catalogue = Catalogue::read(&path)?;
        let ids = id_column(options, &catalogue)?;
        let rows_by_id = catalogue.rows_by_id(ids)?;
        let labels = LabelColumns::find(options, layout.challenge(), &catalogue)?;
        let present = PresentImages::find(&layout.images, catalogue.len(), &catalogue.path)?;
        let mut dropped = DropReport {
            rows: catalogue.len(),
            ..Default::default()
        };
        let (mut objects, mut without_image) = (Vec::new(), Vec::new());
        for row in 0..catalogue.len() {
            if let Some(reason) = labels.reason_to_drop(&catalogue, row) {
                dropped.add(&reason, 1);
                continue;
            }
            let id = catalogue.text(row, ids);
            if !present.contains(id)? {
                without_image.push(row);
                continue;
            }
            objects.push(Object {
                id: id.to_owned(),
                theta_e: Some(labels.theta_e(&catalogue, row, id)?),
                row: Some(row),
                image: row,
            });
        }
        if layout.challenge().is_none()
            && let Some(&first) = without_image.first()
        {
            let id = catalogue.text(first, ids);
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
        let warnings = without_row_warning(present.count_missing_from(&rows_by_id), &catalogue);
        Ok(Selection {
            objects,
            warnings: warnings.into_iter().collect(),
            catalogue: Some(catalogue),
            label: Some(labels.name),
            dropped,
        })
    }

    /// All images. A catalogue, if the user names one, only adds its columns, but that of a stack gives the ids.
    pub fn unlabelled(options: &ImageFolderOptions, layout: &FolderLayout) -> Result<Selection> {
        let path = match &layout.images {
            Images::Stack { .. } => find_catalogue(options)?,
            Images::PerBand { .. } | Images::PerObject { .. } => options.catalogue.clone(),
        };
        let catalogue = path.map(|path| Catalogue::read(&path)).transpose()?;
        let rows_by_id = match &catalogue {
            Some(catalogue) => catalogue.rows_by_id(id_column(options, catalogue)?)?,
            None => HashMap::new(),
        };
        let objects = match (&layout.images, &catalogue) {
            (Images::Stack { stack, .. }, None) => numbered(stack.shape[0]),
            (images, catalogue) => {
                let rows = catalogue.as_ref().map_or(0, Catalogue::len);
                let named_in = catalogue.as_ref().map_or(options.dir.as_path(), |c| &c.path);
                match PresentImages::find(images, rows, named_in)? {
                    PresentImages::Stack => in_order_of_rows(&rows_by_id),
                    present => {
                        let objects = with_images(&present, &rows_by_id)?;
                        if objects.is_empty() {
                            return Err(SelectionError::NoImages {
                                folder: options.dir.clone(),
                                file: present.file("ID"),
                            }
                            .into());
                        }
                        objects
                    }
                }
            }
        };
        let (mut dropped, mut warnings) = (DropReport::default(), None);
        if let Some(catalogue) = &catalogue {
            dropped.rows = catalogue.len();
            dropped.kept = objects.iter().filter(|o| o.row.is_some()).count();
            dropped.add(NO_IMAGE, dropped.rows - dropped.kept);
            warnings = without_row_warning(objects.len() - dropped.kept, catalogue);
        }
        Ok(Selection {
            objects,
            catalogue,
            label: None,
            dropped,
            warnings: warnings.into_iter().collect(),
        })
    }
}

/// The images of a stack without a catalogue: their numbers are their ids.
fn numbered(images: usize) -> Vec<Object> {
    let object = |image: usize| Object {
        id: image.to_string(),
        theta_e: None,
        row: None,
        image,
    };
    (0..images).map(object).collect()
}

/// The images of a stack whose rows are those of a catalogue.
fn in_order_of_rows(rows_by_id: &HashMap<&str, usize>) -> Vec<Object> {
    let mut rows: Vec<_> = rows_by_id.iter().map(|(&id, &row)| (row, id)).collect();
    rows.sort_unstable();
    let object = |(row, id): (usize, &str)| Object {
        id: id.into(),
        theta_e: None,
        row: Some(row),
        image: row,
    };
    rows.into_iter().map(object).collect()
}

/// All objects that have files, and their rows if they have one.
fn with_images(present: &PresentImages, rows_by_id: &HashMap<&str, usize>) -> Result<Vec<Object>, SelectionError> {
    let object = |id: String| {
        present.contains(&id)?;
        Ok(Object {
            row: rows_by_id.get(id.as_str()).copied(),
            id,
            theta_e: None,
            image: 0,
        })
    };
    present.ids().into_iter().map(object).collect()
}

fn without_row_warning(count: usize, catalogue: &Catalogue) -> Option<String> {
    let name = catalogue.path.display();
    (count > 0).then(|| format!("{count} objects have images but no row in {name}"))
}

fn id_column(options: &ImageFolderOptions, catalogue: &Catalogue) -> Result<usize, SelectionError> {
    find_column(catalogue, options.id_name(), ColumnRole::Id)
}

fn find_column(catalogue: &Catalogue, name: &str, role: ColumnRole) -> Result<usize, SelectionError> {
    let missing = |source: CatalogueError| SelectionError::Column { role, source };
    catalogue.column(name).map_err(missing)
}

fn find_catalogue(options: &ImageFolderOptions) -> Result<Option<PathBuf>> {
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
