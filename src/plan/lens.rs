//! The simulator's operations: objects as words in, images out. A plan of them has one member; the objects are the
//! batch.
//!
//! Lengths are arcsec, x to the right along columns, y up along rows, both from the image's centre; light is in
//! electrons. [`LensRender`] makes two layers of planes, the lensed source and everything else, so that what belongs to
//! the arcs can be measured: light (N, [`LAYERS`], C, H, W).

use super::{Op, Operation, TensorId};

operations! {
    /// One step of making a batch of images.
    LensOp: Lens { LensDeflect, LensPsf, LensRender, LensConvolve, LensNoise, LensArcs }
}

/// The lensed source, and everything else.
pub const LAYERS: usize = 2;

/// What a masked pixel holds, as in Lens Finding Challenge 1.
pub const MASKED: f32 = 100.0;

/// Sizes of a batch of simulated images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LensShape {
    pub objects: usize,
    pub h: usize,
    pub w: usize,
    pub bands: usize,
    /// Pixels of a point spread function's side; odd.
    pub kernel: usize,
    /// Arcsec a pixel.
    pub pixel_scale: f32,
    /// A pixel of the lensed source is the mean of `samples` x `samples` rays.
    pub samples: usize,
    /// What an object can hold at most.
    pub components: usize,
    /// Rows and columns of the population's own image that are left out on each side: the same pixel has the same
    /// noise in any window.
    pub margin: [usize; 2],
}

impl LensShape {
    pub fn pixels(&self) -> usize {
        self.h * self.w
    }

    /// Words of one object.
    pub fn words(&self) -> usize {
        self.components_at() + self.components * self.component_words()
    }

    /// Where an object's first component begins.
    pub fn components_at(&self) -> usize {
        object::BANDS + self.bands * object::BAND_WORDS
    }

    pub fn component_words(&self) -> usize {
        object::COMPONENT_WORDS + self.bands
    }
}

/// Words of an object: f32 unless said otherwise. Behind the head come the bands, behind them the components.
pub mod object {
    /// u32: key of its random numbers, two words.
    pub const KEY: usize = 0;
    /// u32: components, and how many of them, the first ones, are the lensed source.
    pub const COMPONENTS: usize = 2;
    pub const LENSED: usize = 3;
    /// The deflector: x, y, cosine and sine of the angle of its major axis, axis ratio q, scale b, slope t, terms of
    /// the series (u32), shear gamma1, gamma2.
    pub const MASS: usize = 4;
    pub const MASS_WORDS: usize = 10;
    /// u32: rectangles of masked pixels, each first and last column (from 0, in the low and the high half of a word),
    /// first and last row likewise, and a bit for each of the population's bands. No bits: no rectangle.
    pub const RECTANGLES: usize = MASS + MASS_WORDS;
    pub const RECTANGLE_WORDS: usize = 3;
    pub const MAX_RECTANGLES: usize = 4;
    /// Each band: electrons of the sky a pixel, read noise in electrons, pixel value of an electron, full width at half
    /// maximum of its point spread function in arcsec, its Moffat beta (0: a Gaussian), ellipticity e1 and e2, number
    /// of the band in the population (u32).
    pub const BANDS: usize = RECTANGLES + MAX_RECTANGLES * RECTANGLE_WORDS;
    pub const BAND_WORDS: usize = 8;
    /// Each component, an elliptical Sersic profile: x, y (of a lensed one, in the source plane), cosine and sine of the
    /// angle of its major axis, axis ratio q, 1 / radius, 1 / index, b(n); then for each band the electrons a pixel at
    /// its centre. I = I0 exp(-b (R / radius)^(1/n)), R^2 = q u^2 + v^2 / q along the axes u, v.
    pub const COMPONENT_WORDS: usize = 8;
}

/// Deflection and Jacobian at points (P,2) for each object: out (N,P,6) = alpha_x, alpha_y, and the entries
/// d beta_x/d x, d beta_x/d y, d beta_y/d x, d beta_y/d y of the lens equation beta = theta - alpha(theta).
///
/// Elliptical power law (Tessore & Metcalf 2015, A&A 580, A79, eqs. 13 and 23 to 29) with external shear: convergence
/// (2 - t)/2 (b/R)^t, R^2 = q^2 x^2 + y^2 along the axes; t = 1 is the singular isothermal ellipsoid (Kormann et al. 1994).
#[derive(Clone, Debug, PartialEq)]
pub struct LensDeflect {
    pub shape: LensShape,
    pub points: usize,
    pub objects: TensorId,
    pub at: TensorId,
    pub out: TensorId,
}

impl Operation for LensDeflect {
    fn name(&self) -> &'static str {
        "lens_deflect"
    }

    fn layer(&self) -> &str {
        "simulator"
    }
}

/// Point spread functions (N,C,K,K), each with the sum 1: Moffat (1 + (r/a)^2)^-beta or Gaussian, elliptical.
#[derive(Clone, Debug, PartialEq)]
pub struct LensPsf {
    pub shape: LensShape,
    pub objects: TensorId,
    pub kernels: TensorId,
}

impl Operation for LensPsf {
    fn name(&self) -> &'static str {
        "lens_psf"
    }

    fn layer(&self) -> &str {
        "simulator"
    }
}

/// Light in electrons a pixel (N,LAYERS,C,H,W) before the atmosphere, the telescope and the detector.
///
/// The lensed source is seen along `samples` x `samples` rays a pixel; other light by as many samples as the distance
/// from a component's centre asks for ([`side`]).
#[derive(Clone, Debug, PartialEq)]
pub struct LensRender {
    pub shape: LensShape,
    pub objects: TensorId,
    pub light: TensorId,
}

impl Operation for LensRender {
    fn name(&self) -> &'static str {
        "lens_render"
    }

    fn layer(&self) -> &str {
        "simulator"
    }
}

/// Samples along a pixel's side for a component whose centre lies `distance` pixels from the pixel's, along the further
/// axis: (distance below which it holds, samples), then 2.
pub const SIDES: [(f32, usize); 3] = [(1.0, 24), (3.0, 8), (8.0, 4)];

pub fn side(distance: f32) -> usize {
    SIDES
        .iter()
        .find(|(below, _)| distance < *below)
        .map_or(2, |(_, side)| *side)
}

/// out = light * kernel, each plane with its band's; beyond the edge the light is that of the edge.
#[derive(Clone, Debug, PartialEq)]
pub struct LensConvolve {
    pub shape: LensShape,
    pub light: TensorId,
    /// (N,C,K,K), or (C,K,K) where `same`: every object's.
    pub kernels: TensorId,
    pub same: bool,
    pub out: TensorId,
}

impl Operation for LensConvolve {
    fn name(&self) -> &'static str {
        "lens_convolve"
    }

    fn layer(&self) -> &str {
        "simulator"
    }

    fn flops(&self) -> f64 {
        let s = self.shape;
        2.0 * (LAYERS * s.objects * s.pixels() * s.bands * s.kernel * s.kernel) as f64
    }
}

/// images (N,H,W,C), pixel values: (counts + read noise - sky) value of an electron. Counts are Poisson around light +
/// sky: by inversion below [`EXACT_BELOW`], else Gaussian. Masked pixels are [`MASKED`].
///
/// Random numbers are a hash (pcg4d, Jarzynski & Olano 2020) of the object's key, the band and the pixel.
#[derive(Clone, Debug, PartialEq)]
pub struct LensNoise {
    pub shape: LensShape,
    pub objects: TensorId,
    pub light: TensorId,
    /// Images, then what [`LensArcs`] writes.
    pub images: TensorId,
}

impl Operation for LensNoise {
    fn name(&self) -> &'static str {
        "lens_noise"
    }

    fn layer(&self) -> &str {
        "simulator"
    }
}

/// Electrons below which counts are drawn from the Poisson distribution itself.
pub const EXACT_BELOW: f32 = 30.0;

/// Of each object, behind the images: pixels whose lensed light in the first band exceeds the noise of the sky
/// (standard deviation of sky and read noise), and the sum of their lensed light in units of that noise.
#[derive(Clone, Debug, PartialEq)]
pub struct LensArcs {
    pub shape: LensShape,
    pub objects: TensorId,
    pub light: TensorId,
    pub images: TensorId,
}

impl Operation for LensArcs {
    fn name(&self) -> &'static str {
        "lens_arcs"
    }

    fn layer(&self) -> &str {
        "simulator"
    }
}
