//! How objects are distributed and how they are seen: a readable TOML file, or one of the presets in `assets/presets/`.

use super::distribution::{Distribution, allowed};
use crate::lens::physics::cosmology::Cosmology;
use crate::plan::object::MAX_RECTANGLES;
use anyhow::{Context, Result, bail, ensure};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

macro_rules! presets {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../assets/presets/", $name, ".toml")))),*]
    };
}

/// Name and file of each.
pub const PRESETS: &[(&str, &str)] = presets![
    "lfc1-ground",
    "lfc1-space",
    "euclid",
    "des",
    "lsst",
    "lenstronomy-check"
];

/// A population of galaxies, some of them lenses, and the survey that sees them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Population {
    pub description: String,
    /// Pixels of an image's side.
    pub size: usize,
    /// Arcsec a pixel.
    pub pixel_scale: f64,
    /// Magnitude of a pixel value of 1; 0: values are AB maggies.
    pub zero_point: f64,
    /// Which radius the label is: `theta_e` or `theta_e_crit`.
    pub label: Label,
    /// Rays along a pixel's side that see the lensed source.
    #[serde(default = "four")]
    pub samples: usize,
    /// Share of objects that are lenses.
    pub lens_share: f64,
    /// Lenses with fewer arc pixels above the noise are drawn again.
    #[serde(default)]
    pub min_arc_pixels: u32,
    /// Bands shown as red, green and blue in a contact sheet; without it the first one in grey.
    #[serde(default)]
    pub preview: Vec<String>,
    pub bands: Vec<Band>,
    pub deflector: Deflector,
    pub lens_light: LensLight,
    pub source: Source,
    pub neighbours: Option<Neighbours>,
    pub masks: Option<Masks>,
}

fn four() -> usize {
    4
}

fn zero() -> Distribution {
    Distribution::Fixed(0.0)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    ThetaE,
    ThetaECrit,
}

impl Label {
    pub fn name(self) -> &'static str {
        match self {
            Label::ThetaE => "theta_e",
            Label::ThetaECrit => "theta_e_crit",
        }
    }
}

/// A band, and the detector and sky in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    pub name: String,
    /// Place of an object's file below `OUT/Public`, with `{id}` in it.
    pub file: String,
    /// Pixel value of one electron.
    pub electron: f64,
    /// Electrons of the sky a pixel; it is subtracted again, its noise stays.
    pub sky: Distribution,
    /// Electrons, standard deviation of a pixel.
    #[serde(default = "zero")]
    pub read_noise: Distribution,
    pub psf: Psf,
}

/// A point spread function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Psf {
    /// Full width at half maximum in arcsec; ellipticity along a random direction.
    Gaussian {
        fwhm: Distribution,
        #[serde(default = "zero")]
        ellipticity: Distribution,
    },
    /// (1 + (r/a)^2)^-beta.
    Moffat {
        fwhm: Distribution,
        beta: f64,
        #[serde(default = "zero")]
        ellipticity: Distribution,
    },
    /// The first image of a FITS file, sampled in the survey's pixels.
    Image { file: PathBuf },
}

impl Psf {
    /// Moffat's; 0 for a Gaussian.
    pub fn beta(&self) -> f64 {
        match self {
            Psf::Moffat { beta, .. } => *beta,
            _ => 0.0,
        }
    }
}

/// What bends the light.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deflector {
    pub theta_e: Radii,
    pub axis_ratio: Distribution,
    /// Of the convergence, R^-slope; 1 is isothermal.
    pub slope: Distribution,
    /// Strength of the external shear.
    pub shear: Distribution,
    /// Distance of the centre from the image's, along each axis: largest, arcsec.
    pub centre: f64,
}

/// Einstein radii: drawn, or those of an isothermal sphere whose velocity dispersion and redshifts are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, try_from = "toml::Value")]
pub enum Radii {
    /// theta_e = 4 pi (sigma_v/c)^2 D_LS/D_S, in the default cosmology.
    Physics(Physics),
    /// Arcsec.
    Drawn(Distribution),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Physics {
    /// Velocity dispersion of the lens, km/s.
    pub sigma_v: Distribution,
    /// Draws whose source does not lie behind the lens are drawn again.
    pub z_lens: Distribution,
    pub z_source: Distribution,
    /// As are those whose radius, arcsec, does not lie within.
    pub radius_within: [f64; 2],
}

/// What an Einstein radius follows from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Isothermal {
    /// km/s.
    pub sigma_v: f64,
    pub z_lens: f64,
    pub z_source: f64,
}

/// By one key, so that an error is about the rest of what is meant.
impl TryFrom<toml::Value> for Radii {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Radii, String> {
        let radii = match value.get("sigma_v") {
            Some(_) => value.try_into().map(Radii::Physics),
            None => value.try_into().map(Radii::Drawn),
        };
        radii.map_err(|error: toml::de::Error| error.message().to_string())
    }
}

/// Draws after which physics that hardly ever gives a lens is given up.
const TRIES: usize = 10_000;

impl Radii {
    /// Arcsec, and what it follows from. Where physics gives no lens in ten thousand draws, 0.
    pub fn draw(&self, rng: &mut impl Rng) -> (f64, Option<Isothermal>) {
        let physics = match self {
            Radii::Drawn(radius) => return (radius.draw(rng), None),
            Radii::Physics(physics) => physics,
        };
        let [least, most] = physics.radius_within;
        let cosmology = Cosmology::default();
        for _ in 0..TRIES {
            let drawn = Isothermal {
                sigma_v: physics.sigma_v.draw(rng),
                z_lens: physics.z_lens.draw(rng),
                z_source: physics.z_source.draw(rng),
            };
            if let Ok(distances) = cosmology.distances(drawn.z_lens, drawn.z_source) {
                let radius = distances.isothermal_radius(drawn.sigma_v);
                if (least..=most).contains(&radius) {
                    return (radius, Some(drawn));
                }
            }
        }
        (0.0, None)
    }

    /// # Errors
    /// Values that make no sense, and physics that gives no lens.
    fn check(&self, least: f64, most: f64) -> Result<()> {
        let physics = match self {
            Radii::Drawn(radius) => return radius.check("deflector.theta_e", least, most),
            Radii::Physics(physics) => physics,
        };
        physics.sigma_v.check("deflector.theta_e.sigma_v", 1.0, 3000.0)?;
        physics.z_lens.check("deflector.theta_e.z_lens", 1e-3, 20.0)?;
        physics.z_source.check("deflector.theta_e.z_source", 1e-3, 20.0)?;
        let [low, high] = physics.radius_within;
        ensure!(
            least <= low && low < high && high <= most,
            "deflector.theta_e.radius_within = [{low}, {high}]; allowed is from {least} to {most}, the smaller first"
        );
        ensure!(
            self.draw(&mut ChaCha8Rng::seed_from_u64(0)).1.is_some(),
            "deflector.theta_e: none of {TRIES} draws of sigma_v, z_lens and z_source gives a radius within \
             [{low}, {high}] arcsec with the source behind the lens"
        );
        Ok(())
    }
}

/// The galaxy that bends, and the one in the middle of what is no lens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LensLight {
    pub brightness: Brightness,
    pub radius: Radius,
    pub index: Distribution,
    /// Angle between light and mass, degrees.
    #[serde(default = "zero")]
    pub misalignment: Distribution,
}

/// The galaxy behind, of one or several clumps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub brightness: Brightness,
    pub radius: Radius,
    pub index: Distribution,
    pub axis_ratio: Distribution,
    /// Offset from the deflector's centre in units of theta_e; arcs form well below 1.
    pub offset: Offset,
    /// Probability of one further clump after another, up to three: each with a tenth to a half of the source's light
    /// and a third of its radius, inside its radius.
    #[serde(default)]
    pub clumps: f64,
}

/// Uniform in area inside the ellipse with this semi-axis, in units of theta_e, that is as round as the deflector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offset {
    pub within: Distribution,
}

/// Galaxies that happen to be near.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Neighbours {
    /// Mean number in an image; at most five.
    pub number: f64,
    pub brightness: Brightness,
    pub radius: Radius,
    pub index: Distribution,
    pub axis_ratio: Distribution,
}

/// Neighbours in an image at most.
pub const MAX_NEIGHBOURS: usize = 5;
/// Clumps beside the source itself at most.
pub const MAX_CLUMPS: usize = 3;

/// How bright something is: one of `magnitude`, in the first band, and `flux`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brightness {
    pub magnitude: Option<Distribution>,
    /// Total in the first band, in units of its typical noise of the sky in a pixel.
    pub flux: Option<Distribution>,
    /// Flux in each band over that in the first.
    pub colours: Vec<f64>,
    /// Standard deviation of the natural logarithm of each, drawn for every object.
    #[serde(default)]
    pub colour_scatter: f64,
}

/// Half-light radius: in arcsec, or in units of the object's theta_e.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Radius {
    pub arcsec: Option<Distribution>,
    pub theta_e: Option<Distribution>,
    /// Smallest and largest that comes out, arcsec: values beyond are moved there.
    pub within: [f64; 2],
}

/// Pixels that the detector lost, exactly 100.0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Masks {
    /// Probability that an image has a bad column, in one band.
    pub columns: f64,
    /// Probability of a patch of 2 x 2 to 9 x 9 pixels, in one band.
    pub patches: f64,
}

impl Population {
    /// # Errors
    /// An unknown name, with the known ones.
    pub fn preset(name: &str) -> Result<Population> {
        let Some((_, text)) = PRESETS.iter().find(|(known, _)| *known == name) else {
            let known: Vec<_> = PRESETS.iter().map(|(name, _)| *name).collect();
            bail!("no population is called '{name}'; there are: {}", known.join(", "))
        };
        Population::parse(text).with_context(|| format!("the preset {name}"))
    }

    /// # Errors
    /// A file that cannot be read or is no TOML, an unknown key, a value outside its range: with key, value and range.
    /// The file of a PSF is looked for beside this one.
    pub fn read(path: &Path) -> Result<Population> {
        let name = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the population {name}"))?;
        let mut population = Population::parse(&text).with_context(|| format!("the population {name}"))?;
        for band in &mut population.bands {
            if let Psf::Image { file } = &mut band.psf {
                *file = crate::files::folder_of(path).join(&*file);
            }
        }
        Ok(population)
    }

    fn parse(text: &str) -> Result<Population> {
        let population: Population = toml::from_str(text)?;
        population.check()?;
        Ok(population)
    }

    /// # Errors
    /// A value outside its range: with key, value and range.
    pub fn check(&self) -> Result<()> {
        const MANY: f64 = f64::INFINITY;
        number("size", self.size as f64, 8.0, 4096.0)?;
        number("samples", self.samples as f64, 1.0, 16.0)?;
        number("pixel_scale", self.pixel_scale, 1e-3, 60.0)?;
        number("zero_point", self.zero_point, -100.0, 100.0)?;
        number("lens_share", self.lens_share, 0.0, 1.0)?;
        ensure!(
            [0, 3].contains(&self.preview.len())
                && self.preview.iter().all(|p| self.bands.iter().any(|b| b.name == *p)),
            "preview = {:?}; allowed are the names of three bands: red, green, blue",
            self.preview
        );
        ensure!(!self.bands.is_empty(), "bands = []; at least one is needed");
        ensure!(
            self.bands.len() <= 16,
            "bands: there are {}; allowed are up to 16",
            self.bands.len()
        );
        for (k, band) in self.bands.iter().enumerate() {
            let key = |name: &str| format!("bands.{}.{name}", band.name);
            let twin = self.bands[..k]
                .iter()
                .find(|b| b.name == band.name || b.file == band.file);
            ensure!(
                twin.is_none() && band.file.contains("{id}") && !band.file.contains(".."),
                "{} = '{}'; allowed is a name of its own for each band, with {{id}} in it, below OUT/Public",
                key("file"),
                band.file
            );
            number(&key("electron"), band.electron, 1e-30, 1e30)?;
            band.sky.check(&key("sky"), 0.0, 1e9)?;
            band.read_noise.check(&key("read_noise"), 0.0, 1e6)?;
            let noise = band.sky.range()[0] + band.read_noise.range()[0];
            ensure!(
                noise > 0.0,
                "{} and read_noise can both be 0; allowed is more than 0 together",
                key("sky")
            );
            match &band.psf {
                Psf::Gaussian { fwhm, ellipticity } => self.check_psf(&key("psf"), fwhm, ellipticity)?,
                Psf::Moffat {
                    fwhm,
                    beta,
                    ellipticity,
                } => {
                    self.check_psf(&key("psf"), fwhm, ellipticity)?;
                    ensure!(
                        *beta > 1.0 && *beta <= 100.0,
                        "{} = {beta}: its light has no finite sum; allowed is more than 1, up to 100",
                        key("psf.beta")
                    );
                }
                Psf::Image { .. } => {}
            }
        }
        let d = &self.deflector;
        let half = 0.5 * self.size as f64 * self.pixel_scale;
        d.theta_e.check(1e-3, 10.0 * half)?;
        d.axis_ratio.check("deflector.axis_ratio", 0.2, 1.0)?;
        d.slope.check("deflector.slope", 0.5, 1.5)?;
        d.shear.check("deflector.shear", 0.0, 0.5)?;
        number("deflector.centre", d.centre, 0.0, half)?;
        self.brightness("lens_light", &self.lens_light.brightness)?;
        radius("lens_light", &self.lens_light.radius)?;
        self.lens_light.index.check("lens_light.index", 0.5, 8.0)?;
        self.lens_light
            .misalignment
            .check("lens_light.misalignment", -MANY, MANY)?;
        self.brightness("source", &self.source.brightness)?;
        radius("source", &self.source.radius)?;
        self.source.index.check("source.index", 0.5, 8.0)?;
        self.source.axis_ratio.check("source.axis_ratio", 0.1, 1.0)?;
        self.source.offset.within.check("source.offset.within", 0.0, 10.0)?;
        number("source.clumps", self.source.clumps, 0.0, 1.0)?;
        if let Some(n) = &self.neighbours {
            number("neighbours.number", n.number, 0.0, MAX_NEIGHBOURS as f64)?;
            self.brightness("neighbours", &n.brightness)?;
            radius("neighbours", &n.radius)?;
            n.index.check("neighbours.index", 0.5, 8.0)?;
            n.axis_ratio.check("neighbours.axis_ratio", 0.1, 1.0)?;
        }
        if let Some(masks) = &self.masks {
            number("masks.columns", masks.columns, 0.0, 1.0)?;
            number("masks.patches", masks.patches, 0.0, 1.0)?;
        }
        const { assert!(MAX_RECTANGLES >= 2) };
        Ok(())
    }

    fn check_psf(&self, key: &str, fwhm: &Distribution, ellipticity: &Distribution) -> Result<()> {
        // Below a third of a pixel its samples do not tell its width any more.
        let low = self.pixel_scale / 3.0;
        fwhm.check(&format!("{key}.fwhm"), low, 12.0 * self.pixel_scale)?;
        ellipticity.check(&format!("{key}.ellipticity"), 0.0, 0.5)
    }

    fn brightness(&self, key: &str, b: &Brightness) -> Result<()> {
        let key = format!("{key}.brightness");
        match (&b.magnitude, &b.flux) {
            (Some(magnitude), None) => magnitude.check(&format!("{key}.magnitude"), 5.0, 40.0)?,
            (None, Some(flux)) => flux.check(&format!("{key}.flux"), 0.0, 1e12)?,
            _ => bail!("{key}: one of 'magnitude' and 'flux' is needed"),
        }
        ensure!(
            b.colours.len() == self.bands.len() && b.colours.iter().all(|c| (0.0..=1e6).contains(c)),
            "{key}.colours = {:?}; allowed is one number from 0 to 1e6 for each of the {} bands",
            b.colours,
            self.bands.len()
        );
        number(&format!("{key}.colour_scatter"), b.colour_scatter, 0.0, 5.0)
    }

    /// Light profiles that an object can have at most.
    pub fn components(&self) -> usize {
        let clumps = if self.source.clumps > 0.0 { MAX_CLUMPS } else { 0 };
        2 + clumps + self.neighbours.as_ref().map_or(0, |_| MAX_NEIGHBOURS)
    }

    /// Pixels of a point spread function's side: wide enough for the widest that can be drawn, at most 49.
    pub fn kernel(&self) -> usize {
        let reach = |band: &Band| match &band.psf {
            Psf::Gaussian { fwhm, .. } => 1.8 * fwhm.range()[1],
            Psf::Moffat { fwhm, .. } => 2.2 * fwhm.range()[1],
            Psf::Image { .. } => 0.0,
        };
        let reach = self.bands.iter().map(reach).fold(0.0, f64::max) / self.pixel_scale;
        2 * (reach.ceil() as usize).clamp(1, 24) + 1
    }

    /// Typical noise of the sky in a pixel of a band, in pixel values.
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
        (middle(&band.sky) + middle(&band.read_noise).powi(2)).sqrt() * band.electron
    }
}

fn number(key: &str, value: f64, low: f64, high: f64) -> Result<()> {
    ensure!(
        (low..=high).contains(&value),
        "{key} = {value}; allowed is {}",
        allowed(low, high)
    );
    Ok(())
}

fn radius(key: &str, r: &Radius) -> Result<()> {
    let [low, high] = r.within;
    ensure!(
        1e-3 <= low && low <= high && high <= 100.0,
        "{key}.radius.within = {:?}; allowed is the smallest, then the largest, from 0.001 to 100 arcsec",
        r.within
    );
    match (&r.arcsec, &r.theta_e) {
        (Some(arcsec), None) => arcsec.check(&format!("{key}.radius.arcsec"), 0.0, f64::INFINITY),
        (None, Some(theta_e)) => theta_e.check(&format!("{key}.radius.theta_e"), 0.0, f64::INFINITY),
        _ => bail!("{key}.radius: one of 'arcsec' and 'theta_e' is needed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_sound() {
        for (name, _) in PRESETS {
            Population::preset(name).unwrap_or_else(|error| panic!("{error:#}"));
        }
        let error = Population::preset("lfc2").unwrap_err().to_string();
        assert!(
            error.contains("lfc2") && error.contains("lfc1-ground, lfc1-space, euclid, des, lsst"),
            "{error}"
        );
    }

    #[test]
    fn values_out_of_range_are_refused_with_key_value_and_range() {
        let text = PRESETS.iter().find(|(name, _)| *name == "lenstronomy-check").unwrap().1;
        for (from, to, says) in [
            (
                "pixel_scale = 0.2",
                "pixel_scale = -0.2",
                "pixel_scale = -0.2; allowed is 0.001 to 60",
            ),
            (
                "lens_share = 1.0",
                "lens_share = 1.5",
                "lens_share = 1.5; allowed is 0 to 1",
            ),
            (
                "axis_ratio = { uniform = [0.55, 0.95] }",
                "axis_ratio = 0",
                "deflector.axis_ratio = 0 ",
            ),
            (
                "kind = \"gaussian\"",
                "kind = \"moffat\", beta = 1",
                "bands.R.psf.beta = 1: its light has no finite sum",
            ),
            ("size = 55", "size = 0", "size = 0; allowed is 8 to 4096"),
            ("size = 55", "size = 55\nsizes = 3", "unknown field `sizes`"),
            (
                "pixel_scale = 0.2",
                "pixel_scale = nan",
                "pixel_scale = NaN; allowed is",
            ),
            (
                "{ log_normal = [1.3, 0.42], within = [0.45, 4.2] }",
                "{ log_normal = [1.3, 0.42] }",
                "deflector.theta_e = LogNormal([1.3, 0.42]) can be anything from 0 to inf; allowed is 0.001 to 55",
            ),
            (
                "{ log_normal = [1.3, 0.42], within = [0.45, 4.2] }",
                "{ log_norm = [1.3, 0.42] }",
                "unknown variant `log_norm`",
            ),
            (
                "{ log_normal = [1.3, 0.42], within = [0.45, 4.2] }",
                "{ sigma_v = 220, z_len = 0.5, z_source = 2, radius_within = [0.5, 2] }",
                "unknown field `z_len`",
            ),
            (
                "{ log_normal = [1.3, 0.42], within = [0.45, 4.2] }",
                "{ sigma_v = -220, z_lens = 0.5, z_source = 2, radius_within = [0.5, 2] }",
                "deflector.theta_e.sigma_v = -220 can be anything from -220 to -220; allowed is 1 to 3000",
            ),
            (
                "{ log_normal = [1.3, 0.42], within = [0.45, 4.2] }",
                "{ sigma_v = 220, z_lens = 0.5, z_source = 2, radius_within = [2, 0.5] }",
                "deflector.theta_e.radius_within = [2, 0.5]; allowed is from 0.001 to 55",
            ),
            (
                "{ log_normal = [1.3, 0.42], within = [0.45, 4.2] }",
                "{ sigma_v = 220, z_lens = 2, z_source = 0.5, radius_within = [0.5, 2] }",
                "with the source behind the lens",
            ),
        ] {
            assert!(text.contains(from), "{from}");
            let error = format!("{:#}", Population::parse(&text.replacen(from, to, 1)).unwrap_err());
            assert!(error.contains(says), "{error}");
        }
    }
}
