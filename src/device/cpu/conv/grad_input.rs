//! The gradient of the input.
//!
//! An input pixel `i` with `i + pad = stride I + phase` is reached from the windows `I - t` by the kernel's places
//! `phase + stride t`. So for each phase of rows and of columns, dx is a convolution of stride 1 of dout with every
//! stride-th row and column of the kernel, rotated by 180 degrees; nothing is multiplied by the zeros between windows.

use super::{Axis, Frame, images};
use crate::device::cpu::Native;
use crate::device::cpu::memory::{Memory, Scratch, ScratchSize};
use crate::device::cpu::product::{PutBack, Weights, Windows, pack_from, packed_len, product_back};
use crate::device::cpu::simd::{LANES, Lanes};
use crate::plan::{ConvGradInput, ConvShape};

impl Axis {
    /// Places of the kernel that belong to a phase.
    fn taps(&self, phase: usize) -> usize {
        (self.kernel + self.stride - 1 - phase) / self.stride
    }

    /// The same for all phases before it.
    fn taps_before(&self, phase: usize) -> usize {
        (0..phase).map(|phase| self.taps(phase)).sum()
    }

    /// Zeros before dout, for the first pixels of dx.
    fn zeros_before(&self) -> usize {
        self.taps(0) - 1
    }

    /// Zeros behind dout, for the last pixels of dx.
    fn zeros_behind(&self) -> usize {
        ((self.input - 1 + self.pad) / self.stride + 1).saturating_sub(self.output)
    }
}

/// Zeros on the left and on the right of dout only: rows of the kernel above and below it are left out of the product.
fn frame(s: &ConvShape) -> Frame {
    let columns = Axis::columns(s);
    Frame {
        lines: s.out_h(),
        line: s.out_w() * s.out_c,
        top: 0,
        left: columns.zeros_before() * s.out_c,
        framed_lines: s.out_h(),
        framed_line: (columns.zeros_before() + columns.output + columns.zeros_behind()) * s.out_c,
    }
}

/// The part of the kernel that belongs to a phase of rows and columns.
#[derive(Clone, Copy)]
struct Part {
    phase: [usize; 2],
    /// Rows and columns of the part.
    taps: [usize; 2],
    /// Its first lane in the packed kernel, and how many it has.
    first: usize,
    lanes: usize,
}

impl Part {
    fn new(s: &ConvShape, phase: [usize; 2]) -> Part {
        let [rows, columns] = [Axis::rows(s), Axis::columns(s)];
        let taps = [rows.taps(phase[0]), columns.taps(phase[1])];
        let before = rows.taps_before(phase[0]) * s.kernel_w + taps[0] * columns.taps_before(phase[1]);
        Part {
            phase,
            taps,
            first: packed_len(before * s.out_c, s.in_c),
            lanes: packed_len(taps[0] * taps[1] * s.out_c, s.in_c),
        }
    }

    /// All parts, by phase of rows and then of columns.
    fn all(s: &ConvShape) -> Vec<Part> {
        (0..s.stride * s.stride)
            .map(|phase| Part::new(s, [phase / s.stride, phase % s.stride]))
            .collect()
    }

    /// Packs it from the kernel (kh, kw, in, out), rotated: a matrix (taps, taps, out) x in.
    fn pack(&self, s: &ConvShape, kernel: &[f32], packed: &mut [Lanes]) {
        let [tap_rows, tap_columns] = self.taps;
        pack_from(tap_rows * tap_columns * s.out_c, s.in_c, packed, |row, c| {
            let (tap, o) = (row / s.out_c, row % s.out_c);
            let u = self.phase[0] + (tap_rows - 1 - tap / tap_columns) * s.stride;
            let v = self.phase[1] + (tap_columns - 1 - tap % tap_columns) * s.stride;
            kernel[((u * s.kernel_w + v) * s.in_c + c) * s.out_c + o]
        });
    }
}

impl Native for ConvGradInput {
    fn scratch_size(&self, members: usize) -> ScratchSize {
        let s = self.shape;
        ScratchSize {
            worker: frame(&s).len().div_ceil(LANES),
            shared: members * packed_len(s.kernel_len() / s.in_c, s.in_c),
        }
    }

    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        let parts = Part::all(&s);
        let lanes = packed_len(s.kernel_len() / s.in_c, s.in_c);
        let (workers, packed) = scratch.pack(memory.members, lanes, |m, packed| {
            let kernel = memory.part(self.kernel, s.kernel_len(), m);
            for part in &parts {
                part.pack(&s, kernel, &mut packed[part.first..][..part.lanes]);
            }
        });

        let (line, image) = (s.in_w * s.in_c, s.in_h * s.in_w * s.in_c);
        let dout_image = s.out_h() * s.out_w() * s.out_c;
        let frame = frame(&s);
        let [rows, columns] = [Axis::rows(&s), Axis::columns(&s)];
        let mut dx = memory.take(self.dx);
        workers.run(dx.pieces(images(&s) * image), |scratch, (m, number, dx)| {
            let dout = &memory.row(self.dout, m)[number * images(&s) * dout_image..];
            let x = &memory.row(self.x, m)[number * images(&s) * image..];
            let images = dx.chunks_exact_mut(image).zip(x.chunks_exact(image));
            for ((dx, x), dout) in images.zip(dout.chunks_exact(dout_image)) {
                let lines = Lines {
                    rows,
                    columns,
                    parts: &parts,
                    packed: packed.of(m),
                    dout: frame.view(dout, scratch.floats_mut()),
                    step: frame.step(),
                };
                for (i, (dx, x)) in dx.chunks_exact_mut(line).zip(x.chunks_exact(line)).enumerate() {
                    for j in 0..s.stride.min(s.in_w) {
                        self.put_pixels(&lines, [i, j], &mut dx[j * s.in_c..], &x[j * s.in_c..]);
                    }
                }
            }
        });
        memory.put(self.dx, dx);
    }
}

/// What the lines of an image's gradient are computed from.
struct Lines<'a> {
    rows: Axis,
    columns: Axis,
    parts: &'a [Part],
    /// All parts.
    packed: &'a [Lanes],
    /// With its zeros, and values per line.
    dout: &'a [f32],
    step: usize,
}

impl ConvGradInput {
    /// The gradient of the pixel (i, j) and of every stride-th one behind it on its line; `dx` and `x` begin with it.
    fn put_pixels(&self, lines: &Lines, [i, j]: [usize; 2], dx: &mut [f32], x: &[f32]) {
        let Lines { rows, columns, .. } = lines;
        let ConvShape {
            stride, in_c, out_c, ..
        } = self.shape;
        let (row, column) = (i + rows.pad, j + columns.pad);
        let part = lines.parts[row % stride * stride + column % stride];
        let [tap_rows, tap_columns] = part.taps;
        // The lines of dout from which the kernel reaches line i.
        let row = row / stride;
        let (from, to) = ((row + 1).saturating_sub(tap_rows), (row + 1).min(rows.output));
        if from >= to || tap_columns == 0 {
            if !self.accumulate {
                dx.chunks_mut(stride * in_c).for_each(|pixel| pixel[..in_c].fill(0.0));
            }
            return;
        }
        let windows = Windows {
            count: (columns.input - j).div_ceil(stride),
            step: out_c,
            rows: to - from,
            row_step: lines.step,
            len: tap_columns * out_c,
        };
        let weights = Weights {
            packed: &lines.packed[part.first..][..part.lanes],
            columns: in_c,
            skip: (tap_rows + from - row - 1) * windows.len,
        };
        let put_back = PutBack {
            step: stride * in_c,
            gate: self.gate.then_some(x),
            accumulate: self.accumulate,
        };
        let first = column / stride + columns.zeros_before() + 1 - tap_columns;
        let dout = &lines.dout[from * lines.step + first * out_c..];
        product_back(dout, windows, &weights, put_back, dx);
    }
}
