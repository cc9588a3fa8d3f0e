use super::{Memory, at, gated, relu};
use lensgpu::plan::{ConvForward, ConvGradInput, ConvGradWeight, ConvShape};

/// Shapes of x, kernel and out.
fn shapes(s: &ConvShape) -> ([usize; 4], [usize; 4], [usize; 4]) {
    let x = [s.batch, s.in_h, s.in_w, s.in_c];
    let kernel = [s.kernel_h, s.kernel_w, s.in_c, s.out_c];
    (x, kernel, [s.batch, s.out_h(), s.out_w(), s.out_c])
}

/// out[b,i,j,o] = act(bias[o] + sum over u,v,c of x[b,i+u,j+v,c] kernel[u,v,c,o]).
pub fn forward(op: &ConvForward, memory: &mut Memory, m: usize) {
    let (x_shape, kernel_shape, out_shape) = shapes(&op.shape);
    let [batch, out_h, out_w, out_c] = out_shape;
    let [kernel_h, kernel_w, in_c, _] = kernel_shape;
    let x = memory.row(op.x, m);
    let kernel = memory.part(op.kernel, op.shape.kernel_len(), m);
    let bias = memory.part(op.bias, out_c, m);
    let mut out = vec![0.0; batch * out_h * out_w * out_c];
    for (b, i, j) in places(batch, out_h, out_w) {
        let pixel = &mut out[at(out_shape, [b, i, j, 0])..][..out_c];
        pixel.copy_from_slice(bias);
        for (u, v, c) in places(kernel_h, kernel_w, in_c) {
            let x = x[at(x_shape, [b, i + u, j + v, c])];
            let weights = &kernel[at(kernel_shape, [u, v, c, 0])..][..out_c];
            for o in 0..out_c {
                pixel[o] += x * weights[o];
            }
        }
        if op.relu {
            pixel.iter_mut().for_each(|value| *value = relu(*value));
        }
    }
    memory.row_mut(op.out, m).copy_from_slice(&out);
}

/// dx[b,i,j,c] = sum over u,v,o of dout[b,i-u,j-v,o] kernel[u,v,c,o].
pub fn grad_input(op: &ConvGradInput, memory: &mut Memory, m: usize) {
    let (x_shape, kernel_shape, out_shape) = shapes(&op.shape);
    let [batch, in_h, in_w, in_c] = x_shape;
    let [_, out_h, out_w, out_c] = out_shape;
    let (x, dout) = (memory.row(op.x, m), memory.row(op.dout, m));
    let kernel = memory.part(op.kernel, op.shape.kernel_len(), m);
    let mut dx = vec![0.0; x.len()];
    for (b, i, j) in places(batch, in_h, in_w) {
        for (u, v, c) in places(op.shape.kernel_h, op.shape.kernel_w, in_c) {
            if i < u || j < v || i - u >= out_h || j - v >= out_w {
                continue;
            }
            let dout = &dout[at(out_shape, [b, i - u, j - v, 0])..][..out_c];
            let weights = &kernel[at(kernel_shape, [u, v, c, 0])..][..out_c];
            dx[at(x_shape, [b, i, j, c])] += dout.iter().zip(weights).map(|(d, w)| d * w).sum::<f64>();
        }
    }
    for (dx, x) in dx.iter_mut().zip(x) {
        *dx = gated(op.gate, *x, *dx);
    }
    memory.row_mut(op.dx, m).copy_from_slice(&dx);
}

/// dkernel[u,v,c,o] = sum over b,i,j of x[b,i+u,j+v,c] dout[b,i,j,o]; dbias[o] = sum of dout[..,o].
pub fn grad_weight(op: &ConvGradWeight, memory: &mut Memory, m: usize) {
    let (x_shape, kernel_shape, out_shape) = shapes(&op.shape);
    let [batch, out_h, out_w, out_c] = out_shape;
    let [kernel_h, kernel_w, in_c, _] = kernel_shape;
    let (x, dout) = (memory.row(op.x, m), memory.row(op.dout, m));
    let (mut dkernel, mut dbias) = (vec![0.0; op.shape.kernel_len()], vec![0.0; out_c]);
    for (b, i, j) in places(batch, out_h, out_w) {
        let dout = &dout[at(out_shape, [b, i, j, 0])..][..out_c];
        for (u, v, c) in places(kernel_h, kernel_w, in_c) {
            let x = x[at(x_shape, [b, i + u, j + v, c])];
            let dweights = &mut dkernel[at(kernel_shape, [u, v, c, 0])..][..out_c];
            for o in 0..out_c {
                dweights[o] += x * dout[o];
            }
        }
        for o in 0..out_c {
            dbias[o] += dout[o];
        }
    }
    memory.put_grad(op.kernel_grad, &dkernel, op.accumulate, m);
    memory.put_grad(op.bias_grad, &dbias, op.accumulate, m);
}

/// All (a, b, c) below the given ends, c fastest.
fn places(ends_a: usize, ends_b: usize, ends_c: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..ends_a).flat_map(move |a| (0..ends_b).flat_map(move |b| (0..ends_c).map(move |c| (a, b, c))))
}
