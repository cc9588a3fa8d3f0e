//! Convolutions: constants and grids of the kernels in `shaders/conv.wgsl` and `shaders/conv_grad_weight.wgsl`.
//!
//! | | each thread computes | workgroup |
//! |---|---|---|
//! | forward, input gradient | 8 pixels in a row x 4 channels, or fewer pixels if that fits the width better | up to 256 threads, 64 channels, 16 KiB |
//! | weight gradient | a kernel row x 4 input channels x 4 output channels | 64 threads, no workgroup memory |
//! | sums of its pieces | 4 channels of a weight | 64 threads, eight for the same weight |

mod grad_input;
mod grad_weight;
mod tile;
mod weight_sums;

use super::norm::Moments;
use super::{AdapterClass, Lowering, fold, row};
use crate::device::gpu::{Binding, Constant, Pass};
use crate::plan::{ConvForward, Slice};
use tile::Tile;

pub use grad_input::grad_input;
pub use grad_weight::grad_weight;
pub use weight_sums::{WeightSums, weight_sums};

/// out = act(x * kernel + bias).
pub fn forward(op: &ConvForward, cx: &mut Lowering) -> Vec<Pass> {
    let s = op.shape;
    let product = Convolution {
        images: s.batch,
        src: [s.in_h, s.in_w, s.in_c],
        dst: [s.out_h(), s.out_w(), s.out_c],
        grid: [s.out_h(), s.out_w()],
        kernel: [s.kernel_h, s.kernel_w],
        stride: s.stride,
        pad: [s.pad_top() as i64, s.pad_left() as i64],
    };
    let params = cx.stride(row([op.kernel, op.bias]));
    let Tiled {
        tile,
        planes,
        grid,
        mut constants,
    } = product.tiled(cx.class);
    // Of whole blocks of channels. A single tile has few rows: the norm reads them again.
    let leaves_moments = cx.normalised == Some(op.out) && s.out_c.is_multiple_of(4) && planes > 1;
    let moments = leaves_moments.then(|| Moments::of_tiles(op.out, planes, s.out_c, cx));
    if leaves_moments {
        let turns = tile.strips * tile.rows;
        constants.push(("TREE", (turns.next_power_of_two() / 2).into()));
    }
    cx.moments = moments;
    constants.extend::<[(_, Constant); 11]>([
        ("FORWARD", true.into()),
        ("STRIDE", s.stride.into()),
        ("RELU", op.relu.into()),
        ("MOMENTS", leaves_moments.into()),
        ("SRC_STRIDE", cx.stride(op.x).into()),
        ("DST_STRIDE", cx.stride(op.out).into()),
        ("PARAM_STRIDE", params.into()),
        ("KERNEL", op.kernel.offset.into()),
        ("BIAS", op.bias.offset.into()),
        ("OUT_C", s.out_c.into()),
        ("VEC_PARAMS", vec4_rows(s.out_c, params, [op.kernel, op.bias]).into()),
    ]);
    let mut buffers = vec![
        Binding::read("src", op.x),
        Binding::read("params", op.kernel.tensor),
        Binding::write("dst", op.out),
    ];
    buffers.extend(moments.map(Moments::write));
    vec![Pass {
        shader: "conv.wgsl",
        entry: "forward",
        constants,
        buffers,
        grid,
    }]
}

/// Whether rows of `channels` values, and all that lies before them, are whole vec4.
fn vec4_rows<const N: usize>(channels: usize, stride: usize, slices: [Slice; N]) -> bool {
    [channels, stride]
        .into_iter()
        .chain(slices.map(|slice| slice.offset))
        .all(|n| n.is_multiple_of(4))
}

/// A constant that may be negative, for the kernel's unsigned sums, which wrap round.
fn wrapped(n: i64) -> Constant {
    Constant::U32(n as u32)
}

/// A convolution from `src` to `dst`, both (H,W,C).
struct Convolution {
    /// Images, each counted once per phase.
    images: usize,
    src: [usize; 3],
    dst: [usize; 3],
    /// Rows and columns of dst that are computed per image.
    grid: [usize; 2],
    kernel: [usize; 2],
    stride: usize,
    /// Zeros above `src` and on its left; a negative number leaves out as many rows or columns.
    pad: [i64; 2],
}

/// A convolution in tiles.
struct Tiled {
    tile: Tile,
    /// Tiles of all images, each counted once for all channels.
    planes: usize,
    grid: [u32; 2],
    constants: Vec<(&'static str, Constant)>,
}

impl Convolution {
    fn tiled(&self, class: AdapterClass) -> Tiled {
        let (src, dst) = (self.src, self.dst);
        let [rows, columns] = self.grid;
        let tile = Tile::new(class, src[2], [rows, columns, dst[2]], self.kernel, self.stride);
        let row_tiles = rows.div_ceil(tile.rows);
        let column_tiles = columns.div_ceil(tile.strips * tile.pixels);
        let dst_tiles = dst[2].div_ceil(4 * tile.lanes);
        let planes = self.images * row_tiles * column_tiles;
        let tiles = planes * dst_tiles;
        let grid = fold(tiles);
        let pad = self.pad.map(wrapped);
        let constants = vec![
            ("KERNEL_H", self.kernel[0].into()),
            ("KERNEL_W", self.kernel[1].into()),
            ("SRC_H", src[0].into()),
            ("SRC_W", src[1].into()),
            ("SRC_C", src[2].into()),
            ("DST_H", dst[0].into()),
            ("DST_W", dst[1].into()),
            ("DST_C", dst[2].into()),
            ("PAD_H", pad[0]),
            ("PAD_W", pad[1]),
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
        Tiled {
            tile,
            planes,
            grid,
            constants,
        }
    }
}
