// The end of a step: gradient norm, verdict, clip and update of every member.
//
// adam_norm     grads (M,P), stats_next (M,S)  ->  partials (M,CHUNKS): largest |g|, sum of (g / largest)^2, 1 if any is not finite
// adam_verdict  partials, losses, state        ->  state: take, skip or restore; clip factor, step size; a row of the log
// adam_decay    state                          ->  a kernel of params, if weights decay
// adam_update   state, grads                   ->  params, stats, m, v, good
//
// w -= lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon) (Kingma & Ba 2015, in Keras' form).
//
// A member whose loss, gradient or new running statistics are not finite skips the step; after PATIENCE skipped steps in a
// row it returns to its last good weights, with a tenth of the learning rate. The host is not involved.

#import shared/finite

#entry adam_norm
// A workgroup reads 4,096 values, 16 per thread. It adds up the squares of g / largest, which cannot overflow.
@group(0) @binding(0) var<storage, read> grads: array<f32>;
@group(0) @binding(1) var<storage, read> stats_next: array<f32>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;

var<workgroup> sh_largest: array<f32, 256>;
var<workgroup> sh_sum: array<f32, 256>;
var<workgroup> sh_broken: array<u32, 256>;

@compute @workgroup_size(256)
fn adam_norm(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let member = group.z;
    let chunk = group.x + group.y * GRID_X;
    var broken = 0u;
    var largest = 0.0;
#for k in 0..16
    var g_$k = 0.0;
    let at_$k = chunk * 4096u + ${k}u * 256u + thread;
    if (at_$k < PARAM_STRIDE) {
        g_$k = grads[member * PARAM_STRIDE + at_$k];
        broken |= select(1u, 0u, is_finite(g_$k));
    } else if (at_$k < ${PARAM_STRIDE + STAT_STRIDE}u) {
        broken |= select(1u, 0u, is_finite(stats_next[member * STAT_STRIDE + at_$k - PARAM_STRIDE]));
    }
    largest = max(largest, abs(g_$k));
#endfor
    sh_largest[thread] = largest;
    sh_broken[thread] = broken;
    for (var half = 128u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (thread < half) {
            sh_largest[thread] = max(sh_largest[thread], sh_largest[thread + half]);
            sh_broken[thread] |= sh_broken[thread + half];
        }
    }
    workgroupBarrier();
    largest = sh_largest[0];
    let scale = select(1.0, largest, largest > 0.0);
    var sum = 0.0;
#for k in 0..16
    let r_$k = g_$k / scale;
    sum += r_$k * r_$k;
#endfor
    sh_sum[thread] = sum;
    for (var half = 128u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (thread < half) {
            sh_sum[thread] += sh_sum[thread + half];
        }
    }
    if (thread == 0u && chunk < CHUNKS) {
        let at = (member * CHUNKS + chunk) * 3u;
        partials[at] = largest;
        partials[at + 1u] = sh_sum[0];
        partials[at + 2u] = f32(sh_broken[0]);
    }
}

#entry adam_verdict
// One thread per member: a few dozen values per step.
@group(0) @binding(0) var<storage, read> partials: array<f32>;
@group(0) @binding(1) var<storage, read> loss: array<f32>;
@group(0) @binding(2) var<storage, read> schedule: array<f32>;
@group(0) @binding(3) var<storage, read_write> state: array<u32>;
@group(0) @binding(4) var<storage, read_write> log_rows: array<f32>;
#if CROSS_ENTROPY
@group(0) @binding(5) var<storage, read> cross_entropy: array<f32>;
#endif
#if TWO_LOSSES
@group(0) @binding(${5 + CROSS_ENTROPY}) var<storage, read> second_loss: array<f32>;
#endif

fn real(at: u32) -> f32 {
    return bitcast<f32>(state[at]);
}

@compute @workgroup_size(1)
fn adam_verdict(@builtin(workgroup_id) group: vec3<u32>) {
    let member = group.z;
    let at = member * STATE_WORDS;
    var largest = 0.0;
    var broken = false;
    for (var chunk = 0u; chunk < CHUNKS; chunk++) {
        let first = (member * CHUNKS + chunk) * 3u;
        largest = max(largest, partials[first]);
        broken |= partials[first + 2u] != 0.0;
    }
    let scale = select(1.0, largest, largest > 0.0);
    var sum = 0.0;
    for (var chunk = 0u; chunk < CHUNKS; chunk++) {
        let first = (member * CHUNKS + chunk) * 3u;
        let ratio = partials[first] / scale;
        sum += partials[first + 1u] * ratio * ratio;
    }
    let norm = scale * sqrt(sum);
    var total = loss[2u * member];
#if CROSS_ENTROPY
    total += cross_entropy[member];
#endif
#if TWO_LOSSES
    total += second_loss[2u * member];
#endif
    broken |= !is_finite(total);
    // Unless they are clipped, even finite gradients can overflow the second moment.
#if CLIPPED
    broken |= !is_finite(norm);
#else
    broken |= !is_finite(norm * norm);
#endif

    let cursor = state[at + CURSOR];
    let rate = schedule[cursor * SCHEDULE_WIDTH + RATE] * real(at + RATE_FACTOR);
    var verdict = TAKE;
    if (state[at + FROZEN] != 0u) {
        verdict = FREEZE;
    } else if (broken) {
        verdict = SKIP;
        state[at + SKIPPED] += 1u;
        state[at + SKIPPED_IN_A_ROW] += 1u;
        if (state[at + SKIPPED_IN_A_ROW] >= PATIENCE) {
            verdict = RESTORE;
            state[at + RESTORED] += 1u;
            state[at + SKIPPED_IN_A_ROW] = 0u;
            state[at + SINCE_GOOD] = 0u;
            state[at + RATE_FACTOR] = bitcast<u32>(real(at + RATE_FACTOR) * 0.1);
            state[at + BIAS1] = 0u;
            state[at + BIAS2] = 0u;
        }
    } else {
        // 1 - beta^t by recurrence: without a power and without cancellation.
        let bias1 = (1.0 - BETA1) + BETA1 * real(at + BIAS1);
        let bias2 = (1.0 - BETA2) + BETA2 * real(at + BIAS2);
        state[at + BIAS1] = bitcast<u32>(bias1);
        state[at + BIAS2] = bitcast<u32>(bias2);
        state[at + STEP_SIZE] = bitcast<u32>(rate * sqrt(bias2) / bias1);
#if CLIPPED
        state[at + CLIP] = bitcast<u32>(select(1.0, MAX_NORM / norm, norm > MAX_NORM));
#else
        state[at + CLIP] = bitcast<u32>(1.0);
#endif
#if DECAYED
        state[at + SHRINK] = bitcast<u32>(1.0 - rate * DECAY);
#endif
        state[at + TAKEN] += 1u;
        state[at + SKIPPED_IN_A_ROW] = 0u;
        state[at + SINCE_GOOD] += 1u;
        if (state[at + SINCE_GOOD] >= KEEP_EVERY) {
            state[at + SINCE_GOOD] = 0u;
            verdict += KEEP;
        }
    }
    state[at + VERDICT] = verdict;
    let row = member * LOG_STRIDE + cursor * LOG_WIDTH;
    log_rows[row] = loss[2u * member];
    log_rows[row + 1u] = norm;
    log_rows[row + 2u] = f32(verdict);
    log_rows[row + 3u] = rate;
    log_rows[row + 4u] = loss[2u * member + 1u];
#if CROSS_ENTROPY
    log_rows[row + 5u] = cross_entropy[member];
#else
    log_rows[row + 5u] = 0.0;
#endif
    state[at + CURSOR] = cursor + 1u;
}

#entry adam_decay
// Each thread shrinks one value of a kernel (Loshchilov & Hutter 2019).
@group(0) @binding(0) var<storage, read> state: array<u32>;
@group(0) @binding(1) var<storage, read_write> params: array<f32>;

@compute @workgroup_size(256)
fn adam_decay(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (group.x + group.y * GRID_X) * 256u + thread;
    let word = group.z * STATE_WORDS;
    if (at < LEN && state[word + VERDICT] % KEEP == TAKE) {
        params[group.z * PARAM_STRIDE + OFFSET + at] *= bitcast<f32>(state[word + SHRINK]);
    }
}

#entry adam_update
// Each thread updates one trainable value or one running statistic.
@group(0) @binding(0) var<storage, read> state: array<u32>;
@group(0) @binding(1) var<storage, read> grads: array<f32>;
@group(0) @binding(2) var<storage, read> stats_next: array<f32>;
@group(0) @binding(3) var<storage, read_write> params: array<f32>;
@group(0) @binding(4) var<storage, read_write> stats: array<f32>;
@group(0) @binding(5) var<storage, read_write> m: array<f32>;
@group(0) @binding(6) var<storage, read_write> v: array<f32>;
@group(0) @binding(7) var<storage, read_write> good: array<f32>;

@compute @workgroup_size(256)
fn adam_update(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let member = group.z;
    let at = (group.x + group.y * GRID_X) * 256u + thread;
    let word = member * STATE_WORDS;
    let verdict = state[word + VERDICT] % KEEP;
    let keep = state[word + VERDICT] >= KEEP;
    let good_at = member * ${PARAM_STRIDE + STAT_STRIDE}u + at;
    if (at < PARAM_STRIDE) {
        let k = member * PARAM_STRIDE + at;
        if (verdict == TAKE) {
            let g = grads[k] * bitcast<f32>(state[word + CLIP]);
            let m_new = BETA1 * m[k] + (1.0 - BETA1) * g;
            let v_new = BETA2 * v[k] + (1.0 - BETA2) * g * g;
            let w = params[k] - bitcast<f32>(state[word + STEP_SIZE]) * m_new / (sqrt(v_new) + EPSILON);
            m[k] = m_new;
            v[k] = v_new;
            params[k] = w;
            if (keep) {
                good[good_at] = w;
            }
        } else if (verdict == RESTORE) {
            params[k] = good[good_at];
            m[k] = 0.0;
            v[k] = 0.0;
        }
    } else if (at < ${PARAM_STRIDE + STAT_STRIDE}u) {
        let k = member * STAT_STRIDE + at - PARAM_STRIDE;
        if (verdict == TAKE) {
            stats[k] = stats_next[k];
            if (keep) {
                good[good_at] = stats_next[k];
            }
        } else if (verdict == RESTORE) {
            stats[k] = good[good_at];
        }
    }
}
