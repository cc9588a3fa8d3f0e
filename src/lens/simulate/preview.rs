//! A contact sheet in colour, by the method of Lupton et al. (2004, PASP 116, 133), which preserves the colours of bright
//! pixels: all bands are scaled by the same factor asinh(Q I) / (Q I), where I is their mean.

use super::population::Population;
use crate::files::{Error, write_atomic};
use std::path::Path;

/// Largest number of images per row.
const COLUMNS: usize = 10;
/// Largest number of rows.
const ROWS: usize = 10;
/// Pixels between two images.
const GAP: usize = 2;
/// The level that appears white, in units of the sky noise.
const WHITE: f32 = 60.0;
/// The level, in the same units, at which the scale changes from linear to logarithmic.
const LINEAR: f32 = 3.0;

/// Weights of red, green and blue. Galaxies are fainter in blue bands; with these weights a typical one is white.
const WEIGHTS: [f32; 3] = [0.75, 1.0, 1.7];

/// The images of the first objects in a grid.
pub(super) struct Sheet {
    /// The band of red, green and blue, and the divisor of its pixel values.
    channels: [(usize, f32); 3],
    /// Height, width and bands of an image.
    shape: [usize; 3],
    columns: usize,
    rows: usize,
    shown: usize,
    /// RGB values (H,W,3) of the sheet.
    pixels: Vec<u8>,
}

impl Sheet {
    /// A sheet for up to `count` images of this shape (H,W,C), with all bands of the population.
    pub(super) fn new(population: &Population, shape: [usize; 3], count: usize) -> Sheet {
        let band = |name: &String| population.bands.iter().position(|b| b.name == *name).unwrap_or(0);
        let channels = match &population.preview[..] {
            [r, g, b] => {
                let noise = population.sky_noise(band(g)) as f32;
                let [r, g, b] = [r, g, b].map(band);
                [
                    (r, noise / WEIGHTS[0]),
                    (g, noise / WEIGHTS[1]),
                    (b, noise / WEIGHTS[2]),
                ]
            }
            // Anything but three names: `Population::check` allows none.
            _ => [(0, population.sky_noise(0) as f32); 3],
        };
        let columns = COLUMNS.min(count).max(1);
        let rows = ROWS.min(count.div_ceil(columns));
        let [width, height] = [columns * (shape[1] + GAP) - GAP, rows * (shape[0] + GAP) - GAP];
        Sheet {
            channels,
            shape,
            columns,
            rows,
            shown: 0,
            pixels: vec![0; 3 * width * height],
        }
    }

    fn width(&self) -> usize {
        self.columns * (self.shape[1] + GAP) - GAP
    }

    /// Adds an image, unless the sheet is full.
    pub(super) fn push(&mut self, image: &[f32]) {
        if self.shown == self.columns * self.rows {
            return;
        }
        let [h, w, c] = self.shape;
        let (top, left) = (
            self.shown / self.columns * (h + GAP),
            self.shown % self.columns * (w + GAP),
        );
        for i in 0..h {
            for j in 0..w {
                // Row 0 is at the bottom of the image and at the top of the sheet.
                let pixel = &image[((h - 1 - i) * w + j) * c..][..c];
                let at = 3 * ((top + i) * self.width() + left + j);
                self.pixels[at..at + 3]
                    .copy_from_slice(&composite(self.channels.map(|(band, unit)| pixel[band] / unit)));
            }
        }
        self.shown += 1;
    }

    /// Writes the sheet as a PNG.
    pub(super) fn save(&self, path: &Path) -> Result<(), Error> {
        write_atomic(path, |file| {
            let height = self.pixels.len() / 3 / self.width();
            let mut encoder = png::Encoder::new(file, self.width() as u32, height as u32);
            encoder.set_color(png::ColorType::Rgb);
            encoder.set_depth(png::BitDepth::Eight);
            let mut writer = encoder.write_header()?;
            writer.write_image_data(&self.pixels)?;
            Ok(writer.finish()?)
        })
    }
}

/// The colour of a pixel whose red, green and blue light is given in units of the sky noise.
fn composite(light: [f32; 3]) -> [u8; 3] {
    // Half a standard deviation below the mean sky is black.
    let light = light.map(|v| (v + 0.5).max(0.0));
    let mean = light.iter().sum::<f32>() / 3.0;
    if mean <= 0.0 {
        return [0; 3];
    }
    let shown = (mean / LINEAR).asinh() / (WHITE / LINEAR).asinh();
    let scaled = light.map(|v| v * shown / mean);
    // Saturated pixels are dimmed in all channels alike, which preserves their colour.
    let most = scaled.iter().copied().fold(1.0, f32::max);
    scaled.map(|v| (255.0 * v / most) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brightness_increases_and_colours_are_preserved() {
        assert_eq!(composite([-3.0, -1.0, -2.0]), [0; 3]);
        let mut last = 0;
        for light in [1.0, 5.0, 20.0, 59.0] {
            let [r, g, b] = composite([light; 3]);
            assert!(r == g && g == b && r > last, "{light}");
            last = r;
        }
        let [r, g, _] = composite([2e5, 1e5, 0.0]);
        assert!(r == 255 && (126..=129).contains(&g), "{r} {g}");
    }
}
