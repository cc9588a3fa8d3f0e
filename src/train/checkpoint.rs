//! Everything that is needed to resume a training as if it had never been interrupted, bit for bit:
//! `checkpoint.safetensors`.

use super::error::{Cause, Error};
use super::initial::InitialWeight;
use super::trainer::Trainer;
use crate::files;
use crate::files::checksum::{self, Verdict};
use crate::plan::{TensorId, log, state};
use crate::progress::EpochRecord;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

/// Changed when a run that was begun before would go on with other inputs: its stretch is fitted again.
const FORMAT: &str = "lensgpu-checkpoint-2";
/// The tensor of [`TrainingState::logged`], (members, values).
const LOGGED: &str = "logged";

/// The content of a checkpoint file.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// How far the training is.
    pub state: TrainingState,
    /// Rows of all members, 32-bit words, by the names of the training plan's tensors; also `best_params` and
    /// `best_stats`.
    pub tensors: BTreeMap<String, Vec<u32>>,
}

/// How far a training is, and what happened so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingState {
    /// Epochs that are complete.
    pub epoch: usize,
    /// Shards of the current epoch that are complete.
    pub shard: usize,
    /// Steps of the current shard that are done.
    pub step: usize,
    /// Log of the current epoch's steps, per member, [`crate::plan::log::WIDTH`] values per step. It is a tensor of the
    /// file because JSON has no NaN, which skipped steps log.
    #[serde(skip)]
    pub logged: Vec<Vec<f32>>,
    /// One entry per complete epoch.
    pub history: Vec<EpochRecord>,
    /// Per member.
    pub best: Vec<Option<Best>>,
    /// Per member: whether its training was stopped early.
    #[serde(default)]
    pub stopped: Vec<bool>,
    /// Per member; empty in checkpoints of early versions.
    #[serde(default)]
    pub initial: Vec<InitialWeight>,
    /// Time spent in the current epoch so far.
    pub seconds: f64,
    /// Hash of the objects' ids, labels and pixels: a run is resumed with the data that it began with.
    pub data: u64,
}

/// A member's best epoch so far, by its validation nll and cross-entropy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Counted from 1.
    pub epoch: usize,
    /// Negative log likelihood of the validation rows (label in arcsec).
    pub nll: f64,
    /// Root mean square error of the validation rows, arcsec.
    pub rmse: f64,
    /// Cross-entropy of the validation rows; `None` without a lens head.
    #[serde(default)]
    pub cross_entropy: Option<f64>,
}

impl TrainingState {
    /// Before the first step.
    pub(super) fn new(members: usize, data: u64) -> TrainingState {
        TrainingState {
            best: vec![None; members],
            stopped: vec![false; members],
            logged: vec![vec![]; members],
            initial: vec![InitialWeight::ALL; members],
            data,
            ..Default::default()
        }
    }

    /// Whether every member was stopped early.
    pub fn all_stopped(&self) -> bool {
        !self.stopped.is_empty() && self.stopped.iter().all(|stopped| *stopped)
    }

    pub(super) fn finish_epoch(&mut self, record: EpochRecord) {
        self.history.push(record);
        self.epoch += 1;
        (self.shard, self.step, self.seconds) = (0, 0, 0.0);
        self.logged.iter_mut().for_each(Vec::clear);
    }
}

impl Checkpoint {
    /// Reads a checkpoint file.
    ///
    /// # Errors
    /// A file that is missing, truncated or not a checkpoint; the path is in each of them.
    pub fn read(path: &Path) -> Result<Checkpoint, Error> {
        let bytes = files::read(path).map_err(|source| Error::CheckpointMissing {
            path: path.into(),
            source,
        })?;
        let damaged = |source: Option<Cause>| Error::CheckpointDamaged {
            path: path.into(),
            source,
        };
        let unreadable = |error: safetensors::SafeTensorError| damaged(Some(error.into()));
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(unreadable)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        if metadata.get("format").is_none_or(|format| format != FORMAT) {
            return Err(damaged(None));
        }
        let tensors = SafeTensors::deserialize(&bytes).map_err(unreadable)?;
        let views = tensors.tensors();
        let views = views.iter().map(|(name, view)| (name.as_str(), view));
        if checksum::verify(views, &metadata, &["format", "progress"]) == Verdict::Damaged {
            return Err(damaged(None));
        }
        let state = metadata.get("progress").map_or("", String::as_str);
        let mut state: TrainingState = serde_json::from_str(state).map_err(|error| damaged(Some(error.into())))?;
        let logged = tensors.tensor(LOGGED).map_err(unreadable)?;
        let (Dtype::F32, &[members, width]) = (logged.dtype(), logged.shape()) else {
            return Err(damaged(None));
        };
        let values: Vec<f32> = bytemuck::pod_collect_to_vec(logged.data());
        state.logged = match width {
            0 => vec![vec![]; state.best.len()],
            width => values.chunks_exact(width).map(<[f32]>::to_vec).collect(),
        };
        if state.logged.len() != members {
            return Err(damaged(None));
        }
        let tensors = tensors.iter().filter(|(name, _)| *name != LOGGED);
        let words = |(name, view): (&str, TensorView)| match view.dtype() {
            Dtype::U32 => Ok((name.to_string(), bytemuck::pod_collect_to_vec(view.data()))),
            _ => Err(damaged(None)),
        };
        let tensors = tensors.map(words).collect::<Result<_, Error>>()?;
        Ok(Checkpoint { state, tensors })
    }

    /// Writes a checkpoint file atomically: a run that is killed meanwhile keeps the previous one.
    ///
    /// # Errors
    /// Those of [`files::write_atomic`].
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let encode = |source: Cause| Error::Encode {
            what: "the checkpoint",
            source,
        };
        let state = serde_json::to_string(&self.state).map_err(|error| encode(error.into()))?;
        let mut metadata = HashMap::from([("format".into(), FORMAT.into()), ("progress".into(), state)]);
        let views = self.tensors.iter().map(|(name, words)| {
            let view = TensorView::new(Dtype::U32, vec![words.len()], bytemuck::cast_slice(words));
            (name.as_str(), view.expect("four bytes per word"))
        });
        let logged = self.state.logged.concat();
        let members = self.state.logged.len();
        let shape = vec![members, logged.len() / members.max(1)];
        let logged = TensorView::new(Dtype::F32, shape, bytemuck::cast_slice(&logged));
        let logged = logged.expect("every member has logged the same steps");
        let views: Vec<(&str, TensorView)> = views.chain([(LOGGED, logged)]).collect();
        let sum = checksum::checksum(views.iter().map(|(name, view)| (*name, view)), &metadata);
        metadata.insert(checksum::KEY.into(), sum);
        let bytes = safetensors::serialize(views, Some(metadata));
        let bytes = bytes.map_err(|error| encode(error.into()))?;
        Ok(files::write_atomic(path, |file| file.write_all(&bytes))?)
    }
}

/// Rows of early versions had fewer values; those that they lack are 0.
fn widen(logged: &mut Vec<f32>, steps: usize) {
    let width = logged.len() / steps.max(1);
    if steps > 0 && width < log::WIDTH {
        let rows = logged.chunks_exact(width);
        let widened = rows.flat_map(|row| row.iter().copied().chain(std::iter::repeat(0.0)).take(log::WIDTH));
        *logged = widened.collect();
    }
}

impl Trainer {
    /// A checkpoint of the current state.
    ///
    /// # Errors
    /// The device was lost.
    pub fn checkpoint(&mut self) -> Result<Checkpoint, Error> {
        let mut tensors = BTreeMap::new();
        for (name, tensor) in self.saved() {
            tensors.insert(name.to_string(), self.engine.read(tensor)?);
        }
        tensors.insert("best_params".into(), bytemuck::cast_slice(&self.best_params).to_vec());
        tensors.insert("best_stats".into(), bytemuck::cast_slice(&self.best_stats).to_vec());
        Ok(Checkpoint {
            state: self.state.clone(),
            tensors,
        })
    }

    /// Continues from a checkpoint of the same training.
    ///
    /// # Errors
    /// A checkpoint of other data or another network.
    pub fn restore(&mut self, checkpoint: Checkpoint) -> Result<(), Error> {
        if checkpoint.state.data != self.fingerprint() {
            return Err(Error::DataChanged);
        }
        let members = self.slots().len();
        let take = |name: &str, len: usize| -> Result<&Vec<u32>, Error> {
            let words = checkpoint.tensors.get(name).filter(|words| words.len() == len);
            words.ok_or_else(|| Error::CheckpointTensor { tensor: name.into() })
        };
        let (p, s) = (self.layout.param_stride, self.layout.stat_stride);
        // As in early versions, if there is a moving average.
        let has = |name: &str| checkpoint.tensors.contains_key(name);
        let without_good_average = has("average") && !has("good_average");
        for (name, tensor) in self.saved() {
            let len = match name {
                "stats" => s,
                "good" | "average" | "good_average" => p + s,
                "state" => state::WORDS,
                _ => p,
            };
            let name = if without_good_average && name == "good_average" {
                "average"
            } else {
                name
            };
            self.engine.write(tensor, take(name, members * len)?)?;
        }
        self.best_params = bytemuck::cast_slice(take("best_params", members * p)?).to_vec();
        self.best_stats = bytemuck::cast_slice(take("best_stats", members * s)?).to_vec();
        let counters = take("state", members * state::WORDS)?.clone();
        self.check_resumable(&checkpoint.state, &counters)?;
        let initial = std::mem::take(&mut self.state.initial);
        self.state = checkpoint.state;
        let steps = self.steps_done();
        self.state.logged.iter_mut().for_each(|logged| widen(logged, steps));
        if self.state.initial.is_empty() {
            self.state.initial = self.initial_weights(&initial, &counters);
        }
        if without_good_average {
            let members = self.state.initial.iter_mut().zip(counters.chunks_exact(state::WORDS));
            members.for_each(|(weight, words)| weight.keep_average(words[state::TAKEN]));
        }
        Ok(())
    }

    /// For checkpoints of early versions: as if no member had returned to its last good weights. `before` is what the
    /// training began with.
    fn initial_weights(&self, before: &[InitialWeight], counters: &[u32]) -> Vec<InitialWeight> {
        let members = before.iter().zip(counters.chunks_exact(state::WORDS));
        let decay = f64::from(self.options.ema);
        let weight = |(before, words): (&InitialWeight, &[u32])| match *before == InitialWeight::NONE {
            true => InitialWeight::NONE,
            false => InitialWeight::after(words[state::TAKEN], words[state::SINCE_GOOD], decay),
        };
        members.map(weight).collect()
    }

    fn saved(&self) -> Vec<(&'static str, TensorId)> {
        let averages = self
            .io
            .average
            .map(|[now, good]| [("average", now), ("good_average", good)]);
        let all = [
            ("params", self.params),
            ("stats", self.stats),
            ("adam_m", self.io.adam_m),
            ("adam_v", self.io.adam_v),
            ("good", self.io.good),
            ("state", self.io.state),
        ];
        all.into_iter().chain(averages.into_iter().flatten()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_log_that_was_narrower_are_filled_with_zeros() {
        let mut logged = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0];
        widen(&mut logged, 2);
        assert_eq!(logged, [1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 6.0, 7.0, 8.0, 9.0, 10.0, 0.0]);
        let now = logged.clone();
        widen(&mut logged, 2);
        assert_eq!(logged, now);
        let mut none = vec![];
        widen(&mut none, 0);
        assert!(none.is_empty());
    }
}
