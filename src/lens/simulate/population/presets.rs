//! Reads populations from files, and the presets.

use super::{Population, PopulationError, Psf};
use crate::files::{self, folder_of};
use crate::lens::Error;
use std::path::Path;

macro_rules! presets {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../assets/presets/", $name, ".toml")))),*]
    };
}

/// Names and contents.
const PRESETS: &[(&str, &str)] = presets![
    "lfc1-ground",
    "lfc1-space",
    "euclid",
    "hst-f814w",
    "des",
    "lsst",
    "lenstronomy-check"
];

impl Population {
    /// The names of the presets.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// The TOML file `name`, or the preset with this name.
    ///
    /// # Errors
    /// Those of [`Population::read`] if `name` ends with `.toml`, otherwise of [`Population::preset`].
    pub fn open(name: &str) -> Result<Population, Error> {
        match name.ends_with(".toml") {
            true => Population::read(name.as_ref()),
            false => Population::preset(name),
        }
    }

    /// The preset `name`, a file of `assets/presets/`.
    ///
    /// # Errors
    /// [`Error::UnknownPreset`].
    pub fn preset(name: &str) -> Result<Population, Error> {
        let Some((_, text)) = PRESETS.iter().find(|(preset, _)| *preset == name) else {
            return Err(Error::UnknownPreset { name: name.into() });
        };
        Population::parse(text).map_err(|source| Error::Population {
            name: format!("preset {name}"),
            source: source.into(),
        })
    }

    /// Reads a TOML file. Files of point spread functions are relative to its folder.
    ///
    /// # Errors
    /// [`Error::ReadPopulation`] for a file that cannot be read. [`Error::Population`] for a file that is not TOML, an
    /// unknown key, or a value out of range.
    pub fn read(path: &Path) -> Result<Population, Error> {
        let text = files::read_text(path).map_err(|source| Error::ReadPopulation {
            path: path.into(),
            source,
        })?;
        let mut population = Population::parse(&text).map_err(|source| Error::Population {
            name: path.display().to_string(),
            source: source.into(),
        })?;
        for band in &mut population.bands {
            if let Psf::Image { file } = &mut band.psf {
                *file = folder_of(path).join(&*file);
            }
        }
        Ok(population)
    }

    pub(super) fn parse(text: &str) -> Result<Population, PopulationError> {
        let population: Population = toml::from_str(text)?;
        population.check()?;
        Ok(population)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid() {
        for name in Population::presets() {
            Population::preset(name).unwrap_or_else(|error| panic!("{error}"));
        }
        let error = Population::preset("lfc2").unwrap_err().to_string();
        assert!(
            error.contains("lfc2") && error.contains("lfc1-ground, lfc1-space, euclid, hst-f814w, des, lsst"),
            "{error}"
        );
    }
}
