// Dense layers: three matrix products, each in two passes.
//
// dense_product  A (M,ROWS,INNER) x B (M,INNER,COLUMNS)  ->  partials (M,SPLITS,ROWS,COLUMNS), cut along INNER
// dense_sum      partials  ->  forward      out (M,B,out) = act(x kernel + bias)
//                              grad_input   grad_x (M,B,in) = dout kernel^T; GATE: only where x > 0
//                              grad_weight  dkernel (in,out) = x^T dout, and dbias from one more row of A, all ones
//                              ACCUMULATE: gradients are added to what is there
//
// |             | A                | B          | ROWS   | INNER | COLUMNS |
// | forward     | x (B,in)         | kernel     | B      | in    | out     |
// | grad_input  | dout (B,out)     | kernel^T   | B      | out   | in      |
// | grad_weight | x^T and ones     | dout       | in + 1 | B     | out     |
//
// A workgroup of 64 threads computes a tile of 32 x 64 and loads 16 values of the inner axis to workgroup memory at a time.
// Each thread keeps 8 rows x 4 columns in registers: three loads of a vec4 for 32 multiply-adds. Splitting INNER occupies
// a GPU even if batch and layer are small, and keeps the sums short.

#entry dense_forward dense_grad_input dense_grad_weight
#let ROW_TILES = (ROWS + 31) / 32
#let COLUMN_TILES = (COLUMNS + 63) / 64

@group(0) @binding(0) var<storage, read> left: array<f32>;
@group(0) @binding(1) var<storage, read> right: array<f32>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;

// [inner][rows / 4], [inner][columns / 4].
var<workgroup> sh_left: array<vec4<f32>, 128>;
var<workgroup> sh_right: array<vec4<f32>, 256>;

#entry dense_forward
fn load_left(member: u32, row: u32, inner: u32) -> f32 {
    return left[member * LEFT_STRIDE + row * INNER + inner];
}
fn load_right(member: u32, inner: u32, column: u32) -> f32 {
    return right[member * RIGHT_STRIDE + RIGHT + inner * COLUMNS + column];
}

#entry dense_grad_input
fn load_left(member: u32, row: u32, inner: u32) -> f32 {
    return left[member * LEFT_STRIDE + row * INNER + inner];
}
fn load_right(member: u32, inner: u32, column: u32) -> f32 {
    return right[member * RIGHT_STRIDE + RIGHT + column * INNER + inner];
}

#entry dense_grad_weight
fn load_left(member: u32, row: u32, inner: u32) -> f32 {
    if (row == ${ROWS - 1}u) {
        return 1.0;
    }
    return left[member * LEFT_STRIDE + inner * ${ROWS - 1}u + row];
}
fn load_right(member: u32, inner: u32, column: u32) -> f32 {
    return right[member * RIGHT_STRIDE + RIGHT + inner * COLUMNS + column];
}

#entry dense_forward dense_grad_input dense_grad_weight
fn left_or_zero(member: u32, row: u32, inner: u32, end: u32) -> f32 {
    if (row < ROWS && inner < end) {
        return load_left(member, row, inner);
    }
    return 0.0;
}

fn right_or_zero(member: u32, inner: u32, column: u32, end: u32) -> f32 {
    if (column < COLUMNS && inner < end) {
        return load_right(member, inner, column);
    }
    return 0.0;
}

fn product(group: vec3<u32>, thread: u32) {
    let member = group.z;
    // The grid may have a few workgroups too many; those compute the last tile again and store nothing.
    let index = group.x + group.y * GRID_X;
    let tile = min(index, ${ROW_TILES * COLUMN_TILES * SPLITS - 1}u);
    let first_column = tile % ${COLUMN_TILES}u * 64u;
    let first_row = tile / ${COLUMN_TILES}u % ${ROW_TILES}u * 32u;
    let split = tile / ${COLUMN_TILES * ROW_TILES}u;
    let end = min((split + 1u) * DEPTH, INNER);
    let row4 = thread / 16u * 2u;
    let column4 = thread % 16u;
#for r in 0..8
    var sum_$r = vec4<f32>();
#endfor
    for (var inner = split * DEPTH; inner < end; inner += 16u) {
        workgroupBarrier();
        // Neighbouring threads read neighbouring values of the buffer, along the inner axis or across it.
        for (var k = thread; k < 128u; k += 64u) {
#if LEFT_ALONG
            let i = k % 16u;
            let r = k / 16u;
#else
            let r = k % 8u;
            let i = k / 8u;
#endif
            let row = first_row + r * 4u;
            sh_left[i * 8u + r] = vec4<f32>(
                left_or_zero(member, row, inner + i, end),
                left_or_zero(member, row + 1u, inner + i, end),
                left_or_zero(member, row + 2u, inner + i, end),
                left_or_zero(member, row + 3u, inner + i, end));
        }
        for (var k = thread; k < 256u; k += 64u) {
#if RIGHT_ALONG
            let i = k % 16u;
            let c = k / 16u;
#else
            let c = k % 16u;
            let i = k / 16u;
#endif
            let column = first_column + c * 4u;
            sh_right[i * 16u + c] = vec4<f32>(
                right_or_zero(member, inner + i, column, end),
                right_or_zero(member, inner + i, column + 1u, end),
                right_or_zero(member, inner + i, column + 2u, end),
                right_or_zero(member, inner + i, column + 3u, end));
        }
        workgroupBarrier();
        for (var i = 0u; i < 16u; i++) {
            let a_0 = sh_left[i * 8u + row4];
            let a_1 = sh_left[i * 8u + row4 + 1u];
            let b = sh_right[i * 16u + column4];
#for r in 0..8
            sum_$r = fma(vec4<f32>(a_${r / 4}[${r % 4}]), b, sum_$r);
#endfor
        }
    }
    if (index == tile) {
#for r in 0..8
#for c in 0..4
        if (first_row + row4 * 4u + ${r}u < ROWS && first_column + column4 * 4u + ${c}u < COLUMNS) {
            partials[((member * SPLITS + split) * ROWS + first_row + row4 * 4u + ${r}u) * COLUMNS + first_column + column4 * 4u + ${c}u] = sum_$r[$c];
        }
#endfor
#endfor
    }
}

#entry dense_forward
@compute @workgroup_size(64)
fn dense_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    product(group, thread);
}

#entry dense_grad_input
@compute @workgroup_size(64)
fn dense_grad_input(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    product(group, thread);
}

#entry dense_grad_weight
@compute @workgroup_size(64)
fn dense_grad_weight(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    product(group, thread);
}

#entry dense_forward_sum dense_grad_input_sum dense_grad_weight_sum
@group(0) @binding(0) var<storage, read> partials: array<f32>;

fn sum_of_splits(member: u32, at: u32) -> f32 {
    var sum = 0.0;
    for (var split = 0u; split < SPLITS; split++) {
        sum += partials[(member * SPLITS + split) * ${ROWS * COLUMNS}u + at];
    }
    return sum;
}

#entry dense_forward_sum
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn dense_forward_sum(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (group.x + group.y * GRID_X) * 64u + thread;
    if (at < ${ROWS * COLUMNS}u) {
        var value = sum_of_splits(group.z, at) + params[group.z * PARAM_STRIDE + BIAS + at % COLUMNS];
#if RELU
        // Not max(), which may turn NaN into a number.
        value = select(value, 0.0, value <= 0.0);
#endif
        out[group.z * ${ROWS * COLUMNS}u + at] = value;
    }
}

#entry dense_grad_input_sum
@group(0) @binding(1) var<storage, read_write> grad_x: array<f32>;
#if GATE
@group(0) @binding(2) var<storage, read> x: array<f32>;
#endif

@compute @workgroup_size(64)
fn dense_grad_input_sum(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (group.x + group.y * GRID_X) * 64u + thread;
    if (at < ${ROWS * COLUMNS}u) {
        var value = sum_of_splits(group.z, at);
#if GATE
        value = select(0.0, value, x[group.z * X_STRIDE + at] > 0.0);
#endif
#if ACCUMULATE
        value += grad_x[group.z * ${ROWS * COLUMNS}u + at];
#endif
        grad_x[group.z * ${ROWS * COLUMNS}u + at] = value;
    }
}

#entry dense_grad_weight_sum
@group(0) @binding(1) var<storage, read_write> grads: array<f32>;

@compute @workgroup_size(64)
fn dense_grad_weight_sum(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (group.x + group.y * GRID_X) * 64u + thread;
    if (at < ${ROWS * COLUMNS}u) {
        var value = sum_of_splits(group.z, at);
        let to = group.z * GRAD_STRIDE + select(BIAS + at % COLUMNS, KERNEL + at, at < ${(ROWS - 1) * COLUMNS}u);
#if ACCUMULATE
        value += grads[to];
#endif
        grads[to] = value;
    }
}
