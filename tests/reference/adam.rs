use super::Memory;
use lensgpu::plan::{Adam, log, schedule, state};

// What the update does, as it stands in `state[VERDICT]` and in the log.
const APPLY: f64 = 0.0;
const SKIP: f64 = 1.0;
const RESTORE: f64 = 2.0;
const FROZEN: f64 = 3.0;
/// Added where the result is kept as good.
const KEEP: f64 = 4.0;

/// Gradient norm, verdict, clip and update of a member.
pub fn adam(op: &Adam, memory: &mut Memory, m: usize) {
    let second_loss = op.second_loss.map_or(0.0, |second| memory.row(second, m)[0]);
    let cross_entropy = op.cross_entropy.map_or(0.0, |entropy| memory.row(entropy, m)[0]);
    let loss = memory.row(op.loss, m)[0] + cross_entropy + second_loss;
    let grads = memory.row(op.grads, m).to_vec();
    let norm = grads.iter().map(|g| g * g).sum::<f64>().sqrt();
    let cursor = memory.row(op.state, m)[state::CURSOR] as usize;
    let rate = memory.row(op.schedule, m)[cursor * schedule::WIDTH + schedule::RATE]
        * memory.row(op.state, m)[state::RATE_FACTOR];
    let finite = norm.is_finite() && loss.is_finite() && memory.row(op.stats_next, m).iter().all(|s| s.is_finite());

    let verdict = if memory.row(op.state, m)[state::FROZEN] == 1.0 {
        FROZEN
    } else if finite {
        apply(op, memory, m, &grads, norm, rate)
    } else {
        skip(op, memory, m)
    };

    let state = memory.row_mut(op.state, m);
    state[state::VERDICT] = verdict;
    state[state::CURSOR] += 1.0;
    let [plain, squared_error] = [0, 1].map(|i| memory.row(op.loss, m)[i]);
    let row = [plain, norm, verdict, rate, squared_error, cross_entropy];
    memory.row_mut(op.log, m)[cursor * log::WIDTH..][..log::WIDTH].copy_from_slice(&row);
}

/// w -= lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon), with the gradient clipped to its largest norm.
fn apply(op: &Adam, memory: &mut Memory, m: usize, grads: &[f64], norm: f64, rate: f64) -> f64 {
    let (beta1, beta2, epsilon) = (f64::from(op.beta1), f64::from(op.beta2), f64::from(op.epsilon));
    let clip = if norm > f64::from(op.clip) {
        f64::from(op.clip) / norm
    } else {
        1.0
    };
    let shrink = 1.0 - rate * f64::from(op.decay);
    let state = memory.row_mut(op.state, m);
    if op.decay > 0.0 {
        state[state::SHRINK] = shrink;
    }
    // By recursion, 1 - beta^t without a power.
    state[state::BIAS1] = (1.0 - beta1) + beta1 * state[state::BIAS1];
    state[state::BIAS2] = (1.0 - beta2) + beta2 * state[state::BIAS2];
    let step_size = rate * state[state::BIAS2].sqrt() / state[state::BIAS1];
    state[state::CLIP] = clip;
    state[state::STEP_SIZE] = step_size;
    state[state::TAKEN] += 1.0;
    state[state::SKIPPED_IN_A_ROW] = 0.0;
    state[state::SINCE_GOOD] += 1.0;
    let keep = state[state::SINCE_GOOD] >= f64::from(op.keep_every);
    if keep {
        state[state::SINCE_GOOD] = 0.0;
    }

    for (i, g) in grads.iter().map(|g| clip * g).enumerate() {
        let first = beta1 * memory.row(op.adam_m, m)[i] + (1.0 - beta1) * g;
        let second = beta2 * memory.row(op.adam_v, m)[i] + (1.0 - beta2) * g * g;
        memory.row_mut(op.adam_m, m)[i] = first;
        memory.row_mut(op.adam_v, m)[i] = second;
        if op
            .kernels
            .iter()
            .any(|&(offset, len)| (offset..offset + len).contains(&i))
        {
            memory.row_mut(op.params, m)[i] *= shrink;
        }
        memory.row_mut(op.params, m)[i] -= step_size * first / (second.sqrt() + epsilon);
    }
    let stats = memory.row(op.stats_next, m).to_vec();
    memory.row_mut(op.stats, m).copy_from_slice(&stats);

    if !keep {
        return APPLY;
    }
    let good = [memory.row(op.params, m), memory.row(op.stats, m)].concat();
    memory.row_mut(op.good, m).copy_from_slice(&good);
    APPLY + KEEP
}

/// Nothing changes, until `patience` skips in a row bring the last good weights back.
fn skip(op: &Adam, memory: &mut Memory, m: usize) -> f64 {
    let state = memory.row_mut(op.state, m);
    state[state::SKIPPED] += 1.0;
    state[state::SKIPPED_IN_A_ROW] += 1.0;
    if state[state::SKIPPED_IN_A_ROW] < f64::from(op.patience) {
        return SKIP;
    }
    state[state::SKIPPED_IN_A_ROW] = 0.0;
    state[state::SINCE_GOOD] = 0.0;
    state[state::RESTORED] += 1.0;
    state[state::RATE_FACTOR] *= 0.1;
    state[state::BIAS1] = 0.0;
    state[state::BIAS2] = 0.0;
    let good = memory.row(op.good, m).to_vec();
    let (params, stats) = good.split_at(op.param_stride);
    memory.row_mut(op.params, m).copy_from_slice(params);
    memory.row_mut(op.stats, m).copy_from_slice(stats);
    memory.row_mut(op.adam_m, m).fill(0.0);
    memory.row_mut(op.adam_v, m).fill(0.0);
    RESTORE
}
