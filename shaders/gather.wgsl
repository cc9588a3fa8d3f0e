// Each member's own mini-batch out of the pool that all share, with its own flips.
//
// pool (N,H,W,C), labels (N), draws (M, steps, B) as image | code << 28, state (M, words)  ->  x (M,B,H,W,C), y (M,B)
//
// A thread copies a pixel. Code bit 2 swaps rows and columns (only where H = W), bit 1 turns rows round, bit 0 columns.

#entry gather
@group(0) @binding(0) var<storage, read> pool: array<f32>;
@group(0) @binding(1) var<storage, read> pool_labels: array<f32>;
@group(0) @binding(2) var<storage, read> draws: array<u32>;
@group(0) @binding(3) var<storage, read> state: array<u32>;
@group(0) @binding(4) var<storage, read_write> x: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn gather(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let member = group.z;
    let pixel = (group.x + group.y * GRID_X) * 256u + thread;
    if (pixel < ${BATCH * H * W}u) {
        let image = pixel / ${H * W}u;
        let step = state[member * STATE_WORDS + CURSOR];
        let draw = draws[member * DRAWS_STRIDE + step * BATCH + image];
        let code = draw >> 28u;
        let source = draw & 0x0fffffffu;
        var i = pixel / W % H;
        var j = pixel % W;
        if ((code & 4u) != 0u) {
            let swap = i;
            i = j;
            j = swap;
        }
        i = select(i, H - 1u - i, (code & 2u) != 0u);
        j = select(j, W - 1u - j, (code & 1u) != 0u);
        let source_at = ((source * H + i) * W + j) * C;
        let x_at = member * X_STRIDE + pixel * C;
        for (var c = 0u; c < C; c++) {
            x[x_at + c] = pool[source_at + c];
        }
        if (pixel % ${H * W}u == 0u) {
            y[member * BATCH + image] = pool_labels[source];
        }
    }
}
