//! How simulated objects are distributed and observed: the schema of a population's TOML file.
//!
//! | file | contents |
//! |---|---|
//! | this one | the keys of the file |
//! | `presets` | reads a file, or one of the presets in `assets/presets/` |
//! | `check` | the ranges of the values |
//! | [`clumps`] | clumps of the sources |
//! | [`einstein_radius`] | Einstein radii, drawn directly or from velocity dispersions and redshifts |
//!
//! Checkpoints identify a population by the text of its `Debug` output, so renaming a struct, a field or a variant here
//! prevents runs from being resumed; a test of `presets` fails then.

mod check;
pub mod clumps;
pub mod einstein_radius;
mod error;
mod presets;

pub use clumps::Clumps;
pub use einstein_radius::EinsteinRadii;
pub use error::PopulationError;

use super::distribution::Distribution;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Largest number of neighbours in an image.
pub(super) const MAX_NEIGHBOURS: usize = 5;
/// A population of galaxies, some of which are lenses, and the survey that observes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Population {
    /// One line for the user.
    pub description: String,
    /// Side of an image, pixels.
    pub size: usize,
    /// Arcsec per pixel.
    pub pixel_scale: f64,
    /// Magnitude of a pixel value of 1; 0 means that pixel values are AB maggies.
    pub zero_point: f64,
    /// Which Einstein radius is the label.
    pub label: LabelDefinition,
    /// Rays along the side of a pixel that sample the lensed source.
    #[serde(default = "four")]
    pub samples: usize,
    /// Fraction of the objects that are lenses.
    pub lens_share: f64,
    /// Lenses with fewer arc pixels above the noise are left out.
    #[serde(default)]
    pub min_arc_pixels: u32,
    /// Bands shown as red, green and blue in a contact sheet; if empty, the first band is shown in grey.
    #[serde(default)]
    pub preview: Vec<String>,
    /// The bands, in the order of the image's channels.
    pub bands: Vec<Band>,
    /// Mass distribution of the lenses.
    pub deflector: Deflector,
    /// Light of the central galaxy.
    pub lens_light: LensLight,
    /// The lensed galaxies.
    pub source: Source,
    /// Galaxies nearby; none if absent.
    pub neighbours: Option<Neighbours>,
    /// Lost pixels; none if absent.
    pub masks: Option<Masks>,
}

fn four() -> usize {
    4
}

fn zero() -> Distribution {
    Distribution::Fixed(0.0)
}

fn one() -> Distribution {
    Distribution::Fixed(1.0)
}

/// A definition of the Einstein radius; they differ by 1 to 4 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelDefinition {
    /// The parameter of the mass model: the mean convergence inside the ellipse of area pi theta_e^2 is 1.
    ThetaE,
    /// Radius of the circle with the area inside the tangential critical curve, including external shear.
    ThetaECrit,
}

impl LabelDefinition {
    /// `theta_e` or `theta_e_crit`.
    pub fn name(self) -> &'static str {
        match self {
            LabelDefinition::ThetaE => "theta_e",
            LabelDefinition::ThetaECrit => "theta_e_crit",
        }
    }
}

/// A band: detector, sky and point spread function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// Name of the band.
    pub name: String,
    /// Path of an object's FITS file relative to `OUT/Public`; contains `{id}`.
    pub file: String,
    /// Pixel value of one electron.
    pub electron: f64,
    /// Sky, electrons per pixel. Its mean is subtracted from the image, its noise remains.
    pub sky: Distribution,
    /// Standard deviation of the read noise, electrons per pixel.
    #[serde(default = "zero")]
    pub read_noise: Distribution,
    /// Exposure time, in units of that for which `electron`, `sky` and `sky_left` are given. The sky in electrons grows
    /// with it, and the pixel value of an electron falls.
    #[serde(default = "one")]
    pub exposure: Distribution,
    /// Sky that is left in the image after its subtraction, electrons per pixel; negative where too much was subtracted.
    #[serde(default = "zero")]
    pub sky_left: Distribution,
    /// Point spread function.
    pub psf: Psf,
}

/// A point spread function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Psf {
    /// A Gaussian.
    Gaussian {
        /// Full width at half maximum, arcsec.
        fwhm: Distribution,
        /// Ellipticity, in a random direction.
        #[serde(default = "zero")]
        ellipticity: Distribution,
    },
    /// A Moffat profile, (1 + (r/a)^2)^-beta.
    Moffat {
        /// Full width at half maximum, arcsec.
        fwhm: Distribution,
        /// Exponent.
        beta: f64,
        /// Ellipticity, in a random direction.
        #[serde(default = "zero")]
        ellipticity: Distribution,
    },
    /// An image in a FITS file, sampled at the pixel scale of the survey.
    Image {
        /// The file, relative to that of the population.
        file: PathBuf,
    },
}

impl Psf {
    /// Exponent of a Moffat profile, else 0.
    pub fn beta(&self) -> f64 {
        match self {
            Psf::Moffat { beta, .. } => *beta,
            Psf::Gaussian { .. } | Psf::Image { .. } => 0.0,
        }
    }
}

/// The mass distribution: an elliptical power law with external shear.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deflector {
    /// Einstein radius.
    pub theta_e: EinsteinRadii,
    /// Minor over major axis of the convergence.
    pub axis_ratio: Distribution,
    /// Slope of the convergence, R^-slope; 1 is isothermal.
    pub slope: Distribution,
    /// Strength of the external shear, in a random direction.
    pub shear: Distribution,
    /// Largest distance of the centre from the centre of the image along each axis, arcsec.
    pub centre: f64,
}

/// The galaxy at the centre of the image, whether it is a lens or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LensLight {
    /// Brightness.
    pub brightness: Brightness,
    /// Half-light radius.
    pub radius: Radius,
    /// Sersic index.
    pub index: Distribution,
    /// Angle between light and mass, degrees.
    #[serde(default = "zero")]
    pub misalignment: Distribution,
}

/// The lensed galaxy, of one or several clumps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Brightness before lensing, all clumps together.
    pub brightness: Brightness,
    /// Half-light radius of the main component.
    pub radius: Radius,
    /// How the radius depends on the brightness; not at all if absent.
    pub size_relation: Option<SizeRelation>,
    /// Sersic index of the main component.
    pub index: Distribution,
    /// Minor over major axis of the main component.
    pub axis_ratio: Distribution,
    /// Distance from the centre of the deflector in units of theta_e; arcs form well below 1.
    pub offset: Offset,
    /// Clumps in addition to the main component.
    #[serde(default)]
    pub clumps: Clumps,
}

/// Brighter galaxies are larger: the radius is proportional to flux^power, with a power of about 0.26 for late types
/// (Shen et al. 2003, MNRAS 343, 978).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SizeRelation {
    /// The exponent.
    pub power: f64,
    /// The magnitude in the first band of the galaxies that have the radius as drawn.
    pub magnitude: f64,
}

/// Uniform in area inside a circle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offset {
    /// Radius of the circle in units of theta_e.
    pub within: Distribution,
}

/// Galaxies nearby, which are not lensed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Neighbours {
    /// Mean number per image; at most five are drawn.
    pub number: f64,
    /// Brightness.
    pub brightness: Brightness,
    /// Half-light radius.
    pub radius: Radius,
    /// Sersic index.
    pub index: Distribution,
    /// Minor over major axis.
    pub axis_ratio: Distribution,
}

/// A brightness: either `magnitude` or `flux`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brightness {
    /// Magnitude in the first band.
    pub magnitude: Option<Distribution>,
    /// Total flux in the first band, in units of the typical sky noise per pixel of that band.
    pub flux: Option<Distribution>,
    /// Ratio of the flux in each band to that in the first.
    pub colours: Vec<f64>,
    /// Standard deviation of the natural logarithm of each ratio, drawn per object.
    #[serde(default)]
    pub colour_scatter: f64,
}

/// A half-light radius: either `arcsec` or `theta_e`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Radius {
    /// In arcsec.
    pub arcsec: Option<Distribution>,
    /// In units of the object's theta_e.
    pub theta_e: Option<Distribution>,
    /// Smallest and largest radius, arcsec; other values are moved to the nearest of them.
    pub within: [f64; 2],
}

/// Pixels lost by the detector; their value is exactly 100.0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Masks {
    /// Probability that an image has a bad column in one band.
    pub columns: f64,
    /// Probability that an image has a patch of 2 x 2 to 9 x 9 pixels in one band.
    pub patches: f64,
}

impl Population {
    /// Largest number of light profiles per object.
    pub(super) fn max_components(&self) -> usize {
        2 + self.source.clumps.most() + self.neighbours.as_ref().map_or(0, |_| MAX_NEIGHBOURS)
    }

    /// Side of the point spread functions, pixels: enough for the widest that can be drawn, at most 49.
    pub(super) fn psf_side(&self) -> usize {
        let reach = |band: &Band| match &band.psf {
            Psf::Gaussian { fwhm, .. } => 1.8 * fwhm.range()[1],
            Psf::Moffat { fwhm, .. } => 2.2 * fwhm.range()[1],
            Psf::Image { .. } => 0.0,
        };
        let reach = self.bands.iter().map(reach).fold(0.0, f64::max) / self.pixel_scale;
        2 * (reach.ceil() as usize).clamp(1, 24) + 1
    }

    /// Typical sky noise of a band, pixel values: standard deviation per pixel of sky and read noise, at the middle of
    /// their ranges.
    ///
    /// # Panics
    /// If there is no such band.
    pub fn sky_noise(&self, band: usize) -> f64 {
        let middle = |d: &Distribution| {
            let [low, high] = d.range();
            if high.is_finite() {
                0.5 * (low + high)
            } else {
                low.max(0.0)
            }
        };
        let band = &self.bands[band];
        let exposure = middle(&band.exposure);
        (exposure * middle(&band.sky) + middle(&band.read_noise).powi(2)).sqrt() * band.electron / exposure
    }
}
