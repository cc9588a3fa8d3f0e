//! Known surveys as data: where their files are, which bands and pixels are used, which rows can be trained on.

use anyhow::{Result, bail};

/// How one survey's folder is laid out, and what of it is used.
#[derive(Debug, PartialEq)]
pub struct Preset {
    pub name: &'static str,
    /// Every band there is, with its files' place below `DIR` or `DIR/Public`.
    pub files: &'static [(&'static str, &'static str)],
    /// The bands used unless others are named.
    pub bands: &'static [&'static str],
    /// The central `crop` x `crop` pixels are used.
    pub crop: usize,
    /// Arcsec a pixel.
    pub pixel_scale: f64,
    /// Rows whose lensed image has fewer pixels than this cannot be measured, and are not trained on.
    pub min_lensed_pixels: f64,
    /// What the label is: the radius of the circle with the area inside the critical curve, shear included.
    pub label: &'static str,
}

/// Lens Finding Challenge 1 (Metcalf et al. 2019, A&A 625, A119), its ground-based and its space-based track.
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
    pub fn by_name(name: &str) -> Result<&'static Preset> {
        match PRESETS.iter().find(|p| p.name == name) {
            Some(preset) => Ok(preset),
            None => {
                let known: Vec<_> = PRESETS.iter().map(|p| p.name).collect();
                bail!("no preset is called '{name}'; there are: {}", known.join(", "))
            }
        }
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
