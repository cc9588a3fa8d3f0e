// Gradients of a convolution's kernel and bias. Images (M,B,H,W,C), kernels (kh,kw,in,out), member on z. With s the stride
// and p, q the padding above and on the left:
//
//   dkernel[u,v,c,o] = sum over b,i,j of x[b,si+u-p,sj+v-q,c] dout[b,i,j,o];  dbias[o] = sum of dout[..,o]
//
// The long sum over (b,i,j) is split into pieces of image rows. The pass grad_weight computes their partial sums, and
// grad_weight_sums adds these. Channels are processed in blocks of four, with zeros after the last channel.

#entry grad_weight
// There are SPLITS pieces of ROWS image rows of dout. Each thread computes WIDTH values of a kernel row x 4 input channels x
// 4 output channels of a piece in registers, while it moves along the image rows; further threads compute the bias, one per
// piece and block. Neighbouring threads read neighbouring channels of the same pixels, from the first-level cache: one load
// for some 40 multiply-adds.
#let IN_BLOCKS = (IN_C + 3) / 4
#let OUT_BLOCKS = (OUT_C + 3) / 4
#let USED = (IN_C >= 4) * 4 + (IN_C < 4) * IN_C
#let PIECE = (KERNEL_H * KERNEL_W * IN_C + 1) * OUT_BLOCKS
#let STRIPS = (KERNEL_W + WIDTH - 1) / WIDTH
#let WEIGHT_THREADS = SPLITS * STRIPS * KERNEL_H * OUT_BLOCKS * IN_BLOCKS
// Columns of x that a strip of a window has in common with that of the next one.
#let OVERLAP = (WIDTH > STRIDE) * (WIDTH - STRIDE)

// Channels that are neighbours in memory: four or one.
#let IN_LANE = 1 + 3 * (IN_C % 4 == 0)
#let OUT_LANE = 1 + 3 * (OUT_C % 4 == 0)

@group(0) @binding(0) var<storage, read> x: array<stored_x_$IN_LANE>;
@group(0) @binding(1) var<storage, read> dout: array<stored_dout_$OUT_LANE>;
// (M, SPLITS, kh kw in + 1, blocks of output channels); the last row is that of the bias.
@group(0) @binding(2) var<storage, read_write> partials: array<vec4<f32>>;

fn load_x(member: u32, pixel: u32, block: u32) -> vec4<f32> {
#if IN_LANE == 4
    return vec4<f32>(x[member * ${X_STRIDE / 4}u + pixel * ${IN_C / 4}u + block]);
#else
    let at = member * X_STRIDE + pixel * IN_C + block * 4u;
    var value = vec4<f32>();
#for k in 0..USED
    if (block * 4u + ${k}u < IN_C) {
        value[$k] = f32(x[at + ${k}u]);
    }
#endfor
    return value;
#endif
}

// Four channels of a pixel in a row of x; zeros outside the image.
fn load_column(member: u32, x_row: u32, column: u32, block: u32) -> vec4<f32> {
#if PADDED
    // Left of the image, the number of the column wraps round.
    let j = column - PAD_W;
    var value = vec4<f32>();
    if (j < IN_W) {
        value = load_x(member, x_row + j, block);
    }
    return value;
#else
    return load_x(member, x_row + column, block);
#endif
}

fn load_dout(member: u32, pixel: u32, block: u32) -> vec4<f32> {
#if OUT_LANE == 4
    return dout[member * ${DOUT_STRIDE / 4}u + pixel * ${OUT_C / 4}u + block];
#else
    let at = member * DOUT_STRIDE + pixel * OUT_C + block * 4u;
    var value = vec4<f32>();
#for k in 0..4
    if (block * 4u + ${k}u < OUT_C) {
        value[$k] = dout[at + ${k}u];
    }
#endfor
    return value;
#endif
}

fn weight_partials(member: u32, index: u32) {
    let in_block = index % ${IN_BLOCKS}u;
    let out_block = index / ${IN_BLOCKS}u % ${OUT_BLOCKS}u;
    let u = index / ${IN_BLOCKS * OUT_BLOCKS}u % KERNEL_H;
    let split = index / ${IN_BLOCKS * OUT_BLOCKS * KERNEL_H * STRIPS}u;
#if STRIPS > 1
    // The last strip begins earlier, so that it ends with the kernel; what it shares with the one before it, that one stores.
    let own_left = index / ${IN_BLOCKS * OUT_BLOCKS * KERNEL_H}u % ${STRIPS}u * WIDTH;
    let left = min(own_left, ${KERNEL_W - WIDTH}u);
#else
    const left = 0u;
#endif

#for v in 0..WIDTH
#for c in 0..USED
    var sum_${v}_$c = vec4<f32>();
#endfor
#endfor

    for (var row = split * ROWS; row < min((split + 1u) * ROWS, BATCH * OUT_H); row++) {
#if PADDED
        // Above the image, this wraps round to a number outside of it.
        let line = row % OUT_H * ${STRIDE}u + u - PAD_H;
        if (line >= IN_H) {
            continue;
        }
        let x_row = (row / OUT_H * IN_H + line) * IN_W;
#else
        let x_row = (row / OUT_H * IN_H + row % OUT_H * ${STRIDE}u + u) * IN_W;
#endif
        let dout_row = row * OUT_W;
#for q in 0..OVERLAP
        var x_$q = load_column(member, x_row, left + ${q}u, in_block);
#endfor
        // Whole stretches of the row, then the remainder.
#for part in 0..2
#let N = (part == 0) * COLUMNS + (part == 1) * (OUT_W % COLUMNS)
#if N > 0
        for (var j = ${part * (OUT_W / COLUMNS) * COLUMNS}u; j + ${N}u <= OUT_W; j += ${N}u) {
#for q in 0..OVERLAP
            let c_$q = x_$q;
#endfor
#for p in 0..N
#for q in p * STRIDE + OVERLAP..p * STRIDE + WIDTH
            let c_$q = load_column(member, x_row, j * ${STRIDE}u + left + ${q}u, in_block);
#endfor
            let d_$p = load_dout(member, dout_row + j + ${p}u, out_block);
#for v in 0..WIDTH
#for c in 0..USED
            sum_${v}_$c = fma(vec4<f32>(c_${p * STRIDE + v}[$c]), d_$p, sum_${v}_$c);
#endfor
#endfor
#endfor
#for q in 0..OVERLAP
            x_$q = c_${N * STRIDE + q};
#endfor
        }
#endif
#endfor
    }

    let first = (member * SPLITS + split) * ${PIECE}u + out_block;
#for v in 0..WIDTH
#for c in 0..USED
#if STRIPS > 1
    if (in_block * 4u + ${c}u < IN_C && left + ${v}u >= own_left) {
#else
    if (in_block * 4u + ${c}u < IN_C) {
#endif
        partials[first + ((u * KERNEL_W + left + ${v}u) * IN_C + in_block * 4u + ${c}u) * ${OUT_BLOCKS}u] = sum_${v}_$c;
    }
#endfor
#endfor
}

fn bias_partials(member: u32, index: u32) {
    let block = index % ${OUT_BLOCKS}u;
    let split = index / ${OUT_BLOCKS}u;
    var sum = vec4<f32>();
    for (var row = split * ROWS; row < min((split + 1u) * ROWS, BATCH * OUT_H); row++) {
        var row_sum = vec4<f32>();
        for (var j = 0u; j < OUT_W; j++) {
            row_sum += load_dout(member, row * OUT_W + j, block);
        }
        sum += row_sum;
    }
    partials[(member * SPLITS + split + 1u) * ${PIECE}u - ${OUT_BLOCKS}u + block] = sum;
}

@compute @workgroup_size(THREADS)
fn grad_weight(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let index = (group.x + group.y * GRID_X) * THREADS + thread;
    if (index < ${WEIGHT_THREADS}u) {
        weight_partials(group.z, index);
    } else if (index < ${WEIGHT_THREADS + SPLITS * OUT_BLOCKS}u) {
        bias_partials(group.z, index - ${WEIGHT_THREADS}u);
    }
}

#entry grad_weight_sums
// Adds the pieces of SUMS convolutions. Their workgroups follow each other, and so do their pieces in the TENSORS tensors: of
// one batch, or of several, whose sums are added. For each item of four output channels, eight threads add every eighth
// piece, then their sums are added in order. ACCUMULATE: added to what is there.
#if VEC_GRADS
alias Grad = vec4<f32>;
#else
alias Grad = f32;
#endif

#for k in 0..TENSORS
@group(0) @binding($k) var<storage, read> partials_$k: array<vec4<f32>>;
#endfor
@group(0) @binding(TENSORS) var<storage, read_write> grads: array<Grad>;

var<workgroup> sh_sums: array<vec4<f32>, 64>;

#for i in 0..SUMS
#let OUT_BLOCKS = (OUT_C_$i + 3) / 4
#let ITEMS = (KERNEL_LEN_$i / OUT_C_$i + 1) * OUT_BLOCKS
fn add_$i(member: u32, group: u32, thread: u32) {
    let item = group * 8u + thread % 8u;
    var total = vec4<f32>();
#for k in TENSOR_$i..LAST_TENSOR_$i + 1
    var sum_$k = vec4<f32>();
    if (item < ${ITEMS}u) {
        for (var split = thread / 8u; split < SPLITS_$k; split += 8u) {
            sum_$k += partials_$k[(member * SPLITS_$k + split) * ${ITEMS}u + item];
        }
    }
#if k > TENSOR_$i
    workgroupBarrier();
#endif
    sh_sums[thread] = sum_$k;
    workgroupBarrier();
    if (thread < 8u) {
#for j in 1..8
        sum_$k += sh_sums[thread + ${8 * j}u];
#endfor
        total += sum_$k;
    }
#endfor
    if (thread < 8u && item < ${ITEMS}u) {
        let row = item / ${OUT_BLOCKS}u;
        let channel = item % ${OUT_BLOCKS}u * 4u;
        let place = select(BIAS_$i, KERNEL_$i + row * OUT_C_$i, row < ${KERNEL_LEN_$i / OUT_C_$i}u) + channel;
        let at = member * GRAD_STRIDE + place;
#if VEC_GRADS
#if ACCUMULATE_$i
        total += grads[at / 4u];
#endif
        grads[at / 4u] = total;
#else
#for c in 0..4
        if (channel + ${c}u < OUT_C_$i) {
#if ACCUMULATE_$i
            total[$c] += grads[at + ${c}u];
#endif
            grads[at + ${c}u] = total[$c];
        }
#endfor
#endif
    }
}
#endfor

@compute @workgroup_size(64)
fn grad_weight_sums(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let index = group.x + group.y * GRID_X;
#for i in 0..SUMS
    if (index >= GROUP_$i && index <= LAST_GROUP_$i) {
        add_$i(group.z, index - GROUP_$i, thread);
    }
#endfor
}
