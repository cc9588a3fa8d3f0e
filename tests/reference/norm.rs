use super::{Memory, pool};
use lensgpu::plan::{BatchStats, NormForward, NormGrad, StatsSource};

/// batch = [mean; C], [biased variance; C]; next = momentum before + (1 - momentum) batch.
fn stats(op: &NormForward, to: BatchStats, memory: &mut Memory, m: usize) {
    let (rows, momentum, channels) = (op.shape.rows() as f64, f64::from(op.momentum), op.shape.c);
    for c in 0..channels {
        let values = || memory.row(op.x, m).iter().skip(c).step_by(channels);
        let mean = values().sum::<f64>() / rows;
        let variance = values().map(|x| (x - mean).powi(2)).sum::<f64>() / rows;
        memory.row_mut(to.batch, m)[c] = mean;
        memory.row_mut(to.batch, m)[channels + c] = variance;
        for (offset, batch) in [(op.mean_offset, mean), (op.variance_offset, variance)] {
            let before = memory.row(to.before, m)[offset + c];
            memory.row_mut(to.next, m)[offset + c] = momentum * before + (1.0 - momentum) * batch;
        }
    }
}

/// out = maxpool(gamma xhat + beta).
pub fn forward(op: &NormForward, memory: &mut Memory, m: usize) {
    let channels = op.shape.c;
    if let StatsSource::Batch(to) = op.source {
        stats(op, to, memory, m);
    }
    let (mean, variance) = match op.source {
        StatsSource::Batch(BatchStats { batch, .. }) => memory.row(batch, m).split_at(channels),
        StatsSource::Running(stats) => {
            let stats = memory.row(stats, m);
            (
                &stats[op.mean_offset..][..channels],
                &stats[op.variance_offset..][..channels],
            )
        }
    };
    let (gamma, beta) = (memory.part(op.gamma, channels, m), memory.part(op.beta, channels, m));
    let xhat = normalised(memory.row(op.x, m), mean, variance, op.epsilon);
    let z: Vec<f64> = xhat
        .iter()
        .enumerate()
        .map(|(i, x)| gamma[i % channels] * x + beta[i % channels])
        .collect();
    let out = pool::largest(&op.shape, &z);
    memory.row_mut(op.out, m).copy_from_slice(&out);
}

/// dbeta = sum of dz, dgamma = sum of dz xhat, dx = gamma / sqrt(variance + epsilon) (dz - (dbeta + xhat dgamma) / rows).
pub fn grad(op: &NormGrad, memory: &mut Memory, m: usize) {
    let (channels, rows) = (op.shape.c, op.shape.rows() as f64);
    let (mean, variance) = memory.row(op.batch_stats, m).split_at(channels);
    let gamma = memory.part(op.gamma, channels, m);
    let x = memory.row(op.x, m);
    let xhat = normalised(x, mean, variance, op.epsilon);
    let dz = at_maxima(op.shape, &xhat, gamma, memory.row(op.dout, m));
    let (mut dbeta, mut dgamma) = (vec![0.0; channels], vec![0.0; channels]);
    for (i, (dz, xhat)) in dz.iter().zip(&xhat).enumerate() {
        dbeta[i % channels] += dz;
        dgamma[i % channels] += dz * xhat;
    }
    let mut dx = vec![0.0; x.len()];
    for i in 0..x.len() {
        let c = i % channels;
        let scale = gamma[c] / (variance[c] + f64::from(op.epsilon)).sqrt();
        dx[i] = scale * (dz[i] - (dbeta[c] + xhat[i] * dgamma[c]) / rows);
    }
    memory.put_grad(op.beta_grad, &dbeta, op.accumulate, m);
    memory.put_grad(op.gamma_grad, &dgamma, op.accumulate, m);
    if let Some(to) = op.input {
        memory.put_input_grad([to.dx, op.x], &dx, to.gate, to.accumulate, m);
    }
}

/// xhat = (x - mean) / sqrt(variance + epsilon), by channel.
fn normalised(x: &[f64], mean: &[f64], variance: &[f64], epsilon: f32) -> Vec<f64> {
    let one = |(i, x): (usize, &f64)| {
        let c = i % mean.len();
        (x - mean[c]) / (variance[c] + f64::from(epsilon)).sqrt()
    };
    x.iter().enumerate().map(one).collect()
}

/// dz: dout put back at each window's maximum. beta moves no maximum.
fn at_maxima(shape: lensgpu::plan::PoolShape, xhat: &[f64], gamma: &[f64], dout: &[f64]) -> Vec<f64> {
    let z: Vec<f64> = xhat.iter().enumerate().map(|(i, x)| gamma[i % shape.c] * x).collect();
    pool::put_back(&shape, &z, dout)
}
