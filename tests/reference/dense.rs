use super::{Memory, relu};
use lensgpu::plan::{DenseForward, DenseGradInput, DenseGradWeight, DenseShape};

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

/// dx = dout kernel^T.
pub fn grad_input(op: &DenseGradInput, memory: &mut Memory, m: usize) {
    let DenseShape { batch, inputs, outputs } = op.shape;
    let dout = memory.row(op.dout, m);
    let kernel = memory.part(op.kernel, inputs * outputs, m);
    let mut dx = vec![0.0; batch * inputs];
    for b in 0..batch {
        for i in 0..inputs {
            dx[b * inputs + i] = (0..outputs)
                .map(|o| dout[b * outputs + o] * kernel[i * outputs + o])
                .sum();
        }
    }
    memory.put_input_grad([op.dx, op.x], &dx, op.gate, op.accumulate, m);
}

/// dkernel = x^T dout; dbias = sum over the batch of dout.
pub fn grad_weight(op: &DenseGradWeight, memory: &mut Memory, m: usize) {
    let DenseShape { batch, inputs, outputs } = op.shape;
    let (x, dout) = (memory.row(op.x, m), memory.row(op.dout, m));
    let (mut dkernel, mut dbias) = (vec![0.0; inputs * outputs], vec![0.0; outputs]);
    for b in 0..batch {
        for o in 0..outputs {
            for i in 0..inputs {
                dkernel[i * outputs + o] += x[b * inputs + i] * dout[b * outputs + o];
            }
            dbias[o] += dout[b * outputs + o];
        }
    }
    memory.put_grad(op.kernel_grad, &dkernel, op.accumulate, m);
    memory.put_grad(op.bias_grad, &dbias, op.accumulate, m);
}
