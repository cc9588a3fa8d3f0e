//! The f64 reference against finite differences, and the rules that no recording shows: flips, skipped steps, returns
//! to good weights, clipping.

mod reference;

use lensgpu::likelihood::Likelihood;
use lensgpu::likelihood::{Component, loss_to_nll};
use lensgpu::nn::{Capacity, NetworkPlan, TrainIo, Training};
use lensgpu::nn::{Layout, Network};
use lensgpu::plan::{Gather, NO_LABEL, NetworkOp, Op, TensorId, bands, log, schedule, state};
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
    let adversarial = |training: Training| Training {
        adversarial: true,
        ..training
    };
    step_with(Network::from_toml(network, input).unwrap(), batch, adversarial)
}

fn step_with(network: Network, batch: usize, change: impl Fn(Training) -> Training) -> (NetworkPlan, Memory, Layout) {
    let layout = Layout::new(&network).unwrap();
    let capacity = Capacity {
        pool: MEMBERS * batch,
        steps: 1,
    };
    let training = change(Training::new(batch, capacity));
    let plan = NetworkPlan::training(&network, &layout, &training).unwrap();
    let train = plan.io.train.unwrap();
    let mut memory = Memory::new(&plan, MEMBERS);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for tensor in [train.pool, train.pool_labels, plan.io.params, plan.io.stats] {
        let values = random(&mut rng, memory.all(tensor).len());
        memory.set(tensor, &values);
    }
    if train.cross_entropy[0].is_some() {
        // The second image of each member shows no lens.
        let labels = memory.row_mut(train.pool_labels, 0).iter_mut();
        labels.skip(1).step_by(batch).for_each(|y| *y = f64::from(NO_LABEL));
    }
    let draws: Vec<f64> = (0..MEMBERS * batch).map(|i| i as f64).collect();
    memory.set(train.draws, &draws);
    if let Some(bands) = train.bands {
        // An epsilon and a noise for each channel, and nothing masked.
        let channels = plan.tensor(bands).len / bands::ROWS;
        let row = |from: f64| (0..channels).map(move |c| from * (c + 1) as f64);
        let values: Vec<f64> = row(0.01).chain(row(f64::NAN)).chain(row(0.001)).collect();
        memory.set(bands, &values);
    }
    (plan, memory, layout)
}

/// The gradients of a step, everything but the optimiser.
fn pass(plan: &NetworkPlan, start: &Memory) -> Memory {
    let mut memory = start.clone();
    plan.ops
        .iter()
        .filter(|op| !matches!(op, Op::Network(NetworkOp::Adam(_))))
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
    check_gradients_without(&[], network, input, batch);
}

/// The same where the loss does not depend on some parameters: the biases of layers right before a norm.
fn check_gradients_without(independent: &[&str], network: &str, input: &[usize], batch: usize) {
    let (plan, start, layout) = random_step(network, input, batch);
    let train = plan.io.train.unwrap();
    let after = pass(&plan, &start);
    // The perturbed images move with a parameter only where a sign flips: they are a constant to the difference too.
    let both = |memory: &Memory, m: usize| pass_loss(&train, memory, m, 0) + pass_loss(&train, memory, m, 1);
    for (member, want) in differences(&plan, &start, plan.io.params, both).iter().enumerate() {
        let got = after.row(train.grads, member);
        assert_close(&format!("member {member}: gradients"), got, want, 1e-7);
        let largest = |values: &[f64]| values.iter().fold(0.0, |a: f64, v| a.max(v.abs()));
        for p in &layout.params {
            let own = largest(&got[p.offset..p.offset + p.len()]) / largest(got);
            if independent.contains(&p.name.as_str()) {
                assert!(own < 1e-12, "member {member}: the loss depends on {}", p.name);
            } else {
                // A layer that is dead for these random numbers would prove nothing.
                assert!(own > 1e-3, "member {member}: dead {}", p.name);
            }
        }
    }
    // Each image of the pool is one member's, in order, so that a row of the pool is a row of x.
    let plain = |memory: &Memory, m: usize| pass_loss(&train, memory, m, 0);
    for (member, want) in differences(&plan, &start, train.pool, plain).iter().enumerate() {
        let got = after.row(train.adversary.unwrap().grad_x, member);
        assert_close(&format!("member {member}: gradient of x"), got, want, 1e-7);
    }
}

/// The loss of a member in a pass, with the cross-entropy if there is a lens head.
fn pass_loss(train: &TrainIo, memory: &Memory, member: usize, pass: usize) -> f64 {
    let of = |tensor: TensorId| memory.row(tensor, member)[0];
    of(train.loss[pass]) + train.cross_entropy[pass].map_or(0.0, of)
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
fn gradients_of_padded_and_strided_convolutions_activations_and_average_pools() {
    let network = r#"
        layers = [
            { layer = "conv", name = "conv0", filters = 3, kernel = 3, padding = "same", activation = "silu" },
            { layer = "conv", name = "conv1", filters = 4, kernel = 4, padding = "same", stride = 2, activation = "relu" },
            { layer = "activation", activation = "silu" },
            { layer = "conv", name = "conv2", filters = 3, kernel = 2, activation = "leaky_relu" },
            { layer = "avgpool", size = 2 },
            { layer = "conv", name = "conv3", filters = 3, kernel = 1, stride = 2, activation = "relu" },
            { layer = "global_average_pool" },
            { layer = "dense", name = "dense1", units = 5, activation = "silu" },
            { layer = "activation", activation = "leaky_relu" },
            { layer = "heads", mean = "mean", var = "var", mean_activation = "identity" },
        ]"#;
    check_gradients(network, &[13, 14, 2], 3);
}

/// Values with two and three consumers: straight out of a ReLU, of a norm, of an addition; and a value with itself.
#[test]
fn gradients_of_values_with_several_consumers_add_up() {
    let network = r#"
        layers = [
            { layer = "activation", activation = "linear", name = "x" },
            { layer = "conv", name = "a", filters = 3, kernel = 3, padding = "same", activation = "relu" },
            { layer = "conv", name = "b", filters = 3, kernel = 2, padding = "same", activation = "relu" },
            { layer = "conv", name = "c", filters = 3, kernel = 1, input = "a" },
            { layer = "add", with = "b" },
            { layer = "add", with = "a", name = "sum" },
            { layer = "add", with = "sum" },
            { layer = "concat", with = "x", name = "both" },
            { layer = "norm", name = "norm1" },
            { layer = "maxpool", size = 2, name = "pooled" },
            { layer = "conv", name = "d", filters = 5, kernel = 2, stride = 2, activation = "relu", input = "both" },
            { layer = "add", with = "pooled" },
            { layer = "concat", with = "d", name = "last" },
            { layer = "flatten" },
            { layer = "dense", name = "dense1", units = 4, activation = "relu" },
            { layer = "dense", name = "dense2", units = 4 },
            { layer = "add", with = "dense1", name = "features" },
            { layer = "global_average_pool", input = "last" },
            { layer = "concat", with = "features" },
            { layer = "heads", mean = "mean", var = "var", mean_activation = "identity" },
        ]"#;
    check_gradients(network, &[6, 5, 2], 3);
}

#[test]
fn gradients_of_residual_blocks() {
    let after = r#"
        layers = [
            { layer = "conv", name = "conv0", filters = 3, kernel = 3, padding = "same" },
            { layer = "norm", name = "norm0" },
            { layer = "maxpool", size = 2 },
            { layer = "activation", activation = "relu", name = "a" },
            { layer = "conv", name = "conv1", filters = 3, kernel = 3, padding = "same" },
            { layer = "norm", name = "norm1" },
            { layer = "activation", activation = "relu" },
            { layer = "conv", name = "conv2", filters = 3, kernel = 3, padding = "same" },
            { layer = "norm", name = "norm2" },
            { layer = "add", with = "a" },
            { layer = "activation", activation = "relu" },
            { layer = "global_average_pool" },
            { layer = "heads", mean = "mean", var = "var", mean_activation = "identity" },
        ]"#;
    check_gradients_without(&["conv0.bias", "conv1.bias", "conv2.bias"], after, &[8, 7, 2], 3);
    let before = r#"
        layers = [
            { layer = "conv", name = "a", filters = 3, kernel = 3, padding = "same", activation = "relu" },
            { layer = "norm", name = "norm1" },
            { layer = "activation", activation = "silu" },
            { layer = "conv", name = "conv1", filters = 3, kernel = 3, padding = "same" },
            { layer = "add", with = "a" },
            { layer = "norm", name = "norm2" },
            { layer = "activation", activation = "leaky_relu", name = "b" },
            { layer = "conv", name = "conv2", filters = 4, kernel = 3, padding = "same", stride = 2 },
            { layer = "norm", name = "norm3" },
            { layer = "activation", activation = "silu" },
            { layer = "conv", name = "c", filters = 4, kernel = 3, padding = "same" },
            { layer = "conv", name = "conv4", filters = 4, kernel = 1, padding = "same", stride = 2, input = "b" },
            { layer = "add", with = "c" },
            { layer = "activation", activation = "silu" },
            { layer = "global_average_pool" },
            { layer = "heads", mean = "mean", var = "var", mean_activation = "identity" },
        ]"#;
    check_gradients_without(&["conv1.bias", "conv2.bias"], before, &[6, 7, 2], 3);
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

/// Behind a ReLU, behind a norm, and on the input itself. With a large floor, the gradients of the variance are no larger
/// than those of the lens head.
#[test]
fn gradients_of_the_lens_head() {
    let gated = r#"
        layers = [
            { layer = "conv", name = "conv1", filters = 3, kernel = 3, activation = "silu" },
            { layer = "flatten" },
            { layer = "dense", name = "dense1", units = 5, activation = "relu" },
            { layer = "heads", mean = "mean", var = "var", mean_activation = "identity", var_floor = 0.5, lens = "lens" },
        ]"#;
    check_gradients(gated, &[6, 5, 2], 4);
    let norm = r#"
        layers = [
            { layer = "dense", name = "dense1", units = 6, activation = "relu" },
            { layer = "norm", name = "norm1" },
            { layer = "heads", mean = "mean", var = "var", var_floor = 0.5, lens = "p" },
        ]"#;
    check_gradients(norm, &[6], 5);
    check_gradients(
        r#"layers = [{ layer = "heads", mean = "mean", var = "var", var_floor = 0.5, lens = "lens" }]"#,
        &[6],
        4,
    );
}

/// The gradient of L where it is not that of the loss: the weights of beta-NLL are constants, and the first epochs may fit
/// the mean alone.
#[test]
fn gradients_of_every_likelihood_and_objective() {
    let text = "layers = [
        { layer = 'dense', name = 'dense1', units = 6, activation = 'relu' },
        { layer = 'norm', name = 'norm1' },
        { layer = 'heads', mean = 'mean', var = 'var', mean_activation = 'identity' }]";
    for likelihood in [Likelihood::Gaussian, Likelihood::StudentT, Likelihood::LogNormal] {
        for (beta, fit_mean) in [(0.0, false), (0.5, false), (1.0, false), (0.5, true)] {
            let network = Network::from_toml(text, &[5]).unwrap().with_likelihood(likelihood);
            let (plan, mut start, _) = step_with(network, 7, |training| Training {
                beta_nll: beta,
                ..training
            });
            let train = plan.io.train.unwrap();
            start.row_mut(train.schedule, 0)[schedule::FIT_MEAN] = f64::from(u8::from(fit_mean));
            let after = pass(&plan, &start);
            let answers = |memory: &Memory, m: usize| -> Vec<(f64, f64, f64)> {
                let prediction = memory.row(plan.io.prediction, m).chunks(2);
                prediction
                    .zip(memory.row(train.y, m))
                    .map(|(p, y)| (p[0], p[1], *y))
                    .collect()
            };
            let nll = |mu: f64, var: f64, y: f64| -Component::new(likelihood, mu, var).unwrap().log_pdf(y);
            let objective = |memory: &Memory, m: usize| -> f64 {
                let images = answers(memory, m).into_iter().zip(answers(&after, m));
                let terms = images.map(|((mu, var, y), (_, constant_var, _))| match (fit_mean, likelihood) {
                    (true, _) => (y - mu).powi(2) / 2.0,
                    (false, Likelihood::StudentT) => constant_var.powf(f64::from(beta)) * nll(mu, var, y),
                    _ => constant_var.powf(f64::from(beta)) * (var.ln() + (y - mu).powi(2) / var) / 2.0,
                });
                terms.sum::<f64>() / 7.0
            };
            for (member, want) in differences(&plan, &start, plan.io.params, objective).iter().enumerate() {
                let what = format!("{likelihood:?}, beta {beta}, fit_mean {fit_mean}, member {member}");
                assert_close(&what, after.row(train.grads, member), want, 1e-7);
            }
            // What is logged is -log p without its constant, whatever is minimised.
            for m in 0..MEMBERS {
                let mean = |l: fn(Likelihood, f64, f64, f64) -> f64| {
                    let terms = answers(&after, m)
                        .into_iter()
                        .map(|(mu, var, y)| l(likelihood, mu, var, y));
                    terms.sum::<f64>() / 7.0
                };
                let want = match likelihood {
                    Likelihood::StudentT => {
                        mean(|_, mu, var, y| -Component::new(Likelihood::StudentT, mu, var).unwrap().log_pdf(y))
                            - loss_to_nll(likelihood, 1.0)
                    }
                    _ => mean(|_, mu, var, y| (var.ln() + (y - mu).powi(2) / var) / 2.0),
                };
                assert_close("loss", &after.row(train.loss[0], m)[..1], &[want], 1e-12);
            }
        }
    }
}

#[test]
fn the_adversary_moves_each_channel_by_its_own_epsilon_and_leaves_masked_pixels_alone() {
    let (plan, mut memory, _) = random_step(HEADS, &[3, 2, 2], 2);
    let train = plan.io.train.unwrap();
    let masked = f64::from(-0.7_f32);
    memory.set(train.bands.unwrap(), &[0.01, 0.02, f64::NAN, masked, 0.0, 0.0]);
    let mut pool = memory.all(train.pool).to_vec();
    pool.iter_mut().step_by(3).for_each(|value| *value = masked);
    memory.set(train.pool, &pool);
    let after = pass(&plan, &memory);
    let adversary = train.adversary.unwrap();
    let images = after.all(plan.io.x).iter().zip(after.all(adversary.x));
    for (i, ((x, moved), dx)) in images.zip(after.all(adversary.grad_x)).enumerate() {
        let epsilon = if i % 2 == 0 { 0.01 } else { 0.02 };
        let stays = i % 2 == 1 && *x == masked;
        assert_eq!(*moved, if stays { *x } else { x + epsilon * dx.signum() }, "value {i}");
    }
}

#[test]
fn shifts_bring_in_masked_pixels_and_noise_is_nearly_gaussian() {
    let network = || Network::from_toml(HEADS, &[40, 40, 2]).unwrap();
    let (plan, mut memory, _) = step_with(network(), 6, |training| Training { shift: 3, ..training });
    let train = plan.io.train.unwrap();
    memory.set(train.bands.unwrap(), &[0.0, 0.0, 5.0, 6.0, 0.0, 0.0]);
    (0..MEMBERS).for_each(|m| memory.row_mut(train.state, m)[state::KEY] = 17.0 + m as f64);
    run(&plan.ops[0], &mut memory);
    let mut seen = std::collections::BTreeSet::new();
    for m in 0..MEMBERS {
        for b in 0..6 {
            let image = &memory.all(train.pool)[(m * 6 + b) * 3200..][..3200];
            let x = &memory.row(plan.io.x, m)[b * 3200..][..3200];
            let moved = |di: isize, dj: isize| {
                (0..3200).all(|at| {
                    let (i, j, c) = (at / 80 - di, at / 2 % 40 - dj, at % 2);
                    let inside = (0..40).contains(&i) && (0..40).contains(&j);
                    let want = if inside {
                        image[((i * 40 + j) * 2 + c) as usize]
                    } else {
                        5.0 + c as f64
                    };
                    x[at as usize] == want
                })
            };
            let all = (-3..=3).flat_map(|di| (-3..=3).map(move |dj| (di, dj)));
            seen.insert(
                all.into_iter()
                    .find(|&(di, dj)| moved(di, dj))
                    .expect("a shift of at most 3"),
            );
        }
    }
    assert!(seen.len() > 8, "{seen:?}");

    let (plan, mut memory, _) = step_with(network(), 6, |training| Training {
        noise: true,
        ..training
    });
    let train = plan.io.train.unwrap();
    let sigma = 1.0 / Gather::BYTES_SIGMA;
    memory.set(train.bands.unwrap(), &[0.0, 0.0, f64::NAN, 6.0, sigma, 2.0 * sigma]);
    let zeros = vec![0.0; memory.all(train.pool).len()];
    memory.set(train.pool, &zeros);
    run(&plan.ops[0], &mut memory);
    let values: Vec<f64> = memory
        .all(plan.io.x)
        .iter()
        .enumerate()
        .map(|(i, x)| x / (i % 2 + 1) as f64)
        .collect();
    let moment = |k| values.iter().map(|v: &f64| v.powi(k)).sum::<f64>() / values.len() as f64;
    // Errors of the mean of 38,400 values, about 0.005, 0.007 and 0.05.
    assert!(moment(1).abs() < 0.02 && (moment(2) - 1.0).abs() < 0.03 && (moment(4) - 2.92).abs() < 0.2);
    assert_ne!(memory.row(plan.io.x, 0)[..3200], memory.row(plan.io.x, 0)[3200..6400]);
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
        let plan = NetworkPlan::training(&network, &layout, &training).unwrap();
        let (op, train) = (plan.ops.last().unwrap().clone(), plan.io.train.unwrap());
        let mut memory = Memory::new(&plan, 1);
        memory.set(train.schedule, &[0.5, 0.0].repeat(steps));
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
    assert_eq!(adam.step(10.0), [1.0, 10.0, 0.0, 0.5, 0.0, 0.0]);
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
    assert_close("log", &adam.step(1.0), &[1.0, 1.0, 0.0, 0.05, 0.0, 0.0], 1e-12);
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
    assert_eq!(adam.step(3.0), [1.0, 3.0, 3.0, 0.5, 0.0, 0.0]);
    assert_eq!(adam.memory.row(adam.params, 0), [0.0; 16]);
    assert_eq!(adam.memory.row(adam.stats, 0), [0.0; 4]);
    assert_eq!([state::CURSOR, state::TAKEN].map(|word| adam.word(word)), [1.0, 0.0]);
}

#[test]
fn kernels_decay_before_the_step_and_biases_do_not() {
    let network = Network::from_toml(HEADS, &[1, 1, 1]).unwrap();
    let layout = Layout::new(&network).unwrap();
    let training = Training {
        weight_decay: 0.1,
        average: 0.75,
        ..Training::new(1, Capacity { pool: 1, steps: 3 })
    };
    let plan = NetworkPlan::training(&network, &layout, &training).unwrap();
    let train = plan.io.train.unwrap();
    let mut memory = Memory::new(&plan, 1);
    memory.set(train.schedule, &[0.5, 0.0].repeat(3));
    memory.row_mut(plan.io.params, 0).fill(1.0);
    memory.row_mut(train.stats_next, 0).fill(2.0);
    let [adam, average] = [1, 0].map(|from_end| plan.ops[plan.ops.len() - 1 - from_end].clone());
    // No gradient: nothing but decay moves a weight.
    run(&adam, &mut memory);
    run(&average, &mut memory);
    let at = |name: &str| layout.params.iter().find(|p| p.name == name).unwrap().offset;
    let params = memory.row(plan.io.params, 0);
    assert_eq!(
        [params[at("mean.kernel")], params[at("var.kernel")]],
        [1.0 - 0.5 * f64::from(0.1_f32); 2]
    );
    assert_eq!([params[at("mean.bias")], params[at("var.bias")]], [1.0; 2]);
    let [now, kept] = train.average.unwrap();
    let averages = memory.row(now, 0);
    assert_eq!(averages[at("mean.bias")], 0.25);
    assert_eq!(averages[layout.param_stride], 0.5);
    // A step that is skipped leaves both as they are.
    let before = memory.clone();
    memory.row_mut(train.loss[0], 0)[0] = f64::NAN;
    run(&adam, &mut memory);
    run(&average, &mut memory);
    for tensor in [plan.io.params, now] {
        assert_eq!(memory.all(tensor), before.all(tensor));
    }
    // It is kept with good weights, and comes back with them.
    memory.row_mut(train.state, 0)[state::VERDICT] = f64::from(state::TAKE + state::KEEP);
    run(&average, &mut memory);
    let good = memory.all(now).to_vec();
    assert_eq!(memory.all(kept), good);
    memory.row_mut(train.state, 0)[state::VERDICT] = f64::from(state::TAKE);
    run(&average, &mut memory);
    assert_ne!(memory.all(now), good);
    memory.row_mut(train.state, 0)[state::VERDICT] = f64::from(state::RESTORE);
    run(&average, &mut memory);
    assert_eq!(memory.all(now), good);
}
