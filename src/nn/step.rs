//! The plans of a network: its inference pass and its training step, and the tensors that the host fills and reads.

use super::builder::{Builder, Outputs, Pass, TrainPass};
use super::{Layout, Network, Parameter, Result, Shape};
use crate::plan::{Adam, Average, Fgsm, Gather, Plan, TensorId, bands, log, schedule, state};

/// The operations of a network: a training step or an inference pass.
#[derive(Clone, Debug)]
pub struct NetworkPlan {
    pub plan: Plan,
    /// The tensors that the host fills and reads.
    pub io: Io,
}

impl std::ops::Deref for NetworkPlan {
    type Target = Plan;

    fn deref(&self) -> &Plan {
        &self.plan
    }
}

/// Tensors that a network's plan shares with the host.
#[derive(Clone, Copy, Debug)]
pub struct Io {
    /// Trainable values, [`crate::nn::Layout::params`].
    pub params: TensorId,
    /// Running statistics, [`crate::nn::Layout::stats`].
    pub stats: TensorId,
    /// Network input (B,H,W,C): each member's mini-batch, or in inference one batch shared by all.
    pub x: TensorId,
    /// (B,2): mean and variance in scaled labels.
    pub prediction: TensorId,
    /// (B,1): logit of the probability that the image shows a lens, if there is a lens head.
    pub lens: Option<TensorId>,
    /// (B,F): input of the heads, the output of the last hidden layer; the images themselves if there is none.
    pub features: TensorId,
    /// Tensors of a training plan.
    pub train: Option<TrainIo>,
}

/// Tensors of a training plan.
#[derive(Clone, Copy, Debug)]
pub struct TrainIo {
    /// (N,H,W,C) network-ready images, shared.
    pub pool: TensorId,
    /// (N) scaled labels, shared.
    pub pool_labels: TensorId,
    /// (steps, B) each member's draws for an epoch: image number, with the flip in the top bits ([`Gather`]).
    pub draws: TensorId,
    /// (steps, [`schedule::WIDTH`]) learning rate and objective of each step, shared.
    pub schedule: TensorId,
    /// (B) labels of the mini-batch.
    pub y: TensorId,
    /// (2) loss and mean squared error of each pass of the step: plain, and adversarial if it is on.
    pub loss: [TensorId; 2],
    /// (1) cross-entropy of each pass, if there is a lens head.
    pub cross_entropy: [Option<TensorId>; 2],
    /// Gradients, in the layout of `params`.
    pub grads: TensorId,
    /// Running statistics as they will be if the step is taken.
    pub stats_next: TensorId,
    /// ([`bands::ROWS`], C): properties of each channel of the images, if the step needs them; shared.
    pub bands: Option<TensorId>,
    /// Gradient of the input and the perturbed input, in adversarial training.
    pub adversary: Option<Adversary>,
    /// Adam's first moments.
    pub adam_m: TensorId,
    /// Adam's second moments.
    pub adam_v: TensorId,
    /// Last good weights, statistics and moments, to which a member returns after several skipped steps.
    pub good: TensorId,
    /// Moving average of weights and statistics, if there is one: as of now, and as of the last good weights.
    pub average: Option<[TensorId; 2]>,
    /// [`state`]: counters of a member.
    pub state: TensorId,
    /// (steps, [`log::WIDTH`]) what happened in each step of the epoch.
    pub log: TensorId,
}

/// Tensors of adversarial training, (B,H,W,C).
#[derive(Clone, Copy, Debug)]
pub struct Adversary {
    /// Gradient of the loss with respect to the images.
    pub grad_x: TensorId,
    /// The perturbed images.
    pub x: TensorId,
}

/// Sizes of the tables of a training plan.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Images in the pool.
    pub pool: usize,
    /// Steps whose draws, learning rates and log the device holds.
    pub steps: usize,
}

/// Options of a training step.
#[derive(Clone, Copy, Debug)]
pub struct Training {
    pub batch: usize,
    pub capacity: Capacity,
    pub beta1: f32,
    pub beta2: f32,
    pub epsilon: f32,
    /// Largest norm of a member's gradient; infinite for none.
    pub clip: f32,
    /// Leave all layers before the first dense layer unchanged: no gradient is computed for them.
    pub freeze_convolutions: bool,
    /// Adversarial training: a second pass on images perturbed by the fast gradient sign method.
    pub adversarial: bool,
    /// Whether the running statistics follow the second pass too, as in the recorded Keras steps. Runs do not:
    /// each pass is normalised by its own batch, and statistics between the two fit neither (Xie et al. 2020, AdvProp).
    pub adversary_in_stats: bool,
    /// Power of the variance that weights the loss of each image; 0 for the plain likelihood.
    pub beta_nll: f32,
    /// Largest random shift of an image, pixels.
    pub shift: usize,
    /// Whether noise is added to the images.
    pub noise: bool,
    /// Decoupled weight decay of kernels; 0 for none.
    pub weight_decay: f32,
    /// Decay of the moving average of weights; 0 for none.
    pub average: f32,
}

impl Training {
    /// Keras' defaults for Adam, gradients clipped to a global norm of 5 per member; every other option is off.
    pub fn new(batch: usize, capacity: Capacity) -> Training {
        Training {
            batch,
            capacity,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-7,
            clip: 5.0,
            freeze_convolutions: false,
            adversarial: false,
            adversary_in_stats: false,
            beta_nll: 0.0,
            shift: 0,
            noise: false,
            weight_decay: 0.0,
            average: 0.0,
        }
    }
}

/// Number of skipped steps in a row after which a member returns to its last good weights.
const PATIENCE: u32 = 5;
/// Number of steps taken after which weights are kept as good.
const KEEP_EVERY: u32 = 25;

impl NetworkPlan {
    /// The operations of an inference pass over `batch` images that all members share.
    ///
    /// # Errors
    /// Those of [`Network::check`].
    pub fn inference(network: &Network, layout: &Layout, batch: usize) -> Result<NetworkPlan> {
        let mut b = Builder::new(network, layout, batch)?;
        let x = b.shared("x", batch * network.input_shape().len());
        let x = b.half(x);
        let (outputs, _) = b.run(x, Pass::Infer, false);
        Ok(finish(b, x, outputs, None))
    }

    /// The operations of one training step.
    ///
    /// # Errors
    /// Those of [`Network::check`].
    pub fn training(network: &Network, layout: &Layout, training: &Training) -> Result<NetworkPlan> {
        let mut b = Builder::new(network, layout, training.batch)?;
        if training.freeze_convolutions {
            b.freeze_convolutions();
        }
        let image = network.input_shape();
        let mut io = train_io(&mut b, layout, training, network);
        let x = b.tensor("x", training.batch * image.len());
        let x = b.half(x);
        gather(&mut b, training, image, x, &io);
        let plain = TrainPass {
            stats_before: b.stats,
            stats_next: io.stats_next,
            y: io.y,
            loss: io.loss[0],
            cross_entropy: io.cross_entropy[0],
            grads: io.grads,
            beta_nll: training.beta_nll,
            schedule: io.schedule,
            state: io.state,
        };
        let (outputs, grad_x) = b.run(x, Pass::Train(plain), training.adversarial);
        if let Some(grad_x) = grad_x {
            let adversary = adversary(&mut b, training, image, Adversary { grad_x, x }, &io);
            let stats_next = match training.adversary_in_stats {
                true => io.stats_next,
                false => b.tensor("adversarial_stats", layout.stat_stride),
            };
            b.accumulate = true;
            let moved = TrainPass {
                stats_before: io.stats_next,
                stats_next,
                loss: io.loss[1],
                cross_entropy: io.cross_entropy[1],
                ..plain
            };
            b.run(adversary.x, Pass::Train(moved), false);
            io.adversary = Some(adversary);
        }
        optimise(&mut b, layout, training, &io);
        Ok(finish(b, x, outputs, Some(io)))
    }
}

/// The tensors that only training has.
fn train_io(b: &mut Builder, layout: &Layout, training: &Training, network: &Network) -> TrainIo {
    let (image, has_lens_head) = (network.input_shape(), network.heads().lens.is_some());
    let (p, s, capacity) = (layout.param_stride, layout.stat_stride, training.capacity);
    let random = training.shift > 0 || training.noise;
    let pool = b.shared("pool", capacity.pool * image.len());
    TrainIo {
        pool: b.half(pool),
        pool_labels: b.shared("pool_labels", capacity.pool),
        draws: b.tensor("draws", capacity.steps * training.batch),
        schedule: b.shared("schedule", capacity.steps * schedule::WIDTH),
        bands: (training.adversarial || random).then(|| b.shared("bands", bands::ROWS * image.c)),
        y: b.tensor("y", training.batch),
        loss: ["loss", "adversarial_loss"].map(|name| b.tensor(name, 2)),
        cross_entropy: ["cross_entropy", "adversarial_cross_entropy"]
            .map(|name| has_lens_head.then(|| b.tensor(name, 1))),
        grads: b.tensor("grads", p),
        stats_next: b.tensor("stats_next", s),
        adversary: None,
        adam_m: b.tensor("adam_m", p),
        adam_v: b.tensor("adam_v", p),
        good: b.tensor("good", p + s),
        average: (training.average > 0.0).then(|| ["average", "good_average"].map(|name| b.tensor(name, p + s))),
        state: b.tensor("state", state::WORDS),
        log: b.tensor("log", capacity.steps * log::WIDTH),
    }
}

/// Each member's mini-batch.
fn gather(b: &mut Builder, training: &Training, image: Shape, x: TensorId, io: &TrainIo) {
    let random = training.shift > 0 || training.noise;
    b.push(Gather {
        batch: training.batch,
        h: image.h,
        w: image.w,
        c: image.c,
        shift: training.shift,
        noise: training.noise,
        bands: io.bands.filter(|_| random),
        pool: io.pool,
        pool_labels: io.pool_labels,
        draws: io.draws,
        state: io.state,
        x,
        y: io.y,
    });
}

/// The images moved against the network, from the images and their gradient.
fn adversary(b: &mut Builder, training: &Training, image: Shape, plain: Adversary, io: &TrainIo) -> Adversary {
    let len = training.batch * image.len();
    let out = b.tensor("adversarial_x", len);
    let out = b.half(out);
    b.push(Fgsm {
        len,
        channels: image.c,
        bands: io.bands.expect("the adversary needs them"),
        x: plain.x,
        dx: plain.grad_x,
        out,
    });
    Adversary { x: out, ..plain }
}

/// The update of the weights, and of their average.
fn optimise(b: &mut Builder, layout: &Layout, training: &Training, io: &TrainIo) {
    let decays =
        |kernel: &&Parameter| training.weight_decay > 0.0 && !(training.freeze_convolutions && kernel.is_convolution());
    b.push(Adam {
        param_stride: layout.param_stride,
        stat_stride: layout.stat_stride,
        beta1: training.beta1,
        beta2: training.beta2,
        epsilon: training.epsilon,
        clip: training.clip,
        decay: training.weight_decay,
        kernels: layout.kernels().filter(decays).map(|p| (p.offset, p.len())).collect(),
        patience: PATIENCE,
        keep_every: KEEP_EVERY,
        params: b.params,
        stats: b.stats,
        stats_next: io.stats_next,
        grads: io.grads,
        adam_m: io.adam_m,
        adam_v: io.adam_v,
        good: io.good,
        loss: io.loss[0],
        cross_entropy: io.cross_entropy[0],
        second_loss: training.adversarial.then_some(io.loss[1]),
        schedule: io.schedule,
        state: io.state,
        log: io.log,
    });
    if let Some([average, good_average]) = io.average {
        b.push(Average {
            param_stride: layout.param_stride,
            stat_stride: layout.stat_stride,
            decay: training.average,
            params: b.params,
            stats: b.stats,
            state: io.state,
            average,
            good_average,
        });
    }
}

fn finish(b: Builder, x: TensorId, outputs: Outputs, train: Option<TrainIo>) -> NetworkPlan {
    let io = Io {
        params: b.params,
        stats: b.stats,
        x,
        prediction: outputs.prediction,
        lens: outputs.lens,
        features: outputs.features,
        train,
    };
    let plan = Plan {
        tensors: b.tensors,
        ops: b.ops,
        log: train.map(|train| train.log),
        batch: b.batch,
    };
    NetworkPlan { plan, io }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{NetworkOp, Op};

    fn plan(layers: &str, change: impl FnOnce(&mut Training)) -> NetworkPlan {
        let heads = "{layer='heads', mean='mean', var='var'}";
        let network = Network::from_toml(&format!("layers = [{layers}, {heads}]"), &[9, 8, 2]).unwrap();
        let mut training = Training::new(4, Capacity { pool: 4, steps: 1 });
        change(&mut training);
        NetworkPlan::training(&network, &Layout::new(&network).unwrap(), &training).unwrap()
    }

    /// Name and layer of each operation, but for the first and the last.
    fn ops(plan: &NetworkPlan) -> Vec<String> {
        let text = |op: &Op| format!("{} {}", op.name(), op.layer());
        plan.ops[1..plan.ops.len() - 1].iter().map(text).collect()
    }

    #[test]
    fn of_several_consumers_the_first_on_the_way_back_writes_and_the_others_add() {
        let plan = plan(
            "{layer='conv', name='a', filters=2, kernel=3, activation='relu'}, \
             {layer='conv', name='b', filters=2, kernel=3, padding='same'}, {layer='add', with='a'}, \
             {layer='concat', with='a'}, {layer='flatten'}",
            |_| {},
        );
        // What writes the gradient of a.out: whether it adds, and whether it is gated by the ReLU of a.
        let target = plan.tensors.iter().position(|t| t.name == "a.out.grad").unwrap();
        let writes = plan.ops.iter().filter_map(|op| match op {
            Op::Network(NetworkOp::ChannelCopy(op)) if op.to.0 == target => {
                Some((op.layer.as_str(), op.accumulate, op.gate.is_some()))
            }
            Op::Network(NetworkOp::ConvGradInput(op)) if op.dx.0 == target => {
                Some((op.layer.as_str(), op.accumulate, op.gate))
            }
            _ => None,
        });
        let expected = [("concat4", false, true), ("add3", true, true), ("b", true, true)];
        assert_eq!(writes.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_gradient_passes_through_an_addition_without_a_copy_where_nobody_else_adds_to_it() {
        let plan = plan(
            "{layer='norm', name='a'}, {layer='norm', name='b'}, {layer='norm', name='c', input='a'}, \
             {layer='add', with='b'}, {layer='flatten'}",
            |_| {},
        );
        assert!(
            !ops(&plan).iter().any(|op| op.starts_with("channel_copy")),
            "{:?}",
            ops(&plan)
        );
        let input_of = |layer: &str| {
            let ops = plan.ops.iter().find_map(|op| match op {
                Op::Network(NetworkOp::NormGrad(op)) if op.layer == layer => Some(op.dout),
                _ => None,
            });
            ops.unwrap()
        };
        assert_eq!(input_of("b"), input_of("c"));
    }

    #[test]
    fn no_gradient_is_computed_that_nobody_needs() {
        let layers = "{layer='maxpool', size=2}, {layer='conv', name='c', filters=2, kernel=3}, {layer='flatten'}, \
                      {layer='dense', name='d', units=3}";
        let backward = |plan: NetworkPlan| -> Vec<String> {
            let ops = ops(&plan).into_iter();
            ops.skip_while(|op| op != "heads_loss heads").skip(1).collect()
        };
        let of_all = backward(plan(layers, |_| {}));
        assert_eq!(of_all, ["heads_grad heads", "dense_grad d", "conv_grad_weight c"]);
        let frozen = backward(plan(layers, |training| training.freeze_convolutions = true));
        assert_eq!(frozen, of_all[..2]);
        let adversarial = backward(plan(layers, |training| {
            training.adversarial = true;
            training.freeze_convolutions = true;
        }));
        assert_eq!(
            adversarial[..5],
            [
                "heads_grad heads",
                "dense_grad d",
                "conv_grad_input c",
                "pool_grad_input pool1",
                "fgsm input"
            ]
        );
    }

    #[test]
    fn a_pooling_right_behind_a_norm_is_part_of_it_unless_somebody_else_takes_the_norm() {
        let fused = "{layer='norm', name='n'}, {layer='maxpool', size=2}, {layer='flatten'}";
        assert!(!ops(&plan(fused, |_| {})).iter().any(|op| op.starts_with("pool")));
        let taken = "{layer='norm', name='n'}, {layer='maxpool', size=2}, {layer='norm', name='m', input='n'}, \
                     {layer='maxpool', size=2}, {layer='add', with='p'}, {layer='flatten'}";
        let taken = taken.replacen("size=2}", "size=2, name='p'}", 1);
        let ops = ops(&plan(&taken, |_| {}));
        assert_eq!(
            ops.iter().filter(|op| op.starts_with("pool_forward")).count(),
            1,
            "{ops:?}"
        );
    }
}
