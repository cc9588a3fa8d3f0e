// The two heads, the loss and their gradients.
//
// heads_forward      x (M,B,F)          ->  raw (M,B,2): a, b;  prediction (M,B,2): mu, var
// heads_loss         raw, prediction, y ->  raw_grad (M,B,2): dL/da, dL/db;  loss (M,2): loss, mean squared error
// heads_grad_input   raw_grad               ->  grad_x (M,B,F); GATE: only where x > 0
// heads_grad_weight  x, raw_grad            ->  gradients of both kernels (F) and biases
//                                           ACCUMULATE: gradients are added to what is there
//
// mu = a, |a|, or a limited to a range with a margin: beyond the range by d, the end of the range and margin d / (margin + d);
// var = s + floor or ceiling s / (ceiling + s) + floor, s = softplus(b). loss = mean of l, without its constant:
// l = log(var)/2 + (y - mu)^2 / (2 var) (arXiv 1612.01474, eq. 1), or
// l = log(var)/2 + 3 log(1 + (y - mu)^2 / (3 var)), Student's t of 5 degrees of freedom with var its variance.
// L = mean of var^beta l, with var^beta taken as a constant (arXiv 2203.09168), or the mean of (y - mu)^2 / 2 in steps for
// which the schedule says so. An image without a label (UNLABELLED) has l = 0.

#entry heads_forward heads_loss
// log(1 + exp(b)), which itself is infinite from b = 88.73. Not max(), which may turn NaN into a number.
fn softplus(b: f32) -> f32 {
    return select(b, 0.0, b <= 0.0) + log(1.0 + exp(-abs(b)));
}
#if BOUNDED_MEAN

// How far a lies outside the range, with its sign; 0 inside.
fn beyond(a: f32) -> f32 {
    return select(0.0, a - HIGH, a > HIGH) + select(0.0, a - LOW, a < LOW);
}
#endif

#entry heads_forward
// One workgroup per image.
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read_write> raw: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> prediction: array<vec2<f32>>;

var<workgroup> sh_sums: array<vec2<f32>, 64>;

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

@compute @workgroup_size(64)
fn heads_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let member = group.z;
    // The grid may have a few workgroups too many; those compute the last image again and store nothing.
    let index = group.x + group.y * GRID_X;
    let image = min(index, ${BATCH - 1}u);
    let param = member * PARAM_STRIDE;
    var sum = vec2<f32>();
    for (var i = thread; i < INPUTS; i += 64u) {
        sum += x[member * X_STRIDE + image * INPUTS + i] * vec2<f32>(params[param + MEAN_KERNEL + i], params[param + VAR_KERNEL + i]);
    }
    sh_sums[thread] = sum;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (thread < half) {
            sh_sums[thread] += sh_sums[thread + half];
        }
    }
    if (thread == 0u && index == image) {
        let value = sh_sums[0] + vec2<f32>(params[param + MEAN_BIAS], params[param + VAR_BIAS]);
        raw[member * BATCH + image] = value;
        prediction[member * BATCH + image] = vec2<f32>(mean_of(value.x), variance_of(value.y));
    }
}

#entry heads_loss
// One workgroup per member.
@group(0) @binding(0) var<storage, read> raw: array<vec2<f32>>;
@group(0) @binding(1) var<storage, read> prediction: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read> schedule: array<f32>;
@group(0) @binding(4) var<storage, read> state: array<u32>;
@group(0) @binding(5) var<storage, read_write> raw_grad: array<vec2<f32>>;
@group(0) @binding(6) var<storage, read_write> loss: array<vec2<f32>>;

var<workgroup> sh_loss: array<vec2<f32>, 64>;

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

@compute @workgroup_size(64)
fn heads_loss(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let member = group.z;
    let fit_mean = schedule[state[member * STATE_WORDS + CURSOR] * SCHEDULE_WIDTH + FIT_MEAN] != 0.0;
    var sum = vec2<f32>();
    for (var image = thread; image < BATCH; image += 64u) {
        let at = member * BATCH + image;
#if UNLABELLED
        if (y[at] == NO_LABEL) {
            raw_grad[at] = vec2<f32>();
            continue;
        }
#endif
        let value = raw[at];
        let mu = prediction[at].x;
        let inverse = 1.0 / prediction[at].y;
        let error = mu - y[at];
#if STUDENT_T
        let q = error * error * inverse / 3.0;
        sum += vec2<f32>(0.5 * log(prediction[at].y) + 3.0 * log(1.0 + q), error * error);
        var d_mu = 2.0 * error * inverse / (1.0 + q);
        var d_var = inverse * (0.5 - 3.0 * q / (1.0 + q));
#else
        sum += vec2<f32>(0.5 * (log(prediction[at].y) + error * error * inverse), error * error);
        var d_mu = error * inverse;
        var d_var = 0.5 * inverse * (1.0 - error * error * inverse);
#endif
#if WEIGHTED
        let weight = pow(prediction[at].y, BETA);
        d_mu *= weight;
        d_var *= weight;
#endif
        d_mu = select(d_mu, error, fit_mean);
        d_var = select(d_var, 0.0, fit_mean);
        raw_grad[at] = vec2<f32>(d_mu * mean_slope(value.x), d_var * variance_slope(value.y)) / f32(BATCH);
    }
    sh_loss[thread] = sum;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (thread < half) {
            sh_loss[thread] += sh_loss[thread + half];
        }
    }
    if (thread == 0u) {
        loss[member] = sh_loss[0] / f32(BATCH);
    }
}

#entry heads_grad_input
@group(0) @binding(0) var<storage, read> raw_grad: array<vec2<f32>>;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read_write> grad_x: array<f32>;
#if GATE
@group(0) @binding(3) var<storage, read> x: array<f32>;
#endif

@compute @workgroup_size(64)
fn heads_grad_input(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let member = group.z;
    let at = (group.x + group.y * GRID_X) * 64u + thread;
    if (at < ${BATCH * INPUTS}u) {
        let i = at % INPUTS;
        let d = raw_grad[member * BATCH + at / INPUTS];
        let param = member * PARAM_STRIDE + i;
        var value = d.x * params[param + MEAN_KERNEL] + d.y * params[param + VAR_KERNEL];
#if GATE
        value = select(0.0, value, x[member * X_STRIDE + at] > 0.0);
#endif
#if ACCUMULATE
        value += grad_x[member * ${BATCH * INPUTS}u + at];
#endif
        grad_x[member * ${BATCH * INPUTS}u + at] = value;
    }
}

#entry heads_grad_weight
// Each thread computes one input of both kernels, or the biases as input F; the batch is added up in blocks of 16.
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> raw_grad: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> grads: array<f32>;

@compute @workgroup_size(64)
fn heads_grad_weight(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let member = group.z;
    let i = (group.x + group.y * GRID_X) * 64u + thread;
    if (i <= INPUTS) {
        var sum = vec2<f32>();
        for (var first = 0u; first < BATCH; first += 16u) {
            var block = vec2<f32>();
            for (var image = first; image < min(first + 16u, BATCH); image++) {
                var value = 1.0;
                if (i < INPUTS) {
                    value = x[member * X_STRIDE + image * INPUTS + i];
                }
                block += value * raw_grad[member * BATCH + image];
            }
            sum += block;
        }
        let to = member * GRAD_STRIDE + select(vec2<u32>(MEAN_BIAS, VAR_BIAS), vec2<u32>(MEAN_KERNEL + i, VAR_KERNEL + i), i < INPUTS);
#if ACCUMULATE
        sum += vec2<f32>(grads[to.x], grads[to.y]);
#endif
        grads[to.x] = sum.x;
        grads[to.y] = sum.y;
    }
}
