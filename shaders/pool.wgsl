// Max pooling over windows of POOL x POOL side by side; the remainder at the right and lower edge is dropped.
//
// pool_forward     x (M,B,H,W,C)  ->  out (M,B,OUT_H,OUT_W,C)
// pool_grad_input  x, dout        ->  grad_x: dout at the first largest value of each window in row-major order, else 0;
//                                     GATE: only where x > 0; ACCUMULATE: added to what is there
//
// A NaN counts as the largest value of its window: max() might drop it, and the step would look sound.
// Each thread computes LANE channels of one window. Max pooling behind a norm is part of norm.wgsl.

#import shared/channels

#entry pool_forward pool_grad_input
@group(0) @binding(0) var<storage, read> x: array<stored_x_$LANE>;

#import shared/peak

#entry pool_forward
@group(0) @binding(1) var<storage, read_write> out: array<stored_out_$LANE>;

@compute @workgroup_size(256)
fn pool_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (group.x + group.y * GRID_X) * 256u + thread;
    if (at < ${BATCH * OUT_H * OUT_W * BLOCKS}u) {
        let block = at % ${BLOCKS}u;
        let window = at / ${BLOCKS}u;
        let j = window % OUT_W * POOL;
        let i = window / OUT_W % OUT_H * POOL;
        let corner = group.z * ${X_STRIDE / LANE}u + ((window / ${OUT_W * OUT_H}u * H + i) * W + j) * ${BLOCKS}u + block;
        out[group.z * ${OUT_STRIDE / LANE}u + at] = stored_out_$LANE(peak(corner, V(1.0)).value);
    }
}

#entry pool_grad_input
@group(0) @binding(1) var<storage, read> dout: array<V>;
@group(0) @binding(2) var<storage, read_write> grad_x: array<V>;

// Windows of the remainder count too: their gradient is zero.
#let WINDOWS_H = (H + POOL - 1) / POOL
#let WINDOWS_W = (W + POOL - 1) / POOL

@compute @workgroup_size(256)
fn pool_grad_input(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (group.x + group.y * GRID_X) * 256u + thread;
    if (at < ${BATCH * WINDOWS_H * WINDOWS_W * BLOCKS}u) {
        let block = at % ${BLOCKS}u;
        let window = at / ${BLOCKS}u;
        let oj = window % ${WINDOWS_W}u;
        let oi = window / ${WINDOWS_W}u % ${WINDOWS_H}u;
        let image = window / ${WINDOWS_W * WINDOWS_H}u;
        let corner = ((image * H + oi * POOL) * W + oj * POOL) * ${BLOCKS}u + block;
        let to = group.z * ${GRAD_X_STRIDE / LANE}u + corner;

        var gradient = V(0.0);
        var place = Index(0u);
        if (oi < OUT_H && oj < OUT_W) {
            gradient = dout[group.z * ${OUT_STRIDE / LANE}u + ((image * OUT_H + oi) * OUT_W + oj) * ${BLOCKS}u + block];
            let largest = peak(group.z * ${X_STRIDE / LANE}u + corner, V(1.0));
            place = largest.place;
#if GATE
            gradient = select(V(0.0), gradient, largest.value > V(0.0));
#endif
        }
        for (var k = 0u; k < ${POOL * POOL}u; k++) {
            if (oi * POOL + k / POOL < H && oj * POOL + k % POOL < W) {
                let step = (k / POOL * W + k % POOL) * ${BLOCKS}u;
#if ACCUMULATE
                grad_x[to + step] += select(V(0.0), gradient, place == Index(k));
#else
                grad_x[to + step] = select(V(0.0), gradient, place == Index(k));
#endif
            }
        }
    }
}
