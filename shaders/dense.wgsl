// Dense layers: three matrix products A (M,ROWS,INNER) x B (M,INNER,COLUMNS).
//
// dense_forward      out (M,B,out) = act(x kernel + bias)
// dense_grad_weight  dkernel (in,out) = x^T dout, and dbias from one more row of A, all ones
// dense_grad_input   grad_x (M,B,in) = dout kernel^T; GATE: only where x > 0
// dense_grad         both gradients, if neither is cut
//                    ACCUMULATE, ACCUMULATE_X: the gradients of the parameters, of x are added to what is there
//
// | role           | A                | B          | ROWS   | INNER | COLUMNS |
// | 0, forward     | x (B,in)         | kernel     | B      | in    | out     |
// | 1, grad_weight | x^T and ones     | dout       | in + 1 | B     | out     |
// | 2, grad_input  | dout (B,out)     | kernel^T   | B      | out   | in      |
//
// A workgroup of 64 threads computes a tile of 32 x 64 and loads 16 values of the inner axis to workgroup memory at a time.
// Each thread keeps 8 rows x 4 columns in registers: three loads of a vec4 for 32 multiply-adds. A long inner axis is cut
// into SPLITS pieces, which occupies a GPU even if batch and layer are small, and keeps the sums short: the product leaves
// partials (M,SPLITS,ROWS,COLUMNS), which dense_*_sum adds up.

#entry dense_forward dense_forward_sum
#let FIRST_ROLE = 0
#let LAST_ROLE = 0
#entry dense_grad_weight dense_grad_weight_sum
#let FIRST_ROLE = 1
#let LAST_ROLE = 1
#entry dense_grad_input dense_grad_input_sum
#let FIRST_ROLE = 2
#let LAST_ROLE = 2
#entry dense_grad
#let FIRST_ROLE = 1
#let LAST_ROLE = 2

#entry dense_forward
@group(0) @binding(0) var<storage, read> x: array<stored_x_1>;
@group(0) @binding(1) var<storage, read> params: array<f32>;
#if SPLITS > 1
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;
#else
@group(0) @binding(2) var<storage, read_write> out: array<stored_out_1>;
#endif

#entry dense_grad_weight
@group(0) @binding(0) var<storage, read> dout: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<stored_x_1>;
#if SPLITS > 1
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;
#else
@group(0) @binding(2) var<storage, read_write> grads: array<f32>;
#endif

#entry dense_grad_input
@group(0) @binding(0) var<storage, read> dout: array<f32>;
@group(0) @binding(1) var<storage, read> params: array<f32>;
#if SPLITS > 1
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;
#else
@group(0) @binding(2) var<storage, read_write> grad_x: array<f32>;
#if GATE
@group(0) @binding(3) var<storage, read> x: array<stored_x_1>;
#endif
#endif

#entry dense_grad
@group(0) @binding(0) var<storage, read> dout: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<stored_x_1>;
@group(0) @binding(2) var<storage, read_write> grads: array<f32>;
@group(0) @binding(3) var<storage, read> params: array<f32>;
@group(0) @binding(4) var<storage, read_write> grad_x: array<f32>;

#entry dense_forward_sum
@group(0) @binding(0) var<storage, read> partials: array<f32>;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<stored_out_1>;

#entry dense_grad_weight_sum
@group(0) @binding(0) var<storage, read> partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> grads: array<f32>;

#entry dense_grad_input_sum
@group(0) @binding(0) var<storage, read> partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> grad_x: array<f32>;
#if GATE
@group(0) @binding(2) var<storage, read> x: array<stored_x_1>;
#endif

// finish_ROLE: what becomes of a sum, in the kernel that has all of it.
#entry dense_forward dense_grad_weight dense_grad_input
#let FINISHES = SPLITS == 1
#entry dense_grad dense_forward_sum dense_grad_weight_sum dense_grad_input_sum
#let FINISHES = 1

#entry dense_forward dense_forward_sum
#if FINISHES
fn finish_0(member: u32, at: u32, sum: f32) {
    var value = sum + params[member * PARAM_STRIDE + BIAS + at % OUTPUTS];
#if RELU
    // Not max(), which may turn NaN into a number.
    value = select(value, 0.0, value <= 0.0);
#endif
    out[member * ${BATCH * OUTPUTS}u + at] = stored_out_1(value);
}
#endif

#entry dense_grad_weight dense_grad_weight_sum dense_grad
#if FINISHES
fn finish_1(member: u32, at: u32, sum: f32) {
    let to = member * GRAD_STRIDE + select(BIAS_GRAD + at % OUTPUTS, KERNEL_GRAD + at, at < ${INPUTS * OUTPUTS}u);
#if ACCUMULATE
    grads[to] += sum;
#else
    grads[to] = sum;
#endif
}
#endif

#entry dense_grad_input dense_grad_input_sum dense_grad
#if FINISHES
fn finish_2(member: u32, at: u32, sum: f32) {
    var value = sum;
#if GATE
    value = select(0.0, value, f32(x[member * X_STRIDE + at]) > 0.0);
#endif
#if ACCUMULATE_X
    value += grad_x[member * ${BATCH * INPUTS}u + at];
#endif
    grad_x[member * ${BATCH * INPUTS}u + at] = value;
}
#endif

// a_ROLE and b_ROLE: A and B.
#entry dense_forward
fn a_0(member: u32, row: u32, inner: u32) -> f32 {
    return f32(x[member * X_STRIDE + row * INPUTS + inner]);
}
fn b_0(member: u32, inner: u32, column: u32) -> f32 {
    return params[member * PARAM_STRIDE + KERNEL + inner * OUTPUTS + column];
}

#entry dense_grad_weight dense_grad
fn a_1(member: u32, row: u32, inner: u32) -> f32 {
    if (row == INPUTS) {
        return 1.0;
    }
    return f32(x[member * X_STRIDE + inner * INPUTS + row]);
}
fn b_1(member: u32, inner: u32, column: u32) -> f32 {
    return dout[member * ${BATCH * OUTPUTS}u + inner * OUTPUTS + column];
}

#entry dense_grad_input dense_grad
fn a_2(member: u32, row: u32, inner: u32) -> f32 {
    return dout[member * ${BATCH * OUTPUTS}u + row * OUTPUTS + inner];
}
fn b_2(member: u32, inner: u32, column: u32) -> f32 {
    return params[member * PARAM_STRIDE + KERNEL + column * OUTPUTS + inner];
}

#entry dense_forward dense_grad_weight dense_grad_input dense_grad
// [inner][rows / 4], [inner][columns / 4].
var<workgroup> sh_a: array<vec4<f32>, 128>;
var<workgroup> sh_b: array<vec4<f32>, 256>;

#for role in FIRST_ROLE..LAST_ROLE + 1
#let ROWS = BATCH + (role == 1) * (INPUTS + 1 - BATCH)
#let INNER = (role == 0) * INPUTS + (role == 1) * BATCH + (role == 2) * OUTPUTS
#let COLUMNS = OUTPUTS + (role == 2) * (INPUTS - OUTPUTS)
#let ROW_TILES = (ROWS + 31) / 32
#let COLUMN_TILES = (COLUMNS + 63) / 64
fn a_or_zero_$role(member: u32, row: u32, inner: u32, end: u32) -> f32 {
    if (row < ${ROWS}u && inner < end) {
        return a_$role(member, row, inner);
    }
    return 0.0;
}

fn b_or_zero_$role(member: u32, inner: u32, column: u32, end: u32) -> f32 {
    if (column < ${COLUMNS}u && inner < end) {
        return b_$role(member, inner, column);
    }
    return 0.0;
}

// The grid may have a few workgroups too many; those compute the last tile again and store nothing.
fn product_$role(member: u32, index: u32, thread: u32) {
    let tile = min(index, ${ROW_TILES * COLUMN_TILES * SPLITS - 1}u);
    let first_column = tile % ${COLUMN_TILES}u * 64u;
    let first_row = tile / ${COLUMN_TILES}u % ${ROW_TILES}u * 32u;
    let split = tile / ${COLUMN_TILES * ROW_TILES}u;
    let start = split * DEPTH;
    let end = min(start + DEPTH, ${INNER}u);
    let row4 = thread / 16u * 2u;
    let column4 = thread % 16u;
#for r in 0..8
    var sum_$r = vec4<f32>();
#endfor
    for (var inner = start; inner < end; inner += 16u) {
        workgroupBarrier();
        // Neighbouring threads read neighbouring values of the buffer: along the inner axis, or across it.
        for (var k = thread; k < 128u; k += 64u) {
#if role == 1
            let r = k % 8u;
            let i = k / 8u;
#else
            let i = k % 16u;
            let r = k / 16u;
#endif
            let row = first_row + r * 4u;
            sh_a[i * 8u + r] = vec4<f32>(
                a_or_zero_$role(member, row, inner + i, end),
                a_or_zero_$role(member, row + 1u, inner + i, end),
                a_or_zero_$role(member, row + 2u, inner + i, end),
                a_or_zero_$role(member, row + 3u, inner + i, end));
        }
        for (var k = thread; k < 256u; k += 64u) {
#if role == 2
            let i = k % 16u;
            let c = k / 16u;
#else
            let c = k % 16u;
            let i = k / 16u;
#endif
            let column = first_column + c * 4u;
            sh_b[i * 16u + c] = vec4<f32>(
                b_or_zero_$role(member, inner + i, column, end),
                b_or_zero_$role(member, inner + i, column + 1u, end),
                b_or_zero_$role(member, inner + i, column + 2u, end),
                b_or_zero_$role(member, inner + i, column + 3u, end));
        }
        workgroupBarrier();
        for (var i = 0u; i < 16u; i++) {
            let a_low = sh_a[i * 8u + row4];
            let a_high = sh_a[i * 8u + row4 + 1u];
            let b = sh_b[i * 16u + column4];
#for r in 0..4
            sum_$r = fma(vec4<f32>(a_low[$r]), b, sum_$r);
#endfor
#for r in 4..8
            sum_$r = fma(vec4<f32>(a_high[${r - 4}]), b, sum_$r);
#endfor
        }
    }
    let row = first_row + row4 * 4u;
    let column = first_column + column4 * 4u;
    if (index == tile) {
#for r in 0..8
#for c in 0..4
        if (row + ${r}u < ${ROWS}u && column + ${c}u < ${COLUMNS}u) {
            let at = (row + ${r}u) * ${COLUMNS}u + column + ${c}u;
#if FINISHES
            finish_$role(member, at, sum_$r[$c]);
#else
            partials[(member * SPLITS + split) * ${ROWS * COLUMNS}u + at] = sum_$r[$c];
#endif
        }
#endfor
#endfor
    }
}
#endfor

#entry dense_forward
@compute @workgroup_size(64)
fn dense_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    product_0(group.z, group.x + group.y * GRID_X, thread);
}

#entry dense_grad_weight
@compute @workgroup_size(64)
fn dense_grad_weight(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    product_1(group.z, group.x + group.y * GRID_X, thread);
}

#entry dense_grad_input
@compute @workgroup_size(64)
fn dense_grad_input(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    product_2(group.z, group.x + group.y * GRID_X, thread);
}

#entry dense_grad
@compute @workgroup_size(64)
fn dense_grad(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let index = group.x + group.y * GRID_X;
    if (index < WEIGHT_TILES) {
        product_1(group.z, index, thread);
    } else {
        product_2(group.z, index - WEIGHT_TILES, thread);
    }
}

#entry dense_forward_sum dense_grad_input_sum dense_grad_weight_sum
#for role in FIRST_ROLE..LAST_ROLE + 1
#let SUMS = (BATCH + (role == 1) * (INPUTS + 1 - BATCH)) * (OUTPUTS + (role == 2) * (INPUTS - OUTPUTS))
fn add_splits(group: vec3<u32>, thread: u32) {
    let at = (group.x + group.y * GRID_X) * 64u + thread;
    if (at < ${SUMS}u) {
        var sum = 0.0;
        for (var split = 0u; split < SPLITS; split++) {
            sum += partials[(group.z * SPLITS + split) * ${SUMS}u + at];
        }
        finish_$role(group.z, at, sum);
    }
}
#endfor

#entry dense_forward_sum
@compute @workgroup_size(64)
fn dense_forward_sum(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    add_splits(group, thread);
}

#entry dense_grad_weight_sum
@compute @workgroup_size(64)
fn dense_grad_weight_sum(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    add_splits(group, thread);
}

#entry dense_grad_input_sum
@compute @workgroup_size(64)
fn dense_grad_input_sum(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    add_splits(group, thread);
}
