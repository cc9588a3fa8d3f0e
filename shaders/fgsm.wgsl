// The fast gradient sign method (Goodfellow et al. 2015): out = x + epsilon[c] sign(grad_x), with c the channel.
//
// x, grad_x (M,LEN), bands (rows, C): epsilon as f32, the bits of a masked pixel  ->  out (M,LEN); masked pixels stay as
// they are, and sign(0) = 0.

#entry fgsm
@group(0) @binding(0) var<storage, read> x: array<stored_x_1>;
@group(0) @binding(1) var<storage, read> grad_x: array<f32>;
@group(0) @binding(2) var<storage, read> bands: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<stored_out_1>;

#import shared/masked

@compute @workgroup_size(256)
fn fgsm(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (group.x + group.y * GRID_X) * 256u + thread;
    if (at < LEN) {
        let k = group.z * LEN + at;
        let d = grad_x[k];
        let c = at % C;
        let value = f32(x[k]);
        // Not sign(), which may turn NaN into a number; 0 and NaN stay as they are.
        let sign = select(select(d, -1.0, d < 0.0), 1.0, d > 0.0);
        let moved = value + bitcast<f32>(bands[EPSILON * C + c]) * sign;
        out[k] = stored_out_1(select(moved, value, is_masked(value, bands[MASKED * C + c])));
    }
}
