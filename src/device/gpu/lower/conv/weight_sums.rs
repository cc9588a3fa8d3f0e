//! The sums of the weight gradients' pieces, of as many convolutions as the bindings of a kernel allow in one pass: nothing
//! needs them before the optimiser, and each pass would wait for the one before.

use super::vec4_rows;
use crate::device::gpu::lower::{Lowering, fold, row};
use crate::device::gpu::{Binding, Constant, Pass};
use crate::plan::{ConvGradWeight, TensorId};

/// Most tensors of pieces: a kernel has eight storage buffers, and one is that of the gradients.
const MOST: usize = 7;

/// Names of the tensors, or of the constants of as many convolutions, in a pass.
macro_rules! numbered {
    ($name:literal) => {
        [
            concat!($name, "_0"),
            concat!($name, "_1"),
            concat!($name, "_2"),
            concat!($name, "_3"),
            concat!($name, "_4"),
            concat!($name, "_5"),
            concat!($name, "_6"),
        ]
    };
}

/// Sums that have not been computed yet.
#[derive(Default)]
pub struct WeightSums(Vec<WeightSum>);

/// The gradient of the weights of one convolution.
struct WeightSum {
    op: ConvGradWeight,
    /// The pieces, and how many there are: those of one batch, or also those of the adversarial one.
    pieces: Vec<(TensorId, usize)>,
}

impl WeightSums {
    /// Takes note of `count` pieces, which the operation left in a tensor.
    pub fn push(&mut self, op: &ConvGradWeight, tensor: TensorId, count: usize) {
        let pieces = (tensor, count);
        let same = self.0.iter_mut().find(|sum| sum.op.kernel_grad == op.kernel_grad);
        match same {
            Some(sum) if op.accumulate => sum.pieces.push(pieces),
            // They are replaced before anything has read them.
            Some(sum) => sum.pieces = vec![pieces],
            None => self.0.push(WeightSum {
                op: op.clone(),
                pieces: vec![pieces],
            }),
        }
    }

    fn tensors(&self) -> impl Iterator<Item = TensorId> {
        self.0.iter().flat_map(|sum| sum.pieces.iter().map(|piece| piece.0))
    }

    /// Whether there is no room for more pieces.
    pub fn is_full(&self) -> bool {
        self.tensors().count() == MOST
    }
}

/// The pass that computes the sums that have not been computed yet, if there are any.
pub fn weight_sums(cx: &mut Lowering) -> Option<Pass> {
    let sums = std::mem::take(&mut cx.sums);
    let tensors: Vec<TensorId> = sums.tensors().collect();
    let first = &sums.0.first()?.op;
    let grads = cx.stride(row([first.kernel_grad, first.bias_grad]));
    let mut constants: Vec<(&'static str, Constant)> = vec![
        ("SUMS", sums.0.len().into()),
        ("TENSORS", tensors.len().into()),
        ("GRAD_STRIDE", grads.into()),
    ];
    let (mut vectors, mut tensor, mut groups) = (true, 0, 0);
    for (i, WeightSum { op, pieces }) in sums.0.iter().enumerate() {
        let s = op.shape;
        vectors = vectors && vec4_rows(s.out_c, grads, [op.kernel_grad, op.bias_grad]);
        let items = (s.kernel_len() / s.out_c + 1) * s.out_c.div_ceil(4);
        constants.extend::<[(_, Constant); 9]>([
            (numbered!("KERNEL_LEN")[i], s.kernel_len().into()),
            (numbered!("OUT_C")[i], s.out_c.into()),
            (numbered!("KERNEL")[i], op.kernel_grad.offset.into()),
            (numbered!("BIAS")[i], op.bias_grad.offset.into()),
            (numbered!("ACCUMULATE")[i], op.accumulate.into()),
            (numbered!("TENSOR")[i], tensor.into()),
            (numbered!("LAST_TENSOR")[i], (tensor + pieces.len() - 1).into()),
            (numbered!("GROUP")[i], groups.into()),
            (numbered!("LAST_GROUP")[i], (groups + items.div_ceil(8) - 1).into()),
        ]);
        for (name, (_, count)) in numbered!("SPLITS")[tensor..].iter().zip(pieces) {
            constants.push((name, (*count).into()));
        }
        tensor += pieces.len();
        groups += items.div_ceil(8);
    }
    let grid = fold(groups);
    constants.extend([("VEC_GRADS", vectors.into()), ("GRID_X", grid[0].into())]);
    let partials = numbered!("partials").into_iter().zip(tensors);
    let partials = partials.map(|(name, tensor)| Binding::read(name, tensor));
    let grads = Binding::write("grads", first.kernel_grad.tensor);
    Some(Pass {
        shader: "conv_grad_weight.wgsl",
        entry: "grad_weight_sums",
        constants,
        buffers: partials.chain([grads]).collect(),
        grid,
    })
}
