//! One object's image: cropped and masked.

use serde::{Deserialize, Serialize};

/// Whether images of this height and width are the rows of a table.
pub fn is_row(size: [usize; 2]) -> bool {
    size == [1, 1]
}

/// One object's image, (H, W, C), and its properties.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cutout {
    /// The object's id.
    pub id: String,
    /// Pixels.
    pub height: usize,
    /// Pixels.
    pub width: usize,
    /// Number of bands.
    pub channels: usize,
    /// (H, W, C): flux times the flux scale, always finite; masked pixels are 0.
    pub pixels: Vec<f32>,
    /// (H, W, C): true for a pixel without a value: masked by the file, NaN, infinite, BLANK, or beyond the range of f32.
    pub mask: Vec<bool>,
    /// Fraction of masked pixels.
    pub masked_fraction: f64,
    /// The label, arcsec or the unit of a table's column; `None` if labels were not asked for, and for an object that is not a lens.
    pub theta_e: Option<f64>,
    /// Right ascension, degrees: from the catalogue, otherwise from the header.
    pub ra: Option<f64>,
    /// Declination, degrees: from the catalogue, otherwise from the header.
    pub dec: Option<f64>,
    /// Arcsec per pixel, from the header.
    pub pixel_scale: Option<f64>,
    /// Two bands with exactly the same pixels.
    pub repeated_bands: Option<(usize, usize)>,
}

/// One band of an image in memory: pixel (y, x) is `values[offset + step * (y * width + x)]`.
pub(super) struct Plane<'a> {
    pub values: &'a [f64],
    pub offset: usize,
    pub step: usize,
    pub width: usize,
    pub height: usize,
}

impl Plane<'_> {
    /// Whether the central part that a cutout uses is inside the plane.
    pub fn covers(&self, cutout: &Cutout) -> bool {
        self.height >= cutout.height && self.width >= cutout.width
    }
}

impl Cutout {
    /// An image in memory; `shape` is height, width, channels, and `image` is (H, W, C). Pixels that are not finite, or
    /// that are exactly `mask_value` if there is one, are masked.
    pub fn of_image(id: String, shape: [usize; 3], image: &[f32], mask_value: Option<f64>) -> Self {
        let mut cutout = Cutout::blank(id, shape);
        for (at, &value) in image.iter().enumerate() {
            cutout.mask[at] = !value.is_finite() || mask_value == Some(f64::from(value));
            cutout.pixels[at] = if cutout.mask[at] { 0.0 } else { value };
        }
        cutout.finish()
    }

    /// An image of zeros, to be filled; `shape` is height, width, channels.
    pub(super) fn blank(id: String, shape: [usize; 3]) -> Self {
        let [height, width, channels] = shape;
        let n = height * width * channels;
        Cutout {
            id,
            height,
            width,
            channels,
            pixels: vec![0.0; n],
            mask: vec![false; n],
            masked_fraction: 0.0,
            theta_e: None,
            ra: None,
            dec: None,
            pixel_scale: None,
            repeated_bands: None,
        }
    }

    /// Copies the centre of a plane into a band, from offset floor((N - n) / 2) on each axis. The plane must
    /// [cover](Plane::covers) the cutout.
    pub(super) fn fill_band(&mut self, band: usize, plane: &Plane, flux_scale: f64) {
        let (top, left) = ((plane.height - self.height) / 2, (plane.width - self.width) / 2);
        for y in 0..self.height {
            for x in 0..self.width {
                let value = plane.values[plane.offset + plane.step * ((top + y) * plane.width + left + x)];
                let flux = (value * flux_scale) as f32;
                let masked = !flux.is_finite();
                let at = (y * self.width + x) * self.channels + band;
                self.mask[at] = masked;
                self.pixels[at] = if masked { 0.0 } else { flux };
            }
        }
    }

    /// Sets the bands of a single pixel to the features of a row; NaN is a missing value.
    pub(super) fn fill_row(&mut self, values: &[f32]) {
        for (band, &value) in values.iter().enumerate() {
            self.mask[band] = value.is_nan();
            self.pixels[band] = if value.is_nan() { 0.0 } else { value };
        }
    }

    /// Whether this is a row of a table: a single pixel, which has no sky and no shape.
    pub fn is_row(&self) -> bool {
        is_row([self.height, self.width])
    }

    /// The object's properties, without its image.
    pub fn without_pixels(self) -> Self {
        Cutout {
            pixels: vec![],
            mask: vec![],
            ..self
        }
    }

    /// Computes the properties that depend on all bands.
    pub(super) fn finish(mut self) -> Self {
        self.masked_fraction = self.mask.iter().filter(|&&m| m).count() as f64 / self.mask.len().max(1) as f64;
        self.repeated_bands = (0..self.channels)
            .flat_map(|second| (0..second).map(move |first| (first, second)))
            .find(|&(first, second)| self.same_bands(first, second));
        self
    }

    /// Constant bands do not count as repeated: [`Stretch::fit`](super::Stretch::fit) reports them.
    fn same_bands(&self, first: usize, second: usize) -> bool {
        let mut pixels = self.pixels.chunks_exact(self.channels);
        pixels.all(|p| p[first] == p[second]) && self.band(first).any(|(flux, _)| flux != self.pixels[first])
    }

    /// Flux and mask of one band, row by row.
    pub fn band(&self, band: usize) -> impl Iterator<Item = (f32, bool)> {
        let pixels = self.pixels.iter().skip(band).step_by(self.channels).copied();
        pixels.zip(self.mask.iter().skip(band).step_by(self.channels).copied())
    }

    /// Unmasked flux of one band in the outer 4 rows and columns, which are taken as sky.
    pub fn border(&self, band: usize) -> impl Iterator<Item = f64> {
        let (height, width) = (self.height, self.width);
        self.band(band).enumerate().filter_map(move |(at, (flux, masked))| {
            let (y, x) = (at / width, at % width);
            let inner = (BORDER..height.saturating_sub(BORDER)).contains(&y)
                && (BORDER..width.saturating_sub(BORDER)).contains(&x);
            (!inner && !masked).then_some(flux as f64)
        })
    }
}

/// Rows and columns at each edge that are taken as sky.
pub const BORDER: usize = 4;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn cutout(shape: [usize; 3], pixels: &[f32]) -> Cutout {
        let [height, width, channels] = shape;
        let values: Vec<f64> = pixels.iter().map(|&p| p as f64).collect();
        let mut cutout = Cutout::blank("x".into(), shape);
        for band in 0..channels {
            let plane = Plane {
                values: &values,
                offset: band,
                step: channels,
                width,
                height,
            };
            cutout.fill_band(band, &plane, 1.0);
        }
        cutout.finish()
    }

    fn centre(n: usize, crop: usize) -> Vec<f32> {
        let values: Vec<f64> = (0..n * n).map(|i| i as f64 + 1000.0).collect();
        let mut cutout = Cutout::blank("x".into(), [crop, crop, 1]);
        let plane = Plane {
            values: &values,
            offset: 0,
            step: 1,
            width: n,
            height: n,
        };
        cutout.fill_band(0, &plane, 1.0);
        cutout.pixels
    }

    #[test]
    fn the_crop_is_central_with_its_offset_rounded_down() {
        assert_eq!(
            centre(5, 3),
            [1006., 1007., 1008., 1011., 1012., 1013., 1016., 1017., 1018.]
        );
        assert_eq!(centre(4, 1), [1005.0]);
        assert_eq!(centre(4, 2), [1005., 1006., 1009., 1010.]);
        assert_eq!(centre(5, 2), [1006., 1007., 1011., 1012.]);
        let plane = Plane {
            values: &[0.0; 6],
            offset: 0,
            step: 1,
            width: 3,
            height: 2,
        };
        let covers = |shape| plane.covers(&Cutout::blank("x".into(), shape));
        assert!(covers([2, 3, 1]) && !covers([3, 3, 1]) && !covers([2, 4, 1]));
    }

    #[test]
    fn pixels_without_a_value_are_masked_and_unusual_values_are_not() {
        let values = [
            f64::NEG_INFINITY,
            f64::NAN,
            f64::INFINITY,
            1e300,
            1e30,
            1e-12,
            100.0001,
            -3.0,
        ];
        let mut floats = Cutout::blank("x".into(), [1, 8, 1]);
        let plane = Plane {
            values: &values,
            offset: 0,
            step: 1,
            width: 8,
            height: 1,
        };
        floats.fill_band(0, &plane, 1.0);
        let floats = floats.finish();
        assert_eq!(floats.mask, [true, true, true, true, false, false, false, false]);
        assert_eq!(floats.pixels, [0.0, 0.0, 0.0, 0.0, 1e30, 1e-12, 100.0001, -3.0]);
        assert_eq!(floats.masked_fraction, 0.5);

        let mut scaled = Cutout::blank("x".into(), [1, 8, 1]);
        scaled.fill_band(0, &plane, 1e9);
        assert!(scaled.mask[4], "1e39 is beyond f32");
    }

    #[test]
    fn a_repeated_band_is_found_and_two_constant_ones_are_not_repeats() {
        let repeated = cutout([1, 3, 3], &[1., 5., 1., 2., 5., 2., 3., 5., 3.]);
        assert_eq!(repeated.repeated_bands, Some((0, 2)));
        assert_eq!(cutout([1, 2, 2], &[5., 5., 5., 5.]).repeated_bands, None);
    }

    #[test]
    fn the_border_is_four_pixels_wide_and_excludes_masked_pixels() {
        let mut pixels = vec![1.0f32; 100];
        pixels[0] = f32::NAN;
        assert_eq!(cutout([10, 10, 1], &pixels).border(0).count(), 95);
        assert_eq!(cutout([5, 20, 1], &pixels).border(0).count(), 99);
    }
}
