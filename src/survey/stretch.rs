//! The stretch: raw flux to network input, per band x = (asinh(flux / (b s)) - mean) / std; features of a table are
//! standardised, x = (value - mean) / std.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::cutout::Cutout;
use super::error::Result;
use super::sky::{MAD_TO_SIGMA, mad};
use crate::numeric::{asinh, median, upper_limit};

/// Pixels per band that a median is computed from; if there are more, every second, third, ... cutout is used.
const MAX_PIXELS: usize = 4_000_000;

/// Largest input, standard deviations: its square is finite.
const MAX_INPUT: f64 = 1e6;

/// The softening is this part of the flux that one pixel in a hundred exceeds in a typical image, within these limits: faint
/// images are stretched from the noise on, of bright ones the arcs stay nearly linear. docs/accuracy.md compares others.
const SOFTENING: f64 = 0.3;
const SOFTENING_LIMITS: (f64, f64) = (1.0, 10.0);

/// Pixels that are stretched at a time.
const AT_A_TIME: usize = 64;

/// One entry per band. A band that is constant in training is not used: it has scale 0, and its input is 0 for any flux.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stretch {
    /// s, in flux: 1.4826 x the median absolute deviation of the border pixels. 1 for a feature.
    pub scale: Vec<f64>,
    /// b, the flux where asinh turns from linear to logarithmic, in units of s. Empty for features and in early versions: 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub softening: Vec<f64>,
    /// Mean of asinh(flux / (b s)) over the training split, or of the feature.
    pub mean: Vec<f64>,
    /// Standard deviation of asinh(flux / (b s)) over the training split, or of the feature.
    pub std: Vec<f64>,
    /// What is standardised.
    #[serde(default, skip_serializing_if = "Curve::is_asinh")]
    pub curve: Curve,
}

/// What the stretch standardises.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Curve {
    /// asinh(flux / (b s)), of images. A masked pixel counts as flux 0.
    #[default]
    Asinh,
    /// The value itself, of features. A missing value counts as the mean.
    Linear,
}

impl Curve {
    fn is_asinh(&self) -> bool {
        *self == Curve::Asinh
    }
}

/// Training images that no stretch can be fitted to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StretchError {
    /// There are no images.
    #[error("there are no images to fit the stretch to")]
    NoImages,
    /// Every image has the same constant flux.
    #[error("every band is constant in all {images} training images; there is nothing to learn from")]
    Constant {
        /// Number of images.
        images: usize,
    },
}

/// Number, mean and sum of squared deviations, merged by the formula of Chan, Golub & LeVeque (1983, The American
/// Statistician 37, 242).
#[derive(Clone, Copy, Default)]
struct Moments {
    n: f64,
    mean: f64,
    m2: f64,
}

impl Moments {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        values.fold(Moments::default(), |m, x| {
            let (n, delta) = (m.n + 1.0, x - m.mean);
            let mean = m.mean + delta / n;
            Moments {
                n,
                mean,
                m2: m.m2 + delta * (x - mean),
            }
        })
    }

    fn merge(self, other: Self) -> Self {
        if other.n == 0.0 {
            return self;
        }
        let (n, delta) = (self.n + other.n, other.mean - self.mean);
        let mean = self.mean + delta * other.n / n;
        Moments {
            n,
            mean,
            m2: self.m2 + other.m2 + delta * delta * self.n * other.n / n,
        }
    }

    /// Over all cutouts, merged in their order, so that the result does not depend on the number of threads.
    fn over(cutouts: &[&Cutout], band: usize, map: impl Fn(f64) -> f64 + Sync) -> Self {
        let flux = |c: &&Cutout| Moments::of(flux_of(c, band).map(&map));
        let parts: Vec<Moments> = cutouts.par_iter().map(flux).collect();
        parts.into_iter().fold(Moments::default(), Moments::merge)
    }

    fn std(&self) -> f64 {
        if self.n > 0.0 { (self.m2 / self.n).sqrt() } else { 0.0 }
    }
}

impl Stretch {
    /// Fits to the training split. Returns the stretch and warnings, in which `bands` names the channels. A `softening` of 0
    /// is chosen by the brightness of the images; that of features is not used.
    ///
    /// If more than half of a band's border has one value, its MAD is 0: the scale then is that of all pixels or, if this
    /// is 0 as well, their standard deviation. A band that is constant is not used.
    ///
    /// # Errors
    /// No images, or no band that varies.
    pub fn fit(cutouts: &[&Cutout], bands: &[String], softening: f64) -> Result<(Stretch, Vec<String>)> {
        let Some(first) = cutouts.first() else {
            return Err(StretchError::NoImages.into());
        };
        if first.is_row() {
            return Stretch::standardise(cutouts, bands);
        }
        let border = first.border(0).count().max(1);
        let every = (cutouts.len() * border).div_ceil(MAX_PIXELS).max(1);
        let mut stretch = Stretch {
            scale: Vec::new(),
            softening: Vec::new(),
            mean: Vec::new(),
            std: Vec::new(),
            curve: Curve::Asinh,
        };
        let mut warnings = Vec::new();
        for (band, name) in bands.iter().enumerate() {
            let sample = || cutouts.iter().step_by(every);
            let mut scale = MAD_TO_SIGMA * spread(sample().flat_map(|c| c.border(band)).collect());
            let whole = || {
                cutouts
                    .iter()
                    .step_by((cutouts.len() * first.pixels.len()).div_ceil(MAX_PIXELS).max(1))
            };
            if scale == 0.0 {
                scale = MAD_TO_SIGMA * spread(whole().flat_map(|c| flux_of(c, band)).collect());
                if scale == 0.0 {
                    scale = Moments::over(cutouts, band, |flux| flux).std();
                }
                if scale > 0.0 {
                    warnings.push(format!(
                        "band {name} has no noise at the edges of the images; is the sky set to 0?"
                    ));
                }
            }
            let (least, most) = SOFTENING_LIMITS;
            let softening = match softening {
                0.0 => {
                    let bright = |c: &&Cutout| upper_limit(&mut flux_of(c, band).collect::<Vec<_>>(), 0.01);
                    // Of a typical image: a single one of another kind must not set the scale of all.
                    let mut bright: Vec<f64> = whole().filter_map(bright).collect();
                    let bright = median(&mut bright).unwrap_or(0.0);
                    // Not a number if there is no scale.
                    (SOFTENING * bright / scale).max(least).min(most)
                }
                given => given,
            };
            let moments = Moments::over(cutouts, band, |flux| asinh(flux / (softening * scale)));
            let varies = scale > 0.0 && moments.std() > 0.0;
            if !varies {
                warnings.push(format!(
                    "band {name} is constant in the training images and is not used"
                ));
            }
            stretch.scale.push(if varies { scale } else { 0.0 });
            stretch.softening.push(softening);
            stretch.mean.push(if varies { moments.mean } else { 0.0 });
            stretch.std.push(if varies { moments.std() } else { 1.0 });
        }
        if stretch.scale.iter().all(|&s| s == 0.0) {
            let images = cutouts.len();
            return Err(StretchError::Constant { images }.into());
        }
        Ok((stretch, warnings))
    }

    /// The standardisation of the features of rows.
    fn standardise(rows: &[&Cutout], features: &[String]) -> Result<(Stretch, Vec<String>)> {
        let moments = |feature| Moments::over(rows, feature, |value| value);
        let moments: Vec<Moments> = (0..features.len()).map(moments).collect();
        let varies = |m: &Moments| m.std() > 0.0;
        let unused = features.iter().zip(&moments).filter(|(_, m)| !varies(m));
        let warnings = unused.map(|(name, _)| format!("{name} is constant in the training rows and is not used"));
        if !moments.iter().any(varies) {
            let images = rows.len();
            return Err(StretchError::Constant { images }.into());
        }
        let stretch = Stretch {
            scale: moments.iter().map(|m| if varies(m) { 1.0 } else { 0.0 }).collect(),
            softening: Vec::new(),
            mean: moments.iter().map(|m| if varies(m) { m.mean } else { 0.0 }).collect(),
            std: moments.iter().map(|m| if varies(m) { m.std() } else { 1.0 }).collect(),
            curve: Curve::Linear,
        };
        Ok((stretch, warnings.collect()))
    }

    /// Writes the network input of a cutout to `out`, (H, W, C). It is always finite; masked pixels count as flux 0, missing
    /// features as their mean.
    ///
    /// # Panics
    /// If the bands are not those of the stretch, or `out` does not have the length of the cutout's pixels.
    pub fn apply(&self, cutout: &Cutout, out: &mut [f32]) {
        let channels = self.scale.len();
        assert_eq!(cutout.channels, channels, "the stretch has other bands");
        assert_eq!(cutout.pixels.len(), out.len(), "the output has another size");
        match self.curve {
            Curve::Asinh => self.standardised(&cutout.pixels, out, asinh),
            Curve::Linear => self.standardised(&cutout.pixels, out, |value| value),
        }
        if self.curve == Curve::Linear {
            let missing = out.iter_mut().zip(&cutout.mask).filter(|(_, masked)| **masked);
            missing.for_each(|(value, _)| *value = 0.0);
        }
    }

    /// b of a band.
    pub fn softening(&self, band: usize) -> f64 {
        self.softening.get(band).copied().unwrap_or(1.0)
    }

    /// The network input of a masked pixel of each band, bit for bit; that of a pixel with flux 0 is the same.
    pub fn masked(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.scale.len()];
        if self.curve == Curve::Asinh {
            self.standardised(&vec![0.0; values.len()], &mut values, asinh);
        }
        values
    }

    /// The network inputs of pixels, several at once: a loop that the compiler can vectorise.
    fn standardised(&self, flux: &[f32], out: &mut [f32], curve: impl Fn(f64) -> f64) {
        // A band that is not used has the input 0 / std for any flux.
        let scale = |band| match self.scale[band] {
            0.0 => f64::INFINITY,
            scale => scale * self.softening(band),
        };
        let scale: Vec<f64> = (0..self.scale.len()).map(scale).collect();
        let scale = scale.repeat(AT_A_TIME);
        let [mean, std] = [&self.mean, &self.std].map(|values| values.repeat(AT_A_TIME));
        for (flux, out) in flux.chunks(scale.len()).zip(out.chunks_mut(scale.len())) {
            let bands = scale.iter().zip(&mean).zip(&std);
            for ((out, &flux), ((scale, mean), std)) in out.iter_mut().zip(flux).zip(bands) {
                let value = (curve(f64::from(flux) / scale) - mean) / std;
                *out = value.clamp(-MAX_INPUT, MAX_INPUT) as f32;
            }
        }
    }
}

/// The flux of the pixels of a band that are not masked.
fn flux_of(cutout: &Cutout, band: usize) -> impl Iterator<Item = f64> {
    let unmasked = cutout.band(band).filter(|(_, masked)| !masked);
    unmasked.map(|(flux, _)| f64::from(flux))
}

fn spread(mut values: Vec<f64>) -> f64 {
    median(&mut values).map_or(0.0, |centre| mad(values, centre))
}

#[cfg(test)]
mod tests {
    use super::super::cutout::tests::cutout;
    use super::*;
    use rand::RngExt;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn noise(seed: u64, sigma: f64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..20 * 20 * 2)
            .map(|_| ((0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0) * sigma)
            .map(|v| v as f32)
            .collect()
    }

    fn fit(images: &[Vec<f32>]) -> (Stretch, Vec<String>, Vec<Cutout>) {
        let cutouts: Vec<_> = images.iter().map(|i| cutout([20, 20, 2], i)).collect();
        let (stretch, warnings) = Stretch::fit(&cutouts.iter().collect::<Vec<_>>(), &names(), 0.0).unwrap();
        (stretch, warnings, cutouts)
    }

    fn names() -> Vec<String> {
        vec!["g".into(), "r".into()]
    }

    fn inputs(stretch: &Stretch, cutouts: &[Cutout]) -> Vec<f32> {
        let mut all = Vec::new();
        for cutout in cutouts {
            let mut out = vec![0.0; cutout.pixels.len()];
            stretch.apply(cutout, &mut out);
            all.extend(out);
        }
        assert!(all.iter().all(|v| v.is_finite()), "every input is finite");
        all
    }

    #[test]
    fn the_scale_is_the_border_noise_and_inputs_have_mean_0_and_std_1() {
        let mut images: Vec<_> = (0..20).map(|seed| noise(seed, 3e-12)).collect();
        for image in &mut images {
            // A galaxy in the centre, which does not reach the border, and a masked pixel.
            (0..2).for_each(|band| image[2 * (10 * 20 + 10) + band] = 1e-9);
            image[0] = f32::NAN;
        }
        let (stretch, warnings, cutouts) = fit(&images);
        assert!(warnings.is_empty(), "{warnings:?}");
        for scale in &stretch.scale {
            assert!((scale / 3e-12 - 1.0).abs() < 0.05, "{scale}");
        }
        let x = inputs(&stretch, &cutouts);
        let second: Vec<f64> = x.iter().skip(1).step_by(2).map(|&v| v as f64).collect();
        let mean = second.iter().sum::<f64>() / second.len() as f64;
        let var = second.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / second.len() as f64;
        assert!(mean.abs() < 1e-6 && (var - 1.0).abs() < 1e-6, "{mean} {var}");
        let sky = -(stretch.mean[0] / stretch.std[0]) as f32;
        assert_eq!(x[0], sky, "a masked pixel counts as sky");
        assert_eq!(x[0].to_bits(), stretch.masked()[0].to_bits());
    }

    /// A band of noise alone, and one in which some pixels are 30 times the noise.
    #[test]
    fn bright_images_are_stretched_from_a_higher_flux_on() {
        let mut images: Vec<_> = (0..20).map(|seed| noise(seed, 2.0)).collect();
        for image in &mut images {
            (0..20).for_each(|k| image[2 * (20 * 10 + k) + 1] = 60.0);
        }
        let (stretch, _, cutouts) = fit(&images);
        assert_eq!(stretch.softening(0), 1.0, "not below the noise");
        assert!((stretch.softening(1) - 9.0).abs() < 0.5, "{}", stretch.softening(1));
        let scale = stretch.softening(1) * stretch.scale[1];
        let expected = ((60.0 / scale).asinh() - stretch.mean[1]) / stretch.std[1];
        let x = inputs(&stretch, &cutouts)[2 * 20 * 10 + 1];
        assert!((f64::from(x) - expected).abs() < 1e-6, "{x} {expected}");
        images[3].iter_mut().for_each(|flux| *flux *= 1e30);
        // Whose border pixels are a twentieth of those that the noise is measured from.
        assert!((fit(&images).0.softening(1) - 8.5).abs() < 0.5, "one bad image");
        images.iter_mut().flatten().for_each(|flux| *flux *= flux.abs());
        assert_eq!(fit(&images).0.softening(1), 10.0, "at most ten times the noise");
    }

    #[test]
    fn huge_tiny_and_constant_images_stay_finite() {
        let mut images: Vec<_> = (0..5).map(|seed| noise(seed, 1e-12)).collect();
        images[0][40] = 1e30;
        images[1].fill(1e-12);
        images[2].fill(f32::NAN);
        let (stretch, _, cutouts) = fit(&images);
        inputs(&stretch, &cutouts);
        inputs(&stretch, &[cutout([20, 20, 2], &vec![-3.4e38; 800])]);
        inputs(&stretch, &[cutout([20, 20, 2], &vec![1e-45; 800])]);
        let (stretch, _, cutouts) = fit(&[noise(1, 1e30), noise(2, 1e30)]);
        inputs(&stretch, &cutouts);
    }

    #[test]
    fn a_constant_band_gives_zero_and_a_warning() {
        let mut images: Vec<_> = (0..3).map(|seed| noise(seed, 1.0)).collect();
        images
            .iter_mut()
            .for_each(|image| image.iter_mut().step_by(2).for_each(|v| *v = 7.0));
        let (stretch, warnings, cutouts) = fit(&images);
        assert_eq!((stretch.scale[0], stretch.mean[0], stretch.std[0]), (0.0, 0.0, 1.0));
        assert!(
            warnings.len() == 1 && warnings[0].contains("band g is constant"),
            "{warnings:?}"
        );
        assert!(inputs(&stretch, &cutouts).iter().step_by(2).all(|&v| v == 0.0));
        let flat = cutout([20, 20, 2], &[3.0; 800]);
        let error = Stretch::fit(&[&flat], &names(), 0.0).unwrap_err().to_string();
        assert!(error.contains("every band is constant"), "{error}");
    }

    #[test]
    fn a_sky_of_zero_falls_back_to_the_spread_of_all_pixels() {
        let mut image = noise(1, 2.0);
        for at in 0..400 {
            let (y, x) = (at / 20, at % 20);
            if !(1..19).contains(&y) || !(4..16).contains(&x) || x % 3 == 0 {
                image[2 * at] = 0.0;
            }
        }
        let (stretch, warnings, cutouts) = fit(&[image]);
        assert!(stretch.scale[0] > 0.0);
        assert!(
            warnings.len() == 1 && warnings[0].contains("band g has no noise"),
            "{warnings:?}"
        );
        inputs(&stretch, &cutouts);
    }

    #[test]
    fn merged_moments_are_those_of_all_values() {
        let values: Vec<f64> = (0..100).map(|i| 1e6 + (i * i % 17) as f64).collect();
        let whole = Moments::of(values.iter().copied());
        let parts = values
            .chunks(7)
            .map(|c| Moments::of(c.iter().copied()))
            .fold(Moments::default(), Moments::merge);
        assert!((whole.mean - parts.mean).abs() < 1e-9 && (whole.m2 - parts.m2).abs() < 1e-6);
    }
}
