//! A part of an image.

/// A rectangle of pixels, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::survey) struct Window {
    /// The first column.
    pub x: usize,
    /// The first row.
    pub y: usize,
    /// Pixels, at least 1.
    pub width: usize,
    /// Pixels, at least 1.
    pub height: usize,
}

impl Window {
    /// First and number of pixels on every axis of an image with these lengths, whose width and height are the axes
    /// `used`; the others are whole.
    pub(super) fn on_axes(self, axes: &[usize], used: [usize; 2]) -> Vec<(usize, usize)> {
        let mut ranges: Vec<(usize, usize)> = axes.iter().map(|&length| (0, length)).collect();
        ranges[used[0]] = (self.x, self.width);
        ranges[used[1]] = (self.y, self.height);
        ranges
    }
}
