//! Properties of each channel of the images that adversarial training, shifts and noise need.

use super::dataset::Dataset;
use super::options::TrainOptions;
use crate::plan::{Gather, bands};
use crate::survey::Stretch;

/// One channel of the images as the network takes them, stretched.
#[derive(Clone, Copy, Debug)]
pub struct Band {
    /// The value of a masked pixel, bit for bit.
    pub masked: f32,
    /// Noise of the empty sky.
    pub sky_noise: f32,
    /// Difference of the 99.9th and the 0.1th percentile of the training images' unmasked pixels.
    pub range: f32,
}

impl Band {
    /// The channels of `images` (N,H,W,C), which were stretched by `stretch`.
    pub fn all(stretch: &Stretch, images: &[f32]) -> Vec<Band> {
        let masked = stretch.masked();
        let channels = masked.len();
        let band = |(c, masked): (usize, f32)| Band {
            masked,
            // Where the stretch is linear.
            sky_noise: (1.0 / (stretch.softening(c) * stretch.std[c])) as f32,
            range: range(images, channels, c, masked),
        };
        masked.into_iter().enumerate().map(band).collect()
    }
}

impl Band {
    /// Of every channel, that of the fold with the largest range.
    pub(super) fn widest(folds: &[Dataset]) -> Vec<Band> {
        let channels = folds.first().map_or(0, |fold| fold.bands.len());
        let widest = |c: usize| {
            let bands = folds.iter().map(|fold| fold.bands[c]);
            bands
                .max_by(|a, b| a.range.total_cmp(&b.range))
                .expect("there are folds")
        };
        (0..channels).map(widest).collect()
    }
}

/// The content of the plan's tensor `bands` ([`bands`]).
pub fn words(channels: &[Band], options: &TrainOptions) -> Vec<u32> {
    let mut words = vec![0; bands::ROWS * channels.len()];
    for (c, band) in channels.iter().enumerate() {
        let noise = f64::from(options.noise * band.sky_noise) / Gather::BYTES_SIGMA;
        words[bands::EPSILON * channels.len() + c] = (options.adversarial * band.range).to_bits();
        words[bands::MASKED * channels.len() + c] = band.masked.to_bits();
        words[bands::NOISE * channels.len() + c] = (noise as f32).to_bits();
    }
    words
}

/// Percentiles are those of at most so many pixels per channel; of more, every second, third, ... is used.
const MAX_PIXELS: usize = 4_000_000;

/// See [`Band::range`]; nearest ranks, and 0 without pixels.
fn range(images: &[f32], channels: usize, channel: usize, masked: f32) -> f32 {
    let count = images.len() / channels;
    let every = count.div_ceil(MAX_PIXELS).max(1);
    // One of every so many, at a place that changes: a fixed step would see the same columns of every image.
    let place = |k: usize| k * every + (k.wrapping_mul(0x9E37_79B9) >> 16) % every;
    let pixels = (0..count.div_ceil(every)).filter_map(|k| images.get(place(k) * channels + channel));
    let mut pixels: Vec<f32> = pixels
        .copied()
        .filter(|v| v.is_finite() && v.to_bits() != masked.to_bits())
        .collect();
    if pixels.is_empty() {
        return 0.0;
    }
    let last = pixels.len() - 1;
    let mut rank = |fraction: f64| {
        *pixels
            .select_nth_unstable_by((fraction * last as f64).round() as usize, f32::total_cmp)
            .1
    };
    let range = rank(0.999) - rank(0.001);
    if range.is_finite() { range } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::Cutout;

    /// The noise that augmentation adds is in units of the sky noise, whatever the softening.
    #[test]
    fn the_sky_noise_is_that_of_the_input() {
        let flux: Vec<f32> = (0..400).map(|i| (i * 7 % 20) as f32 - 9.5).collect();
        let cutout = Cutout::of_image(String::new(), [20, 20, 1], &flux, None);
        for softening in [1.0, 7.0] {
            let (stretch, _) = Stretch::fit(&[&cutout], &["r".into()], softening).unwrap();
            let faint = 1e-3 * stretch.scale[0] as f32;
            let image = Cutout::of_image(String::new(), [1, 2, 1], &[0.0, faint], None);
            let mut input = [0.0; 2];
            stretch.apply(&image, &mut input);
            let noise = Band::all(&stretch, &input)[0].sky_noise;
            assert!(((input[1] - input[0]) * 1e3 / noise - 1.0).abs() < 1e-3, "{noise}");
        }
    }

    #[test]
    fn a_sample_sees_every_column() {
        // Rows of 4 pixels, of which only the last column is bright, so often that every 4th or 8th pixel is taken.
        let width = 4;
        let pixels: Vec<f32> = (0..7 * MAX_PIXELS)
            .map(|i| if i % width == width - 1 { 100.0 } else { 0.0 })
            .collect();
        assert_eq!(range(&pixels, 1, 0, -1.0), 100.0);
    }

    #[test]
    fn a_range_excludes_a_thousandth_at_each_end_and_masked_pixels() {
        let mut pixels: Vec<f32> = (0..2002)
            .map(|i| if i % 2 == 0 { i as f32 / 2.0 } else { -7.0 })
            .collect();
        assert_eq!(range(&pixels, 2, 0, -1.0), 998.0);
        assert_eq!(range(&pixels, 2, 1, -1.0), 0.0);
        assert_eq!(range(&pixels, 2, 1, -7.0), 0.0);
        (pixels[0], pixels[2]) = (f32::NAN, 1e30);
        assert!(range(&pixels, 2, 0, -1.0) < 1000.0);
    }
}
