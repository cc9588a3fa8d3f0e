//! What a file has, by its headers, and what to say of it.

use std::path::Path;

use super::choice::{BandChoice, unnamed};
use super::matching::{Remark, band_names, is_called};
use super::read::open;
use crate::survey::error::Result;
use crate::survey::few;
use crate::survey::preset::Preset;

/// What a file has, by its headers.
pub(in crate::survey) struct FileSummary {
    /// The bands' names, if each has a different one.
    pub names: Option<Vec<String>>,
    /// Number of bands.
    pub bands: usize,
    /// The images that are not flux.
    pub left_out: Vec<String>,
    /// The images of flux, as they are named for users.
    pub flux: Vec<String>,
    /// The survey by whose conventions the file is read.
    pub preset: Option<&'static Preset>,
}

impl FileSummary {
    /// Reads the headers of a file.
    pub fn read(path: &Path) -> Result<FileSummary> {
        let (file, planes, left_out) = open(path)?;
        Ok(FileSummary {
            names: band_names(&planes),
            bands: planes.len(),
            left_out,
            flux: planes
                .iter()
                .map(|plane| plane.names.label().unwrap_or("").to_owned())
                .collect(),
            preset: Preset::of_images(&file.images),
        })
    }

    /// The bands' names, or `band1`, `band2`, ...
    pub fn band_names(&self) -> Vec<String> {
        self.names.clone().unwrap_or_else(|| self.unnamed())
    }

    /// `band1`, `band2`, ...
    pub fn unnamed(&self) -> Vec<String> {
        unnamed(self.bands)
    }

    /// Whether another file has bands of the same names, in any order.
    pub fn same_names(&self, other: &FileSummary) -> bool {
        let sorted = |summary: &FileSummary| {
            let lower = |names: &Vec<String>| names.iter().map(|name| name.to_lowercase()).collect();
            let mut names: Option<Vec<String>> = summary.names.as_ref().map(lower);
            names.iter_mut().for_each(|names| names.sort());
            names
        };
        sorted(self) == sorted(other)
    }

    /// Which images are no bands.
    pub fn left_out_warning(&self, path: &Path) -> Option<String> {
        if self.left_out.is_empty() {
            return None;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let flux: Vec<&str> = self
            .flux
            .iter()
            .map(String::as_str)
            .filter(|name| !name.is_empty())
            .collect();
        let flux = match flux.is_empty() {
            true => String::new(),
            false => format!("; the bands are {}", few(&flux)),
        };
        Some(format!(
            "images of weights, masks, noise and point spread functions are no bands and are left out: {} in {name}{flux}",
            few(&self.left_out)
        ))
    }

    /// The file of a band whose header names another of the bands.
    pub fn other_band_warning(&self, path: &Path, band: &BandChoice, bands: &[BandChoice]) -> Option<String> {
        let [name] = self.names.as_deref()? else { return None };
        let other = bands.iter().find(|other| is_called(name, &other.file))?;
        let wrong = other != band && !is_called(name, &band.file);
        wrong.then(|| {
            format!(
                "{} is taken as the band {}, but its header says that it is {name}",
                path.display(),
                band.file
            )
        })
    }
}

impl Remark {
    /// The same for readers; `path` is a file for which it holds.
    pub fn warning(&self, path: &Path, bands: &[BandChoice]) -> String {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match self {
            Remark::ByPart(pairs) => {
                let pairs: Vec<String> = pairs.iter().map(|(band, file)| format!("{band} is {file}")).collect();
                format!("bands are found by a part of their names in {name}: {}", few(&pairs))
            }
            Remark::InOrder => {
                let names: Vec<&str> = bands.iter().map(|band| band.name.as_str()).collect();
                format!(
                    "the bands in {name} have no names, and are taken in this order: {}",
                    names.join(", ")
                )
            }
        }
    }
}
