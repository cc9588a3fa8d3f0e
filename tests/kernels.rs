//! The kernels of every operation against the f64 reference, on the first adapter of this machine: one operation at a time,
//! from random tensors, so that an error is found in the operation that makes it.

mod kernel_cases;
mod reference;

use kernel_cases::{EVERY_LAYER, variants};
use lensgpu::device::Engine;
use lensgpu::device::gpu::{AdapterClass, Gpu, GpuEngine, adapters};
use lensgpu::nn::{Capacity, NetworkPlan, Training};
use lensgpu::nn::{Layout, Network};
use lensgpu::plan::{HeadsLoss, LensLoss, NO_LABEL, NetworkOp, Op, Plan, Tensor, TensorId, state};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reference::{Memory, run};
use std::sync::Arc;

const MEMBERS: usize = 5;
const CAPACITY: Capacity = Capacity { pool: 11, steps: 3 };

/// Members that the optimiser treats in different ways; the first just takes a step.
const FROZEN: usize = 1;
const BROKEN: usize = 2;
const RESTORED: usize = 3;
const KEPT: usize = 4;

/// Random words of a tensor that an operation can work on: eighths, so that the values of a window often tie.
fn words(tensor: &Tensor, square: bool, rng: &mut ChaCha8Rng) -> Vec<u32> {
    let rows = if tensor.shared { 1 } else { MEMBERS };
    let eighths = |rng: &mut ChaCha8Rng, from: i32| f32::to_bits(rng.random_range(from..=8) as f32 / 8.0);
    let codes = if square { 8 } else { 4 };
    match tensor.name.as_str() {
        "draws" => (0..rows * tensor.len)
            .map(|_| rng.random_range(0..CAPACITY.pool as u32) | rng.random_range(0..codes) << 28)
            .collect(),
        "schedule" => (0..tensor.len)
            .map(|i| if i % 2 == 0 { eighths(rng, 1) } else { 0 })
            .collect(),
        "state" => (0..rows).flat_map(member_state).collect(),
        "stats" | "adam_v" | "prediction" => (0..rows * tensor.len).map(|_| eighths(rng, 1)).collect(),
        name if name.ends_with("batch_stats") => (0..rows * tensor.len).map(|_| eighths(rng, 1)).collect(),
        _ => (0..rows * tensor.len).map(|_| eighths(rng, -8)).collect(),
    }
}

fn member_state(member: usize) -> [u32; state::WORDS] {
    let mut words = [0; state::WORDS];
    words[state::CURSOR] = 1;
    words[state::TAKEN] = 7;
    words[state::FROZEN] = (member == FROZEN).into();
    words[state::SKIPPED_IN_A_ROW] = if member == RESTORED { 4 } else { 1 };
    words[state::SINCE_GOOD] = if member == KEPT { 24 } else { 3 };
    words[state::RATE_FACTOR] = 0.5_f32.to_bits();
    words[state::BIAS1] = 0.25_f32.to_bits();
    words[state::BIAS2] = 0.125_f32.to_bits();
    words[state::KEY] = 5 + member as u32;
    words
}

/// Runs `op` alone, from random tensors, on the device and in the reference, and compares all tensors.
fn check(gpu: &Arc<Gpu>, plan: &Plan, op: &Op, square: bool, rng: &mut ChaCha8Rng) {
    let alone = Plan {
        ops: vec![op.clone()],
        ..plan.clone()
    }
    .kept();
    let mut engine = GpuEngine::new(gpu.clone(), &alone, MEMBERS).unwrap();
    let mut want = Memory::new(plan, MEMBERS);
    for (i, tensor) in plan.tensors.iter().enumerate() {
        let mut words = words(tensor, square, rng);
        if let Op::Network(
            NetworkOp::LensLoss(LensLoss { y, .. })
            | NetworkOp::HeadsLoss(HeadsLoss {
                y, unlabelled: true, ..
            }),
        ) = op
            && i == y.0
        {
            words.iter_mut().step_by(2).for_each(|word| *word = NO_LABEL.to_bits());
        }
        if let Op::Network(NetworkOp::Adam(op)) = op {
            match i {
                i if i == op.grads.0 => words[RESTORED * tensor.len + 3] = f32::INFINITY.to_bits(),
                i if i == op.loss.0 => words[BROKEN * tensor.len] = f32::NAN.to_bits(),
                _ => {}
            }
        }
        engine.write(TensorId(i), &words).unwrap();
        want.set_words(TensorId(i), &words);
    }
    let mut got = want.clone();
    engine
        .replay(1, &mut |_, _| std::ops::ControlFlow::Continue(()))
        .unwrap();
    run(op, &mut want);
    for (i, tensor) in plan.tensors.iter().enumerate() {
        let id = TensorId(i);
        got.set_words(id, &engine.read(id).unwrap());
        let (got, want) = (got.all(id), want.all(id));
        let largest = want
            .iter()
            .filter(|w| w.is_finite())
            .fold(1e-3_f64, |a, w| a.max(w.abs()));
        for (k, (got, want)) in got.iter().zip(want).enumerate() {
            let alike = (got - want).abs() <= 1e-5 * largest || !got.is_finite() && !want.is_finite();
            assert!(
                alike,
                "{} of {}: {}[{k}] is {got}, not {want}\n{op:?}",
                op.name(),
                op.layer(),
                tensor.name
            );
        }
    }
}

/// The first adapter, with the kernels of both classes.
fn devices() -> [Arc<Gpu>; 2] {
    [AdapterClass::Gpu, AdapterClass::Software].map(|class| {
        let adapter = adapters().into_iter().next();
        let adapter = adapter.expect("no adapter on this machine: run scripts/install-software-adapter");
        let mut gpu = adapter.open().unwrap();
        gpu.class = class;
        Arc::new(gpu)
    })
}

fn check_network(layers: &str, input: &[usize], batch: usize) {
    let network = Network::from_toml(layers, input).unwrap();
    let layout = Layout::new(&network).unwrap();
    let plain = Training::new(batch, CAPACITY);
    let adversarial = Training {
        adversarial: true,
        clip: f32::INFINITY,
        ..plain
    };
    let plans = [
        NetworkPlan::inference(&network, &layout, batch).unwrap(),
        NetworkPlan::training(&network, &layout, &adversarial).unwrap(),
        NetworkPlan::training(&network, &layout, &plain).unwrap(),
    ];
    let square = input.len() == 3 && input[0] == input[1];
    for gpu in devices() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut checked: Vec<Op> = Vec::new();
        for plan in &plans {
            for op in plan.ops.iter().flat_map(variants) {
                if !checked.contains(&op) {
                    check(&gpu, plan, &op, square, &mut rng);
                    checked.push(op);
                }
            }
        }
    }
}

#[test]
fn a_small_vanilla_network() {
    check_network(include_str!("../assets/networks/vanilla.toml"), &[20, 20, 3], 4);
}

#[test]
fn odd_shapes() {
    check_network(
        "layers = [
            {layer='norm', name='n0'}, {layer='conv', name='c1', filters=5, kernel=3, activation='relu'},
            {layer='norm', name='n1'}, {layer='maxpool', size=2}, {layer='conv', name='c2', filters=3, kernel=2},
            {layer='norm', name='n2'}, {layer='flatten'}, {layer='dense', name='d1', units=7, activation='relu'},
            {layer='norm', name='n3'}, {layer='dense', name='d2', units=130}, {layer='norm', name='n4'},
            {layer='heads', mean='mean', var='var', mean_activation='identity'}]",
        &[9, 8, 2],
        5,
    );
}

#[test]
fn pooling_without_norm() {
    check_network(
        "layers = [
            {layer='maxpool', size=1}, {layer='conv', name='c1', filters=6, kernel=2, activation='relu'},
            {layer='maxpool', size=3}, {layer='conv', name='c2', filters=8, kernel=1, activation='relu'},
            {layer='maxpool', size=2}, {layer='flatten'}, {layer='dense', name='d1', units=8, activation='relu'},
            {layer='heads', mean='mean', var='var'}]",
        &[23, 17, 4],
        3,
    );
}

#[test]
fn dense_layers_alone() {
    check_network(
        "layers = [
            {layer='dense', name='d1', units=100, activation='relu'}, {layer='norm', name='n1'},
            {layer='dense', name='d2', units=300, activation='relu'}, {layer='norm', name='n2'},
            {layer='dense', name='d3', units=33, activation='relu'},
            {layer='heads', mean='mean', var='var', mean_activation='identity'}]",
        &[13],
        100,
    );
}

#[test]
fn every_layer() {
    check_network(EVERY_LAYER, &[17, 16, 3], 3);
}

#[test]
fn strides_and_padding() {
    for (kernel, stride, padding) in [
        (1, 2, "valid"),
        (1, 3, "same"),
        (2, 3, "valid"),
        (3, 1, "same"),
        (3, 2, "valid"),
        (3, 3, "same"),
        (4, 1, "same"),
        (5, 2, "same"),
        (5, 4, "same"),
        (7, 16, "same"),
        (17, 1, "same"),
        (17, 16, "same"),
    ] {
        let layers = format!(
            "layers = [
                {{layer='conv', name='c1', filters=5, kernel={kernel}, stride={stride}, padding='{padding}'}},
                {{layer='conv', name='c2', filters=4, kernel=1}},
                {{layer='conv', name='c3', filters=8, kernel={kernel}, stride={stride}, padding='same'}},
                {{layer='global_average_pool'}}, {{layer='heads', mean='mean', var='var'}}]"
        );
        check_network(&layers, &[19, 21, 2], 2);
    }
}

/// A training without branches: poison reaches the loss along one path only, so nothing on this path may hide it.
const ONE_PATH: &str = "layers = [
    {layer='maxpool', size=2}, {layer='conv', name='c1', filters=6, kernel=2, activation='relu'},
    {layer='maxpool', size=3}, {layer='conv', name='c2', filters=8, kernel=2, activation='relu'},
    {layer='norm', name='n1'}, {layer='maxpool', size=2}, {layer='flatten'},
    {layer='dense', name='d1', units=8, activation='relu'}, {layer='heads', mean='mean', var='var'}]";

/// The same with the layers that [`ONE_PATH`] lacks.
const ANOTHER_PATH: &str = "layers = [
    {layer='avgpool', size=2}, {layer='conv', name='c1', filters=6, kernel=3, stride=2, padding='same'},
    {layer='norm', name='n1'}, {layer='activation', activation='relu', name='r1'},
    {layer='conv', name='c2', filters=6, kernel=3, padding='same', activation='leaky_relu'}, {layer='add', with='r1'},
    {layer='conv', name='c3', filters=8, kernel=2, activation='silu'}, {layer='global_average_pool'},
    {layer='dense', name='d1', units=8, activation='relu'}, {layer='heads', mean='mean', var='var'}]";

/// Trainings with a clip, and with an adversary and without a clip.
fn trainings() -> Vec<(Layout, NetworkPlan)> {
    let of = |layers| trainings_of(&Network::from_toml(layers, &[23, 23, 2]).unwrap());
    [ONE_PATH, ANOTHER_PATH, EVERY_LAYER].into_iter().flat_map(of).collect()
}

fn trainings_of(network: &Network) -> [(Layout, NetworkPlan); 2] {
    [(false, 5.0), (true, f32::INFINITY)].map(|(adversarial, clip)| {
        let layout = Layout::new(network).unwrap();
        let training = Training {
            adversarial,
            clip,
            ..Training::new(4, CAPACITY)
        };
        let plan = NetworkPlan::training(network, &layout, &training).unwrap();
        (layout, plan)
    })
}

/// Writes random words, the same each time but for what `change` makes of them, and takes `steps` steps.
fn take_steps(engine: &mut GpuEngine, plan: &NetworkPlan, steps: usize, change: impl Fn(TensorId, &mut Vec<u32>)) {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for (i, tensor) in plan.tensors.iter().enumerate() {
        let mut words = words(tensor, true, &mut rng);
        change(TensorId(i), &mut words);
        if !tensor.transient {
            engine.write(TensorId(i), &words).unwrap();
        }
    }
    engine
        .replay(steps, &mut |_, _| std::ops::ControlFlow::Continue(()))
        .unwrap();
}

#[test]
fn a_member_alone_computes_the_same_bits() {
    for (gpu, (_, plan)) in devices()
        .into_iter()
        .flat_map(|gpu| trainings().into_iter().map(move |t| (gpu.clone(), t)))
    {
        let mut all = GpuEngine::new(gpu.clone(), &plan, MEMBERS).unwrap();
        let mut alone = GpuEngine::new(gpu, &plan, 1).unwrap();
        let row = |id: TensorId, words: &mut Vec<u32>| {
            let tensor = plan.tensor(id);
            if !tensor.shared {
                *words = words[KEPT * tensor.len..][..tensor.len].to_vec();
            }
        };
        take_steps(&mut all, &plan, 2, |_, _| {});
        take_steps(&mut alone, &plan, 2, row);
        assert_eq!(all.dispatches(), alone.dispatches());
        for (i, tensor) in plan.tensors.iter().enumerate().filter(|(_, tensor)| !tensor.transient) {
            let mut want = all.read(TensorId(i)).unwrap();
            row(TensorId(i), &mut want);
            assert!(alone.read(TensorId(i)).unwrap() == want, "{}", tensor.name);
        }
    }
}

/// A weight, a pixel or a label of one member that is no sound number: its step is skipped or stays finite, and the
/// others take theirs as ever.
#[test]
fn nothing_bad_is_hidden_or_kept() {
    for (gpu, (layout, plan)) in devices()
        .into_iter()
        .flat_map(|gpu| trainings().into_iter().map(move |t| (gpu.clone(), t)))
    {
        let mut engine = GpuEngine::new(gpu, &plan, MEMBERS).unwrap();
        let train = plan.io.train.unwrap();
        // The first member's first value of each parameter; a pixel, not the first of its window; a label.
        let weights = layout.params.iter().map(|p| (plan.io.params, p.offset));
        for (tensor, place) in weights.chain([(train.pool, 23 * 2 + 2), (train.pool_labels, 0)]) {
            for value in [f32::NAN, f32::INFINITY, 3e38, -1e30, 1e18] {
                let what = format!("{} [{place}] = {value}", plan.tensor(tensor).name);
                let spoil = |id: TensorId, words: &mut Vec<u32>| {
                    if id == tensor {
                        words[place] = value.to_bits();
                    }
                    if id == train.draws {
                        // Only the first member draws image 0, and nothing else.
                        let (first, others) = words.split_at_mut(plan.tensor(id).len);
                        first.fill(0);
                        others.iter_mut().for_each(|draw| *draw = (*draw & 0x0fff_ffff).max(1));
                    }
                };
                take_steps(&mut engine, &plan, 0, spoil);
                let before = engine.read(plan.io.params).unwrap();
                take_steps(&mut engine, &plan, 1, spoil);
                let after = engine.read(plan.io.params).unwrap();
                let verdicts = engine.read(train.state).unwrap();
                let verdicts: Vec<u32> = verdicts
                    .chunks(state::WORDS)
                    .map(|words| words[state::VERDICT])
                    .collect();
                assert_eq!(
                    verdicts[1..],
                    [state::FREEZE, state::TAKE, state::TAKE, state::KEEP],
                    "{what}"
                );
                assert!(
                    value.is_finite() || verdicts[0] == state::SKIP,
                    "{what} is hidden: {verdicts:?}"
                );
                assert!(
                    verdicts[0] == state::TAKE || after[..layout.param_stride] == before[..layout.param_stride],
                    "{what}"
                );
                for tensor in [plan.io.stats, train.adam_m, train.adam_v] {
                    let finite = engine
                        .read(tensor)
                        .unwrap()
                        .iter()
                        .all(|&w| f32::from_bits(w).is_finite());
                    assert!(finite, "{what}: {}", plan.tensor(tensor).name);
                }
            }
        }
    }
}
