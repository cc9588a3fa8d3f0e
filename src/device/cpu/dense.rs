//! Dense layers: a window of the product is the features of an image.

use super::Native;
use super::memory::{Memory, Scratch, ScratchSize};
use super::product::{
    Activate, Gradient, PutBack, Weights, Windows, column_sums, pack, pack_from, packed_len, product, product_back,
    weight_gradient,
};
use crate::plan::{DenseForward, DenseGrad, InputGrad};

/// Images per task.
const IMAGES: usize = 16;
/// Inputs per task of a weight gradient.
const INPUTS: usize = 256;
/// Images whose gradients are added up before they are added to those before them.
const TERMS: usize = 256;

impl Native for DenseForward {
    fn scratch_size(&self, members: usize) -> ScratchSize {
        ScratchSize {
            worker: 0,
            shared: members * packed_len(self.shape.inputs, self.shape.outputs),
        }
    }

    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        let (workers, packed) = scratch.pack(memory.members, packed_len(s.inputs, s.outputs), |m, packed| {
            pack(memory.part(self.kernel, s.inputs * s.outputs, m), s.outputs, packed);
        });

        let mut out = memory.take(self.out);
        workers.run(out.pieces(IMAGES * s.outputs), |_, (m, number, out)| {
            let x = &memory.row(self.x, m)[number * IMAGES * s.inputs..];
            let weights = Weights {
                packed: packed.of(m),
                columns: s.outputs,
                skip: 0,
            };
            let activate = Activate {
                bias: memory.part(self.bias, s.outputs, m),
                relu: self.relu,
            };
            product(x, features(out.len() / s.outputs, s.inputs), &weights, activate, out);
        });
        memory.put(self.out, out);
    }
}

impl Native for DenseGrad {
    fn scratch_size(&self, members: usize) -> ScratchSize {
        let s = self.shape;
        ScratchSize {
            worker: 0,
            shared: members * packed_len(s.batch, s.outputs).max(packed_len(s.outputs, s.inputs)),
        }
    }

    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        self.weight(memory, scratch);
        if let Some(to) = self.input {
            self.input(to, memory, scratch);
        }
    }
}

impl DenseGrad {
    /// dkernel = x^T dout; dbias = sum over the batch of dout.
    fn weight(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        let lanes = packed_len(s.batch, s.outputs);
        let mut grads = memory.take(self.kernel_grad.tensor);
        // dout is packed in blocks of the batch.
        let packed = scratch
            .shared
            .lanes_mut()
            .chunks_exact_mut(lanes)
            .zip(grads.rows_mut())
            .enumerate();
        scratch.workers.run(packed, |_, (m, (packed, grads))| {
            let bias_grad = &mut grads[self.bias_grad.offset..][..s.outputs];
            if !self.accumulate {
                bias_grad.fill(0.0);
            }
            let blocks = memory.row(self.dout, m).chunks(TERMS * s.outputs);
            for (dout, packed) in blocks.zip(packed.chunks_mut(packed_len(TERMS, s.outputs))) {
                pack(dout, s.outputs, packed);
                column_sums(packed, s.outputs, bias_grad);
            }
        });

        let packed = scratch.shared.lanes();
        let tasks = grads.rows_mut().enumerate().flat_map(|(m, grads)| {
            let kernel_grad = &mut grads[self.kernel_grad.offset..][..s.inputs * s.outputs];
            kernel_grad
                .chunks_mut(INPUTS * s.outputs)
                .enumerate()
                .map(move |(number, grad)| (m, number, grad))
        });
        scratch.workers.run(tasks, |_, (m, number, grad)| {
            if !self.accumulate {
                grad.fill(0.0);
            }
            let blocks = packed[m * lanes..][..lanes].chunks(packed_len(TERMS, s.outputs));
            for (block, packed) in blocks.enumerate() {
                let x = &memory.row(self.x, m)[block * TERMS * s.inputs + number * INPUTS..];
                let images = (s.batch - block * TERMS).min(TERMS);
                let windows = Windows {
                    len: grad.len() / s.outputs,
                    ..features(images, s.inputs)
                };
                let dout = Gradient {
                    lines: 1,
                    line_step: 0,
                    packed,
                    columns: s.outputs,
                };
                weight_gradient(x, windows, &dout, grad);
            }
        });
        memory.put(self.kernel_grad.tensor, grads);
    }

    /// dx = dout kernel^T.
    fn input(&self, to: InputGrad, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        let (workers, packed) = scratch.pack(memory.members, packed_len(s.outputs, s.inputs), |m, packed| {
            let kernel = memory.part(self.kernel, s.inputs * s.outputs, m);
            pack_from(s.outputs, s.inputs, packed, |o, i| kernel[i * s.outputs + o]);
        });

        let mut dx = memory.take(to.dx);
        workers.run(dx.pieces(IMAGES * s.inputs), |_, (m, number, dx)| {
            let dout = &memory.row(self.dout, m)[number * IMAGES * s.outputs..];
            let weights = Weights {
                packed: packed.of(m),
                columns: s.inputs,
                skip: 0,
            };
            let put_back = PutBack {
                step: s.inputs,
                gate: to.gate.then(|| &memory.row(self.x, m)[number * IMAGES * s.inputs..]),
                accumulate: to.accumulate,
            };
            product_back(dout, features(dx.len() / s.inputs, s.outputs), &weights, put_back, dx);
        });
        memory.put(to.dx, dx);
    }
}

/// The windows of `count` images: all features of each.
fn features(count: usize, len: usize) -> Windows {
    Windows {
        count,
        step: len,
        rows: 1,
        row_step: 0,
        len,
    }
}
