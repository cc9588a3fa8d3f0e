//! Gradient norm, verdict, clip and update of every member: the end of a step.
//!
//! If the loss, the gradient or the new running statistics of a member are not finite, the member stays unchanged; after
//! `patience` such steps in a row it returns to its last good weights, with a tenth of the learning rate.

use super::Native;
use super::memory::{Memory, Scratch, ScratchSize};
use super::simd::{LANES, lanes, simd};
use crate::plan::state::{FREEZE, KEEP, RESTORE, SKIP, TAKE};
use crate::plan::{Adam, log, schedule, state};

/// Values per task.
const PIECE: usize = 16_384;

impl Adam {
    fn pieces(&self) -> usize {
        self.param_stride.div_ceil(PIECE)
    }
}

impl Native for Adam {
    fn scratch_size(&self, members: usize) -> ScratchSize {
        ScratchSize {
            worker: 0,
            shared: (members * self.pieces() * 2).div_ceil(LANES),
        }
    }

    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let norms = &mut scratch.shared.floats_mut()[..memory.members * self.pieces() * 2];
        scratch
            .workers
            .run(norms.chunks_exact_mut(2).enumerate(), |_, (task, norm)| {
                let (m, number) = (task / self.pieces(), task % self.pieces());
                let grads = memory
                    .row(self.grads, m)
                    .chunks(PIECE)
                    .nth(number)
                    .expect("as many pieces as tasks");
                norm.copy_from_slice(&scaled_norm(grads));
            });
        for m in 0..memory.members {
            let norms = &scratch.shared.floats()[m * self.pieces() * 2..][..self.pieces() * 2];
            self.judge(memory, m, merged_norm(norms));
        }
        self.update(memory, scratch);
    }
}

simd! {
    /// Largest |g| and sum of (g / largest)^2, which cannot overflow. If a value is not finite, one of the two is not.
    fn scaled_norm(grads: &[f32]) -> [f32; 2] {
        let (whole, rest) = grads.as_chunks::<LANES>();
        let larger = |a: f32, g: f32| if g.abs() <= a { a } else { g.abs() };
        let each = |largest: [f32; LANES], g: &[f32; LANES]| lanes(|l| larger(largest[l], g[l]));
        let largest = whole.iter().fold([0.0; LANES], each).into_iter().chain(rest.iter().copied()).fold(0.0, larger);
        let scale = if largest == 0.0 { 1.0 } else { largest };
        let square = |g: f32| (g / scale) * (g / scale);
        let each = |sum: [f32; LANES], g: &[f32; LANES]| lanes(|l| sum[l] + square(g[l]));
        let sum: f32 = whole.iter().fold([0.0; LANES], each).iter().sum();
        [largest, sum + rest.iter().map(|g| square(*g)).sum::<f32>()]
    }
}

/// The norm of all pieces together.
fn merged_norm(pieces: &[f32]) -> f32 {
    let largest = pieces
        .iter()
        .step_by(2)
        .fold(0.0, |a: f32, b| if *b <= a { a } else { *b });
    let scale = if largest == 0.0 { 1.0 } else { largest };
    let sum: f32 = pieces
        .chunks_exact(2)
        .map(|piece| piece[1] * (piece[0] / scale) * (piece[0] / scale))
        .sum();
    scale * sum.sqrt()
}

impl Adam {
    /// Decides what happens to a member in this step; writes its state and its log.
    fn judge(&self, memory: &mut Memory, m: usize, norm: f32) {
        let second_loss = self.second_loss.map_or(0.0, |second| memory.row(second, m)[0]);
        let [plain, squared_error] = [0, 1].map(|i| memory.row(self.loss, m)[i]);
        let cross_entropy = self.cross_entropy.map_or(0.0, |entropy| memory.row(entropy, m)[0]);
        let loss = plain + cross_entropy + second_loss;
        // The square of a finite gradient may overflow the second moment, unless the gradient is clipped.
        let largest = if self.clip.is_finite() { norm } else { norm * norm };
        let stats = memory.row(self.stats_next, m);
        let finite = largest.is_finite() && loss.is_finite() && stats.iter().all(|s| s.is_finite());
        let cursor = memory.words(self.state, m)[state::CURSOR] as usize;
        let scheduled = memory.row(self.schedule, m)[cursor * schedule::WIDTH + schedule::RATE];

        let state = memory.rows_mut(self.state).words_mut(m);
        let rate = scheduled * f32::from_bits(state[state::RATE_FACTOR]);
        let verdict = if state[state::FROZEN] != 0 {
            FREEZE
        } else if finite {
            self.apply(state, norm, rate)
        } else {
            self.skip(state)
        };
        state[state::VERDICT] = verdict;
        state[state::CURSOR] += 1;
        let row = &mut memory.rows_mut(self.log).row_mut(m)[cursor * log::WIDTH..][..log::WIDTH];
        row.copy_from_slice(&[plain, norm, verdict as f32, rate, squared_error, cross_entropy]);
    }

    fn apply(&self, state: &mut [u32], norm: f32, rate: f32) -> u32 {
        // 1 - beta^t by recurrence: no power, no cancellation.
        let bias1 = (1.0 - self.beta1) + self.beta1 * f32::from_bits(state[state::BIAS1]);
        let bias2 = (1.0 - self.beta2) + self.beta2 * f32::from_bits(state[state::BIAS2]);
        let clip = if norm > self.clip { self.clip / norm } else { 1.0 };
        state[state::BIAS1] = bias1.to_bits();
        state[state::BIAS2] = bias2.to_bits();
        state[state::CLIP] = clip.to_bits();
        state[state::STEP_SIZE] = (rate * bias2.sqrt() / bias1).to_bits();
        if self.decay > 0.0 {
            state[state::SHRINK] = (1.0 - rate * self.decay).to_bits();
        }
        state[state::TAKEN] += 1;
        state[state::SKIPPED_IN_A_ROW] = 0;
        state[state::SINCE_GOOD] += 1;
        if state[state::SINCE_GOOD] < self.keep_every {
            return TAKE;
        }
        state[state::SINCE_GOOD] = 0;
        TAKE + KEEP
    }

    fn skip(&self, state: &mut [u32]) -> u32 {
        state[state::SKIPPED] += 1;
        state[state::SKIPPED_IN_A_ROW] += 1;
        if state[state::SKIPPED_IN_A_ROW] < self.patience {
            return SKIP;
        }
        state[state::SKIPPED_IN_A_ROW] = 0;
        state[state::SINCE_GOOD] = 0;
        state[state::RESTORED] += 1;
        state[state::RATE_FACTOR] = (f32::from_bits(state[state::RATE_FACTOR]) * 0.1).to_bits();
        state[state::BIAS1] = 0;
        state[state::BIAS2] = 0;
        RESTORE
    }

    /// Applies the verdicts.
    fn update(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let [mut params, mut stats] = [self.params, self.stats].map(|tensor| memory.take(tensor));
        let [mut first, mut second, mut good] = [self.adam_m, self.adam_v, self.good].map(|tensor| memory.take(tensor));
        for (m, params) in params.rows_mut().enumerate() {
            let state = memory.words(self.state, m);
            if state[state::VERDICT] % KEEP == TAKE {
                let shrink = f32::from_bits(state[state::SHRINK]);
                let kernels = self.kernels.iter();
                kernels.for_each(|&(offset, len)| params[offset..][..len].iter_mut().for_each(|w| *w *= shrink));
            }
        }
        let moments = first.pieces(PIECE).zip(second.pieces(PIECE));
        let good_params = good
            .rows_mut()
            .flat_map(|good| good[..self.param_stride].chunks_mut(PIECE));
        let tasks = params.pieces(PIECE).zip(moments).zip(good_params);
        scratch.workers.run(
            tasks,
            |_, (((m, number, params), ((_, _, first), (_, _, second))), good)| {
                let state = memory.words(self.state, m);
                match state[state::VERDICT] % KEEP {
                    TAKE => {
                        let [step_size, clip] = [state::STEP_SIZE, state::CLIP].map(|word| f32::from_bits(state[word]));
                        let grads = memory
                            .row(self.grads, m)
                            .chunks(PIECE)
                            .nth(number)
                            .expect("as long as the parameters");
                        descend(self, step_size, clip, grads, [&mut *params, first, second]);
                        if state[state::VERDICT] >= KEEP {
                            good.copy_from_slice(params);
                        }
                    }
                    RESTORE => {
                        params.copy_from_slice(good);
                        first.fill(0.0);
                        second.fill(0.0);
                    }
                    _ => {}
                }
            },
        );
        for (m, (stats, good)) in stats.rows_mut().zip(good.rows_mut()).enumerate() {
            let verdict = memory.words(self.state, m)[state::VERDICT];
            let good = &mut good[self.param_stride..];
            match verdict % KEEP {
                TAKE => {
                    stats.copy_from_slice(memory.row(self.stats_next, m));
                    if verdict >= KEEP {
                        good.copy_from_slice(stats);
                    }
                }
                RESTORE => stats.copy_from_slice(good),
                _ => {}
            }
        }
        let taken = [params, stats, first, second, good];
        let tensors = [self.params, self.stats, self.adam_m, self.adam_v, self.good];
        tensors
            .into_iter()
            .zip(taken)
            .for_each(|(tensor, rows)| memory.put(tensor, rows));
    }
}

simd! {
    /// Updates a piece of a member's parameters and of both moments.
    fn descend(adam: &Adam, step_size: f32, clip: f32, grads: &[f32], values: [&mut [f32]; 3]) {
        let [params, first, second] = values;
        for (((w, m), v), g) in params.iter_mut().zip(first).zip(second).zip(grads) {
            let g = clip * g;
            *m = adam.beta1 * *m + (1.0 - adam.beta1) * g;
            *v = adam.beta2 * *v + (1.0 - adam.beta2) * g * g;
            *w -= step_size * *m / (v.sqrt() + adam.epsilon);
        }
    }
}
