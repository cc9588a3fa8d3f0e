//! The plain f64 reference: every operation of a plan as loops that read like its equation in `src/plan/`.
//!
//! Slow on purpose. `reference_golden.rs` proves it against recorded Keras steps and `reference_checks.rs` against
//! finite differences; the kernels are then compared with it.

// Each test binary takes the part it needs.
#![allow(dead_code)]

mod activation;
mod adam;
mod average;
mod average_pool;
mod channels;
pub mod compare;
mod conv;
mod dense;
mod fgsm;
mod gather;
mod heads;
pub mod lens;
mod lens_head;
mod norm;
mod pool;
pub mod recording;

use lensgpu::plan::{LensOp, NetworkOp, Op, Plan, Slice, Tensor, TensorId, state};

/// The values of a plan's tensors.
///
/// Everything is an f64, integers too: a draw or a counter is a u32, which an f64 holds exactly.
#[derive(Clone)]
pub struct Memory {
    pub members: usize,
    tensors: Vec<Tensor>,
    /// By tensor: `members` rows, or one row where it is shared.
    values: Vec<Vec<f64>>,
}

impl Memory {
    /// All zero, except the learning rate's factor, which starts at 1.
    pub fn new(plan: &Plan, members: usize) -> Memory {
        let rows = |t: &Tensor| if t.shared { 1 } else { members };
        let values = plan.tensors.iter().map(|t| vec![0.0; rows(t) * t.len]).collect();
        let mut memory = Memory {
            members,
            tensors: plan.tensors.clone(),
            values,
        };
        if let Some(counters) = tensor(plan, "state") {
            for member in 0..members {
                memory.row_mut(counters, member)[state::RATE_FACTOR] = 1.0;
            }
        }
        memory
    }

    /// All rows of a tensor, one after the other.
    pub fn all(&self, tensor: TensorId) -> &[f64] {
        &self.values[tensor.0]
    }

    pub fn set(&mut self, tensor: TensorId, values: &[f64]) {
        self.values[tensor.0].copy_from_slice(values);
    }

    /// Takes a tensor as it lies in a device's buffer: 32-bit words that are f32 but for draws, objects and counters.
    pub fn set_words(&mut self, tensor: TensorId, words: &[u32]) {
        let Tensor { ref name, len, .. } = self.tensors[tensor.0];
        let decode = |(i, &word): (usize, &u32)| match name.as_str() {
            "draws" | "objects" => f64::from(word),
            "state" if i % len < state::RATE_FACTOR || i % len == state::KEY => f64::from(word),
            // NaN patterns among them, whose bits an f64 keeps.
            "bands" if f32::from_bits(word).is_nan() => f64::NAN,
            _ => f64::from(f32::from_bits(word)),
        };
        let values: Vec<f64> = words.iter().enumerate().map(decode).collect();
        self.set(tensor, &values);
    }

    /// A member's row; of a shared tensor the one row there is.
    pub fn row(&self, tensor: TensorId, member: usize) -> &[f64] {
        let Tensor { len, shared, .. } = self.tensors[tensor.0];
        let start = if shared { 0 } else { member * len };
        &self.values[tensor.0][start..start + len]
    }

    pub fn row_mut(&mut self, tensor: TensorId, member: usize) -> &mut [f64] {
        let Tensor { len, shared, .. } = self.tensors[tensor.0];
        let start = if shared { 0 } else { member * len };
        &mut self.values[tensor.0][start..start + len]
    }

    /// `len` values of a member's row of parameters.
    fn part(&self, slice: Slice, len: usize, member: usize) -> &[f64] {
        &self.row(slice.tensor, member)[slice.offset..slice.offset + len]
    }

    /// Writes the gradient of a parameter, or adds it to what is there.
    fn put_grad(&mut self, slice: Slice, grad: &[f64], accumulate: bool, member: usize) {
        let target = &mut self.row_mut(slice.tensor, member)[slice.offset..slice.offset + grad.len()];
        for (target, grad) in target.iter_mut().zip(grad) {
            *target = if accumulate { *target + grad } else { *grad };
        }
    }

    /// Writes the gradient of an input x to dx, or adds it to what is there; only where the ReLU that made x did, if one
    /// did.
    fn put_input_grad(&mut self, [dx, x]: [TensorId; 2], grad: &[f64], gate: bool, accumulate: bool, member: usize) {
        for (i, &grad) in grad.iter().enumerate() {
            let grad = gated(gate, self.row(x, member)[i], grad);
            let target = &mut self.row_mut(dx, member)[i];
            *target = if accumulate { *target + grad } else { grad };
        }
    }
}

/// The tensor of that name.
pub fn tensor(plan: &Plan, name: &str) -> Option<TensorId> {
    plan.tensors.iter().position(|t| t.name == name).map(TensorId)
}

/// Runs one operation for all members. No wildcard: an operation without a reference does not compile.
pub fn run(op: &Op, memory: &mut Memory) {
    for member in 0..memory.members {
        match op {
            Op::Network(op) => network(op, memory, member),
            Op::Lens(op) => simulator(op, memory),
        }
    }
}

fn network(op: &NetworkOp, memory: &mut Memory, member: usize) {
    match op {
        NetworkOp::Gather(op) => gather::gather(op, memory, member),
        NetworkOp::ConvForward(op) => conv::forward(op, memory, member),
        NetworkOp::ConvGradInput(op) => conv::grad_input(op, memory, member),
        NetworkOp::ConvGradWeight(op) => conv::grad_weight(op, memory, member),
        NetworkOp::NormForward(op) => norm::forward(op, memory, member),
        NetworkOp::NormGrad(op) => norm::grad(op, memory, member),
        NetworkOp::PoolForward(op) => pool::forward(op, memory, member),
        NetworkOp::PoolGradInput(op) => pool::grad_input(op, memory, member),
        NetworkOp::AveragePoolForward(op) => average_pool::forward(op, memory, member),
        NetworkOp::AveragePoolGradInput(op) => average_pool::grad_input(op, memory, member),
        NetworkOp::DenseForward(op) => dense::forward(op, memory, member),
        NetworkOp::DenseGrad(op) => dense::grad(op, memory, member),
        NetworkOp::ActivationForward(op) => activation::forward(op, memory, member),
        NetworkOp::ActivationGradInput(op) => activation::grad_input(op, memory, member),
        NetworkOp::AddForward(op) => channels::add(op, memory, member),
        NetworkOp::ChannelCopy(op) => channels::copy(op, memory, member),
        NetworkOp::HeadsForward(op) => heads::forward(op, memory, member),
        NetworkOp::HeadsLoss(op) => heads::loss(op, memory, member),
        NetworkOp::HeadsGrad(op) => heads::grad(op, memory, member),
        NetworkOp::LensLoss(op) => lens_head::loss(op, memory, member),
        NetworkOp::Fgsm(op) => fgsm::fgsm(op, memory, member),
        NetworkOp::Adam(op) => adam::adam(op, memory, member),
        NetworkOp::Average(op) => average::average(op, memory, member),
    }
}

fn simulator(op: &LensOp, memory: &mut Memory) {
    match op {
        LensOp::LensPsf(op) => lens::psf(op, memory),
        LensOp::LensRender(op) => lens::render(op, memory),
        LensOp::LensConvolve(op) => lens::convolve(op, memory),
        LensOp::LensNoise(op) => lens::noise(op, memory),
        LensOp::LensArcs(op) => lens::arcs(op, memory),
    }
}

/// Where `index` lies in a row-major array of `shape`.
fn at<const N: usize>(shape: [usize; N], index: [usize; N]) -> usize {
    shape.iter().zip(index).fold(0, |place, (n, i)| place * n + i)
}

/// A NaN stays a NaN, so that nothing bad is hidden.
fn relu(value: f64) -> f64 {
    if value < 0.0 { 0.0 } else { value }
}

/// Passes a gradient on only where the ReLU that made x did, if one did.
fn gated(gate: bool, x: f64, grad: f64) -> f64 {
    if !gate || x > 0.0 { grad } else { 0.0 }
}
