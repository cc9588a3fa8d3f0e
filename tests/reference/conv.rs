use super::{Memory, at, relu};
use lensgpu::plan::{ConvForward, ConvGradInput, ConvGradWeight, ConvShape};

/// Shapes of x, kernel and out.
fn shapes(s: &ConvShape) -> ([usize; 4], [usize; 4], [usize; 4]) {
    let x = [s.batch, s.in_h, s.in_w, s.in_c];
    let kernel = [s.kernel_h, s.kernel_w, s.in_c, s.out_c];
    (x, kernel, [s.batch, s.out_h(), s.out_w(), s.out_c])
}

/// Row or column si + u - p of an image of `size`, if it lies in it.
fn tap(s: usize, i: usize, u: usize, p: usize, size: usize) -> Option<usize> {
    (s * i + u).checked_sub(p).filter(|&place| place < size)
}

/// Row or column (i + p - u) / s of an output of `size`, if it is whole and lies in it.
fn window(s: usize, i: usize, u: usize, p: usize, size: usize) -> Option<usize> {
    let way = (i + p).checked_sub(u).filter(|way| way % s == 0)?;
    Some(way / s).filter(|&place| place < size)
}

/// out[b,i,j,o] = act(bias[o] + sum over u,v,c of x[b,si+u-p,sj+v-q,c] kernel[u,v,c,o]).
pub fn forward(op: &ConvForward, memory: &mut Memory, m: usize) {
    let (x_shape, kernel_shape, out_shape) = shapes(&op.shape);
    let [batch, out_h, out_w, out_c] = out_shape;
    let [kernel_h, kernel_w, in_c, _] = kernel_shape;
    let [_, in_h, in_w, _] = x_shape;
    let (s, p, q) = (op.shape.stride, op.shape.pad_top(), op.shape.pad_left());
    let x = memory.row(op.x, m);
    let kernel = memory.part(op.kernel, op.shape.kernel_len(), m);
    let bias = memory.part(op.bias, out_c, m);
    let mut out = vec![0.0; batch * out_h * out_w * out_c];
    for (b, i, j) in places(batch, out_h, out_w) {
        let pixel = &mut out[at(out_shape, [b, i, j, 0])..][..out_c];
        pixel.copy_from_slice(bias);
        for (u, v, c) in places(kernel_h, kernel_w, in_c) {
            let (Some(row), Some(column)) = (tap(s, i, u, p, in_h), tap(s, j, v, q, in_w)) else {
                continue;
            };
            let x = x[at(x_shape, [b, row, column, c])];
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

/// dx[b,i,j,c] = sum over u,v,o of dout[b,(i+p-u)/s,(j+q-v)/s,o] kernel[u,v,c,o].
pub fn grad_input(op: &ConvGradInput, memory: &mut Memory, m: usize) {
    let (x_shape, kernel_shape, out_shape) = shapes(&op.shape);
    let [batch, in_h, in_w, in_c] = x_shape;
    let [_, out_h, out_w, out_c] = out_shape;
    let (s, p, q) = (op.shape.stride, op.shape.pad_top(), op.shape.pad_left());
    let dout = memory.row(op.dout, m);
    let kernel = memory.part(op.kernel, op.shape.kernel_len(), m);
    let mut dx = vec![0.0; batch * in_h * in_w * in_c];
    for (b, i, j) in places(batch, in_h, in_w) {
        for (u, v, c) in places(op.shape.kernel_h, op.shape.kernel_w, in_c) {
            let (Some(row), Some(column)) = (window(s, i, u, p, out_h), window(s, j, v, q, out_w)) else {
                continue;
            };
            let dout = &dout[at(out_shape, [b, row, column, 0])..][..out_c];
            let weights = &kernel[at(kernel_shape, [u, v, c, 0])..][..out_c];
            dx[at(x_shape, [b, i, j, c])] += dout.iter().zip(weights).map(|(d, w)| d * w).sum::<f64>();
        }
    }
    memory.put_input_grad([op.dx, op.x], &dx, op.gate, op.accumulate, m);
}

/// dkernel[u,v,c,o] = sum over b,i,j of x[b,si+u-p,sj+v-q,c] dout[b,i,j,o]; dbias[o] = sum of dout[..,o].
pub fn grad_weight(op: &ConvGradWeight, memory: &mut Memory, m: usize) {
    let (x_shape, kernel_shape, out_shape) = shapes(&op.shape);
    let [batch, out_h, out_w, out_c] = out_shape;
    let [kernel_h, kernel_w, in_c, _] = kernel_shape;
    let [_, in_h, in_w, _] = x_shape;
    let (s, p, q) = (op.shape.stride, op.shape.pad_top(), op.shape.pad_left());
    let (x, dout) = (memory.row(op.x, m), memory.row(op.dout, m));
    let (mut dkernel, mut dbias) = (vec![0.0; op.shape.kernel_len()], vec![0.0; out_c]);
    for (b, i, j) in places(batch, out_h, out_w) {
        let dout = &dout[at(out_shape, [b, i, j, 0])..][..out_c];
        for (u, v, c) in places(kernel_h, kernel_w, in_c) {
            let (Some(row), Some(column)) = (tap(s, i, u, p, in_h), tap(s, j, v, q, in_w)) else {
                continue;
            };
            let x = x[at(x_shape, [b, row, column, c])];
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
