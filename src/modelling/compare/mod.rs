//! Einstein radii of lens models against the predictions: which models contradict the network, and by how many sigma.
//!
//! | file | contents |
//! |---|---|
//! | this one | from two tables to a report and a table |
//! | `matching` | which model belongs to which prediction |
//! | `tension` | by how many sigma a radius contradicts a posterior |
//! | `columns` | the columns that are written |

mod columns;
mod matching;
mod tension;

pub use matching::Matches;

use super::masses::Masses;
use super::numbers::NumberColumn;
use super::objects::Objects;
use super::{ColumnRole, Error, LeftOut, MassOptions, PredictionOptions};
use crate::files;
use crate::lens::physics::convention::Convention;
use crate::model::Model;
use crate::progress::{Callback, Event, Phase, note, warn};
use crate::survey::table::TableWriter;
use crate::survey::table::provenance::Provenance;
use crate::survey::table::sidecar::Sidecar;
use crate::survey::{Catalogue, PosteriorSource};
use columns::{cells, columns};
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// What to compare.
#[derive(Clone, Debug)]
pub struct CompareOptions {
    /// The catalogue of predictions and its rows.
    pub predictions: PredictionOptions,
    /// Rebuild the posteriors from their quantiles even if the predictions of the members are in the catalogue.
    pub from_quantiles: bool,
    /// Table of lens models. Its columns are those of the following options.
    pub models: PathBuf,
    /// Ids; `None`: `id`.
    pub model_id: Option<String>,
    /// Einstein radii, arcsec.
    pub radius: String,
    /// Standard deviations of the radii, arcsec; `None`: the radii are exact.
    pub radius_error: Option<String>,
    /// What the radii mean.
    pub convention: Convention,
    /// Axis ratios and slopes.
    pub masses: MassOptions,
    /// A model contradicts the network from this many sigma on; positive.
    pub threshold: f64,
    /// The table to write; `None`: none.
    pub output: Option<PathBuf>,
    /// What made the table.
    pub provenance: Option<Provenance>,
}

/// A model and the prediction of the same object. Radii are in arcsec.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Id of the object.
    pub id: String,
    /// Radius of the model in the convention of the predictions.
    pub radius: f64,
    /// Its standard deviation, that of the conversion included.
    pub radius_error: f64,
    /// Prediction: mean of the distribution.
    pub theta_e: f64,
    /// Quantiles of the distribution at [`LEVELS`](crate::posterior::mixture::LEVELS).
    pub quantiles: [f64; 5],
    /// Probability of a true radius that is as far from the prediction as the model's, on the same side, or further.
    pub tail: f64,
    /// The number of standard deviations of a normal distribution with this tail; positive if the model's radius is larger
    /// than predicted.
    pub n_sigma: f64,
    /// Flags of the prediction.
    pub flags: i32,
    /// Rows of the two tables, counted from 0.
    rows: [usize; 2],
}

/// The models that have a prediction.
#[derive(Clone, Debug)]
pub struct CompareReport {
    /// In descending order of the size of [`n_sigma`](Comparison::n_sigma).
    pub comparisons: Vec<Comparison>,
    /// The first of them contradict the network.
    pub contradictions: usize,
    /// How many would by chance, if all models were right and the predictions are calibrated.
    pub expected: f64,
    /// What belongs together, and what has no counterpart.
    pub matches: Matches,
    /// Rows of the predictions that are not used.
    pub left_out: LeftOut,
    /// What theta_e means in the predictions.
    pub convention: Convention,
    /// Where that is known from.
    pub convention_source: &'static str,
    /// What the posteriors are taken from.
    pub source: PosteriorSource,
}

/// Compares lens models with predictions. `model` is the model of the network, whose calibration is applied to the members'
/// predictions.
///
/// # Errors
/// Tables that cannot be read or used; numbers that are impossible; nothing to compare; an output that cannot be written;
/// [`Error::Stopped`]. Nothing is written then.
pub fn compare(options: &CompareOptions, model: Option<&Model>, progress: &Callback) -> Result<CompareReport, Error> {
    if !(options.threshold > 0.0 && options.threshold.is_finite()) {
        return Err(Error::Number {
            what: "number of sigma",
            value: options.threshold,
            allowed: "positive",
        });
    }
    let catalogue = Catalogue::read(&options.predictions.catalogue)?;
    let models = Catalogue::read_with(&options.models, &[&options.radius])?;
    for table in [&catalogue, &models] {
        table.notes.iter().for_each(|message| note(progress, message));
        table.warnings.iter().for_each(|message| warn(progress, message));
        if let Some(output) = &options.output {
            files::check_inputs(output, [table.path.as_path()])?;
        }
    }
    let objects = Objects::new(&catalogue, &options.predictions)?;
    let radii = Radii::find(&models, options)?;
    let masses = Masses::new(
        &models,
        &options.masses,
        false,
        [options.convention, objects.convention],
    )?;
    let (pairs, matches) = matching::pairs(&objects, &models, &radii, options)?;

    let rows: Vec<(usize, [f64; 5])> = objects.objects.iter().map(|o| (o.row, o.quantiles)).collect();
    let calibration = model.and_then(|model| model.about.calibration.as_ref());
    let map = calibration.map(|calibration| &calibration.map);
    let mut notes = Vec::new();
    let (source, posteriors) = objects
        .predictions
        .posteriors(&rows, options.from_quantiles, map, &mut notes)?;
    notes.iter().for_each(|message| note(progress, message));

    let compared = |pair: &matching::Pair| -> Result<Comparison, Error> {
        let object = &objects.objects[pair.object];
        let [mean, sigma] = masses.log_ratio(pair.model)?;
        let radius = pair.radius * mean.exp();
        let radius_error = (pair.error * mean.exp()).hypot(radius * sigma);
        let [tail, n_sigma] = tension::tension(&posteriors[pair.object], radius, radius_error);
        Ok(Comparison {
            id: objects.id(object.row).into_owned(),
            radius,
            radius_error,
            theta_e: objects.predictions.theta_e(object.row),
            quantiles: object.quantiles,
            tail,
            n_sigma,
            flags: object.flags,
            rows: [object.row, pair.model],
        })
    };
    let mut comparisons: Vec<Comparison> = pairs.par_iter().map(compared).collect::<Result<_, _>>()?;
    comparisons.sort_by(|a, b| b.n_sigma.abs().total_cmp(&a.n_sigma.abs()).then(a.rows.cmp(&b.rows)));
    let contradictions = comparisons.partition_point(|c| c.n_sigma.abs() >= options.threshold);
    let report = CompareReport {
        expected: 2.0 * tension::normal_tail(options.threshold) * comparisons.len() as f64,
        comparisons,
        contradictions,
        matches,
        left_out: objects.left_out.clone(),
        convention: objects.convention,
        convention_source: objects.convention_source,
        source,
    };
    if let Some(output) = &options.output {
        write(&catalogue, &models, &report, options, output, progress)?;
    }
    Ok(report)
}

/// The columns of the models' radii.
struct Radii {
    id: usize,
    radius: NumberColumn,
    error: Option<NumberColumn>,
}

impl Radii {
    fn find(models: &Catalogue, options: &CompareOptions) -> Result<Radii, Error> {
        let id = options.model_id.as_deref().unwrap_or("id");
        let error = options.radius_error.as_deref();
        Ok(Radii {
            id: super::numbers::column(models, id, ColumnRole::ModelId)?,
            radius: NumberColumn::find(models, &options.radius, ColumnRole::Radius)?,
            error: error
                .map(|name| NumberColumn::find(models, name, ColumnRole::RadiusError))
                .transpose()?,
        })
    }
}

fn write(
    catalogue: &Catalogue,
    models: &Catalogue,
    report: &CompareReport,
    options: &CompareOptions,
    output: &std::path::Path,
    progress: &Callback,
) -> Result<(), Error> {
    let provenance = options.provenance.as_ref();
    let sidecar = Sidecar::create(output, provenance)?;
    let mut writer = TableWriter::with_provenance(output, columns(catalogue, models), provenance)?;
    writer.warnings().iter().for_each(|message| warn(progress, message));
    for (i, comparison) in report.comparisons.iter().enumerate() {
        writer.push(&cells(catalogue, models, comparison, i < report.contradictions))?;
        let advanced = Event::Advanced {
            phase: Phase::Modelling,
            done: i + 1,
            total: report.comparisons.len(),
        };
        if progress(advanced).is_break() && i + 1 < report.comparisons.len() {
            return Err(Error::Stopped { output: output.into() });
        }
    }
    let written = writer.finish()?;
    written.warnings.iter().for_each(|message| warn(progress, message));
    if let Some(sidecar) = sidecar {
        let details = [
            (
                "input",
                json!({"predictions": options.predictions.catalogue, "models": options.models}),
            ),
            (
                "convention",
                json!({"predictions": report.convention.name(), "models": options.convention.name()}),
            ),
            ("sigma", options.threshold.into()),
            ("contradictions", report.contradictions.into()),
            ("posteriors", report.source.to_string().into()),
        ];
        let details: Map<String, Value> = details
            .into_iter()
            .map(|(key, value)| (key.to_string(), value))
            .collect();
        sidecar.write(&written, details)?;
    }
    Ok(())
}
