//! The ranges of a population's values.

use super::{Band, Brightness, MAX_NEIGHBOURS, Population, PopulationError, Psf, Radius};
use crate::files::{is_below, is_name};
use crate::lens::simulate::distribution::{Distribution, range_text};
use crate::plan::object::MAX_RECTANGLES;
use std::fmt::Display;

type Result<T> = std::result::Result<T, PopulationError>;

/// Allowed Sersic indices.
const INDEX: [f64; 2] = [0.5, 8.0];
/// Allowed axis ratios of light.
const AXIS_RATIO: [f64; 2] = [0.1, 1.0];

impl Population {
    /// Checks every value against its range.
    ///
    /// # Errors
    /// The first value that is out of range.
    pub fn check(&self) -> Result<()> {
        const { assert!(MAX_RECTANGLES >= 2, "a bad column and a patch") };
        number("size", self.size as f64, 8.0, 4096.0)?;
        number("samples", self.samples as f64, 1.0, 16.0)?;
        number("pixel_scale", self.pixel_scale, 1e-3, 60.0)?;
        number("zero_point", self.zero_point, -100.0, 100.0)?;
        number("lens_share", self.lens_share, 0.0, 1.0)?;
        self.check_bands()?;
        self.check_preview()?;
        self.check_deflector()?;
        self.check_light()?;
        if let Some(masks) = &self.masks {
            number("masks.columns", masks.columns, 0.0, 1.0)?;
            number("masks.patches", masks.patches, 0.0, 1.0)?;
        }
        Ok(())
    }

    fn check_preview(&self) -> Result<()> {
        let is_band = |name: &String| self.bands.iter().any(|band| band.name == *name);
        require(
            [0, 3].contains(&self.preview.len()) && self.preview.iter().all(is_band),
            "preview",
            format!("{:?}", self.preview),
            "the names of three bands: red, green, blue",
        )
    }

    fn check_bands(&self) -> Result<()> {
        number("the number of bands", self.bands.len() as f64, 1.0, 16.0)?;
        for (k, band) in self.bands.iter().enumerate() {
            let key = |name: &str| format!("bands.{}.{name}", band.name);
            require(
                is_name(&band.name) && !band.name.trim().is_empty(),
                &format!("bands.{}.name", k + 1),
                format!("'{}'", band.name.escape_default()),
                "a name without slashes and control characters",
            )?;
            let is_twin = |other: &Band| other.name == band.name || other.file == band.file;
            require(
                !self.bands[..k].iter().any(is_twin) && band.file.contains("{id}") && is_file(&band.file),
                &key("file"),
                format!("'{}'", band.file.escape_default()),
                "a path of its own for each band, with {id} in it, below OUT/Public",
            )?;
            number(&key("electron"), band.electron, 1e-30, 1e30)?;
            band.sky.check(&key("sky"), 0.0, 1e9)?;
            band.read_noise.check(&key("read_noise"), 0.0, 1e6)?;
            band.exposure.check(&key("exposure"), 1e-6, 1e6)?;
            band.sky_left.check(&key("sky_left"), -1e9, 1e9)?;
            if band.sky.range()[0] + band.read_noise.range()[0] <= 0.0 {
                return Err(PopulationError::NoNoise {
                    band: band.name.clone(),
                });
            }
            match &band.psf {
                Psf::Gaussian { fwhm, ellipticity } => self.check_psf(&key("psf"), fwhm, ellipticity)?,
                Psf::Moffat {
                    fwhm,
                    beta,
                    ellipticity,
                } => {
                    self.check_psf(&key("psf"), fwhm, ellipticity)?;
                    require(
                        *beta > 1.0 && *beta <= 100.0,
                        &key("psf.beta"),
                        beta,
                        "more than 1, up to 100 (the total light diverges at 1)",
                    )?;
                }
                Psf::Image { .. } => {}
            }
        }
        Ok(())
    }

    fn check_psf(&self, key: &str, fwhm: &Distribution, ellipticity: &Distribution) -> Result<()> {
        // A profile narrower than a third of a pixel is not sampled at all.
        let narrowest = self.pixel_scale / 3.0;
        fwhm.check(&format!("{key}.fwhm"), narrowest, 12.0 * self.pixel_scale)?;
        ellipticity.check(&format!("{key}.ellipticity"), 0.0, 0.5)
    }

    fn check_deflector(&self) -> Result<()> {
        let deflector = &self.deflector;
        let half = 0.5 * self.size as f64 * self.pixel_scale;
        deflector.theta_e.check(1e-3, 10.0 * half)?;
        deflector.axis_ratio.check("deflector.axis_ratio", 0.2, 1.0)?;
        deflector.slope.check("deflector.slope", 0.5, 1.5)?;
        deflector.shear.check("deflector.shear", 0.0, 0.5)?;
        number("deflector.centre", deflector.centre, 0.0, half)
    }

    fn check_light(&self) -> Result<()> {
        let lens = &self.lens_light;
        self.check_brightness("lens_light", &lens.brightness)?;
        check_radius("lens_light", &lens.radius)?;
        lens.index.check("lens_light.index", INDEX[0], INDEX[1])?;
        let any_angle = [f64::NEG_INFINITY, f64::INFINITY];
        lens.misalignment
            .check("lens_light.misalignment", any_angle[0], any_angle[1])?;
        let source = &self.source;
        self.check_brightness("source", &source.brightness)?;
        check_radius("source", &source.radius)?;
        if let Some(relation) = &source.size_relation {
            number("source.size_relation.power", relation.power, -2.0, 2.0)?;
            number("source.size_relation.magnitude", relation.magnitude, 5.0, 40.0)?;
        }
        source.index.check("source.index", INDEX[0], INDEX[1])?;
        source
            .axis_ratio
            .check("source.axis_ratio", AXIS_RATIO[0], AXIS_RATIO[1])?;
        source.offset.within.check("source.offset.within", 0.0, 10.0)?;
        source.clumps.check("source.clumps")?;
        if let Some(neighbours) = &self.neighbours {
            number("neighbours.number", neighbours.number, 0.0, MAX_NEIGHBOURS as f64)?;
            self.check_brightness("neighbours", &neighbours.brightness)?;
            check_radius("neighbours", &neighbours.radius)?;
            neighbours.index.check("neighbours.index", INDEX[0], INDEX[1])?;
            neighbours
                .axis_ratio
                .check("neighbours.axis_ratio", AXIS_RATIO[0], AXIS_RATIO[1])?;
        }
        Ok(())
    }

    fn check_brightness(&self, table: &str, brightness: &Brightness) -> Result<()> {
        let table = format!("{table}.brightness");
        match (&brightness.magnitude, &brightness.flux) {
            (Some(magnitude), None) => magnitude.check(&format!("{table}.magnitude"), 5.0, 40.0)?,
            (None, Some(flux)) => flux.check(&format!("{table}.flux"), 0.0, 1e12)?,
            (None, None) | (Some(_), Some(_)) => {
                let keys = ["magnitude", "flux"];
                return Err(PopulationError::ExactlyOne { table, keys });
            }
        }
        let colours = &brightness.colours;
        require(
            colours.len() == self.bands.len() && colours.iter().all(|c| (0.0..=1e6).contains(c)),
            &format!("{table}.colours"),
            format!("{colours:?}"),
            format!("one number from 0 to 1e6 for each of the {} bands", self.bands.len()),
        )?;
        let scatter = brightness.colour_scatter;
        number(&format!("{table}.colour_scatter"), scatter, 0.0, 5.0)
    }
}

/// Whether a path of names leads to a file below the folder that it is relative to.
fn is_file(path: &str) -> bool {
    is_below(path) && path.split('/').all(is_name)
}

fn check_radius(table: &str, radius: &Radius) -> Result<()> {
    let [low, high] = radius.within;
    require(
        1e-3 <= low && low <= high && high <= 100.0,
        &format!("{table}.radius.within"),
        format!("{:?}", radius.within),
        "the smallest radius, then the largest, from 0.001 to 100 arcsec",
    )?;
    match (&radius.arcsec, &radius.theta_e) {
        (Some(arcsec), None) => arcsec.check(&format!("{table}.radius.arcsec"), 0.0, f64::INFINITY),
        (None, Some(theta_e)) => theta_e.check(&format!("{table}.radius.theta_e"), 0.0, f64::INFINITY),
        (None, None) | (Some(_), Some(_)) => Err(PopulationError::ExactlyOne {
            table: format!("{table}.radius"),
            keys: ["arcsec", "theta_e"],
        }),
    }
}

pub(super) fn number(key: &str, value: f64, low: f64, high: f64) -> Result<()> {
    require((low..=high).contains(&value), key, value, range_text(low, high))
}

fn require(ok: bool, key: &str, value: impl Display, allowed: impl Display) -> Result<()> {
    if ok {
        return Ok(());
    }
    Err(PopulationError::Value {
        key: key.into(),
        value: value.to_string(),
        allowed: allowed.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_errors_with_key_value_and_range() {
        let text = include_str!("../../../../assets/presets/lenstronomy-check.toml");
        let theta_e = "{ log_normal = [1.3, 0.42], within = [0.45, 4.2] }";
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
                "deflector.axis_ratio = 0; allowed is 0.2 to 1",
            ),
            (
                "kind = \"gaussian\"",
                "kind = \"moffat\", beta = 1",
                "bands.R.psf.beta = 1; allowed is more than 1, up to 100 (the total light diverges at 1)",
            ),
            ("size = 55", "size = 0", "size = 0; allowed is 8 to 4096"),
            (
                "name = \"R\"",
                "name = \"../R\"",
                "bands.1.name = '../R'; allowed is a name without slashes",
            ),
            (
                "name = \"R\"",
                "name = \"\\u001b[2J\"",
                "bands.1.name = '\\u{1b}[2J'; allowed is a name",
            ),
            ("size = 55", "size = 55\nsizes = 3", "unknown field `sizes`"),
            (
                "pixel_scale = 0.2",
                "pixel_scale = nan",
                "pixel_scale = NaN; allowed is",
            ),
            (
                theta_e,
                "{ log_normal = [1.3, 0.42] }",
                "deflector.theta_e = { log_normal = [1.3, 0.42] } ranges from 0 to inf; allowed is 0.001 to 55",
            ),
            (theta_e, "{ log_norm = [1.3, 0.42] }", "unknown variant `log_norm`"),
            (
                theta_e,
                "{ sigma_v = 220, z_len = 0.5, z_source = 2, radius_within = [0.5, 2] }",
                "unknown field `z_len`",
            ),
            (
                theta_e,
                "{ sigma_v = -220, z_lens = 0.5, z_source = 2, radius_within = [0.5, 2] }",
                "deflector.theta_e.sigma_v = -220; allowed is 1 to 3000",
            ),
            (
                theta_e,
                "{ sigma_v = 220, z_lens = 0.5, z_source = 2, radius_within = [2, 0.5] }",
                "deflector.theta_e.radius_within = [2, 0.5]; allowed is the smaller radius, then the larger",
            ),
            (
                theta_e,
                "{ sigma_v = 220, z_lens = 2, z_source = 0.5, radius_within = [0.5, 2] }",
                "with the source behind the lens",
            ),
        ] {
            assert!(text.contains(from), "{from}");
            let error = Population::parse(&text.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
