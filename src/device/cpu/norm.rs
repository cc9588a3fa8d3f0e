//! Batch norm, and the max pooling right behind it.
//!
//! With a pooling, the output of the norm itself is never stored: it is largest at the largest x if gamma > 0, at the
//! smallest x if gamma < 0, and at the first x of a window if gamma = 0.

use super::memory::{Buffer, Memory, Scratch, ScratchSize, Workers};
use super::pool::{Put, Window, at, at_mut, by_channels, corner, images, peak, put_back, windows};
use super::simd::{LANES, lanes, simd};
use super::{Native, put_grad};
use crate::plan::{BatchStats, InputGrad, NormForward, NormGrad, PoolShape, StatsSource};

/// Values per task of the statistics, and per block, of which each has a mean of its own.
const PIECE: usize = 65_536;
const BLOCK: usize = 4096;
/// Values that are summed side by side: several rows, if there are few channels.
const WIDTH: usize = 64;

/// Rows that are summed side by side.
fn side(channels: usize) -> usize {
    (WIDTH / channels).max(1)
}

/// Rows per task of the statistics.
fn piece(s: &PoolShape) -> usize {
    (PIECE / s.c).clamp(1, s.rows())
}

impl NormForward {
    /// Mean and variance of the batch; then the running statistics.
    fn stats(&self, to: BatchStats, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        let (channels, piece) = (s.c, piece(&s));
        let pieces = s.rows().div_ceil(piece);
        let width = side(channels) * channels;
        let partials = &mut scratch.shared.floats_mut()[..memory.members * pieces * 2 * channels];
        let tasks = partials.chunks_exact_mut(2 * channels).enumerate();
        scratch.workers.run(tasks, |scratch, (task, partial)| {
            let (m, number) = (task / pieces, task % pieces);
            let rows = memory.row(self.x, m)[..s.rows() * channels]
                .chunks(piece * channels)
                .nth(number);
            partial.fill(0.0);
            let block = (BLOCK / channels).max(1) * channels;
            let mut count = 0.0;
            for rows in rows.expect("as many pieces as tasks").chunks(block) {
                let (sums, rest) = scratch.floats_mut().split_at_mut(width);
                count = add_block(rows, count, sums, &mut rest[..width], partial);
            }
        });

        let partials = scratch.shared.floats().chunks_exact(pieces * 2 * channels);
        let (mut batch_stats, mut next) = (memory.take(to.batch), memory.take(to.next));
        for (m, partials) in partials.take(memory.members).enumerate() {
            let merged = batch_stats.row_mut(m);
            merged.fill(0.0);
            let mut count = 0.0;
            for (number, partial) in partials.chunks_exact(2 * channels).enumerate() {
                let n = (s.rows() - number * piece).min(piece) as f32;
                let (mean, m2) = partial.split_at(channels);
                merge(merged, count, n, mean, m2);
                count += n;
            }
            merged[channels..].iter_mut().for_each(|m2| *m2 /= count);
            for (offset, batch) in [self.mean_offset, self.variance_offset]
                .into_iter()
                .zip(merged.chunks(channels))
            {
                // The second pass of a step continues from the statistics of the first.
                if to.before != to.next {
                    next.row_mut(m)[offset..][..channels]
                        .copy_from_slice(&memory.row(to.before, m)[offset..][..channels]);
                }
                for (next, batch) in next.row_mut(m)[offset..].iter_mut().zip(batch) {
                    *next = self.momentum * *next + (1.0 - self.momentum) * batch;
                }
            }
        }
        memory.put(to.batch, batch_stats);
        memory.put(to.next, next);
    }
}

/// Merges the mean and M2 of n rows into [mean; C], [M2; C] of `count` rows (Chan et al. 1979).
#[inline(always)]
fn merge(merged: &mut [f32], count: f32, n: f32, mean: &[f32], m2: &[f32]) {
    let (to_mean, to_m2) = merged.split_at_mut(mean.len());
    let all = count + n;
    for c in 0..mean.len() {
        let delta = mean[c] - to_mean[c];
        to_mean[c] += delta * (n / all);
        to_m2[c] += m2[c] + delta * delta * (count * n / all);
    }
}

simd! {
    /// Merges the rows of a block into [mean; C], [M2; C] of the `count` rows before it; returns the new number of rows.
    fn add_block(rows: &[f32], count: f32, sums: &mut [f32], means: &mut [f32], merged: &mut [f32]) -> f32 {
        let (width, channels) = (sums.len(), merged.len() / 2);
        let n = (rows.len() / channels) as f32;
        // First each of the rows side by side, then all of them together.
        sums.fill(0.0);
        for rows in rows.chunks(width) {
            sums.iter_mut().zip(rows).for_each(|(sum, x)| *sum += x);
        }
        fold(sums, channels);
        for means in means.chunks_exact_mut(channels) {
            means.iter_mut().zip(&*sums).for_each(|(mean, sum)| *mean = sum / n);
        }
        sums.fill(0.0);
        for rows in rows.chunks(width) {
            for ((sum, x), mean) in sums.iter_mut().zip(rows).zip(&*means) {
                *sum += (x - mean) * (x - mean);
            }
        }
        fold(sums, channels);
        merge(merged, count, n, &means[..channels], sums);
        count + n
    }
}

/// Adds all rows of sums to the first.
#[inline(always)]
fn fold(sums: &mut [f32], channels: usize) {
    let (first, rest) = sums.split_at_mut(channels);
    for row in rest.chunks_exact(channels) {
        first.iter_mut().zip(row).for_each(|(sum, other)| *sum += other);
    }
}

/// What the norm subtracts from each channel and multiplies it by; (C) each.
#[derive(Clone, Copy)]
struct Channels<'a> {
    mean: &'a [f32],
    /// 1 / sqrt(variance + epsilon)
    scale: &'a [f32],
    gamma: &'a [f32],
}

impl<'a> Channels<'a> {
    fn new(mean: &'a [f32], variance: &[f32], epsilon: f32, gamma: &'a [f32], scratch: &'a mut Buffer) -> Channels<'a> {
        let scale = &mut scratch.floats_mut()[..mean.len()];
        scale
            .iter_mut()
            .zip(variance)
            .for_each(|(scale, variance)| *scale = 1.0 / (variance + epsilon).sqrt());
        Channels { mean, scale, gamma }
    }
}

/// 1 if the norm is largest at the largest x, -1 if at the smallest x, 0 if it is the same for all x.
#[inline(always)]
fn signs<const N: usize>(gamma: &[f32; N]) -> [f32; N] {
    lanes(|l| f32::from(gamma[l] > 0.0) - f32::from(gamma[l] < 0.0))
}

impl Native for NormForward {
    fn scratch_size(&self, members: usize) -> ScratchSize {
        let s = self.shape;
        match self.source {
            StatsSource::Batch(_) => ScratchSize {
                worker: (2 * side(s.c) * s.c).div_ceil(LANES),
                shared: (members * s.rows().div_ceil(piece(&s)) * 2 * s.c).div_ceil(LANES),
            },
            StatsSource::Running(_) => ScratchSize {
                worker: s.c.div_ceil(LANES),
                shared: 0,
            },
        }
    }

    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        if let StatsSource::Batch(to) = self.source {
            self.stats(to, memory, scratch);
        }
        let mut out = memory.take(self.out);
        scratch.workers.run(
            out.pieces(images(&s) * s.out_h() * s.out_w() * s.c),
            |scratch, (m, number, out)| {
                let (mean, variance) = match self.source {
                    StatsSource::Batch(BatchStats { batch, .. }) => memory.row(batch, m).split_at(s.c),
                    StatsSource::Running(stats) => {
                        let stats = memory.row(stats, m);
                        (&stats[self.mean_offset..][..s.c], &stats[self.variance_offset..][..s.c])
                    }
                };
                let gamma = memory.part(self.gamma, s.c, m);
                let channels = Channels::new(mean, variance, self.epsilon, gamma, scratch);
                let beta = memory.part(self.beta, s.c, m);
                forward(
                    s,
                    channels,
                    beta,
                    &memory.row(self.x, m)[number * images(&s) * s.h * s.w * s.c..],
                    out,
                );
            },
        );
        memory.put(self.out, out);
    }
}

simd! {
    /// x (images,H,W,C) to out (images,Ho,Wo,C).
    fn forward(s: PoolShape, channels: Channels, beta: &[f32], x: &[f32], out: &mut [f32]) {
        for (line, out) in out.chunks_exact_mut(s.out_w() * s.c).enumerate() {
            let x = &x[corner(&s, line)..];
            for (j, out) in out.chunks_exact_mut(s.c).enumerate() {
                let x = &x[j * s.pool * s.c..];
                by_channels!(s.c, forward_window(&s, channels, beta, x, out));
            }
        }
    }
}

/// One window.
#[inline(always)]
fn forward_window<const N: usize>(
    c: usize,
    s: &PoolShape,
    channels: Channels,
    beta: &[f32],
    x: &[f32],
    out: &mut [f32],
) {
    let (mean, scale): (&[f32; N], &[f32; N]) = (at(channels.mean, c), at(channels.scale, c));
    let (gamma, beta): (&[f32; N], &[f32; N]) = (at(channels.gamma, c), at(beta, c));
    let (value, _) = peak(s, &x[c..], signs(gamma));
    let out: &mut [f32; N] = at_mut(out, c);
    for l in 0..N {
        out[l] = (value[l] - mean[l]) * (scale[l] * gamma[l]) + beta[l];
    }
}

impl NormGrad {
    fn pieces(&self) -> usize {
        self.shape.batch.div_ceil(images(&self.shape))
    }

    fn channels<'a>(&self, memory: &'a Memory, m: usize, scratch: &'a mut Buffer) -> Channels<'a> {
        let (mean, variance) = memory.row(self.batch_stats, m).split_at(self.shape.c);
        let gamma = memory.part(self.gamma, self.shape.c, m);
        Channels::new(mean, variance, self.epsilon, gamma, scratch)
    }

    /// The gradient of the input, from [dbeta; C], [dgamma; C] of each member.
    fn grad_input<'a>(
        &self,
        to: InputGrad,
        sums: impl Fn(usize) -> &'a [f32] + Sync,
        memory: &mut Memory,
        workers: &mut Workers,
    ) {
        let s = self.shape;
        let mut dx = memory.take(to.dx);
        workers.run(dx.pieces(images(&s) * s.h * s.w * s.c), |scratch, (m, number, dx)| {
            let channels = self.channels(memory, m, scratch);
            let x = &memory.row(self.x, m)[number * images(&s) * s.h * s.w * s.c..];
            let dout = &memory.row(self.dout, m)[number * images(&s) * s.out_h() * s.out_w() * s.c..];
            let upstream = Upstream {
                dout,
                sums: sums(m),
                put: Put {
                    gate: to.gate,
                    accumulate: to.accumulate,
                },
            };
            grad_input(s, channels, upstream, x, dx);
        });
        memory.put(to.dx, dx);
    }
}

impl Native for NormGrad {
    fn scratch_size(&self, members: usize) -> ScratchSize {
        let c = self.shape.c;
        ScratchSize {
            worker: c.div_ceil(LANES),
            shared: (members * self.pieces() * 2 * c).div_ceil(LANES),
        }
    }

    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let s = self.shape;
        let image = s.out_h() * s.out_w() * s.c;
        let partials = &mut scratch.shared.floats_mut()[..memory.members * self.pieces() * 2 * s.c];
        let tasks = partials.chunks_exact_mut(2 * s.c).enumerate();
        scratch.workers.run(tasks, |scratch, (task, partial)| {
            let (m, number) = (task / self.pieces(), task % self.pieces());
            let channels = self.channels(memory, m, scratch);
            let dout = memory.row(self.dout, m).chunks(images(&s) * image).nth(number);
            let x = &memory.row(self.x, m)[number * images(&s) * s.h * s.w * s.c..];
            partial.fill(0.0);
            grad_param(s, channels, x, dout.expect("as many pieces as tasks"), partial);
        });

        let partials = &mut scratch.shared.floats_mut()[..memory.members * self.pieces() * 2 * s.c];
        let mut grads = memory.take(self.gamma_grad.tensor);
        for (m, partials) in partials.chunks_exact_mut(self.pieces() * 2 * s.c).enumerate() {
            // The first piece becomes the sum of all.
            let (sums, others) = partials.split_at_mut(2 * s.c);
            for partial in others.chunks_exact(2 * s.c) {
                sums.iter_mut().zip(partial).for_each(|(sum, partial)| *sum += partial);
            }
            let (dbeta, dgamma) = sums.split_at(s.c);
            put_grad(
                &mut grads.row_mut(m)[self.beta_grad.offset..][..s.c],
                dbeta,
                self.accumulate,
            );
            put_grad(
                &mut grads.row_mut(m)[self.gamma_grad.offset..][..s.c],
                dgamma,
                self.accumulate,
            );
        }
        memory.put(self.gamma_grad.tensor, grads);
        if let Some(to) = self.input {
            let partials = scratch.shared.floats();
            let sums = |m| &partials[m * self.pieces() * 2 * s.c..][..2 * s.c];
            self.grad_input(to, sums, memory, &mut scratch.workers);
        }
    }
}

simd! {
    /// Adds the sums over x (images,H,W,C) and dout (images,Ho,Wo,C) to [sum of dz; C], [sum of dz xhat; C].
    fn grad_param(s: PoolShape, channels: Channels, x: &[f32], dout: &[f32], sums: &mut [f32]) {
        let (dz_sums, dz_xhat_sums) = sums.split_at_mut(s.c);
        for (line, dout) in dout.chunks_exact(s.out_w() * s.c).enumerate() {
            let x = &x[corner(&s, line)..];
            for (j, dz) in dout.chunks_exact(s.c).enumerate() {
                let x = &x[j * s.pool * s.c..];
                by_channels!(s.c, grad_param_window(&s, channels, x, dz, [&mut *dz_sums, &mut *dz_xhat_sums]));
            }
        }
    }
}

/// One window.
#[inline(always)]
fn grad_param_window<const N: usize>(
    c: usize,
    s: &PoolShape,
    channels: Channels,
    x: &[f32],
    dz: &[f32],
    [dz_sums, dz_xhat_sums]: [&mut [f32]; 2],
) {
    let (mean, scale): (&[f32; N], &[f32; N]) = (at(channels.mean, c), at(channels.scale, c));
    let (value, _) = peak(s, &x[c..], signs::<N>(at(channels.gamma, c)));
    let dz: &[f32; N] = at(dz, c);
    let (dz_sum, dz_xhat_sum): (&mut [f32; N], &mut [f32; N]) = (at_mut(dz_sums, c), at_mut(dz_xhat_sums, c));
    for l in 0..N {
        dz_sum[l] += dz[l];
        dz_xhat_sum[l] += dz[l] * ((value[l] - mean[l]) * scale[l]);
    }
}

/// What the gradient of the input is made of: dout (images,Ho,Wo,C) and [dbeta; C], [dgamma; C]; and how it is written.
#[derive(Clone, Copy)]
struct Upstream<'a> {
    dout: &'a [f32],
    sums: &'a [f32],
    put: Put,
}

simd! {
    /// x and dx (images,H,W,C).
    fn grad_input(s: PoolShape, channels: Channels, upstream: Upstream, x: &[f32], dx: &mut [f32]) {
        let image = s.h * s.w * s.c;
        for (b, (dx, x)) in dx.chunks_exact_mut(image).zip(x.chunks_exact(image)).enumerate() {
            let upstream = Upstream { dout: &upstream.dout[b * s.out_h() * s.out_w() * s.c..], ..upstream };
            for window in windows(&s) {
                by_channels!(s.c, grad_window(&s, window, channels, upstream, x, dx));
            }
        }
    }
}

#[inline(always)]
fn grad_window<const N: usize>(
    c: usize,
    s: &PoolShape,
    (i, j): (usize, usize),
    channels: Channels,
    upstream: Upstream,
    x: &[f32],
    dx: &mut [f32],
) {
    let (mean, scale): (&[f32; N], &[f32; N]) = (at(channels.mean, c), at(channels.scale, c));
    let gamma: &[f32; N] = at(channels.gamma, c);
    let rows = s.rows() as f32;
    let (dbeta, dgamma): (&[f32; N], &[f32; N]) = (at(upstream.sums, c), at(upstream.sums, s.c + c));
    let (dbeta, dgamma): ([f32; N], [f32; N]) = (lanes(|l| dbeta[l] / rows), lanes(|l| dgamma[l] / rows));
    let Upstream { dout, put, .. } = upstream;
    put_back(Window { s, i, j, c }, signs(gamma), x, dout, put, dx, |l, x, dz| {
        let xhat = (x - mean[l]) * scale[l];
        gamma[l] * scale[l] * (dz - (dbeta[l] + xhat * dgamma[l]))
    });
}
