//! Which rows of a catalogue of predictions are used.

use super::numbers::column;
use super::{ColumnRole, Error};
use crate::lens::physics::convention::Convention;
use crate::numeric::counted;
use crate::survey::predictions::Predictions;
use crate::survey::table::sidecar;
use crate::survey::{self, Catalogue};
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

/// A catalogue of predictions, and which of its rows to use.
#[derive(Clone, Debug)]
pub struct PredictionOptions {
    /// Table with the columns that `infer` writes.
    pub catalogue: PathBuf,
    /// Column of the ids; `None`: `id` if there is such a column, otherwise the row number is the id.
    pub id: Option<String>,
    /// Bits of [`flags`](crate::survey::flags) that a row may have.
    pub accepted_flags: i32,
    /// What theta_e means; `None`: what the file beside the catalogue says of the labels, otherwise
    /// [`Convention::Intermediate`].
    pub convention: Option<Convention>,
}

/// Rows that are not used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// With a flag that is not accepted.
    pub flagged: usize,
    /// Without a prediction, or without any probability above 0.
    pub without_prediction: usize,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let reasons = [
            (self.flagged, "flagged"),
            (self.without_prediction, "without a prediction"),
        ];
        f.write_str(&counted(&reasons, "none left out"))
    }
}

/// A row that is used.
#[derive(Clone, Copy)]
pub(super) struct Object {
    /// Counted from 0.
    pub row: usize,
    /// Quantiles of theta_e, of which at least two are above 0.
    pub quantiles: [f64; 5],
    /// Its flags, all of which are accepted.
    pub flags: i32,
}

/// The rows that are used.
pub(super) struct Objects<'a> {
    pub catalogue: &'a Catalogue,
    pub predictions: Predictions<'a>,
    pub objects: Vec<Object>,
    pub left_out: LeftOut,
    /// What theta_e means, and where that is known from.
    pub convention: Convention,
    pub convention_source: &'static str,
    id: Option<usize>,
}

impl<'a> Objects<'a> {
    /// # Errors
    /// Missing columns; a cell that is no prediction; no rows left.
    pub fn new(catalogue: &'a Catalogue, options: &PredictionOptions) -> Result<Objects<'a>, Error> {
        let predictions = Predictions::find(catalogue)?;
        let named = options
            .id
            .as_deref()
            .map(|name| column(catalogue, name, ColumnRole::Id));
        let id = named.transpose()?.or(catalogue.find("id"));
        let flags = catalogue.find("flags");
        let mut left_out = LeftOut::default();
        let mut objects = Vec::new();
        for row in 0..catalogue.len() {
            // A row without flags has no prediction either, which is counted as such.
            let flags = flags.map_or(0, |column| catalogue.number(row, column) as i32);
            let quantiles = predictions.checked_quantiles(row)?;
            match quantiles.filter(|quantiles| quantiles[3] > 0.0) {
                None => left_out.without_prediction += 1,
                Some(_) if flags & !options.accepted_flags != 0 => left_out.flagged += 1,
                Some(quantiles) => objects.push(Object { row, quantiles, flags }),
            }
        }
        if objects.is_empty() {
            return Err(Error::NoRows {
                path: catalogue.path.clone(),
                rows: catalogue.len(),
                left_out,
            });
        }
        let described = || {
            let description = sidecar::read(&catalogue.path).ok()?;
            Convention::of_label(description["model"]["label"]["definition"].as_str()?)
        };
        let (convention, convention_source) = match options.convention {
            Some(convention) => (convention, "as given"),
            None => match described() {
                Some(convention) => (convention, "of the model's labels"),
                None => (Convention::Intermediate, "assumed"),
            },
        };
        Ok(Objects {
            catalogue,
            predictions,
            objects,
            left_out,
            convention,
            convention_source,
            id,
        })
    }

    /// The id of a row; its number, from 1, if the catalogue has no ids.
    pub fn id(&self, row: usize) -> Cow<'a, str> {
        match self.id {
            Some(column) => self.catalogue.text(row, column).into(),
            None => (row + 1).to_string().into(),
        }
    }

    /// Ids are not empty and occur once.
    ///
    /// # Errors
    /// The first row whose id is empty or repeated.
    pub fn check_ids(&self) -> Result<(), Error> {
        match self.id {
            Some(column) => Ok(self
                .catalogue
                .rows_by_id(column)
                .map(drop)
                .map_err(survey::Error::from)?),
            None => Ok(()),
        }
    }
}
