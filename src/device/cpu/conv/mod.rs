//! Convolution: the forward pass and both gradients, as products of windows (`product.rs`).
//!
//! Each task covers a piece of the batch. Weights are packed first, once per member. Padding is a copy of the image with
//! zeros around it in the worker's scratch ([`Frame`]), in which every window lies inside, as in a valid convolution.

mod forward;
mod grad_input;
mod grad_weight;

use crate::plan::ConvShape;

/// Minimum number of output pixels per task.
const PIXELS: usize = 1024;

/// Images per task.
fn images(s: &ConvShape) -> usize {
    (PIXELS / (s.out_h() * s.out_w())).max(1)
}

/// The rows or the columns of a convolution, with sizes in pixels.
#[derive(Clone, Copy)]
struct Axis {
    input: usize,
    kernel: usize,
    output: usize,
    stride: usize,
    /// Zeros before the first pixel of the input.
    pad: usize,
}

impl Axis {
    fn rows(s: &ConvShape) -> Axis {
        Axis {
            input: s.in_h,
            kernel: s.kernel_h,
            output: s.out_h(),
            stride: s.stride,
            pad: s.pad_top(),
        }
    }

    fn columns(s: &ConvShape) -> Axis {
        Axis {
            input: s.in_w,
            kernel: s.kernel_w,
            output: s.out_w(),
            stride: s.stride,
            pad: s.pad_left(),
        }
    }

    /// Pixels from the first window's beginning to the last one's end.
    fn covered(&self) -> usize {
        (self.output - 1) * self.stride + self.kernel
    }
}

/// A copy of an image with zeros around it, or the image itself where none are needed.
#[derive(Clone, Copy)]
struct Frame {
    /// Lines of the image, and values per line.
    lines: usize,
    line: usize,
    /// Lines of zeros above it, and zeros on the left of each line.
    top: usize,
    left: usize,
    /// Lines of the copy, and values per line. They may leave out lines and pixels that no window covers.
    framed_lines: usize,
    framed_line: usize,
}

impl Frame {
    fn is_needed(&self) -> bool {
        self.top > 0 || self.left > 0 || self.framed_lines > self.lines || self.framed_line > self.line
    }

    /// Values of the copy.
    fn len(&self) -> usize {
        if self.is_needed() {
            self.framed_lines * self.framed_line
        } else {
            0
        }
    }

    /// Values from one line to the next in what [`Frame::view`] returns.
    fn step(&self) -> usize {
        if self.is_needed() { self.framed_line } else { self.line }
    }

    /// The image with its zeros, in `scratch` if it has any.
    fn view<'a>(&self, image: &'a [f32], scratch: &'a mut [f32]) -> &'a [f32] {
        if !self.is_needed() {
            return image;
        }
        let framed = &mut scratch[..self.len()];
        let len = self.line.min(self.framed_line - self.left);
        for (i, to) in framed.chunks_exact_mut(self.framed_line).enumerate() {
            if (self.top..self.top + self.lines).contains(&i) {
                to[..self.left].fill(0.0);
                to[self.left..][..len].copy_from_slice(&image[(i - self.top) * self.line..][..len]);
                to[self.left + len..].fill(0.0);
            } else {
                to.fill(0.0);
            }
        }
        framed
    }
}
