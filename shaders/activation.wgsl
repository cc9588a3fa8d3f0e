// An activation as a layer of its own, value by value.
//
// activation_forward     x (M,LEN)  ->  out = f(x)
// activation_grad_input  x, dout    ->  grad_x = dout f'(x); GATE: only where x > 0; ACCUMULATE: added to what is there
//
// relu        f(x) = x if x > 0, else 0;        f'(0) = 0
// leaky relu  f(x) = x if x > 0, else SLOPE x;  f'(0) = SLOPE
// silu        f(x) = x / (1 + exp(-x))
//
// Comparisons are written such that a NaN stays a NaN. Each thread computes LANE values.

#import shared/lanes

#entry activation_forward activation_grad_input
@group(0) @binding(0) var<storage, read> x: array<stored_x_$LANE>;

#if SILU
// 1 / (1 + exp(-x)) of x and of -x, without an exponential that overflows.
struct Sigmoids {
    plus: V,
    minus: V,
}

fn sigmoids(x: V) -> Sigmoids {
    let e = exp(-abs(x));
    let positive = x >= V(0.0);
    return Sigmoids(select(e, V(1.0), positive) / (1.0 + e), select(V(1.0), e, positive) / (1.0 + e));
}
#endif

#entry activation_forward
@group(0) @binding(1) var<storage, read_write> out: array<stored_out_$LANE>;

fn f(x: V) -> V {
#if RELU
    return select(x, V(0.0), x <= V(0.0));
#endif
#if LEAKY_RELU
    return select(x, SLOPE * x, x <= V(0.0));
#endif
#if SILU
    return x * sigmoids(x).plus;
#endif
#if LINEAR
    return x;
#endif
}

@compute @workgroup_size(256)
fn activation_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (group.x + group.y * GRID_X) * 256u + thread;
    if (at < ${LEN / LANE}u) {
        out[group.z * ${OUT_STRIDE / LANE}u + at] = stored_out_$LANE(f(V(x[group.z * ${X_STRIDE / LANE}u + at])));
    }
}

#entry activation_grad_input
@group(0) @binding(1) var<storage, read> dout: array<V>;
@group(0) @binding(2) var<storage, read_write> grad_x: array<V>;

fn slope(x: V) -> V {
#if RELU
    return select(V(0.0), V(1.0), x > V(0.0));
#endif
#if LEAKY_RELU
    return select(V(SLOPE), V(1.0), x > V(0.0));
#endif
#if SILU
    let s = sigmoids(x);
    return s.plus * (1.0 + x * s.minus);
#endif
#if LINEAR
    return V(1.0);
#endif
}

@compute @workgroup_size(256)
fn activation_grad_input(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (group.x + group.y * GRID_X) * 256u + thread;
    if (at < ${LEN / LANE}u) {
        let value = V(x[group.z * ${X_STRIDE / LANE}u + at]);
        var gradient = dout[group.z * ${OUT_STRIDE / LANE}u + at] * slope(value);
#if GATE
        gradient = select(V(0.0), gradient, value > V(0.0));
#endif
#if ACCUMULATE
        grad_x[group.z * ${GRAD_X_STRIDE / LANE}u + at] += gradient;
#else
        grad_x[group.z * ${GRAD_X_STRIDE / LANE}u + at] = gradient;
#endif
    }
}
