//! Convolution: forward and both gradients as products of windows (`product.rs`).
//!
//! A task has a piece of the batch. Packed weights are made first, once a member.

use super::memory::{Memory, Scratch, ScratchSize};
use super::product::{Gradient, Weights, Windows, column_sums, pack, pack_from, packed_len, product, weight_gradient};
use super::simd::LANES;
use super::{Native, gate, put_grad};
use crate::plan::{ConvForward, ConvGradInput, ConvGradWeight, ConvShape};

/// Pixels of an output that a task has at least.
const PIXELS: usize = 1024;
/// Pixels of a weight gradient's lines that lie in the first-level cache with their windows.
const LINE_PIXELS: usize = 128;
/// Pieces of the batch that a weight gradient is summed in.
const PIECES: usize = 16;

fn images(s: &ConvShape) -> usize {
    (PIXELS / (s.out_h() * s.out_w())).max(1)
}

impl Native for ConvForward {
    fn scratch_size(&self, members: usize) -> ScratchSize {
        let s = self.shape;
        ScratchSize {
            worker: 0,
            shared: members * packed_len(s.kernel_len() / s.out_c, s.out_c),
        }
    }

    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        let lanes = packed_len(s.kernel_len() / s.out_c, s.out_c);
        let packed = scratch
            .shared
            .lanes_mut()
            .chunks_exact_mut(lanes)
            .take(memory.members)
            .enumerate();
        scratch.workers.run(packed, |_, (m, packed)| {
            pack(memory.part(self.kernel, s.kernel_len(), m), s.out_c, packed);
        });

        let (line, image) = (s.out_w() * s.out_c, s.out_h() * s.out_w() * s.out_c);
        let (x_line, x_image) = (s.in_w * s.in_c, s.in_h * s.in_w * s.in_c);
        let windows = Windows {
            count: s.out_w(),
            step: s.in_c,
            rows: s.kernel_h,
            row_step: x_line,
            len: s.kernel_w * s.in_c,
        };
        let mut out = memory.take(self.out);
        let packed = scratch.shared.lanes();
        scratch
            .workers
            .run(out.pieces(images(&s) * image), |_, (m, number, out)| {
                let x = &memory.row(self.x, m)[number * images(&s) * x_image..];
                let weights = Weights {
                    packed: &packed[m * lanes..][..lanes],
                    columns: s.out_c,
                    skip: 0,
                    bias: memory.part(self.bias, s.out_c, m),
                    relu: self.relu,
                };
                for (x, out) in x.chunks_exact(x_image).zip(out.chunks_exact_mut(image)) {
                    for (i, out) in out.chunks_exact_mut(line).enumerate() {
                        product(&x[i * x_line..], windows, &weights, out);
                    }
                }
            });
        memory.put(self.out, out);
    }
}

/// dx is a convolution of dout, its lines padded with kernel_w - 1 zeros at both ends, by the kernel turned around.
impl Native for ConvGradInput {
    fn scratch_size(&self, members: usize) -> ScratchSize {
        let s = self.shape;
        let packed = packed_len(s.kernel_len() / s.in_c, s.in_c);
        let padded = s.out_h() * (s.out_w() + 2 * (s.kernel_w - 1)) * s.out_c;
        ScratchSize {
            worker: padded.div_ceil(LANES),
            shared: members * packed,
        }
    }

    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        let rows = s.kernel_len() / s.in_c;
        let lanes = packed_len(rows, s.in_c);
        let packed = scratch
            .shared
            .lanes_mut()
            .chunks_exact_mut(lanes)
            .take(memory.members)
            .enumerate();
        scratch.workers.run(packed, |_, (m, packed)| {
            let kernel = memory.part(self.kernel, s.kernel_len(), m);
            pack_from(rows, s.in_c, packed, |row, c| {
                let (place, o) = (row / s.out_c, row % s.out_c);
                kernel[((s.kernel_h * s.kernel_w - 1 - place) * s.in_c + c) * s.out_c + o]
            });
        });

        let (line, image) = (s.in_w * s.in_c, s.in_h * s.in_w * s.in_c);
        let (dout_line, dout_image) = (s.out_w() * s.out_c, s.out_h() * s.out_w() * s.out_c);
        let padding = (s.kernel_w - 1) * s.out_c;
        let padded_line = dout_line + 2 * padding;
        let len = s.kernel_w * s.out_c;
        let mut dx = memory.take(self.dx);
        let packed = scratch.shared.lanes();
        scratch
            .workers
            .run(dx.pieces(images(&s) * image), |scratch, (m, number, dx)| {
                let dout = &memory.row(self.dout, m)[number * images(&s) * dout_image..];
                let x = &memory.row(self.x, m)[number * images(&s) * image..];
                let padded = &mut scratch.floats_mut()[..s.out_h() * padded_line];
                padded.fill(0.0);
                let images = dx.chunks_exact_mut(image).zip(x.chunks_exact(image));
                for ((dx, x), dout) in images.zip(dout.chunks_exact(dout_image)) {
                    for (padded, dout) in padded.chunks_exact_mut(padded_line).zip(dout.chunks_exact(dout_line)) {
                        padded[padding..][..dout_line].copy_from_slice(dout);
                    }
                    for (i, (dx, x)) in dx.chunks_exact_mut(line).zip(x.chunks_exact(line)).enumerate() {
                        // The lines of dout that the kernel reaches from line i.
                        let (from, to) = ((i + 1).saturating_sub(s.kernel_h), (i + 1).min(s.out_h()));
                        let windows = Windows {
                            count: s.in_w,
                            step: s.out_c,
                            rows: to - from,
                            row_step: padded_line,
                            len,
                        };
                        let weights = Weights {
                            packed: &packed[m * lanes..][..lanes],
                            columns: s.in_c,
                            skip: (s.kernel_h - 1 + from - i) * len,
                            bias: &[],
                            relu: false,
                        };
                        product(&padded[from * padded_line..], windows, &weights, dx);
                        if self.gate {
                            gate(dx, x);
                        }
                    }
                }
            });
        memory.put(self.dx, dx);
    }
}

impl ConvGradWeight {
    /// Lines of pixels that are summed at a time.
    fn lines(&self) -> usize {
        (LINE_PIXELS / self.shape.out_w()).clamp(1, self.shape.out_h())
    }

    fn images(&self) -> usize {
        images(&self.shape).max(self.shape.batch.div_ceil(PIECES))
    }

    /// Values of one piece's partial sums: the kernel's, then the bias's.
    fn partial(&self) -> usize {
        self.shape.kernel_len() + self.shape.out_c
    }

    /// Values of the partial sums of a member.
    fn partials(&self) -> usize {
        self.shape.batch.div_ceil(self.images()) * self.partial()
    }
}

impl Native for ConvGradWeight {
    fn scratch_size(&self, members: usize) -> ScratchSize {
        let s = self.shape;
        ScratchSize {
            worker: packed_len(self.lines() * s.out_w(), s.out_c),
            shared: (members * self.partials()).div_ceil(LANES),
        }
    }

    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        let (x_line, x_image) = (s.in_w * s.in_c, s.in_h * s.in_w * s.in_c);
        let (line, image) = (s.out_w() * s.out_c, s.out_h() * s.out_w() * s.out_c);
        let windows = Windows {
            count: s.out_w(),
            step: s.in_c,
            rows: s.kernel_h,
            row_step: x_line,
            len: s.kernel_w * s.in_c,
        };
        let partials = &mut scratch.shared.floats_mut()[..memory.members * self.partials()];
        let pieces = self.partials() / self.partial();
        let tasks = partials.chunks_exact_mut(self.partial()).enumerate();
        scratch.workers.run(tasks, |scratch, (task, partial)| {
            let (m, number) = (task / pieces, task % pieces);
            let images = memory
                .row(self.x, m)
                .chunks_exact(x_image)
                .zip(memory.row(self.dout, m).chunks_exact(image));
            partial.fill(0.0);
            let (kernel_grad, bias_grad) = partial.split_at_mut(s.kernel_len());
            for (x, dout) in images.skip(number * self.images()).take(self.images()) {
                for (k, dout) in dout.chunks(self.lines() * line).enumerate() {
                    let lines = dout.len() / line;
                    let packed = &mut scratch.lanes_mut()[..packed_len(lines * s.out_w(), s.out_c)];
                    pack(dout, s.out_c, packed);
                    column_sums(packed, s.out_c, bias_grad);
                    let dout = Gradient {
                        lines,
                        line_step: x_line,
                        packed,
                        columns: s.out_c,
                    };
                    weight_gradient(&x[k * self.lines() * x_line..], windows, &dout, kernel_grad);
                }
            }
        });

        // Of each member the pieces in their order.
        let partials = &scratch.shared.floats()[..memory.members * self.partials()];
        let mut grads = memory.take(self.kernel_grad.tensor);
        let tasks = grads.rows_mut().zip(partials.chunks_exact(self.partials()));
        scratch.workers.run(tasks, |_, (grads, partials)| {
            for (piece, partial) in partials.chunks_exact(self.partial()).enumerate() {
                let accumulate = self.accumulate || piece > 0;
                let (kernel, bias) = partial.split_at(s.kernel_len());
                put_grad(
                    &mut grads[self.kernel_grad.offset..][..kernel.len()],
                    kernel,
                    accumulate,
                );
                put_grad(&mut grads[self.bias_grad.offset..][..bias.len()], bias, accumulate);
            }
        });
        memory.put(self.kernel_grad.tensor, grads);
    }
}
