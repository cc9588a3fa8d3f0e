use super::{Memory, at};
use lensgpu::plan::{PoolForward, PoolGradInput, PoolShape};

/// out = the largest value of each window; a NaN counts as the largest.
pub fn forward(op: &PoolForward, memory: &mut Memory, m: usize) {
    let out = largest(&op.shape, memory.row(op.x, m));
    memory.row_mut(op.out, m).copy_from_slice(&out);
}

/// dx = dout at the first largest value of each window in row-major order, else 0.
pub fn grad_input(op: &PoolGradInput, memory: &mut Memory, m: usize) {
    let x = memory.row(op.x, m);
    let dx = put_back(&op.shape, x, memory.row(op.dout, m));
    memory.put_input_grad([op.dx, op.x], &dx, op.gate, op.accumulate, m);
}

pub fn largest(shape: &PoolShape, x: &[f64]) -> Vec<f64> {
    maxima(shape, x).into_iter().map(|place| x[place]).collect()
}

/// dout put back at each window's maximum, 0 elsewhere and in the remainder.
pub fn put_back(shape: &PoolShape, x: &[f64], dout: &[f64]) -> Vec<f64> {
    let mut dx = vec![0.0; x.len()];
    for (place, dout) in maxima(shape, x).into_iter().zip(dout) {
        dx[place] = *dout;
    }
    dx
}

/// For each pooled value (B,Ho,Wo,C) the place of its maximum in x (B,H,W,C), the first of equal ones.
fn maxima(s: &PoolShape, x: &[f64]) -> Vec<usize> {
    let mut places = Vec::new();
    for b in 0..s.batch {
        for i in 0..s.out_h() {
            for j in 0..s.out_w() {
                for c in 0..s.c {
                    let place = |u, v| at([s.batch, s.h, s.w, s.c], [b, i * s.pool + u, j * s.pool + v, c]);
                    let mut best = place(0, 0);
                    for u in 0..s.pool {
                        for v in 0..s.pool {
                            if x[place(u, v)] > x[best] || x[place(u, v)].is_nan() {
                                best = place(u, v);
                            }
                        }
                    }
                    places.push(best);
                }
            }
        }
    }
    places
}
