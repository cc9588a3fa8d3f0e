//! The tile of a workgroup in the forward pass and in the input gradient.

use crate::device::gpu::lower::AdapterClass;

/// Workgroup memory of every adapter (16 KiB), in vec4.
const WORKGROUP_VEC4: usize = 1024;
const MAX_THREADS: usize = 256;
/// Src values that a thread keeps in registers at most, in vec4: those of 8 pixels under a kernel of 13 without a stride. With
/// more, a kernel of 17 spilled registers.
const MAX_VALUES: usize = 20;

/// Workgroup memory that four SIMD units of a GPU share, in vec4: 128 KiB on AMD's RDNA, a little more on NVIDIA.
const SHARED_VEC4: usize = 8192;
/// Waves of 64 threads per SIMD unit that hide the latency of memory.
const ENOUGH_WAVES: f64 = 12.0;

/// rows x (strips x pixels) pixels x (4 x lanes) channels, on lanes x strips x rows threads.
#[derive(Clone, Copy, Debug)]
pub struct Tile {
    /// Pixels per thread, in a row.
    pub pixels: usize,
    /// Threads side by side on the channels, each for a block of four.
    pub lanes: usize,
    /// Threads side by side in a row of the image.
    pub strips: usize,
    /// Rows of the image.
    pub rows: usize,
    /// Blocks of four src channels in workgroup memory at a time.
    pub chunk: usize,
    /// Rows of the kernel in workgroup memory at a time.
    pub kernel_rows: usize,
}

/// The kernel that a tile is for, and how far it moves from one pixel of dst to the next.
#[derive(Clone, Copy, Debug)]
struct Window {
    kernel: [usize; 2],
    stride: usize,
}

impl Tile {
    /// The tile with the least estimated time per useful multiply-add.
    pub fn new(class: AdapterClass, src_c: usize, dst: [usize; 3], kernel: [usize; 2], stride: usize) -> Tile {
        let window = Window { kernel, stride };
        let (src_blocks, dst_blocks) = (src_c.div_ceil(4), dst[2].div_ceil(4));
        // At most 64 channels per workgroup, and fewer if a kernel row would fill half of the memory; all workgroups have
        // the same number.
        let most = (WORKGROUP_VEC4 / 2 / (4 * kernel[1])).min(16);
        let lanes = dst_blocks.div_ceil(dst_blocks.div_ceil(most));
        let smallest = |pixels| Tile {
            pixels,
            lanes,
            strips: 1,
            rows: 1,
            chunk: 1,
            kernel_rows: 1,
        };
        let pixels = (1..=8)
            .rev()
            .filter(|&p| window.values(p) <= MAX_VALUES && smallest(p).memory(window) <= WORKGROUP_VEC4)
            .min_by_key(|&p| dst[1].div_ceil(p) * (p + 1))
            .expect("a tile of one pixel fits, see the test");
        let strips = dst[1].div_ceil(pixels);

        let mut best: Option<(f64, Tile)> = None;
        for strips in (1..=strips).filter(|n| lanes * n <= MAX_THREADS) {
            for rows in (1..=dst[0]).take_while(|n| lanes * strips * n <= MAX_THREADS) {
                for chunk in (1..=src_blocks.min(8)).filter(|n| src_blocks % n == 0) {
                    for kernel_rows in 1..=kernel[0] {
                        let tile = Tile {
                            strips,
                            rows,
                            chunk,
                            kernel_rows,
                            ..smallest(pixels)
                        };
                        if tile.memory(window) <= WORKGROUP_VEC4 {
                            let cost = tile.cost(dst, window) * tile.waiting(class, window);
                            if best.is_none_or(|(least, _)| cost < least) {
                                best = Some((cost, tile));
                            }
                        }
                    }
                }
            }
        }
        best.expect("the smallest tile fits").1
    }

    /// Workgroup memory, in vec4.
    fn memory(&self, window: Window) -> usize {
        let [height, width] = self.patch(window);
        let strip = self.pixels * window.stride;
        // See SKEW in conv.wgsl.
        let skew = if strip.is_multiple_of(2) { width / strip } else { 0 };
        let patch = self.chunk * height * (width + skew);
        // In the end, the threads may add up a vec4 of each in place of the patch.
        patch.max(self.threads()) + self.chunk * self.weights(window)
    }

    /// Rows and columns of src that the tile needs.
    fn patch(&self, Window { kernel, stride }: Window) -> [usize; 2] {
        [
            (self.rows - 1) * stride + kernel[0],
            (self.strips * self.pixels - 1) * stride + kernel[1],
        ]
    }

    fn threads(&self) -> usize {
        self.lanes * self.strips * self.rows
    }

    fn weights(&self, window: Window) -> usize {
        self.kernel_rows * window.kernel[1] * 4 * self.lanes
    }

    /// Time per useful multiply-add, in units of that of a full tile. It includes pixels outside the image, threads that
    /// do not fill a subgroup, and loads to workgroup memory, each worth about eight multiply-adds of a vec4.
    fn cost(&self, dst: [usize; 3], window: Window) -> f64 {
        let kernel = window.kernel;
        let threads = self.threads();
        let covered = dst[0].next_multiple_of(self.rows) * dst[1].next_multiple_of(self.strips * self.pixels);
        let idle = threads.next_multiple_of(32).max(64) as f64 / threads as f64;
        let fma = threads * self.chunk * kernel[0] * kernel[1] * 4 * self.pixels;
        let patch = self.chunk * self.patch(window).iter().product::<usize>();
        let stages = kernel[0].div_ceil(self.kernel_rows);
        let loads = 8 * (patch + stages * self.chunk * self.weights(window)) + 16 * stages * threads;
        covered as f64 / (dst[0] * dst[1]) as f64 * (idle + loads as f64 / fma as f64)
    }

    /// How much longer the tile takes because too few waves fit into workgroup memory to hide latency, roughly. A
    /// software adapter runs one workgroup per core whatever it needs.
    fn waiting(&self, class: AdapterClass, window: Window) -> f64 {
        if class == AdapterClass::Software {
            return 1.0;
        }
        let waves_each = self.threads().div_ceil(64);
        let waves = (SHARED_VEC4 / self.memory(window) * waves_each) as f64 / 4.0;
        (ENOUGH_WAVES / waves).max(1.0).sqrt()
    }
}

impl Window {
    /// Src values in a row that `pixels` pixels need, without those between windows that do not touch.
    fn values(self, pixels: usize) -> usize {
        (pixels - 1) * self.stride.min(self.kernel[1]) + self.kernel[1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{MAX_KERNEL, MAX_STRIDE};

    #[test]
    fn tiles_fit_every_adapter() {
        let kernels = (1..=MAX_KERNEL).flat_map(|n| [[n, n], [1, n], [n, 1], [MAX_KERNEL, n]]);
        for (kernel, stride) in kernels.flat_map(|kernel| (1..=MAX_STRIDE).map(move |stride| (kernel, stride))) {
            for width in [1, 2, 7, 22, 41, 55, 101, 1000] {
                for (src_c, dst_c) in [(1, 1), (3, 32), (32, 16), (33, 5), (128, 256)] {
                    for class in [AdapterClass::Gpu, AdapterClass::Software] {
                        let tile = Tile::new(class, src_c, [width, width, dst_c], kernel, stride);
                        let what = format!("{kernel:?} {stride} {width} {tile:?}");
                        assert!(tile.memory(Window { kernel, stride }) <= WORKGROUP_VEC4, "{what}");
                        assert!(tile.threads() <= MAX_THREADS, "{what}");
                        assert_eq!(src_c.div_ceil(4) % tile.chunk, 0, "{what}");
                    }
                }
            }
        }
    }
}
