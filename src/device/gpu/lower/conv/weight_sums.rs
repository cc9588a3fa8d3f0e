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
        let alone = || WeightSum {
            op: op.clone(),
            pieces: vec![pieces],
        };
        let same = self.0.iter_mut().find(|sum| sum.op.kernel_grad == op.kernel_grad);
        match same {
            Some(sum) if op.accumulate => sum.pieces.push(pieces),
            // It is replaced before anything has read it.
            Some(sum) => *sum = alone(),
            None => self.0.push(alone()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Precision;
    use crate::device::gpu::AdapterClass;
    use crate::device::gpu::lower::lower;
    use crate::plan::{ConvShape, NetworkOp, Op, Padding, Plan, Slice, Tensor};

    /// Gradients of layers of these numbers, one after another; from the second time on they are added to the first.
    fn plan(layers: &[usize]) -> Plan {
        let shape = ConvShape {
            batch: 2,
            in_h: 5,
            in_w: 5,
            in_c: 4,
            kernel_h: 3,
            kernel_w: 3,
            out_c: 4,
            stride: 1,
            padding: Padding::Valid,
        };
        let names = ["x", "dout", "grads"];
        let lengths = [shape.batch * 5 * 5 * 4, shape.batch * 3 * 3 * 4, 20 * 148];
        let tensor = |(name, len): (&str, usize)| Tensor {
            name: name.into(),
            len,
            shared: false,
            transient: false,
            half: false,
        };
        let slice = |offset: usize| Slice {
            tensor: TensorId(2),
            offset,
        };
        let op = |(at, &layer): (usize, &usize)| {
            Op::Network(NetworkOp::ConvGradWeight(ConvGradWeight {
                layer: layer.to_string(),
                shape,
                x: TensorId(0),
                dout: TensorId(1),
                kernel_grad: slice(148 * layer),
                bias_grad: slice(148 * layer + 144),
                accumulate: layers[..at].contains(&layer),
            }))
        };
        Plan {
            tensors: names.into_iter().zip(lengths).map(tensor).collect(),
            ops: layers.iter().enumerate().map(op).collect(),
            log: None,
            batch: shape.batch,
        }
    }

    /// For each pass of sums: the layers, whether each is added to what is there, and how many tensors it sums up.
    fn sums(layers: &[usize]) -> Vec<Vec<(usize, bool, usize)>> {
        let lowered = lower(&plan(layers), AdapterClass::Gpu, Precision::F32);
        let passes = lowered
            .passes
            .iter()
            .filter(|(_, pass)| pass.entry == "grad_weight_sums");
        let constant = |pass: &Pass, name: &str| match pass.constants.iter().find(|constant| constant.0 == name) {
            Some((_, Constant::U32(value))) => *value as usize,
            _ => panic!("{name}"),
        };
        let of_pass = |(_, pass): &(usize, Pass)| {
            assert_eq!(pass.buffers.len(), constant(pass, "TENSORS") + 1);
            let sum = |i: usize| {
                let get = |name: &str| constant(pass, &format!("{name}_{i}"));
                (
                    get("KERNEL") / 148,
                    get("ACCUMULATE") == 1,
                    get("LAST_TENSOR") + 1 - get("TENSOR"),
                )
            };
            (0..constant(pass, "SUMS")).map(sum).collect()
        };
        passes.map(of_pass).collect()
    }

    #[test]
    fn a_pass_sums_up_all_pieces_for_which_it_has_room() {
        let once = |layer| (layer, false, 1);
        assert_eq!(sums(&[3]), [[once(3)]]);
        // The plain batch and the adversarial one.
        assert_eq!(sums(&[1, 0, 1, 0]), [[(1, false, 2), (0, false, 2)]]);
        let many: Vec<usize> = (0..9).collect();
        let first: Vec<_> = (0..7).map(once).collect();
        assert_eq!(sums(&many), [first.clone(), vec![once(7), once(8)]]);
        // Layer 0 has been summed up before its second part comes.
        assert_eq!(
            sums(&[0, 1, 2, 3, 4, 5, 6, 7, 0, 7]),
            [first, vec![(7, false, 2), (0, true, 1)]]
        );
    }
}
