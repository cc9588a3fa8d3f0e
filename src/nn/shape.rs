//! The shape of what flows between two layers.

/// Most values of one image between two layers, and of one tensor of weights: what a device can count in 32 bits.
pub(super) const MAX_VALUES: usize = 1 << 31;

/// An image of height, width and channels, or features, which are `1 x 1 x c`; the batch left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Height, pixels.
    pub h: usize,
    /// Width, pixels.
    pub w: usize,
    /// Channels, or features.
    pub c: usize,
    /// Whether these are features rather than an image.
    pub flat: bool,
}

impl Shape {
    /// An image of `h` x `w` pixels with `c` channels.
    pub fn image(h: usize, w: usize, c: usize) -> Shape {
        Shape { h, w, c, flat: false }
    }

    /// `c` features.
    pub fn features(c: usize) -> Shape {
        Shape {
            h: 1,
            w: 1,
            c,
            flat: true,
        }
    }

    /// Number of values.
    pub fn len(self) -> usize {
        self.h * self.w * self.c
    }

    /// Whether there are no values.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether the values can be counted in a `usize`, and are at most [`MAX_VALUES`].
    pub(super) fn fits(self) -> bool {
        let len = self.h.checked_mul(self.w).and_then(|n| n.checked_mul(self.c));
        len.is_some_and(|n| n <= MAX_VALUES)
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}x{}", self.h, self.w, self.c)
    }
}
