//! Joins the members of runs that trained them apart, of one ensemble, into one model.
//!
//! | file | what it does |
//! |---|---|
//! | this one | checks the runs against each other, joins and calibrates |
//! | `difference` | the first value in which two trees of values differ |
//! | `error` | why runs cannot be merged |

mod difference;
mod error;

pub use error::MergeError;

use super::calibration_rows::CalibrationRows;
use super::error::Error;
use super::finish::calibrate;
use super::folder::RunFolder;
use super::options::RunOptions;
use crate::model::{Member, MemberSummary, Model};
use crate::posterior::MemberPredictions;
use crate::progress::Callback;
use difference::difference;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The model of all members of `runs`: the folders of runs, or the model files in them. It is calibrated on the same rows
/// as the model of a single run, and equal to it but for the dates. There must be all members of `expected`, and no other
/// ones; without it, all from 0 to the largest number.
///
/// # Errors
/// A run that is missing, has not finished or has folds; runs that differ in data or options; members that are missing,
/// or in two runs.
pub fn merge(runs: &[PathBuf], expected: Option<&[u32]>, progress: &Callback) -> Result<Model, Error> {
    let parts: Vec<Part> = runs.iter().map(|run| Part::read(run)).collect::<Result<_, _>>()?;
    let first = parts.first().ok_or(MergeError::NoRuns)?;
    parts[1..].iter().try_for_each(|part| first.check_same(part))?;
    let places = places(&parts, expected)?;
    let (mut members, summaries): (Vec<Member>, Vec<MemberSummary>) = places
        .iter()
        .map(|&(part, member)| {
            let model = &parts[part].model;
            (
                model.members[member].clone(),
                model.about.training.members[member].clone(),
            )
        })
        .unzip();
    if members.iter().any(|member| member.cloud.is_none()) {
        members.iter_mut().for_each(|member| member.cloud = None);
    }
    let mut about = first.model.about.clone();
    (about.calibration, about.ood, about.epistemic_limit) = (None, None, None);
    let devices: BTreeSet<&str> = parts.iter().map(|part| &*part.model.about.training.device).collect();
    about.training.device = devices.into_iter().collect::<Vec<_>>().join(", ");
    let dates = parts.iter().map(|part| &part.model.about.training.date);
    about.training.date = dates.max().cloned().unwrap_or_default();
    about.training.members = summaries;
    let mut model = Model {
        network: first.model.network.clone(),
        members,
        statistics: first.model.statistics.clone(),
        about,
    };
    calibrate(&mut model, &joined(&parts, &places), progress);
    Ok(model)
}

/// A run that has finished.
struct Part {
    folder: PathBuf,
    options: RunOptions,
    model: Model,
    rows: CalibrationRows,
}

impl Part {
    fn read(run: &Path) -> Result<Part, Error> {
        let path = if run.is_file() {
            crate::files::folder_of(run)
        } else {
            run
        };
        let folder = RunFolder::new(path);
        let options = folder.read_options()?;
        if options.folds.is_some() {
            return Err(MergeError::Folds { folder: path.into() }.into());
        }
        if !folder.model().exists() {
            return Err(MergeError::NotFinished { folder: path.into() }.into());
        }
        let (model, rows) = (Model::read(folder.model())?, folder.read_calibration_rows()?);
        let members = model.members.len();
        let complete = |p: &MemberPredictions| p.mu.len() == members && p.var.len() == members;
        if !rows.predictions.iter().all(complete) || model.about.training.members.len() != members {
            return Err(MergeError::Inconsistent { folder: path.into() }.into());
        }
        Ok(Part {
            folder: path.into(),
            options,
            model,
            rows,
        })
    }

    /// Everything that members of one ensemble have in common: first what a user chose, then what follows from it. Where the
    /// data are may differ; their content is in the fingerprint.
    fn common(&self) -> Value {
        let mut run = json!(self.options);
        let mut about = json!(self.model.about);
        let remove = |value: &mut Value, keys: &[&str]| {
            let map = value.as_object_mut().expect("a struct");
            keys.iter().for_each(|key| drop(map.remove(*key)));
        };
        let [mut training, mut data, network] = ["training", "data", "network"].map(|key| run[key].take());
        let resolved = ["epochs", "warm_up", "ema"].map(|key| training[key].take());
        remove(&mut training, &["members"]);
        remove(&mut data, &["dir", "catalogue"]);
        remove(&mut about["training"], &["members", "device", "date"]);
        remove(&mut about, &["calibration", "ood", "epistemic_limit", "card"]);
        let [epochs, warm_up, ema] = resolved;
        let resolved = json!({ "epochs": epochs, "warm_up": warm_up, "ema": ema });
        json!([{ "training": training }, { "data": data }, run, { "training": resolved }, { "network": network }, about])
    }

    /// # Errors
    /// The other run is of another ensemble.
    fn check_same(&self, other: &Part) -> Result<(), MergeError> {
        let runs = || [self.folder.clone(), other.folder.clone()];
        if let Some(found) = difference(&self.common(), &other.common()) {
            return Err(MergeError::Differ {
                what: found.path,
                values: found.values.into(),
                runs: runs(),
            });
        }
        let rows = |part: &Part| part.rows.labels.iter().map(|label| label.to_bits()).collect::<Vec<_>>();
        match self.rows.data == other.rows.data && rows(self) == rows(other) {
            true => Ok(()),
            false => Err(MergeError::OtherData { runs: runs() }),
        }
    }
}

/// Run and place in it of every member, in the order of their numbers.
fn places(parts: &[Part], expected: Option<&[u32]>) -> Result<Vec<(usize, usize)>, MergeError> {
    let mut places: BTreeMap<u32, (usize, usize)> = BTreeMap::new();
    for (at, part) in parts.iter().enumerate() {
        let mut twice: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        for (place, member) in part.model.members.iter().enumerate() {
            match places.get(&member.number) {
                Some(&(other, _)) => twice.entry(other).or_default().push(member.number),
                None => drop(places.insert(member.number, (at, place))),
            }
        }
        if let Some((other, members)) = twice.into_iter().next() {
            return Err(MergeError::Overlap {
                members,
                runs: [parts[other].folder.clone(), part.folder.clone()],
            });
        }
    }
    let expected: BTreeSet<u32> = match expected {
        Some(expected) => expected.iter().copied().collect(),
        None => (0..=places.keys().copied().max().unwrap_or(0)).collect(),
    };
    let missing: Vec<u32> = expected.iter().copied().filter(|m| !places.contains_key(m)).collect();
    if !missing.is_empty() {
        return Err(MergeError::Missing { members: missing });
    }
    if let Some((&member, &(part, _))) = places.iter().find(|(member, _)| !expected.contains(member)) {
        return Err(MergeError::NotExpected {
            member,
            folder: parts[part].folder.clone(),
        });
    }
    Ok(places.into_values().collect())
}

/// The predictions of the members at these places for the calibration rows, which are the same in all runs.
fn joined(parts: &[Part], places: &[(usize, usize)]) -> CalibrationRows {
    let rows = &parts[0].rows;
    let of_row = |row: usize| {
        let pick = |values: fn(&MemberPredictions) -> &Vec<f64>| {
            let of_member =
                |&(part, member): &(usize, usize)| values(&parts[part].rows.predictions[row]).get(member).copied();
            // Without a value of one member there is none of the ensemble.
            places
                .iter()
                .map(of_member)
                .collect::<Option<Vec<f64>>>()
                .unwrap_or_default()
        };
        MemberPredictions {
            mu: pick(|p| &p.mu),
            var: pick(|p| &p.var),
            lens: pick(|p| &p.lens),
            feature_distances: pick(|p| &p.feature_distances),
            ..rows.predictions[row].clone()
        }
    };
    CalibrationRows {
        predictions: (0..rows.labels.len()).map(of_row).collect(),
        ..rows.clone()
    }
}
