// Batch norm and the max pooling right behind it (none if POOL = 1).
//
// norm_stats      x (M,B,H,W,C)         ->  partials of pieces of the rows: mean and M2 of each channel
// norm_stats_sum  partials              ->  batch (M,2,C): mean, biased variance; next: running statistics;
//                                           FIXABLE: in a step that fixes the statistics, batch = next = before
// norm_forward    x, mean and variance  ->  out (M,B,OUT_H,OUT_W,C) = maxpool(gamma (x - mean) / sqrt(var + eps) + beta)
// norm_grad_param x, dout               ->  partials of pieces: sum of dz, sum of dz xhat
// norm_grad_sum   partials              ->  sums (M,2,C), and the gradients of beta and gamma;
//                                           FIXABLE: in a step that fixes the statistics, sums = 0
// norm_grad_input x, dout, sums         ->  grad_x = gamma / sqrt(var + eps) (dz - (dbeta + xhat dgamma) / rows);
//                                           GATE: only where x > 0; ACCUMULATE: added to what is there
//
// dz, the gradient at the norm's own output, is dout at the maximum of each window (of equal values the first in row-major
// order), else 0. The norm's output is a x + b, so its maximum is at the largest x if a > 0, at the smallest if a < 0, and
// at the first if a = 0: the norm's output is never stored. Each thread works on LANE channels at a time.

#import shared/channels

#entry norm_stats norm_grad_param
// A workgroup adds up ROWS rows of up to LANES blocks of channels, TURNS = workgroup size / LANES rows at a time.
#let TILES = (BLOCKS + LANES - 1) / LANES
#let TURNS = 256 / LANES

#entry norm_stats
@group(0) @binding(0) var<storage, read> x: array<V>;
// (M, PIECES, 2, BLOCKS).
@group(0) @binding(1) var<storage, read_write> partials: array<V>;

var<workgroup> sh_count: array<f32, 256>;
var<workgroup> sh_mean: array<V, 256>;
var<workgroup> sh_m2: array<V, 256>;

@compute @workgroup_size(256)
fn norm_stats(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let member = group.z;
    let piece = (group.x + group.y * GRID_X) / ${TILES}u;
    let block = (group.x + group.y * GRID_X) % ${TILES}u * LANES + thread % LANES;
    let turn = thread / LANES;
    let end = min((piece + 1u) * ROWS, ALL_ROWS);
    var count = 0.0;
    var mean = V(0.0);
    var m2 = V(0.0);
    if (turn < ${TURNS}u && block < ${BLOCKS}u) {
        // Eight rows at a time: their own mean and M2, computed in registers, then merged (Chan et al. 1979).
        for (var row = piece * ROWS + turn; row < end; row += ${8 * TURNS}u) {
            let first = member * ${X_STRIDE / LANE}u + row * ${BLOCKS}u + block;
#for k in 0..8
            var x_$k = V(0.0);
            let has_$k = row + ${k * TURNS}u < end;
            if (has_$k) {
                x_$k = x[first + ${k * TURNS * BLOCKS}u];
            }
#endfor
            var n = 0.0;
            var sum = V(0.0);
#for k in 0..8
            n += select(0.0, 1.0, has_$k);
            sum += x_$k;
#endfor
            let centre = sum / n;
            var squares = V(0.0);
#for k in 0..8
            let d_$k = select(V(0.0), x_$k - centre, has_$k);
            squares += d_$k * d_$k;
#endfor
            let delta = centre - mean;
            let all = count + n;
            mean += delta * (n / all);
            m2 += squares + delta * delta * (count * n / all);
            count = all;
        }
    }
    sh_count[thread] = count;
    sh_mean[thread] = mean;
    sh_m2[thread] = m2;
    for (var half = TREE; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (turn < half && turn + half < ${TURNS}u) {
            let other = thread + half * LANES;
            let n = sh_count[other];
            let all = sh_count[thread] + n;
            if (n > 0.0) {
                let delta = sh_mean[other] - sh_mean[thread];
                sh_m2[thread] += sh_m2[other] + delta * delta * (sh_count[thread] * n / all);
                sh_mean[thread] += delta * (n / all);
                sh_count[thread] = all;
            }
        }
    }
    if (turn == 0u && block < ${BLOCKS}u && piece < PIECES) {
        let at = (member * PIECES + piece) * ${2 * BLOCKS}u + block;
        partials[at] = sh_mean[thread];
        partials[at + ${BLOCKS}u] = sh_m2[thread];
    }
}

#entry norm_stats_sum
@group(0) @binding(0) var<storage, read> partials: array<V>;
@group(0) @binding(1) var<storage, read_write> batch_stats: array<V>;
#if FIRST
@group(0) @binding(2) var<storage, read> before: array<f32>;
@group(0) @binding(3) var<storage, read_write> next: array<f32>;
#let STEP = 4
#else
@group(0) @binding(2) var<storage, read_write> next: array<f32>;
#let STEP = 3
#endif

var<workgroup> sh_count: array<f32, 64>;
var<workgroup> sh_mean: array<V, 64>;
var<workgroup> sh_m2: array<V, 64>;

#if FIXABLE
@group(0) @binding(${STEP}) var<storage, read> schedule: array<f32>;
@group(0) @binding(${STEP + 1}) var<storage, read> state: array<u32>;
#endif

// Updates a running statistic. Returns the value that this step normalises with.
fn running(member: u32, at: u32, value: f32) -> f32 {
#if FIRST
    let last = before[at];
#else
    let last = next[at];
#endif
#if FIXABLE
    if (schedule[state[member * STATE_WORDS + CURSOR] * SCHEDULE_WIDTH + FIX_STATISTICS] != 0.0) {
        next[at] = last;
        return last;
    }
#endif
    next[at] = MOMENTUM * last + (1.0 - MOMENTUM) * value;
    return value;
}

@compute @workgroup_size(64)
fn norm_stats_sum(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let member = group.z;
    // The grid may have a few workgroups too many; those compute the last block again and store nothing.
    let index = group.x + group.y * GRID_X;
    let block = min(index, ${BLOCKS - 1}u);
    var count = 0.0;
    var mean = V(0.0);
    var m2 = V(0.0);
    for (var piece = thread; piece < PIECES; piece += 64u) {
        let at = (member * PIECES + piece) * ${2 * BLOCKS}u + block;
        let n = f32(min((piece + 1u) * ROWS, ALL_ROWS) - piece * ROWS);
        let delta = partials[at] - mean;
        let all = count + n;
        mean += delta * (n / all);
        m2 += partials[at + ${BLOCKS}u] + delta * delta * (count * n / all);
        count = all;
    }
    sh_count[thread] = count;
    sh_mean[thread] = mean;
    sh_m2[thread] = m2;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (thread < half) {
            let n = sh_count[thread + half];
            let all = sh_count[thread] + n;
            if (n > 0.0) {
                let delta = sh_mean[thread + half] - sh_mean[thread];
                sh_m2[thread] += sh_m2[thread + half] + delta * delta * (sh_count[thread] * n / all);
                sh_mean[thread] += delta * (n / all);
                sh_count[thread] = all;
            }
        }
    }
    if (thread == 0u && index == block) {
        mean = sh_mean[0];
        var variance = sh_m2[0] / f32(ALL_ROWS);
        let at = member * STAT_STRIDE + block * ${LANE}u;
#if LANE == 4
#for c in 0..4
        mean[$c] = running(member, at + MEAN + ${c}u, mean[$c]);
        variance[$c] = running(member, at + VARIANCE + ${c}u, variance[$c]);
#endfor
#else
        mean = running(member, at + MEAN, mean);
        variance = running(member, at + VARIANCE, variance);
#endif
        batch_stats[member * ${2 * BLOCKS}u + block] = mean;
        batch_stats[member * ${2 * BLOCKS}u + ${BLOCKS}u + block] = variance;
    }
}

#entry norm_forward norm_grad_param norm_grad_input
// Mean, 1 / sqrt(variance + epsilon) and gamma of the channels of a thread.
struct Channel {
    mean: V,
    scale: V,
    gamma: V,
}

@group(0) @binding(0) var<storage, read> x: array<V>;
@group(0) @binding(1) var<storage, read> stats: array<f32>;
@group(0) @binding(2) var<storage, read> params: array<f32>;

fn statistic(member: u32, first: u32, block: u32) -> V {
    let at = member * STAT_STRIDE + first + block * ${LANE}u;
#if LANE == 4
    return V(stats[at], stats[at + 1u], stats[at + 2u], stats[at + 3u]);
#else
    return stats[at];
#endif
}

fn parameter(member: u32, first: u32, block: u32) -> V {
    let at = member * PARAM_STRIDE + first + block * ${LANE}u;
#if LANE == 4
    return V(params[at], params[at + 1u], params[at + 2u], params[at + 3u]);
#else
    return params[at];
#endif
}

fn channel(member: u32, block: u32) -> Channel {
    let scale = 1.0 / sqrt(statistic(member, VARIANCE, block) + V(EPSILON));
    return Channel(statistic(member, MEAN, block), scale, parameter(member, GAMMA, block));
}

#import shared/peak

// The first value of window (image, oi, oj).
fn corner_of(member: u32, image: u32, oi: u32, oj: u32, block: u32) -> u32 {
    return member * ${X_STRIDE / LANE}u + ((image * H + oi * POOL) * W + oj * POOL) * ${BLOCKS}u + block;
}

#entry norm_forward
// Each thread computes PER windows of the same channels; the workgroup moves on by TURNS windows at a time.
@group(0) @binding(3) var<storage, read_write> out: array<V>;

#let WINDOWS = BATCH * OUT_H * OUT_W
#let TURNS = 256 / LANES
#let TILES = (BLOCKS + LANES - 1) / LANES

@compute @workgroup_size(256)
fn norm_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let member = group.z;
    let piece = (group.x + group.y * GRID_X) / ${TILES}u;
    let block = (group.x + group.y * GRID_X) % ${TILES}u * LANES + thread % LANES;
    let turn = thread / LANES;
    if (turn < ${TURNS}u && block < ${BLOCKS}u) {
        let c = channel(member, block);
        let beta = parameter(member, BETA, block);
        for (var k = 0u; k < PER; k++) {
            let window = (piece * PER + k) * ${TURNS}u + turn;
            if (window < ${WINDOWS}u) {
                let corner = corner_of(member, window / ${OUT_W * OUT_H}u, window / OUT_W % OUT_H, window % OUT_W, block);
                let value = peak(corner, c.gamma).value;
                out[member * ${OUT_STRIDE / LANE}u + window * ${BLOCKS}u + block] = (value - c.mean) * (c.scale * c.gamma) + beta;
            }
        }
    }
}

#entry norm_grad_param
@group(0) @binding(3) var<storage, read> dout: array<V>;
// (M, PIECES, 2, BLOCKS).
@group(0) @binding(4) var<storage, read_write> partials: array<V>;

var<workgroup> sh_dz: array<V, 256>;
var<workgroup> sh_dz_xhat: array<V, 256>;

@compute @workgroup_size(256)
fn norm_grad_param(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let member = group.z;
    let piece = (group.x + group.y * GRID_X) / ${TILES}u;
    let block = (group.x + group.y * GRID_X) % ${TILES}u * LANES + thread % LANES;
    let turn = thread / LANES;
    let end = min((piece + 1u) * ROWS, ${BATCH * OUT_H * OUT_W}u);
    var dz_sum = V(0.0);
    var dz_xhat_sum = V(0.0);
    if (turn < ${TURNS}u && block < ${BLOCKS}u) {
        let c = channel(member, block);
        for (var window = piece * ROWS + turn; window < end; window += ${TURNS}u) {
            let corner = corner_of(member, window / ${OUT_W * OUT_H}u, window / OUT_W % OUT_H, window % OUT_W, block);
            let dz = dout[member * ${OUT_STRIDE / LANE}u + window * ${BLOCKS}u + block];
            dz_sum += dz;
            dz_xhat_sum += dz * ((peak(corner, c.gamma).value - c.mean) * c.scale);
        }
    }
    sh_dz[thread] = dz_sum;
    sh_dz_xhat[thread] = dz_xhat_sum;
    for (var half = TREE; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (turn < half && turn + half < ${TURNS}u) {
            sh_dz[thread] += sh_dz[thread + half * LANES];
            sh_dz_xhat[thread] += sh_dz_xhat[thread + half * LANES];
        }
    }
    if (turn == 0u && block < ${BLOCKS}u && piece < PIECES) {
        let at = (member * PIECES + piece) * ${2 * BLOCKS}u + block;
        partials[at] = sh_dz[thread];
        partials[at + ${BLOCKS}u] = sh_dz_xhat[thread];
    }
}

#entry norm_grad_sum
@group(0) @binding(0) var<storage, read> partials: array<V>;
@group(0) @binding(1) var<storage, read_write> sums: array<V>;
@group(0) @binding(2) var<storage, read_write> grads: array<f32>;
#if FIXABLE
@group(0) @binding(3) var<storage, read> schedule: array<f32>;
@group(0) @binding(4) var<storage, read> state: array<u32>;
#endif

var<workgroup> sh_dz: array<V, 64>;
var<workgroup> sh_dz_xhat: array<V, 64>;

fn gradient(at: u32, value: f32) {
#if ACCUMULATE
    grads[at] += value;
#else
    grads[at] = value;
#endif
}

@compute @workgroup_size(64)
fn norm_grad_sum(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let member = group.z;
    // The grid may have a few workgroups too many; those compute the last block again and store nothing.
    let index = group.x + group.y * GRID_X;
    let block = min(index, ${BLOCKS - 1}u);
    var dz = V(0.0);
    var dz_xhat = V(0.0);
    for (var piece = thread; piece < PIECES; piece += 64u) {
        let at = (member * PIECES + piece) * ${2 * BLOCKS}u + block;
        dz += partials[at];
        dz_xhat += partials[at + ${BLOCKS}u];
    }
    sh_dz[thread] = dz;
    sh_dz_xhat[thread] = dz_xhat;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (thread < half) {
            sh_dz[thread] += sh_dz[thread + half];
            sh_dz_xhat[thread] += sh_dz_xhat[thread + half];
        }
    }
    if (thread == 0u && index == block) {
        dz = sh_dz[0];
        dz_xhat = sh_dz_xhat[0];
        let sum = member * ${2 * BLOCKS}u + block;
        sums[sum] = dz;
        sums[sum + ${BLOCKS}u] = dz_xhat;
#if FIXABLE
        if (schedule[state[member * STATE_WORDS + CURSOR] * SCHEDULE_WIDTH + FIX_STATISTICS] != 0.0) {
            sums[sum] = V(0.0);
            sums[sum + ${BLOCKS}u] = V(0.0);
        }
#endif
        let at = member * GRAD_STRIDE + block * ${LANE}u;
#if LANE == 4
#for c in 0..4
        gradient(at + BETA + ${c}u, dz[$c]);
        gradient(at + GAMMA + ${c}u, dz_xhat[$c]);
#endfor
#else
        gradient(at + BETA, dz);
        gradient(at + GAMMA, dz_xhat);
#endif
    }
}

#entry norm_grad_input
// Each thread computes one window. In the remainder dz = 0, but there is a gradient through the statistics.
@group(0) @binding(3) var<storage, read> dout: array<V>;
@group(0) @binding(4) var<storage, read> sums: array<V>;
@group(0) @binding(5) var<storage, read_write> grad_x: array<V>;

#let WINDOWS_H = (H + POOL - 1) / POOL
#let WINDOWS_W = (W + POOL - 1) / POOL

@compute @workgroup_size(256)
fn norm_grad_input(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let member = group.z;
    let at = (group.x + group.y * GRID_X) * 256u + thread;
    if (at < ${BATCH * WINDOWS_H * WINDOWS_W * BLOCKS}u) {
        let block = at % ${BLOCKS}u;
        let window = at / ${BLOCKS}u;
        let oj = window % ${WINDOWS_W}u;
        let oi = window / ${WINDOWS_W}u % ${WINDOWS_H}u;
        let image = window / ${WINDOWS_W * WINDOWS_H}u;
        let corner = corner_of(member, image, oi, oj, block);
        let to = member * ${GRAD_X_STRIDE / LANE}u + corner - member * ${X_STRIDE / LANE}u;

        let c = channel(member, block);
        let dbeta = sums[member * ${2 * BLOCKS}u + block] / f32(BATCH * H * W);
        let dgamma = sums[member * ${2 * BLOCKS}u + ${BLOCKS}u + block] / f32(BATCH * H * W);
        var gradient = V(0.0);
        // A number that no value of a window has.
        var place = Index(${POOL * POOL}u);
        if (oi < OUT_H && oj < OUT_W) {
            gradient = dout[member * ${OUT_STRIDE / LANE}u + ((image * OUT_H + oi) * OUT_W + oj) * ${BLOCKS}u + block];
            place = peak(corner, c.gamma).place;
        }
        for (var k = 0u; k < ${POOL * POOL}u; k++) {
            if (oi * POOL + k / POOL < H && oj * POOL + k % POOL < W) {
                let step = (k / POOL * W + k % POOL) * ${BLOCKS}u;
                let value = x[corner + step];
                let dz = select(V(0.0), gradient, place == Index(k));
                let xhat = (value - c.mean) * c.scale;
                var result = c.gamma * c.scale * (dz - (dbeta + xhat * dgamma));
#if GATE
                result = select(V(0.0), result, value > V(0.0));
#endif
#if ACCUMULATE
                grad_x[to + step] += result;
#else
                grad_x[to + step] = result;
#endif
            }
        }
    }
}
