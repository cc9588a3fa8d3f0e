//! A recorded training step: its inputs, and its results in float64 precision, rounded to f32. One safetensors file.
//!
//! The metadata are strings: `network` as JSON, `members` M, `batch` B, `fgsm_epsilon`, `learning_rate`, `adam` as JSON
//! (beta1, beta2, epsilon), `norm` as JSON (epsilon, momentum), and `keras_float32_error` as JSON: for each tensor, the
//! error of Keras' own float32 run relative to its float64 run, as max |difference| / max |value|. All tensors are f32;
//! their first axis is the member:
//!
//! | tensor | shape without the member axis, and content |
//! |---|---|
//! | `x`, `y` | each member's own mini-batch, (B,H,W,C) or (B,F), and its labels, (B) |
//! | `NAME.kernel` etc. | weights and running statistics, with the names and shapes of [`Layout`] |
//! | `infer.mean`, `infer.var` | (B), predictions with the running statistics |
//! | `train.mean`, `train.var`, `train.loss` | (B), (B), (), with the statistics of the batch |
//! | `train.NAME.moving_*` | running statistics after one pass |
//! | `grad.x`, `grad.NAME.*` | gradients of `train.loss` |
//! | `adversarial.x` | x' = x + fgsm_epsilon sign(grad.x) |
//! | `adversarial.loss`, `adversarial.grad.NAME.*` | L(x) + L(x') and its gradients, with x' held constant |
//! | `adversarial.NAME.moving_*` | running statistics after both passes |
//! | `adam1.loss` to `adam3.loss` | the loss before each of three plain Adam steps on the same mini-batch |
//! | `adam1.NAME.*`, `adam3.NAME.*` | weights after the first and after the third of these steps |

use super::error::{Error, Result};
use crate::files;
use crate::nn::{Capacity, NORM_EPSILON, NORM_MOMENTUM, NetworkPlan, Training};
use crate::nn::{Layout, Network, Parameter};
use crate::plan::bands;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Number of Adam steps in a recording.
pub const STEPS: usize = 3;
/// The largest number of images in a recording, members times batch.
const MAX_IMAGES: usize = 1 << 28;

/// Values of each tensor by its name, all members one after another.
pub type Values<T> = BTreeMap<String, Vec<T>>;

/// A validated recording: all inputs of the step are present, and all tensors have the shapes that they must have.
pub struct Recording {
    /// The file's metadata.
    pub metadata: HashMap<String, String>,
    /// The recorded network.
    pub network: Network,
    /// Its parameters.
    pub layout: Layout,
    /// Number of members, M.
    pub members: usize,
    /// Images per member, B.
    pub batch: usize,
    /// Perturbation of the adversarial images, in units of the network's input.
    pub fgsm_epsilon: f32,
    /// Learning rate of the Adam steps.
    pub learning_rate: f32,
    adam: AdamConstants,
    float32_error: HashMap<String, f64>,
    /// All tensors that a recording of this network has.
    pub entries: Vec<Entry>,
    /// Values of the entries that the file has.
    pub values: Values<f32>,
    /// Names of tensors in the file that are not entries.
    pub unknown: Vec<String>,
}

/// A tensor of a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name in the file.
    pub name: String,
    /// Its shape, with the member axis.
    pub shape: Vec<usize>,
    /// Its role, which decides its tolerance.
    pub role: Role,
}

/// The role of a tensor in a recorded step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An input of the step.
    Input,
    /// A prediction, a loss or running statistics.
    Output,
    /// A gradient of the plain loss.
    Gradient,
    /// The perturbed images.
    AdversarialImage,
    /// A gradient of the adversarial loss.
    AdversarialGradient,
    /// The loss before an Adam step.
    Loss,
    /// Weights after some Adam steps.
    Weight {
        /// Number of Adam steps taken.
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
    /// Reads a recording from a file.
    ///
    /// # Errors
    /// A file that cannot be read, and errors of [`Recording::from_bytes`]; both name the file.
    pub fn read(path: &Path) -> Result<Recording> {
        let path = path.to_path_buf();
        match files::read(&path) {
            Ok(bytes) => Recording::from_bytes(&bytes).map_err(|source| Error::InRecording {
                path,
                source: Box::new(source),
            }),
            Err(source) => Err(Error::Read { path, source }),
        }
    }

    /// Parses the bytes of a recording.
    ///
    /// # Errors
    /// Bytes that are cut short or of a different format; those of [`Recording::new`]; a missing input or weight; a
    /// tensor with a different shape or type, or with a value that is not finite.
    pub fn from_bytes(bytes: &[u8]) -> Result<Recording> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(Error::Safetensors)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(Error::Safetensors)?;
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
        let mut inputs = recording.entries.iter().filter(|entry| entry.role == Role::Input);
        match inputs.find(|entry| !recording.values.contains_key(&entry.name)) {
            Some(entry) => Err(Error::TensorMissing {
                name: entry.name.clone(),
            }),
            None => Ok(recording),
        }
    }

    /// A recording that has no values yet.
    ///
    /// # Errors
    /// Metadata that are missing, or that no plan can replay.
    pub fn new(metadata: HashMap<String, String>) -> Result<Recording> {
        let network = Network::from_json(text(&metadata, "network")?)?;
        let layout = Layout::new(&network)?;
        let (members, batch) = (count(&metadata, "members")?, count(&metadata, "batch")?);
        if members * batch > MAX_IMAGES {
            return Err(Error::MetadataValue {
                key: "batch",
                found: format!("{batch} with {members} members"),
                expected: format!("at most {MAX_IMAGES} images in all"),
            });
        }
        let adam: AdamConstants = parse(&metadata, "adam")?;
        check_adam(adam)?;
        check_norm(&parse(&metadata, "norm")?)?;
        Ok(Recording {
            fgsm_epsilon: positive(&metadata, "fgsm_epsilon")?,
            learning_rate: positive(&metadata, "learning_rate")?,
            float32_error: parse(&metadata, "keras_float32_error")?,
            entries: entries(&network, &layout, members, batch),
            values: Values::new(),
            unknown: Vec::new(),
            network,
            layout,
            members,
            batch,
            adam,
            metadata,
        })
    }

    /// The error of Keras' own float32 run at this tensor, relative to the tensor's largest value in the float64 run.
    pub fn float32_error(&self, tensor: &str) -> f64 {
        self.float32_error.get(tensor).copied().unwrap_or(0.0)
    }

    /// The plan of a training step as it was recorded, without clipping and without flips. With `adversarial`, a step has
    /// both passes, the plain and the adversarial one.
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

    /// The plan's `bands`: the same epsilon in all channels, and no masked pixels.
    pub fn bands(&self) -> Vec<u32> {
        let channels = self.network.input_shape().c;
        let mut words = vec![bands::NEVER; bands::ROWS * channels];
        words[bands::EPSILON * channels..][..channels].fill(self.fgsm_epsilon.to_bits());
        words
    }

    /// Indices of the images that the plan gathers from the pool `x` in its three steps: in every step, each member's own
    /// mini-batch.
    pub fn draws(&self) -> Vec<u32> {
        let batch = self.batch as u32;
        (0..self.members as u32)
            .flat_map(|m| (m * batch..(m + 1) * batch).collect::<Vec<_>>().repeat(STEPS))
            .collect()
    }

    /// The plan's `params`: one row of trainable values per member.
    pub fn params(&self) -> Vec<f32> {
        self.rows(&self.layout.params, self.layout.param_stride)
    }

    /// The plan's `stats`: one row of running statistics per member.
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

    /// The inverse of [`Recording::params`] and [`Recording::stats`]: adds the tensors in all members' rows to `values`,
    /// with `prefix` before their names.
    pub fn name_rows<T: Copy>(&self, prefix: &str, parameters: &[Parameter], rows: &[T], values: &mut Values<T>) {
        for p in parameters {
            let rows = rows.chunks(rows.len() / self.members);
            let of_all = rows.flat_map(|row| &row[p.offset..][..p.len()]).copied().collect();
            values.insert(format!("{prefix}.{}", p.name), of_all);
        }
    }

    /// Adds the mean and variance in the plan's prediction, (M,B,2), to `values`, with `prefix` before their names.
    pub fn name_prediction<T: Copy>(&self, prefix: &str, prediction: &[T], values: &mut Values<T>) {
        for (head, name) in ["mean", "var"].iter().enumerate() {
            values.insert(
                format!("{prefix}.{name}"),
                prediction.iter().skip(head).step_by(2).copied().collect(),
            );
        }
    }
}

type Metadata = HashMap<String, String>;

fn text<'a>(metadata: &'a Metadata, key: &'static str) -> Result<&'a str> {
    metadata
        .get(key)
        .map(String::as_str)
        .ok_or(Error::MetadataMissing { key })
}

fn parse<T: DeserializeOwned>(metadata: &Metadata, key: &'static str) -> Result<T> {
    let text = text(metadata, key)?;
    serde_json::from_str(text).map_err(|source| Error::MetadataSyntax {
        key,
        text: text.into(),
        source,
    })
}

fn count(metadata: &Metadata, key: &'static str) -> Result<usize> {
    let count: usize = parse(metadata, key)?;
    match count {
        1..=MAX_IMAGES => Ok(count),
        _ => Err(Error::MetadataValue {
            key,
            found: count.to_string(),
            expected: format!("1 to {MAX_IMAGES}"),
        }),
    }
}

fn positive(metadata: &Metadata, key: &'static str) -> Result<f32> {
    let value: f32 = parse(metadata, key)?;
    if value > 0.0 && value < f32::INFINITY {
        return Ok(value);
    }
    Err(Error::MetadataValue {
        key,
        found: value.to_string(),
        expected: "a positive number".into(),
    })
}

fn check_adam(adam: AdamConstants) -> Result<()> {
    let AdamConstants { beta1, beta2, epsilon } = adam;
    let betas_fit = [beta1, beta2].iter().all(|beta| (0.0..1.0).contains(beta));
    if betas_fit && epsilon > 0.0 && epsilon.is_finite() {
        return Ok(());
    }
    Err(Error::MetadataValue {
        key: "adam",
        found: format!("beta1 {beta1}, beta2 {beta2}, epsilon {epsilon}"),
        expected: "0 <= beta1 < 1, 0 <= beta2 < 1 and epsilon > 0".into(),
    })
}

/// lensgpu's batch norm has constants of its own.
fn check_norm(norm: &NormConstants) -> Result<()> {
    if (norm.epsilon, norm.momentum) == (NORM_EPSILON, NORM_MOMENTUM) {
        return Ok(());
    }
    Err(Error::MetadataValue {
        key: "norm",
        found: format!("epsilon {}, momentum {}", norm.epsilon, norm.momentum),
        expected: format!("epsilon {NORM_EPSILON}, momentum {NORM_MOMENTUM}"),
    })
}

/// All tensors of a recording, in the order in which they are computed.
fn entries(network: &Network, layout: &Layout, members: usize, batch: usize) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut add = |name: String, shape: &[usize], role| {
        entries.push(Entry {
            name,
            shape: [&[members], shape].concat(),
            role,
        });
    };
    let image = [&[batch], &network.input[..]].concat();
    add("x".into(), &image, Role::Input);
    add("y".into(), &[batch], Role::Input);
    for p in layout.params.iter().chain(&layout.stats) {
        add(p.name.clone(), &p.shape, Role::Input);
    }
    for name in ["infer.mean", "infer.var", "train.mean", "train.var"] {
        add(name.into(), &[batch], Role::Output);
    }
    add("train.loss".into(), &[], Role::Output);
    for p in &layout.stats {
        add(format!("train.{}", p.name), &p.shape, Role::Output);
    }
    add("grad.x".into(), &image, Role::Gradient);
    for p in &layout.params {
        add(format!("grad.{}", p.name), &p.shape, Role::Gradient);
    }
    add("adversarial.x".into(), &image, Role::AdversarialImage);
    add("adversarial.loss".into(), &[], Role::Output);
    for p in &layout.stats {
        add(format!("adversarial.{}", p.name), &p.shape, Role::Output);
    }
    for p in &layout.params {
        add(
            format!("adversarial.grad.{}", p.name),
            &p.shape,
            Role::AdversarialGradient,
        );
    }
    for steps in 1..=STEPS {
        add(format!("adam{steps}.loss"), &[], Role::Loss);
        if steps != 2 {
            for p in &layout.params {
                add(format!("adam{steps}.{}", p.name), &p.shape, Role::Weight { steps });
            }
        }
    }
    entries
}

/// The values of a tensor, after its type, shape and values are checked.
fn values(entry: &Entry, view: &TensorView) -> Result<Vec<f32>> {
    let Entry { name, shape, .. } = entry;
    if view.dtype() != Dtype::F32 || view.shape() != shape {
        return Err(Error::TensorType {
            name: name.clone(),
            dtype: view.dtype(),
            shape: view.shape().into(),
            expected: shape.clone(),
        });
    }
    let (chunks, _) = view.data().as_chunks();
    let values: Vec<f32> = chunks.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(Error::NotFinite {
            name: name.clone(),
            value: values[index],
            index,
            len: values.len(),
        }),
        None => Ok(values),
    }
}
