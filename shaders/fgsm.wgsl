// The fast gradient sign method: out = x + epsilon sign(dx), sign(0) = 0 (Goodfellow et al. 2015).
//
// x, dx (M,LEN)  ->  out (M,LEN)

#entry fgsm
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dx: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn fgsm(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (group.x + group.y * GRID_X) * 256u + thread;
    if (at < LEN) {
        let k = group.z * LEN + at;
        let d = dx[k];
        // Not sign(), which may turn NaN into a number; 0 and NaN stay what they are.
        out[k] = x[k] + EPSILON * select(select(d, -1.0, d < 0.0), 1.0, d > 0.0);
    }
}
