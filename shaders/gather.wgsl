// The mini-batch of each member from the pool that all members share, with its own flips, shifts and noise.
//
// pool (N,H,W,C), labels (N), draws (M, steps, B) as image | code << 28, state (M, words)  ->  x (M,B,H,W,C), y (M,B)
//
// Each thread copies one pixel. Bit 2 of the code swaps rows and columns (only if H = W), bit 1 reverses the rows, bit 0
// the columns. Pixels from outside the image are masked; noise is added to all values that are not masked.

#import shared/random
#if NOISY
#import shared/masked
#endif

#entry gather
@group(0) @binding(0) var<storage, read> pool: array<stored_pool_1>;
@group(0) @binding(1) var<storage, read> pool_labels: array<f32>;
@group(0) @binding(2) var<storage, read> draws: array<u32>;
@group(0) @binding(3) var<storage, read> state: array<u32>;
@group(0) @binding(4) var<storage, read_write> x: array<stored_x_1>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
#if SHIFT || NOISY
@group(0) @binding(6) var<storage, read> bands: array<u32>;
#endif

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
#if SHIFT || NOISY
        let key = vec3<u32>(state[member * STATE_WORDS + KEY], step, image);
#endif
#if SHIFT
        // Integers from 0 to 2 SHIFT, from sixteen bits each.
        let random = pcg4d(vec4<u32>(key, SHIFT_PLACE)).xy;
        i += SHIFT - (((random.x >> 16u) * ${2 * SHIFT + 1}u) >> 16u);
        j += SHIFT - (((random.y >> 16u) * ${2 * SHIFT + 1}u) >> 16u);
        // What is below 0 wraps round to far above H and W.
        let inside = i < H && j < W;
        i = select(0u, i, inside);
        j = select(0u, j, inside);
#endif
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
            var value = f32(pool[source_at + c]);
#if SHIFT || NOISY
            let masked = bands[MASKED * C + c];
#endif
#if SHIFT
            value = select(bitcast<f32>(masked), value, inside);
#endif
#if NOISY
            let words = pcg4d(vec4<u32>(key, pixel % ${H * W}u * C + c));
            // Sixteen bytes, in pairs in the halves of a word.
            let pairs = (words & vec4<u32>(0x00ff00ffu)) + ((words >> vec4<u32>(8u)) & vec4<u32>(0x00ff00ffu));
            let both = pairs.x + pairs.y + pairs.z + pairs.w;
            let sum = (both & 0xffffu) + (both >> 16u);
            let noisy = value + bitcast<f32>(bands[NOISE * C + c]) * (f32(sum) - f32(BYTES_MEAN));
            value = select(noisy, value, is_masked(value, masked));
#endif
            x[x_at + c] = stored_x_1(value);
        }
        if (pixel % ${H * W}u == 0u) {
            y[member * BATCH + image] = pool_labels[source];
        }
    }
}
