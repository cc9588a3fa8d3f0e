//! From the operations of a plan to the passes that compute them: kernel, tiles and grid.
//!
//! Kernel, tile and split depend on the shape of the layer, the batch and the class of the adapter, never on the number of
//! members: a member computes the same bits alone or together with others.

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
mod lens_head;
mod norm;
mod pool;

use super::Pass;
use crate::device::Precision;
use crate::plan::{NetworkOp, Op, Plan, Slice, Tensor, TensorId};

/// What kernels are tuned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdapterClass {
    /// A real GPU.
    Gpu,
    /// lavapipe or WARP, which run on the CPU.
    Software,
}

impl AdapterClass {
    /// Threads per member that keep a device busy.
    fn busy_threads(self) -> usize {
        match self {
            AdapterClass::Gpu => 16_384,
            AdapterClass::Software => 512,
        }
    }
}

/// What the lowering of an operation depends on and adds to.
pub(in crate::device::gpu) struct Lowering {
    /// The class of the adapter.
    class: AdapterClass,
    /// The plan's tensors, then scratch.
    tensors: Vec<Tensor>,
    /// What passes before have left to be summed up.
    sums: conv::WeightSums,
    /// What the norm behind the operation will need the moments of.
    normalised: Option<TensorId>,
    /// The moments that the operation before has left for a norm.
    moments: Option<norm::Moments>,
}

impl Lowering {
    /// Distance from a member's row to the next one: 0 for a tensor that all members share.
    fn stride(&self, id: TensorId) -> usize {
        let tensor = &self.tensors[id.0];
        if tensor.shared { 0 } else { tensor.len }
    }

    /// Scratch of at least `len` values per member, for the passes of one operation. Operations run one after another,
    /// so those that ask for the same name share it.
    fn scratch(&mut self, name: &str, len: usize) -> TensorId {
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
                    transient: true,
                    half: false,
                });
                TensorId(self.tensors.len() - 1)
            }
        }
    }
}

/// A plan as passes.
pub struct Lowered {
    /// In order, each with the number of the operation that it belongs to.
    pub passes: Vec<(usize, Pass)>,
    /// The plan's tensors, then scratch.
    pub tensors: Vec<Tensor>,
}

/// The passes of a plan, and its tensors as they are stored: in f16 only those for which that is exact enough.
pub fn lower(plan: &Plan, class: AdapterClass, precision: Precision) -> Lowered {
    let mut cx = Lowering {
        class,
        tensors: plan.tensors.clone(),
        sums: conv::WeightSums::default(),
        normalised: None,
        moments: None,
    };
    if precision == Precision::F32 {
        cx.tensors.iter_mut().for_each(|tensor| tensor.half = false);
    }
    let mut passes = Vec::new();
    for (number, op) in plan.ops.iter().enumerate() {
        let next = plan.ops.get(number + 1);
        cx.normalised = next.and_then(|next| norm::rows_in_pieces(next, class));
        passes.extend(operation(op, &mut cx).into_iter().map(|pass| (number, pass)));
    }
    // Of plans without an optimiser.
    passes.extend(conv::weight_sums(&mut cx).map(|pass| (plan.ops.len() - 1, pass)));
    let bindings = passes.iter_mut().flat_map(|(_, pass)| &mut pass.buffers);
    bindings.for_each(|binding| binding.half = cx.tensors[binding.tensor.0].half);
    Lowered {
        passes,
        tensors: cx.tensors,
    }
}

/// The passes of an operation, in order. No wildcard: an operation without a kernel does not compile.
fn operation(op: &Op, cx: &mut Lowering) -> Vec<Pass> {
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
        NetworkOp::NormForward(op) => norm::forward(op, cx),
        NetworkOp::NormGrad(op) => norm::grad(op, cx),
        NetworkOp::PoolForward(op) => pool::forward(op, cx),
        NetworkOp::PoolGradInput(op) => pool::grad_input(op, cx),
        NetworkOp::AveragePoolForward(op) => average_pool::forward(op, cx),
        NetworkOp::AveragePoolGradInput(op) => average_pool::grad_input(op, cx),
        NetworkOp::DenseForward(op) => dense::forward(op, cx),
        NetworkOp::DenseGrad(op) => dense::grad(op, cx),
        NetworkOp::ActivationForward(op) => activation::forward(op, cx),
        NetworkOp::ActivationGradInput(op) => activation::grad_input(op, cx),
        NetworkOp::AddForward(op) => channels::add(op, cx),
        NetworkOp::ChannelCopy(op) => channels::copy(op, cx),
        NetworkOp::HeadsForward(op) => heads::forward(op, cx),
        NetworkOp::HeadsLoss(op) => heads::loss(op, cx),
        NetworkOp::HeadsGrad(op) => heads::grad(op, cx),
        NetworkOp::LensLoss(op) => lens_head::loss(op),
        NetworkOp::Fgsm(op) => fgsm::fgsm(op),
        NetworkOp::Adam(op) => conv::weight_sums(cx).into_iter().chain(adam::adam(op, cx)).collect(),
        NetworkOp::Average(op) => average::average(op, cx),
    }
}

/// Largest number of workgroups per dimension of the grid.
const MAX_GRID: usize = 65_535;

/// A grid of `workgroups` workgroups in two dimensions. There may be up to a row too many, which kernels must ignore.
fn fold(workgroups: usize) -> [u32; 2] {
    let y = workgroups.div_ceil(MAX_GRID);
    [workgroups.div_ceil(y), y].map(|n| n as u32)
}

/// Number of values that a thread works on at a time: four if all sizes and offsets are multiples of four, else one.
fn lane(sizes: &[usize]) -> usize {
    if sizes.iter().all(|n| n.is_multiple_of(4)) {
        4
    } else {
        1
    }
}

/// The tensor whose rows hold all of `slices`.
fn row<const N: usize>(slices: [Slice; N]) -> TensorId {
    assert!(
        slices.iter().all(|slice| slice.tensor == slices[0].tensor),
        "a member's parameters are in one row"
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
