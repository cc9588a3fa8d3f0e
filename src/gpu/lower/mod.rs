//! From an operation of the plan to the passes that compute it: which kernel, which tiles, which grid.
//!
//! Kernel, tile and split depend on the layer's shape, the batch and the class of the adapter, never on how many
//! members there are: a member computes the same bits alone and in any company.

mod conv;

use super::Pass;
use crate::plan::{Op, Tensor, TensorId};

/// What kernels are tuned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdapterClass {
    /// A real GPU.
    Gpu,
    /// lavapipe, WARP: the processor in disguise.
    Software,
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

/// The passes of an operation, in order.
pub fn lower(op: &Op, cx: &mut Lowering) -> Vec<Pass> {
    match op {
        Op::ConvForward(op) => conv::forward(op, cx),
        Op::ConvGradInput(op) => conv::grad_input(op, cx),
        Op::ConvGradWeight(op) => conv::grad_weight(op, cx),
        _ => todo!(),
    }
}
