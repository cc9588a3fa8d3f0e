//! The gradients of kernel and bias.

use super::{Axis, Frame, images};
use crate::device::cpu::memory::{Memory, Scratch, ScratchSize};
use crate::device::cpu::product::{Gradient, Windows, column_sums, pack, packed_len, weight_gradient};
use crate::device::cpu::simd::LANES;
use crate::device::cpu::{Native, put_grad};
use crate::plan::{ConvGradWeight, ConvShape};

/// Pixels of dout that are summed at a time: they fit the first-level cache together with their windows.
const LINE_PIXELS: usize = 128;
/// Maximum number of pieces of the batch with sums of their own.
const PIECES: usize = 16;

/// Zeros on all sides.
fn frame(s: &ConvShape) -> Frame {
    let [rows, columns] = [Axis::rows(s), Axis::columns(s)];
    Frame {
        lines: s.in_h,
        line: s.in_w * s.in_c,
        top: rows.pad,
        left: columns.pad * s.in_c,
        framed_lines: rows.covered(),
        framed_line: columns.covered() * s.in_c,
    }
}

impl ConvGradWeight {
    /// Lines of pixels of dout that are summed at a time.
    fn lines(&self) -> usize {
        (LINE_PIXELS / self.shape.out_w()).clamp(1, self.shape.out_h())
    }

    /// Lanes of those lines, packed.
    fn lanes(&self) -> usize {
        packed_len(self.lines() * self.shape.out_w(), self.shape.out_c)
    }

    /// Images per piece.
    fn images(&self) -> usize {
        images(&self.shape).max(self.shape.batch.div_ceil(PIECES))
    }

    /// Values of the partial sums of a piece: those of the kernel, then those of the bias.
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
        ScratchSize {
            worker: self.lanes() + frame(&self.shape).len().div_ceil(LANES),
            shared: (members * self.partials()).div_ceil(LANES),
        }
    }

    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        let x_image = s.in_h * s.in_w * s.in_c;
        let (line, image) = (s.out_w() * s.out_c, s.out_h() * s.out_w() * s.out_c);
        let frame = frame(&s);
        let windows = Windows {
            count: s.out_w(),
            step: s.stride * s.in_c,
            rows: s.kernel_h,
            row_step: frame.step(),
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
            let (packed, framed) = scratch.lanes_mut().split_at_mut(self.lanes());
            for (x, dout) in images.skip(number * self.images()).take(self.images()) {
                let x = frame.view(x, bytemuck::cast_slice_mut(framed));
                for (k, dout) in dout.chunks(self.lines() * line).enumerate() {
                    let lines = dout.len() / line;
                    let packed = &mut packed[..packed_len(lines * s.out_w(), s.out_c)];
                    pack(dout, s.out_c, packed);
                    column_sums(packed, s.out_c, bias_grad);
                    let dout = Gradient {
                        lines,
                        line_step: s.stride * frame.step(),
                        packed,
                        columns: s.out_c,
                    };
                    let x = &x[k * self.lines() * dout.line_step..];
                    weight_gradient(x, windows, &dout, kernel_grad);
                }
            }
        });

        // The pieces of each member in their order.
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
