use super::{Memory, relu};
use lensgpu::plan::{DenseForward, DenseGrad, DenseShape};

/// out = act(x kernel + bias).
pub fn forward(op: &DenseForward, memory: &mut Memory, m: usize) {
    let DenseShape { batch, inputs, outputs } = op.shape;
    let (x, kernel) = (memory.row(op.x, m), memory.part(op.kernel, inputs * outputs, m));
    let bias = memory.part(op.bias, outputs, m);
    let mut out = vec![0.0; batch * outputs];
    for b in 0..batch {
        for o in 0..outputs {
            let sum: f64 = (0..inputs).map(|i| x[b * inputs + i] * kernel[i * outputs + o]).sum();
            let value = sum + bias[o];
            out[b * outputs + o] = if op.relu { relu(value) } else { value };
        }
    }
    memory.row_mut(op.out, m).copy_from_slice(&out);
}

/// dkernel = x^T dout; dbias = sum over the batch of dout; dx = dout kernel^T.
pub fn grad(op: &DenseGrad, memory: &mut Memory, m: usize) {
    let DenseShape { batch, inputs, outputs } = op.shape;
    let (x, dout) = (memory.row(op.x, m), memory.row(op.dout, m));
    let kernel = memory.part(op.kernel, inputs * outputs, m);
    let (mut dkernel, mut dbias) = (vec![0.0; inputs * outputs], vec![0.0; outputs]);
    let mut dx = vec![0.0; batch * inputs];
    for b in 0..batch {
        for o in 0..outputs {
            let d = dout[b * outputs + o];
            for i in 0..inputs {
                dkernel[i * outputs + o] += x[b * inputs + i] * d;
                dx[b * inputs + i] += d * kernel[i * outputs + o];
            }
            dbias[o] += d;
        }
    }
    memory.put_grad(op.kernel_grad, &dkernel, op.accumulate, m);
    memory.put_grad(op.bias_grad, &dbias, op.accumulate, m);
    if let Some(to) = op.input {
        memory.put_input_grad([to.dx, op.x], &dx, to.gate, to.accumulate, m);
    }
}
