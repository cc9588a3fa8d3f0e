//! What an image of a file holds, by its name.

use crate::survey::fits::ImageHdu;

/// What an image of a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::survey) enum Role {
    /// The image itself.
    Flux,
    /// Bits: why a pixel is bad.
    Mask,
    /// Inverse variance, or a weight that is 0 where there are no data.
    Weight,
    /// Standard deviation or variance of each pixel.
    Noise,
    /// A point spread function, the number of exposures, and the like.
    Other,
}

/// The names by which surveys call images that are not flux, as whole parts of a name.
const NAMES: [(Role, &[&str]); 4] = [
    (
        Role::Mask,
        &[
            "MASK", "MASKS", "MSK", "MASKBITS", "DQ", "FLAG", "FLAGS", "FLG", "BPM", "BADPIX",
        ],
    ),
    (Role::Weight, &["INVVAR", "IVAR", "WHT", "WEIGHT", "WGT", "WEI", "WT"]),
    (
        Role::Noise,
        &[
            "RMS", "ERR", "ERROR", "SIGMA", "NOISE", "STD", "STDDEV", "UNC", "UNCERT", "VAR", "VARIANCE",
        ],
    ),
    (
        Role::Other,
        &[
            "PSF",
            "PSFSIZE",
            "CTX",
            "CONTEXT",
            "CON",
            "NEXP",
            "NUM",
            "DEPTH",
            "AREA",
            "WMAP",
            "CHI2",
            "SEG",
            "SEGM",
            "SEGMAP",
            "BKG",
            "BACKGROUND",
            "WCSDVARR",
            "D2IMARR",
        ],
    ),
];

/// The role that a part of a name stands for.
fn role_of_word(word: &str) -> Option<Role> {
    let found = NAMES
        .iter()
        .find(|(_, names)| names.iter().any(|n| n.eq_ignore_ascii_case(word)));
    found.map(|(role, _)| *role)
}

/// The words of a name: what is between characters that are neither letters nor digits.
pub(super) fn words(name: &str) -> Vec<&str> {
    let words = name.split(|c: char| !c.is_alphanumeric());
    words.filter(|word| !word.is_empty()).collect()
}

/// The role of an image of this name, and the rest of the name: (`Noise`, `DES_G`) for `DES_G_RMS`.
fn role_of_name(name: &str) -> Option<(Role, String)> {
    let words = words(name);
    let (first, last) = (*words.first()?, *words.last()?);
    if let Some(role) = role_of_word(last) {
        return Some((role, words[..words.len() - 1].join("_")));
    }
    // VAR_POISSON and VAR_RNOISE, but also ERR_R.
    role_of_word(first).map(|role| (role, words[1..].join("_")))
}

/// Keywords with the kind of an image: of the Legacy Surveys, and of DES.
const KIND_KEYWORDS: [&str; 3] = ["IMAGETYP", "IMTYPE", "DES_EXT"];

/// What an image holds, and what remains of its name without the part that says so.
pub(super) fn role(image: &ImageHdu) -> (Role, String) {
    let name = image.name.as_deref().unwrap_or_default();
    if let Some(found) = role_of_name(name) {
        return found;
    }
    let kinds = KIND_KEYWORDS.iter().filter_map(|key| image.keywords.own_text(key));
    let role = kinds.filter_map(|kind| role_of_word(&kind)).next();
    (role.unwrap_or(Role::Flux), name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auxiliary_images_are_recognised_by_whole_words() {
        let role = role_of_name;
        let found = |role, rest: &str| Some((role, rest.to_owned()));
        assert_eq!(role("DES_G_RMS"), found(Role::Noise, "DES_G"));
        assert_eq!(role("VIS_PSF"), found(Role::Other, "VIS"));
        assert_eq!(role("wht"), found(Role::Weight, ""));
        assert_eq!(role("VAR_POISSON"), found(Role::Noise, "POISSON"));
        assert_eq!(role("DQ"), found(Role::Mask, ""));
        assert_eq!(role("NIR_H FLAG"), found(Role::Mask, "NIR_H"));
        for flux in ["SCI", "IMAGE", "VIS_BGSUB", "G", "VARUNA", "MASKED", "F814W", ""] {
            assert_eq!(role(flux), None, "{flux}");
        }
    }
}
