//! A step and an inference pass as a list of operations, built once and replayed. Start reading here.
//!
//! A [`Plan`] names tensors and lists operations in the order in which they run; it knows nothing of wgpu. A device
//! lowers an operation: the GPU to one or a few passes ([`crate::device::gpu`]), the f64 reference of the tests to a plain
//! function. Every tensor's first axis is the member, and an operation works on all members at once; nothing in a plan
//! depends on how many there are.

#[macro_use]
mod op;
mod lens;
mod network;
mod tables;

pub use lens::*;
pub use network::*;
pub use op::{Op, Operation, Slice};
pub use tables::{bands, log, schedule, state};

/// A tensor of the plan, by its place in [`Plan::tensors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorId(pub usize);

/// One buffer: `len` 32-bit values for each member, or for all of them together where `shared`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub name: String,
    pub len: usize,
    pub shared: bool,
}

/// A list of operations and the tensors they work on.
#[derive(Clone, Debug)]
pub struct Plan {
    pub tensors: Vec<Tensor>,
    pub ops: Vec<Op>,
    /// What comes back to the host as steps are replayed.
    pub log: Option<TensorId>,
    /// Images of each member in a step, images of an inference pass, or objects that are simulated at a time.
    pub batch: usize,
}

impl Plan {
    pub fn tensor(&self, id: TensorId) -> &Tensor {
        &self.tensors[id.0]
    }
}
