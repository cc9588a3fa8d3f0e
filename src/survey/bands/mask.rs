//! Which pixels have no value: by masks and weights beside the image, and by values that mean so.

use super::error::BandsError;
use super::read::part;
use super::role::{Role, role, words};
use super::zero_point::FluxUnit;
use crate::survey::fits::{FitsError, FitsFile, ImageHdu, Keywords, Window};
use crate::survey::preset::Preset;
use serde::{Deserialize, Serialize};

/// How pixels become flux, beyond what their file says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PixelOptions {
    /// Pixels with exactly this value are masked [default: 100 in the Lens Finding Challenge].
    pub mask_value: Option<f64>,
    /// The bits of mask images that mask a pixel [default: those of the survey, otherwise all].
    pub mask_bits: Option<u64>,
    /// Blocks of pixels that are exactly 0 are masked [default: in surveys that have them].
    pub zero_is_missing: Option<bool>,
    /// All images are converted to this unit of flux.
    pub flux_unit: Option<FluxUnit>,
    /// Without `flux_unit`: images whose zero point is known are converted to this unit, and all others are taken to be
    /// in it. Only a model decides this, so it is not saved.
    #[serde(skip)]
    pub assumed_unit: Option<FluxUnit>,
}

/// The bits of mask images that mean "no value".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaskBits {
    /// These.
    Bits(u64),
    /// Those whose names (keywords `MP_...`, as in the LSST pipelines) say that a pixel has no valid value.
    Named,
}

/// Names of mask planes in the LSST pipelines that mean "no valid value". `DETECTED`, `INTRP` and the like do not.
const LSST_PLANES: [&str; 4] = ["BAD", "SAT", "NO_DATA", "UNMASKEDNAN"];
/// Their bits in files without keywords.
const LSST_BITS: u64 = 1 << 0 | 1 << 1 | 1 << 8;

/// Noise that is as large as this stands for "no data", as in Euclid's maps (1e16).
const NO_DATA_NOISE: f64 = 1e15;

/// The rules for the pixels of a folder.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::survey) struct PixelRules {
    mask_value: Option<f64>,
    bits: Option<MaskBits>,
    zero_is_missing: bool,
    pub unit: Option<FluxUnit>,
    pub assumed_unit: Option<FluxUnit>,
}

impl PixelRules {
    pub fn new(options: &PixelOptions, preset: Option<&Preset>) -> PixelRules {
        PixelRules {
            mask_value: options.mask_value.or(preset.and_then(|p| p.mask_value)),
            bits: options
                .mask_bits
                .map(MaskBits::Bits)
                .or(preset.and_then(|p| p.mask_bits)),
            zero_is_missing: options
                .zero_is_missing
                .unwrap_or(preset.is_some_and(|p| p.zero_is_missing)),
            unit: options.flux_unit,
            assumed_unit: options.assumed_unit.filter(|_| options.flux_unit.is_none()),
        }
    }

    /// Masks, as NaN, the values of one band that mean "no value": (height, width), every `step`-th value from the first.
    /// In an image of integers (counts), the value that masks is an ordinary one.
    pub fn mask_values(&self, values: &mut [f64], width: usize, step: usize, integer: bool) {
        let count = values.len().div_ceil(step);
        if let Some(mask) = self.mask_value.filter(|_| !integer) {
            let masked = values.iter_mut().step_by(step).filter(|value| **value == mask);
            masked.for_each(|value| *value = f64::NAN);
        }
        if self.zero_is_missing {
            let zero: Vec<bool> = values.iter().step_by(step).map(|&value| value == 0.0).collect();
            let is_zero = |y: usize, x: usize| x < width && zero.get(y * width + x).is_some_and(|&zero| zero);
            // A block of 2 x 2 zeros or more; a single pixel of flux may be 0 by chance.
            let in_block = |y: usize, x: usize| {
                (y.saturating_sub(1)..=y).any(|top| {
                    (x.saturating_sub(1)..=x).any(|left| (0..2).all(|dy| (0..2).all(|dx| is_zero(top + dy, left + dx))))
                })
            };
            for at in 0..count {
                if zero[at] && in_block(at / width, at % width) {
                    values[at * step] = f64::NAN;
                }
            }
        }
    }

    /// Whether an unsigned value of a mask image masks its pixel.
    fn masks(&self, bits: u64, keywords: &Keywords) -> bool {
        match self.bits {
            None => bits & named_bits(keywords).unwrap_or(u64::MAX) != 0,
            Some(MaskBits::Bits(mask)) => bits & mask != 0,
            Some(MaskBits::Named) => bits & named_bits(keywords).unwrap_or(LSST_BITS) != 0,
        }
    }

    /// Masks, as NaN, the pixels of one plane of an image that its masks, weights and noise say have no value. `flux` is
    /// the place of the image, and that of the plane in it; `values`: all pixels, or those of the window.
    pub fn apply_planes(
        &self,
        file: &mut FitsFile,
        flux: (usize, usize),
        window: Option<Window>,
        values: &mut [f64],
    ) -> Result<(), Failure> {
        let (image, plane) = flux;
        for at in companions(&file.images, image) {
            let header = file.images[at].clone();
            let name = header.name.clone().unwrap_or_default();
            let (found, expected) = ([header.width, header.height], {
                let image = &file.images[image];
                [image.width, image.height]
            });
            let planes = file.images[image].planes;
            if found != expected || !(header.planes == 1 || header.planes == planes) {
                return Err(BandsError::MaskSize { name, found, expected }.into());
            }
            let companion = part(file, at, window)?;
            let companion = companion.plane(if header.planes == 1 { 0 } else { plane });
            self.apply(role(&header).0, &header.keywords, companion, values);
        }
        Ok(())
    }

    /// Masks, as NaN, the values whose pixels in an image of this kind say so.
    fn apply(&self, kind: Role, keywords: &Keywords, image: &[f64], values: &mut [f64]) {
        let masked = |value: f64| match kind {
            Role::Mask => value.is_finite() && self.masks(value as i64 as u64, keywords),
            Role::Weight => value.is_nan() || value <= 0.0,
            Role::Noise => !value.is_finite() || value >= NO_DATA_NOISE,
            Role::Flux | Role::Other => false,
        };
        let pairs = values.iter_mut().zip(image);
        pairs
            .filter(|(_, c)| masked(**c))
            .for_each(|(value, _)| *value = f64::NAN);
    }

    /// The same for an image of masks or weights in another file; `values` are those of the window.
    pub fn apply_file(
        &self,
        file: &mut FitsFile,
        from: MaskPlane,
        window: Option<Window>,
        values: &mut [f64],
    ) -> Result<(), FitsError> {
        let keywords = file.images[from.image].keywords.clone();
        let image = part(file, from.image, window)?;
        self.apply(from.kind, &keywords, image.plane(0), values);
        Ok(())
    }
}

/// An image of masks, weights or noise in a file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::survey) struct MaskPlane {
    image: usize,
    kind: Role,
}

impl MaskPlane {
    /// That of a file: the first image whose name says so, otherwise the first image, which is of the kind `unnamed`. It
    /// must have `size`, width and height.
    pub fn find(images: &[ImageHdu], unnamed: Role, size: [usize; 2]) -> Result<MaskPlane, BandsError> {
        let named = |image: &ImageHdu| Some(role(image).0).filter(|kind| !matches!(kind, Role::Flux | Role::Other));
        let found = images
            .iter()
            .enumerate()
            .find_map(|(at, image)| Some((at, named(image)?)));
        let (at, kind) = found.unwrap_or((0, unnamed));
        let image = images.get(at).ok_or(BandsError::NoMask)?;
        match image.planes == 1 && [image.width, image.height] == size {
            true => Ok(MaskPlane { image: at, kind }),
            false => Err(BandsError::MaskSize {
                name: image.name.clone().unwrap_or_default(),
                found: [image.width, image.height],
                expected: size,
            }),
        }
    }
}

/// Either side's error while masks are applied.
#[derive(Debug)]
pub(in crate::survey) enum Failure {
    Bands(BandsError),
    Fits(FitsError),
}

impl From<BandsError> for Failure {
    fn from(error: BandsError) -> Failure {
        Failure::Bands(error)
    }
}

impl From<FitsError> for Failure {
    fn from(error: FitsError) -> Failure {
        Failure::Fits(error)
    }
}

/// The bits that keywords such as `MP_NO_DATA = 8` name; `None` if the header has no such keywords.
fn named_bits(keywords: &Keywords) -> Option<u64> {
    let bits = LSST_PLANES
        .iter()
        .filter_map(|plane| keywords.number(&format!("MP_{plane}")));
    let bits = bits
        .filter(|bit| (0.0..64.0).contains(bit))
        .map(|bit| 1u64 << bit as u32);
    bits.reduce(|all, bit| all | bit)
}

/// The masks, weights and noise that belong to an image of flux: those whose name is the same but for the word that says
/// what they are (`DES_G_RMS` and `DES_G_BGSUB`), and of several with one name, as for the chips of a camera, the one
/// with the same EXTVER. If the image has none of its own, those that name no band belong to it.
fn companions(images: &[ImageHdu], flux: usize) -> Vec<usize> {
    let stem = stem(&images[flux]);
    let version = images[flux].keywords.own_number("EXTVER");
    let kinds = [Role::Mask, Role::Weight, Role::Noise];
    let of_kind = |kind: Role| {
        let all = || (0..images.len()).filter(move |&at| role(&images[at]).0 == kind);
        let mut own: Vec<usize> = all().filter(|&at| self::stem(&images[at]) == stem).collect();
        let same_version = |at: &&usize| images[**at].keywords.own_number("EXTVER") == version;
        if own.len() > 1 && own.iter().any(|at| same_version(&at)) {
            own = own.iter().filter(same_version).copied().collect();
        }
        match own.is_empty() {
            true => all().filter(|&at| self::stem(&images[at]).is_empty()).collect(),
            false => own,
        }
    };
    kinds.into_iter().flat_map(of_kind).collect()
}

/// What remains of a name without the words for flux, masks and so on.
fn stem(image: &ImageHdu) -> String {
    let (_, rest) = role(image);
    let rest = words(&rest)
        .into_iter()
        .filter(|word| !super::names::is_flux_word(word));
    rest.collect::<Vec<_>>().join("_").to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(rules: &PixelRules, values: &[f64], width: usize, integer: bool) -> Vec<usize> {
        let mut values = values.to_vec();
        rules.mask_values(&mut values, width, 1, integer);
        (0..values.len()).filter(|&at| values[at].is_nan()).collect()
    }

    #[test]
    fn a_value_masks_only_where_it_is_said_to() {
        let none = PixelRules::new(&PixelOptions::default(), None);
        assert!(masked(&none, &[100.0, 0.0], 2, false).is_empty());
        let challenge = PixelRules::new(&PixelOptions::default(), Some(Preset::by_name("lfc1-ground").unwrap()));
        assert_eq!(masked(&challenge, &[1.0, 100.0], 2, false), [1]);
        assert!(masked(&challenge, &[1.0, 100.0], 2, true).is_empty(), "counts");
    }

    #[test]
    fn only_blocks_of_zeros_are_missing() {
        let rules = PixelRules::new(
            &PixelOptions {
                zero_is_missing: Some(true),
                ..PixelOptions::default()
            },
            None,
        );
        let values = [
            0., 0., 1., 2., //
            0., 0., 1., 0., //
            3., 0., 1., 0.,
        ];
        assert_eq!(masked(&rules, &values, 4, false), [0, 1, 4, 5]);
        assert!(masked(&rules, &[0., 1., 0., 1., 0., 1.], 3, false).is_empty());
    }
}
