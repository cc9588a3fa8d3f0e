//! All that a run needs to go on as if it had never stopped, bit for bit: `checkpoint.safetensors`.

use super::history::EpochRecord;
use crate::files;
use anyhow::{Context, Result, ensure};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

const FORMAT: &str = "lensgpu-checkpoint-1";
/// The tensor of [`Progress::logged`], (members, values).
const LOGGED: &str = "logged";

#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    pub progress: Progress,
    /// Rows of all members, 32-bit words, by the names of the training plan's tensors; `best_params` and `best_stats`
    /// beside them.
    pub tensors: BTreeMap<String, Vec<u32>>,
}

/// How far a run is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs that are done.
    pub epoch: usize,
    /// Of the epoch under way: shards that are done, and steps of the next one.
    pub shard: usize,
    pub step: usize,
    /// What the steps of the epoch under way logged: by member, [`crate::plan::log::WIDTH`] values a step. A
    /// tensor of the file: JSON has no NaN, which is what a step that was skipped logs.
    #[serde(skip)]
    pub logged: Vec<Vec<f32>>,
    pub history: Vec<EpochRecord>,
    /// By member.
    pub best: Vec<Option<Best>>,
    /// By member: whether its training has ended early.
    #[serde(default)]
    pub stopped: Vec<bool>,
    /// Seconds spent in the epoch under way.
    pub seconds: f64,
    /// Of the rows' ids and labels: a run goes on with the data that it began with.
    pub data: u64,
}

impl Progress {
    /// Whether no member takes steps any more.
    pub fn all_stopped(&self) -> bool {
        !self.stopped.is_empty() && self.stopped.iter().all(|over| *over)
    }
}

/// A member's best epoch so far, by its validation nll.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    pub epoch: usize,
    pub nll: f64,
    pub rmse: f64,
}

impl Checkpoint {
    /// # Errors
    /// A file that is missing, cut short or of another kind; it is named.
    pub fn read(path: &Path) -> Result<Checkpoint> {
        let shown = path.display();
        let bytes = std::fs::read(path).with_context(|| {
            format!("{shown}: there is no checkpoint to go on from; was this a folder of `train -o`?")
        })?;
        let damaged = || format!("{shown} is not a checkpoint of this version, or is damaged: start the run again");
        let (_, header) = SafeTensors::read_metadata(&bytes).with_context(damaged)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        ensure!(metadata.get("format").is_some_and(|f| f == FORMAT), damaged());
        let mut progress: Progress =
            serde_json::from_str(metadata.get("progress").map_or("", String::as_str)).with_context(damaged)?;
        let tensors = SafeTensors::deserialize(&bytes).with_context(damaged)?;
        let words = |view: TensorView| bytemuck::pod_collect_to_vec::<u8, u32>(view.data());
        let logged = tensors.tensor(LOGGED).with_context(damaged)?;
        let values: Vec<f32> = bytemuck::pod_collect_to_vec(logged.data());
        let width = values.len() / logged.shape()[0].max(1);
        progress.logged = (0..logged.shape()[0])
            .map(|m| values[m * width..][..width].to_vec())
            .collect();
        let tensors = tensors
            .iter()
            .filter(|(name, _)| *name != LOGGED)
            .map(|(name, view)| (name.to_string(), words(view)))
            .collect();
        Ok(Checkpoint { progress, tensors })
    }

    /// Written to a temporary name, synced, renamed: a run that is killed keeps the checkpoint before.
    pub fn write(&self, path: &Path) -> Result<()> {
        let progress = serde_json::to_string(&self.progress)?;
        let metadata = HashMap::from([("format".into(), FORMAT.into()), ("progress".into(), progress)]);
        let views = self.tensors.iter().map(|(name, words)| {
            let view = TensorView::new(Dtype::U32, vec![words.len()], bytemuck::cast_slice(words));
            (name.as_str(), view.expect("the bytes of so many words"))
        });
        let logged = self.progress.logged.concat();
        let shape = vec![
            self.progress.logged.len(),
            logged.len() / self.progress.logged.len().max(1),
        ];
        let logged = TensorView::new(Dtype::F32, shape, bytemuck::cast_slice(&logged)).context("ragged logs")?;
        let views = views.chain([(LOGGED, logged)]);
        let bytes = safetensors::serialize(views, Some(metadata))?;
        Ok(files::write_atomic(path, |file| file.write_all(&bytes))?)
    }
}
