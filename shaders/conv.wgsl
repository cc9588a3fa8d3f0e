// Convolution and the gradient of its input. Images (M,B,H,W,C), kernels (kh,kw,in,out), member on z. With s the stride and
// p, q the padding above and on the left:
//
//   forward     out[b,i,j,o] = act(bias[o] + sum over u,v,c of x[b,si+u-p,sj+v-q,c] kernel[u,v,c,o])
//   grad_input  grad_x[b,i,j,c] = sum over u,v,o of dout[b,(i+p-u)/s,(j+q-v)/s,o] kernel[u,v,c,o], over those u, v for which
//               both quotients are whole; GATE: only where x > 0; ACCUMULATE: added to what is there
//
// MOMENTS: `forward` also leaves, for the batch norm behind it, the number, mean and M2 of each tile's values (norm.wgsl).
//
// Without a stride, the input gradient is a convolution of dout with the kernel rotated by 180 degrees and its channels
// swapped. With a stride, only every s-th row and column of the kernel meets a given pixel, and which ones depends on the
// pixel's row and column modulo s. So each of these s x s phases of the image is a convolution of its own, of dout with a
// part of the kernel, and no zeros are multiplied. One pass computes all phases whose parts have the same size.
//
// `forward` and `grad_input` are one kernel, from `src` to `dst`. Channels are processed in blocks of four, with zeros
// after the last channel. A member's sums run in an order that the tile fixes.
//
// The tiles are explained in src/device/gpu/lower/conv/tile.rs.

#entry forward grad_input
// A workgroup computes ROWS x (STRIPS * PIXELS) pixels of 4 * LANES channels of one image, each thread PIXELS pixels in a
// row x 4 channels. For CHUNK blocks of src channels at a time, it loads the patch that its tile needs and KERNEL_ROWS
// rows of the kernel to workgroup memory. Each thread keeps a row of src values in registers and uses it for all pixels.
// Neighbouring pixels of dst are STRIDE pixels of src apart.
#if FORWARD
#let STEP = 1
#let GATE = 0
#let ACCUMULATE = 0
#else
// The pixels of dst are every STEP-th row and column of the image. Neighbours meet the same part of the kernel, shifted by
// one pixel of src.
#let STRIDE = 1
#let MOMENTS = 0
#endif
#let SRC_BLOCKS = (SRC_C + 3) / 4
#let DST_BLOCKS = (DST_C + 3) / 4
// Src channels of a block that are not always zero.
#let USED = (SRC_C >= 4) * 4 + (SRC_C < 4) * SRC_C
#let THREADS = LANES * STRIPS * ROWS
#let PATCH_H = (ROWS - 1) * STRIDE + KERNEL_H
#let PATCH_W = (STRIPS * PIXELS - 1) * STRIDE + KERNEL_W
#let STRIP = PIXELS * STRIDE
// Strips an even number of vec4 apart would use the same banks of workgroup memory.
#let SKEW = (STRIP + 1) % 2
#let PITCH = PATCH_W + SKEW * (PATCH_W / STRIP)
#let PATCH = CHUNK * PATCH_H * PATCH_W
#let STORED_PATCH = CHUNK * PATCH_H * PITCH
#let WEIGHTS = CHUNK * KERNEL_ROWS * KERNEL_W * 4 * LANES

// Channels that are neighbours in memory: four or one.
#let SRC_LANE = 1 + 3 * (SRC_C % 4 == 0)
#let DST_LANE = 1 + 3 * (DST_C % 4 == 0)
#if VEC_PARAMS
alias Param = vec4<f32>;
#else
alias Param = f32;
#endif

@group(0) @binding(0) var<storage, read> src: array<stored_src_$SRC_LANE>;
@group(0) @binding(1) var<storage, read> params: array<Param>;
@group(0) @binding(2) var<storage, read_write> dst: array<stored_dst_$DST_LANE>;
#if GATE
@group(0) @binding(3) var<storage, read> gate: array<stored_gate_$DST_LANE>;
#endif
#if MOMENTS
// (M, tiles of the image plane, 3, DST_BLOCKS).
@group(0) @binding(3) var<storage, read_write> moments: array<vec4<f32>>;

// The sums of the threads, after the last patch.
var<workgroup> sh_src: array<vec4<f32>, ${(STORED_PATCH >= THREADS) * STORED_PATCH + (STORED_PATCH < THREADS) * THREADS}>;
#else

var<workgroup> sh_src: array<vec4<f32>, $STORED_PATCH>;
#endif
var<workgroup> sh_kernel: array<vec4<f32>, $WEIGHTS>;

// Four channels of a pixel of src.
fn load_src(member: u32, pixel: u32, block: u32) -> vec4<f32> {
#if SRC_LANE == 4
    return vec4<f32>(src[member * ${SRC_STRIDE / 4}u + pixel * ${SRC_C / 4}u + block]);
#else
    let at = member * SRC_STRIDE + pixel * SRC_C + block * 4u;
    var value = vec4<f32>();
#for k in 0..USED
    if (block * 4u + ${k}u < SRC_C) {
        value[$k] = f32(src[at + ${k}u]);
    }
#endfor
    return value;
#endif
}

// Four of a member's parameters; those of channels from `limit` on are zero.
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

#if STEP > 1
// Where the part of the kernel begins.
var<private> first_tap: u32;

#endif
// Forward: kernel[u, v, 4 src_block + k, four dst channels]. Input gradient: the weights of the rotated kernel from four src
// channels to dst channel 4 dst_block + k; the threads transpose them in registers.
fn load_kernel(member: u32, u: u32, v: u32, src_block: u32, dst_block: u32, k: u32) -> vec4<f32> {
#if FORWARD
    let input = src_block * 4u + k;
    let output = dst_block * 4u;
    let tap = u * KERNEL_W + v;
    let within = u < KERNEL_H && input < SRC_C && output < DST_C;
#else
    let input = dst_block * 4u + k;
    let output = src_block * 4u;
#if STEP == 1
    let tap = (KERNEL_H - 1u - u) * KERNEL_W + KERNEL_W - 1u - v;
#else
    let tap = ((KERNEL_H - 1u - u) * WHOLE_KERNEL_W + KERNEL_W - 1u - v) * STEP + first_tap;
#endif
    let within = u < KERNEL_H && input < DST_C && output < SRC_C;
#endif
    var value = vec4<f32>();
    if (within) {
        value = load_params(member, KERNEL + (tap * ${FORWARD * SRC_C + (1 - FORWARD) * DST_C}u + input) * OUT_C, output, OUT_C);
    }
    return value;
}

#if FORWARD
// Adds the bias and applies the ReLU.
fn activated(member: u32, block: u32, sum: vec4<f32>) -> vec4<f32> {
    let value = sum + load_params(member, BIAS, block * 4u, DST_C);
#if RELU
    // Not max(), which may turn NaN into a number.
    return select(value, vec4<f32>(), value <= vec4<f32>());
#else
    return value;
#endif
}

#endif
// Applies the gate and stores four channels of a pixel of dst.
fn store(member: u32, pixel: u32, block: u32, sum: vec4<f32>) {
    var value = sum;
#if DST_LANE == 4
    let at = pixel * ${DST_C / 4}u + block;
#if GATE
    value = select(vec4<f32>(), value, vec4<f32>(gate[member * ${GATE_STRIDE / 4}u + at]) > vec4<f32>());
#endif
#if ACCUMULATE
    value += vec4<f32>(dst[member * ${DST_STRIDE / 4}u + at]);
#endif
    dst[member * ${DST_STRIDE / 4}u + at] = stored_dst_4(value);
#else
    let at = pixel * DST_C + block * 4u;
#for k in 0..4
    if (block * 4u + ${k}u < DST_C) {
#if GATE
        value[$k] = select(0.0, value[$k], f32(gate[member * GATE_STRIDE + at + ${k}u]) > 0.0);
#endif
#if ACCUMULATE
        value[$k] += f32(dst[member * DST_STRIDE + at + ${k}u]);
#endif
        dst[member * DST_STRIDE + at + ${k}u] = stored_dst_1(value[$k]);
    }
#endfor
#endif
}

#if MOMENTS
// The sum over all threads of the same channels, with as many turns as there are strips in all rows.
fn added_up(thread: u32, value: vec4<f32>) -> vec4<f32> {
    let turn = thread / LANES;
    workgroupBarrier();
    sh_src[thread] = value;
    for (var half = TREE; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (turn < half && turn + half < ${STRIPS * ROWS}u) {
            sh_src[thread] += sh_src[thread + half * LANES];
        }
    }
    workgroupBarrier();
    return sh_src[thread % LANES];
}

#endif
fn convolve(group: vec3<u32>, thread: u32) {
    let member = group.z;
    // The grid may have a few workgroups too many; those compute the last tile again and store nothing.
    let index = group.x + group.y * GRID_X;
    let tile = min(index, TILES - 1u);
    let first_block = tile % DST_TILES * LANES;
    let first_column = tile / DST_TILES % COLUMN_TILES * ${STRIPS * PIXELS}u;
    let first_row = tile / (DST_TILES * COLUMN_TILES) % ROW_TILES * ROWS;
#if STEP == 1
    let image = tile / (DST_TILES * COLUMN_TILES * ROW_TILES);
#else
    let image = tile / (DST_TILES * COLUMN_TILES * ROW_TILES * PHASES_H * PHASES_W);
    let row_phase = tile / (DST_TILES * COLUMN_TILES * ROW_TILES * PHASES_W) % PHASES_H;
    let column_phase = tile / (DST_TILES * COLUMN_TILES * ROW_TILES) % PHASES_W;
    first_tap = (TAP_H + row_phase) * WHOLE_KERNEL_W + TAP_W + column_phase;
#endif

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
                    // Left of and above the image these wrap round to numbers outside of it.
                    let i = first_row * ${STRIDE}u + line - PAD_H;
                    let j = first_column * ${STRIDE}u + column - PAD_W;
                    var value = vec4<f32>();
                    if (i < SRC_H && j < SRC_W) {
                        value = load_src(member, (image * SRC_H + i) * SRC_W + j, chunk + block);
                    }
                    sh_src[(block * ${PATCH_H}u + line) * ${PITCH}u + column + ${SKEW}u * (column / ${STRIP}u)] = value;
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
                    let at = (block * ${PATCH_H}u + row * ${STRIDE}u + first_u + u) * ${PITCH}u + strip * ${STRIP + SKEW}u;
#for q in 0..(PIXELS - 1) * STRIDE + KERNEL_W
#if q % STRIDE < KERNEL_W
                    let x_$q = sh_src[at + ${q + SKEW * (q / STRIP)}u];
#endif
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
                    sum_$p = fma(vec4<f32>(x_${p * STRIDE + v}[$c]), w_${v}_$c, sum_$p);
#endfor
#endfor
#endfor
                }
            }
        }
    }

#if STEP == 1
    let i = first_row + row;
    let j = first_column + strip * PIXELS;
#else
    // Outside of the image, these may wrap round.
    let i = (first_row + row) * STEP + row_phase + FIRST_ROW;
    let j = (first_column + strip * PIXELS) * STEP + column_phase + FIRST_COLUMN;
#endif
    let works = index < TILES && i < DST_H && first_block + lane < ${DST_BLOCKS}u;
#if MOMENTS
    var total = vec4<f32>();
#endif
    if (works) {
        let pixel = (image * DST_H + i) * DST_W + j;
#for p in 0..PIXELS
        if (j + ${p * STEP}u < DST_W) {
#if FORWARD
            sum_$p = activated(member, first_block + lane, sum_$p);
#endif
            store(member, pixel + ${p * STEP}u, first_block + lane, sum_$p);
#if MOMENTS
            total += sum_$p;
#endif
        }
#endfor
    }
#if MOMENTS
    let count = f32(min(ROWS, DST_H - first_row) * min(${STRIPS * PIXELS}u, DST_W - first_column));
    let mean = added_up(thread, total) / count;
    var squares = vec4<f32>();
    if (works) {
#for p in 0..PIXELS
        if (j + ${p}u < DST_W) {
            let d_$p = sum_$p - mean;
            squares += d_$p * d_$p;
        }
#endfor
    }
    let m2 = added_up(thread, squares);
    if (works && thread < LANES) {
        let to = (member * ${TILES / DST_TILES}u + tile / DST_TILES) * ${3 * DST_BLOCKS}u + first_block + lane;
        moments[to] = vec4<f32>(count);
        moments[to + ${DST_BLOCKS}u] = mean;
        moments[to + ${2 * DST_BLOCKS}u] = m2;
    }
#endif
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

#entry grad_input_zero
// Zeros in all of grad_x, for the phases that no part of the kernel meets; the other phases are then overwritten.
#import shared/lanes

@group(0) @binding(0) var<storage, read_write> grad_x: array<V>;

@compute @workgroup_size(256)
fn grad_input_zero(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = (group.x + group.y * GRID_X) * 256u + thread;
    if (at < ${LEN / LANE}u) {
        grad_x[group.z * ${LEN / LANE}u + at] = V(0.0);
    }
}
