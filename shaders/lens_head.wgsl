// The loss of the lens head.
//
// lens_loss  logit (M,B), y (M,B)  ->  logit_grad (M,B): dL/dz, or z if it is not finite;  cross_entropy (M): mean of -ln p or -ln(1 - p)
//
// p = 1 / (1 + exp(-z)). An object is a lens if its y is not NO_LABEL.

#import shared/finite
#import shared/softplus

#entry lens_loss
// One workgroup per member.
@group(0) @binding(0) var<storage, read> logit: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> logit_grad: array<f32>;
@group(0) @binding(3) var<storage, read_write> cross_entropy: array<f32>;

var<workgroup> sh_sum: array<f32, 64>;

@compute @workgroup_size(64)
fn lens_loss(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let member = group.z;
    var sum = 0.0;
    for (var image = thread; image < BATCH; image += 64u) {
        let at = member * BATCH + image;
        // Both losses are log(1 + exp(s)), with s = -z for a lens and z for another object.
        let side = select(-1.0, 1.0, y[at] == NO_LABEL);
        let s = side * logit[at];
        let e = exp(-abs(s));
        sum += softplus(s);
        let slope = side * select(e, 1.0, s >= 0.0) / (1.0 + e) / f32(BATCH);
        // The slope is finite even if z is not, and would hide that.
        logit_grad[at] = select(logit[at], slope, is_finite(logit[at]));
    }
    sh_sum[thread] = sum;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (thread < half) {
            sh_sum[thread] += sh_sum[thread + half];
        }
    }
    if (thread == 0u) {
        cross_entropy[member] = sh_sum[0] / f32(BATCH);
    }
}
