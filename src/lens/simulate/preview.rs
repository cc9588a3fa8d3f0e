//! A contact sheet in colour: the composite of Lupton et al. (2004, PASP 116, 133), which keeps colours where it is
//! bright: all bands are scaled by asinh(Q I) / (Q I) of their mean I.

use super::population::Population;
use crate::files::write_atomic;
use anyhow::Result;
use std::path::Path;

/// Images a row of the sheet, and rows, at most.
const COLUMNS: usize = 10;
const ROWS: usize = 10;
/// Pixels between two images.
const GAP: usize = 2;
/// Light that appears white, in units of the sky's noise, and where the scale turns from linear to logarithmic.
const WHITE: f32 = 60.0;
const LINEAR: f32 = 3.0;

/// Blue bands are fainter: red, green and blue are weighted, so that what is usual for a galaxy is about white.
const WEIGHTS: [f32; 3] = [0.75, 1.0, 1.7];

/// The first objects, side by side.
pub struct Sheet {
    /// Red, green and blue: which band, and what its pixel values are divided by.
    channels: [(usize, f32); 3],
    /// Height, width and bands of an image.
    shape: [usize; 3],
    columns: usize,
    rows: usize,
    shown: usize,
    /// (rows, columns, 3).
    pixels: Vec<u8>,
}

impl Sheet {
    /// Of up to `count` images (H,W,C) with all of the population's bands.
    pub fn new(population: &Population, shape: [usize; 3], count: usize) -> Sheet {
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

    /// Shows one more; none once the sheet is full.
    pub fn push(&mut self, image: &[f32]) {
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
                // Rows grow upwards in the image, downwards on the sheet.
                let pixel = &image[((h - 1 - i) * w + j) * c..][..c];
                let at = 3 * ((top + i) * self.width() + left + j);
                self.pixels[at..at + 3]
                    .copy_from_slice(&composite(self.channels.map(|(band, unit)| pixel[band] / unit)));
            }
        }
        self.shown += 1;
    }

    /// As PNG.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        Ok(write_atomic(path, |file| {
            let height = self.pixels.len() / 3 / self.width();
            let mut encoder = png::Encoder::new(file, self.width() as u32, height as u32);
            encoder.set_color(png::ColorType::Rgb);
            encoder.set_depth(png::BitDepth::Eight);
            let mut writer = encoder.write_header()?;
            writer.write_image_data(&self.pixels)?;
            Ok(writer.finish()?)
        })?)
    }
}

/// Light in units of the noise to red, green and blue.
fn composite(light: [f32; 3]) -> [u8; 3] {
    // A little above the sky's mean is black.
    let light = light.map(|v| (v + 0.5).max(0.0));
    let mean = light.iter().sum::<f32>() / 3.0;
    if mean <= 0.0 {
        return [0; 3];
    }
    let shown = (mean / LINEAR).asinh() / (WHITE / LINEAR).asinh();
    let scaled = light.map(|v| v * shown / mean);
    // Where one is too bright all are dimmed, so that the colour stays.
    let most = scaled.iter().copied().fold(1.0, f32::max);
    scaled.map(|v| (255.0 * v / most) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brightness_grows_and_colour_stays() {
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
