//! The self test: recorded training steps again on a device, every tensor compared with what was recorded.

use super::recording::{Entry, Kind, Recording, STEPS, Values};
use crate::device::{Device, Engine};
use crate::nn::NetworkPlan;
use crate::plan::{NetworkOp, Op, TensorId, state};
use anyhow::Result;
use serde::Serialize;
use std::collections::HashSet;
use std::ops::ControlFlow;

/// The recordings in the program, by name.
pub const EMBEDDED: [(&str, &[u8]); 3] = [
    (
        "keras_mlp_m5_b10",
        include_bytes!("../../assets/golden/keras_mlp_m5_b10.safetensors"),
    ),
    (
        "keras_small_m3_b5",
        include_bytes!("../../assets/golden/keras_small_m3_b5.safetensors"),
    ),
    (
        "vanilla_cutout_m2_b8",
        include_bytes!("../../assets/golden/vanilla_cutout_m2_b8.safetensors"),
    ),
];

/// How close a tensor comes to what was recorded.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    pub tensor: String,
    /// Largest |computed - recorded|; none where there is nothing to compare.
    pub largest_error: Option<f64>,
    /// The same as a share of the largest |recorded|, where that is not 0.
    pub relative_error: Option<f64>,
    /// Share of the values that are off, for a tensor some of whose values may be; those aside that are not defined.
    pub off: Option<f64>,
    pub tolerance: Option<Tolerance>,
    /// Why it fails; none where it is within its tolerance.
    pub problem: Option<String>,
}

/// What a [`Comparison`] must keep to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tolerance {
    /// Largest relative error.
    Relative(f64),
    /// A value is off that differs by more than `beyond`. At most `off` of the values may be, and none by more than
    /// `largest`.
    Share { beyond: f64, off: f64, largest: f64 },
}

/// Replays a recording on a device and compares every tensor. One that the file lacks, or that does not belong to a
/// recording of its network, is a [`Comparison`] with a problem.
///
/// # Errors
/// Those of the device.
pub fn selftest(device: &Device, recording: &Recording) -> Result<Vec<Comparison>> {
    let computed = replay(device, recording)?;
    let missing = |tensor: &str, problem: &str| Comparison {
        tensor: tensor.into(),
        largest_error: None,
        relative_error: None,
        off: None,
        tolerance: None,
        problem: Some(problem.into()),
    };
    let results = recording.entries.iter().filter(|entry| entry.kind != Kind::Given);
    let known = results.map(
        |entry| match (computed.get(&entry.name), recording.values.get(&entry.name)) {
            (Some(_), Some(want)) => compare(recording, &computed, entry, want),
            (_, None) => missing(&entry.name, "the file lacks it"),
            (None, _) => missing(&entry.name, "the file lacks adversarial.x, from which it is computed"),
        },
    );
    let unknown = recording
        .unknown
        .iter()
        .map(|name| missing(name, "nothing of that name is computed"));
    let mut comparisons: Vec<Comparison> = known.chain(unknown).collect();
    comparisons.extend((1..=STEPS).filter_map(|steps| all_weights(recording, &computed, steps)));
    Ok(comparisons)
}

/// All weights after so many Adam steps together, and none of them excused; none where the file has no such weights.
fn all_weights(recording: &Recording, computed: &Values<f32>, steps: usize) -> Option<Comparison> {
    let weights = recording
        .entries
        .iter()
        .filter(|entry| entry.kind == Kind::Weight { steps });
    let pairs = weights.filter_map(|entry| Some((computed.get(&entry.name)?, recording.values.get(&entry.name)?)));
    let errors: Vec<f64> = pairs.flat_map(|(got, want)| errors(got, want)).collect();
    if errors.is_empty() {
        return None;
    }
    let rate = f64::from(recording.learning_rate);
    let tolerance = weight_tolerance(rate, steps);
    let Tolerance::Share {
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

/// |got - want|; a NaN counts as infinitely wrong.
fn errors(got: &[f32], want: &[f32]) -> Vec<f64> {
    let error = |(&got, &want): (&f32, &f32)| (f64::from(got) - f64::from(want)).abs();
    let infinite = |e: f64| if e.is_nan() { f64::INFINITY } else { e };
    got.iter().zip(want).map(error).map(infinite).collect()
}

/// At least 96 % within 2 % of the learning rate, all within 2.1 learning rates a step.
fn weight_tolerance(rate: f64, steps: usize) -> Tolerance {
    Tolerance::Share {
        beyond: 0.02 * rate,
        off: 0.04,
        largest: 2.1 * rate * steps as f64,
    }
}

/// Where all of `want` is zero, a relative error is an absolute one.
fn compare(recording: &Recording, computed: &Values<f32>, entry: &Entry, want: &[f32]) -> Comparison {
    let got = &computed[&entry.name];
    let errors = errors(got, want);
    let (largest_error, largest) = (errors.iter().copied().fold(0.0, f64::max), largest(want));
    let relative_error = largest_error / if largest > 0.0 { largest } else { 1.0 };
    let tolerance = tolerance(recording, entry, largest);
    let (off, within) = match tolerance {
        Tolerance::Relative(tolerance) => (None, relative_error <= tolerance),
        Tolerance::Share {
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
    let problem = match (got.len() == want.len(), largest_error.is_finite(), within) {
        (false, ..) => Some("another number of values is computed".into()),
        (_, false, _) => Some("what is computed is not finite".into()),
        (.., false) => Some("out of tolerance".into()),
        _ => None,
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

/// The tolerance of a tensor whose largest value is `largest`. Signs of gradients near zero are not defined by float32:
/// some pixels of an adversarial image may differ, and some weights, because Adam divides a gradient by its own size.
fn tolerance(recording: &Recording, entry: &Entry, largest: f64) -> Tolerance {
    let of_float32 = |tensor: &str| 5.0 * recording.float32_error(tensor);
    match entry.kind {
        Kind::Given | Kind::Output => Tolerance::Relative(5e-5),
        Kind::Gradient => Tolerance::Relative(of_float32(&entry.name).max(2e-4)),
        Kind::AdversarialGradient => {
            Tolerance::Relative(of_float32(entry.name.trim_start_matches("adversarial.")).max(5e-4))
        }
        Kind::Loss => Tolerance::Relative(5e-3),
        Kind::AdversarialImage => Tolerance::Share {
            beyond: 1e-6 * largest,
            off: 1.0 / 200.0,
            largest: 2.1 * f64::from(recording.fgsm_epsilon),
        },
        Kind::Weight { steps } => weight_tolerance(f64::from(recording.learning_rate), steps),
    }
}

/// Places of weights whose gradient is zero but for rounding, as that of a bias in front of a batch norm where its ReLU
/// passes every image: 1e-17 in float64 and 1e-8 in float32, of either of which Adam makes what step it likes. They are
/// not counted as off. Where both gradients are exactly zero, as those of a dead unit, Adam must stand still.
fn undefined(recording: &Recording, computed: &Values<f32>, entry: &Entry) -> HashSet<usize> {
    let (Kind::Weight { .. }, Some((_, weight))) = (entry.kind, entry.name.split_once('.')) else {
        return HashSet::new();
    };
    let gradient = format!("grad.{weight}");
    let (Some(got), Some(want)) = (computed.get(&gradient), recording.values.get(&gradient)) else {
        return HashSet::new();
    };
    let rounding = 1e-12 * largest(want);
    let zero = |i: usize| f64::from(want[i].abs()) <= rounding && (want[i] != 0.0 || got[i] != 0.0);
    (0..want.len()).filter(|&i| zero(i)).collect()
}

/// Everything that a recording holds, computed by the device from its inputs and weights.
fn replay(device: &Device, recording: &Recording) -> Result<Values<f32>> {
    let mut values = Values::new();
    infer(device, recording, &mut values)?;
    descend(device, recording, &mut values)?;
    perturb(device, recording, &mut values)?;
    see_perturbed(device, recording, &mut values)?;
    Ok(values)
}

/// Inference, a member at a time: the members of an inference plan share their images, and here each has its own.
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

/// Three Adam steps on the plain loss; the first is also the recorded pass in training mode with its gradients.
fn descend(device: &Device, recording: &Recording, values: &mut Values<f32>) -> Result<()> {
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
fn perturb(device: &Device, recording: &Recording, values: &mut Values<f32>) -> Result<()> {
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
    let mut engine = start(device, recording, &plan)?;
    step(&mut *engine)?;
    values.insert("grad.x".into(), read(&mut *engine, adversary.grad_x)?);
    values.insert("adversarial.x".into(), read(&mut *engine, adversary.x)?);
    Ok(())
}

/// Both passes of an adversarial step, the second over the images as they were recorded: a sign that float32 does not
/// define would change every gradient.
fn see_perturbed(device: &Device, recording: &Recording, values: &mut Values<f32>) -> Result<()> {
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

/// A training plan on the device, with the recorded weights and mini-batches.
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

/// Each member's loss; the mean squared error stands beside it.
fn losses(engine: &mut dyn Engine, tensor: TensorId) -> Result<Vec<f32>> {
    Ok(read(engine, tensor)?.into_iter().step_by(2).collect())
}
