//! The evaluation of a model on objects with known Einstein radius.
//!
//! | file | what it has |
//! |---|---|
//! | this one | [`Evaluation`], all that a report shows |
//! | `arrays` | metrics of predictions for images in memory |
//! | `labelled` | predictions for labelled images |
//! | `cross_fit` | the effect of a calibration on rows that it was not fitted to |
//! | `flagged`, `bins`, `sub_ensembles` | metrics by flag, by quantity, and by number of members |

mod arrays;
mod bins;
mod cross_fit;
mod error;
mod flagged;
mod labelled;
mod sub_ensembles;

pub use arrays::evaluate_arrays;
pub use bins::{Bin, BinnedMetrics};
pub use cross_fit::cross_fitted;
pub use error::Error;
pub use flagged::LargestRadii;
pub use labelled::{LabelledPrediction, LabelledPredictions, mixtures, predict_labelled};
pub use sub_ensembles::SubEnsembles;

use crate::model::Model;
use crate::posterior;
use crate::posterior::metrics::bootstrap::{SAMPLES, bootstrap};
use crate::posterior::metrics::classification::{ClassMetrics, ScoredClass};
use crate::posterior::metrics::{METRICS, Metrics, ScoredPrediction};
use crate::posterior::mixture::Prediction;
use crate::survey::ImageFolder;
use flagged::{by_flag, with_flags, with_median};
use labelled::score_all;

const UNFLAGGED: &str = "ensemble, unflagged";

/// Metrics of a set of predictions, with standard errors.
#[derive(Clone, Debug)]
pub struct MetricSet {
    /// `ensemble`, `ensemble, unflagged`, `member 0`, ...
    pub name: String,
    /// Their values.
    pub metrics: Metrics,
    /// Their standard errors by bootstrap, in the order of [`METRICS`].
    pub errors: [f64; METRICS.len()],
}

impl MetricSet {
    fn new(name: String, scored: &[ScoredPrediction], seed: u64) -> Result<MetricSet, posterior::Error> {
        Ok(MetricSet {
            name,
            metrics: Metrics::new(scored)?,
            errors: bootstrap(scored, SAMPLES, seed)?,
        })
    }
}

/// How well the lens head tells lenses from other objects.
pub struct Classification {
    /// Lenses and other objects.
    pub objects: Vec<ScoredClass>,
    /// Their metrics.
    pub metrics: ClassMetrics,
}

/// All that a report shows.
pub struct Evaluation {
    /// One per lens.
    pub objects: Vec<LabelledPrediction>,
    /// Their predictions, calibrated if the model is.
    pub scored: Vec<ScoredPrediction>,
    /// Their uncalibrated predictions; `None` if the model is not calibrated.
    pub raw: Option<Vec<ScoredPrediction>>,
    /// The ensemble, the uncalibrated ensemble if it is another, the ensemble on unflagged objects if there are any, and
    /// every member.
    pub sets: Vec<MetricSet>,
    /// The objects with each flag that occurs, and those with `any`.
    pub flags: Vec<MetricSet>,
    /// The largest label and predictions.
    pub largest: LargestRadii,
    /// The ensemble with the mixture's median instead of its mean.
    pub median: MetricSet,
    /// Index in the model of the member with the smallest validation NLL.
    pub best_member: Option<usize>,
    /// By the true radius, and by quantities in the catalogue.
    pub binned: Vec<BinnedMetrics>,
    /// For 1 to M members.
    pub by_size: Vec<SubEnsembles>,
    /// `None` without a lens head, and unless there are both lenses and other objects.
    pub classification: Option<Classification>,
}

impl Evaluation {
    /// Evaluates the predictions of `model` for the labelled objects of `source`; `seed` determines the bootstrap samples.
    ///
    /// # Errors
    /// No object; predictions or true values that are not finite.
    pub fn new(
        model: &Model,
        source: &ImageFolder,
        predictions: LabelledPredictions,
        seed: u64,
    ) -> Result<Evaluation, Error> {
        let LabelledPredictions {
            lenses: objects,
            classes,
        } = predictions;
        if objects.is_empty() {
            return Err(Error::NoObjects);
        }
        let set = |name: String, scored: &[ScoredPrediction]| MetricSet::new(name, scored, seed);
        let calibration = model.about.calibration.as_ref();
        let scored = score_all(&objects, calibration)?;
        let raw = calibration.map(|_| score_all(&objects, None)).transpose()?;
        let unflagged = with_flags(&objects, &scored, |flags| flags == 0);

        let mut sets = vec![set("ensemble".into(), &scored)?];
        if let Some(raw) = &raw {
            sets.push(set("ensemble, uncalibrated".into(), raw)?);
        }
        if !unflagged.is_empty() {
            sets.push(set(UNFLAGGED.into(), &unflagged)?);
        }
        for (m, member) in model.members.iter().enumerate() {
            let alone = |object: &LabelledPrediction| LabelledPrediction {
                members: object.members.select(&[m]),
                ..object.clone()
            };
            let alone: Vec<LabelledPrediction> = objects.iter().map(alone).collect();
            sets.push(set(format!("member {}", member.number), &score_all(&alone, None)?)?);
        }
        let flags = by_flag(&objects, &scored).into_iter();
        let flags = flags.map(|(name, part)| set(name.into(), &part));
        let sizes = 1..=model.members.len();
        let sizes = sizes.map(|size| sub_ensembles::of_size(&objects, model.members.len(), size));
        Ok(Evaluation {
            sets,
            flags: flags.collect::<Result<_, _>>()?,
            largest: LargestRadii::new(model.about.label.range.1, &scored, &unflagged),
            median: set("ensemble, median".into(), &with_median(&scored))?,
            best_member: best_member(model),
            binned: bins::binned(&model.quantity(), source, &objects, &scored, seed)?,
            by_size: sizes.collect::<Result<_, _>>()?,
            classification: ClassMetrics::new(&classes, seed).map(|metrics| Classification {
                objects: classes,
                metrics,
            }),
            objects,
            scored,
            raw,
        })
    }

    /// The objects with each flag, with `any` and with `none`.
    pub fn by_flag(&self) -> impl Iterator<Item = (&str, &MetricSet)> {
        let none = self.sets.iter().filter(|set| set.name == UNFLAGGED);
        let flags = self.flags.iter().map(|set| (&*set.name, set));
        flags.chain(none.map(|set| ("none", set)))
    }

    /// Indices of the `n` objects with the largest |error|, the largest first.
    pub fn worst(&self, n: usize) -> Vec<usize> {
        self.top(n, |o| o.error().abs())
    }

    /// Indices of the `n` objects with the largest sigma, the largest first.
    pub fn most_uncertain(&self, n: usize) -> Vec<usize> {
        self.top(n, |o| o.prediction.sigma)
    }

    /// Indices of `n` objects at equal steps in the order of their true radii, from the smallest to the largest.
    pub fn across_the_range(&self, n: usize) -> Vec<usize> {
        let sorted = self.top(self.scored.len(), |o| -o.truth);
        let (last, n) = (sorted.len().saturating_sub(1), n.min(sorted.len()));
        (0..n).map(|k| sorted[k * last / (n - 1).max(1)]).collect()
    }

    fn top(&self, n: usize, value: impl Fn(&ScoredPrediction) -> f64) -> Vec<usize> {
        let mut rows: Vec<usize> = (0..self.scored.len()).collect();
        rows.sort_by(|&a, &b| value(&self.scored[b]).total_cmp(&value(&self.scored[a])));
        rows.truncate(n);
        rows
    }

    /// The prediction for the object with index `row`, calibrated if the model is.
    pub fn prediction(&self, row: usize) -> &Prediction {
        &self.scored[row].prediction
    }
}

/// Index of the member with the smallest validation NLL, if there were validation rows.
fn best_member(model: &Model) -> Option<usize> {
    let summaries = model.about.training.members.iter().enumerate();
    let nll = summaries.filter_map(|(m, summary)| Some((m, summary.nll?)));
    nll.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(m, _)| m)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posterior::MemberPredictions;
    use crate::posterior::ood::Distances;

    /// Predictions of three members that are off by 0.1, -0.1 and 0.3 arcsec.
    pub fn labelled(n: usize) -> Vec<LabelledPrediction> {
        let object = |index: usize| {
            let truth = 1.0 + index as f64 / n as f64;
            LabelledPrediction {
                index,
                truth,
                members: MemberPredictions::gaussian(&[truth + 0.1, truth - 0.1, truth + 0.3], &[0.01; 3]),
                distances: Distances::default(),
                flags: 0,
            }
        };
        (0..n).map(object).collect()
    }
}
