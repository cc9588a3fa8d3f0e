//! Batch norm, and the max pooling right behind it.
//!
//! With a pooling, the output of the norm itself is never stored: it is largest at the largest x if gamma > 0, at the
//! smallest x if gamma < 0, and at the first x of a window if gamma = 0.

use super::memory::{Memory, Scratch, ScratchSize, Workers};
use super::pool::{Derivative, Line, Put, by_channels, by_pool, corner, images, lines, peak, put_back};
use super::simd::{LANES, One, Vector, simd};
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
    fn new(mean: &'a [f32], variance: &[f32], epsilon: f32, gamma: &'a [f32], scratch: &'a mut [f32]) -> Channels<'a> {
        let scale = &mut scratch[..mean.len()];
        scale
            .iter_mut()
            .zip(variance)
            .for_each(|(scale, variance)| *scale = 1.0 / (variance + epsilon).sqrt());
        Channels { mean, scale, gamma }
    }
}

/// 1 if the norm is largest at the largest x, -1 if at the smallest x, 0 if it is the same for all x.
#[inline(always)]
fn signs<S: Vector>(gamma: S::V) -> S::V {
    let zero = S::splat(0.0);
    let negative = S::select(S::above(zero, gamma), S::splat(-1.0), zero);
    S::select(S::above(gamma, zero), S::splat(1.0), negative)
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
                let channels = Channels::new(mean, variance, self.epsilon, gamma, scratch.floats_mut());
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
        by_pool!(s => for (line, out) in out.chunks_exact_mut(s.out_w() * s.c).enumerate() {
            let x = &x[corner(&s, line)..];
            by_channels!(s.c, forward_line(&s, channels, beta, x, out));
        });
    }
}

/// One line of windows.
#[inline(always)]
fn forward_line<S: Vector>(c: usize, s: &PoolShape, channels: Channels, beta: &[f32], x: &[f32], out: &mut [f32]) {
    let (mean, beta) = (S::read(channels.mean, c), S::read(beta, c));
    let gamma = S::read(channels.gamma, c);
    let (sign, slope) = (signs::<S>(gamma), S::mul(S::read(channels.scale, c), gamma));
    for (j, out) in out.chunks_exact_mut(s.c).enumerate() {
        let (value, _) = peak::<S>(s, &x[j * s.pool * s.c + c..], sign);
        S::write(S::add(S::mul(S::sub(value, mean), slope), beta), out, c);
    }
}

impl NormGrad {
    fn pieces(&self) -> usize {
        self.shape.batch.div_ceil(images(&self.shape))
    }

    fn channels<'a>(&self, memory: &'a Memory, m: usize, scratch: &'a mut [f32]) -> Channels<'a> {
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
        let rows = s.rows() as f32;
        let mut dx = memory.take(to.dx);
        workers.run(dx.pieces(images(&s) * s.h * s.w * s.c), |scratch, (m, number, dx)| {
            let (scale, slopes) = scratch.floats_mut().split_at_mut(s.c);
            let channels = self.channels(memory, m, scale);
            let (dbeta, dgamma) = sums(m).split_at(s.c);
            let (slope, rest) = slopes.split_at_mut(s.c);
            let (level, tilt) = rest.split_at_mut(s.c);
            for c in 0..s.c {
                slope[c] = channels.gamma[c] * channels.scale[c];
                level[c] = slope[c] * (dbeta[c] / rows);
                tilt[c] = slope[c] * channels.scale[c] * (dgamma[c] / rows);
            }
            let slopes = Slopes {
                gamma: channels.gamma,
                mean: channels.mean,
                slope,
                level,
                tilt,
            };
            let put = Put {
                gate: to.gate,
                accumulate: to.accumulate,
            };
            let x = &memory.row(self.x, m)[number * images(&s) * s.h * s.w * s.c..];
            let dout = &memory.row(self.dout, m)[number * images(&s) * s.out_h() * s.out_w() * s.c..];
            grad_input(s, slopes, put, x, dout, dx);
        });
        memory.put(to.dx, dx);
    }
}

impl Native for NormGrad {
    fn scratch_size(&self, members: usize) -> ScratchSize {
        let c = self.shape.c;
        ScratchSize {
            worker: (4 * c).div_ceil(LANES),
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
            let channels = self.channels(memory, m, scratch.floats_mut());
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
        by_pool!(s => for (line, dout) in dout.chunks_exact(s.out_w() * s.c).enumerate() {
            let x = &x[corner(&s, line)..];
            by_channels!(s.c, grad_param_line(&s, channels, x, dout, sums));
        });
    }
}

/// One line of windows.
#[inline(always)]
fn grad_param_line<S: Vector>(c: usize, s: &PoolShape, channels: Channels, x: &[f32], dout: &[f32], sums: &mut [f32]) {
    let (mean, scale) = (S::read(channels.mean, c), S::read(channels.scale, c));
    let sign = signs::<S>(S::read(channels.gamma, c));
    let (mut dz_sum, mut dz_xhat_sum) = (S::read(sums, c), S::read(sums, s.c + c));
    for (j, dz) in dout.chunks_exact(s.c).enumerate() {
        let (value, _) = peak::<S>(s, &x[j * s.pool * s.c + c..], sign);
        let dz = S::read(dz, c);
        dz_sum = S::add(dz_sum, dz);
        dz_xhat_sum = S::add(dz_xhat_sum, S::mul(dz, S::mul(S::sub(value, mean), scale)));
    }
    S::write(dz_sum, sums, c);
    S::write(dz_xhat_sum, sums, s.c + c);
}

/// dx = slope dz - (level + tilt (x - mean)), (C) each.
#[derive(Clone, Copy)]
struct Slopes<'a> {
    gamma: &'a [f32],
    mean: &'a [f32],
    slope: &'a [f32],
    level: &'a [f32],
    tilt: &'a [f32],
}

/// The same for some channels.
struct Slope<V> {
    mean: V,
    slope: V,
    level: V,
    tilt: V,
}

impl<S: Vector> Derivative<S> for Slope<S::V> {
    #[inline(always)]
    fn of(&self, x: S::V, dz: S::V) -> S::V {
        let level = S::mul_add(self.tilt, S::sub(x, self.mean), self.level);
        S::sub(S::mul(self.slope, dz), level)
    }
}

simd! {
    /// x and dx (images,H,W,C), dout (images,Ho,Wo,C).
    fn grad_input(s: PoolShape, slopes: Slopes, put: Put, x: &[f32], dout: &[f32], dx: &mut [f32]) {
        by_pool!(s => for mut line in lines(&s, x, dout, dx) {
            by_channels!(s.c, grad_line(&s, &mut line, slopes, put));
        });
    }
}

/// One line of windows.
#[inline(always)]
fn grad_line<S: Vector>(c: usize, s: &PoolShape, line: &mut Line, slopes: Slopes, put: Put) {
    let slope = Slope {
        mean: S::read(slopes.mean, c),
        slope: S::read(slopes.slope, c),
        level: S::read(slopes.level, c),
        tilt: S::read(slopes.tilt, c),
    };
    put_back::<S>(c, s, line, signs::<S>(S::read(slopes.gamma, c)), put, slope);
}
