//! The two heads, the loss and their gradients. They are so small that each task covers a whole member.

use super::memory::{Memory, Scratch};
use super::simd::{LANES, simd};
use super::{Native, put_grad, put_input_grad};
use crate::likelihood::Likelihood;
use crate::plan::{
    HeadsForward, HeadsGradInput, HeadsGradWeight, HeadsLoss, MeanOutput, NO_LABEL, VarOutput, schedule, state,
};

impl MeanOutput {
    fn value(self, a: f32) -> f32 {
        match self {
            MeanOutput::Identity => a,
            MeanOutput::Abs => a.abs(),
            MeanOutput::Bounded { low, high, margin } => {
                let (above, below) = ((a - high) / margin, (low - a) / margin);
                if above > 0.0 {
                    high + margin * (above / (1.0 + above))
                } else if below > 0.0 {
                    low - margin * (below / (1.0 + below))
                } else {
                    a
                }
            }
        }
    }

    /// d mu / da.
    fn derivative(self, a: f32) -> f32 {
        match self {
            MeanOutput::Identity => 1.0,
            MeanOutput::Abs => sign(a),
            MeanOutput::Bounded { low, high, margin } => {
                let beyond = super::relu((a - high).max(low - a) / margin);
                1.0 / ((1.0 + beyond) * (1.0 + beyond))
            }
        }
    }
}

impl VarOutput {
    fn value(self, b: f32) -> f32 {
        let s = softplus(b);
        self.floor + self.ceiling.map_or(s, |c| c * (s / (c + s)))
    }

    /// d var / db.
    fn derivative(self, b: f32) -> f32 {
        let limit = self.ceiling.map_or(1.0, |c| c / (c + softplus(b)));
        sigmoid(b) * limit * limit
    }
}

impl Native for HeadsForward {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let (mut raw, mut prediction) = (memory.take(self.raw), memory.take(self.prediction));
        let tasks = raw.rows_mut().zip(prediction.rows_mut()).enumerate();
        scratch.workers.run(tasks, |_, (m, (raw, prediction))| {
            let x = memory.row(self.x, m).chunks_exact(self.inputs);
            let outputs = raw.chunks_exact_mut(2).zip(prediction.chunks_exact_mut(2));
            for (x, (raw, prediction)) in x.zip(outputs) {
                let a = dot(x, memory.part(self.mean_kernel, self.inputs, m)) + memory.part(self.mean_bias, 1, m)[0];
                let b = dot(x, memory.part(self.var_kernel, self.inputs, m)) + memory.part(self.var_bias, 1, m)[0];
                raw.copy_from_slice(&[a, b]);
                prediction.copy_from_slice(&[self.mean.value(a), self.var.value(b)]);
            }
        });
        memory.put(self.raw, raw);
        memory.put(self.prediction, prediction);
    }
}

simd! {
    /// Sum of a b, in sixteen sums side by side.
    fn dot(a: &[f32], b: &[f32]) -> f32 {
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        let lanes = a.iter().zip(b).fold(S::splat(0.0), |sum, (a, b)| S::mul_add(S::load(a), S::load(b), sum));
        let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
        S::store(lanes).iter().sum::<f32>() + rest
    }
}

impl Native for HeadsLoss {
    fn run(&self, memory: &mut Memory, _scratch: &mut Scratch) {
        let (mut raw_grad, mut loss) = (memory.take(self.raw_grad), memory.take(self.loss));
        let batch = self.batch as f32;
        for (m, (raw_grad, loss)) in raw_grad.rows_mut().zip(loss.rows_mut()).enumerate() {
            let outputs = memory
                .row(self.raw, m)
                .chunks_exact(2)
                .zip(memory.row(self.prediction, m).chunks_exact(2));
            let cursor = memory.words(self.state, m)[state::CURSOR] as usize;
            let fit_mean = memory.row(self.schedule, m)[cursor * schedule::WIDTH + schedule::FIT_MEAN] != 0.0;
            let (mut sum, mut squared_error) = (0.0, 0.0);
            for ((raw_grad, y), (raw, prediction)) in
                raw_grad.chunks_exact_mut(2).zip(memory.row(self.y, m)).zip(outputs)
            {
                if self.unlabelled && *y == NO_LABEL {
                    raw_grad.fill(0.0);
                    continue;
                }
                let (error, var) = (prediction[0] - y, prediction[1]);
                let (l, mut d_mu, mut d_var) = match self.likelihood {
                    Likelihood::StudentT => {
                        let q = error * error / var / 3.0;
                        let d_var = (0.5 - 3.0 * q / (1.0 + q)) / var;
                        (0.5 * var.ln() + 3.0 * q.ln_1p(), 2.0 * error / var / (1.0 + q), d_var)
                    }
                    // The label of a log-normal is its logarithm.
                    Likelihood::Gaussian | Likelihood::LogNormal => {
                        let d_var = 0.5 / var * (1.0 - error * error / var);
                        (0.5 * (var.ln() + error * error / var), error / var, d_var)
                    }
                };
                sum += l;
                squared_error += error * error;
                if self.beta != 0.0 {
                    let weight = var.powf(self.beta);
                    (d_mu, d_var) = (weight * d_mu, weight * d_var);
                }
                if fit_mean {
                    (d_mu, d_var) = (error, 0.0);
                }
                raw_grad.copy_from_slice(&[
                    d_mu * self.mean.derivative(raw[0]) / batch,
                    d_var * self.var.derivative(raw[1]) / batch,
                ]);
            }
            loss.copy_from_slice(&[sum / batch, squared_error / batch]);
        }
        memory.put(self.raw_grad, raw_grad);
        memory.put(self.loss, loss);
    }
}

/// log(1 + exp(b)), which itself would be infinite from b = 88.73 on.
fn softplus(b: f32) -> f32 {
    super::relu(b) + (-b.abs()).exp().ln_1p()
}

/// Unlike `f32::signum`, 0 at 0.
fn sign(a: f32) -> f32 {
    if a == 0.0 { 0.0 } else { a.signum() }
}

/// 1 / (1 + exp(-b)); does not overflow on either side.
fn sigmoid(b: f32) -> f32 {
    let e = (-b.abs()).exp();
    if b < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}

impl Native for HeadsGradInput {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let mut dx = memory.take(self.dx);
        scratch.workers.run(dx.rows_mut().enumerate(), |_, (m, dx)| {
            let [mean_kernel, var_kernel] =
                [self.mean_kernel, self.var_kernel].map(|kernel| memory.part(kernel, self.inputs, m));
            let rows = dx
                .chunks_exact_mut(self.inputs)
                .zip(memory.row(self.x, m).chunks_exact(self.inputs));
            for ((dx, x), raw_grad) in rows.zip(memory.row(self.raw_grad, m).chunks_exact(2)) {
                let grad = mean_kernel
                    .iter()
                    .zip(var_kernel)
                    .map(|(mean, var)| raw_grad[0] * mean + raw_grad[1] * var);
                put_input_grad(dx, grad, self.gate.then_some(x), self.accumulate);
            }
        });
        memory.put(self.dx, dx);
    }
}

impl Native for HeadsGradWeight {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let mut grads = memory.take(self.mean_kernel_grad.tensor);
        let heads = [
            (self.mean_kernel_grad, self.mean_bias_grad),
            (self.var_kernel_grad, self.var_bias_grad),
        ];
        scratch.workers.run(grads.rows_mut().enumerate(), |_, (m, grads)| {
            let (x, raw_grad) = (memory.row(self.x, m), memory.row(self.raw_grad, m));
            for (head, (kernel, bias)) in heads.into_iter().enumerate() {
                let raw_grad = || raw_grad.iter().skip(head).step_by(2);
                put_grad(&mut grads[bias.offset..][..1], &[raw_grad().sum()], self.accumulate);
                let kernel_grad = &mut grads[kernel.offset..][..self.inputs];
                if !self.accumulate {
                    kernel_grad.fill(0.0);
                }
                for (raw_grad, x) in raw_grad().zip(x.chunks_exact(self.inputs)) {
                    kernel_grad
                        .iter_mut()
                        .zip(x)
                        .for_each(|(grad, x)| *grad += raw_grad * x);
                }
            }
        });
        memory.put(self.mean_kernel_grad.tensor, grads);
    }
}
