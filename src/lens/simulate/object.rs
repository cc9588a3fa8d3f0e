//! One object: its parameters, and the words that encode it for a device.

use super::population::Population;
use super::population::einstein_radius::Isothermal;
use crate::lens::physics::mass::MassModel;
use crate::plan::{LensShape, object};
use std::f64::consts::PI;

/// A galaxy, lens or not, with the galaxies around and behind it. Lengths are in arcsec from the centre of the image, x
/// along columns, y along rows; angles are in radians.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Number of the object in the population, counted from 0.
    pub number: u64,
    /// Whether there is a lensed source.
    pub is_lens: bool,
    /// Key of the random numbers of its noise.
    pub key: [u32; 2],
    /// Mass of the central galaxy; if the object is not a lens, it deflects nothing.
    pub mass: MassModel,
    /// What the Einstein radius was computed from, if the population has velocity dispersions and redshifts.
    pub isothermal: Option<Isothermal>,
    /// The lensed source and its clumps, with positions in the source plane.
    pub source: Vec<Light>,
    /// The central galaxy, then its neighbours.
    pub light: Vec<Light>,
    /// Observing conditions in each band of the population.
    pub conditions: Vec<Conditions>,
    /// Masked pixels.
    pub masks: Vec<Rectangle>,
    /// Position of the source relative to the deflector.
    pub source_offset: [f64; 2],
}

/// An elliptical Sersic profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Light {
    /// Centre along columns.
    pub x: f64,
    /// Centre along rows.
    pub y: f64,
    /// Half-light radius sqrt(a b), arcsec.
    pub radius: f64,
    /// Sersic index.
    pub index: f64,
    /// Minor over major axis.
    pub axis_ratio: f64,
    /// Angle of the major axis, from x towards y.
    pub angle: f64,
    /// Total flux in each band of the population, pixel values.
    pub flux: Vec<f64>,
}

/// The observing conditions of one object in one band.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// Pixel value of one electron.
    pub electron: f64,
    /// Sky, electrons per pixel.
    pub sky: f64,
    /// Sky that is left in the image after its subtraction, electrons per pixel.
    pub sky_left: f64,
    /// Standard deviation of the read noise, electrons.
    pub read_noise: f64,
    /// Full width at half maximum of the point spread function, arcsec.
    pub fwhm: f64,
    /// Ellipticity of the point spread function: e1, e2.
    pub ellipticity: [f64; 2],
}

/// A rectangle of masked pixels in the population's image, in pixels counted from 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rectangle {
    /// First and last column.
    pub columns: [u32; 2],
    /// First and last row.
    pub rows: [u32; 2],
    /// Bit mask of the bands of the population.
    pub bands: u32,
}

/// b(n), with which half of the light of a Sersic profile lies inside its radius (Ciotti & Bertin 1999, A&A 352, 447,
/// eq. 18).
pub fn sersic_b(n: f64) -> f64 {
    2.0 * n - 1.0 / 3.0 + 4.0 / (405.0 * n) + 46.0 / (25_515.0 * n * n) + 131.0 / (1_148_175.0 * n.powi(3))
        - 2_194_697.0 / (30_690_717_750.0 * n.powi(4))
}

impl Light {
    /// Central surface brightness of a profile with a total flux of 1, per square arcsec: the integral of exp(-b
    /// (R/radius)^(1/n)) is 2 pi n radius^2 b^(-2n) Gamma(2n).
    fn central(&self) -> f64 {
        let b = sersic_b(self.index);
        let ln = libm::lgamma(2.0 * self.index) - 2.0 * self.index * b.ln();
        1.0 / (2.0 * PI * self.index * self.radius * self.radius * ln.exp())
    }
}

impl Object {
    /// The object encoded as described in [`crate::plan::object`], with the given bands of the population.
    pub fn words(&self, shape: &LensShape, population: &Population, bands: &[usize]) -> Vec<u32> {
        let mut words = vec![0; shape.words()];
        words[object::KEY..][..2].copy_from_slice(&self.key);
        let lights = self.source.iter().chain(&self.light).take(shape.components);
        words[object::COMPONENTS] = lights.clone().count() as u32;
        words[object::LENSED] = self.source.len() as u32;
        put(&mut words, object::MASS, &self.mass_words());
        words[object::MASS + object::MASS_TERMS] = self.mass.terms();
        for (k, mask) in self.masks.iter().take(object::MAX_RECTANGLES).enumerate() {
            let at = object::RECTANGLES + k * object::RECTANGLE_WORDS;
            words[at..][..object::RECTANGLE_WORDS].copy_from_slice(&mask.words());
        }
        for (k, &band) in bands.iter().enumerate() {
            let at = object::BANDS + k * object::BAND_WORDS;
            let (settings, conditions) = (&population.bands[band], &self.conditions[band]);
            let [e1, e2] = conditions.ellipticity;
            let Conditions {
                electron,
                sky,
                sky_left,
                read_noise,
                fwhm,
                ..
            } = *conditions;
            let beta = settings.psf.beta();
            put(&mut words, at, &[sky, read_noise, electron, fwhm, beta, e1, e2]);
            words[at + object::BAND_NUMBER] = band as u32;
            put(&mut words, at + object::SKY_LEFT, &[sky_left]);
        }
        let pixel_area = f64::from(shape.pixel_scale).powi(2);
        for (k, light) in lights.enumerate() {
            let at = shape.components_at() + k * shape.component_words();
            put(&mut words, at, &light.words());
            let electrons =
                |&band: &usize| light.flux[band] / self.conditions[band].electron * light.central() * pixel_area;
            let amplitudes: Vec<f64> = bands.iter().map(electrons).collect();
            put(&mut words, at + object::COMPONENT_WORDS, &amplitudes);
        }
        words
    }

    /// With a placeholder for the number of terms, which is an integer.
    fn mass_words(&self) -> [f64; object::MASS_WORDS] {
        let mass = &self.mass;
        let (cos, sin) = (mass.angle.cos(), mass.angle.sin());
        let scale = if self.is_lens { mass.scale() } else { 0.0 };
        let [g1, g2] = mass.shear;
        [
            mass.x,
            mass.y,
            cos,
            sin,
            mass.axis_ratio,
            scale,
            mass.slope,
            0.0,
            g1,
            g2,
        ]
    }
}

impl Light {
    fn words(&self) -> [f64; object::COMPONENT_WORDS] {
        [
            self.x,
            self.y,
            self.angle.cos(),
            self.angle.sin(),
            self.axis_ratio,
            1.0 / self.radius,
            1.0 / self.index,
            sersic_b(self.index),
        ]
    }
}

impl Rectangle {
    fn words(&self) -> [u32; object::RECTANGLE_WORDS] {
        let pack = |[first, last]: [u32; 2]| first | last << 16;
        [pack(self.columns), pack(self.rows), self.bands]
    }
}

/// Stores `values` as f32 from word `at` on.
fn put(words: &mut [u32], at: usize, values: &[f64]) {
    for (word, &value) in words[at..].iter_mut().zip(values) {
        *word = (value as f32).to_bits();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_normalised_and_half_of_its_light_lies_inside_its_radius() {
        for index in [0.5, 1.0, 2.5, 4.0, 5.0] {
            let light = Light {
                x: 0.0,
                y: 0.0,
                radius: 0.7,
                index,
                axis_ratio: 1.0,
                angle: 0.0,
                flux: vec![],
            };
            let b = sersic_b(index);
            // In steps of ln(r), midpoints.
            let (mut inside, mut all, step) = (0.0, 0.0, 1e-3);
            for k in -20_000..20_000 {
                let r = (f64::from(k) * step + step / 2.0).exp() * 0.7;
                let ring = 2.0 * PI * r * r * step * light.central() * (-b * (r / 0.7).powf(1.0 / index)).exp();
                all += ring;
                inside += if k < 0 { ring } else { 0.0 };
            }
            assert!(
                (all - 1.0).abs() < 1e-4 && (inside - 0.5).abs() < 3e-4,
                "{index}: {inside} of {all}"
            );
        }
    }
}
