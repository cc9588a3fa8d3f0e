use super::Memory;
use lensgpu::likelihood::Likelihood;
use lensgpu::plan::{HeadsForward, HeadsGrad, HeadsLoss, MeanOutput, NO_LABEL, VarOutput, schedule, state};

/// a = x mean.kernel + mean.bias, b = x var.kernel + var.bias; mu and var as the operation says.
pub fn forward(op: &HeadsForward, memory: &mut Memory, m: usize) {
    let prediction: Vec<f64> = outputs(op, memory, m)
        .flat_map(|[a, b]| [mean(op.mean, a).0, variance(op.var, b).0])
        .collect();
    memory.row_mut(op.prediction, m).copy_from_slice(&prediction);
}

/// a and b of each image.
fn outputs(op: &HeadsForward, memory: &Memory, m: usize) -> impl Iterator<Item = [f64; 2]> {
    let heads = [(op.mean_kernel, op.mean_bias), (op.var_kernel, op.var_bias)];
    memory.row(op.x, m).chunks(op.inputs).map(move |x| {
        heads.map(|(kernel, bias)| {
            let products = x.iter().zip(memory.part(kernel, op.inputs, m)).map(|(x, w)| x * w);
            products.sum::<f64>() + memory.part(bias, 1, m)[0]
        })
    })
}

/// mu and dmu/da.
fn mean(output: MeanOutput, a: f64) -> (f64, f64) {
    match output {
        MeanOutput::Identity => (a, 1.0),
        MeanOutput::Abs => (a.abs(), sign(a)),
        MeanOutput::Bounded { low, high, margin } => {
            let [low, high, margin] = [low, high, margin].map(f64::from);
            let inside = a.clamp(low, high);
            let u = (a - inside).abs() / margin;
            (inside + sign(a - inside) * margin * u / (1.0 + u), (1.0 + u).powi(-2))
        }
    }
}

/// var and dvar/db.
fn variance(output: VarOutput, b: f64) -> (f64, f64) {
    let softplus = b.max(0.0) + (-b.abs()).exp().ln_1p();
    let floor = f64::from(output.floor);
    match output.ceiling.map(f64::from) {
        None => (floor + softplus, sigmoid(b)),
        Some(c) => (
            floor + c * softplus / (c + softplus),
            sigmoid(b) * (c / (c + softplus)).powi(2),
        ),
    }
}

/// loss = mean of l; raw_grad = [dL/da, dL/db], L the mean of var^beta l or of (y - mu)^2 / 2.
pub fn loss(op: &HeadsLoss, memory: &mut Memory, m: usize) {
    let heads = &op.forward;
    forward(heads, memory, m);
    let batch = heads.batch as f64;
    let cursor = memory.row(op.state, m)[state::CURSOR] as usize;
    let fit_mean = memory.row(op.schedule, m)[cursor * schedule::WIDTH + schedule::FIT_MEAN] != 0.0;
    let (mut loss, mut squared_error, mut raw_grad) = (0.0, 0.0, vec![]);
    for (image, [a, b]) in outputs(heads, memory, m).enumerate() {
        let ((mu, dmu_da), (var, dvar_db)) = (mean(heads.mean, a), variance(heads.var, b));
        let y = memory.row(op.y, m)[image];
        if op.unlabelled && y == f64::from(NO_LABEL) {
            raw_grad.extend([0.0, 0.0]);
            continue;
        }
        let square = (y - mu).powi(2);
        let (l, dl_dmu, dl_dvar) = match op.likelihood {
            // (nu + 1) / 2 and nu - 2 are both 3.
            Likelihood::StudentT => (
                var.ln() / 2.0 + 3.0 * (1.0 + square / (3.0 * var)).ln(),
                6.0 * (mu - y) / (3.0 * var + square),
                1.0 / (2.0 * var) - 3.0 * square / (var * (3.0 * var + square)),
            ),
            // A log-normal label arrives as its logarithm.
            Likelihood::Gaussian | Likelihood::LogNormal => (
                var.ln() / 2.0 + square / (2.0 * var),
                (mu - y) / var,
                1.0 / (2.0 * var) - square / (2.0 * var * var),
            ),
        };
        loss += l / batch;
        squared_error += square / batch;
        let weight = var.powf(f64::from(op.beta));
        let (dmu, dvar) = if fit_mean {
            ((mu - y) / batch, 0.0)
        } else {
            (weight * dl_dmu / batch, weight * dl_dvar / batch)
        };
        raw_grad.extend([dmu * dmu_da, dvar * dvar_db]);
    }
    memory.row_mut(op.loss, m).copy_from_slice(&[loss, squared_error]);
    memory.row_mut(op.raw_grad, m).copy_from_slice(&raw_grad);
}

/// Sum over the batch of raw_grad x, and of raw_grad; dx[b,i] = raw_grad[b,0] mean.kernel[i] + raw_grad[b,1] var.kernel[i].
pub fn grad(op: &HeadsGrad, memory: &mut Memory, m: usize) {
    let heads = [
        (op.mean_kernel, op.mean_kernel_grad, op.mean_bias_grad),
        (op.var_kernel, op.var_kernel_grad, op.var_bias_grad),
    ];
    let mut dx = vec![0.0; op.batch * op.inputs];
    for (head, (kernel, kernel_grad, bias_grad)) in heads.into_iter().enumerate() {
        let (x, raw_grad) = (memory.row(op.x, m), memory.row(op.raw_grad, m));
        let kernel = memory.part(kernel, op.inputs, m);
        let (mut dkernel, mut dbias) = (vec![0.0; op.inputs], 0.0);
        for b in 0..op.batch {
            let d = raw_grad[2 * b + head];
            for i in 0..op.inputs {
                dkernel[i] += d * x[b * op.inputs + i];
                dx[b * op.inputs + i] += d * kernel[i];
            }
            dbias += d;
        }
        memory.put_grad(kernel_grad, &dkernel, op.accumulate, m);
        memory.put_grad(bias_grad, &[dbias], op.accumulate, m);
    }
    if let Some(to) = op.input {
        memory.put_input_grad([to.dx, op.x], &dx, to.gate, to.accumulate, m);
    }
}

/// Unlike `f64::signum`, 0 at 0: the derivative of |a|, as in Keras.
fn sign(a: f64) -> f64 {
    if a == 0.0 { 0.0 } else { a.signum() }
}

fn sigmoid(b: f64) -> f64 {
    1.0 / (1.0 + (-b).exp())
}
