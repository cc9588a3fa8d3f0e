//! Known surveys as data: their file names, bands, crop and label.

use super::error::Result;
use super::folder::FolderError;

/// The file layout of one survey, and which bands, pixels and rows of it are used.
#[derive(Debug, PartialEq)]
pub struct Preset {
    /// The name by which users choose it.
    pub name: &'static str,
    /// All bands, with the pattern of their files relative to `DIR` or `DIR/Public`.
    pub files: &'static [(&'static str, &'static str)],
    /// The bands that are used unless others are named.
    pub bands: &'static [&'static str],
    /// The side of the central square that is used, pixels.
    pub crop: usize,
    /// Arcsec per pixel.
    pub pixel_scale: f64,
    /// Rows whose lensed image covers fewer pixels than this are too faint or small to be measured, and are not used for
    /// training.
    pub min_lensed_pixels: f64,
    /// The name of the label: `theta_e_crit`, the radius of the circle with the area inside the critical curve, shear
    /// included.
    pub label: &'static str,
}

/// The ground-based and the space-based track of Lens Finding Challenge 1 (Metcalf et al. 2019, A&A 625, A119).
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "lfc1-ground",
        files: &[
            ("R", "Band1/imageSDSS_R-{id}.fits"),
            ("I", "Band2/imageSDSS_I-{id}.fits"),
            ("G", "Band3/imageSDSS_G-{id}.fits"),
            ("U", "Band4/imageSDSS_U-{id}.fits"),
        ],
        bands: &["R", "I", "G"],
        crop: 55,
        pixel_scale: 0.2,
        min_lensed_pixels: 20.0,
        label: "theta_e_crit",
    },
    Preset {
        name: "lfc1-space",
        files: &[("VIS", "imageEUC_VIS-{id}.fits")],
        bands: &["VIS"],
        crop: 101,
        pixel_scale: 0.1,
        min_lensed_pixels: 20.0,
        label: "theta_e_crit",
    },
];

impl Preset {
    /// The preset of this name.
    ///
    /// # Errors
    /// An unknown name; the message lists the known ones.
    pub fn by_name(name: &str) -> Result<&'static Preset> {
        let found = PRESETS.iter().find(|p| p.name == name);
        Ok(found.ok_or_else(|| FolderError::UnknownPreset {
            name: name.into(),
            known: PRESETS.iter().map(|p| p.name).collect(),
        })?)
    }

    /// The pattern of a band's files, relative to `DIR` or `DIR/Public`.
    pub(super) fn file(&self, band: &str) -> Result<&'static str, FolderError> {
        let found = self.files.iter().find(|(name, _)| *name == band);
        found.map(|(_, file)| *file).ok_or_else(|| FolderError::UnknownBand {
            preset: self.name,
            band: band.into(),
            known: self.files.iter().map(|(name, _)| *name).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_preset_lists_the_known_ones() {
        assert_eq!(Preset::by_name("lfc1-space").unwrap().crop, 101);
        let error = Preset::by_name("lfc2").unwrap_err().to_string();
        assert!(
            error.contains("lfc2") && error.contains("lfc1-ground, lfc1-space"),
            "{error}"
        );
    }
}
