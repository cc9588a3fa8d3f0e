//! Units of flux: zero points from the headers of surveys, and factors between units.

use super::error::BandsError;
use crate::survey::fits::ImageHdu;
use crate::survey::preset::Preset;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A unit of flux density, as the AB magnitude of one unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FluxUnit {
    /// AB magnitude of a source with the flux 1.
    pub zero_point: f64,
}

/// Units by name, and the AB magnitude of one of them (Oke & Gunn 1983: 0 mag is 3631 Jy).
const UNITS: [(&str, f64); 5] = [
    ("nJy", 31.4),
    ("uJy", 23.9),
    ("Jy", 8.9),
    ("nanomaggy", 22.5),
    ("maggy", 0.0),
];

/// Other spellings in headers and on the command line.
const SPELLINGS: [(&str, &str); 12] = [
    ("nanomaggies", "nanomaggy"),
    ("nmgy", "nanomaggy"),
    ("maggies", "maggy"),
    ("mgy", "maggy"),
    ("nanojansky", "nJy"),
    ("microjansky", "uJy"),
    ("microjy", "uJy"),
    ("µjy", "uJy"),
    ("μjy", "uJy"),
    ("ujy", "uJy"),
    ("njy", "nJy"),
    ("jansky", "Jy"),
];

impl FluxUnit {
    /// The factor that turns fluxes with the zero point `from` (AB magnitude) into this unit.
    pub fn factor(self, from: f64) -> f64 {
        10f64.powf(0.4 * (self.zero_point - from))
    }

    fn named(text: &str) -> Option<FluxUnit> {
        let lower = text.trim().to_lowercase();
        let name = SPELLINGS
            .iter()
            .find(|(spelling, _)| *spelling == lower)
            .map_or(text.trim(), |(_, name)| name);
        let unit = UNITS.iter().find(|(unit, _)| unit.eq_ignore_ascii_case(name));
        unit.map(|&(_, zero_point)| FluxUnit { zero_point })
    }
}

impl FromStr for FluxUnit {
    type Err = BandsError;

    /// `nJy`, `nanomaggy`, ..., or the AB magnitude of one unit, such as `27`.
    fn from_str(text: &str) -> Result<FluxUnit, BandsError> {
        let magnitude = text
            .trim()
            .parse()
            .ok()
            .filter(|zero_point: &f64| zero_point.is_finite());
        let unit = FluxUnit::named(text).or(magnitude.map(|zero_point| FluxUnit { zero_point }));
        unit.ok_or_else(|| BandsError::UnknownUnit {
            text: text.into(),
            known: UNITS.map(|(name, _)| name).join(", "),
        })
    }
}

impl TryFrom<String> for FluxUnit {
    type Error = BandsError;

    fn try_from(text: String) -> Result<FluxUnit, BandsError> {
        text.parse()
    }
}

impl From<FluxUnit> for String {
    fn from(unit: FluxUnit) -> String {
        unit.to_string()
    }
}

impl fmt::Display for FluxUnit {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match UNITS.iter().find(|(_, zero_point)| *zero_point == self.zero_point) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "{}", self.zero_point),
        }
    }
}

/// Keywords with the AB magnitude of one unit of flux.
const MAGNITUDES: [&str; 7] = [
    "MAGZERO", "MAGZPT", "SEXMGZPT", "PHOTZP", "MAGZEROP", "ZEROPNT", "ABZPT",
];

/// The AB magnitude of one unit of flux in an image; `None` if nothing says it.
///
/// In order: a physical unit in BUNIT; the zero-point keywords of Euclid, DES, KiDS; FLUXMAG0 of HSC, the flux of
/// magnitude 0; PHOTFLAM and PHOTPLAM of Hubble (ACS Data Handbook, section 5.1.1); the survey's own zero point.
/// Images in counts instead of counts per second are divided by EXPTIME.
pub(in crate::survey) fn zero_point(image: &ImageHdu, preset: Option<&Preset>) -> Option<f64> {
    let keywords = &image.keywords;
    let number = |key: &str| keywords.number(key);
    let positive = |key: &str| number(key).filter(|value| *value > 0.0);
    let unit = keywords.text("BUNIT").unwrap_or_default().to_ascii_lowercase();
    if let Some(unit) = FluxUnit::named(&unit) {
        return Some(unit.zero_point);
    }
    // Surface brightness, as of JWST: times the solid angle of a pixel it is a flux.
    if unit.replace(' ', "") == "mjy/sr" {
        let steradians = positive("PIXAR_SR")?;
        return Some(8.9 - 2.5 * (1e6 * steradians).log10());
    }
    if let Some(flam) = positive("PHOTFLAM") {
        let pivot = positive("PHOTPLAM")?;
        let rate = -2.5 * flam.log10() - 5.0 * pivot.log10() - 2.408;
        let per_second = unit.contains("/s") || unit.contains("s-1") || unit.contains("s**-1");
        // Counts are larger than a rate by the exposure time.
        return match per_second {
            true => Some(rate),
            false => Some(rate + 2.5 * positive("EXPTIME")?.log10()),
        };
    }
    if let Some(magnitude) = MAGNITUDES.iter().find_map(|key| number(key)) {
        return Some(magnitude);
    }
    if let Some(flux) = positive("FLUXMAG0") {
        return Some(2.5 * flux.log10());
    }
    let preset = preset?;
    match preset.name {
        // Stacks of Pan-STARRS are in counts of their exposure time (Waters et al. 2020, ApJS 251, 4).
        "ps1" => Some(25.0 + 2.5 * positive("EXPTIME")?.log10()),
        _ => preset.zero_point,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_magnitudes_of_one_unit() {
        let unit = |text: &str| text.parse::<FluxUnit>().unwrap();
        assert_eq!(unit("nanomaggies").factor(22.5), 1.0);
        let (one, from_njy) = (1.0, unit("uJy").factor(31.4));
        assert!((from_njy - one / 1000.0).abs() < 1e-12);
        assert!((unit("27").factor(24.5) - 10.0).abs() < 1e-12);
        assert_eq!(
            (unit("NJY").to_string(), unit("27.5").to_string()),
            ("nJy".into(), "27.5".into())
        );
        let error = "parsec".parse::<FluxUnit>().unwrap_err().to_string();
        assert!(error.contains("parsec") && error.contains("nanomaggy"), "{error}");
    }
}
