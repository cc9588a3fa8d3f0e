//! The catalogue: which rows are used, and the posterior of theta_e of each.

use super::cells::Posterior;
use super::{Error, LeftOut, PopulationOptions, PosteriorSource};
use crate::model::Model;
use crate::survey::predictions::{ObjectPosterior, Predictions};
use crate::survey::{self, Catalogue, Filter, SelectionError};

/// The rows that are used.
pub(super) struct Input<'a> {
    /// What the posteriors are taken from.
    pub source: PosteriorSource,
    /// Row of the catalogue, counted from 0, mean of theta_e (arcsec) and posterior.
    pub objects: Vec<(usize, f64, ObjectPosterior<'a>)>,
    /// How many rows are not used, and why.
    pub left_out: LeftOut,
    /// What may be wrong, or is worth knowing.
    pub notes: Vec<String>,
}

impl Posterior for ObjectPosterior<'_> {
    fn between(&self, a: f64, b: f64) -> f64 {
        ObjectPosterior::between(self, a, b)
    }

    fn quantiles(&self) -> [f64; 5] {
        ObjectPosterior::quantiles(self)
    }
}

impl<'a> Input<'a> {
    /// Finds the rows and their posteriors.
    ///
    /// # Errors
    /// Missing columns, a condition that cannot be read, a cell that is no prediction, no rows left.
    pub fn new(
        catalogue: &Catalogue,
        options: &PopulationOptions,
        model: Option<&'a Model>,
    ) -> Result<Input<'a>, Error> {
        let predictions = Predictions::find(catalogue)?;
        let mut left_out = LeftOut::default();
        let mut notes = Vec::new();
        let selected = selected(catalogue, options, &mut left_out, &mut notes)?;
        let mut rows = Vec::new();
        for row in selected {
            match predictions.checked_quantiles(row)? {
                Some(quantiles) => rows.push((row, quantiles)),
                None => left_out.without_prediction += 1,
            }
        }
        if rows.is_empty() {
            return Err(Error::NoRows {
                path: catalogue.path.clone(),
                rows: catalogue.len(),
                left_out,
            });
        }
        let calibration = model.and_then(|model| model.about.calibration.as_ref());
        let map = calibration.map(|calibration| &calibration.map);
        let (source, posteriors) = predictions.posteriors(&rows, options.from_quantiles, map, &mut notes)?;
        let of_row = |((row, _), posterior): (&(usize, [f64; 5]), _)| (*row, predictions.theta_e(*row), posterior);
        Ok(Input {
            source,
            objects: rows.iter().zip(posteriors).map(of_row).collect(),
            left_out,
            notes,
        })
    }
}

/// The rows that the condition selects and whose flags are accepted.
fn selected(
    catalogue: &Catalogue,
    options: &PopulationOptions,
    left_out: &mut LeftOut,
    notes: &mut Vec<String>,
) -> Result<Vec<usize>, Error> {
    let survey = |error: SelectionError| Error::from(survey::Error::from(error));
    let condition = options.condition.as_deref();
    let filter = condition.map(|text| Filter::parse(text, catalogue)).transpose();
    let filter = filter.map_err(|error| survey(error.into()))?;
    let all = 0..catalogue.len();
    let mut rows: Vec<usize> = all
        .filter(|&row| filter.as_ref().is_none_or(|f| f.selects(catalogue, row)))
        .collect();
    left_out.not_selected = catalogue.len() - rows.len();
    if rows.is_empty() {
        return Err(survey(SelectionError::NothingSelected {
            catalogue: catalogue.path.clone(),
            rows: catalogue.len(),
            condition: options.condition.clone().unwrap_or_default(),
        }));
    }
    match catalogue.find("flags") {
        Some(column) => {
            let before = rows.len();
            // A row without flags has no prediction either, which is counted as such.
            rows.retain(|&row| catalogue.number(row, column) as i32 & !options.accepted_flags == 0);
            left_out.flagged = before - rows.len();
        }
        None => notes.push("the catalogue has no column flags: no row is left out because of its flags".into()),
    }
    Ok(rows)
}
