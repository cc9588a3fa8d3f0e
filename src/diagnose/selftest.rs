//! The self test: replays recorded training steps on a device and compares every tensor with its recorded values.

use super::error::Result;
use super::recording::{Entry, Recording, Role, STEPS, Values};
use crate::device::{Device, Engine, Precision};
use crate::nn::NetworkPlan;
use crate::plan::{NetworkOp, Op, TensorId, state};
use serde::Serialize;
use std::collections::HashSet;
use std::ops::ControlFlow;

/// Includes `assets/golden/NAME.safetensors` for each name.
macro_rules! recordings {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_bytes!(concat!("../../assets/golden/", $name, ".safetensors")))),+]
    };
}

/// The embedded recordings, name and bytes.
pub const EMBEDDED: &[(&str, &[u8])] = recordings![
    "keras_mlp_m5_b10",
    "keras_small_m3_b5",
    "vanilla_cutout_m2_b8",
    "residual_m2_b6",
];

/// A computed tensor compared with its recorded values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The tensor's name.
    pub tensor: String,
    /// Largest |computed - recorded|; `None` if there is nothing to compare.
    pub largest_error: Option<f64>,
    /// The largest error divided by the largest |recorded|, unless that is 0.
    pub relative_error: Option<f64>,
    /// Fraction of the values that differ, 0 to 1, for a [`Tolerance::Fraction`]. Values that float32 does not define are
    /// not counted.
    pub off: Option<f64>,
    /// The tolerance; `None` if there is nothing to compare.
    pub tolerance: Option<Tolerance>,
    /// Why the comparison fails; `None` if it passes.
    pub problem: Option<String>,
}

/// How much a computed tensor may differ from its recorded values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tolerance {
    /// Largest relative error.
    Relative(f64),
    /// Some values may differ, because float32 does not define them.
    #[serde(rename = "share")]
    Fraction {
        /// A value differs if its absolute error is larger than this.
        beyond: f64,
        /// Largest fraction of the values that may differ, 0 to 1.
        off: f64,
        /// Largest absolute error of any value.
        largest: f64,
    },
}

/// Replays a recording on a device and compares every tensor. A tensor that the file lacks, or that is not part of a
/// recording of its network, gives a [`Comparison`] with a problem.
///
/// # Errors
/// The device fails.
pub fn selftest(device: &Device, recording: &Recording) -> Result<Vec<Comparison>> {
    let (computed, precision) = (replay(device, recording)?, device.precision());
    let not_compared = |tensor: &str, problem: &str| Comparison {
        tensor: tensor.into(),
        largest_error: None,
        relative_error: None,
        off: None,
        tolerance: None,
        problem: Some(problem.into()),
    };
    let results = recording.entries.iter().filter(|entry| entry.role != Role::Input);
    let compared = results.map(
        |entry| match (computed.get(&entry.name), recording.values.get(&entry.name)) {
            (Some(_), Some(recorded)) => compare(recording, &computed, entry, recorded, precision),
            (_, None) => not_compared(&entry.name, "missing in the file"),
            (None, _) => not_compared(&entry.name, "computed from adversarial.x, which is missing in the file"),
        },
    );
    let unknown = recording
        .unknown
        .iter()
        .map(|name| not_compared(name, "no tensor of this name is computed"));
    let mut comparisons: Vec<Comparison> = compared.chain(unknown).collect();
    comparisons.extend((1..=STEPS).filter_map(|steps| all_weights(recording, &computed, steps, precision)));
    Ok(comparisons)
}

/// The part of [`selftest`] that takes three training steps, which compiles the kernels of one plan only.
///
/// # Errors
/// The device fails.
pub fn take_steps(device: &Device, recording: &Recording) -> Result<Vec<Comparison>> {
    let mut computed = Values::new();
    take_adam_steps(device, recording, &mut computed)?;
    let entries = recording
        .entries
        .iter()
        .filter(|entry| computed.contains_key(&entry.name));
    let compared = |entry: &Entry| {
        let recorded = recording.values.get(&entry.name)?;
        Some(compare(recording, &computed, entry, recorded, device.precision()))
    };
    Ok(entries.filter_map(compared).collect())
}

/// Compares all weights after some Adam steps together, including those that float32 does not define. `None` if the
/// file has no weights after so many steps.
fn all_weights(
    recording: &Recording,
    computed: &Values<f32>,
    steps: usize,
    precision: Precision,
) -> Option<Comparison> {
    let weights = recording
        .entries
        .iter()
        .filter(|entry| entry.role == Role::Weight { steps });
    let pairs = weights.filter_map(|entry| Some((computed.get(&entry.name)?, recording.values.get(&entry.name)?)));
    let errors: Vec<f64> = pairs.flat_map(|(got, want)| errors(got, want)).collect();
    if errors.is_empty() {
        return None;
    }
    let rate = f64::from(recording.learning_rate);
    let tolerance = weight_tolerance(rate, steps, precision);
    let Tolerance::Fraction {
        beyond,
        off: allowed,
        largest,
    } = tolerance
    else {
        unreachable!("of weights")
    };
    let off = errors.iter().filter(|&&error| error > beyond).count() as f64 / errors.len() as f64;
    let largest_error = errors.into_iter().fold(0.0, f64::max);
    Some(Comparison {
        tensor: format!("adam{steps}, all weights"),
        largest_error: Some(largest_error),
        relative_error: Some(largest_error / rate),
        off: Some(off),
        tolerance: Some(tolerance),
        problem: (off > allowed || largest_error > largest).then(|| "out of tolerance".into()),
    })
}

/// |computed - recorded| of each value; NaN counts as infinite.
fn errors(computed: &[f32], recorded: &[f32]) -> Vec<f64> {
    let error = |(&a, &b): (&f32, &f32)| (f64::from(a) - f64::from(b)).abs();
    let nan_is_infinite = |e: f64| if e.is_nan() { f64::INFINITY } else { e };
    computed.iter().zip(recorded).map(error).map(nan_is_infinite).collect()
}

/// At least 96 % of the weights within 2 % of the learning rate, all within 2.1 learning rates per step. In f16, at least 75 %
/// within half a learning rate per step: Adam's first steps have the sign of the gradient and little of its size.
fn weight_tolerance(rate: f64, steps: usize, precision: Precision) -> Tolerance {
    let largest = 2.1 * rate * steps as f64;
    match precision {
        Precision::F32 => Tolerance::Fraction {
            beyond: 0.02 * rate,
            off: 0.04,
            largest,
        },
        Precision::F16 => Tolerance::Fraction {
            beyond: 0.5 * rate * steps as f64,
            off: 0.25,
            largest,
        },
    }
}

/// Compares one tensor. If all recorded values are zero, the relative error is the absolute one.
fn compare(
    recording: &Recording,
    computed: &Values<f32>,
    entry: &Entry,
    recorded: &[f32],
    precision: Precision,
) -> Comparison {
    let values = &computed[&entry.name];
    let errors = errors(values, recorded);
    let (largest_error, largest) = (errors.iter().copied().fold(0.0, f64::max), largest(recorded));
    let relative_error = largest_error / if largest > 0.0 { largest } else { 1.0 };
    let tolerance = match precision {
        Precision::F32 => tolerance(recording, entry, largest),
        Precision::F16 => f16_tolerance(recording, entry, largest),
    };
    let (off, within) = match tolerance {
        Tolerance::Relative(tolerance) => (None, relative_error <= tolerance),
        Tolerance::Fraction {
            beyond,
            off: allowed,
            largest,
        } => {
            let undefined = undefined(recording, computed, entry);
            let off = errors
                .iter()
                .enumerate()
                .filter(|&(i, &error)| error > beyond && !undefined.contains(&i));
            let off = off.count() as f64 / errors.len() as f64;
            (Some(off), off <= allowed && largest_error <= largest)
        }
    };
    let problem = match (values.len() == recorded.len(), largest_error.is_finite(), within) {
        (false, ..) => Some("a different number of values is computed".into()),
        (true, false, _) => Some("a computed value is not finite".into()),
        (true, true, false) => Some("out of tolerance".into()),
        (true, true, true) => None,
    };
    let (largest_error, relative_error) = (Some(largest_error), Some(relative_error));
    Comparison {
        tensor: entry.name.clone(),
        largest_error,
        relative_error,
        off,
        tolerance: Some(tolerance),
        problem,
    }
}

fn largest(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(value.abs())).fold(0.0, f64::max)
}

/// The tolerance of a tensor whose largest value is `largest`. float32 does not define the sign of a gradient near zero.
/// Some pixels of an adversarial image may differ for this reason, and some weights, because Adam divides a gradient by
/// its own magnitude.
fn tolerance(recording: &Recording, entry: &Entry, largest: f64) -> Tolerance {
    let float32_tolerance = |tensor: &str| 5.0 * recording.float32_error(tensor);
    match entry.role {
        Role::Input | Role::Output => Tolerance::Relative(5e-5),
        Role::Gradient => Tolerance::Relative(float32_tolerance(&entry.name).max(2e-4)),
        Role::AdversarialGradient => {
            Tolerance::Relative(float32_tolerance(entry.name.trim_start_matches("adversarial.")).max(5e-4))
        }
        Role::Loss => Tolerance::Relative(5e-3),
        Role::AdversarialImage => Tolerance::Fraction {
            beyond: 1e-6 * largest,
            off: 1.0 / 200.0,
            largest: 2.1 * f64::from(recording.fgsm_epsilon),
        },
        Role::Weight { steps } => weight_tolerance(f64::from(recording.learning_rate), steps, Precision::F32),
    }
}

/// The same in f16. An activation is rounded by up to 0.001 of its value, and where two values of a window or the sign of a
/// value in front of a ReLU become the same, a gradient goes to another pixel. A gradient that f32 computes with an error has
/// one in f16 that is 8,192 times as large, the ratio of what both round to.
fn f16_tolerance(recording: &Recording, entry: &Entry, largest: f64) -> Tolerance {
    match entry.role {
        Role::Input | Role::Output => Tolerance::Relative(0.02),
        Role::Gradient | Role::AdversarialGradient => {
            let error = 8192.0 * recording.float32_error(entry.name.trim_start_matches("adversarial."));
            let scale = if largest > 0.0 { largest } else { 1.0 };
            Tolerance::Fraction {
                beyond: error.max(0.1) * scale,
                off: 0.15,
                largest: error.max(0.3) * scale,
            }
        }
        Role::Loss => Tolerance::Relative(0.3),
        Role::AdversarialImage => Tolerance::Fraction {
            beyond: 0.001 * largest,
            off: 0.05,
            largest: 2.1 * f64::from(recording.fgsm_epsilon) + 0.001 * largest,
        },
        Role::Weight { steps } => weight_tolerance(f64::from(recording.learning_rate), steps, Precision::F16),
    }
}

/// Indices of weights whose gradient is zero except for rounding, for instance that of a bias before a batch norm if its
/// ReLU passes every image: 1e-17 in float64 and 1e-8 in float32, so that the direction of Adam's step is arbitrary.
/// These weights do not count as different. Where both gradients are exactly zero, as those of a dead unit, Adam must
/// leave the weight unchanged; but not if it is zero for the whole tensor and Keras' own float32 run has other values
/// there, as for the bias of a convolution before a batch norm: then it is rounding in later steps, if not in the first.
fn undefined(recording: &Recording, computed: &Values<f32>, entry: &Entry) -> HashSet<usize> {
    let (Role::Weight { .. }, Some((_, weight))) = (entry.role, entry.name.split_once('.')) else {
        return HashSet::new();
    };
    let gradient = format!("grad.{weight}");
    let (Some(computed), Some(recorded)) = (computed.get(&gradient), recording.values.get(&gradient)) else {
        return HashSet::new();
    };
    if largest(recorded) == 0.0 && recording.float32_error(&gradient) > 0.0 {
        return (0..recorded.len()).collect();
    }
    let rounding = 1e-12 * largest(recorded);
    let rounded_zero =
        |i: usize| f64::from(recorded[i].abs()) <= rounding && (recorded[i] != 0.0 || computed[i] != 0.0);
    (0..recorded.len()).filter(|&i| rounded_zero(i)).collect()
}

/// All results in a recording, computed by the device from its inputs and weights.
fn replay(device: &Device, recording: &Recording) -> Result<Values<f32>> {
    let mut values = Values::new();
    infer(device, recording, &mut values)?;
    take_adam_steps(device, recording, &mut values)?;
    perturb_images(device, recording, &mut values)?;
    take_adversarial_step(device, recording, &mut values)?;
    Ok(values)
}

/// Inference, member by member: the members of an inference plan share their images, but those of a recording do not.
fn infer(device: &Device, recording: &Recording, values: &mut Values<f32>) -> Result<()> {
    let plan = NetworkPlan::inference(&recording.network, &recording.layout, recording.batch)?;
    let mut engine = device.engine(&plan, 1)?;
    let (params, stats, x) = (recording.params(), recording.stats(), &recording.values["x"]);
    let mut prediction = Vec::new();
    for member in 0..recording.members {
        for (tensor, rows) in [(plan.io.params, &params), (plan.io.stats, &stats), (plan.io.x, x)] {
            let row = rows.len() / recording.members;
            engine.write(tensor, bytemuck::cast_slice(&rows[member * row..][..row]))?;
        }
        step(&mut *engine)?;
        prediction.extend(read(&mut *engine, plan.io.prediction)?);
    }
    recording.name_prediction("infer", &prediction, values);
    Ok(())
}

/// Three Adam steps on the plain loss. The first also gives the predictions, statistics and gradients of training mode.
fn take_adam_steps(device: &Device, recording: &Recording, values: &mut Values<f32>) -> Result<()> {
    let plan = recording.training_plan(false)?;
    let train = plan.io.train.expect("a training plan");
    let layout = &recording.layout;
    let mut engine = start(device, recording, &plan)?;
    for number in 1..=STEPS {
        step(&mut *engine)?;
        let loss = losses(&mut *engine, train.loss[0])?;
        if number == 1 {
            recording.name_prediction("train", &read(&mut *engine, plan.io.prediction)?, values);
            recording.name_rows("train", &layout.stats, &read(&mut *engine, train.stats_next)?, values);
            recording.name_rows("grad", &layout.params, &read(&mut *engine, train.grads)?, values);
            values.insert("train.loss".into(), loss.clone());
        }
        values.insert(format!("adam{number}.loss"), loss);
        let params = read(&mut *engine, plan.io.params)?;
        recording.name_rows(&format!("adam{number}"), &layout.params, &params, values);
    }
    Ok(())
}

/// The first pass of an adversarial step, up to the perturbed images.
fn perturb_images(device: &Device, recording: &Recording, values: &mut Values<f32>) -> Result<()> {
    let mut plan = recording.training_plan(true)?;
    let perturbed = plan
        .ops
        .iter()
        .position(|op| matches!(op, Op::Network(NetworkOp::Fgsm(_))))
        .expect("an adversarial plan");
    plan.plan.ops.truncate(perturbed + 1);
    let adversary = plan
        .io
        .train
        .and_then(|train| train.adversary)
        .expect("an adversarial plan");
    plan.plan = plan.plan.kept();
    let mut engine = start(device, recording, &plan)?;
    step(&mut *engine)?;
    values.insert("grad.x".into(), read(&mut *engine, adversary.grad_x)?);
    values.insert("adversarial.x".into(), read(&mut *engine, adversary.x)?);
    Ok(())
}

/// Both passes of an adversarial step, the second on the recorded perturbed images: if a sign that float32 does not
/// define were flipped, all gradients would differ.
fn take_adversarial_step(device: &Device, recording: &Recording, values: &mut Values<f32>) -> Result<()> {
    let Some(x) = recording.values.get("adversarial.x") else {
        return Ok(());
    };
    let mut plan = recording.training_plan(true)?;
    plan.plan
        .ops
        .retain(|op| !matches!(op, Op::Network(NetworkOp::Fgsm(_))));
    let train = plan.io.train.expect("a training plan");
    let mut engine = start(device, recording, &plan)?;
    engine.write(train.adversary.expect("an adversarial plan").x, bytemuck::cast_slice(x))?;
    step(&mut *engine)?;
    let [plain, perturbed] = [
        losses(&mut *engine, train.loss[0])?,
        losses(&mut *engine, train.loss[1])?,
    ];
    values.insert(
        "adversarial.loss".into(),
        plain.iter().zip(perturbed).map(|(a, b)| a + b).collect(),
    );
    let layout = &recording.layout;
    recording.name_rows(
        "adversarial",
        &layout.stats,
        &read(&mut *engine, train.stats_next)?,
        values,
    );
    recording.name_rows(
        "adversarial.grad",
        &layout.params,
        &read(&mut *engine, train.grads)?,
        values,
    );
    Ok(())
}

/// An engine for a training plan, with the recorded weights and mini-batches.
fn start(device: &Device, recording: &Recording, plan: &NetworkPlan) -> Result<Box<dyn Engine>> {
    let train = plan.io.train.expect("a training plan");
    let mut counters = [0; state::WORDS];
    counters[state::RATE_FACTOR] = 1f32.to_bits();
    let mut engine = device.engine(plan, recording.members)?;
    for (tensor, values) in [
        (plan.io.params, &recording.params()),
        (plan.io.stats, &recording.stats()),
        (train.pool, &recording.values["x"]),
        (train.pool_labels, &recording.values["y"]),
        (train.schedule, &[recording.learning_rate, 0.0].repeat(STEPS)),
    ] {
        engine.write(tensor, bytemuck::cast_slice(values))?;
    }
    engine.write(train.draws, &recording.draws())?;
    if let Some(bands) = train.bands {
        engine.write(bands, &recording.bands())?;
    }
    engine.write(train.state, &counters.repeat(recording.members))?;
    Ok(engine)
}

fn step(engine: &mut dyn Engine) -> Result<()> {
    engine.replay(1, &mut |_, _| ControlFlow::Continue(()))?;
    Ok(())
}

fn read(engine: &mut dyn Engine, tensor: TensorId) -> Result<Vec<f32>> {
    Ok(bytemuck::cast_vec(engine.read(tensor)?))
}

/// Each member's loss. The plan's tensor has the loss and the mean squared error of each.
fn losses(engine: &mut dyn Engine, tensor: TensorId) -> Result<Vec<f32>> {
    Ok(read(engine, tensor)?.into_iter().step_by(2).collect())
}
