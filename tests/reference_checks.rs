//! The f64 reference against finite differences, and the rules that no recording shows: flips, skipped steps, returns
//! to good weights, clipping.

mod reference;

use lensgpu::net::{Layout, Network};
use lensgpu::plan::{Capacity, NetworkPlan, Op, Plan, TensorId, TrainIo, Training, bands, log, state};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reference::compare::assert_close;
use reference::{Memory, run};

const MEMBERS: usize = 2;

fn random(rng: &mut ChaCha8Rng, len: usize) -> Vec<f64> {
    (0..len).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// A training plan with random weights (gammas of both signs), images and labels; every member draws images of its own.
fn random_step(network: &str, input: &[usize], batch: usize) -> (NetworkPlan, Memory, Layout) {
    let network = Network::from_toml(network, input).unwrap();
    let layout = Layout::new(&network).unwrap();
    let capacity = Capacity {
        pool: MEMBERS * batch,
        steps: 1,
    };
    let training = Training {
        adversarial: true,
        ..Training::new(batch, capacity)
    };
    let plan = Plan::training(&network, &layout, &training).unwrap();
    let train = plan.io.train.unwrap();
    let mut memory = Memory::new(&plan, MEMBERS);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for tensor in [train.pool, train.pool_labels, plan.io.params, plan.io.stats] {
        let values = random(&mut rng, memory.all(tensor).len());
        memory.set(tensor, &values);
    }
    let draws: Vec<f64> = (0..MEMBERS * batch).map(|i| i as f64).collect();
    memory.set(train.draws, &draws);
    // An epsilon for each channel, and nothing masked.
    let channels = plan.tensor(train.bands.unwrap()).len / bands::ROWS;
    let values: Vec<f64> = (0..channels)
        .map(|c| 0.01 * (c + 1) as f64)
        .chain(vec![f64::NAN; channels])
        .collect();
    memory.set(train.bands.unwrap(), &values);
    (plan, memory, layout)
}

/// The gradients of a step, everything but the optimiser.
fn pass(plan: &NetworkPlan, start: &Memory) -> Memory {
    let mut memory = start.clone();
    plan.ops
        .iter()
        .filter(|op| !matches!(op, Op::Adam(_)))
        .for_each(|op| run(op, &mut memory));
    memory
}

/// d loss / d tensor[.., i] of each member by central differences; a member's loss depends on its own row alone, so all
/// rows are moved at once.
fn differences(
    plan: &NetworkPlan,
    start: &Memory,
    tensor: TensorId,
    loss: impl Fn(&Memory, usize) -> f64,
) -> Vec<Vec<f64>> {
    const H: f64 = 1e-6;
    let len = start.all(tensor).len() / MEMBERS;
    let mut gradient = vec![vec![0.0; len]; MEMBERS];
    for i in 0..len {
        let [below, above] = [-H, H].map(|h| {
            let mut values = start.all(tensor).to_vec();
            values.iter_mut().skip(i).step_by(len).for_each(|value| *value += h);
            let mut moved = start.clone();
            moved.set(tensor, &values);
            pass(plan, &moved)
        });
        for (member, gradient) in gradient.iter_mut().enumerate() {
            gradient[i] = (loss(&above, member) - loss(&below, member)) / (2.0 * H);
        }
    }
    gradient
}

/// Every parameter's gradient of the loss of both passes, and the input's gradient of the plain one.
fn check_gradients(network: &str, input: &[usize], batch: usize) {
    let (plan, start, layout) = random_step(network, input, batch);
    let train = plan.io.train.unwrap();
    let after = pass(&plan, &start);
    // The perturbed images move with a parameter only where a sign flips: they are a constant to the difference too.
    let both = |memory: &Memory, m: usize| memory.row(train.loss[0], m)[0] + memory.row(train.loss[1], m)[0];
    for (member, want) in differences(&plan, &start, plan.io.params, both).iter().enumerate() {
        let got = after.row(train.grads, member);
        assert_close(&format!("member {member}: gradients"), got, want, 1e-7);
        let largest = |values: &[f64]| values.iter().fold(0.0, |a: f64, v| a.max(v.abs()));
        for p in &layout.params {
            // A layer that is dead for these random numbers would prove nothing.
            assert!(
                largest(&got[p.offset..p.offset + p.len()]) > 1e-3 * largest(got),
                "member {member}: dead {}",
                p.name
            );
        }
    }
    // Each image of the pool is one member's, in order, so that a row of the pool is a row of x.
    let plain = |memory: &Memory, m: usize| memory.row(train.loss[0], m)[0];
    for (member, want) in differences(&plan, &start, train.pool, plain).iter().enumerate() {
        let got = after.row(train.adversary.unwrap().grad_x, member);
        assert_close(&format!("member {member}: gradient of x"), got, want, 1e-7);
    }
}

#[test]
fn gradients_of_a_norm_on_the_input_fused_pools_and_two_dense_layers() {
    let network = r#"
        layers = [
            { layer = "norm", name = "norm0" },
            { layer = "conv", name = "conv1", filters = 3, kernel = 3, activation = "relu" },
            { layer = "norm", name = "norm1" },
            { layer = "maxpool", size = 2 },
            { layer = "conv", name = "conv2", filters = 4, kernel = 2 },
            { layer = "flatten" },
            { layer = "dense", name = "dense1", units = 9, activation = "relu" },
            { layer = "norm", name = "norm2" },
            { layer = "dense", name = "dense2", units = 3 },
            { layer = "heads", mean = "mean", var = "var", mean_activation = "identity" },
        ]"#;
    check_gradients(network, &[9, 8, 2], 5);
}

#[test]
fn gradients_of_pools_of_their_own_and_norms_behind_them() {
    let network = r#"
        layers = [
            { layer = "maxpool", size = 2 },
            { layer = "conv", name = "conv0", filters = 3, kernel = 2, activation = "relu" },
            { layer = "conv", name = "conv1", filters = 5, kernel = 1, activation = "relu" },
            { layer = "maxpool", size = 2 },
            { layer = "norm", name = "norm1" },
            { layer = "conv", name = "conv2", filters = 2, kernel = 1, activation = "relu" },
            { layer = "flatten" },
            { layer = "heads", mean = "mean", var = "var" },
        ]"#;
    check_gradients(network, &[12, 15, 1], 3);
}

#[test]
fn gradients_of_a_dense_network_on_a_table() {
    let network = r#"
        layers = [
            { layer = "dense", name = "dense1", units = 7, activation = "relu" },
            { layer = "dense", name = "dense2", units = 6, activation = "relu" },
            { layer = "heads", mean = "mean", var = "var" },
        ]"#;
    check_gradients(network, &[6], 4);
    check_gradients(r#"layers = [{ layer = "heads", mean = "mean", var = "var" }]"#, &[6], 4);
}

const HEADS: &str = "layers = [{ layer = 'flatten' }, { layer = 'heads', mean = 'mean', var = 'var' }]";

#[test]
fn a_flip_reads_the_image_mirrored_upturned_or_transposed() {
    let (plan, mut memory, _) = random_step(HEADS, &[2, 2, 1], 5);
    let train = plan.io.train.unwrap();
    let pool: Vec<f64> = (0..40).map(f64::from).collect();
    memory.set(train.pool, &pool);
    let codes = [0, 1, 2, 4, 7].map(|code| 3 | code << 28);
    memory.set_words(train.draws, &codes.repeat(MEMBERS));
    run(&plan.ops[0], &mut memory);
    // Image 3 is 12 13 / 14 15; all three swap (i, j), then mirror both: the anti-diagonal changes places.
    let want = [
        [12, 13, 14, 15],
        [13, 12, 15, 14],
        [14, 15, 12, 13],
        [12, 14, 13, 15],
        [15, 13, 14, 12],
    ];
    for member in 0..MEMBERS {
        assert_eq!(
            memory.row(plan.io.x, member),
            want.as_flattened().iter().map(|&v| f64::from(v)).collect::<Vec<_>>()
        );
        assert_eq!(memory.row(train.y, member), [memory.all(train.pool_labels)[3]; 5]);
    }
}

/// A step of the optimiser alone: gradients as given, loss 1, new statistics 2, learning rate 0.5, one table row a step.
struct Optimiser {
    op: Op,
    memory: Memory,
    params: TensorId,
    stats: TensorId,
    train: TrainIo,
}

impl Optimiser {
    fn new(steps: usize) -> Optimiser {
        let network = Network::from_toml(HEADS, &[1, 1, 1]).unwrap();
        let layout = Layout::new(&network).unwrap();
        let training = Training::new(1, Capacity { pool: 1, steps });
        let plan = Plan::training(&network, &layout, &training).unwrap();
        let (op, train) = (plan.ops.last().unwrap().clone(), plan.io.train.unwrap());
        let mut memory = Memory::new(&plan, 1);
        memory.set(train.schedule, &vec![0.5; steps]);
        memory.row_mut(train.loss[0], 0)[0] = 1.0;
        memory.row_mut(train.stats_next, 0).fill(2.0);
        memory.row_mut(train.good, 0).fill(9.0);
        Optimiser {
            op,
            memory,
            params: plan.io.params,
            stats: plan.io.stats,
            train,
        }
    }

    /// Takes a step with this first gradient and all others zero; gives the row of the log.
    fn step(&mut self, gradient: f64) -> [f64; log::WIDTH] {
        let cursor = self.word(state::CURSOR) as usize;
        self.memory.row_mut(self.train.grads, 0)[0] = gradient;
        run(&self.op, &mut self.memory);
        self.memory.row(self.train.log, 0)[cursor * log::WIDTH..][..log::WIDTH]
            .try_into()
            .unwrap()
    }

    fn word(&self, word: usize) -> f64 {
        self.memory.row(self.train.state, 0)[word]
    }
}

#[test]
fn adams_first_step_is_the_learning_rate_and_a_large_gradient_is_clipped() {
    let mut adam = Optimiser::new(1);
    assert_eq!(adam.step(10.0), [1.0, 10.0, 0.0, 0.5, 0.0]);
    assert_eq!(adam.word(state::CLIP), 0.5);
    assert_eq!(adam.word(state::TAKEN), 1.0);
    assert_close("moment", &adam.memory.row(adam.train.adam_m, 0)[..2], &[0.5, 0.0], 1e-6);
    assert_close("weights", &adam.memory.row(adam.params, 0)[..2], &[-0.5, 0.0], 1e-5);
    assert_eq!(adam.memory.row(adam.stats, 0), [2.0; 4]);
}

#[test]
fn steps_that_are_not_finite_are_skipped_and_the_fifth_in_a_row_brings_the_good_weights_back() {
    let mut adam = Optimiser::new(8);
    adam.step(1.0);
    let taken = adam.memory.clone();
    for skipped in 1..=4 {
        assert_eq!(adam.step(f64::NAN)[2], 1.0);
        assert_eq!(adam.word(state::SKIPPED_IN_A_ROW), f64::from(skipped));
        for tensor in [adam.params, adam.stats, adam.train.adam_m, adam.train.adam_v] {
            assert_eq!(adam.memory.all(tensor), taken.all(tensor));
        }
    }
    // A loss and a running statistic count as much as a gradient.
    adam.memory.row_mut(adam.train.stats_next, 0)[1] = f64::INFINITY;
    assert_eq!(adam.step(1.0)[2], 2.0);
    assert_eq!(adam.memory.row(adam.params, 0), [9.0; 16]);
    assert_eq!(adam.memory.row(adam.stats, 0), [9.0; 4]);
    assert_eq!(adam.memory.row(adam.train.adam_m, 0), [0.0; 16]);
    let counters = [
        state::CURSOR,
        state::TAKEN,
        state::SKIPPED_IN_A_ROW,
        state::SKIPPED,
        state::RESTORED,
    ];
    assert_eq!(counters.map(|word| adam.word(word)), [6.0, 1.0, 0.0, 5.0, 1.0]);
    adam.memory.row_mut(adam.train.stats_next, 0)[1] = 2.0;
    adam.memory.row_mut(adam.train.loss[0], 0)[0] = f64::NAN;
    assert_eq!(adam.step(1.0)[2], 1.0);
    // The next good step is a first one again, at a tenth of the learning rate.
    adam.memory.row_mut(adam.train.loss[0], 0)[0] = 1.0;
    assert_close("log", &adam.step(1.0), &[1.0, 1.0, 0.0, 0.05, 0.0], 1e-12);
    assert_close("weights", &adam.memory.row(adam.params, 0)[..2], &[8.95, 9.0], 1e-6);
}

#[test]
fn good_weights_are_kept_every_25_steps_taken() {
    let mut adam = Optimiser::new(26);
    let verdicts: Vec<f64> = (0..26).map(|_| adam.step(1.0)[2]).collect();
    assert_eq!(verdicts.iter().position(|v| *v == 4.0), Some(24));
    assert_eq!(verdicts.iter().sum::<f64>(), 4.0);
    let good = adam.memory.row(adam.train.good, 0);
    assert_close("good weights", &good[..1], &[-12.5], 1e-3);
    assert_eq!(good[16..], [2.0; 4]);
    assert_eq!(adam.word(state::SINCE_GOOD), 1.0);
}

#[test]
fn a_frozen_member_only_logs() {
    let mut adam = Optimiser::new(2);
    adam.memory.row_mut(adam.train.state, 0)[state::FROZEN] = 1.0;
    assert_eq!(adam.step(3.0), [1.0, 3.0, 3.0, 0.5, 0.0]);
    assert_eq!(adam.memory.row(adam.params, 0), [0.0; 16]);
    assert_eq!(adam.memory.row(adam.stats, 0), [0.0; 4]);
    assert_eq!([state::CURSOR, state::TAKEN].map(|word| adam.word(word)), [1.0, 0.0]);
}
