// Convolution, stride 1, valid, and its two gradients. Images (M,B,H,W,C), kernels (kh,kw,in,out), member on z.
//
//   forward       out[b,i,j,o]    = act(bias[o] + sum over u,v,c of x[b,i+u,j+v,c] kernel[u,v,c,o])
//   grad_input    dx[b,i,j,c]     = sum over u,v,o of dout[b,i-u,j-v,o] kernel[u,v,c,o], where x > 0 if gated
//   grad_weight   dkernel[u,v,c,o] = sum over b,i,j of x[b,i+u,j+v,c] dout[b,i,j,o];  dbias[o] = sum of dout[..,o]
//
// The input gradient is a convolution of dout, padded by the kernel's size less one, with the kernel turned half round
// and its channels swapped, so `forward` and `grad_input` are one kernel, from `src` to `dst`. Channels go in blocks
// of four, the rest of the last block zero. A member's sums run in an order that tile and split fix.
//
// Tiles and their meaning: src/gpu/lower/conv.rs.

#entry forward grad_input
// A workgroup computes ROWS x (STRIPS * PIXELS) pixels of 4 * LANES channels of one image; a thread PIXELS pixels in a
// row x 4 channels. Of CHUNK blocks of src channels at a time, the patch that the tile sees and KERNEL_ROWS
// rows of the kernel are brought to workgroup memory; src values slide along the kernel's row in registers.
#let SRC_BLOCKS = (SRC_C + 3) / 4
#let DST_BLOCKS = (DST_C + 3) / 4
// Src channels of a block that can be other than zero.
#let USED = (SRC_C >= 4) * 4 + (SRC_C < 4) * SRC_C
#let THREADS = LANES * STRIPS * ROWS
#let PATCH_H = ROWS + KERNEL_H - 1
#let PATCH_W = STRIPS * PIXELS + KERNEL_W - 1
// Strips that lie an even number of vec4 apart would meet in the same banks.
#let SKEW = (PIXELS + 1) % 2
#let PITCH = PATCH_W + SKEW * (PATCH_W / PIXELS)
#let PATCH = CHUNK * PATCH_H * PATCH_W
#let WEIGHTS = CHUNK * KERNEL_ROWS * KERNEL_W * 4 * LANES

#if SRC_C % 4 == 0
alias Src = vec4<f32>;
#else
alias Src = f32;
#endif
#if DST_C % 4 == 0
alias Dst = vec4<f32>;
#else
alias Dst = f32;
#endif
#if VEC_PARAMS
alias Param = vec4<f32>;
#else
alias Param = f32;
#endif

@group(0) @binding(0) var<storage, read> src: array<Src>;
@group(0) @binding(1) var<storage, read> params: array<Param>;
@group(0) @binding(2) var<storage, read_write> dst: array<Dst>;
#if GATE
@group(0) @binding(3) var<storage, read> gate: array<Dst>;
#endif

var<workgroup> sh_src: array<vec4<f32>, ${CHUNK * PATCH_H * PITCH}>;
var<workgroup> sh_kernel: array<vec4<f32>, $WEIGHTS>;

// Four channels of a pixel of src.
fn load_src(member: u32, pixel: u32, block: u32) -> vec4<f32> {
#if SRC_C % 4 == 0
    return src[member * ${SRC_STRIDE / 4}u + pixel * ${SRC_C / 4}u + block];
#else
    let at = member * SRC_STRIDE + pixel * SRC_C + block * 4u;
    var value = vec4<f32>();
#for k in 0..USED
    if (block * 4u + ${k}u < SRC_C) {
        value[$k] = src[at + ${k}u];
    }
#endfor
    return value;
#endif
}

// Four values of a member's parameters, those of channels from `limit` on zero.
fn load_params(member: u32, at: u32, channel: u32, limit: u32) -> vec4<f32> {
#if VEC_PARAMS
    return params[member * ${PARAM_STRIDE / 4}u + (at + channel) / 4u];
#else
    var value = vec4<f32>();
#for k in 0..4
    if (channel + ${k}u < limit) {
        value[$k] = params[member * PARAM_STRIDE + at + channel + ${k}u];
    }
#endfor
    return value;
#endif
}

// Forward: kernel[u, v, 4 src_block + k, four dst channels]. Input gradient: of the kernel turned half round, the weights
// from four src channels to dst channel 4 dst_block + k; the threads swap the two in registers.
fn load_kernel(member: u32, u: u32, v: u32, src_block: u32, dst_block: u32, k: u32) -> vec4<f32> {
#if FORWARD
    let input = src_block * 4u + k;
    let output = dst_block * 4u;
    let tap = u * KERNEL_W + v;
    let within = u < KERNEL_H && input < SRC_C && output < DST_C;
#else
    let input = dst_block * 4u + k;
    let output = src_block * 4u;
    let tap = (KERNEL_H - 1u - u) * KERNEL_W + KERNEL_W - 1u - v;
    let within = u < KERNEL_H && input < DST_C && output < SRC_C;
#endif
    var value = vec4<f32>();
    if (within) {
        value = load_params(member, KERNEL + (tap * ${FORWARD * SRC_C + (1 - FORWARD) * DST_C}u + input) * OUT_C, output, OUT_C);
    }
    return value;
}

// Bias and ReLU, or the gate, then four channels of a pixel of dst.
fn store(member: u32, pixel: u32, block: u32, sum: vec4<f32>) {
#if FORWARD
    var value = sum + load_params(member, BIAS, block * 4u, DST_C);
#if RELU
    // Not max(), which may turn NaN into a number.
    value = select(value, vec4<f32>(), value <= vec4<f32>());
#endif
#else
    var value = sum;
#endif
#if DST_C % 4 == 0
    let at = pixel * ${DST_C / 4}u + block;
#if GATE
    value = select(vec4<f32>(), value, gate[member * ${GATE_STRIDE / 4}u + at] > vec4<f32>());
#endif
    dst[member * ${DST_STRIDE / 4}u + at] = value;
#else
    let at = pixel * DST_C + block * 4u;
#for k in 0..4
    if (block * 4u + ${k}u < DST_C) {
#if GATE
        value[$k] = select(0.0, value[$k], gate[member * GATE_STRIDE + at + ${k}u] > 0.0);
#endif
        dst[member * DST_STRIDE + at + ${k}u] = value[$k];
    }
#endfor
#endif
}

fn convolve(group: vec3<u32>, thread: u32) {
    let member = group.z;
    // The grid may be a few workgroups too large; those compute the last tile again and store nothing.
    let index = group.x + group.y * GRID_X;
    let tile = min(index, TILES - 1u);
    let first_block = tile % DST_TILES * LANES;
    let first_column = tile / DST_TILES % COLUMN_TILES * ${STRIPS * PIXELS}u;
    let first_row = tile / (DST_TILES * COLUMN_TILES) % ROW_TILES * ROWS;
    let image = tile / (DST_TILES * COLUMN_TILES * ROW_TILES);

    let lane = thread % LANES;
    let strip = thread / LANES % STRIPS;
    let row = thread / (LANES * STRIPS);

#for p in 0..PIXELS
    var sum_$p = vec4<f32>();
#endfor

    for (var chunk = 0u; chunk < ${SRC_BLOCKS}u; chunk += CHUNK) {
        for (var first_u = 0u; first_u < KERNEL_H; first_u += KERNEL_ROWS) {
            workgroupBarrier();
            if (first_u == 0u) {
                for (var k = thread; k < ${PATCH}u; k += ${THREADS}u) {
                    let block = k % CHUNK;
                    let column = k / CHUNK % ${PATCH_W}u;
                    let line = k / ${CHUNK * PATCH_W}u;
                    // Left of and above the image these wrap round, and are out of it as well.
                    let i = first_row + line - PAD_H;
                    let j = first_column + column - PAD_W;
                    var value = vec4<f32>();
                    if (i < SRC_H && j < SRC_W) {
                        value = load_src(member, (image * SRC_H + i) * SRC_W + j, chunk + block);
                    }
                    sh_src[(block * ${PATCH_H}u + line) * ${PITCH}u + column + ${SKEW}u * (column / PIXELS)] = value;
                }
            }
            for (var k = thread; k < ${WEIGHTS}u; k += ${THREADS}u) {
                let block = k % LANES;
                let v = k / ${4 * LANES}u % KERNEL_W;
                let u = k / ${4 * LANES * KERNEL_W}u % KERNEL_ROWS;
                let src_block = k / ${4 * LANES * KERNEL_W * KERNEL_ROWS}u;
                sh_kernel[k] = load_kernel(member, first_u + u, v, chunk + src_block, first_block + block, k / LANES % 4u);
            }
            workgroupBarrier();

            for (var block = 0u; block < CHUNK; block++) {
                for (var u = 0u; u < min(KERNEL_ROWS, KERNEL_H - first_u); u++) {
                    let at = (block * ${PATCH_H}u + row + first_u + u) * ${PITCH}u + strip * ${PIXELS + SKEW}u;
#for q in 0..PIXELS + KERNEL_W - 1
                    let x_$q = sh_src[at + ${q + SKEW * (q / PIXELS)}u];
#endfor
                    let weights = (block * KERNEL_ROWS + u) * ${KERNEL_W * 4 * LANES}u + lane;
#for v in 0..KERNEL_W
#for k in 0..4
                    let k_${v}_$k = sh_kernel[weights + ${(v * 4 + k) * LANES}u];
#endfor
#for c in 0..USED
#if FORWARD
                    let w_${v}_$c = k_${v}_$c;
#else
                    let w_${v}_$c = vec4<f32>(k_${v}_0[$c], k_${v}_1[$c], k_${v}_2[$c], k_${v}_3[$c]);
#endif
#for p in 0..PIXELS
                    sum_$p = fma(vec4<f32>(x_${p + v}[$c]), w_${v}_$c, sum_$p);
#endfor
#endfor
#endfor
                }
            }
        }
    }

    let i = first_row + row;
    let j = first_column + strip * PIXELS;
    if (index < TILES && i < DST_H && first_block + lane < ${DST_BLOCKS}u) {
        let pixel = (image * DST_H + i) * DST_W + j;
#for p in 0..PIXELS
        if (j + ${p}u < DST_W) {
            store(member, pixel + ${p}u, first_block + lane, sum_$p);
        }
#endfor
    }
}

#entry forward
@compute @workgroup_size(${LANES * STRIPS * ROWS})
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    convolve(group, thread);
}

#entry grad_input
@compute @workgroup_size(${LANES * STRIPS * ROWS})
fn grad_input(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    convolve(group, thread);
}

#entry grad_weight
// The long sum over (b,i,j) is cut into SPLITS pieces of ROWS image rows; each leaves its partial sums, which
// grad_weight_sum adds. A thread owns a kernel row x 4 input channels x 4 output channels of a piece, all in
// registers, and slides along the image rows; there are also threads for the bias, one a piece and block. Neighbouring
// threads read neighbouring channels of the same pixels, out of the first cache level: one load for some 40 multiply-adds.
#let IN_BLOCKS = (IN_C + 3) / 4
#let OUT_BLOCKS = (OUT_C + 3) / 4
#let USED = (IN_C >= 4) * 4 + (IN_C < 4) * IN_C
#let PIECE = (KERNEL_H * KERNEL_W * IN_C + 1) * OUT_BLOCKS
#let WEIGHT_THREADS = SPLITS * KERNEL_H * OUT_BLOCKS * IN_BLOCKS
#let IN_W = OUT_W + KERNEL_W - 1

#if IN_C % 4 == 0
alias X = vec4<f32>;
#else
alias X = f32;
#endif
#if OUT_C % 4 == 0
alias Dout = vec4<f32>;
#else
alias Dout = f32;
#endif

@group(0) @binding(0) var<storage, read> x: array<X>;
@group(0) @binding(1) var<storage, read> dout: array<Dout>;
// (M, SPLITS, kh kw in + 1, blocks of output channels); the last row is the bias's.
@group(0) @binding(2) var<storage, read_write> partials: array<vec4<f32>>;

fn load_x(member: u32, pixel: u32, block: u32) -> vec4<f32> {
#if IN_C % 4 == 0
    return x[member * ${X_STRIDE / 4}u + pixel * ${IN_C / 4}u + block];
#else
    let at = member * X_STRIDE + pixel * IN_C + block * 4u;
    var value = vec4<f32>();
#for k in 0..USED
    if (block * 4u + ${k}u < IN_C) {
        value[$k] = x[at + ${k}u];
    }
#endfor
    return value;
#endif
}

fn load_dout(member: u32, pixel: u32, block: u32) -> vec4<f32> {
#if OUT_C % 4 == 0
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
    let split = index / ${IN_BLOCKS * OUT_BLOCKS * KERNEL_H}u;

#for v in 0..KERNEL_W
#for c in 0..USED
    var sum_${v}_$c = vec4<f32>();
#endfor
#endfor

    for (var row = split * ROWS; row < min((split + 1u) * ROWS, BATCH * OUT_H); row++) {
        let x_row = (row / OUT_H * ${OUT_H + KERNEL_H - 1}u + row % OUT_H + u) * ${IN_W}u;
        let dout_row = row * OUT_W;
#for q in 0..KERNEL_W - 1
        var x_$q = load_x(member, x_row + ${q}u, in_block);
#endfor
        // Whole stretches of the row, then what is left of it.
#for part in 0..2
#let N = (part == 0) * COLUMNS + (part == 1) * (OUT_W % COLUMNS)
#if N > 0
        for (var j = ${part * (OUT_W / COLUMNS) * COLUMNS}u; j + ${N}u <= OUT_W; j += ${N}u) {
#for q in 0..KERNEL_W - 1
            let c_$q = x_$q;
#endfor
#for p in 0..N
            let c_${p + KERNEL_W - 1} = load_x(member, x_row + j + ${p + KERNEL_W - 1}u, in_block);
            let d_$p = load_dout(member, dout_row + j + ${p}u, out_block);
#for v in 0..KERNEL_W
#for c in 0..USED
            sum_${v}_$c = fma(vec4<f32>(c_${p + v}[$c]), d_$p, sum_${v}_$c);
#endfor
#endfor
#endfor
#for q in 0..KERNEL_W - 1
            x_$q = c_${N + q};
#endfor
        }
#endif
#endfor
    }

    let first = (member * SPLITS + split) * ${PIECE}u + out_block;
#for v in 0..KERNEL_W
#for c in 0..USED
    if (in_block * 4u + ${c}u < IN_C) {
        partials[first + ((u * KERNEL_W + ${v}u) * IN_C + in_block * 4u + ${c}u) * ${OUT_BLOCKS}u] = sum_${v}_$c;
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

#entry grad_weight_sum
// Adds the partial sums of SPLITS pieces: eight threads an item of four output channels, each every eighth piece, then
// their sums in order.
#let OUT_BLOCKS = (OUT_C + 3) / 4
#let ITEMS = (KERNEL_LEN / OUT_C + 1) * OUT_BLOCKS

#if VEC_GRADS
alias Grad = vec4<f32>;
#else
alias Grad = f32;
#endif

@group(0) @binding(0) var<storage, read> partials: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> grads: array<Grad>;

var<workgroup> sh_sums: array<vec4<f32>, 64>;

@compute @workgroup_size(64)
fn grad_weight_sum(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let member = group.z;
    let item = (group.x + group.y * GRID_X) * 8u + thread % 8u;
    var sum = vec4<f32>();
    if (item < ${ITEMS}u) {
        for (var split = thread / 8u; split < SPLITS; split += 8u) {
            sum += partials[(member * SPLITS + split) * ${ITEMS}u + item];
        }
    }
    sh_sums[thread] = sum;
    workgroupBarrier();
    if (thread < 8u && item < ${ITEMS}u) {
#for k in 1..8
        sum += sh_sums[thread + ${8 * k}u];
#endfor
        let row = item / ${OUT_BLOCKS}u;
        let channel = item % ${OUT_BLOCKS}u * 4u;
        let at = member * GRAD_STRIDE + select(BIAS, KERNEL + row * OUT_C, row < ${KERNEL_LEN / OUT_C}u) + channel;
#if VEC_GRADS
#if ACCUMULATE
        sum += grads[at / 4u];
#endif
        grads[at / 4u] = sum;
#else
#for k in 0..4
        if (channel + ${k}u < OUT_C) {
#if ACCUMULATE
            sum[$k] += grads[at + ${k}u];
#endif
            grads[at + ${k}u] = sum[$k];
        }
#endfor
#endif
    }
}
