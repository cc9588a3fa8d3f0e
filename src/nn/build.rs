//! From a network to the operations of a training step or an inference pass.

use crate::likelihood::Likelihood;
use crate::nn::{Activation, Layer, Layout, MeanActivation, Network, Parameter, Shape};
use crate::plan::*;
use anyhow::Result;

/// The operations of a network: a training step or an inference pass.
#[derive(Clone, Debug)]
pub struct NetworkPlan {
    pub plan: Plan,
    /// The tensors that the world outside the plan fills and reads.
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
    /// (B,F): the last hidden layer's output, which the heads take; the images themselves where there is none.
    pub features: TensorId,
    /// What only training has.
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
    /// (steps, [`schedule::WIDTH`]) what each step of the epoch is to do, shared.
    pub schedule: TensorId,
    /// (B) labels of the mini-batch.
    pub y: TensorId,
    /// (2) loss and mean squared error of each pass of the step: plain, and adversarial where it is on.
    pub loss: [TensorId; 2],
    pub grads: TensorId,
    /// Running statistics as they will be if the step is taken.
    pub stats_next: TensorId,
    /// ([`bands::ROWS`], C): what the step must know of each channel of its images, where it asks; shared.
    pub bands: Option<TensorId>,
    /// Gradient of the input and the perturbed input, where the adversary asks for them.
    pub adversary: Option<Adversary>,
    /// Adam's first and second moments.
    pub adam_m: TensorId,
    pub adam_v: TensorId,
    /// Last good weights, statistics and moments, to which a member returns after several skipped steps.
    pub good: TensorId,
    /// Moving average of weights and statistics, where it is kept.
    pub average: Option<TensorId>,
    /// [`state`]: counters of a member.
    pub state: TensorId,
    /// (steps, [`log::WIDTH`]) what happened in each step of the epoch.
    pub log: TensorId,
}

#[derive(Clone, Copy, Debug)]
pub struct Adversary {
    pub grad_x: TensorId,
    pub x: TensorId,
}

/// How large a training plan's tables are.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Images in the pool.
    pub pool: usize,
    /// Steps whose draws, learning rates and log the device holds.
    pub steps: usize,
}

/// Batch norm as Keras has it by default, and as in the recordings.
pub const NORM_EPSILON: f32 = 1e-3;
pub const NORM_MOMENTUM: f32 = 0.99;

/// What the optimiser of a training plan does.
#[derive(Clone, Copy, Debug)]
pub struct Training {
    pub batch: usize,
    pub capacity: Capacity,
    pub beta1: f32,
    pub beta2: f32,
    pub epsilon: f32,
    /// Largest norm of a member's gradient; infinite for none.
    pub clip: f32,
    /// Leave the convolutions, and the norms between them, as they are: no gradient is computed for them, and Adam does
    /// not move what has none.
    pub freeze_convolutions: bool,
    /// Adversarial training: a second pass, over images moved by the fast gradient sign method.
    pub adversarial: bool,
    /// Whether the running statistics follow the second pass too, as in the recorded Keras steps. A run leaves it out: each
    /// pass is normalised by its own batch, and statistics halfway between the two fit neither (Xie et al. 2020, AdvProp).
    pub adversary_in_stats: bool,
    /// Power of the variance that weighs each image's loss; 0 is the likelihood itself.
    pub beta_nll: f32,
    /// Largest shift of an image, pixels, and whether noise is added to it.
    pub shift: usize,
    pub noise: bool,
    /// Decoupled weight decay of kernels; 0 for none.
    pub weight_decay: f32,
    /// Decay of the moving average of weights; 0 for none.
    pub average: f32,
}

impl Training {
    /// Adam as Keras has it, clip at a global norm of 5 a member.
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

/// Steps that fail in a row before a member returns to its last good weights, and how often those are kept.
const PATIENCE: u32 = 5;
const KEEP_EVERY: u32 = 25;

impl Plan {
    /// The operations of one training step.
    ///
    /// # Errors
    /// Those of [`Network::shapes`].
    pub fn training(network: &Network, layout: &Layout, training: &Training) -> Result<NetworkPlan> {
        let mut b = Builder::new(network, layout, training.batch)?;
        b.freeze_convolutions = training.freeze_convolutions;
        let (image, capacity) = (network.input_shape(), training.capacity);
        let (p, s) = (layout.param_stride, layout.stat_stride);
        let mut adversary = training.adversarial.then_some(Adversary {
            grad_x: TensorId(0),
            x: TensorId(0),
        });

        let pool = b.shared("pool", capacity.pool * image.len());
        let pool_labels = b.shared("pool_labels", capacity.pool);
        let draws = b.tensor("draws", capacity.steps * training.batch);
        let schedule = b.shared("schedule", capacity.steps * schedule::WIDTH);
        let random = training.shift > 0 || training.noise;
        let bands = (training.adversarial || random).then(|| b.shared("bands", bands::ROWS * image.c));
        let x = b.tensor("x", training.batch * image.len());
        let y = b.tensor("y", training.batch);
        let loss = ["loss", "adversarial_loss"].map(|name| b.tensor(name, 2));
        let grads = b.tensor("grads", p);
        let stats_next = b.tensor("stats_next", s);
        let adam_m = b.tensor("adam_m", p);
        let adam_v = b.tensor("adam_v", p);
        let good = b.tensor("good", p + s);
        let average = (training.average > 0.0).then(|| b.tensor("average", p + s));
        let state = b.tensor("state", state::WORDS);
        let log = b.tensor("log", capacity.steps * log::WIDTH);

        let gather = Gather {
            batch: training.batch,
            h: image.h,
            w: image.w,
            c: image.c,
            shift: training.shift,
            noise: training.noise,
            bands: bands.filter(|_| random),
            pool,
            pool_labels,
            draws,
            state,
            x,
            y,
        };
        b.ops.push(Op::Gather(gather));
        let (before, accumulate) = (b.stats, false);
        let objective = Objective {
            beta: training.beta_nll,
            schedule,
            state,
        };
        let mode = Mode::Train {
            before,
            next: stats_next,
            y,
            loss: loss[0],
            grads,
            accumulate,
            objective,
        };
        let outputs = b.pass(x, &mode, adversary.as_mut().map(|a| &mut a.grad_x));
        if let (Some(adversary), Some(bands)) = (&mut adversary, bands) {
            adversary.x = b.tensor("adversarial_x", training.batch * image.len());
            let len = training.batch * image.len();
            b.ops.push(Op::Fgsm(Fgsm {
                len,
                channels: image.c,
                bands,
                x,
                dx: adversary.grad_x,
                out: adversary.x,
            }));
            let next = match training.adversary_in_stats {
                true => stats_next,
                false => b.tensor("adversarial_stats", s),
            };
            let mode = Mode::Train {
                before: stats_next,
                next,
                y,
                loss: loss[1],
                grads,
                accumulate: true,
                objective,
            };
            b.pass(adversary.x, &mode, None);
        }
        let decays = |kernel: &&Parameter| {
            training.weight_decay > 0.0 && !(training.freeze_convolutions && kernel.is_convolution())
        };
        b.ops.push(Op::Adam(Adam {
            param_stride: p,
            stat_stride: s,
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
            stats_next,
            grads,
            adam_m,
            adam_v,
            good,
            loss: loss[0],
            second_loss: training.adversarial.then_some(loss[1]),
            schedule,
            state,
            log,
        }));
        if let Some(average) = average {
            b.ops.push(Op::Average(Average {
                param_stride: p,
                stat_stride: s,
                decay: training.average,
                params: b.params,
                stats: b.stats,
                state,
                average,
            }));
        }
        let train = TrainIo {
            pool,
            pool_labels,
            draws,
            schedule,
            y,
            loss,
            grads,
            stats_next,
            bands,
            adversary,
            adam_m,
            adam_v,
            good,
            average,
            state,
            log,
        };
        Ok(b.finish(x, outputs, Some(train)))
    }

    /// The operations of an inference pass over `batch` images that all members share.
    ///
    /// # Errors
    /// Those of [`Network::shapes`].
    pub fn inference(network: &Network, layout: &Layout, batch: usize) -> Result<NetworkPlan> {
        let mut b = Builder::new(network, layout, batch)?;
        let x = b.shared("x", batch * network.input_shape().len());
        let outputs = b.pass(x, &Mode::Infer, None);
        Ok(b.finish(x, outputs, None))
    }
}

/// What a forward pass is for.
enum Mode {
    Infer,
    Train {
        before: TensorId,
        next: TensorId,
        y: TensorId,
        loss: TensorId,
        grads: TensorId,
        accumulate: bool,
        objective: Objective,
    },
}

/// What the loss needs beside the answers.
#[derive(Clone, Copy)]
struct Objective {
    beta: f32,
    schedule: TensorId,
    state: TensorId,
}

/// One layer of a forward pass, with the tensors that its backward pass needs.
enum Done<'a> {
    Conv {
        name: &'a str,
        shape: ConvShape,
        x: Value,
    },
    /// A norm and the pooling behind it, if any.
    Norm {
        name: &'a str,
        shape: PoolShape,
        x: Value,
        batch_stats: Option<TensorId>,
    },
    Pool {
        name: String,
        shape: PoolShape,
        x: Value,
    },
    Dense {
        name: &'a str,
        shape: DenseShape,
        x: Value,
    },
    Heads {
        x: Value,
        inputs: usize,
        draw: Option<TensorId>,
    },
}

/// What a forward pass ends with; see [`Io`].
struct Outputs {
    prediction: TensorId,
    features: TensorId,
}

/// A tensor on its way through the network, and whether it came straight out of a ReLU.
#[derive(Clone, Copy)]
struct Value {
    tensor: TensorId,
    relu: bool,
}

struct Builder<'a> {
    network: &'a Network,
    layout: &'a Layout,
    shapes: Vec<Shape>,
    batch: usize,
    tensors: Vec<Tensor>,
    ops: Vec<Op>,
    params: TensorId,
    stats: TensorId,
    freeze_convolutions: bool,
}

impl<'a> Builder<'a> {
    fn new(network: &'a Network, layout: &'a Layout, batch: usize) -> Result<Builder<'a>> {
        let shapes = network.shapes()?;
        let (params, stats) = (TensorId(0), TensorId(1));
        let mut b = Builder {
            network,
            layout,
            shapes,
            batch,
            tensors: vec![],
            ops: vec![],
            params,
            stats,
            freeze_convolutions: false,
        };
        b.tensor("params", layout.param_stride);
        b.tensor("stats", layout.stat_stride);
        Ok(b)
    }

    fn finish(self, x: TensorId, outputs: Outputs, train: Option<TrainIo>) -> NetworkPlan {
        let io = Io {
            params: self.params,
            stats: self.stats,
            x,
            prediction: outputs.prediction,
            features: outputs.features,
            train,
        };
        let plan = Plan {
            tensors: self.tensors,
            ops: self.ops,
            log: train.map(|train| train.log),
            batch: self.batch,
        };
        NetworkPlan { plan, io }
    }

    /// The tensor of that name; made at its first use. The adversarial pass uses the plain pass's tensors again.
    fn tensor(&mut self, name: &str, len: usize) -> TensorId {
        self.add(name, len, false)
    }

    fn shared(&mut self, name: &str, len: usize) -> TensorId {
        self.add(name, len, true)
    }

    fn add(&mut self, name: &str, len: usize, shared: bool) -> TensorId {
        if let Some(i) = self.tensors.iter().position(|t| t.name == name) {
            debug_assert_eq!((self.tensors[i].len, self.tensors[i].shared), (len, shared));
            return TensorId(i);
        }
        self.tensors.push(Tensor {
            name: name.into(),
            len,
            shared,
        });
        TensorId(self.tensors.len() - 1)
    }

    fn param(&self, layer: &str, part: &str) -> Slice {
        Slice {
            tensor: self.params,
            offset: self.layout.param(layer, part).offset,
        }
    }

    fn grad(&self, grads: TensorId, layer: &str, part: &str) -> Slice {
        Slice {
            tensor: grads,
            offset: self.layout.param(layer, part).offset,
        }
    }

    /// Forward over x, and in training backward again. `grad_x` asks for the input's gradient.
    fn pass(&mut self, x: TensorId, mode: &Mode, grad_x: Option<&mut TensorId>) -> Outputs {
        let (done, outputs) = self.forward(x, mode);
        if let Mode::Train { grads, accumulate, .. } = *mode {
            self.backward(&done, grads, accumulate, grad_x);
        }
        outputs
    }

    fn forward(&mut self, x: TensorId, mode: &Mode) -> (Vec<Done<'a>>, Outputs) {
        let network = self.network;
        let batch = self.batch;
        let mut value = Value { tensor: x, relu: false };
        let mut done = Vec::new();
        let mut layers = network.layers.iter().enumerate().peekable();
        while let Some((i, layer)) = layers.next() {
            let shape = self.shapes[i];
            match layer {
                Layer::Conv {
                    name,
                    filters,
                    kernel,
                    activation,
                } => {
                    let conv = ConvShape {
                        batch,
                        in_h: shape.h,
                        in_w: shape.w,
                        in_c: shape.c,
                        kernel_h: *kernel,
                        kernel_w: *kernel,
                        out_c: *filters,
                    };
                    let out = self.tensor(&format!("{name}.out"), batch * conv.out_h() * conv.out_w() * conv.out_c);
                    let relu = *activation == Activation::Relu;
                    self.ops.push(Op::ConvForward(ConvForward {
                        layer: name.clone(),
                        shape: conv,
                        x: value.tensor,
                        kernel: self.param(name, "kernel"),
                        bias: self.param(name, "bias"),
                        relu,
                        out,
                    }));
                    done.push(Done::Conv {
                        name,
                        shape: conv,
                        x: value,
                    });
                    value = Value { tensor: out, relu };
                }
                Layer::Norm { name } => {
                    // A pooling right behind the norm is part of it: the norm's own output is never stored.
                    let pool = match layers.peek() {
                        Some((_, Layer::Maxpool { size })) => {
                            layers.next();
                            *size
                        }
                        _ => 1,
                    };
                    let shape = PoolShape {
                        batch,
                        h: shape.h,
                        w: shape.w,
                        c: shape.c,
                        pool,
                    };
                    let (source, batch_stats) = self.norm_source(name, &shape, value.tensor, mode);
                    let out = self.tensor(&format!("{name}.out"), batch * shape.out_h() * shape.out_w() * shape.c);
                    self.ops.push(Op::NormForward(NormForward {
                        layer: name.clone(),
                        shape,
                        epsilon: NORM_EPSILON,
                        x: value.tensor,
                        source,
                        gamma: self.param(name, "gamma"),
                        beta: self.param(name, "beta"),
                        out,
                    }));
                    done.push(Done::Norm {
                        name,
                        shape,
                        x: value,
                        batch_stats,
                    });
                    value = Value {
                        tensor: out,
                        relu: false,
                    };
                }
                Layer::Maxpool { size } => {
                    let name = format!("pool{}", i + 1);
                    let shape = PoolShape {
                        batch,
                        h: shape.h,
                        w: shape.w,
                        c: shape.c,
                        pool: *size,
                    };
                    let out = self.tensor(&format!("{name}.out"), batch * shape.out_h() * shape.out_w() * shape.c);
                    let x = value.tensor;
                    self.ops.push(Op::PoolForward(PoolForward {
                        layer: name.clone(),
                        shape,
                        x,
                        out,
                    }));
                    // The largest value of a window is positive just where the pooled value is: the ReLU's gate is
                    // applied on the way back through the pooling.
                    done.push(Done::Pool { name, shape, x: value });
                    value = Value {
                        tensor: out,
                        relu: false,
                    };
                }
                Layer::Flatten => {}
                Layer::Dense {
                    name,
                    units,
                    activation,
                } => {
                    let dense = DenseShape {
                        batch,
                        inputs: shape.c,
                        outputs: *units,
                    };
                    let out = self.tensor(&format!("{name}.out"), batch * units);
                    let relu = *activation == Activation::Relu;
                    self.ops.push(Op::DenseForward(DenseForward {
                        layer: name.clone(),
                        shape: dense,
                        x: value.tensor,
                        kernel: self.param(name, "kernel"),
                        bias: self.param(name, "bias"),
                        relu,
                        out,
                    }));
                    done.push(Done::Dense {
                        name,
                        shape: dense,
                        x: value,
                    });
                    value = Value { tensor: out, relu };
                }
                Layer::Heads(heads) => {
                    let raw = self.tensor("heads.raw", batch * 2);
                    let prediction = self.tensor("prediction", batch * 2);
                    let abs_mean = heads.mean_activation == MeanActivation::Abs;
                    self.ops.push(Op::HeadsForward(HeadsForward {
                        batch,
                        inputs: shape.c,
                        abs_mean,
                        var_floor: heads.var_floor,
                        x: value.tensor,
                        mean_kernel: self.param(&heads.mean, "kernel"),
                        mean_bias: self.param(&heads.mean, "bias"),
                        var_kernel: self.param(&heads.var, "kernel"),
                        var_bias: self.param(&heads.var, "bias"),
                        raw,
                        prediction,
                    }));
                    let draw = match *mode {
                        Mode::Infer => None,
                        Mode::Train { y, loss, objective, .. } => {
                            let draw = self.tensor("heads.draw", batch * 2);
                            self.ops.push(Op::HeadsLoss(HeadsLoss {
                                batch,
                                abs_mean,
                                student_t: heads.likelihood == Likelihood::StudentT,
                                beta: objective.beta,
                                schedule: objective.schedule,
                                state: objective.state,
                                raw,
                                prediction,
                                y,
                                draw,
                                loss,
                            }));
                            Some(draw)
                        }
                    };
                    done.push(Done::Heads {
                        x: value,
                        inputs: shape.c,
                        draw,
                    });
                    let features = value.tensor;
                    return (done, Outputs { prediction, features });
                }
            }
        }
        unreachable!("a checked network ends with its heads")
    }

    fn norm_source(
        &mut self,
        name: &str,
        shape: &PoolShape,
        x: TensorId,
        mode: &Mode,
    ) -> (StatsSource, Option<TensorId>) {
        let mean_offset = self.layout.stat(name, "moving_mean").offset;
        let variance_offset = self.layout.stat(name, "moving_variance").offset;
        match *mode {
            Mode::Infer => (
                StatsSource::Running {
                    stats: self.stats,
                    mean_offset,
                    variance_offset,
                },
                None,
            ),
            Mode::Train { before, next, .. } => {
                let batch_stats = self.tensor(&format!("{name}.batch_stats"), 2 * shape.c);
                self.ops.push(Op::NormStats(NormStats {
                    layer: name.into(),
                    rows: shape.rows(),
                    channels: shape.c,
                    momentum: NORM_MOMENTUM,
                    x,
                    batch_stats,
                    before,
                    next,
                    mean_offset,
                    variance_offset,
                }));
                (StatsSource::Batch(batch_stats), Some(batch_stats))
            }
        }
    }

    fn backward(&mut self, done: &[Done], grads: TensorId, accumulate: bool, grad_x: Option<&mut TensorId>) {
        let heads = self.network.heads();
        let batch = self.batch;
        // The gradient at the output of the layer at hand.
        let mut dout = TensorId(usize::MAX);
        let wants_input = grad_x.is_some();
        let first = self.first_trained(done);
        for (i, layer) in done.iter().enumerate().rev() {
            // The input's own gradient is computed only where the adversary asks for it.
            let wanted = i > first || wants_input;
            let frozen = i < first;
            if frozen && !wants_input {
                break;
            }
            match layer {
                Done::Heads { x, inputs, draw } => {
                    let draw = draw.expect("a training pass has a loss");
                    self.ops.push(Op::HeadsGradWeight(HeadsGradWeight {
                        batch,
                        inputs: *inputs,
                        x: x.tensor,
                        draw,
                        mean_kernel_grad: self.grad(grads, &heads.mean, "kernel"),
                        mean_bias_grad: self.grad(grads, &heads.mean, "bias"),
                        var_kernel_grad: self.grad(grads, &heads.var, "kernel"),
                        var_bias_grad: self.grad(grads, &heads.var, "bias"),
                        accumulate,
                    }));
                    if wanted {
                        let dx = self.grad_of(x.tensor);
                        self.ops.push(Op::HeadsGradInput(HeadsGradInput {
                            batch,
                            inputs: *inputs,
                            draw,
                            mean_kernel: self.param(&heads.mean, "kernel"),
                            var_kernel: self.param(&heads.var, "kernel"),
                            x: x.tensor,
                            gate: x.relu,
                            dx,
                        }));
                        dout = dx;
                    }
                }
                Done::Dense { name, shape, x } => {
                    self.ops.push(Op::DenseGradWeight(DenseGradWeight {
                        layer: (*name).into(),
                        shape: *shape,
                        x: x.tensor,
                        dout,
                        kernel_grad: self.grad(grads, name, "kernel"),
                        bias_grad: self.grad(grads, name, "bias"),
                        accumulate,
                    }));
                    if wanted {
                        let dx = self.grad_of(x.tensor);
                        self.ops.push(Op::DenseGradInput(DenseGradInput {
                            layer: (*name).into(),
                            shape: *shape,
                            dout,
                            kernel: self.param(name, "kernel"),
                            x: x.tensor,
                            gate: x.relu,
                            dx,
                        }));
                        dout = dx;
                    }
                }
                Done::Norm {
                    name,
                    shape,
                    x,
                    batch_stats,
                } => {
                    let batch_stats = batch_stats.expect("a training pass has batch statistics");
                    let gamma = self.param(name, "gamma");
                    // A frozen norm passes gradients on, for which it sums them; its own go where Adam does not look.
                    let grads = match frozen {
                        true => self.tensor("frozen_grads", self.layout.param_stride),
                        false => grads,
                    };
                    let sums = self.tensor(&format!("{name}.grad_sums"), 2 * shape.c);
                    self.ops.push(Op::NormGradParam(NormGradParam {
                        layer: (*name).into(),
                        shape: *shape,
                        epsilon: NORM_EPSILON,
                        x: x.tensor,
                        batch_stats,
                        gamma,
                        dout,
                        sums,
                        gamma_grad: self.grad(grads, name, "gamma"),
                        beta_grad: self.grad(grads, name, "beta"),
                        accumulate,
                    }));
                    if wanted {
                        let dx = self.grad_of(x.tensor);
                        self.ops.push(Op::NormGradInput(NormGradInput {
                            layer: (*name).into(),
                            shape: *shape,
                            epsilon: NORM_EPSILON,
                            x: x.tensor,
                            batch_stats,
                            gamma,
                            dout,
                            sums,
                            gate: x.relu,
                            dx,
                        }));
                        dout = dx;
                    }
                }
                Done::Pool { name, shape, x } => {
                    if wanted {
                        let dx = self.grad_of(x.tensor);
                        self.ops.push(Op::PoolGradInput(PoolGradInput {
                            layer: name.clone(),
                            shape: *shape,
                            x: x.tensor,
                            dout,
                            gate: x.relu,
                            dx,
                        }));
                        dout = dx;
                    }
                }
                Done::Conv { name, shape, x } => {
                    if !frozen {
                        self.ops.push(Op::ConvGradWeight(ConvGradWeight {
                            layer: (*name).into(),
                            shape: *shape,
                            x: x.tensor,
                            dout,
                            kernel_grad: self.grad(grads, name, "kernel"),
                            bias_grad: self.grad(grads, name, "bias"),
                            accumulate,
                        }));
                    }
                    if wanted {
                        let dx = self.grad_of(x.tensor);
                        self.ops.push(Op::ConvGradInput(ConvGradInput {
                            layer: (*name).into(),
                            shape: *shape,
                            dout,
                            kernel: self.param(name, "kernel"),
                            x: x.tensor,
                            gate: x.relu,
                            dx,
                        }));
                        dout = dx;
                    }
                }
            }
        }
        if let Some(grad_x) = grad_x {
            *grad_x = dout;
        }
    }

    /// The first layer that is trained: with frozen convolutions the first one after them.
    fn first_trained(&self, done: &[Done]) -> usize {
        let after = |layer: &Done| matches!(layer, Done::Dense { .. } | Done::Heads { .. });
        match self.freeze_convolutions {
            true => done.iter().position(after).expect("the heads at least"),
            false => 0,
        }
    }

    fn grad_of(&mut self, tensor: TensorId) -> TensorId {
        let Tensor { name, len, .. } = self.tensors[tensor.0].clone();
        self.tensor(&format!("{name}.grad"), len)
    }
}
