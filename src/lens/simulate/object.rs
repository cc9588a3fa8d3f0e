//! One object: its parameters, and the words of it that a device takes.

use super::population::{Isothermal, Population};
use crate::lens::physics::mass::Mass;
use crate::plan::{LensShape, object};
use std::f64::consts::PI;

/// A galaxy, lens or not, and what is around and behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its number in the population, from 0.
    pub number: u64,
    pub is_lens: bool,
    /// Key of its noise.
    pub key: [u32; 2],
    /// Nothing is lensed where it is not a lens.
    pub mass: Mass,
    /// What its Einstein radius follows from, where the population has physics.
    pub isothermal: Option<Isothermal>,
    /// The lensed source: clumps, in the source plane.
    pub source: Vec<Light>,
    /// The galaxy in the middle, then its neighbours.
    pub light: Vec<Light>,
    /// As the band is at that moment, by band of the population.
    pub seen: Vec<Seen>,
    pub masks: Vec<Rectangle>,
    /// How the source was placed, for `truth.csv`: its offset from the lens, arcsec.
    pub source_offset: [f64; 2],
}

/// An elliptical Sersic profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Light {
    pub x: f64,
    pub y: f64,
    /// Of the ellipse with half of the light: sqrt(a b), arcsec.
    pub radius: f64,
    pub index: f64,
    pub axis_ratio: f64,
    /// Of the major axis, from x to y, radian.
    pub angle: f64,
    /// Total, in pixel values, by band of the population.
    pub flux: Vec<f64>,
}

/// A band's conditions for one object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// Electrons a pixel.
    pub sky: f64,
    /// Electrons.
    pub read_noise: f64,
    /// Full width at half maximum, arcsec.
    pub fwhm: f64,
    pub ellipticity: [f64; 2],
}

/// Masked pixels, in the population's own image: first and last, both included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rectangle {
    pub columns: [u32; 2],
    pub rows: [u32; 2],
    /// A bit a band of the population.
    pub bands: u32,
}

/// b(n): half of a Sersic profile's light lies inside its radius (Ciotti & Bertin 1999, A&A 352, 447, eq. 18).
pub fn sersic_b(n: f64) -> f64 {
    2.0 * n - 1.0 / 3.0 + 4.0 / (405.0 * n) + 46.0 / (25_515.0 * n * n) + 131.0 / (1_148_175.0 * n.powi(3))
        - 2_194_697.0 / (30_690_717_750.0 * n.powi(4))
}

impl Light {
    /// Surface brightness at the centre of a profile with the total light 1, per square arcsec: its integral is
    /// 2 pi n radius^2 b^(-2n) Gamma(2n).
    fn central(&self) -> f64 {
        let b = sersic_b(self.index);
        let ln = libm::lgamma(2.0 * self.index) - 2.0 * self.index * b.ln();
        1.0 / (2.0 * PI * self.index * self.radius * self.radius * ln.exp())
    }
}

impl Object {
    /// As [`crate::plan::object`] describes it, for the given of the population's bands.
    pub fn words(&self, shape: &LensShape, population: &Population, bands: &[usize]) -> Vec<u32> {
        let mut words = vec![0; shape.words()];
        let put = |words: &mut [u32], at: usize, values: &[f64]| {
            let values = values.iter().map(|&v| (v as f32).to_bits());
            words[at..]
                .iter_mut()
                .zip(values)
                .for_each(|(word, value)| *word = value);
        };
        words[object::KEY..][..2].copy_from_slice(&self.key);
        let lights = self.source.iter().chain(&self.light).take(shape.components);
        words[object::COMPONENTS] = lights.clone().count() as u32;
        words[object::LENSED] = self.source.len() as u32;
        let m = &self.mass;
        let scale = if self.is_lens { m.scale() } else { 0.0 };
        put(
            &mut words,
            object::MASS,
            &[
                m.x,
                m.y,
                m.angle.cos(),
                m.angle.sin(),
                m.axis_ratio,
                scale,
                m.slope,
                0.0,
                m.shear[0],
                m.shear[1],
            ],
        );
        words[object::MASS + 7] = m.terms();
        for (k, r) in self.masks.iter().take(object::MAX_RECTANGLES).enumerate() {
            let both = |[first, last]: [u32; 2]| first | last << 16;
            let rectangle = [both(r.columns), both(r.rows), r.bands];
            words[object::RECTANGLES + k * object::RECTANGLE_WORDS..][..3].copy_from_slice(&rectangle);
        }
        for (k, &band) in bands.iter().enumerate() {
            let (at, settings, seen) = (
                object::BANDS + k * object::BAND_WORDS,
                &population.bands[band],
                &self.seen[band],
            );
            let [e1, e2] = seen.ellipticity;
            let beta = settings.psf.beta();
            put(
                &mut words,
                at,
                &[seen.sky, seen.read_noise, settings.electron, seen.fwhm, beta, e1, e2],
            );
            words[at + 7] = band as u32;
        }
        let pixel = f64::from(shape.pixel_scale).powi(2);
        for (k, light) in lights.enumerate() {
            let at = shape.components_at() + k * shape.component_words();
            let l = light;
            let b = sersic_b(l.index);
            put(
                &mut words,
                at,
                &[
                    l.x,
                    l.y,
                    l.angle.cos(),
                    l.angle.sin(),
                    l.axis_ratio,
                    1.0 / l.radius,
                    1.0 / l.index,
                    b,
                ],
            );
            let electrons = |&band: &usize| l.flux[band] / population.bands[band].electron * l.central() * pixel;
            let amplitudes: Vec<f64> = bands.iter().map(electrons).collect();
            put(&mut words, at + object::COMPONENT_WORDS, &amplitudes);
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_has_the_light_that_it_should_half_of_it_inside_its_radius() {
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
