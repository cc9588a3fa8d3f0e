//! Arguments that several subcommands share.

use crate::train::DataOptions;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// Which images, and where they are.
#[derive(clap::Args, Clone)]
#[command(next_help_heading = "Images")]
pub struct Images {
    /// A known survey's layout: lfc1-ground or lfc1-space; recognised by its files where not given
    #[arg(long)]
    preset: Option<String>,
    /// Pattern of the file names in DIR, such as '{id}_{band}.fits'; without {band}, a file holds all bands
    #[arg(long, value_name = "PATTERN")]
    images: Option<String>,
    /// Bands, in the order of the network's channels
    #[arg(long, value_delimiter = ',', value_name = "BAND,...")]
    bands: Option<Vec<String>>,
    /// The table of the objects; needed to train (default: the .csv in DIR)
    #[arg(long, value_name = "CSV")]
    catalogue: Option<PathBuf>,
    /// Its column with the objects' ids [default: id]
    #[arg(long, value_name = "COLUMN")]
    id_column: Option<String>,
    /// Multiply every flux by this, for images in another unit
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    flux_scale: f64,
    /// Arcsec a pixel, where neither a preset nor the headers say so
    #[arg(long, value_name = "ARCSEC")]
    pixel_scale: Option<f64>,
}

impl Images {
    /// Paths become absolute: a run goes on from any folder.
    pub fn options(&self, dir: &Path, label: Option<String>, crop: Option<usize>) -> Result<DataOptions> {
        let absolute = |path: &Path| {
            std::path::absolute(path).with_context(|| format!("{} is not a path that can be used", path.display()))
        };
        Ok(DataOptions {
            // Simulated lenses have none.
            dir: if dir.as_os_str().is_empty() {
                dir.into()
            } else {
                absolute(dir)?
            },
            preset: self.preset.clone(),
            images: self.images.clone(),
            bands: self.bands.clone(),
            label,
            catalogue: self.catalogue.as_deref().map(absolute).transpose()?,
            id_column: self.id_column.clone(),
            crop,
            flux_scale: self.flux_scale,
            pixel_scale: self.pixel_scale,
        })
    }
}

/// `5` is 0 to 4, `3..7` is 3 to 7, both ends included.
pub fn members(text: &str) -> Result<Vec<u32>, String> {
    let number = |text: &str| {
        text.trim()
            .parse::<u32>()
            .map_err(|_| format!("'{text}' is not a member's number"))
    };
    let members: Vec<u32> = match text.split_once("..") {
        Some((first, last)) => (number(first)?..=number(last)?).collect(),
        None => (0..number(text)?).collect(),
    };
    match members.len() {
        1..=1000 => Ok(members),
        n => Err(format!(
            "that is {n} members; 1 to 1000 are possible, such as 5 or 3..7"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_by_count_and_by_number() {
        assert_eq!(members("3").unwrap(), [0, 1, 2]);
        assert_eq!(members("3..3").unwrap(), [3]);
        assert_eq!(members("2..4").unwrap(), [2, 3, 4]);
        for bad in ["0", "4..2", "x", "1..", "1001"] {
            assert!(members(bad).is_err(), "{bad}");
        }
    }
}
