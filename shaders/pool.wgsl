// Max pooling, windows of POOL x POOL side by side; the ragged rest at the right and lower edge is dropped.
//
// forward:    x (M,B,H,W,C)  ->  out (M,B,OUT_H,OUT_W,C)
// grad_input: x, dout        ->  dx, at the first largest value of each window in row-major order; GATE: only where x > 0
//
// A NaN counts as the largest of its window: max() might drop it, and the step would look sound.
// A thread has one window of LANE channels. Where max pooling follows a norm, norm.wgsl does both.

#import shared/channels
#import shared/nan

#entry pool_forward
@group(0) @binding(0) var<storage, read> x: array<V>;
@group(0) @binding(1) var<storage, read_write> out: array<V>;

@compute @workgroup_size(256)
fn pool_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (group.x + group.y * GRID_X) * 256u + thread;
    if (at < ${BATCH * OUT_H * OUT_W * BLOCKS}u) {
        let block = at % ${BLOCKS}u;
        let window = at / ${BLOCKS}u;
        let j = window % OUT_W * POOL;
        let i = window / OUT_W % OUT_H * POOL;
        let corner = group.z * ${X_STRIDE / LANE}u + ((window / ${OUT_W * OUT_H}u * H + i) * W + j) * ${BLOCKS}u + block;
        var largest = x[corner];
        for (var k = 1u; k < ${POOL * POOL}u; k++) {
            let value = x[corner + (k / POOL * W + k % POOL) * ${BLOCKS}u];
            largest = select(largest, value, (value > largest) | is_nan(value));
        }
        out[group.z * ${OUT_STRIDE / LANE}u + at] = largest;
    }
}

#entry pool_grad_input
@group(0) @binding(0) var<storage, read> x: array<V>;
@group(0) @binding(1) var<storage, read> dout: array<V>;
@group(0) @binding(2) var<storage, read_write> dx: array<V>;

// Windows of the ragged rest count too: their dx is zero.
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
        let x_corner = group.z * ${X_STRIDE / LANE}u + corner;
        let dx_corner = group.z * ${DX_STRIDE / LANE}u + corner;

        var gradient = V(0.0);
        var largest = V(0.0);
        var first = Index(0u);
        if (oi < OUT_H && oj < OUT_W) {
            gradient = dout[group.z * ${OUT_STRIDE / LANE}u + ((image * OUT_H + oi) * OUT_W + oj) * ${BLOCKS}u + block];
            largest = x[x_corner];
            for (var k = 1u; k < ${POOL * POOL}u; k++) {
                let value = x[x_corner + (k / POOL * W + k % POOL) * ${BLOCKS}u];
                let better = (value > largest) | is_nan(value);
                first = select(first, Index(k), better);
                largest = select(largest, value, better);
            }
#if GATE
            gradient = select(V(0.0), gradient, largest > V(0.0));
#endif
        }
        for (var k = 0u; k < ${POOL * POOL}u; k++) {
            if (oi * POOL + k / POOL < H && oj * POOL + k % POOL < W) {
                dx[dx_corner + (k / POOL * W + k % POOL) * ${BLOCKS}u] = select(V(0.0), gradient, first == Index(k));
            }
        }
    }
}
