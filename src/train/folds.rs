//! Cross-validation: several folds of the same rows, each held out once, are trained at once as further members.

use super::dataset::Dataset;
use super::error::Error;
use super::labelled::LabelledCutouts;
use super::options::TrainOptions;
use super::prepare::{Prepared, prepare};
use super::trainer::fold_seed;
use crate::nn::Network;
use crate::posterior::metrics::Metrics;
use crate::survey::split::{DataSplit, parts};
use crate::survey::{self, Catalogue};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// Which rows each fold holds out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Folds {
    /// So many random parts of equal size, each held out by one fold.
    Count(usize),
    /// A table with the columns `fold` and `id`: one row per fold and object that it holds out.
    File(PathBuf),
}

impl Folds {
    /// The rows that each fold holds out, of the objects with these ids.
    ///
    /// # Errors
    /// Fewer than two folds, or more than objects; a table that cannot be read, names objects that are not there, or
    /// repeats one in a fold.
    pub fn held_out(&self, ids: &[String], seed: u64) -> Result<Vec<Vec<usize>>, Error> {
        match self {
            Folds::Count(count) => match (2..=ids.len()).contains(count) {
                true => Ok(parts(ids.len(), seed, *count)),
                false => Err(Error::FoldCount {
                    folds: *count,
                    rows: ids.len(),
                }),
            },
            Folds::File(path) => read(path, ids),
        }
    }
}

fn read(path: &Path, ids: &[String]) -> Result<Vec<Vec<usize>>, Error> {
    let catalogue = Catalogue::read(path)?;
    let column = |name: &str| catalogue.column(name).map_err(survey::Error::from);
    let (fold_column, id_column) = (column("fold")?, column("id")?);
    let rows: HashMap<&str, usize> = ids.iter().enumerate().map(|(row, id)| (id.as_str(), row)).collect();
    let mut folds: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for row in 0..catalogue.len() {
        let (fold, id) = (catalogue.text(row, fold_column), catalogue.text(row, id_column));
        let wrong = |reason: String| Error::FoldFile {
            place: catalogue.place(row),
            reason,
        };
        let number = fold.parse::<u32>();
        let number = number.map_err(|_| wrong(format!("the fold '{fold}' is not a number, counted from 0")))?;
        let object = rows
            .get(id)
            .ok_or_else(|| wrong(format!("there is no object '{id}' to hold out")))?;
        let held_out = folds.entry(number).or_default();
        if held_out.contains(object) {
            return Err(wrong(format!("the fold {fold} holds out the object '{id}' twice")));
        }
        held_out.push(*object);
    }
    if let Some((absent, _)) = (0..).zip(folds.keys()).find(|(number, key)| *number != **key) {
        return Err(Error::EmptyFold {
            path: path.into(),
            fold: absent,
        });
    }
    Ok(folds.into_values().collect())
}

/// The folds, and the network that they share: its mean is bounded by the labels of all folds.
///
/// # Errors
/// Those of [`prepare`]; a fold that leaves too few rows.
pub fn prepare_folds(
    labelled: &LabelledCutouts,
    held_out: &[Vec<usize>],
    network: &Network,
    training: &TrainOptions,
) -> Result<(Vec<(Prepared, Dataset)>, Network), Error> {
    let (mut folds, mut range) = (Vec::new(), [f32::INFINITY, f32::NEG_INFINITY]);
    for (fold, held_out) in held_out.iter().enumerate() {
        let split = DataSplit::of_fold(
            labelled.labels.len(),
            held_out,
            fold_seed(training.seed, fold),
            training.validation,
            training.calibration,
        )?;
        let (prepared, data, bounded) = prepare(labelled, &split, network.clone(), None, training.softening)?;
        let [low, high] = bounded.heads().mean_range;
        range = [range[0].min(low), range[1].max(high)];
        folds.push((prepared, data));
    }
    Ok((folds, network.clone().with_mean_range(range)))
}

/// A metric over folds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct OverFolds {
    /// Mean over the folds.
    pub mean: f64,
    /// Standard error of the mean: the standard deviation over the folds, divided by the square root of their number.
    pub error: f64,
}

impl OverFolds {
    /// Of a metric of every fold; the error is NaN for a single one.
    pub fn of(metrics: &[Metrics], metric: impl Fn(&Metrics) -> f64) -> OverFolds {
        let n = metrics.len() as f64;
        let mean = metrics.iter().map(&metric).sum::<f64>() / n;
        let squares: f64 = metrics.iter().map(|m| (metric(m) - mean).powi(2)).sum();
        OverFolds {
            mean,
            error: (squares / (n - 1.0) / n).sqrt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> Vec<String> {
        (0..7).map(|i| format!("g{i}")).collect()
    }

    #[test]
    fn every_object_is_held_out_once() {
        let folds = Folds::Count(3).held_out(&ids(), 1).unwrap();
        assert_eq!(folds.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 3]);
        let mut all = folds.concat();
        all.sort_unstable();
        assert_eq!(all, (0..7).collect::<Vec<_>>());
        assert_ne!(folds, Folds::Count(3).held_out(&ids(), 2).unwrap());
        for count in [0, 1, 8] {
            assert!(Folds::Count(count).held_out(&ids(), 1).is_err());
        }
    }

    #[test]
    fn a_table_names_the_objects_of_each_fold() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("splits.csv");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let held_out = Folds::File(path.clone()).held_out(&ids(), 1);
            held_out.map_err(|error| error.to_string())
        };
        assert_eq!(read("fold,id\n1,g2\n0,g6\n1,g0\n").unwrap(), [vec![6], vec![2, 0]]);
        for (text, expected) in [
            ("fold,id\n0,g2\n1,x\n", "line 3: there is no object 'x'"),
            (
                "fold,id\n0,g2\n0,g2\n",
                "line 3: the fold 0 holds out the object 'g2' twice",
            ),
            ("fold,id\n0,g2\na,g3\n", "line 3: the fold 'a' is not a number"),
            ("fold,id\n0,g2\n2,g3\n", "the fold 1 holds out no object"),
            ("id\ng2\n", "no column 'fold'"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_mean_over_folds_has_a_standard_error() {
        use crate::posterior::MemberPredictions;
        use crate::posterior::calibration::PredictiveDistribution;
        use crate::posterior::metrics::ScoredPrediction;
        let metrics = [0.0, 2.0].map(|error| {
            let members = MemberPredictions::gaussian(&[1.0 + error], &[1.0]);
            let predicted = PredictiveDistribution::new(&members, None).unwrap();
            Metrics::new(&[ScoredPrediction::new(1.0, &predicted)]).unwrap()
        });
        let rmse = OverFolds::of(&metrics, |m| m.rmse);
        assert!(
            (rmse.mean - 1.0).abs() < 1e-12 && (rmse.error - 1.0).abs() < 1e-12,
            "{rmse:?}"
        );
    }
}
