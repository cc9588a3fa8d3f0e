//! Tiles, splits and grids of the convolution kernels; what the kernels do with them is in `shaders/conv.wgsl`.
//!
//! | | a thread | a workgroup |
//! |---|---|---|
//! | forward, input gradient | 8 pixels in a row x 4 channels, fewer pixels where that fits the width better | up to 256 threads, 64 channels, 16 KiB |
//! | weight gradient | a kernel row x 4 input channels x 4 output channels | 64 threads, no workgroup memory |

use super::{AdapterClass, Lowering, fold, row};
use crate::device::gpu::{Binding, Constant, Pass};
use crate::plan::{ConvForward, ConvGradInput, ConvGradWeight, ConvShape, Slice};

/// Workgroup memory of every adapter (16 KiB), in vec4.
const WORKGROUP_VEC4: usize = 1024;
const MAX_THREADS: usize = 256;

/// out = act(x * kernel + bias).
pub fn forward(op: &ConvForward, cx: &mut Lowering) -> Vec<Pass> {
    let s = op.shape;
    let image = Image {
        src: [s.in_h, s.in_w, s.in_c],
        dst: [s.out_h(), s.out_w(), s.out_c],
        pad: [0, 0],
    };
    let params = cx.stride(row([op.kernel, op.bias]));
    let (grid, mut constants) = image.tiled(s);
    constants.extend::<[(_, Constant); 10]>([
        ("FORWARD", true.into()),
        ("RELU", op.relu.into()),
        ("GATE", false.into()),
        ("SRC_STRIDE", cx.stride(op.x).into()),
        ("DST_STRIDE", cx.stride(op.out).into()),
        ("PARAM_STRIDE", params.into()),
        ("KERNEL", op.kernel.offset.into()),
        ("BIAS", op.bias.offset.into()),
        ("OUT_C", s.out_c.into()),
        ("VEC_PARAMS", vec4_rows(s.out_c, params, [op.kernel, op.bias]).into()),
    ]);
    let buffers = vec![
        Binding::read("src", op.x),
        Binding::read("params", op.kernel.tensor),
        Binding::write("dst", op.out),
    ];
    vec![Pass {
        shader: "conv.wgsl",
        entry: "forward",
        constants,
        buffers,
        grid,
    }]
}

/// dx: a convolution of dout, padded by the kernel's size less one.
pub fn grad_input(op: &ConvGradInput, cx: &mut Lowering) -> Vec<Pass> {
    let s = op.shape;
    let image = Image {
        src: [s.out_h(), s.out_w(), s.out_c],
        dst: [s.in_h, s.in_w, s.in_c],
        pad: [s.kernel_h - 1, s.kernel_w - 1],
    };
    let params = cx.stride(op.kernel.tensor);
    let (grid, mut constants) = image.tiled(s);
    constants.extend::<[(_, Constant); 8]>([
        ("FORWARD", false.into()),
        ("GATE", op.gate.into()),
        ("SRC_STRIDE", cx.stride(op.dout).into()),
        ("DST_STRIDE", cx.stride(op.dx).into()),
        ("PARAM_STRIDE", params.into()),
        ("KERNEL", op.kernel.offset.into()),
        ("OUT_C", s.out_c.into()),
        ("VEC_PARAMS", vec4_rows(s.out_c, params, [op.kernel]).into()),
    ]);
    let mut buffers = vec![
        Binding::read("src", op.dout),
        Binding::read("params", op.kernel.tensor),
        Binding::write("dst", op.dx),
    ];
    if op.gate {
        constants.push(("GATE_STRIDE", cx.stride(op.x).into()));
        buffers.push(Binding::read("gate", op.x));
    }
    vec![Pass {
        shader: "conv.wgsl",
        entry: "grad_input",
        constants,
        buffers,
        grid,
    }]
}

/// dkernel and dbias: partial sums of pieces of the batch, then their sum.
pub fn grad_weight(op: &ConvGradWeight, cx: &mut Lowering) -> Vec<Pass> {
    let s = op.shape;
    let grads = cx.stride(row([op.kernel_grad, op.bias_grad]));
    let (in_blocks, out_blocks) = (s.in_c.div_ceil(4), s.out_c.div_ceil(4));
    let split = Split::new(s, cx.class);
    let items = (s.kernel_len() / s.out_c + 1) * out_blocks;
    let partials = cx.scratch("partials", split.count * items * 4);

    let threads = 64;
    let weight_threads = split.count * s.kernel_h * out_blocks * in_blocks;
    let grid = fold((weight_threads + split.count * out_blocks).div_ceil(threads));
    let pieces = Pass {
        shader: "conv.wgsl",
        entry: "grad_weight",
        constants: vec![
            ("BATCH", s.batch.into()),
            ("KERNEL_H", s.kernel_h.into()),
            ("KERNEL_W", s.kernel_w.into()),
            ("IN_C", s.in_c.into()),
            ("OUT_H", s.out_h().into()),
            ("OUT_W", s.out_w().into()),
            ("OUT_C", s.out_c.into()),
            ("X_STRIDE", cx.stride(op.x).into()),
            ("DOUT_STRIDE", cx.stride(op.dout).into()),
            ("SPLITS", split.count.into()),
            ("ROWS", split.rows.into()),
            ("COLUMNS", s.out_w().min(4).into()),
            ("THREADS", threads.into()),
            ("GRID_X", grid[0].into()),
        ],
        buffers: vec![
            Binding::read("x", op.x),
            Binding::read("dout", op.dout),
            Binding::write("partials", partials),
        ],
        grid,
    };
    let grid = fold(items.div_ceil(8));
    let sum = Pass {
        shader: "conv.wgsl",
        entry: "grad_weight_sum",
        constants: vec![
            ("SPLITS", split.count.into()),
            ("KERNEL_LEN", s.kernel_len().into()),
            ("OUT_C", s.out_c.into()),
            ("GRAD_STRIDE", grads.into()),
            ("KERNEL", op.kernel_grad.offset.into()),
            ("BIAS", op.bias_grad.offset.into()),
            (
                "VEC_GRADS",
                vec4_rows(s.out_c, grads, [op.kernel_grad, op.bias_grad]).into(),
            ),
            ("ACCUMULATE", op.accumulate.into()),
            ("GRID_X", grid[0].into()),
        ],
        buffers: vec![
            Binding::read("partials", partials),
            Binding::write("grads", op.kernel_grad.tensor),
        ],
        grid,
    };
    vec![pieces, sum]
}

/// Whether rows of `channels` values, and all that lies before them, are whole vec4.
fn vec4_rows<const N: usize>(channels: usize, stride: usize, slices: [Slice; N]) -> bool {
    [channels, stride]
        .into_iter()
        .chain(slices.map(|slice| slice.offset))
        .all(|n| n.is_multiple_of(4))
}

/// What a convolution reads and writes, (H,W,C), and by how much it pads what it reads.
struct Image {
    src: [usize; 3],
    dst: [usize; 3],
    pad: [usize; 2],
}

impl Image {
    /// Grid and constants of the tiled convolution from `src` to `dst`.
    fn tiled(&self, s: ConvShape) -> ([u32; 2], Vec<(&'static str, Constant)>) {
        let (src, dst) = (self.src, self.dst);
        let tile = Tile::new(src[2], dst, [s.kernel_h, s.kernel_w]);
        let row_tiles = dst[0].div_ceil(tile.rows);
        let column_tiles = dst[1].div_ceil(tile.strips * tile.pixels);
        let dst_tiles = dst[2].div_ceil(4 * tile.lanes);
        let tiles = s.batch * row_tiles * column_tiles * dst_tiles;
        let grid = fold(tiles);
        let constants = vec![
            ("KERNEL_H", s.kernel_h.into()),
            ("KERNEL_W", s.kernel_w.into()),
            ("SRC_H", src[0].into()),
            ("SRC_W", src[1].into()),
            ("SRC_C", src[2].into()),
            ("DST_H", dst[0].into()),
            ("DST_W", dst[1].into()),
            ("DST_C", dst[2].into()),
            ("PAD_H", self.pad[0].into()),
            ("PAD_W", self.pad[1].into()),
            ("PIXELS", tile.pixels.into()),
            ("LANES", tile.lanes.into()),
            ("STRIPS", tile.strips.into()),
            ("ROWS", tile.rows.into()),
            ("CHUNK", tile.chunk.into()),
            ("KERNEL_ROWS", tile.kernel_rows.into()),
            ("ROW_TILES", row_tiles.into()),
            ("COLUMN_TILES", column_tiles.into()),
            ("DST_TILES", dst_tiles.into()),
            ("TILES", tiles.into()),
            ("GRID_X", grid[0].into()),
        ];
        (grid, constants)
    }
}

/// The tile of a workgroup: rows x (strips x pixels) x (4 x lanes) channels, on lanes x strips x rows threads.
#[derive(Clone, Copy, Debug)]
struct Tile {
    /// Of a thread, in a row.
    pixels: usize,
    lanes: usize,
    strips: usize,
    rows: usize,
    /// Blocks of four src channels, and rows of the kernel, in workgroup memory at a time.
    chunk: usize,
    kernel_rows: usize,
}

impl Tile {
    /// The tile with the least estimated time for each useful multiply-add.
    fn new(src_c: usize, dst: [usize; 3], kernel: [usize; 2]) -> Tile {
        let (src_blocks, dst_blocks) = (src_c.div_ceil(4), dst[2].div_ceil(4));
        // At most 64 channels a workgroup, the same number in each; fewer where a kernel row fills half of the memory.
        let most = (WORKGROUP_VEC4 / 2 / (4 * kernel[1])).min(16);
        let lanes = dst_blocks.div_ceil(dst_blocks.div_ceil(most));
        let pixels = (1..=8)
            .rev()
            .min_by_key(|&p| dst[1].div_ceil(p) * (p + 1))
            .expect("not empty");
        let strips = dst[1].div_ceil(pixels);

        let mut best: Option<(f64, Tile)> = None;
        for strips in (1..=strips).filter(|n| lanes * n <= MAX_THREADS) {
            for rows in (1..=dst[0]).take_while(|n| lanes * strips * n <= MAX_THREADS) {
                for chunk in (1..=src_blocks.min(8)).filter(|n| src_blocks % n == 0) {
                    for kernel_rows in 1..=kernel[0] {
                        let tile = Tile {
                            pixels,
                            lanes,
                            strips,
                            rows,
                            chunk,
                            kernel_rows,
                        };
                        if tile.memory(kernel) <= WORKGROUP_VEC4 {
                            let cost = tile.cost(dst, kernel);
                            if best.is_none_or(|(least, _)| cost < least) {
                                best = Some((cost, tile));
                            }
                        }
                    }
                }
            }
        }
        best.expect("a tile fits, see the test").1
    }

    /// Workgroup memory, in vec4.
    fn memory(&self, kernel: [usize; 2]) -> usize {
        let width = self.strips * self.pixels + kernel[1] - 1;
        let skew = if self.pixels.is_multiple_of(2) {
            width / self.pixels
        } else {
            0
        };
        self.chunk * ((self.rows + kernel[0] - 1) * (width + skew) + self.weights(kernel))
    }

    fn weights(&self, kernel: [usize; 2]) -> usize {
        self.kernel_rows * kernel[1] * 4 * self.lanes
    }

    /// Time for each useful multiply-add, in those of a full tile: what lies outside the image, threads that fill no
    /// whole subgroup, and the loads to workgroup memory, each worth about eight multiply-adds of a vec4.
    fn cost(&self, dst: [usize; 3], kernel: [usize; 2]) -> f64 {
        let threads = self.lanes * self.strips * self.rows;
        let width = self.strips * self.pixels;
        let covered = dst[0].next_multiple_of(self.rows) * dst[1].next_multiple_of(width);
        let idle = threads.next_multiple_of(32).max(64) as f64 / threads as f64;
        let fma = threads * self.chunk * kernel[0] * kernel[1] * 4 * self.pixels;
        let patch = self.chunk * (self.rows + kernel[0] - 1) * (width + kernel[1] - 1);
        let stages = kernel[0].div_ceil(self.kernel_rows);
        let loads = 8 * (patch + stages * self.chunk * self.weights(kernel)) + 16 * stages * threads;
        covered as f64 / (dst[0] * dst[1]) as f64 * (idle + loads as f64 / fma as f64)
    }
}

/// How the weight gradient's sum over the batch is cut into pieces.
struct Split {
    count: usize,
    /// Image rows of a piece.
    rows: usize,
}

impl Split {
    /// Fewest terms of a running sum that pay for writing it out, and most that keep its rounding small.
    const MIN_TERMS: usize = 512;
    const MAX_TERMS: usize = 4096;

    fn new(s: ConvShape, class: AdapterClass) -> Split {
        let threads = s.kernel_h * s.in_c.div_ceil(4) * s.out_c.div_ceil(4);
        let rows = s.batch * s.out_h();
        let terms = (rows * s.out_w() * threads / class.busy_threads()).clamp(Split::MIN_TERMS, Split::MAX_TERMS);
        let rows_each = (terms / s.out_w()).clamp(1, rows);
        let count = rows.div_ceil(rows_each);
        Split {
            count,
            rows: rows.div_ceil(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{MAX_KERNEL, Padding};

    #[test]
    fn tiles_fit_every_adapter() {
        for kernel in 1..=MAX_KERNEL {
            for width in [1, 2, 7, 22, 41, 55, 101, 1000] {
                for (src_c, dst_c) in [(1, 1), (3, 32), (32, 16), (33, 5), (128, 256)] {
                    let tile = Tile::new(src_c, [width, width, dst_c], [kernel, kernel]);
                    assert!(
                        tile.memory([kernel, kernel]) <= WORKGROUP_VEC4,
                        "{kernel} {width} {tile:?}"
                    );
                    assert!(
                        tile.lanes * tile.strips * tile.rows <= MAX_THREADS,
                        "{kernel} {width} {tile:?}"
                    );
                    assert_eq!(src_c.div_ceil(4) % tile.chunk, 0);
                }
            }
        }
    }

    #[test]
    fn pieces_cover_the_batch() {
        for (batch, size, channels) in [(1, 5, 1), (32, 55, 3), (32, 26, 32), (3, 9, 128), (64, 300, 3)] {
            let (in_h, in_w) = (size, size);
            let s = ConvShape {
                batch,
                in_h,
                in_w,
                in_c: channels,
                kernel_h: 3,
                kernel_w: 3,
                out_c: channels,
                stride: 1,
                padding: Padding::Valid,
            };
            for class in [AdapterClass::Gpu, AdapterClass::Software] {
                let split = Split::new(s, class);
                assert!(split.count * split.rows >= batch * s.out_h());
                assert!((split.count - 1) * split.rows < batch * s.out_h(), "an empty piece");
                assert!(split.rows * s.out_w() <= Split::MAX_TERMS.max(s.out_w()));
            }
        }
    }
}
