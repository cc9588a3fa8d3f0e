// What a device can do at most: multiply-adds, a copy, and kernels that do nothing.

#entry multiply_add
@group(0) @binding(0) var<storage, read_write> values: array<vec4<f32>>;

// Eight independent chains per thread hide the latency of the multiply-adds: ROUNDS x 8 x 4 of them.
@compute @workgroup_size(256)
fn multiply_add(@builtin(local_invocation_index) index: u32) {
    // The values are not known to the compiler.
    let x = values[index];
    let factor = x + 0.999;
    var a = x;
    var b = x + 1.0;
    var c = x + 2.0;
    var d = x + 3.0;
    var e = x + 4.0;
    var f = x + 5.0;
    var g = x + 6.0;
    var h = x + 7.0;
    for (var round = 0u; round < ROUNDS; round++) {
        a = fma(a, factor, x);
        b = fma(b, factor, x);
        c = fma(c, factor, x);
        d = fma(d, factor, x);
        e = fma(e, factor, x);
        f = fma(f, factor, x);
        g = fma(g, factor, x);
        h = fma(h, factor, x);
    }
    let sum = a + b + c + d + e + f + g + h;
    // Never, which the compiler does not know either.
    if (all(sum == vec4<f32>(-1.0))) {
        values[index] = sum;
    }
}

#entry copy
@group(0) @binding(0) var<storage, read> source: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> values: array<vec4<f32>>;

@compute @workgroup_size(256)
fn copy(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let index = group.y * 256u + thread;
    if (index < VECTORS) {
        values[index] = source[index];
    }
}

#entry wait_in_turn
@group(0) @binding(0) var<storage, read_write> values: array<vec4<f32>>;

// Each of these waits for the one before, because it may have written.
@compute @workgroup_size(64)
fn wait_in_turn(@builtin(local_invocation_index) index: u32) {
    if (values[index].x < -1.0) {
        values[index] = vec4<f32>();
    }
}

#entry wait_for_none
@group(0) @binding(0) var<storage, read> source: array<vec4<f32>>;

// These need not wait: they only read.
@compute @workgroup_size(64)
fn wait_for_none(@builtin(local_invocation_index) index: u32) {
    _ = source[index];
}
