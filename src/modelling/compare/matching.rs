//! Which model belongs to which prediction.

use super::{CompareOptions, Radii};
use crate::modelling::Error;
use crate::modelling::objects::Objects;
use crate::survey::{Catalogue, few};
use serde::Serialize;
use std::collections::{BTreeSet, HashMap, HashSet};

/// A model and a prediction with the same id.
pub(super) struct Pair {
    /// The place of the prediction among those that are used.
    pub object: usize,
    /// Row of the model, counted from 0.
    pub model: usize,
    /// Radius of the model, arcsec, in its own convention.
    pub radius: f64,
    /// Its standard deviation, arcsec; 0 if it is exact.
    pub error: f64,
}

/// What belongs together, and what does not. Every row of the models is counted once in `compared` or in one of the lists of
/// models.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Matches {
    /// Rows of the models.
    pub models: usize,
    /// Models that are compared.
    pub compared: usize,
    /// Ids of several models that are compared, each on its own.
    pub several_models: Vec<String>,
    /// Ids of models without a prediction.
    pub without_prediction: Vec<String>,
    /// Ids of models whose prediction is flagged or empty.
    pub prediction_left_out: Vec<String>,
    /// Ids of models that several predictions have.
    pub several_predictions: Vec<String>,
    /// Ids of models without a radius or, if there is such a column, without its error.
    pub without_radius: Vec<String>,
    /// Models without an id.
    pub without_id: usize,
    /// Ids of predictions that are used and have no model.
    pub without_model: Vec<String>,
}

impl Matches {
    /// What is not compared, and the objects with several models: how many, and the first ids.
    pub fn remarks(&self) -> Vec<String> {
        let lists = [
            (
                "objects with several models, each of which is compared",
                &self.several_models,
            ),
            ("models without a prediction", &self.without_prediction),
            ("models whose prediction is flagged or empty", &self.prediction_left_out),
            ("models whose id several predictions have", &self.several_predictions),
            ("models without a radius or its error", &self.without_radius),
            ("predictions without a model", &self.without_model),
        ];
        let found = lists.iter().filter(|(_, ids)| !ids.is_empty());
        let mut remarks: Vec<String> = found
            .map(|(what, ids)| format!("{what}: {} ({})", ids.len(), few(ids)))
            .collect();
        if self.without_id > 0 {
            remarks.push(format!("models without an id: {}", self.without_id));
        }
        remarks
    }
}

/// Pairs in the order of the models.
///
/// # Errors
/// A radius or an error that is no positive number; no pairs.
pub(super) fn pairs(
    objects: &Objects,
    models: &Catalogue,
    radii: &Radii,
    options: &CompareOptions,
) -> Result<(Vec<Pair>, Matches), Error> {
    // None: not used.
    let mut predictions: HashMap<_, Vec<Option<usize>>> = HashMap::new();
    let mut used = objects.objects.iter().enumerate().peekable();
    for row in 0..objects.catalogue.len() {
        let object = used.next_if(|(_, object)| object.row == row).map(|(place, _)| place);
        predictions.entry(objects.id(row)).or_default().push(object);
    }
    let mut matches = Matches {
        models: models.len(),
        ..Matches::default()
    };
    let (mut pairs, mut seen, mut several) = (Vec::new(), HashSet::new(), BTreeSet::new());
    for model in 0..models.len() {
        let id = models.text(model, radii.id);
        if id.is_empty() {
            matches.without_id += 1;
            continue;
        }
        let positive = (|x: f64| x > 0.0, "a positive number of arcsec");
        let radius = radii.radius.number(models, model, positive.0, positive.1)?;
        let error = match radii.error {
            Some(column) => column.number(models, model, |x| x >= 0.0, "a number of arcsec, not negative")?,
            None => Some(0.0),
        };
        let list = match (predictions.get(id).map(Vec::as_slice), radius.zip(error)) {
            (None, _) => &mut matches.without_prediction,
            (Some([_, _, ..]), _) => &mut matches.several_predictions,
            (Some(_), None) => &mut matches.without_radius,
            (Some([Some(object)]), Some((radius, error))) => {
                pairs.push(Pair {
                    object: *object,
                    model,
                    radius,
                    error,
                });
                if !seen.insert(*object) {
                    several.insert(id.to_string());
                }
                continue;
            }
            (Some(_), Some(_)) => &mut matches.prediction_left_out,
        };
        list.push(id.into());
    }
    matches.compared = pairs.len();
    matches.several_models = several.into_iter().collect();
    let lacking = objects
        .objects
        .iter()
        .enumerate()
        .filter(|(place, _)| !seen.contains(place));
    matches.without_model = lacking.map(|(_, object)| objects.id(object.row).into_owned()).collect();
    if pairs.is_empty() {
        matches.without_model.clear();
        return Err(Error::NothingMatches {
            path: options.models.clone(),
            reasons: matches.remarks().join("; "),
        });
    }
    Ok((pairs, matches))
}
