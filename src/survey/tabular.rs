//! A table without images. Its rows are images of one pixel, and their bands are the features: (1, 1, F).

use super::bands::{BandChoice, Photometry};
use super::catalogue::{Catalogue, Place};
use super::error::{Error, Result};
use super::few;
use super::folder::{FolderError, ImageFolder, ImageFolderOptions};
use super::images::Images;
use super::remembered::ImageSource;
use super::selection::{RowSelection, is_missing, truth};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is done with a row that lacks the value of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// The value counts as the mean of the training rows.
    Mean,
    /// The row is not used for training, and has no prediction.
    Drop,
}

impl Missing {
    /// Both choices.
    pub const ALL: [Missing; 2] = [Missing::Mean, Missing::Drop];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Missing::Mean => "mean",
            Missing::Drop => "drop",
        }
    }

    /// One line for users.
    pub fn summary(self) -> &'static str {
        match self {
            Missing::Mean => "A missing value counts as the mean of the training rows",
            Missing::Drop => "Rows with a missing value are left out, and get no prediction",
        }
    }
}

/// A table that cannot be used as it is described.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TabularError {
    /// An option that only images have.
    #[error("{} is a table, and {option} is for images", path.display())]
    OnlyForImages {
        /// The table.
        path: PathBuf,
        /// The option.
        option: &'static str,
    },
    /// Nothing says which column is to be predicted.
    #[error("{} has no column theta_e; name the column to predict, one of: {}", path.display(), columns.join(", "))]
    NoLabel {
        /// The table.
        path: PathBuf,
        /// Its columns.
        columns: Vec<String>,
    },
    /// The label is one of the features.
    #[error("the column {name} is to be predicted, so it cannot be a feature")]
    LabelIsFeature {
        /// The column.
        name: String,
    },
    /// There is no other column than the label and the ids.
    #[error("{} has no column besides the label and the ids", path.display())]
    NoFeatures {
        /// The table.
        path: PathBuf,
    },
    /// A cell that is not a number.
    #[error(
        "{place}: the column {column} has '{text}', not a number; leave the column out, or give its values numbers"
    )]
    NotANumber {
        /// The row.
        place: Place,
        /// The column.
        column: String,
        /// The text of the cell.
        text: String,
    },
    /// A cell that is infinite, or too large for 32-bit numbers.
    #[error("{place}: the column {column} has {value}, which is too large; correct the row or remove it")]
    Infinite {
        /// The row.
        place: Place,
        /// The column.
        column: String,
        /// The value.
        value: f64,
    },
    /// An empty cell, and nothing says what to do with it.
    #[error("{place}: the column {column} has no value{}", other_rows(*others))]
    NoValue {
        /// The first such row.
        place: Place,
        /// The first such column.
        column: String,
        /// Other rows that lack a value.
        others: usize,
    },
    /// A feature with the same value in every row.
    #[error("{}: the column {column} is {value} in all {rows} rows, so nothing can be learnt from it; leave it out", path.display())]
    Constant {
        /// The table.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its value.
        value: f32,
        /// Number of rows.
        rows: usize,
    },
    /// Fewer rows than features.
    #[error("{} has {rows} usable rows and {features} features; more rows than features are needed", path.display())]
    FewRows {
        /// The table.
        path: PathBuf,
        /// Rows that can be used.
        rows: usize,
        /// Number of features.
        features: usize,
    },
}

fn other_rows(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => " (nor has 1 other row all values)".into(),
        n => format!(" (nor have {n} other rows all values)"),
    }
}

/// The features of every object.
#[derive(Debug)]
pub(super) struct Features {
    path: PathBuf,
    /// Number of features.
    count: usize,
    /// (N, F); NaN for a missing value.
    values: Vec<f32>,
    /// Why an object cannot be predicted, by its place.
    unusable: BTreeMap<usize, String>,
}

impl Features {
    /// The table.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The values of the object at this place; NaN for a missing one.
    ///
    /// # Errors
    /// A row with a cell that is not a finite number.
    pub fn of(&self, place: usize) -> Result<&[f32]> {
        match self.unusable.get(&place) {
            Some(reason) => Err(Error::UnusableRow { reason: reason.clone() }),
            None => Ok(&self.values[place * self.count..][..self.count]),
        }
    }
}

/// Opens the table `options.dir`. Without [`bands`](ImageFolderOptions::bands) that name the features, these are all
/// columns but the label and the ids. Without a column `id`, the places of the rows, from 0, are the ids.
///
/// # Errors
/// A table that cannot be read; columns that are not there; with labels, cells that are not finite numbers, or missing
/// ones unless the options say what to do; in training, constant features, and fewer rows than features.
pub(super) fn open(options: &ImageFolderOptions) -> Result<ImageFolder> {
    refuse_options_of_images(options)?;
    let like = options.like.clone().unwrap_or_default();
    let missing = options.missing.or(like.missing);
    let chosen = options.bands.as_deref().map(BandChoice::all).transpose();
    let chosen = chosen.map_err(FolderError::Bands)?;
    let catalogue = {
        let named = chosen.iter().flatten().map(|choice| choice.file.as_str());
        let others = [&options.label, &options.id_column].into_iter().flatten();
        let wanted: Vec<&str> = named.chain(others.map(String::as_str)).collect();
        Catalogue::read_with(&options.dir, &wanted)?
    };
    let mut rows = RowSelection::of_table(options, &catalogue, missing)?;
    let (names, columns) = features(chosen, &rows, options, &catalogue)?;
    let training = options.require_labels && options.like.is_none();
    let cells = Cells {
        catalogue: &catalogue,
        columns: &columns,
    };
    if options.require_labels && missing == Some(Missing::Drop) {
        rows.retain(&catalogue, "without a value of every feature", |row| {
            cells.is_complete(row)
        })?;
    }
    let mut table = Features {
        path: catalogue.path.clone(),
        count: columns.len(),
        values: Vec::with_capacity(rows.len() * columns.len()),
        unusable: BTreeMap::new(),
    };
    // Each with the first feature that it lacks.
    let mut incomplete: Vec<(usize, usize)> = Vec::new();
    for (place, row) in rows.rows().enumerate() {
        let mut lacks = None;
        for column in 0..columns.len() {
            let value = match cells.value(row, column) {
                Ok(value) => value,
                Err(error) if options.require_labels => return Err(error.into()),
                Err(error) => {
                    table.unusable.insert(place, error.to_string());
                    f32::NAN
                }
            };
            if value.is_nan() && lacks.is_none() {
                lacks = Some(column);
            }
            table.values.push(value);
        }
        if let Some(column) = lacks.filter(|_| missing != Some(Missing::Mean)) {
            incomplete.push((row, column));
            let reason = cells.no_value(row, column, 0).to_string();
            table.unusable.entry(place).or_insert(reason);
        }
    }
    if let Some(&(row, column)) = incomplete.first().filter(|_| options.require_labels) {
        return Err(cells.no_value(row, column, incomplete.len() - 1).into());
    }
    let mut warnings = catalogue.warnings.clone();
    if training {
        check_training(&table, &names, &mut warnings)?;
    }
    let stored = ImageSource {
        id_column: rows.id_column.map(|column| catalogue.columns[column].clone()),
        label: rows.label().map(|(name, _)| name.into()),
        missing,
        ..ImageSource::default()
    };
    let mut notes = catalogue.notes.clone();
    notes.push(format!("{}: {}", catalogue.path.display(), rows.dropped));
    let unit = rows.label().map(|(_, column)| catalogue.described(column).unit);
    Ok(ImageFolder {
        label: rows.label().map(|(name, _)| name.into()),
        unit: unit.unwrap_or_default(),
        id_column: rows.id_column,
        dropped: rows.dropped.clone(),
        objects: rows.into_objects(),
        bands: names,
        height: 1,
        width: 1,
        pixel_scale: None,
        preset: None,
        stored,
        notes,
        photometry: Photometry::default(),
        warnings,
        catalogue: Some(catalogue),
        images: Images::Table(table),
        cropped: false,
        flux_scale: 1.0,
    })
}

/// Names of the features, and their columns.
fn features(
    chosen: Option<Vec<BandChoice>>,
    rows: &RowSelection,
    options: &ImageFolderOptions,
    catalogue: &Catalogue,
) -> Result<(Vec<String>, Vec<usize>)> {
    let label = rows.label().map(|(_, column)| column);
    let Some(chosen) = chosen else {
        let kept =
            (0..catalogue.columns.len()).filter(|&column| Some(column) != label && Some(column) != rows.id_column);
        let columns: Vec<usize> = kept.collect();
        if columns.is_empty() {
            let path = options.dir.clone();
            return Err(TabularError::NoFeatures { path }.into());
        }
        return Ok((columns.iter().map(|&c| catalogue.columns[c].clone()).collect(), columns));
    };
    let column = |choice: &BandChoice| catalogue.column(&choice.file);
    let columns: Vec<usize> = chosen.iter().map(column).collect::<std::result::Result<_, _>>()?;
    if let Some(at) = columns.iter().position(|&column| Some(column) == label) {
        let name = chosen[at].file.clone();
        return Err(TabularError::LabelIsFeature { name }.into());
    }
    Ok((chosen.into_iter().map(|choice| choice.name).collect(), columns))
}

/// The cells of the features.
struct Cells<'a> {
    catalogue: &'a Catalogue,
    columns: &'a [usize],
}

impl Cells<'_> {
    /// The value of a feature, NaN if it is missing; true and false are 1 and 0.
    fn value(&self, row: usize, feature: usize) -> Result<f32, TabularError> {
        let column = self.columns[feature];
        let value = self.catalogue.number(row, column);
        if value.is_nan() {
            let text = self.catalogue.text(row, column);
            return match (is_missing(text), truth(text)) {
                (true, _) => Ok(f32::NAN),
                (false, Some(truth)) => Ok(f32::from(u8::from(truth))),
                (false, None) => Err(TabularError::NotANumber {
                    place: self.catalogue.place(row),
                    column: self.name(feature),
                    text: text.into(),
                }),
            };
        }
        let single = value as f32;
        match single.is_finite() {
            true => Ok(single),
            false => Err(TabularError::Infinite {
                place: self.catalogue.place(row),
                column: self.name(feature),
                value,
            }),
        }
    }

    fn is_complete(&self, row: usize) -> bool {
        (0..self.columns.len()).all(|feature| !self.value(row, feature).is_ok_and(f32::is_nan))
    }

    fn no_value(&self, row: usize, feature: usize, others: usize) -> TabularError {
        TabularError::NoValue {
            place: self.catalogue.place(row),
            column: self.name(feature),
            others,
        }
    }

    fn name(&self, feature: usize) -> String {
        self.catalogue.columns[self.columns[feature]].clone()
    }
}

/// Values of a feature whose spread is less than this fraction of them lose digits as 32-bit numbers.
const LEAST_SPREAD: f32 = 1e-4;

/// A table to train on must have features that vary, and enough rows.
fn check_training(table: &Features, names: &[String], warnings: &mut Vec<String>) -> Result<(), TabularError> {
    let (count, path) = (table.count, &table.path);
    let rows = table.values.len() / count;
    let mut offset: Vec<&str> = Vec::new();
    for (feature, name) in names.iter().enumerate() {
        let known = || table.values.iter().skip(feature).step_by(count).filter(|v| !v.is_nan());
        let (low, high) = known().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)));
        // Without a value, low is infinite and high is minus infinity.
        if low >= high {
            return Err(TabularError::Constant {
                path: path.clone(),
                column: name.clone(),
                value: if low.is_finite() { low } else { f32::NAN },
                rows,
            });
        }
        if high - low < LEAST_SPREAD * low.abs().max(high.abs()) {
            offset.push(name);
        }
    }
    if rows <= count {
        return Err(TabularError::FewRows {
            path: path.clone(),
            rows,
            features: count,
        });
    }
    if !offset.is_empty() {
        warnings.push(format!(
            "{}: {} vary by less than 0.0001 of their values, and lose digits as 32-bit numbers; subtract a constant",
            path.display(),
            few(&offset)
        ));
    }
    Ok(())
}

fn refuse_options_of_images(options: &ImageFolderOptions) -> Result<(), TabularError> {
    let pixels = &options.pixels;
    let given = [
        ("a survey preset", options.preset.is_some()),
        ("a pattern of file names", options.images.is_some()),
        ("a separate catalogue", options.catalogue.is_some()),
        ("a crop", options.crop.is_some_and(|crop| crop != 1)),
        ("a pixel scale", options.pixel_scale.is_some()),
        ("a flux scale", options.flux_scale != 1.0),
        (
            "a mask",
            pixels.mask_value.is_some() || pixels.mask_bits.is_some() || pixels.zero_is_missing.is_some(),
        ),
        ("a flux unit", pixels.flux_unit.is_some()),
        ("p_lens", options.non_lenses),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some(&(option, _)) => Err(TabularError::OnlyForImages {
            path: options.dir.clone(),
            option,
        }),
        None => Ok(()),
    }
}
