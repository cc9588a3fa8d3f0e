use super::{Memory, at};
use lensgpu::plan::{AveragePoolForward, AveragePoolGradInput, AverageShape};

/// out = mean of each window.
pub fn forward(op: &AveragePoolForward, memory: &mut Memory, m: usize) {
    let x = memory.row(op.x, m);
    let mut out = vec![0.0; memory.row(op.out, m).len()];
    for (x_place, out_place) in pairs(&op.shape) {
        out[out_place] += x[x_place] / (op.shape.window_h * op.shape.window_w) as f64;
    }
    memory.row_mut(op.out, m).copy_from_slice(&out);
}

/// dx = dout of the window / (window_h window_w), 0 in the remainder.
pub fn grad_input(op: &AveragePoolGradInput, memory: &mut Memory, m: usize) {
    let dout = memory.row(op.dout, m);
    let mut dx = vec![0.0; memory.row(op.dx, m).len()];
    for (x_place, out_place) in pairs(&op.shape) {
        dx[x_place] = dout[out_place] / (op.shape.window_h * op.shape.window_w) as f64;
    }
    memory.put_input_grad([op.dx, op.x], &dx, op.gate, op.accumulate, m);
}

/// The place in x (B,H,W,C) of every value that lies in a window, and that of its window in out (B,Ho,Wo,C).
fn pairs(s: &AverageShape) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for b in 0..s.batch {
        for i in 0..s.out_h() * s.window_h {
            for j in 0..s.out_w() * s.window_w {
                for c in 0..s.c {
                    let out = [b, i / s.window_h, j / s.window_w, c];
                    pairs.push((
                        at([s.batch, s.h, s.w, s.c], [b, i, j, c]),
                        at([s.batch, s.out_h(), s.out_w(), s.c], out),
                    ));
                }
            }
        }
    }
    pairs
}
