//! The input gradient: one convolution without a stride, or one per phase of the image, in at most four passes.

use super::{Convolution, Tiled, vec4_rows, wrapped};
use crate::device::gpu::lower::{Lowering, fold, lane};
use crate::device::gpu::{Binding, Constant, Pass};
use crate::plan::ConvGradInput;

/// The gradient of x: convolutions of dout with parts of the kernel, one pass for all phases that meet a part of one size.
pub fn grad_input(op: &ConvGradInput, cx: &mut Lowering) -> Vec<Pass> {
    let s = op.shape;
    let rows = groups(s.in_h, s.kernel_h, s.stride, s.pad_top());
    let columns = groups(s.in_w, s.kernel_w, s.stride, s.pad_left());
    let mut passes = Vec::new();
    // Phases that meet no row or no column of the kernel.
    if !op.accumulate && s.stride > s.kernel_h.min(s.kernel_w) {
        passes.push(zero(op, cx));
    }
    for row in &rows {
        passes.extend(columns.iter().map(|column| pass([*row, *column], op, cx)));
    }
    passes
}

/// Phases of an image's rows (or columns) that meet the same number of rows of the kernel. A phase is every `stride`-th
/// row of the image; it meets every `stride`-th row of the kernel.
#[derive(Clone, Copy)]
struct Group {
    /// Number of phases.
    phases: usize,
    /// The first row of the kernel that the first phase meets; that of the next phase is the next row.
    tap: usize,
    /// Rows of the kernel that each phase meets.
    taps: usize,
    /// Zeros before dout.
    pad: i64,
    /// The first row of the image in the first phase; that of the next phase is the next row. If it is negative, the phase
    /// begins outside of the image.
    first: i64,
    /// Rows of the longest phase, including those outside of the image.
    rows: usize,
}

/// The phases of an image of `size` rows that meet any row of the kernel, by the number of rows that they meet.
///
/// Row i of the image meets row u of the kernel in the window (i + pad - u) / stride, if this is whole. In the phase of the
/// kernel's row `tap`, i + pad = stride n + tap and u = stride t + tap: row n of the phase meets row t of the part in the
/// window n - t.
fn groups(size: usize, kernel: usize, stride: usize, pad: usize) -> Vec<Group> {
    let taps = |tap: &usize| (kernel - tap).div_ceil(stride);
    let phases: Vec<usize> = (0..stride.min(kernel)).collect();
    let group = |phases: &[usize]| {
        let (tap, taps) = (phases[0], taps(&phases[0]));
        // The first n inside the image, and the first behind it.
        let first = phases
            .iter()
            .map(|tap| pad.saturating_sub(*tap).div_ceil(stride))
            .min()?;
        let end = phases
            .iter()
            .map(|tap| (size + pad).saturating_sub(*tap).div_ceil(stride))
            .max()?;
        (end > first).then(|| Group {
            phases: phases.len(),
            tap,
            taps,
            pad: taps as i64 - 1 - first as i64,
            first: (first * stride + tap) as i64 - pad as i64,
            rows: end - first,
        })
    };
    phases.chunk_by(|a, b| taps(a) == taps(b)).filter_map(group).collect()
}

fn pass([rows, columns]: [Group; 2], op: &ConvGradInput, cx: &Lowering) -> Pass {
    let s = op.shape;
    let product = Convolution {
        images: s.batch * rows.phases * columns.phases,
        src: [s.out_h(), s.out_w(), s.out_c],
        dst: [s.in_h, s.in_w, s.in_c],
        grid: [rows.rows, columns.rows],
        kernel: [rows.taps, columns.taps],
        stride: 1,
        pad: [rows.pad, columns.pad],
    };
    let params = cx.stride(op.kernel.tensor);
    let Tiled {
        grid, mut constants, ..
    } = product.tiled(cx.class);
    constants.extend::<[(_, Constant); 10]>([
        ("FORWARD", false.into()),
        ("STEP", s.stride.into()),
        ("GATE", op.gate.into()),
        ("ACCUMULATE", op.accumulate.into()),
        ("SRC_STRIDE", cx.stride(op.dout).into()),
        ("DST_STRIDE", cx.stride(op.dx).into()),
        ("PARAM_STRIDE", params.into()),
        ("KERNEL", op.kernel.offset.into()),
        ("OUT_C", s.out_c.into()),
        ("VEC_PARAMS", vec4_rows(s.out_c, params, [op.kernel]).into()),
    ]);
    if s.stride > 1 {
        constants.extend::<[(_, Constant); 7]>([
            ("PHASES_H", rows.phases.into()),
            ("PHASES_W", columns.phases.into()),
            ("TAP_H", rows.tap.into()),
            ("TAP_W", columns.tap.into()),
            ("WHOLE_KERNEL_W", s.kernel_w.into()),
            ("FIRST_ROW", wrapped(rows.first)),
            ("FIRST_COLUMN", wrapped(columns.first)),
        ]);
    }
    let mut buffers = vec![
        Binding::read("src", op.dout),
        Binding::read("params", op.kernel.tensor),
        Binding::write("dst", op.dx),
    ];
    if op.gate {
        constants.push(("GATE_STRIDE", cx.stride(op.x).into()));
        buffers.push(Binding::read("gate", op.x));
    }
    Pass {
        shader: "conv.wgsl",
        entry: "grad_input",
        constants,
        buffers,
        grid,
    }
}

/// Zeros in the whole gradient.
fn zero(op: &ConvGradInput, cx: &Lowering) -> Pass {
    let len = cx.stride(op.dx);
    let lane = lane(&[len]);
    let grid = fold((len / lane).div_ceil(256));
    Pass {
        shader: "conv.wgsl",
        entry: "grad_input_zero",
        constants: vec![("LEN", len.into()), ("LANE", lane.into()), ("GRID_X", grid[0].into())],
        buffers: vec![Binding::write("grad_x", op.dx)],
        grid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{ConvShape, MAX_KERNEL, MAX_STRIDE, Padding};

    /// Every pair of an image row and a kernel row that a window brings together is in exactly one phase, with its window.
    #[test]
    fn phases_hold_every_pair_once() {
        let sizes = (1..=MAX_KERNEL).flat_map(|kernel| [1, 2, 5, 16, 23, 41].map(|size| (kernel, size)));
        for (kernel, size) in sizes {
            for (stride, padding) in (1..=MAX_STRIDE).flat_map(|s| [(s, Padding::Valid), (s, Padding::Same)]) {
                if padding == Padding::Valid && kernel > size {
                    continue;
                }
                let s = ConvShape {
                    batch: 1,
                    in_h: size,
                    in_w: size,
                    in_c: 1,
                    kernel_h: kernel,
                    kernel_w: kernel,
                    out_c: 1,
                    stride,
                    padding,
                };
                let mut pairs = Vec::new();
                let groups = groups(size, kernel, stride, s.pad_top());
                assert!(groups.len() <= 2, "{s:?}");
                for group in groups {
                    let all = (0..group.phases).flat_map(|phase| (0..group.rows).map(move |n| (phase, n)));
                    for ((phase, n), t) in all.flat_map(|n| (0..group.taps).map(move |t| (n, t))) {
                        let row = group.first + (phase + n * stride) as i64;
                        let window = (n + group.taps - 1 - t) as i64 - group.pad;
                        if (0..size as i64).contains(&row) && (0..s.out_h() as i64).contains(&window) {
                            pairs.push((row as usize, group.tap + phase + t * stride, window as usize));
                        }
                    }
                }
                let windows = (0..s.out_h()).flat_map(|window| (0..kernel).map(move |u| (window, u)));
                let pair = |(window, u): (usize, usize)| {
                    let row = (window * stride + u)
                        .checked_sub(s.pad_top())
                        .filter(|row| *row < size)?;
                    Some((row, u, window))
                };
                let mut expected: Vec<_> = windows.filter_map(pair).collect();
                pairs.sort_unstable();
                expected.sort_unstable();
                assert_eq!(pairs, expected, "{s:?}");
            }
        }
    }
}
