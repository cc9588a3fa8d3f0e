// The two heads, the loss and their gradients.
//
// heads_forward  x (M,B,F)    ->  prediction (M,B,2): mu, var
// heads_loss     x, y         ->  the same; raw_grad (M,B,2): dL/da, dL/db;  loss (M,2): loss, mean squared error
// heads_grad     x, raw_grad  ->  gradients of both kernels (F) and biases; ACCUMULATE: added to what is there
//                                 INPUT: grad_x (M,B,F); GATE: only where x > 0; ACCUMULATE_X: added to what is there
//
// mu = a, |a|, or a limited to a range with a margin: beyond the range by d, the end of the range and margin d / (margin + d);
// var = s + floor or ceiling s / (ceiling + s) + floor, s = softplus(b). loss = mean of l, without its constant:
// l = log(var)/2 + (y - mu)^2 / (2 var) (arXiv 1612.01474, eq. 1), or
// l = log(var)/2 + 3 log(1 + (y - mu)^2 / (3 var)), Student's t of 5 degrees of freedom with var its variance.
// L = mean of var^beta l, with var^beta taken as a constant (arXiv 2203.09168), or the mean of (y - mu)^2 / 2 in steps for
// which the schedule says so. An image without a label (UNLABELLED) has l = 0.

#entry heads_forward heads_loss
#import shared/softplus
#if BOUNDED_MEAN

// How far a lies outside the range, with its sign; 0 inside.
fn beyond(a: f32) -> f32 {
    return select(0.0, a - HIGH, a > HIGH) + select(0.0, a - LOW, a < LOW);
}
#endif

@group(0) @binding(0) var<storage, read> x: array<stored_x_1>;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read_write> prediction: array<vec2<f32>>;

fn product(member: u32, image: u32, i: u32) -> vec2<f32> {
    let param = member * PARAM_STRIDE + i;
    return f32(x[member * X_STRIDE + image * INPUTS + i]) * vec2<f32>(params[param + MEAN_KERNEL], params[param + VAR_KERNEL]);
}

fn biases(member: u32) -> vec2<f32> {
    return vec2<f32>(params[member * PARAM_STRIDE + MEAN_BIAS], params[member * PARAM_STRIDE + VAR_BIAS]);
}

fn mean_of(a: f32) -> f32 {
#if BOUNDED_MEAN
    let out = beyond(a);
    return a - out + MARGIN * (out / (MARGIN + abs(out)));
#else
#if ABS_MEAN
    return abs(a);
#else
    return a;
#endif
#endif
}

fn variance_of(b: f32) -> f32 {
    let s = softplus(b);
#if VAR_LIMITED
    return VAR_CEILING * (s / (VAR_CEILING + s)) + VAR_FLOOR;
#else
    return s + VAR_FLOOR;
#endif
}

#entry heads_forward
// One workgroup per image.
var<workgroup> sh_sums: array<vec2<f32>, 64>;

@compute @workgroup_size(64)
fn heads_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let member = group.z;
    // The grid may have a few workgroups too many; those compute the last image again and store nothing.
    let index = group.x + group.y * GRID_X;
    let image = min(index, ${BATCH - 1}u);
    var sum = vec2<f32>();
    for (var i = thread; i < INPUTS; i += 64u) {
        sum += product(member, image, i);
    }
    sh_sums[thread] = sum;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (thread < half) {
            sh_sums[thread] += sh_sums[thread + half];
        }
    }
    if (thread == 0u && index == image) {
        let ab = sh_sums[0] + biases(member);
        prediction[member * BATCH + image] = vec2<f32>(mean_of(ab.x), variance_of(ab.y));
    }
}

#entry heads_loss
@group(0) @binding(3) var<storage, read> y: array<f32>;
@group(0) @binding(4) var<storage, read> schedule: array<f32>;
@group(0) @binding(5) var<storage, read> state: array<u32>;
@group(0) @binding(6) var<storage, read_write> raw_grad: array<vec2<f32>>;
@group(0) @binding(7) var<storage, read_write> loss: array<vec2<f32>>;

var<workgroup> sh_sums: array<vec2<f32>, 256>;

// d mu / da.
fn mean_slope(a: f32) -> f32 {
#if BOUNDED_MEAN
    let limit = MARGIN / (MARGIN + abs(beyond(a)));
    return limit * limit;
#else
#if ABS_MEAN
    return sign(a);
#else
    return 1.0;
#endif
#endif
}

// d var / db.
fn variance_slope(b: f32) -> f32 {
    let e = exp(-abs(b));
    let sigmoid = select(e, 1.0, b >= 0.0) / (1.0 + e);
#if VAR_LIMITED
    let limit = VAR_CEILING / (VAR_CEILING + softplus(b));
    return sigmoid * limit * limit;
#else
    return sigmoid;
#endif
}

// l and the squared error of an image; stores its prediction and gradient.
fn loss_of(member: u32, image: u32, ab: vec2<f32>, fit_mean: bool) -> vec2<f32> {
    let at = member * BATCH + image;
    let mu = mean_of(ab.x);
    let variance = variance_of(ab.y);
    prediction[at] = vec2<f32>(mu, variance);
#if UNLABELLED
    if (y[at] == NO_LABEL) {
        raw_grad[at] = vec2<f32>();
        return vec2<f32>();
    }
#endif
    let inverse = 1.0 / variance;
    let error = mu - y[at];
#if STUDENT_T
    let q = error * error * inverse / 3.0;
    let l = 0.5 * log(variance) + 3.0 * log(1.0 + q);
    var d_mu = 2.0 * error * inverse / (1.0 + q);
    var d_var = inverse * (0.5 - 3.0 * q / (1.0 + q));
#else
    let l = 0.5 * (log(variance) + error * error * inverse);
    var d_mu = error * inverse;
    var d_var = 0.5 * inverse * (1.0 - error * error * inverse);
#endif
#if WEIGHTED
    let weight = pow(variance, BETA);
    d_mu *= weight;
    d_var *= weight;
#endif
    d_mu = select(d_mu, error, fit_mean);
    d_var = select(d_var, 0.0, fit_mean);
    raw_grad[at] = vec2<f32>(d_mu * mean_slope(ab.x), d_var * variance_slope(ab.y)) / f32(BATCH);
    return vec2<f32>(l, error * error);
}

// One workgroup per member: 32 images at a time, 8 threads for each.
@compute @workgroup_size(256)
fn heads_loss(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let member = group.z;
    let fit_mean = schedule[state[member * STATE_WORDS + CURSOR] * SCHEDULE_WIDTH + FIT_MEAN] != 0.0;
    let part = thread % 8u;
    var total = vec2<f32>();
    for (var first = 0u; first < BATCH; first += 32u) {
        let image = first + thread / 8u;
        var sum = vec2<f32>();
        if (image < BATCH) {
            for (var i = part; i < INPUTS; i += 8u) {
                sum += product(member, image, i);
            }
        }
        workgroupBarrier();
        sh_sums[thread] = sum;
        for (var half = 4u; half > 0u; half /= 2u) {
            workgroupBarrier();
            if (part < half) {
                sh_sums[thread] += sh_sums[thread + half];
            }
        }
        if (part == 0u && image < BATCH) {
            total += loss_of(member, image, sh_sums[thread] + biases(member), fit_mean);
        }
    }
    workgroupBarrier();
    sh_sums[thread] = total;
    for (var half = 128u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (thread < half) {
            sh_sums[thread] += sh_sums[thread + half];
        }
    }
    if (thread == 0u) {
        loss[member] = sh_sums[0] / f32(BATCH);
    }
}

#entry heads_grad
// Some workgroups compute one input of both kernels per thread, the biases being input F, with the batch added up in blocks
// of 16; the others, one gradient of x per thread.
@group(0) @binding(0) var<storage, read> x: array<stored_x_1>;
@group(0) @binding(1) var<storage, read> raw_grad: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> grads: array<f32>;
#if INPUT
@group(0) @binding(3) var<storage, read> params: array<f32>;
@group(0) @binding(4) var<storage, read_write> grad_x: array<f32>;
#endif

fn weight(member: u32, i: u32) {
    var sum = vec2<f32>();
    for (var first = 0u; first < BATCH; first += 16u) {
        var block = vec2<f32>();
        for (var image = first; image < min(first + 16u, BATCH); image++) {
            var value = 1.0;
            if (i < INPUTS) {
                value = f32(x[member * X_STRIDE + image * INPUTS + i]);
            }
            block += value * raw_grad[member * BATCH + image];
        }
        sum += block;
    }
    let kernels = vec2<u32>(MEAN_KERNEL_GRAD + i, VAR_KERNEL_GRAD + i);
    let to = member * GRAD_STRIDE + select(vec2<u32>(MEAN_BIAS_GRAD, VAR_BIAS_GRAD), kernels, i < INPUTS);
#if ACCUMULATE
    sum += vec2<f32>(grads[to.x], grads[to.y]);
#endif
    grads[to.x] = sum.x;
    grads[to.y] = sum.y;
}

#if INPUT
fn input(member: u32, at: u32) {
    let d = raw_grad[member * BATCH + at / INPUTS];
    let param = member * PARAM_STRIDE + at % INPUTS;
    var value = d.x * params[param + MEAN_KERNEL] + d.y * params[param + VAR_KERNEL];
#if GATE
    value = select(0.0, value, f32(x[member * X_STRIDE + at]) > 0.0);
#endif
#if ACCUMULATE_X
    value += grad_x[member * ${BATCH * INPUTS}u + at];
#endif
    grad_x[member * ${BATCH * INPUTS}u + at] = value;
}
#endif

#let FIRST_INPUT = (INPUTS + 64) / 64 * 64

@compute @workgroup_size(64)
fn heads_grad(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let index = (group.x + group.y * GRID_X) * 64u + thread;
    if (index <= INPUTS) {
        weight(group.z, index);
    }
#if INPUT
    if (index >= ${FIRST_INPUT}u && index < ${FIRST_INPUT + BATCH * INPUTS}u) {
        input(group.z, index - ${FIRST_INPUT}u);
    }
#endif
}
