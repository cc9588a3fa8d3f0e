//! The distribution of the true Einstein radii of a population of lenses, inferred from the posteriors in a catalogue with
//! the training prior divided out (`docs/population.md`).
//!
//! | file | contents |
//! |---|---|
//! | this one | from a catalogue to a [`PopulationReport`] |
//! | `input` | which rows are used, and the posterior of each |
//! | `prior` | the distribution of the training labels |
//! | `cells` | the likelihood of a population |
//! | `shape` | log-normal and mixture: parameters, moments |
//! | `explore` | the posterior of the population's parameters |
//! | `report` | what is reported |
//! | `output` | the folder with chain, summary and figures |
//! | `figure` | the inferred distribution as a plot |

mod cells;
mod error;
mod explore;
mod figure;
mod input;
mod output;
mod prior;
mod report;
mod shape;

pub use crate::survey::PosteriorSource;
pub use error::Error;
pub use output::{as_json, write};
pub use prior::{LabelPrior, TrainingPrior};
pub use report::{LeftOut, PopulationReport, Quantity};
pub use shape::{MAX_COMPONENTS, MAX_SIGMA, Moments, Population, Shape};

use crate::bayes::mcmc;
use crate::model::Model;
use crate::progress::{Callback, note, warn};
use crate::survey::predictions::ObjectPosterior;
use crate::survey::{self, Catalogue, LensColumn};
use cells::Cells;
use input::Input;
use std::path::PathBuf;

/// What to infer.
pub struct PopulationOptions {
    /// Table with the columns that `infer` writes.
    pub catalogue: PathBuf,
    /// Condition that selects rows of the catalogue; `None`: all.
    pub condition: Option<String>,
    /// Bits of [`survey::flags`] that a row may have.
    pub accepted_flags: i32,
    /// Rebuild the posteriors from their quantiles even if the predictions of the members are in the catalogue.
    pub from_quantiles: bool,
    /// What the posteriors are divided by.
    pub prior: PriorChoice,
    /// The shape of the population.
    pub shape: Shape,
    /// Walkers of the sampler.
    pub walkers: usize,
    /// Steps of each walker that are kept; a quarter as many come before them.
    pub steps: usize,
    /// Random seed.
    pub seed: u64,
}

/// Where the distribution of the training labels is taken from.
#[derive(Clone, Debug)]
pub enum PriorChoice {
    /// The model.
    Model,
    /// A table of training labels, and their column.
    Labels(PathBuf, String),
    /// As given.
    Given(TrainingPrior),
}

/// Objects per parameter that are needed.
const LEAST_PER_PARAMETER: usize = 3;
/// An object with more than this fraction of its posterior outside of the prior is not used.
const MAX_OUTSIDE: f64 = 0.5;
/// If more than this fraction of the objects is so, the prior is refused.
const MAX_UNCOVERED: f64 = 0.05;

/// Infers the population of a catalogue. `model` is the model that the catalogue is from, if it is known.
///
/// # Errors
/// A catalogue or prior that cannot be read or used, see [`Error`]; too few rows; a chain that has not converged;
/// [`Error::Stopped`] if `progress` breaks.
pub fn infer_population(
    options: &PopulationOptions,
    model: Option<&Model>,
    progress: &Callback,
) -> Result<PopulationReport, Error> {
    let prior = training_prior(&options.prior, model)?;
    let catalogue = Catalogue::read(&options.catalogue)?;
    catalogue.notes.iter().for_each(|message| note(progress, message));
    catalogue.warnings.iter().for_each(|message| warn(progress, message));
    let Input {
        source,
        objects,
        mut left_out,
        notes,
    } = Input::new(&catalogue, options, model)?;
    notes.iter().for_each(|message| note(progress, message));

    let (rows, mut theta_e, posteriors) = split(objects);
    let all = Cells::new(&posteriors, &prior);
    let outside: Vec<bool> = all.outside().map(|fraction| fraction > MAX_OUTSIDE).collect();
    let uncovered = outside.iter().filter(|outside| **outside).count();
    if uncovered > 0 {
        let [low, high] = prior.support().unwrap_or([0.0, f64::INFINITY]);
        let first = outside.iter().position(|outside| *outside).unwrap_or(0);
        let error = Error::PriorDoesNotCover {
            low,
            high,
            outside: uncovered,
            used: rows.len(),
            place: catalogue.place(rows[first]),
        };
        if uncovered as f64 > MAX_UNCOVERED * rows.len() as f64 {
            return Err(error);
        }
        warn(progress, &format!("{error}; they are left out"));
        left_out.outside_prior = uncovered;
    }
    let kept = |i: &usize| !outside[*i];
    theta_e = (0..rows.len()).filter(kept).map(|i| theta_e[i]).collect();
    let used: Vec<ObjectPosterior> = posteriors
        .into_iter()
        .zip(&outside)
        .filter(|(_, o)| !**o)
        .map(|(p, _)| p)
        .collect();
    let (parameters, least) = (
        options.shape.parameters(),
        LEAST_PER_PARAMETER * options.shape.parameters(),
    );
    if used.len() < least {
        return Err(Error::TooFewRows {
            used: used.len(),
            parameters,
            least,
        });
    }
    let cells = match uncovered {
        0 => all,
        _ => Cells::new(&used, &prior),
    };
    let medians: Vec<f64> = used.iter().map(|p| p.quantiles()[2]).collect();
    let chain = explore::explore(&cells, options, &medians, progress)?;
    let report = PopulationReport::new(
        options.shape,
        prior,
        source,
        chain,
        &theta_e,
        (catalogue.len(), left_out),
        &cells,
    );
    report.warnings().iter().for_each(|message| warn(progress, message));
    Ok(report)
}

fn split<'a>(objects: Vec<(usize, f64, ObjectPosterior<'a>)>) -> (Vec<usize>, Vec<f64>, Vec<ObjectPosterior<'a>>) {
    let (mut rows, mut theta_e, mut posteriors) = (Vec::new(), Vec::new(), Vec::new());
    for (row, mean, posterior) in objects {
        rows.push(row);
        theta_e.push(mean);
        posteriors.push(posterior);
    }
    (rows, theta_e, posteriors)
}

/// The prior that the options name.
fn training_prior(choice: &PriorChoice, model: Option<&Model>) -> Result<TrainingPrior, Error> {
    let prior = match choice {
        PriorChoice::Given(prior) => return Ok(prior.clone()),
        PriorChoice::Labels(path, column) => return labels(path.clone(), column),
        PriorChoice::Model => model.and_then(|model| {
            let label = &model.about.label;
            TrainingPrior::of_quantiles(label.range, label.quantiles.as_deref()?)
        }),
    };
    prior.ok_or(Error::NoPrior {
        has_model: model.is_some(),
    })
}

/// The prior of the labels in a table. Rows without a label, and those that are not lenses, are left out.
fn labels(path: PathBuf, column: &str) -> Result<TrainingPrior, Error> {
    let catalogue = Catalogue::read_with(&path, &[column])?;
    let found = catalogue.column(column).map_err(survey::Error::from)?;
    let is_lens = LensColumn::find(&catalogue);
    let lenses = (0..catalogue.len()).filter(|&row| is_lens.reason(&catalogue, row).is_none());
    let labels: Vec<f64> = lenses
        .map(|row| catalogue.number(row, found))
        .filter(|label| !label.is_nan())
        .collect();
    TrainingPrior::of_labels(&labels).ok_or(Error::Labels {
        path,
        column: column.into(),
        labels: labels.len(),
    })
}

// Boxed, as it is large.
impl From<mcmc::Error> for Error {
    fn from(error: mcmc::Error) -> Error {
        match error {
            mcmc::Error::Stopped { .. } => Error::Stopped,
            error => Error::Sampler(Box::new(error)),
        }
    }
}
