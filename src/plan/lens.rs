//! The operations of the simulator: objects in, images out. Their plan has one member; the batch are the objects.
//!
//! Lengths are in arcsec from the centre of the image, x along columns, y along rows; light is in electrons. It has the
//! shape (N,P,H,W) with P = C + 1 planes: all light of each band, and last the lensed source in the first band alone, so
//! that the arcs can be measured.

use super::{Op, Operation, TensorId};

operations! {
    /// An operation of the simulator.
    LensOp: Lens { LensPsf, LensRender, LensConvolve, LensNoise, LensArcs }
}

/// Value of a masked pixel, as in Lens Finding Challenge 1.
pub const MASKED: f32 = 100.0;

/// Sizes of a batch of simulated images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LensShape {
    /// Number of objects N.
    pub objects: usize,
    /// Rows H of an image.
    pub h: usize,
    /// Columns W of an image.
    pub w: usize,
    /// Bands C of an image.
    pub bands: usize,
    /// Side K of the point spread functions, pixels; odd.
    pub kernel: usize,
    /// Arcsec per pixel.
    pub pixel_scale: f32,
    /// The lensed source is the mean over `samples` x `samples` rays per pixel.
    pub samples: usize,
    /// Largest number of components per object.
    pub components: usize,
    /// Rows and columns by which the image is cropped on each side. A pixel has the same noise for any crop.
    pub margin: [usize; 2],
}

impl LensShape {
    /// Pixels of an image.
    pub fn pixels(&self) -> usize {
        self.h * self.w
    }

    /// Planes P of an object's light: one per band, and the lensed source in the first band.
    pub fn planes(&self) -> usize {
        self.bands + 1
    }

    /// Words of an object.
    pub fn words(&self) -> usize {
        self.components_at() + self.components * self.component_words()
    }

    /// Position of the first component in an object.
    pub fn components_at(&self) -> usize {
        object::BANDS + self.bands * object::BAND_WORDS
    }

    /// Words of a component.
    pub fn component_words(&self) -> usize {
        object::COMPONENT_WORDS + self.bands
    }
}

/// Positions of an object's words, which are f32 unless stated otherwise: a head, then the bands, then the components.
pub mod object {
    /// Key of the random numbers: two u32.
    pub const KEY: usize = 0;
    /// Number of components, u32.
    pub const COMPONENTS: usize = 2;
    /// How many of them, the first ones, are lensed, u32.
    pub const LENSED: usize = 3;
    /// The deflector: x, y, cosine and sine of the angle of its major axis, axis ratio q, scale b, slope t, terms of
    /// the series (u32), shear gamma1, gamma2.
    pub const MASS: usize = 4;
    /// Words of the deflector.
    pub const MASS_WORDS: usize = 10;
    /// Position of the number of terms within the deflector.
    pub const MASS_TERMS: usize = 7;
    /// Rectangles of masked pixels, three u32 each: first and last column, counted from 0, in the low and high half of
    /// a word; the rows likewise; and a bit mask of the population's bands, which is 0 if there is no rectangle.
    pub const RECTANGLES: usize = MASS + MASS_WORDS;
    /// Words of a rectangle.
    pub const RECTANGLE_WORDS: usize = 3;
    /// Largest number of rectangles.
    pub const MAX_RECTANGLES: usize = 4;
    /// The bands: sky in electrons per pixel, read noise in electrons, pixel value of an electron, full width at half
    /// maximum of the point spread function in arcsec, its Moffat beta (0 for a Gaussian), ellipticity e1 and e2, the
    /// number of the band in the population (u32), and the sky that is left in the image in electrons per pixel.
    pub const BANDS: usize = RECTANGLES + MAX_RECTANGLES * RECTANGLE_WORDS;
    /// Words of a band.
    pub const BAND_WORDS: usize = 9;
    /// Position of the band's number within a band.
    pub const BAND_NUMBER: usize = 7;
    /// Position of the sky that is left in the image within a band.
    pub const SKY_LEFT: usize = 8;
    /// Words of a component before its amplitudes. A component is an elliptical Sersic profile I = I0 exp(-b (R /
    /// radius)^(1/n)) with R^2 = q u^2 + v^2 / q along its axes u, v: x, y (for a lensed one, in the source plane),
    /// cosine and sine of the angle of its major axis, axis ratio q, 1 / radius, 1 / n, b(n). Then follows I0 in each
    /// band, in electrons per pixel.
    pub const COMPONENT_WORDS: usize = 8;
}

/// Point spread functions (N,C,K,K), normalised to a sum of 1: Moffat (1 + (r/a)^2)^-beta or Gaussian, elliptical.
#[derive(Clone, Debug, PartialEq)]
pub struct LensPsf {
    /// Sizes.
    pub shape: LensShape,
    /// Objects (N, words).
    pub objects: TensorId,
    /// Result.
    pub kernels: TensorId,
}

operation!(LensPsf, "lens_psf", |_op| "simulator");

/// Light (N,P,H,W) in electrons per pixel, before it is blurred by the point spread function.
///
/// The deflector is an elliptical power law (Tessore & Metcalf 2015, A&A 580, A79, eqs. 13 and 23 to 29) with external
/// shear: convergence (2 - t)/2 (b/R)^t, R^2 = q^2 x^2 + y^2 along its axes; t = 1 is the singular isothermal ellipsoid
/// (Kormann et al. 1994, A&A 284, 285). The lensed source is sampled by `samples` x `samples` rays per pixel. Other
/// light is sampled more densely close to the centre of a component: see [`side`].
#[derive(Clone, Debug, PartialEq)]
pub struct LensRender {
    /// Sizes.
    pub shape: LensShape,
    /// Objects (N, words).
    pub objects: TensorId,
    /// Result.
    pub light: TensorId,
}

operation!(LensRender, "lens_render", |_op| "simulator");

/// Samples along the side of a pixel by the distance of its centre from that of the component: the distance, in pixels
/// along the longer axis, below which a row applies, and the samples. At larger distances there are 2.
pub const SIDES: [(f32, usize); 3] = [(1.0, 24), (3.0, 8), (8.0, 4)];

/// The samples in [`SIDES`] for a distance in pixels.
pub fn side(distance: f32) -> usize {
    SIDES
        .iter()
        .find(|(below, _)| distance < *below)
        .map_or(2, |(_, side)| *side)
}

/// out = light * kernel, the convolution of each plane with the kernel of its band, of the last plane with that of the
/// first band. Beyond the edges the light is that of the nearest pixel.
#[derive(Clone, Debug, PartialEq)]
pub struct LensConvolve {
    /// Sizes.
    pub shape: LensShape,
    /// Light (N,P,H,W).
    pub light: TensorId,
    /// Kernels (N,C,K,K), or (C,K,K) if `same`.
    pub kernels: TensorId,
    /// Whether all objects share the kernels.
    pub same: bool,
    /// Result, in the shape of the light.
    pub out: TensorId,
}

impl LensConvolve {
    fn flops(&self) -> f64 {
        let s = self.shape;
        2.0 * (s.objects * s.planes() * s.pixels() * s.kernel * s.kernel) as f64
    }
}

operation!(LensConvolve, "lens_convolve", |_op| "simulator", flops: |op| op.flops());

/// Images (N,H,W,C) in pixel values: (counts + read noise - sky + sky left) times the value of an electron. Counts are
/// Poisson distributed with mean light + sky: by inversion below [`EXACT_BELOW`], else approximated by a Gaussian.
/// Masked pixels are [`MASKED`].
///
/// Random numbers are a hash (pcg4d, Jarzynski & Olano 2020, JCGT 9, 3) of the object's key, the band and the pixel.
#[derive(Clone, Debug, PartialEq)]
pub struct LensNoise {
    /// Sizes.
    pub shape: LensShape,
    /// Objects (N, words).
    pub objects: TensorId,
    /// Blurred light (N,P,H,W).
    pub light: TensorId,
    /// Result: the images; the tensor ends with the result of [`LensArcs`].
    pub images: TensorId,
}

operation!(LensNoise, "lens_noise", |_op| "simulator");

/// Mean counts below which they are drawn from the Poisson distribution itself.
pub const EXACT_BELOW: f32 = 30.0;

/// Arcs (N,2), stored behind the images: the number of pixels in which the lensed light in the first band exceeds the
/// noise (the standard deviation of sky and read noise), and the sum of their lensed light in units of that noise.
#[derive(Clone, Debug, PartialEq)]
pub struct LensArcs {
    /// Sizes.
    pub shape: LensShape,
    /// Objects (N, words).
    pub objects: TensorId,
    /// Blurred light (N,P,H,W).
    pub light: TensorId,
    /// Images, followed by the result.
    pub images: TensorId,
}

operation!(LensArcs, "lens_arcs", |_op| "simulator");
