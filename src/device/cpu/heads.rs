//! The two heads, the loss and their gradients. They are so small that each task covers a whole member.

use super::memory::{Memory, Scratch};
use super::simd::{LANES, simd};
use super::{Native, put_grad, put_input_grad};
use crate::likelihood::Likelihood;
use crate::plan::{HeadsForward, HeadsGrad, HeadsLoss, InputGrad, MeanOutput, NO_LABEL, VarOutput, schedule, state};

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

impl HeadsForward {
    /// a and b of an image, from its features (F).
    fn outputs(&self, x: &[f32], memory: &Memory, m: usize) -> [f32; 2] {
        let heads = [(self.mean_kernel, self.mean_bias), (self.var_kernel, self.var_bias)];
        heads.map(|(kernel, bias)| dot(x, memory.part(kernel, self.inputs, m)) + memory.part(bias, 1, m)[0])
    }

    fn prediction(&self, [a, b]: [f32; 2]) -> [f32; 2] {
        [self.mean.value(a), self.var.value(b)]
    }
}

impl Native for HeadsForward {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let mut prediction = memory.take(self.prediction);
        scratch
            .workers
            .run(prediction.rows_mut().enumerate(), |_, (m, prediction)| {
                let x = memory.row(self.x, m).chunks_exact(self.inputs);
                for (x, prediction) in x.zip(prediction.chunks_exact_mut(2)) {
                    prediction.copy_from_slice(&self.prediction(self.outputs(x, memory, m)));
                }
            });
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

impl HeadsLoss {
    /// l, its derivatives with respect to mu and var, and (mu - y)^2.
    fn of_image(&self, [mu, var]: [f32; 2], y: f32) -> (f32, [f32; 2], f32) {
        let error = mu - y;
        let (l, d_mu, d_var) = match self.likelihood {
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
        (l, [d_mu, d_var], error * error)
    }

    /// Of one member.
    fn member(&self, memory: &Memory, m: usize, prediction: &mut [f32], raw_grad: &mut [f32], loss: &mut [f32]) {
        let (heads, batch) = (&self.forward, self.forward.batch as f32);
        let cursor = memory.words(self.state, m)[state::CURSOR] as usize;
        let fit_mean = memory.row(self.schedule, m)[cursor * schedule::WIDTH + schedule::FIT_MEAN] != 0.0;
        let images = memory
            .row(heads.x, m)
            .chunks_exact(heads.inputs)
            .zip(memory.row(self.y, m));
        let results = prediction.chunks_exact_mut(2).zip(raw_grad.chunks_exact_mut(2));
        let (mut sum, mut squared_error) = (0.0, 0.0);
        for ((x, &y), (prediction, raw_grad)) in images.zip(results) {
            let [a, b] = heads.outputs(x, memory, m);
            let [mu, var] = heads.prediction([a, b]);
            prediction.copy_from_slice(&[mu, var]);
            if self.unlabelled && y == NO_LABEL {
                raw_grad.fill(0.0);
                continue;
            }
            let (l, [mut d_mu, mut d_var], square) = self.of_image([mu, var], y);
            sum += l;
            squared_error += square;
            if self.beta != 0.0 {
                let weight = var.powf(self.beta);
                (d_mu, d_var) = (weight * d_mu, weight * d_var);
            }
            if fit_mean {
                (d_mu, d_var) = (mu - y, 0.0);
            }
            raw_grad.copy_from_slice(&[
                d_mu * heads.mean.derivative(a) / batch,
                d_var * heads.var.derivative(b) / batch,
            ]);
        }
        loss.copy_from_slice(&[sum / batch, squared_error / batch]);
    }
}

impl Native for HeadsLoss {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let written = [self.forward.prediction, self.raw_grad, self.loss];
        let [mut prediction, mut raw_grad, mut loss] = written.map(|tensor| memory.take(tensor));
        let results = prediction.rows_mut().zip(raw_grad.rows_mut()).zip(loss.rows_mut());
        scratch
            .workers
            .run(results.enumerate(), |_, (m, ((prediction, raw_grad), loss))| {
                self.member(memory, m, prediction, raw_grad, loss);
            });
        for (tensor, rows) in written.into_iter().zip([prediction, raw_grad, loss]) {
            memory.put(tensor, rows);
        }
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

impl Native for HeadsGrad {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let mut grads = memory.take(self.mean_kernel_grad.tensor);
        scratch.workers.run(grads.rows_mut().enumerate(), |_, (m, grads)| {
            self.weight(memory, m, grads);
        });
        memory.put(self.mean_kernel_grad.tensor, grads);
        if let Some(to) = self.input {
            let mut dx = memory.take(to.dx);
            scratch.workers.run(dx.rows_mut().enumerate(), |_, (m, dx)| {
                self.input(to, memory, m, dx);
            });
            memory.put(to.dx, dx);
        }
    }
}

impl HeadsGrad {
    /// Of one member.
    fn weight(&self, memory: &Memory, m: usize, grads: &mut [f32]) {
        let heads = [
            (self.mean_kernel_grad, self.mean_bias_grad),
            (self.var_kernel_grad, self.var_bias_grad),
        ];
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
    }

    /// Of one member.
    fn input(&self, to: InputGrad, memory: &Memory, m: usize, dx: &mut [f32]) {
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
            put_input_grad(dx, grad, to.gate.then_some(x), to.accumulate);
        }
    }
}
