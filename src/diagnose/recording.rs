//! A recorded training step: what went in, and what came out in float64. One safetensors file.
//!
//! The metadata are texts: `network` as JSON, `members` M, `batch` B, `fgsm_epsilon`, `learning_rate`, `adam` as JSON
//! (beta1, beta2, epsilon), `norm` as JSON (epsilon, momentum), and `keras_float32_error` as JSON: by tensor, how far
//! Keras' own float32 run is from its float64 run, as max |difference| / max |value|. Every tensor is f32, and its first
//! axis is the member:
//!
//! | tensor | behind the member's axis |
//! |---|---|
//! | `x`, `y` | each member's own mini-batch, (B,H,W,C) or (B,F), and its labels, (B) |
//! | `NAME.kernel` and so on | weights and running statistics, as [`Layout`] names and shapes them |
//! | `infer.mean`, `infer.var` | (B), with running statistics |
//! | `train.mean`, `train.var`, `train.loss` | (B), (B), () with the batch's own statistics |
//! | `train.NAME.moving_*` | running statistics after one pass |
//! | `grad.x`, `grad.NAME.*` | gradients of `train.loss` |
//! | `adversarial.x` | x + fgsm_epsilon sign(grad.x) |
//! | `adversarial.loss`, `adversarial.grad.NAME.*` | L(x) + L(x'), its gradients with x' taken as a constant |
//! | `adversarial.NAME.moving_*` | running statistics after both passes |
//! | `adam1.loss` to `adam3.loss` | the loss before each of three Adam steps on the same mini-batch, plain |
//! | `adam1.NAME.*`, `adam3.NAME.*` | weights after one and after three of them |

use crate::nn::{Capacity, NORM_EPSILON, NORM_MOMENTUM, NetworkPlan, Training};
use crate::nn::{Layout, Network, Parameter};
use crate::plan::bands;
use anyhow::{Context, Result, ensure};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Adam steps in a recording.
pub const STEPS: usize = 3;

/// By tensor: the values of all members, one after another.
pub type Values<T> = BTreeMap<String, Vec<T>>;

/// A recording, checked: everything that goes into the step is there, and what came out has the shapes that it must.
pub struct Recording {
    pub metadata: HashMap<String, String>,
    pub network: Network,
    pub layout: Layout,
    pub members: usize,
    pub batch: usize,
    pub fgsm_epsilon: f32,
    pub learning_rate: f32,
    adam: AdamConstants,
    float32_error: HashMap<String, f64>,
    /// Every tensor of a recording of this network.
    pub entries: Vec<Entry>,
    /// Those of the entries that the file holds.
    pub values: Values<f32>,
    /// Tensors of the file that are no entry.
    pub unknown: Vec<String>,
}

/// A tensor of a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub name: String,
    pub shape: Vec<usize>,
    pub kind: Kind,
}

/// What a tensor is; it decides how close a computed one must come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Goes into the step.
    Given,
    Output,
    Gradient,
    AdversarialImage,
    AdversarialGradient,
    /// Before an Adam step.
    Loss,
    /// After so many Adam steps.
    Weight {
        steps: usize,
    },
}

#[derive(Clone, Copy, Deserialize)]
struct AdamConstants {
    beta1: f32,
    beta2: f32,
    epsilon: f32,
}

#[derive(Deserialize)]
struct NormConstants {
    epsilon: f32,
    momentum: f32,
}

impl Recording {
    /// # Errors
    /// A file that cannot be read, and those of [`Recording::from_bytes`]; each names the file.
    pub fn read(path: &Path) -> Result<Recording> {
        let bytes = std::fs::read(path).with_context(|| format!("{}: the recording cannot be read", path.display()))?;
        Recording::from_bytes(&bytes).with_context(|| path.display().to_string())
    }

    /// # Errors
    /// Bytes cut short or of another kind, those of [`Recording::new`], an input or a weight that is missing, a tensor
    /// of another shape or type, or with a value that is not finite; each names the tensor.
    pub fn from_bytes(bytes: &[u8]) -> Result<Recording> {
        let damaged = "this is no whole safetensors file: it is cut short, damaged or of another kind";
        let (_, header) = SafeTensors::read_metadata(bytes).context(damaged)?;
        let tensors = SafeTensors::deserialize(bytes).context(damaged)?;
        let mut recording = Recording::new(header.metadata().clone().unwrap_or_default())?;
        for (name, view) in tensors.iter() {
            match recording.entries.iter().find(|entry| entry.name == name) {
                Some(entry) => {
                    let values = values(entry, &view)?;
                    recording.values.insert(name.into(), values);
                }
                None => recording.unknown.push(name.into()),
            }
        }
        for Entry { name, .. } in recording.entries.iter().filter(|entry| entry.kind == Kind::Given) {
            ensure!(
                recording.values.contains_key(name),
                "tensor {name} is missing, which the recording's own network needs"
            );
        }
        Ok(recording)
    }

    /// A recording without tensors yet.
    ///
    /// # Errors
    /// Metadata that is missing, or that no plan can replay.
    pub fn new(metadata: HashMap<String, String>) -> Result<Recording> {
        let text = |key: &str| {
            let text = metadata.get(key).map(String::as_str);
            text.with_context(|| format!("the metadata lacks '{key}': this is no recorded training step"))
        };
        let network = Network::from_json(text("network")?)?;
        let layout = Layout::new(&network)?;
        let count = |key: &str| -> Result<usize> {
            let count = json(key, text(key)?)?;
            ensure!(
                (1..=1 << 28).contains(&count),
                "'{key}' in the metadata is {count}, and must be 1 to 2^28"
            );
            Ok(count)
        };
        let (members, batch) = (count("members")?, count("batch")?);
        ensure!(
            members * batch <= 1 << 28,
            "{members} members times {batch} images are more than 2^28"
        );
        let rate = |key: &str| -> Result<f32> {
            let rate = json(key, text(key)?)?;
            ensure!(
                rate > 0.0 && rate < f32::INFINITY,
                "'{key}' in the metadata is {rate}, and must be above 0"
            );
            Ok(rate)
        };
        let adam: AdamConstants = json("adam", text("adam")?)?;
        ensure!(
            [adam.beta1, adam.beta2].iter().all(|beta| (0.0..1.0).contains(beta))
                && adam.epsilon > 0.0
                && adam.epsilon.is_finite(),
            "'adam' in the metadata: beta1 and beta2 must be at least 0 and below 1, and epsilon above 0"
        );
        let norm: NormConstants = json("norm", text("norm")?)?;
        ensure!(
            (norm.epsilon, norm.momentum) == (NORM_EPSILON, NORM_MOMENTUM),
            "'norm' in the metadata has epsilon {} and momentum {}; lensgpu's batch norm has {NORM_EPSILON} and \
             {NORM_MOMENTUM}",
            norm.epsilon,
            norm.momentum
        );
        let float32_error: HashMap<String, f64> = json("keras_float32_error", text("keras_float32_error")?)?;
        Ok(Recording {
            fgsm_epsilon: rate("fgsm_epsilon")?,
            learning_rate: rate("learning_rate")?,
            entries: entries(&network, &layout, members, batch),
            values: Values::new(),
            unknown: Vec::new(),
            network,
            layout,
            members,
            batch,
            adam,
            float32_error,
            metadata,
        })
    }

    /// How far Keras' own float32 run was from its float64 run at this tensor, relative to the tensor's largest value.
    pub fn float32_error(&self, tensor: &str) -> f64 {
        self.float32_error.get(tensor).copied().unwrap_or(0.0)
    }

    /// The plan of a training step as it was recorded: no clip, no flips. The adversarial one is the plan of a step with
    /// both passes.
    ///
    /// # Errors
    /// Those of [`Plan::training`].
    pub fn training_plan(&self, adversarial: bool) -> Result<NetworkPlan> {
        let capacity = Capacity {
            pool: self.members * self.batch,
            steps: STEPS,
        };
        let AdamConstants { beta1, beta2, epsilon } = self.adam;
        let training = Training {
            beta1,
            beta2,
            epsilon,
            clip: f32::INFINITY,
            adversarial,
            adversary_in_stats: true,
            ..Training::new(self.batch, capacity)
        };
        Ok(NetworkPlan::training(&self.network, &self.layout, &training)?)
    }

    /// The plan's `bands`: one epsilon for all, and nothing masked.
    pub fn bands(&self) -> Vec<u32> {
        let channels = self.network.input_shape().c;
        let mut words = vec![bands::NEVER; bands::ROWS * channels];
        words[bands::EPSILON * channels..][..channels].fill(self.fgsm_epsilon.to_bits());
        words
    }

    /// What the plan gathers in its three steps where its pool is `x`: each member its own mini-batch, in each.
    pub fn draws(&self) -> Vec<u32> {
        let batch = self.batch as u32;
        (0..self.members as u32)
            .flat_map(|m| (m * batch..(m + 1) * batch).collect::<Vec<_>>().repeat(STEPS))
            .collect()
    }

    /// All members' rows of trainable values.
    pub fn params(&self) -> Vec<f32> {
        self.rows(&self.layout.params, self.layout.param_stride)
    }

    /// All members' rows of running statistics.
    pub fn stats(&self) -> Vec<f32> {
        self.rows(&self.layout.stats, self.layout.stat_stride)
    }

    fn rows(&self, parameters: &[Parameter], stride: usize) -> Vec<f32> {
        let mut rows = vec![0.0; self.members * stride];
        for p in parameters {
            for (row, values) in rows.chunks_mut(stride).zip(self.values[&p.name].chunks(p.len())) {
                row[p.offset..][..p.len()].copy_from_slice(values);
            }
        }
        rows
    }

    /// The other way: names what stands in all members' rows of trainable values or running statistics.
    pub fn name_rows<T: Copy>(&self, prefix: &str, parameters: &[Parameter], rows: &[T], values: &mut Values<T>) {
        for p in parameters {
            let rows = rows.chunks(rows.len() / self.members);
            let of_all = rows.flat_map(|row| &row[p.offset..][..p.len()]).copied().collect();
            values.insert(format!("{prefix}.{}", p.name), of_all);
        }
    }

    /// Names what stands in the plan's prediction, (M,B,2).
    pub fn name_prediction<T: Copy>(&self, prefix: &str, prediction: &[T], values: &mut Values<T>) {
        for (head, name) in ["mean", "var"].iter().enumerate() {
            values.insert(
                format!("{prefix}.{name}"),
                prediction.iter().skip(head).step_by(2).copied().collect(),
            );
        }
    }
}

fn json<T: DeserializeOwned>(key: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).with_context(|| format!("'{key}' in the metadata cannot be read: {text:?}"))
}

/// The tensors of a recording, in the order in which they are computed.
fn entries(network: &Network, layout: &Layout, members: usize, batch: usize) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut add = |name: String, shape: &[usize], kind| {
        entries.push(Entry {
            name,
            shape: [&[members], shape].concat(),
            kind,
        });
    };
    let image = [&[batch], &network.input[..]].concat();
    add("x".into(), &image, Kind::Given);
    add("y".into(), &[batch], Kind::Given);
    for p in layout.params.iter().chain(&layout.stats) {
        add(p.name.clone(), &p.shape, Kind::Given);
    }
    for name in ["infer.mean", "infer.var", "train.mean", "train.var"] {
        add(name.into(), &[batch], Kind::Output);
    }
    add("train.loss".into(), &[], Kind::Output);
    for p in &layout.stats {
        add(format!("train.{}", p.name), &p.shape, Kind::Output);
    }
    add("grad.x".into(), &image, Kind::Gradient);
    for p in &layout.params {
        add(format!("grad.{}", p.name), &p.shape, Kind::Gradient);
    }
    add("adversarial.x".into(), &image, Kind::AdversarialImage);
    add("adversarial.loss".into(), &[], Kind::Output);
    for p in &layout.stats {
        add(format!("adversarial.{}", p.name), &p.shape, Kind::Output);
    }
    for p in &layout.params {
        add(
            format!("adversarial.grad.{}", p.name),
            &p.shape,
            Kind::AdversarialGradient,
        );
    }
    for steps in 1..=STEPS {
        add(format!("adam{steps}.loss"), &[], Kind::Loss);
        if steps != 2 {
            for p in &layout.params {
                add(format!("adam{steps}.{}", p.name), &p.shape, Kind::Weight { steps });
            }
        }
    }
    entries
}

/// The values of a tensor, which is as it must be.
fn values(entry: &Entry, view: &TensorView) -> Result<Vec<f32>> {
    let Entry { name, shape, .. } = entry;
    ensure!(
        view.dtype() == Dtype::F32 && view.shape() == shape,
        "tensor {name} is {:?} {:?}, and for this network and its members and batch it must be F32 {shape:?}",
        view.dtype(),
        view.shape()
    );
    let values: Vec<f32> = view
        .data()
        .as_chunks()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        anyhow::bail!("tensor {name} holds {} at place {at} of {}", values[at], values.len());
    }
    Ok(values)
}
