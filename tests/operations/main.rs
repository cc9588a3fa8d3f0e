//! Every operation of every device against the f64 reference, one at a time: a device gets a plan that holds only that
//! operation and the reference's memory before it, and must leave what the reference leaves. So a fault is found in
//! the operation that has it, and errors do not accumulate.

mod cases;
#[path = "../reference/mod.rs"]
mod reference;

use cases::{ADVERSARY, CASES, Case, PLAIN, case};

use lensgpu::device::cpu::CpuEngine;
use lensgpu::device::{Device, Engine, Precision};
use lensgpu::likelihood::Likelihood;
use lensgpu::nn::{Layout, Parameter};
use lensgpu::nn::{NetworkPlan, Training};
use lensgpu::plan::{
    ChannelCopy, DenseGrad, HeadsGrad, NO_LABEL, NetworkOp, NormGrad, Op, Plan, PoolGradInput, StatsSource, TensorId,
    bands, log, schedule, state,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use reference::compare::assert_close;
use reference::{Memory, run};
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::{Mutex, OnceLock};

/// Opened once: a driver takes its time.
static SOFTWARE: OnceLock<Device> = OnceLock::new();

fn software() -> &'static Device {
    SOFTWARE.get_or_init(|| Device::choose("software").unwrap_or_else(|error| panic!("{error:#}")))
}

/// The devices to test, with this plan.
fn engines(plan: &Plan, members: usize) -> Vec<(&'static str, Box<dyn Engine>)> {
    vec![
        ("cpu", Box::new(CpuEngine::new(plan, members).unwrap())),
        ("software", software().engine(&plan.clone().kept(), members).unwrap()),
    ]
}

/// The devices that store images and activations as f16, with this plan; none if the software adapter cannot, as
/// SwiftShader.
fn half_engines(plan: &Plan, members: usize) -> Vec<(&'static str, Box<dyn Engine>)> {
    match software().clone().with_precision(Precision::F16) {
        Ok(half) => vec![("software, f16", half.engine(&plan.clone().kept(), members).unwrap())],
        Err(lensgpu::DeviceError::NoF16 { device }) => {
            println!("skipped: {device} has no f16");
            vec![]
        }
        Err(error) => panic!("{error:#}"),
    }
}

/// Error that is allowed in a tensor in this precision.
fn tolerance_in(precision: Precision, plan: &Plan, op: &Op, tensor: TensorId) -> f64 {
    match precision == Precision::F16 && plan.tensor(tensor).half {
        // A device may round to either neighbour.
        true => tolerance(op, tensor) + f64::from(half::f16::EPSILON),
        false => tolerance(op, tensor),
    }
}

/// Error that is allowed in a tensor, relative to the largest value of the part of it at hand ([`parts`]).
fn tolerance(op: &Op, tensor: TensorId) -> f64 {
    let Op::Network(op) = op else {
        unreachable!("a network's plan has no other operations; those of the simulator are in tests/lens.rs");
    };
    match op {
        NetworkOp::Gather(op) if op.noise => 2e-6,
        NetworkOp::Gather(_)
        | NetworkOp::PoolForward(_)
        | NetworkOp::ChannelCopy(ChannelCopy { accumulate: false, .. })
        | NetworkOp::PoolGradInput(PoolGradInput { accumulate: false, .. }) => 0.0,
        // One rounding to f32, which the reference does not do.
        NetworkOp::AddForward(_) => 6e-8,
        // In a batch of few rows what is left is a small difference of large numbers.
        NetworkOp::NormGrad(op) if op.input.is_some_and(|to| to.dx == tensor) => 1e-4,
        NetworkOp::NormForward(op) if matches!(op.source, StatsSource::Running(_)) => 2e-6,
        NetworkOp::HeadsGrad(op) if op.input.is_some_and(|to| to.dx == tensor) => 2e-6,
        NetworkOp::Fgsm(_)
        | NetworkOp::ActivationForward(_)
        | NetworkOp::ActivationGradInput(_)
        | NetworkOp::ChannelCopy(_)
        | NetworkOp::PoolGradInput(_) => 2e-6,
        // Sums, and what follows from sums of their own.
        NetworkOp::ConvForward(_)
        | NetworkOp::ConvGradInput(_)
        | NetworkOp::ConvGradWeight(_)
        | NetworkOp::NormForward(_)
        | NetworkOp::NormGrad(_)
        | NetworkOp::AveragePoolForward(_)
        | NetworkOp::AveragePoolGradInput(_)
        | NetworkOp::DenseForward(_)
        | NetworkOp::DenseGrad(_)
        | NetworkOp::HeadsForward(_)
        | NetworkOp::HeadsLoss(_)
        | NetworkOp::HeadsGrad(_)
        | NetworkOp::LensLoss(_)
        | NetworkOp::Adam(_)
        | NetworkOp::Average(_) => 2e-5,
    }
}

fn random(rng: &mut ChaCha8Rng, len: usize, range: Range<f64>) -> Vec<f64> {
    (0..len)
        .map(|_| f64::from(rng.random_range(range.clone()) as f32))
        .collect()
}

/// Random values everywhere, so that what is not overwritten is seen: weights as wide as keeps activations near 1, with
/// gammas of both signs, images and labels, draws with all flips, the second of three steps.
fn random_memory(plan: &NetworkPlan, layout: &Layout, members: usize) -> Memory {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut memory = Memory::new(plan, members);
    for (i, tensor) in plan.tensors.iter().enumerate() {
        let positive = matches!(tensor.name.as_str(), "stats" | "adam_v" | "schedule");
        let range = if positive { 0.5..1.5 } else { -1.0..1.0 };
        let id = TensorId(i);
        // Numbers of its own, whichever tensors there are beside it; of a start with which no output of one unit cancels.
        let seed = tensor
            .name
            .bytes()
            .fold(2, |seed: u64, byte| seed.wrapping_mul(31) + u64::from(byte));
        let values = random(&mut ChaCha8Rng::seed_from_u64(seed), memory.all(id).len(), range);
        memory.set(id, &values);
    }
    for m in 0..members {
        for p in layout.params.iter().filter(|p| p.name.ends_with("kernel")) {
            let fan_in = p.shape[..p.shape.len() - 1].iter().product::<usize>() as f64;
            let kernel = &mut memory.row_mut(plan.io.params, m)[p.offset..p.offset + p.len()];
            kernel.iter_mut().for_each(|w| *w = round(*w * (3.0 / fan_in).sqrt()));
        }
    }
    if let Some(train) = plan.io.train {
        let [h, w] = match plan.ops[0] {
            Op::Network(NetworkOp::Gather(ref op)) => [op.h, op.w],
            _ => unreachable!("a step begins with its images"),
        };
        let images = plan.tensor(train.pool_labels).len as u32;
        let flips = if h == w { 8 } else { 4 };
        let mut draw = |_| f64::from(rng.random_range(0..images) | rng.random_range(0..flips) << 28);
        let draws: Vec<f64> = (0..memory.all(train.draws).len()).map(&mut draw).collect();
        memory.set(train.draws, &draws);
        if train.cross_entropy[0].is_some() {
            // Every third image shows no lens.
            let labels = memory.row_mut(train.pool_labels, 0).iter_mut();
            labels.step_by(3).for_each(|y| *y = f64::from(NO_LABEL));
        }
        if let Some(bands) = train.bands {
            // Every seventh value is a masked one of its channel.
            let channels = plan.tensor(bands).len / bands::ROWS;
            let masked = memory.all(bands)[bands::MASKED * channels..].to_vec();
            let mut pool = memory.all(train.pool).to_vec();
            memory.row_mut(bands, 0)[bands::NOISE * channels..].fill(round(1e-3));
            pool.iter_mut()
                .enumerate()
                .step_by(7)
                .for_each(|(i, v)| *v = masked[i % channels]);
            memory.set(train.pool, &pool);
        }
        for m in 0..members {
            let words = memory.row_mut(train.state, m);
            words.fill(0.0);
            words[state::CURSOR] = 1.0;
            words[state::TAKEN] = 1.0;
            words[state::RATE_FACTOR] = 1.0;
            words[state::BIAS1] = round(0.1);
            words[state::BIAS2] = round(0.001);
            words[state::KEY] = 1e6 + m as f64;
        }
        let rows = memory.row_mut(train.schedule, 0).iter_mut();
        rows.skip(schedule::FIT_MEAN)
            .step_by(schedule::WIDTH)
            .for_each(|flag| *flag = 0.0);
    }
    memory
}

/// To f32, in which a device holds everything. Draws and counters fit too.
fn round(value: f64) -> f64 {
    f64::from(value as f32)
}

/// Whether word `i` of a tensor's rows is a u32.
fn is_integer(plan: &Plan, tensor: TensorId, i: usize) -> bool {
    let tensor = plan.tensor(tensor);
    match tensor.name.as_str() {
        "draws" => true,
        "state" => i % tensor.len < state::RATE_FACTOR || i % tensor.len == state::KEY,
        _ => false,
    }
}

fn tensors(plan: &Plan) -> impl Iterator<Item = TensorId> {
    (0..plan.tensors.len()).map(TensorId)
}

fn write(engine: &mut dyn Engine, plan: &Plan, memory: &Memory) {
    for tensor in tensors(plan) {
        engine.write(tensor, &words(plan, memory, tensor)).unwrap();
    }
}

/// A tensor as a device takes it.
fn words(plan: &Plan, memory: &Memory, tensor: TensorId) -> Vec<u32> {
    let word = |(i, &value): (usize, &f64)| match is_integer(plan, tensor, i) {
        true => value as u32,
        false => (value as f32).to_bits(),
    };
    memory.all(tensor).iter().enumerate().map(word).collect()
}

fn read(engine: &mut dyn Engine, plan: &Plan, members: usize) -> Memory {
    let mut memory = Memory::new(plan, members);
    for tensor in tensors(plan) {
        memory.set_words(tensor, &engine.read(tensor).unwrap());
    }
    memory
}

fn step(engine: &mut dyn Engine, steps: usize) {
    assert_eq!(
        engine.replay(steps, &mut |_, _| ControlFlow::Continue(())).unwrap(),
        steps
    );
}

/// The stretches of a member's row whose values are of one size: parameters by layer, words of the state and columns of
/// the log on their own, others whole. A layer's bias belongs to its kernel, because its gradient may be all rounding
/// error, as in front of a norm.
fn parts(plan: &Plan, layout: &Layout, tensor: TensorId) -> BTreeMap<String, Vec<usize>> {
    let by_layer = |parameters: &[Parameter]| {
        let mut parts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for p in parameters {
            let layer = p.name.split('.').next().unwrap();
            parts
                .entry(layer.into())
                .or_default()
                .extend(p.offset..p.offset + p.len());
        }
        parts
    };
    let tensor = plan.tensor(tensor);
    match tensor.name.as_str() {
        "params" | "grads" | "adam_m" | "adam_v" => by_layer(&layout.params),
        "stats" | "stats_next" => by_layer(&layout.stats),
        "state" => (0..tensor.len)
            .map(|word| (format!("word {word}"), vec![word]))
            .collect(),
        "log" => (0..log::WIDTH)
            .map(|column| {
                (
                    format!("column {column}"),
                    (column..tensor.len).step_by(log::WIDTH).collect(),
                )
            })
            .collect(),
        _ => BTreeMap::from([(String::new(), (0..tensor.len).collect())]),
    }
}

/// The plan of these operations alone.
fn only(plan: &Plan, ops: &[Op]) -> Plan {
    Plan {
        tensors: plan.tensors.clone(),
        ops: ops.to_vec(),
        ..*plan
    }
}

/// Runs one operation on every device and by the reference, from the same memory, which it leaves as the reference has
/// it, rounded to f32.
fn check(what: &str, plan: &Plan, layout: &Layout, op: &Op, memory: &mut Memory, seen: &Seen) {
    check_in(
        Precision::F32,
        what,
        plan,
        layout,
        std::slice::from_ref(op),
        memory,
        seen,
    );
}

/// The same of a few operations that belong together, on the devices of this precision; tensors that they store as f16 are
/// rounded to that. The tolerance is that of the last operation.
fn check_in(
    precision: Precision,
    what: &str,
    plan: &Plan,
    layout: &Layout,
    ops: &[Op],
    memory: &mut Memory,
    seen: &Seen,
) {
    let alone = only(plan, ops);
    let op = ops.last().expect("there is an operation");
    let before = memory.clone();
    ops.iter().for_each(|op| run(op, memory));
    let engines = match precision {
        Precision::F32 => engines(&alone, memory.members),
        Precision::F16 => half_engines(&alone, memory.members),
    };
    for (device, mut engine) in engines {
        write(&mut *engine, plan, &before);
        step(&mut *engine, 1);
        let got = read(&mut *engine, plan, memory.members);
        for tensor in tensors(plan) {
            let name = &plan.tensor(tensor).name;
            if before
                .all(tensor)
                .iter()
                .map(|v| v.to_bits())
                .eq(memory.all(tensor).iter().map(|v| v.to_bits()))
            {
                let unchanged = got
                    .all(tensor)
                    .iter()
                    .map(|v| v.to_bits())
                    .eq(before.all(tensor).iter().map(|v| v.to_bits()));
                assert!(unchanged, "{what}: {} on {device} changed {name}", op.name());
                continue;
            }
            for (part, places) in parts(plan, layout, tensor) {
                for m in 0..memory.members {
                    let values = |memory: &Memory| -> Vec<f64> {
                        places.iter().map(|&i| finite(memory.row(tensor, m)[i])).collect()
                    };
                    let what = format!(
                        "{what}: {} {} on {device}: member {m}: {name} {part}",
                        op.name(),
                        op.layer()
                    );
                    let (got, want) = (values(&got), values(memory));
                    seen.note(op, device, &got, &want);
                    assert_close(&what, &got, &want, tolerance_in(precision, plan, op, tensor));
                }
            }
        }
    }
    for tensor in tensors(plan) {
        let values: Vec<f64> = memory.all(tensor).iter().map(|v| round(*v)).collect();
        memory.set(tensor, &values);
    }
    if precision == Precision::F16 {
        round_to_f16(plan, memory);
    }
}

/// What a device stores as f16, rounded to that.
fn round_to_f16(plan: &Plan, memory: &mut Memory) {
    for tensor in tensors(plan).filter(|tensor| plan.tensor(*tensor).half) {
        let round = |v: &f64| half::f16::from_f64(*v).to_f64();
        let values: Vec<f64> = memory.all(tensor).iter().map(round).collect();
        memory.set(tensor, &values);
    }
}

/// Whatever is not finite is one large number: which of them a sum becomes is left open.
fn finite(value: f64) -> f64 {
    if value.is_finite() { value } else { 1e300 }
}

/// The largest errors seen, by operation and device.
#[derive(Default)]
struct Seen(Mutex<BTreeMap<(&'static str, &'static str), f64>>);

impl Seen {
    fn note(&self, op: &Op, device: &'static str, got: &[f64], want: &[f64]) {
        let largest = want.iter().fold(0.0f64, |a, w| a.max(w.abs()));
        let scale = if largest > 0.0 { largest } else { 1.0 };
        let error = got
            .iter()
            .zip(want)
            .fold(0.0f64, |a, (g, w)| a.max((g - w).abs() / scale));
        let mut seen = self.0.lock().unwrap();
        let entry = seen.entry((op.name(), device)).or_default();
        *entry = entry.max(error);
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        for ((op, device), error) in self.0.lock().unwrap().iter() {
            println!("{op:<24}{device:<15}{error:.1e}");
        }
    }
}

#[test]
fn every_operation_is_as_the_reference_has_it() {
    let seen = Seen::default();
    CASES.par_iter().for_each(|case| {
        let network = case.network();
        let layout = Layout::new(&network).unwrap();
        let plans = [
            ("training", case.training(&network, &layout)),
            (
                "inference",
                NetworkPlan::inference(&network, &layout, case.batch).unwrap(),
            ),
        ];
        for (kind, plan) in plans {
            let mut memory = random_memory(&plan, &layout, case.members);
            let what = format!("{kind} {:?} {}, batch {}", case.input, case.layers, case.batch);
            for op in &plan.ops {
                check(&what, &plan, &layout, op, &mut memory, &seen);
            }
        }
    });
}

#[test]
fn in_f16_every_operation_is_as_the_reference_has_it() {
    let seen = Seen::default();
    for case in [SMALL, RESIDUAL] {
        let network = case.network();
        let layout = Layout::new(&network).unwrap();
        let training = Training {
            shift: 2,
            noise: true,
            ..case.options()
        };
        for plan in [
            NetworkPlan::training(&network, &layout, &training).unwrap(),
            NetworkPlan::inference(&network, &layout, case.batch).unwrap(),
        ] {
            let mut memory = random_memory(&plan, &layout, case.members);
            if let Some(train) = plan.io.train {
                // In f16, a value near the masked one of its channel counts as masked: let there be none.
                let masked = memory.all(train.bands.unwrap())[bands::MASKED * 3..][..3].to_vec();
                let pool = memory.all(train.pool).iter().enumerate();
                let pool: Vec<f64> = pool.map(|(i, &v)| if v == masked[i % 3] { 3.0 } else { v }).collect();
                memory.row_mut(train.bands.unwrap(), 0)[bands::MASKED * 3..][..3].fill(3.0);
                memory.set(train.pool, &pool);
            }
            round_to_f16(&plan, &mut memory);
            for op in &plan.ops {
                let op = std::slice::from_ref(op);
                check_in(Precision::F16, case.layers, &plan, &layout, op, &mut memory, &seen);
            }
        }
    }
}

/// On a GPU, a convolution leaves the moments of its tiles for the norm behind it.
#[test]
fn a_convolution_and_the_norm_behind_it_are_as_the_reference_has_them() {
    let seen = Seen::default();
    let layers =
        "conv 32 3 relu | norm | pool 2 | conv 20 3 same | norm | conv 16 2 stride 2 relu | norm | flatten | abs";
    // Few tiles, whose moments the norm merges itself, and many, which another pass merges first.
    for (batch, passes, norms) in [(3, 2, 1), (520, 3, 3)] {
        let case = case(2, batch, ADVERSARY, &[13, 12, 3], layers);
        let network = case.network();
        let layout = Layout::new(&network).unwrap();
        let plan = case.training(&network, &layout);
        for precision in [Precision::F32, Precision::F16] {
            let mut memory = random_memory(&plan, &layout, case.members);
            if precision == Precision::F16 {
                round_to_f16(&plan, &mut memory);
            }
            let mut pairs = 0;
            for ops in plan.ops.windows(2) {
                let dispatches = |ops: &[Op]| software().engine(&only(&plan, ops), 1).unwrap().dispatches();
                let is_pair = matches!(
                    ops,
                    [
                        Op::Network(NetworkOp::ConvForward(_)),
                        Op::Network(NetworkOp::NormForward(_))
                    ]
                );
                // A norm of few rows is a single pass.
                if is_pair && dispatches(&ops[1..]) == 2 {
                    assert_eq!(dispatches(ops), passes);
                    let what = format!("batch {batch}, {precision:?}");
                    check_in(precision, &what, &plan, &layout, ops, &mut memory, &seen);
                    pairs += 1;
                }
            }
            assert_eq!(pairs, 2 * norms, "batch {batch}");
        }
    }
}

/// Everything that a run can switch on, at once and apart.
#[test]
fn every_option_is_as_the_reference_has_it() {
    let cases = [
        case(
            2,
            5,
            ADVERSARY,
            &[9, 11, 3],
            "conv 5 3 relu | norm | pool 2 | flatten | dense 5 relu | identity",
        ),
        case(20, 2, PLAIN, &[8, 8, 2], "conv 3 3 relu | norm | flatten | abs"),
        case(3, 70, PLAIN, &[5], "dense 7 relu | norm | identity"),
    ];
    for case in cases {
        let plain = case.options();
        let all = Training {
            beta_nll: 0.5,
            shift: if case.input.len() == 3 { 2 } else { 0 },
            noise: true,
            weight_decay: 0.01,
            average: 0.9,
            ..plain
        };
        let noise = Training { noise: true, ..plain };
        for (training, likelihood) in [
            (all, Likelihood::Gaussian),
            (all, Likelihood::StudentT),
            (noise, Likelihood::StudentT),
            (
                Training {
                    shift: all.shift,
                    ..plain
                },
                Likelihood::Gaussian,
            ),
        ] {
            let network = case.network().with_likelihood(likelihood);
            let layout = Layout::new(&network).unwrap();
            let plan = NetworkPlan::training(&network, &layout, &training).unwrap();
            for fit_mean in [0.0, 1.0] {
                let mut memory = random_memory(&plan, &layout, case.members);
                memory.row_mut(plan.io.train.unwrap().schedule, 0)[schedule::WIDTH + schedule::FIT_MEAN] = fit_mean;
                for op in &plan.ops {
                    let what = format!("{:?} {likelihood:?} {training:?}", case.input);
                    check(&what, &plan, &layout, op, &mut memory, &Seen::default());
                }
            }
        }
    }
}

/// The adversary needs gradients of the images, which then pass through layers that are not trained.
#[test]
fn a_residual_network_behind_frozen_convolutions_is_as_the_reference_has_it() {
    for adversarial in [PLAIN, ADVERSARY] {
        let case = case(
            2,
            3,
            adversarial,
            &[9, 7, 3],
            "conv 5 3 same relu as a | norm | activation silu | conv 5 3 same | add a | pool 2 | global | dense 6 relu as d \
             | dense 6 | add d | identity",
        );
        let network = case.network();
        let layout = Layout::new(&network).unwrap();
        let training = Training {
            freeze_convolutions: true,
            ..case.options()
        };
        let plan = NetworkPlan::training(&network, &layout, &training).unwrap();
        let mut memory = random_memory(&plan, &layout, case.members);
        for op in &plan.ops {
            check("frozen", &plan, &layout, op, &mut memory, &Seen::default());
        }
    }
}

/// Far from 0, exp(z) is infinite or 0; a NaN stays one.
#[test]
fn the_loss_of_the_lens_head_is_right_for_every_logit() {
    let case = case(2, 12, PLAIN, &[3], "abs lens");
    let network = case.network();
    let layout = Layout::new(&network).unwrap();
    let plan = case.training(&network, &layout);
    let loss = plan.ops.iter().find(|op| op.name() == "lens_loss").unwrap();
    let logits = [-1e30, -89.0, -17.0, 0.0, 17.0, 89.0, 1e30].map(round);
    for not_finite in [None, Some(f64::NAN), Some(f64::INFINITY)] {
        let mut memory = random_memory(&plan, &layout, case.members);
        for m in 0..case.members {
            let z = memory.row_mut(plan.io.lens.unwrap(), m);
            z.iter_mut()
                .zip(logits.iter().cycle())
                .for_each(|(z, logit)| *z = *logit);
            z[4] = not_finite.unwrap_or(z[4]);
            let y = memory.row_mut(plan.io.train.unwrap().y, m);
            (0..12).filter(|i| i % 2 == 0).for_each(|i| y[i] = f64::from(NO_LABEL));
        }
        check("logits", &plan, &layout, loss, &mut memory, &Seen::default());
        let entropy = memory.row(plan.io.train.unwrap().cross_entropy[0].unwrap(), 0)[0];
        assert_eq!(entropy.is_finite(), not_finite.is_none());
    }
}

/// Gated and not, whichever of these a network asks for.
#[test]
fn every_gradient_of_an_input_can_be_added_to_another() {
    for relu in ["relu", ""] {
        let layers = format!(
            "conv 5 3 {relu} | conv 4 2 same stride 2 {relu} | norm | conv 33 1 {relu} | pool 2 | conv 5 1 {relu} \
             | activation silu | conv 3 1 {relu} as a | concat a | avgpool 2 | flatten | dense 17 {relu} | dense 5 {relu} \
             | identity"
        );
        let case = case(2, 3, ADVERSARY, &[19, 21, 3], layers.leak());
        let network = case.network();
        let layout = Layout::new(&network).unwrap();
        let plan = case.training(&network, &layout);
        let mut memory = random_memory(&plan, &layout, case.members);
        for op in &plan.ops {
            let adding = adding(op);
            check("adding", &plan, &layout, &adding, &mut memory.clone(), &Seen::default());
            check("writing", &plan, &layout, op, &mut memory, &Seen::default());
        }
    }
}

/// The operation with `accumulate`, if it writes the gradient of an input.
fn adding(op: &Op) -> Op {
    let mut adding = op.clone();
    if let Op::Network(op) = &mut adding {
        match op {
            NetworkOp::ConvGradInput(op) => op.accumulate = true,
            NetworkOp::NormGrad(NormGrad { input: Some(to), .. })
            | NetworkOp::DenseGrad(DenseGrad { input: Some(to), .. })
            | NetworkOp::HeadsGrad(HeadsGrad { input: Some(to), .. }) => to.accumulate = true,
            NetworkOp::PoolGradInput(op) => op.accumulate = true,
            NetworkOp::AveragePoolGradInput(op) => op.accumulate = true,
            NetworkOp::ActivationGradInput(op) => op.accumulate = true,
            NetworkOp::ChannelCopy(op) => op.accumulate = true,
            _ => assert!(!adding.name().ends_with("grad_input"), "{} cannot add", adding.name()),
        }
    }
    adding
}

/// The optimiser's rules: what it does with what no gradient of a sound step is.
#[test]
fn skipped_restored_kept_frozen_and_clipped_steps_are_as_the_reference_has_them() {
    let case = case(2, 2, ADVERSARY, &[3], "norm | dense 5 relu | abs");
    let network = case.network();
    let layout = Layout::new(&network).unwrap();
    let plan = case.training(&network, &layout);
    let train = plan.io.train.unwrap();
    let spoil: [(&str, TensorId, usize, f64, f64); 12] = [
        ("sound", train.grads, 0, 0.5, 0.0),
        ("a NaN in the gradient", train.grads, 7, f64::NAN, 1.0),
        (
            "an infinite gradient",
            train.grads,
            layout.param_stride - 1,
            f64::NEG_INFINITY,
            1.0,
        ),
        ("a NaN loss", train.loss[0], 0, f64::NAN, 1.0),
        ("an infinite second loss", train.loss[1], 0, f64::INFINITY, 1.0),
        ("a NaN statistic", train.stats_next, 1, f64::NAN, 1.0),
        ("a gradient whose square is too large", train.grads, 3, 1e30, 0.0),
        ("one whose square is too small", train.grads, 3, 1e-30, 0.0),
        (
            "the fifth skip in a row",
            train.state,
            state::SKIPPED_IN_A_ROW,
            4.0,
            2.0,
        ),
        ("the 25th step", train.state, state::SINCE_GOOD, 24.0, 4.0),
        ("a frozen member", train.state, state::FROZEN, 1.0, 3.0),
        ("a member that was restored", train.state, state::RATE_FACTOR, 0.1, 0.0),
    ];
    for (what, tensor, place, value, verdict) in spoil {
        let mut memory = random_memory(&plan, &layout, case.members);
        memory.row_mut(tensor, 1)[place] = round(value);
        if verdict == 2.0 {
            memory.row_mut(train.grads, 1)[0] = f64::NAN;
        }
        check(
            what,
            &plan,
            &layout,
            plan.ops.last().unwrap(),
            &mut memory,
            &Seen::default(),
        );
        assert_eq!(memory.row(train.state, 1)[state::VERDICT], verdict, "{what}");
    }
}

/// All tensors after two steps, on every device.
fn train(plan: &Plan, memory: &Memory) -> Vec<(&'static str, Vec<Vec<u32>>)> {
    let run = |(device, mut engine): (&'static str, Box<dyn Engine>)| {
        write(&mut *engine, plan, memory);
        step(&mut *engine, 2);
        (
            device,
            tensors(plan).map(|tensor| engine.read(tensor).unwrap()).collect(),
        )
    };
    engines(plan, memory.members).into_iter().map(run).collect()
}

/// A vanilla network in small.
const SMALL: Case = case(
    3,
    5,
    ADVERSARY,
    &[25, 25, 3],
    "conv 32 3 relu | norm | pool 2 | conv 16 5 relu | norm | pool 2 | flatten | dense 64 relu | norm | abs",
);

/// Every layer that [`SMALL`] lacks, in residual blocks.
const RESIDUAL: Case = case(
    3,
    5,
    ADVERSARY,
    &[21, 18, 3],
    "conv 16 3 same as a | norm | activation relu | conv 16 3 same silu | conv 16 3 same | add a | norm \
     | activation leaky_relu as b | conv 24 3 same stride 2 relu | conv 24 3 same as c | from b conv 24 1 same stride 2 \
     | add c as d | conv 5 1 relu | concat d | avgpool 2 | activation relu | global | dense 16 relu as e | dense 16 | add e \
     | abs",
);

#[test]
fn a_member_alone_has_the_same_bits_as_in_company() {
    for case in [SMALL, RESIDUAL] {
        let network = case.network().with_likelihood(Likelihood::StudentT);
        let layout = Layout::new(&network).unwrap();
        let training = Training {
            beta_nll: 0.5,
            shift: 3,
            noise: true,
            weight_decay: 0.01,
            average: 0.9,
            ..case.options()
        };
        let plan = NetworkPlan::training(&network, &layout, &training).unwrap();
        let company = random_memory(&plan, &layout, 3);
        let mut alone = Memory::new(&plan, 1);
        for tensor in tensors(&plan) {
            alone.set(tensor, company.row(tensor, 1));
        }
        for ((device, company), (_, alone)) in train(&plan, &company).into_iter().zip(train(&plan, &alone)) {
            for tensor in tensors(&plan) {
                let lensgpu::plan::Tensor {
                    ref name, len, shared, ..
                } = *plan.tensor(tensor);
                let from = if shared { 0 } else { len };
                assert!(
                    company[tensor.0][from..from + len] == alone[tensor.0],
                    "{device}: {name} differs in {}",
                    case.layers
                );
            }
        }
    }
}

/// Buffers that several transient tensors share by turns.
#[test]
fn less_memory_gives_the_same_bits() {
    for case in [SMALL, RESIDUAL] {
        let network = case.network();
        let layout = Layout::new(&network).unwrap();
        for plan in [
            case.training(&network, &layout),
            NetworkPlan::inference(&network, &layout, case.batch).unwrap(),
        ] {
            let memory = random_memory(&plan, &layout, case.members);
            let read_back = tensors(&plan).filter(|tensor| !plan.tensor(*tensor).transient);
            let read_back: Vec<TensorId> = read_back.collect();
            let run = |plan: &Plan| {
                let mut engine = software().engine(plan, case.members).unwrap();
                for &tensor in &read_back {
                    engine.write(tensor, &words(plan, &memory, tensor)).unwrap();
                }
                step(&mut *engine, 2);
                let values: Vec<_> = read_back.iter().map(|&tensor| engine.read(tensor).unwrap()).collect();
                (engine.bytes(), values)
            };
            let ((less, shared), (more, kept)) = (run(&plan), run(&plan.plan.clone().kept()));
            assert!(shared == kept, "{}", case.layers);
            assert!(less < more, "{}: {less} and {more} bytes", case.layers);
        }
    }
}

#[test]
fn one_thread_and_two_give_the_same_bits() {
    for case in [SMALL, RESIDUAL] {
        let network = case.network();
        let layout = Layout::new(&network).unwrap();
        let plan = case.training(&network, &layout);
        let memory = random_memory(&plan, &layout, 3);
        let threads = |n| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(n)
                .build()
                .unwrap()
                .install(|| train(&plan, &memory))
        };
        assert!(threads(1) == threads(2), "{}", case.layers);
    }
}

#[test]
fn a_nan_is_the_largest_value_of_its_window() {
    let case = case(2, 1, PLAIN, &[9, 9, 3], "pool 2 | norm | pool 2 | flatten | abs");
    let network = case.network();
    let layout = Layout::new(&network).unwrap();
    let plan = NetworkPlan::inference(&network, &layout, case.batch).unwrap();
    for place in [0, 3, 27, 30] {
        let mut memory = random_memory(&plan, &layout, case.members);
        memory.row_mut(plan.io.x, 0)[place] = f64::NAN;
        for op in &plan.ops {
            check("a NaN", &plan, &layout, op, &mut memory, &Seen::default());
        }
        assert!(memory.row(plan.io.prediction, 1)[0].is_nan());
    }
}

/// A NaN is not lost in an activation, a mean or a maximum: the step is skipped, by that member alone.
#[test]
fn a_nan_reaches_the_optimiser() {
    for case in [SMALL, RESIDUAL] {
        let network = case.network();
        let layout = Layout::new(&network).unwrap();
        let plan = case.training(&network, &layout);
        let io = plan.io.train.unwrap();
        let mut memory = random_memory(&plan, &layout, 3);
        memory.row_mut(plan.io.params, 1)[0] = f64::NAN;
        for (device, mut engine) in engines(&plan, 3) {
            write(&mut *engine, &plan, &memory);
            step(&mut *engine, 1);
            let after = read(&mut *engine, &plan, 3);
            let verdicts = [0, 1, 2].map(|m| after.row(io.state, m)[state::VERDICT]);
            assert_eq!(verdicts, [0.0, 1.0, 0.0], "{device}: {}", case.layers);
        }
    }
}
