//! The catalogue: which rows are used, and the posterior of theta_e of each.

use super::cells::Posterior;
use super::{Error, LeftOut, PopulationOptions, PosteriorSource};
use crate::model::Model;
use crate::posterior::calibration::{Map, PredictiveDistribution};
use crate::posterior::quantiles::ThroughQuantiles;
use crate::survey::predictions::{Predictions, QUANTILES};
use crate::survey::{self, Catalogue, Filter, SelectionError, is_missing};
use rayon::prelude::*;

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

/// The posterior of one object.
pub(super) enum ObjectPosterior<'a> {
    /// The mixture of the members, calibrated if the model is.
    Predicted(PredictiveDistribution<'a>, [f64; 5]),
    /// A smooth distribution through its quantiles.
    Rebuilt(ThroughQuantiles, [f64; 5]),
    /// Below 0 throughout.
    Negative,
}

impl Posterior for ObjectPosterior<'_> {
    fn between(&self, a: f64, b: f64) -> f64 {
        match self {
            ObjectPosterior::Predicted(distribution, _) => {
                let below = |x: f64| if x.is_finite() { distribution.pit(x) } else { 1.0 };
                (below(b) - below(a)).max(0.0)
            }
            ObjectPosterior::Rebuilt(distribution, _) => distribution.between(a, b),
            ObjectPosterior::Negative => 0.0,
        }
    }

    fn quantiles(&self) -> [f64; 5] {
        match self {
            ObjectPosterior::Predicted(_, quantiles) | ObjectPosterior::Rebuilt(_, quantiles) => *quantiles,
            ObjectPosterior::Negative => [0.0; 5],
        }
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
        let cells = CheckedCells::new(catalogue, &predictions)?;
        let mut rows = Vec::new();
        for row in selected {
            match cells.check(row)? {
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
        let (source, posteriors) = posteriors(&predictions, &rows, options, model, &mut notes)?;
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

/// The columns whose cells are checked.
struct CheckedCells<'a> {
    catalogue: &'a Catalogue,
    theta_e: usize,
    sigma: Option<usize>,
    quantiles: [usize; 5],
}

impl<'a> CheckedCells<'a> {
    fn new(catalogue: &'a Catalogue, predictions: &Predictions) -> Result<CheckedCells<'a>, Error> {
        Ok(CheckedCells {
            catalogue,
            theta_e: predictions.theta_e_column(),
            sigma: catalogue.find("sigma"),
            quantiles: predictions.quantile_columns(),
        })
    }

    /// The quantiles of a row; `None` if it has no prediction.
    fn check(&self, row: usize) -> Result<Option<[f64; 5]>, Error> {
        let theta_e = self.number(row, self.theta_e)?;
        let sigma = self.sigma.map(|column| self.number(row, column)).transpose()?.flatten();
        if let (Some(column), Some(sigma)) = (self.sigma, sigma)
            && sigma <= 0.0
        {
            return Err(self.wrong(row, column, "a standard deviation must be positive"));
        }
        let mut quantiles = [0.0; 5];
        for (i, &column) in self.quantiles.iter().enumerate() {
            match self.number(row, column)? {
                Some(quantile) => quantiles[i] = quantile,
                None => return Ok(None),
            }
            if i > 0 && quantiles[i] < quantiles[i - 1] {
                let before = QUANTILES[i - 1];
                return Err(self.wrong(row, column, &format!("it must not be smaller than {before}")));
            }
        }
        if quantiles[0] == quantiles[4] && quantiles[0] != 0.0 {
            return Err(self.wrong(row, self.quantiles[4], "the quantiles must not all be the same"));
        }
        Ok(theta_e.map(|_| quantiles))
    }

    /// A number; `None` if it is unknown.
    fn number(&self, row: usize, column: usize) -> Result<Option<f64>, Error> {
        let number = self.catalogue.number(row, column);
        if number.is_finite() {
            return Ok(Some(number));
        }
        if number.is_infinite() {
            return Err(self.wrong(row, column, "it must be finite"));
        }
        let text = self.catalogue.text(row, column);
        match is_missing(text) || text.trim().parse::<f64>().is_ok() {
            true => Ok(None),
            false => Err(self.wrong(row, column, "it must be a number, or empty if there is no prediction")),
        }
    }

    fn wrong(&self, row: usize, column: usize, reason: &str) -> Error {
        Error::Cell {
            place: self.catalogue.place(row),
            column: self.catalogue.columns[column].clone(),
            text: self.catalogue.text(row, column).into(),
            reason: reason.into(),
        }
    }
}

/// The posteriors of rows with these quantiles: those of the members if the quantiles are theirs, with the model's
/// calibration or without one, otherwise rebuilt from the quantiles.
fn posteriors<'a>(
    predictions: &Predictions,
    rows: &[(usize, [f64; 5])],
    options: &PopulationOptions,
    model: Option<&'a Model>,
    notes: &mut Vec<String>,
) -> Result<(PosteriorSource, Vec<ObjectPosterior<'a>>), Error> {
    let members = predictions.members();
    if members > 0 && !options.from_quantiles {
        let likelihoods = predictions.likelihoods()?;
        let calibration = model.and_then(|model| model.about.calibration.as_ref());
        for map in [calibration.map(|c| &c.map), None] {
            let of_row = |&(row, quantiles): &(usize, [f64; 5])| {
                let mixture = predictions.mixture(row, &likelihoods)?;
                let distribution = PredictiveDistribution::of(&mixture, map);
                let agrees = predictions.agree(row, &distribution);
                agrees.then_some(ObjectPosterior::Predicted(distribution, quantiles))
            };
            let all: Option<Vec<ObjectPosterior>> = rows.par_iter().map(of_row).collect();
            if let Some(all) = all {
                let calibrated = map.is_some();
                return Ok((PosteriorSource::Members { members, calibrated }, all));
            }
        }
        notes.push(disagreement(calibration.map(|c| &c.map)).into());
    }
    let rebuilt = |(_, quantiles): &(usize, [f64; 5])| match ThroughQuantiles::at_levels(*quantiles) {
        Some(distribution) => ObjectPosterior::Rebuilt(distribution, *quantiles),
        None => ObjectPosterior::Negative,
    };
    Ok((PosteriorSource::Quantiles, rows.iter().map(rebuilt).collect()))
}

/// Why the predictions of the members are not used.
fn disagreement(calibration: Option<&Map>) -> &'static str {
    match calibration {
        Some(_) => {
            "the quantiles of the catalogue are those of another model or calibration: the posteriors are rebuilt from them"
        }
        None => {
            "the quantiles of the catalogue are calibrated, but the members' predictions are not: the posteriors are rebuilt from \
             the quantiles, unless the calibrated model is given"
        }
    }
}
