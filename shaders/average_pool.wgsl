// Average pooling over windows of WINDOW_H x WINDOW_W side by side; the remainder at the right and lower edge is dropped.
//
// average_pool_forward     x (M,B,H,W,C)                ->  out (M,B,OUT_H,OUT_W,C) = mean of each window
// average_pool_grad_input  dout, x where a gate asks    ->  grad_x = dout of the window / (WINDOW_H WINDOW_W);
//                                                           GATE: only where x > 0; ACCUMULATE: added to what is there

#import shared/channels

#entry average_pool_forward
// A workgroup computes OUTPUTS neighbouring blocks of channels. TURNS threads share a block: each of them adds up every
// TURNS-th value of the window, then a tree adds their sums. So a pooling of the whole image, which has few windows, still
// occupies many threads.
@group(0) @binding(0) var<storage, read> x: array<stored_x_$LANE>;
@group(0) @binding(1) var<storage, read_write> out: array<stored_out_$LANE>;

#let OUTPUTS = 256 / TURNS
#let VALUES = WINDOW_H * WINDOW_W

var<workgroup> sh_sums: array<V, 256>;

@compute @workgroup_size(256)
fn average_pool_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (group.x + group.y * GRID_X) * ${OUTPUTS}u + thread % ${OUTPUTS}u;
    let turn = thread / ${OUTPUTS}u;
    var sum = V(0.0);
    if (at < ${BATCH * OUT_H * OUT_W * BLOCKS}u) {
        let block = at % ${BLOCKS}u;
        let window = at / ${BLOCKS}u;
        let j = window % OUT_W * WINDOW_W;
        let i = window / OUT_W % OUT_H * WINDOW_H;
        let corner = group.z * ${X_STRIDE / LANE}u + ((window / ${OUT_W * OUT_H}u * H + i) * W + j) * ${BLOCKS}u + block;
        for (var k = turn; k < ${VALUES}u; k += TURNS) {
            sum += V(x[corner + (k / WINDOW_W * W + k % WINDOW_W) * ${BLOCKS}u]);
        }
    }
    sh_sums[thread] = sum;
    for (var half = ${TURNS / 2}u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (turn < half) {
            sh_sums[thread] += sh_sums[thread + half * ${OUTPUTS}u];
        }
    }
    if (turn == 0u && at < ${BATCH * OUT_H * OUT_W * BLOCKS}u) {
        out[group.z * ${OUT_STRIDE / LANE}u + at] = stored_out_$LANE(sh_sums[thread] / f32(${VALUES}u));
    }
}

#entry average_pool_grad_input
// Each thread computes LANE values.
@group(0) @binding(0) var<storage, read> dout: array<V>;
@group(0) @binding(1) var<storage, read_write> grad_x: array<V>;
#if GATE
@group(0) @binding(2) var<storage, read> x: array<stored_x_$LANE>;
#endif

@compute @workgroup_size(256)
fn average_pool_grad_input(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (group.x + group.y * GRID_X) * 256u + thread;
    if (at < ${BATCH * H * W * BLOCKS}u) {
        let block = at % ${BLOCKS}u;
        let pixel = at / ${BLOCKS}u;
        let oj = pixel % W / WINDOW_W;
        let oi = pixel / W % H / WINDOW_H;
        var gradient = V(0.0);
        if (oi < OUT_H && oj < OUT_W) {
            let window = (pixel / ${W * H}u * OUT_H + oi) * OUT_W + oj;
            gradient = dout[group.z * ${OUT_STRIDE / LANE}u + window * ${BLOCKS}u + block] / f32(${WINDOW_H * WINDOW_W}u);
        }
#if GATE
        gradient = select(V(0.0), gradient, V(x[group.z * ${X_STRIDE / LANE}u + at]) > V(0.0));
#endif
#if ACCUMULATE
        grad_x[group.z * ${GRAD_X_STRIDE / LANE}u + at] += gradient;
#else
        grad_x[group.z * ${GRAD_X_STRIDE / LANE}u + at] = gradient;
#endif
    }
}
