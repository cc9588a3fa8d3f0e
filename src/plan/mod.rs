//! A step and an inference pass as a list of operations, built once and replayed. Start reading here.
//!
//! A [`Plan`] names tensors and lists operations in the order in which they run; it knows neither networks nor devices.
//! A device lowers each operation: the GPU to one or a few passes (`device/gpu/lower/`), the CPU to a native function
//! (`device/cpu/`); the f64 reference of the tests is plain loops. The first axis of every tensor is the member, and an
//! operation works on all members at once; nothing in a plan depends on their number.

#[macro_use]
mod op;
mod lens;
mod network;
mod tables;

pub use lens::*;
pub use network::*;
pub use op::{Op, Operation, Slice};
pub use tables::{NO_LABEL, bands, log, schedule, state};

/// Index of a tensor in [`Plan::tensors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorId(pub usize);

/// One buffer: `len` values per member, or `len` values in total if `shared`. The host sees each value as 32 bits.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Unique in its plan.
    pub name: String,
    /// Number of values.
    pub len: usize,
    /// Whether all members share it.
    pub shared: bool,
    /// Whether it has a meaning within a step only: every step writes it before it reads it, what is written after a read
    /// begins anew, and the host does neither. A device may use its memory for other tensors or members meanwhile.
    pub transient: bool,
    /// Whether f16 is exact enough for it: images and activations, as f32. A device stores it so if it was asked for that
    /// precision.
    pub half: bool,
}

/// A list of operations and the tensors that they work on.
#[derive(Clone, Debug)]
pub struct Plan {
    /// By [`TensorId`].
    pub tensors: Vec<Tensor>,
    /// In the order in which they run.
    pub ops: Vec<Op>,
    /// The tensor that the host reads while steps are replayed.
    pub log: Option<TensorId>,
    /// Images of each member in a step, images of an inference pass, or objects that are simulated at a time.
    pub batch: usize,
}

impl Plan {
    /// The same plan, of which the host may read and write every tensor, to compare them: none is transient.
    pub fn kept(mut self) -> Plan {
        self.tensors.iter_mut().for_each(|tensor| tensor.transient = false);
        self
    }

    /// The tensor with this index.
    pub fn tensor(&self, id: TensorId) -> &Tensor {
        &self.tensors[id.0]
    }
}
