// Batch norm and the max pooling right behind it (none if POOL = 1).
//
// norm_stats       x (M,B,H,W,C)  ->  partials of pieces of the rows: number, mean and M2 of each channel
// norm_merge       parts          ->  the same, of many smaller pieces that the convolution before has left
// norm_forward     x, statistics  ->  out (M,B,OUT_H,OUT_W,C) = maxpool(gamma (x - mean) / sqrt(var + eps) + beta)
//                                     BATCH_STATS: first the statistics of the batch, batch_stats (M,2,C): mean, biased
//                                     variance; and next: running statistics
// norm_grad_param  x, dout        ->  partials of pieces: sum of dz, sum of dz xhat
// norm_grad_sum    partials       ->  the gradients of beta and gamma: dbeta = sum of dz, dgamma = sum of dz xhat
// norm_grad_input  x, dout        ->  the same, and grad_x = gamma / sqrt(var + eps) (dz - (dbeta + xhat dgamma) / rows);
//                                     GATE: only where x > 0; ACCUMULATE: added to what is there
//
// Many rows are cut into pieces: the convolution before, norm_stats, norm_merge or norm_grad_param leaves a result for each
// of them, and every workgroup of the next kernel merges those of its own channels. If there is one piece, the next kernel
// is one workgroup and does it all.
//
// dz, the gradient at the norm's own output, is dout at the maximum of each window (of equal values the first in row-major
// order), else 0. The norm's output is a x + b, so its maximum is at the largest x if a > 0, at the smallest if a < 0, and
// at the first if a = 0: the norm's output is never stored. Each thread works on LANE channels at a time.

#import shared/channels

#entry norm_stats norm_merge norm_forward norm_grad_param norm_grad_input
// A workgroup works on up to LANES blocks of channels, TURNS = workgroup size / LANES rows or windows at a time.
#let TILES = (BLOCKS + LANES - 1) / LANES
#let TURNS = 256 / LANES

struct Place {
    member: u32,
    // Of the rows or windows.
    piece: u32,
    block: u32,
    turn: u32,
    // Whether there are such a block and such a turn; if not, the thread takes part in the barriers only.
    works: bool,
}

fn place_of(group: vec3<u32>, thread: u32) -> Place {
    let index = group.x + group.y * GRID_X;
    let block = index % ${TILES}u * LANES + thread % LANES;
    let turn = thread / LANES;
    return Place(group.z, index / ${TILES}u, block, turn, turn < ${TURNS}u && block < ${BLOCKS}u);
}

#entry norm_stats
#let BATCH_STATS = 1
@group(0) @binding(0) var<storage, read> x: array<stored_x_$LANE>;
// (M, PIECES, 3, BLOCKS).
@group(0) @binding(1) var<storage, read_write> partials: array<V>;

#entry norm_merge
#let BATCH_STATS = 1
// (M, PARTS, 3, BLOCKS).
@group(0) @binding(0) var<storage, read> parts: array<V>;
// (M, PIECES, 3, BLOCKS).
@group(0) @binding(1) var<storage, read_write> partials: array<V>;

#entry norm_forward
@group(0) @binding(0) var<storage, read> x: array<stored_x_$LANE>;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<stored_out_$LANE>;
#if BATCH_STATS
@group(0) @binding(3) var<storage, read_write> batch_stats: array<V>;
@group(0) @binding(4) var<storage, read_write> next: array<f32>;
#if PARTS > 1
// (M, PARTS, 3, BLOCKS).
@group(0) @binding(5) var<storage, read> parts: array<V>;
#endif
#if FIRST
@group(0) @binding(${5 + (PARTS > 1)}) var<storage, read> before: array<f32>;
#endif
#else
@group(0) @binding(3) var<storage, read> stats: array<f32>;
#endif

#entry norm_stats norm_merge norm_forward
#if BATCH_STATS
// Number of values, their mean, and the sum of the squares of their distances from it.
struct Moments {
    count: f32,
    mean: V,
    m2: V,
}

var<workgroup> sh_count: array<f32, 256>;
var<workgroup> sh_mean: array<V, 256>;
var<workgroup> sh_m2: array<V, 256>;

// Chan et al. 1979; one of them has values.
fn merge(a: Moments, b: Moments) -> Moments {
    let all = a.count + b.count;
    let delta = b.mean - a.mean;
    return Moments(all, a.mean + delta * (b.count / all), a.m2 + b.m2 + delta * delta * (a.count * b.count / all));
}

#endif

#entry norm_stats norm_forward
#let ALL_ROWS = BATCH * H * W
#if BATCH_STATS
// Of a thread's rows from `first` to `end`, eight at a time: their own mean and M2, computed in registers, then merged.
fn moments_of_rows(at: Place, first: u32, end: u32) -> Moments {
    var all = Moments(0.0, V(0.0), V(0.0));
    for (var row = first + at.turn; row < end; row += ${8 * TURNS}u) {
        let base = at.member * ${X_STRIDE / LANE}u + row * ${BLOCKS}u + at.block;
#for k in 0..8
        var x_$k = V(0.0);
        let has_$k = row + ${k * TURNS}u < end;
        if (has_$k) {
            x_$k = V(x[base + ${k * TURNS * BLOCKS}u]);
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
        all = merge(all, Moments(n, centre, squares));
    }
    return all;
}

#endif

#entry norm_stats norm_merge norm_forward
#if BATCH_STATS
// Merges those of all turns; the result is that of turn 0.
fn merge_turns(at: Place, thread: u32, own: Moments) {
    sh_count[thread] = own.count;
    sh_mean[thread] = own.mean;
    sh_m2[thread] = own.m2;
    for (var half = TREE; half > 0u; half /= 2u) {
        workgroupBarrier();
        let other = thread + half * LANES;
        if (at.turn < half && at.turn + half < ${TURNS}u && sh_count[other] > 0.0) {
            let mine = Moments(sh_count[thread], sh_mean[thread], sh_m2[thread]);
            let both = merge(mine, Moments(sh_count[other], sh_mean[other], sh_m2[other]));
            sh_count[thread] = both.count;
            sh_mean[thread] = both.mean;
            sh_m2[thread] = both.m2;
        }
    }
    workgroupBarrier();
}
#endif

#entry norm_merge norm_forward
#if BATCH_STATS
#if PARTS > 1
fn count_of(value: V) -> f32 {
#if LANE == 4
    return value.x;
#else
    return value;
#endif
}

// Merges a thread's parts from `first` to `end`.
fn moments_of_parts(at: Place, first: u32, end: u32) -> Moments {
    var all = Moments(0.0, V(0.0), V(0.0));
    for (var part = first + at.turn; part < end; part += ${TURNS}u) {
        let base = (at.member * PARTS + part) * ${3 * BLOCKS}u + at.block;
        all = merge(all, Moments(count_of(parts[base]), parts[base + ${BLOCKS}u], parts[base + ${2 * BLOCKS}u]));
    }
    return all;
}

#endif
#endif
#entry norm_stats norm_merge
// Those of a piece, merged by turn 0.
fn put_piece(at: Place, thread: u32) {
    if (at.works && at.turn == 0u && at.piece < PIECES) {
        let to = (at.member * PIECES + at.piece) * ${3 * BLOCKS}u + at.block;
        partials[to] = V(sh_count[thread]);
        partials[to + ${BLOCKS}u] = sh_mean[thread];
        partials[to + ${2 * BLOCKS}u] = sh_m2[thread];
    }
}

#entry norm_stats
@compute @workgroup_size(256)
fn norm_stats(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = place_of(group, thread);
    var own = Moments(0.0, V(0.0), V(0.0));
    if (at.works) {
        own = moments_of_rows(at, at.piece * ROWS, min((at.piece + 1u) * ROWS, ${ALL_ROWS}u));
    }
    merge_turns(at, thread, own);
    put_piece(at, thread);
}

#entry norm_merge
@compute @workgroup_size(256)
fn norm_merge(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = place_of(group, thread);
    var own = Moments(0.0, V(0.0), V(0.0));
    if (at.works) {
        own = moments_of_parts(at, at.piece * ROWS, min((at.piece + 1u) * ROWS, PARTS));
    }
    merge_turns(at, thread, own);
    put_piece(at, thread);
}

#entry norm_forward norm_grad_param norm_grad_input
// Mean, 1 / sqrt(variance + epsilon) and gamma of the channels of a thread.
struct Channel {
    mean: V,
    scale: V,
    gamma: V,
}

#import shared/peak

fn parameter(member: u32, first: u32, block: u32) -> V {
    let at = member * PARAM_STRIDE + first + block * ${LANE}u;
#if LANE == 4
    return V(params[at], params[at + 1u], params[at + 2u], params[at + 3u]);
#else
    return params[at];
#endif
}

// The first value of window (image, oi, oj).
fn corner_of(at: Place, image: u32, oi: u32, oj: u32) -> u32 {
    return at.member * ${X_STRIDE / LANE}u + ((image * H + oi * POOL) * W + oj * POOL) * ${BLOCKS}u + at.block;
}

fn corner_of_window(at: Place, window: u32) -> u32 {
    return corner_of(at, window / ${OUT_W * OUT_H}u, window / OUT_W % OUT_H, window % OUT_W);
}

#entry norm_forward
#if BATCH_STATS
fn running(at: u32, value: f32) {
#if FIRST
    next[at] = MOMENTUM * before[at] + (1.0 - MOMENTUM) * value;
#else
    next[at] = MOMENTUM * next[at] + (1.0 - MOMENTUM) * value;
#endif
}

fn put_statistics(at: Place, mean: V, variance: V) {
    let batch = at.member * ${2 * BLOCKS}u + at.block;
    batch_stats[batch] = mean;
    batch_stats[batch + ${BLOCKS}u] = variance;
    let to = at.member * STAT_STRIDE + at.block * ${LANE}u;
#if LANE == 4
#for c in 0..4
    running(to + MEAN + ${c}u, mean[$c]);
    running(to + VARIANCE + ${c}u, variance[$c]);
#endfor
#else
    running(to + MEAN, mean);
    running(to + VARIANCE, variance);
#endif
}
#else
fn statistic(at: Place, first: u32) -> V {
    let base = at.member * STAT_STRIDE + first + at.block * ${LANE}u;
#if LANE == 4
    return V(stats[base], stats[base + 1u], stats[base + 2u], stats[base + 3u]);
#else
    return stats[base];
#endif
}
#endif

#let WINDOWS = BATCH * OUT_H * OUT_W

// Each thread computes PER windows of the same channels; the workgroup moves on by TURNS windows at a time.
@compute @workgroup_size(256)
fn norm_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = place_of(group, thread);
#if BATCH_STATS
    var own = Moments(0.0, V(0.0), V(0.0));
    if (at.works) {
#if PARTS > 1
        own = moments_of_parts(at, 0u, PARTS);
#else
        own = moments_of_rows(at, 0u, ${ALL_ROWS}u);
#endif
    }
    merge_turns(at, thread, own);
#endif
    if (at.works) {
#if BATCH_STATS
        let mean = sh_mean[thread % LANES];
        let variance = sh_m2[thread % LANES] / f32(${ALL_ROWS}u);
        if (at.turn == 0u && at.piece == 0u) {
            put_statistics(at, mean, variance);
        }
#else
        let mean = statistic(at, MEAN);
        let variance = statistic(at, VARIANCE);
#endif
        let gamma = parameter(at.member, GAMMA, at.block);
        let beta = parameter(at.member, BETA, at.block);
        let c = Channel(mean, 1.0 / sqrt(variance + V(EPSILON)), gamma);
        for (var k = 0u; k < PER; k++) {
            let window = (at.piece * PER + k) * ${TURNS}u + at.turn;
            if (window < ${WINDOWS}u) {
                let value = peak(corner_of_window(at, window), c.gamma).value;
                out[at.member * ${OUT_STRIDE / LANE}u + window * ${BLOCKS}u + at.block] = stored_out_$LANE((value - c.mean) * (c.scale * c.gamma) + beta);
            }
        }
    }
}

#entry norm_grad_param norm_grad_input
@group(0) @binding(0) var<storage, read> x: array<stored_x_$LANE>;
// (M, 2, BLOCKS).
@group(0) @binding(1) var<storage, read> stats: array<V>;
@group(0) @binding(2) var<storage, read> params: array<f32>;
@group(0) @binding(3) var<storage, read> dout: array<V>;

struct Sums {
    dz: V,
    dz_xhat: V,
}

#let ALL_WINDOWS = BATCH * OUT_H * OUT_W
var<workgroup> sh_dz: array<V, 256>;
var<workgroup> sh_dz_xhat: array<V, 256>;

fn channel(at: Place) -> Channel {
    let base = at.member * ${2 * BLOCKS}u + at.block;
    let scale = 1.0 / sqrt(stats[base + ${BLOCKS}u] + V(EPSILON));
    return Channel(stats[base], scale, parameter(at.member, GAMMA, at.block));
}

// Of a thread's windows from `first` to `end`.
fn sums_of_windows(at: Place, c: Channel, first: u32, end: u32) -> Sums {
    var sums = Sums(V(0.0), V(0.0));
    for (var window = first + at.turn; window < end; window += ${TURNS}u) {
        let dz = dout[at.member * ${OUT_STRIDE / LANE}u + window * ${BLOCKS}u + at.block];
        sums.dz += dz;
        sums.dz_xhat += dz * ((peak(corner_of_window(at, window), c.gamma).value - c.mean) * c.scale);
    }
    return sums;
}

// Adds up those of all turns; the result is that of turn 0.
fn add_turns(at: Place, thread: u32, own: Sums) {
    sh_dz[thread] = own.dz;
    sh_dz_xhat[thread] = own.dz_xhat;
    for (var half = TREE; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (at.turn < half && at.turn + half < ${TURNS}u) {
            sh_dz[thread] += sh_dz[thread + half * LANES];
            sh_dz_xhat[thread] += sh_dz_xhat[thread + half * LANES];
        }
    }
    workgroupBarrier();
}

#entry norm_grad_param
// (M, PIECES, 2, BLOCKS).
@group(0) @binding(4) var<storage, read_write> partials: array<V>;

@compute @workgroup_size(256)
fn norm_grad_param(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = place_of(group, thread);
    var own = Sums(V(0.0), V(0.0));
    if (at.works) {
        own = sums_of_windows(at, channel(at), at.piece * ROWS, min((at.piece + 1u) * ROWS, ${ALL_WINDOWS}u));
    }
    add_turns(at, thread, own);
    if (at.works && at.turn == 0u && at.piece < PIECES) {
        let to = (at.member * PIECES + at.piece) * ${2 * BLOCKS}u + at.block;
        partials[to] = sh_dz[thread];
        partials[to + ${BLOCKS}u] = sh_dz_xhat[thread];
    }
}

#entry norm_grad_sum
@group(0) @binding(0) var<storage, read> partials: array<V>;
@group(0) @binding(1) var<storage, read_write> grads: array<f32>;

#entry norm_grad_input
@group(0) @binding(4) var<storage, read_write> grads: array<f32>;
@group(0) @binding(5) var<storage, read_write> grad_x: array<V>;
#if PIECES > 1
@group(0) @binding(6) var<storage, read> partials: array<V>;
#endif

#entry norm_grad_sum norm_grad_input
fn gradient(at: u32, value: f32) {
#if ACCUMULATE
    grads[at] += value;
#else
    grads[at] = value;
#endif
}

fn put_gradients(member: u32, block: u32, dz: V, dz_xhat: V) {
    let at = member * GRAD_STRIDE + block * ${LANE}u;
#if LANE == 4
#for c in 0..4
    gradient(at + BETA_GRAD + ${c}u, dz[$c]);
    gradient(at + GAMMA_GRAD + ${c}u, dz_xhat[$c]);
#endfor
#else
    gradient(at + BETA_GRAD, dz);
    gradient(at + GAMMA_GRAD, dz_xhat);
#endif
}

#entry norm_grad_sum
var<workgroup> sh_dz: array<V, 64>;
var<workgroup> sh_dz_xhat: array<V, 64>;

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
        put_gradients(member, block, sh_dz[0], sh_dz_xhat[0]);
    }
}

#entry norm_grad_input
#let WINDOWS_H = (H + POOL - 1) / POOL
#let WINDOWS_W = (W + POOL - 1) / POOL

// One window. In the remainder dz = 0, but there is a gradient through the statistics.
fn put_window(at: Place, c: Channel, sums: Sums, window: u32) {
    let oj = window % ${WINDOWS_W}u;
    let oi = window / ${WINDOWS_W}u % ${WINDOWS_H}u;
    let image = window / ${WINDOWS_W * WINDOWS_H}u;
    let corner = corner_of(at, image, oi, oj);
    let to = at.member * ${GRAD_X_STRIDE / LANE}u + corner - at.member * ${X_STRIDE / LANE}u;
    var upstream = V(0.0);
    // A number that no value of a window has.
    var place = Index(${POOL * POOL}u);
    if (oi < OUT_H && oj < OUT_W) {
        upstream = dout[at.member * ${OUT_STRIDE / LANE}u + ((image * OUT_H + oi) * OUT_W + oj) * ${BLOCKS}u + at.block];
        place = peak(corner, c.gamma).place;
    }
    for (var k = 0u; k < ${POOL * POOL}u; k++) {
        if (oi * POOL + k / POOL < H && oj * POOL + k % POOL < W) {
            let step = (k / POOL * W + k % POOL) * ${BLOCKS}u;
            let value = V(x[corner + step]);
            let dz = select(V(0.0), upstream, place == Index(k));
            let xhat = (value - c.mean) * c.scale;
            var result = c.gamma * c.scale * (dz - (sums.dz + xhat * sums.dz_xhat) / f32(BATCH * H * W));
#if GATE
            result = select(V(0.0), result, value > V(0.0));
#endif
#if ACCUMULATE_X
            grad_x[to + step] += result;
#else
            grad_x[to + step] = result;
#endif
        }
    }
}

// Each thread computes PER windows of the same channels; the workgroup moves on by TURNS windows at a time.
@compute @workgroup_size(256)
fn norm_grad_input(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = place_of(group, thread);
    var own = Sums(V(0.0), V(0.0));
    if (at.works) {
#if PIECES > 1
        for (var piece = at.turn; piece < PIECES; piece += ${TURNS}u) {
            let base = (at.member * PIECES + piece) * ${2 * BLOCKS}u + at.block;
            own.dz += partials[base];
            own.dz_xhat += partials[base + ${BLOCKS}u];
        }
#else
        own = sums_of_windows(at, channel(at), 0u, ${ALL_WINDOWS}u);
#endif
    }
    add_turns(at, thread, own);
    if (at.works) {
        let sums = Sums(sh_dz[thread % LANES], sh_dz_xhat[thread % LANES]);
        if (at.turn == 0u && at.piece == 0u) {
            put_gradients(at.member, at.block, sums.dz, sums.dz_xhat);
        }
        let c = channel(at);
        for (var k = 0u; k < PER; k++) {
            let window = (at.piece * PER + k) * ${TURNS}u + at.turn;
            if (window < ${BATCH * WINDOWS_H * WINDOWS_W}u) {
                put_window(at, c, sums, window);
            }
        }
    }
}
