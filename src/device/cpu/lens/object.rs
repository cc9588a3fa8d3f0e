//! The words of an object: see [`crate::plan::object`].

use super::deflection::PowerLaw;
use super::render::Sersic;
use crate::device::cpu::memory::Memory;
use crate::plan::{LensShape, TensorId, object};

/// One object of a batch.
#[derive(Clone, Copy)]
pub(super) struct Object<'a> {
    shape: &'a LensShape,
    words: &'a [u32],
}

/// The observing conditions in one band.
pub(super) struct Band {
    /// Electrons per pixel.
    pub sky: f32,
    /// Standard deviation, electrons.
    pub read_noise: f32,
    /// Pixel value of an electron.
    pub electron: f32,
    /// Full width at half maximum of the point spread function, arcsec.
    pub fwhm: f32,
    /// Moffat exponent; 0 for a Gaussian.
    pub beta: f32,
    pub ellipticity: [f32; 2],
    /// Number of the band in the population.
    pub number: u32,
    /// Sky that is left in the image, electrons per pixel.
    pub sky_left: f32,
}

impl<'a> Object<'a> {
    /// Object `number` of the tensor.
    pub(super) fn new(memory: &'a Memory, tensor: TensorId, shape: &'a LensShape, number: usize) -> Object<'a> {
        let words = &memory.words(tensor, 0)[number * shape.words()..][..shape.words()];
        Object { shape, words }
    }

    fn floats(&self, at: usize, len: usize) -> &'a [f32] {
        bytemuck::cast_slice(&self.words[at..at + len])
    }

    /// The key of its random numbers.
    pub(super) fn key(&self) -> [u32; 2] {
        [self.words[object::KEY], self.words[object::KEY + 1]]
    }

    /// The number of components, and how many of them, the first ones, are lensed.
    pub(super) fn components(&self) -> (usize, usize) {
        let [all, lensed] = [object::COMPONENTS, object::LENSED].map(|at| self.words[at] as usize);
        (all, lensed)
    }

    pub(super) fn mass(&self) -> PowerLaw {
        let w = self.floats(object::MASS, object::MASS_WORDS);
        PowerLaw {
            x: w[0],
            y: w[1],
            cos: w[2],
            sin: w[3],
            q: w[4],
            b: w[5],
            t: w[6],
            terms: self.words[object::MASS + object::MASS_TERMS],
            shear: [w[8], w[9]],
        }
    }

    pub(super) fn band(&self, band: usize) -> Band {
        let at = object::BANDS + band * object::BAND_WORDS;
        let w = self.floats(at, object::BAND_WORDS);
        Band {
            sky: w[0],
            read_noise: w[1],
            electron: w[2],
            fwhm: w[3],
            beta: w[4],
            ellipticity: [w[5], w[6]],
            number: self.words[at + object::BAND_NUMBER],
            sky_left: w[object::SKY_LEFT],
        }
    }

    /// A component: its profile, and its amplitudes in the bands.
    pub(super) fn component(&self, number: usize) -> (Sersic, &'a [f32]) {
        let len = self.shape.component_words();
        let at = self.shape.components_at() + number * len;
        let (w, amplitudes) = self.floats(at, len).split_at(object::COMPONENT_WORDS);
        let [q, inverse_radius, inverse_index, b] = [w[4], w[5], w[6], w[7]];
        let sersic = Sersic {
            x: w[0],
            y: w[1],
            cos: w[2],
            sin: w[3],
            along: q * inverse_radius * inverse_radius,
            across: inverse_radius * inverse_radius / q,
            half_power: 0.5 * inverse_index,
            minus_b: -b,
        };
        (sersic, amplitudes)
    }

    /// Whether a pixel of the population's image is masked in the band with this number.
    pub(super) fn is_masked(&self, band: u32, row: u32, column: u32) -> bool {
        let rectangles = &self.words[object::RECTANGLES..object::BANDS];
        rectangles.chunks_exact(object::RECTANGLE_WORDS).any(|r| {
            (r[0] & 0xffff..=r[0] >> 16).contains(&column)
                && (r[1] & 0xffff..=r[1] >> 16).contains(&row)
                && r[2] >> band & 1 == 1
        })
    }
}
