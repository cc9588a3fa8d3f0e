//! Known surveys as data: how their files are recognised, and what their pixels mean.

use super::bands::MaskBits;
use super::error::Result;
use super::fits::ImageHdu;
use super::folder::FolderError;

/// The conventions of one survey.
#[derive(Debug, PartialEq)]
pub struct Preset {
    /// The name by which users choose it.
    pub name: &'static str,
    /// One line for readers.
    pub summary: &'static str,
    /// The files, labels and rows of the Lens Finding Challenge.
    pub challenge: Option<Challenge>,
    /// Pixels with exactly this value, in images of floating point numbers, have no value.
    pub mask_value: Option<f64>,
    /// The bits of mask images that mean "no value"; all of them if `None`.
    pub mask_bits: Option<MaskBits>,
    /// Blocks of exact zeros have no value.
    pub zero_is_missing: bool,
    /// AB magnitude of one unit of flux, if no header says it.
    pub zero_point: Option<f64>,
}

/// One track of Lens Finding Challenge 1 (Metcalf et al. 2019, A&A 625, A119).
#[derive(Debug, PartialEq)]
pub struct Challenge {
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

const PLAIN: Preset = Preset {
    name: "",
    summary: "",
    challenge: None,
    mask_value: None,
    mask_bits: None,
    zero_is_missing: false,
    zero_point: None,
};

/// Bits of the mask of DES: BPM, SATURATE, BADAMP, CRAY, TRAIL, EDGEBLEED, EDGE, STREAK (Morganson et al. 2018, PASP 130,
/// 074501, table 9).
const DES_BITS: u64 = 1 | 2 | 8 | 16 | 64 | 128 | 512 | 1024;
/// Bits of the mask of Pan-STARRS: DETECTOR, FLAT, DARK, BLANK, CTE, SAT, LOW, CR, CONV.BAD (Waters et al. 2020, ApJS 251,
/// 4, table 2).
const PS1_BITS: u64 = 0x7f | 0x100 | 0x2000;
/// Bits of Hubble's DQ arrays without those of warm pixels and persistence, whose values are corrected (ACS Data Handbook,
/// table 3.2).
const HST_BITS: u64 = 1 | 2 | 4 | 8 | 16 | 128 | 256 | 512 | 2048 | 4096 | 8192;
/// DO_NOT_USE of JWST, and INVALID of Euclid.
const FIRST_BIT: u64 = 1;

/// All presets.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "lfc1-ground",
        summary: "Lens Finding Challenge 1, ground-based track",
        challenge: Some(Challenge {
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
        }),
        mask_value: Some(100.0),
        ..PLAIN
    },
    Preset {
        name: "lfc1-space",
        summary: "Lens Finding Challenge 1, space-based track",
        challenge: Some(Challenge {
            files: &[("VIS", "imageEUC_VIS-{id}.fits")],
            bands: &["VIS"],
            crop: 101,
            pixel_scale: 0.1,
            min_lensed_pixels: 20.0,
            label: "theta_e_crit",
        }),
        mask_value: Some(100.0),
        ..PLAIN
    },
    Preset {
        name: "euclid",
        summary: "Euclid: lens-modelling files (BAND_BGSUB, BAND_PSF, BAND_RMS) and cutouts of MER mosaics",
        mask_bits: Some(MaskBits::Bits(FIRST_BIT)),
        zero_is_missing: true,
        ..PLAIN
    },
    Preset {
        name: "legacy",
        summary: "DESI Legacy Imaging Surveys: cubes with BANDS, with or without INVVAR",
        zero_is_missing: true,
        zero_point: Some(22.5),
        ..PLAIN
    },
    Preset {
        name: "hsc",
        summary: "Hyper Suprime-Cam: IMAGE, MASK, VARIANCE, or the image alone",
        mask_bits: Some(MaskBits::Named),
        zero_point: Some(27.0),
        ..PLAIN
    },
    Preset {
        name: "rubin",
        summary: "Rubin Observatory: IMAGE, MASK, VARIANCE, in nJy",
        mask_bits: Some(MaskBits::Named),
        zero_point: Some(31.4),
        ..PLAIN
    },
    Preset {
        name: "des",
        summary: "Dark Energy Survey: SCI, MSK, WGT",
        mask_bits: Some(MaskBits::Bits(DES_BITS)),
        zero_is_missing: true,
        zero_point: Some(30.0),
        ..PLAIN
    },
    Preset {
        name: "ps1",
        summary: "Pan-STARRS 1: stacks, on their asinh scale or linear",
        mask_bits: Some(MaskBits::Bits(PS1_BITS)),
        ..PLAIN
    },
    Preset {
        name: "hst",
        summary: "Hubble: SCI with WHT and CTX, or with ERR and DQ",
        mask_bits: Some(MaskBits::Bits(HST_BITS)),
        zero_is_missing: true,
        ..PLAIN
    },
    Preset {
        name: "jwst",
        summary: "JWST: i2d images",
        mask_bits: Some(MaskBits::Bits(FIRST_BIT)),
        zero_is_missing: true,
        ..PLAIN
    },
    Preset {
        name: "kids",
        summary: "Kilo-Degree Survey: coadds with weights",
        zero_is_missing: true,
        zero_point: Some(0.0),
        ..PLAIN
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

    /// The survey that made a file with these images, if its headers say so.
    pub(super) fn of_images(images: &[ImageHdu]) -> Option<&'static Preset> {
        let first = images.first()?;
        let keywords = &first.keywords;
        let has = |key: &str| keywords.number(key).is_some() || keywords.text(key).is_some();
        let says = |key: &str, word: &str| {
            let text = keywords.text(key).unwrap_or_default();
            text.to_ascii_lowercase().contains(&word.to_ascii_lowercase())
        };
        let names: Vec<String> = images
            .iter()
            .filter_map(|i| i.name.as_ref())
            .map(|n| n.to_ascii_uppercase())
            .collect();
        let named = |all: &[&str]| all.iter().all(|name| names.iter().any(|n| n == name));
        let of_hubble = ["ACS", "WFC3", "WFPC2", "NICMOS", "STIS"];
        let name = if says("TELESCOP", "JWST") {
            "jwst"
        } else if says("TELESCOP", "HST")
            || of_hubble
                .iter()
                .any(|camera| says("PHOTMODE", camera) && has("PHOTFLAM"))
            || named(&["SCI", "WHT", "CTX"])
        {
            "hst"
        } else if has("BSOFTEN") || has("BOFFSET") || has("PSCAMERA") || has("PSREFCAT") {
            "ps1"
        } else if says("TELESCOP", "Euclid")
            || says("SOFTINST", "Euclid")
            || has("LAYER")
            || names.iter().any(|name| name.ends_with("_BGSUB"))
        {
            "euclid"
        } else if says("SURVEY", "legacy") || has("LEGPIPEV") || (has("BANDS") && (has("BAND0") || named(&["INVVAR"])))
        {
            "legacy"
        } else if has("DES_EXT") || says("SURVEY", "DES") || named(&["SCI", "MSK", "WGT"]) {
            "des"
        } else if says("INSTRUME", "LSST") || (says("BUNIT", "nJy") && named(&["IMAGE", "MASK", "VARIANCE"])) {
            "rubin"
        } else if has("FLUXMAG0") || says("INSTRUME", "HSC") || named(&["IMAGE", "MASK", "VARIANCE"]) {
            "hsc"
        } else if says("INSTRUME", "OMEGACAM") || says("OBJECT", "KIDS") {
            "kids"
        } else {
            return None;
        };
        PRESETS.iter().find(|preset| preset.name == name)
    }
}

impl Challenge {
    /// The pattern of a band's files, relative to `DIR` or `DIR/Public`; `preset` is the challenge's name.
    pub(super) fn file(&self, band: &str, preset: &'static str) -> Result<&'static str, FolderError> {
        let found = self.files.iter().find(|(name, _)| *name == band);
        found.map(|(_, file)| *file).ok_or_else(|| FolderError::UnknownBand {
            preset,
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
        let challenge = Preset::by_name("lfc1-space").unwrap().challenge.as_ref().unwrap();
        assert_eq!(challenge.crop, 101);
        let error = Preset::by_name("lfc2").unwrap_err().to_string();
        assert!(
            error.contains("lfc2") && error.contains("lfc1-ground, lfc1-space") && error.contains("euclid"),
            "{error}"
        );
    }
}
