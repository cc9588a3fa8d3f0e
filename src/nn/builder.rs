//! From the graph of a network to the operations of its forward and backward pass.
//!
//! The layers add their own operations (`layer/`); the builder knows the tensors and which gradients are needed. A value
//! may have several consumers: the first of them, on the way back, writes its gradient, the others add to it.

use super::graph::{Graph, Input, Node, ValueId};
use super::{Layout, Network, Result};
use crate::plan::{
    Activation, ActivationForward, ActivationGradInput, ChannelCopy, InputGrad, Op, Slice, Tensor, TensorId,
};

/// What a forward pass is for.
#[derive(Clone, Copy)]
pub(super) enum Pass {
    /// Inference: with running statistics, no loss.
    Infer,
    /// Training: with the batch's own statistics, and a backward pass behind it.
    Train(TrainPass),
}

/// The tensors that a training pass works with, beside those of its layers.
#[derive(Clone, Copy)]
pub(super) struct TrainPass {
    /// Running statistics before this pass, and after it.
    pub stats_before: TensorId,
    pub stats_next: TensorId,
    pub y: TensorId,
    pub loss: TensorId,
    /// If there is a lens head.
    pub cross_entropy: Option<TensorId>,
    pub grads: TensorId,
    pub beta_nll: f32,
    pub schedule: TensorId,
    pub state: TensorId,
}

/// What a forward pass ends with; see [`Io`](super::Io).
pub(super) struct Outputs {
    pub prediction: TensorId,
    pub lens: Option<TensorId>,
    pub features: TensorId,
}

/// Where a layer's backward pass leaves the gradient of an input.
pub(super) struct GradientTarget {
    /// The input itself.
    pub x: TensorId,
    /// Whether it came out of a fused ReLU.
    pub gate: bool,
    pub dx: TensorId,
    /// Whether another consumer has written to `dx` before.
    pub accumulate: bool,
}

/// A value in the pass at hand.
#[derive(Clone, Copy)]
struct Value {
    tensor: TensorId,
    /// Whether it came straight out of a ReLU that is fused into the operation before.
    relu: bool,
}

pub(super) struct Builder<'a> {
    graph: Graph<'a>,
    layout: &'a Layout,
    pub batch: usize,
    pub tensors: Vec<Tensor>,
    pub ops: Vec<Op>,
    pub params: TensorId,
    pub stats: TensorId,
    /// The pass at hand.
    pub pass: Pass,
    /// Whether gradients of parameters are added to those of the pass before.
    pub accumulate: bool,
    /// By value: what the forward pass has made.
    values: Vec<Option<Value>>,
    /// By value: whether its gradient is needed, and where the backward pass has written it.
    needed: Vec<bool>,
    gradients: Vec<Option<TensorId>>,
    /// Gradients of frozen layers that pass gradients on: computed on the way, and not used.
    frozen_grads: Option<TensorId>,
}

impl<'a> Builder<'a> {
    pub fn new(network: &'a Network, layout: &'a Layout, batch: usize) -> Result<Builder<'a>> {
        let graph = Graph::new(network)?;
        let mut b = Builder {
            graph,
            layout,
            batch,
            tensors: vec![],
            ops: vec![],
            params: TensorId(0),
            stats: TensorId(1),
            pass: Pass::Infer,
            accumulate: false,
            values: vec![],
            needed: vec![],
            frozen_grads: None,
            gradients: vec![],
        };
        b.tensor("params", layout.param_stride);
        b.tensor("stats", layout.stat_stride);
        Ok(b)
    }

    /// See [`Graph::freeze_convolutions`].
    pub fn freeze_convolutions(&mut self) {
        self.graph.freeze_convolutions();
    }

    /// The tensor of that name; made at its first use. The adversarial pass uses the plain pass's tensors again.
    pub fn tensor(&mut self, name: &str, len: usize) -> TensorId {
        self.find_or_add(name, len, false)
    }

    /// The same for an activation, which is transient.
    fn activation(&mut self, name: &str, len: usize) -> TensorId {
        let id = self.gradient(name, len);
        self.half(id)
    }

    /// The same for the gradient of an activation.
    fn gradient(&mut self, name: &str, len: usize) -> TensorId {
        let id = self.tensor(name, len);
        self.tensors[id.0].transient = true;
        id
    }

    /// The same tensor, for which f16 is exact enough.
    pub fn half(&mut self, id: TensorId) -> TensorId {
        self.tensors[id.0].half = true;
        id
    }

    /// The same for a tensor that all members share.
    pub fn shared(&mut self, name: &str, len: usize) -> TensorId {
        self.find_or_add(name, len, true)
    }

    fn find_or_add(&mut self, name: &str, len: usize, shared: bool) -> TensorId {
        if let Some(i) = self.tensors.iter().position(|t| t.name == name) {
            debug_assert_eq!((self.tensors[i].len, self.tensors[i].shared), (len, shared));
            return TensorId(i);
        }
        self.tensors.push(Tensor {
            name: name.into(),
            len,
            shared,
            transient: false,
            half: false,
        });
        TensorId(self.tensors.len() - 1)
    }

    /// The output of the lens head of this name.
    pub fn lens_logit(&mut self, name: &str) -> TensorId {
        self.tensor(&format!("{name}.out"), self.batch)
    }

    pub fn push(&mut self, op: impl Into<Op>) {
        self.ops.push(op.into());
    }

    /// The parameter `part` of a node's layer.
    pub fn param(&self, node: &Node, part: &str) -> Slice {
        self.named_param(&node.name, part)
    }

    pub fn named_param(&self, layer: &str, part: &str) -> Slice {
        Slice {
            tensor: self.params,
            offset: self.layout.param(layer, part).offset,
        }
    }

    /// Where its gradient goes; that of a frozen layer, where the optimiser does not look.
    pub fn grad(&self, node: &Node, part: &str) -> Slice {
        let mut grad = self.named_grad(&node.name, part);
        if let (true, Some(frozen)) = (node.frozen, self.frozen_grads) {
            grad.tensor = frozen;
        }
        grad
    }

    pub fn named_grad(&self, layer: &str, part: &str) -> Slice {
        let Pass::Train(train) = self.pass else {
            unreachable!("an inference pass has no gradients");
        };
        Slice {
            tensor: train.grads,
            offset: self.layout.param(layer, part).offset,
        }
    }

    /// Where the layer's running mean and variance lie.
    pub fn stat_offsets(&self, node: &Node) -> [usize; 2] {
        ["moving_mean", "moving_variance"].map(|part| self.layout.stat(&node.name, part).offset)
    }

    /// Forward over x, and in training backward again. The gradient of x, if `wants_gradient`.
    pub fn run(&mut self, x: TensorId, pass: Pass, wants_gradient: bool) -> (Outputs, Option<TensorId>) {
        self.pass = pass;
        self.values = vec![None; self.graph.consumers.len()];
        self.set(ValueId(0), x, false);
        let nodes = std::mem::take(&mut self.graph.nodes);
        for node in &nodes {
            node.layer.kind().forward(self, node);
        }
        let heads = nodes.last().expect("a network has heads");
        let lens = heads.layer.lens_head().map(|name| self.lens_logit(name));
        let outputs = Outputs {
            prediction: self.tensor("prediction", self.batch * 2),
            lens,
            features: self.tensor_of(heads.inputs[0]),
        };
        match pass {
            // The host reads them.
            Pass::Infer => self.tensors[outputs.features.0].transient = false,
            Pass::Train(_) => self.backward(&nodes, wants_gradient),
        }
        self.graph.nodes = nodes;
        let grad_x = if wants_gradient { self.gradients[0] } else { None };
        (outputs, grad_x)
    }

    fn backward(&mut self, nodes: &[Node], wants_gradient: bool) {
        self.needed = vec![false; self.values.len()];
        self.gradients = vec![None; self.values.len()];
        self.needed[0] = wants_gradient;
        for node in nodes {
            let trained = !node.frozen && self.layout.has_params(&node.name);
            self.needed[node.output.0] = trained || node.inputs.iter().any(|input| self.needed[input.value.0]);
        }
        if nodes.iter().any(|node| node.frozen && self.needed[node.output.0]) {
            self.frozen_grads = Some(self.tensor("frozen_grads", self.layout.param_stride));
        }
        // Nothing stands behind the heads: they begin with the gradients that the loss has left.
        let (heads, before) = nodes.split_last().expect("a network has heads");
        heads.layer.kind().backward(self, heads, TensorId(usize::MAX));
        for node in before.iter().rev() {
            if self.needed[node.output.0] {
                let dout = self.gradients[node.output.0].expect("every value has a consumer");
                node.layer.kind().backward(self, node, dout);
            }
        }
    }

    /// The tensor that holds an input.
    pub fn tensor_of(&self, input: Input) -> TensorId {
        self.value(input.value).tensor
    }

    fn value(&self, id: ValueId) -> Value {
        self.values[id.0].expect("a layer comes after its inputs")
    }

    fn set(&mut self, id: ValueId, tensor: TensorId, relu: bool) {
        self.values[id.0] = Some(Value { tensor, relu });
    }

    /// The node's output `NAME.out`; `relu`: the operation that writes it ends with a ReLU.
    pub fn output(&mut self, node: &Node, relu: bool) -> TensorId {
        let out = self.activation(&format!("{}.out", node.name), self.batch * node.shape.len());
        self.set(node.output, out, relu);
        out
    }

    /// Where the gradient of an input goes; none where nobody needs it. Asked for once per use of the input.
    pub fn gradient_of(&mut self, input: Input) -> Option<GradientTarget> {
        if !self.needed[input.value.0] {
            return None;
        }
        let Value { tensor, relu } = self.value(input.value);
        let before = self.gradients[input.value.0];
        let dx = before.unwrap_or_else(|| {
            let Tensor { name, len, .. } = self.tensors[tensor.0].clone();
            self.gradient(&format!("{name}.grad"), len)
        });
        self.gradients[input.value.0] = Some(dx);
        Some(GradientTarget {
            x: tensor,
            gate: relu,
            dx,
            accumulate: before.is_some(),
        })
    }

    /// The same for operations that compute it beside other gradients.
    pub fn input_grad(&mut self, input: Input) -> Option<InputGrad> {
        self.gradient_of(input).map(|to| InputGrad {
            gate: to.gate,
            dx: to.dx,
            accumulate: to.accumulate,
        })
    }

    /// Passes a gradient on to an input as it is. Without a copy where the input has no other consumer.
    pub fn pass_gradient(&mut self, node: &Node, input: Input, dout: TensorId) {
        let alone = self.graph.consumers[input.value.0] == 1;
        if self.needed[input.value.0] && alone && !self.value(input.value).relu {
            self.gradients[input.value.0] = Some(dout);
        } else if let Some(to) = self.gradient_of(input) {
            let channels = input.shape.c;
            self.push(ChannelCopy {
                layer: node.name.clone(),
                rows: self.batch * input.shape.h * input.shape.w,
                channels,
                from: dout,
                from_channels: channels,
                from_first: 0,
                to: to.dx,
                to_channels: channels,
                to_first: 0,
                gate: to.gate.then_some(to.x),
                accumulate: to.accumulate,
            });
        }
    }

    /// What a layer with this activation writes: its output, if the activation is fused, else `NAME.linear`.
    pub fn before_activation(&mut self, node: &Node, activation: Activation) -> TensorId {
        match activation {
            Activation::Linear | Activation::Relu => self.output(node, activation == Activation::Relu),
            Activation::LeakyRelu | Activation::Silu => self.linear(node),
        }
    }

    fn linear(&mut self, node: &Node) -> TensorId {
        self.activation(&format!("{}.linear", node.name), self.batch * node.shape.len())
    }

    /// Applies an activation that is not fused to `linear`.
    pub fn activate(&mut self, node: &Node, activation: Activation, linear: TensorId) {
        match activation {
            Activation::Linear | Activation::Relu => {}
            Activation::LeakyRelu | Activation::Silu => {
                let out = self.output(node, false);
                self.push(ActivationForward {
                    layer: node.name.clone(),
                    len: self.batch * node.shape.len(),
                    activation,
                    x: linear,
                    out,
                });
            }
        }
    }

    /// The gradient before the activation, from that behind it. A fused ReLU has been undone by the gate of whoever wrote
    /// `dout`.
    pub fn activation_gradient(&mut self, node: &Node, activation: Activation, dout: TensorId) -> TensorId {
        match activation {
            Activation::Linear | Activation::Relu => dout,
            Activation::LeakyRelu | Activation::Silu => {
                let len = self.batch * node.shape.len();
                let x = self.linear(node);
                let dx = self.gradient(&format!("{}.linear.grad", node.name), len);
                self.push(ActivationGradInput {
                    layer: node.name.clone(),
                    len,
                    activation,
                    x,
                    dout,
                    gate: false,
                    dx,
                    accumulate: false,
                });
                dx
            }
        }
    }
}
