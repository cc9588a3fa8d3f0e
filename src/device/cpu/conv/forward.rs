//! The forward pass.

use super::{Axis, Frame, images};
use crate::device::cpu::Native;
use crate::device::cpu::memory::{Memory, Scratch, ScratchSize};
use crate::device::cpu::product::{Activate, Weights, Windows, pack, packed_len, product};
use crate::device::cpu::simd::LANES;
use crate::plan::{ConvForward, ConvShape};

/// Zeros on the left and on the right only: rows of the kernel above and below the image are left out of the product.
fn frame(s: &ConvShape) -> Frame {
    let columns = Axis::columns(s);
    Frame {
        lines: s.in_h,
        line: s.in_w * s.in_c,
        top: 0,
        left: columns.pad * s.in_c,
        framed_lines: s.in_h,
        framed_line: columns.covered() * s.in_c,
    }
}

impl Native for ConvForward {
    fn scratch_size(&self, members: usize) -> ScratchSize {
        let s = self.shape;
        ScratchSize {
            worker: frame(&s).len().div_ceil(LANES),
            shared: members * packed_len(s.kernel_len() / s.out_c, s.out_c),
        }
    }

    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        let lanes = packed_len(s.kernel_len() / s.out_c, s.out_c);
        let (workers, packed) = scratch.pack(memory.members, lanes, |m, packed| {
            pack(memory.part(self.kernel, s.kernel_len(), m), s.out_c, packed);
        });

        let (line, image) = (s.out_w() * s.out_c, s.out_h() * s.out_w() * s.out_c);
        let x_image = s.in_h * s.in_w * s.in_c;
        let (rows, frame) = (Axis::rows(&s), frame(&s));
        let windows = Windows {
            count: s.out_w(),
            step: s.stride * s.in_c,
            rows: s.kernel_h,
            row_step: frame.step(),
            len: s.kernel_w * s.in_c,
        };
        let mut out = memory.take(self.out);
        workers.run(out.pieces(images(&s) * image), |scratch, (m, number, out)| {
            let x = &memory.row(self.x, m)[number * images(&s) * x_image..];
            let activate = Activate {
                bias: memory.part(self.bias, s.out_c, m),
                relu: self.relu,
            };
            for (x, out) in x.chunks_exact(x_image).zip(out.chunks_exact_mut(image)) {
                let x = frame.view(x, scratch.floats_mut());
                for (i, out) in out.chunks_exact_mut(line).enumerate() {
                    // The lines of the image that the window covers, counted from the first line of padding.
                    let first = i * rows.stride;
                    let (from, to) = (first.max(rows.pad), (first + rows.kernel).min(rows.pad + rows.input));
                    let windows = Windows {
                        rows: to - from,
                        ..windows
                    };
                    let weights = Weights {
                        packed: packed.of(m),
                        columns: s.out_c,
                        skip: (from - first) * windows.len,
                    };
                    product(&x[(from - rows.pad) * frame.step()..], windows, &weights, activate, out);
                }
            }
        });
        memory.put(self.out, out);
    }
}
