//! From an operation of the plan to the passes that compute it: which kernel, which tiles, which grid.
//!
//! Kernel, tile and split depend on the layer's shape, the batch and the class of the adapter, never on how many
//! members there are: a member computes the same bits alone and in any company.

mod activation;
mod adam;
mod average;
mod average_pool;
mod channels;
mod conv;
mod dense;
mod fgsm;
mod gather;
mod heads;
mod lens;
mod norm;
mod pool;

use super::Pass;
use crate::plan::{NetworkOp, Op, Slice, Tensor, TensorId};

/// What kernels are tuned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdapterClass {
    /// A real GPU.
    Gpu,
    /// lavapipe, WARP: the processor in disguise.
    Software,
}

impl AdapterClass {
    /// Threads a member that keep a device busy.
    fn busy_threads(self) -> usize {
        match self {
            AdapterClass::Gpu => 16_384,
            AdapterClass::Software => 512,
        }
    }
}

/// The plan's tensors, and the scratch that the passes add to them.
pub struct Lowering<'a> {
    pub class: AdapterClass,
    pub tensors: &'a mut Vec<Tensor>,
}

impl Lowering<'_> {
    /// How far a member's values lie from the member before: 0 for what all members share.
    pub fn stride(&self, id: TensorId) -> usize {
        let tensor = &self.tensors[id.0];
        if tensor.shared { 0 } else { tensor.len }
    }

    /// Scratch of at least `len` values a member, for the passes of one operation. Operations run one after another,
    /// so those that ask for the same name share it.
    pub fn scratch(&mut self, name: &str, len: usize) -> TensorId {
        let name = format!("scratch.{name}");
        match self.tensors.iter().position(|t| t.name == name) {
            Some(i) => {
                self.tensors[i].len = self.tensors[i].len.max(len);
                TensorId(i)
            }
            None => {
                self.tensors.push(Tensor {
                    name,
                    len,
                    shared: false,
                });
                TensorId(self.tensors.len() - 1)
            }
        }
    }
}

/// The passes of an operation, in order. No wildcard: an operation without a kernel does not compile.
pub fn lower(op: &Op, cx: &mut Lowering) -> Vec<Pass> {
    match op {
        Op::Network(op) => network(op, cx),
        Op::Lens(op) => lens::lower(op),
    }
}

fn network(op: &NetworkOp, cx: &mut Lowering) -> Vec<Pass> {
    match op {
        NetworkOp::Gather(op) => gather::gather(op, cx),
        NetworkOp::ConvForward(op) => conv::forward(op, cx),
        NetworkOp::ConvGradInput(op) => conv::grad_input(op, cx),
        NetworkOp::ConvGradWeight(op) => conv::grad_weight(op, cx),
        NetworkOp::NormStats(op) => norm::stats(op, cx),
        NetworkOp::NormForward(op) => norm::forward(op, cx),
        NetworkOp::NormGradParam(op) => norm::grad_param(op, cx),
        NetworkOp::NormGradInput(op) => norm::grad_input(op, cx),
        NetworkOp::PoolForward(op) => pool::forward(op, cx),
        NetworkOp::PoolGradInput(op) => pool::grad_input(op, cx),
        NetworkOp::AveragePoolForward(op) => average_pool::forward(op, cx),
        NetworkOp::AveragePoolGradInput(op) => average_pool::grad_input(op, cx),
        NetworkOp::DenseForward(op) => dense::forward(op, cx),
        NetworkOp::DenseGradInput(op) => dense::grad_input(op, cx),
        NetworkOp::DenseGradWeight(op) => dense::grad_weight(op, cx),
        NetworkOp::ActivationForward(op) => activation::forward(op, cx),
        NetworkOp::ActivationGradInput(op) => activation::grad_input(op, cx),
        NetworkOp::AddForward(op) => channels::add(op, cx),
        NetworkOp::ChannelCopy(op) => channels::copy(op, cx),
        NetworkOp::HeadsForward(op) => heads::forward(op, cx),
        NetworkOp::HeadsLoss(op) => heads::loss(op, cx),
        NetworkOp::HeadsGradInput(op) => heads::grad_input(op, cx),
        NetworkOp::HeadsGradWeight(op) => heads::grad_weight(op, cx),
        NetworkOp::Fgsm(op) => fgsm::fgsm(op),
        NetworkOp::Adam(op) => adam::adam(op, cx),
        NetworkOp::Average(op) => average::average(op, cx),
    }
}

/// Workgroups a dimension of the grid may have.
const MAX_GRID: usize = 65_535;

/// `workgroups` on two dimensions; up to a row more than asked for, which kernels must let pass.
fn fold(workgroups: usize) -> [u32; 2] {
    let y = workgroups.div_ceil(MAX_GRID);
    [workgroups.div_ceil(y), y].map(|n| n as u32)
}

/// The one row of a member in which all of `slices` lie.
fn row<const N: usize>(slices: [Slice; N]) -> TensorId {
    assert!(
        slices.iter().all(|slice| slice.tensor == slices[0].tensor),
        "parameters of a member lie in one row"
    );
    slices[0].tensor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_fold_without_gaps() {
        for workgroups in [1, 65_535, 65_536, 1_000_000] {
            let [x, y] = fold(workgroups).map(|n| n as usize);
            assert!(x <= MAX_GRID && y <= MAX_GRID && x * y >= workgroups && x * y < workgroups + y);
        }
    }
}
