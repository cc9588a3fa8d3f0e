//! The bit mask of the output column `flags`: reasons to check a prediction before it is used.
//!
//! Each bit is decided by a pure function; 0 means that no problem was detected. The bits are part of the output format:
//! the meaning of a bit never changes.

use super::audit::{self, MAX_MASKED};
use super::sky::{SkyRange, SkyStatistics};
use crate::numeric::median;

/// See [`masked`].
pub const MASKED: i32 = 1;
/// See [`pixel_scale`].
pub const PIXEL_SCALE: i32 = 2;
/// See [`sky`].
pub const SKY: i32 = 4;
/// See [`near_edge`].
pub const NEAR_EDGE: i32 = 8;
/// See [`label_range`].
pub const LABEL_RANGE: i32 = 16;
/// See [`epistemic`].
pub const EPISTEMIC: i32 = 32;
/// See [`disagree`].
pub const DISAGREE: i32 = 64;
/// The image could not be read.
pub const READ_ERROR: i32 = 128;
/// See [`out_of_distribution`].
pub const OUT_OF_DISTRIBUTION: i32 = 256;
/// A row of the catalogue has no image.
pub const NO_IMAGE: i32 = 512;
/// The image was read, but all its pixels are masked, or the members' predictions are not finite.
pub const NO_PREDICTION: i32 = 1024;

/// One bit of the mask.
pub struct Flag {
    /// A power of two.
    pub bit: i32,
    /// A short name, for tables.
    pub name: &'static str,
    /// One line for readers.
    pub meaning: &'static str,
}

/// A name that is no flag.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("'{name}' is no flag: none, any, {}", FLAGS.map(|flag| flag.name).join(", "))]
pub struct UnknownFlag {
    /// As given.
    pub name: String,
}

/// The bits of a text: `none`, `any`, or names of flags, separated by commas.
///
/// # Errors
/// [`UnknownFlag`].
pub fn bits(text: &str) -> Result<i32, UnknownFlag> {
    match text {
        "none" => return Ok(0),
        "any" => return Ok(-1),
        _ => {}
    }
    let bit = |name: &str| {
        let flag = FLAGS.iter().find(|flag| flag.name == name.trim());
        flag.map(|flag| flag.bit).ok_or_else(|| UnknownFlag {
            name: name.trim().into(),
        })
    };
    text.split(',').try_fold(0, |bits, name| Ok(bits | bit(name)?))
}

/// All bits, in order.
pub const FLAGS: [Flag; 11] = [
    Flag {
        bit: MASKED,
        name: "masked",
        meaning: "more than 20 % of the pixels are masked",
    },
    Flag {
        bit: PIXEL_SCALE,
        name: "pixel_scale",
        meaning: "the pixel scale in the header differs from the model's by more than 2 %",
    },
    Flag {
        bit: SKY,
        name: "sky",
        meaning: "sky level or noise outside the training range; the flux may have another unit or zero point",
    },
    Flag {
        bit: NEAR_EDGE,
        name: "near_edge",
        meaning: "theta_e is above 0.8 of the cutout's half width: the ring may extend beyond the cutout",
    },
    Flag {
        bit: LABEL_RANGE,
        name: "label_range",
        meaning: "the prediction is outside the range of the training labels, or q02_5 or q97_5 by more than 10 % of the range",
    },
    Flag {
        bit: EPISTEMIC,
        name: "epistemic",
        meaning: "sigma_epistemic, the scatter of the members, is larger than for 99 % of calibration images",
    },
    Flag {
        bit: DISAGREE,
        name: "disagree",
        meaning: "a member's prediction is more than 3 sigma from the median of the others",
    },
    Flag {
        bit: READ_ERROR,
        name: "read_error",
        meaning: "the image could not be read: there is no prediction",
    },
    Flag {
        bit: OUT_OF_DISTRIBUTION,
        name: "out_of_distribution",
        meaning: "the image differs from the training images: ood_score is above the model's threshold",
    },
    Flag {
        bit: NO_IMAGE,
        name: "no_image",
        meaning: "the row of the catalogue has no image: there is no prediction",
    },
    Flag {
        bit: NO_PREDICTION,
        name: "no_prediction",
        meaning: "the image could be read, but it is masked throughout or its prediction is not finite",
    },
];

/// The names of the bits that are set.
pub fn describe(flags: i32) -> Vec<&'static str> {
    FLAGS.iter().filter(|f| flags & f.bit != 0).map(|f| f.name).collect()
}

/// More than 20 % of the pixels are masked; `fraction` is between 0 and 1.
pub fn masked(fraction: f64) -> i32 {
    set(MASKED, fraction > MAX_MASKED)
}

/// The pixel scales of the header and the model, arcsec, differ by more than 2 %. Do not call it for a header
/// without a scale, which is no reason for a flag.
pub fn pixel_scale(header: f64, model: f64) -> i32 {
    set(PIXEL_SCALE, audit::scale_differs(header, model))
}

/// The sky level or noise of a band is outside the training range. `sky` has one entry per band.
pub fn sky(sky: &[Option<SkyStatistics>], training: &SkyRange) -> i32 {
    set(SKY, !training.contains(sky))
}

/// A ring of radius `theta_e` (arcsec) may extend beyond a cutout that is `size` pixels wide; `pixel_scale` in arcsec.
pub fn near_edge(theta_e: f64, size: usize, pixel_scale: f64) -> i32 {
    set(NEAR_EDGE, audit::near_edge(theta_e, size, pixel_scale))
}

/// How far an interval can lie beyond the range of the training labels, as a fraction of that range, without a flag.
const LABEL_MARGIN: f64 = 0.1;

/// The prediction is outside the range of the training labels, or its 95 % `interval` is so by more than
/// a tenth of the range; `labels` are the smallest and the largest, arcsec.
pub fn label_range(theta_e: f64, interval: [f64; 2], labels: (f64, f64)) -> i32 {
    let margin = LABEL_MARGIN * (labels.1 - labels.0);
    let outside = theta_e < labels.0 || theta_e > labels.1;
    set(
        LABEL_RANGE,
        outside || interval[0] < labels.0 - margin || interval[1] > labels.1 + margin,
    )
}

/// sigma_epistemic (arcsec) is above the model's limit. A model of earlier versions has none: then more than half of the
/// variance is epistemic, sigma_epistemic^2 / sigma^2 > 0.5.
pub fn epistemic(sigma_epistemic: f64, sigma: f64, limit: Option<f64>) -> i32 {
    let large = match limit {
        Some(limit) => sigma_epistemic > limit,
        None => sigma_epistemic.powi(2) > 0.5 * sigma.powi(2),
    };
    set(EPISTEMIC, large)
}

/// Some member m has |mu_m - median of the others' mu| > 3 sqrt(var_m + median of the others' var).
///
/// Medians, so that a diverged member neither increases the tolerance nor shifts the centre. The member's own variance
/// counts, so that a member which is uncertain does not disagree. `mu` (arcsec) and `var` (arcsec^2) have one value per
/// member.
pub fn disagree(mu: &[f64], var: &[f64]) -> i32 {
    let others = |values: &[f64], m: usize| {
        let others = values.iter().enumerate().filter(|&(k, _)| k != m);
        let mut others: Vec<f64> = others.map(|(_, &v)| v).collect();
        median(&mut others).unwrap_or(f64::NAN)
    };
    let off = |m: usize| (mu[m] - others(mu, m)).abs() > 3.0 * (var[m] + others(var, m)).sqrt();
    set(DISAGREE, mu.len() > 1 && (0..mu.len()).any(off))
}

/// `score` is above `threshold`; not set if either is unknown.
pub fn out_of_distribution(score: Option<f64>, threshold: Option<f64>) -> i32 {
    // A distance that overflows is infinite or NaN.
    let within = |(score, threshold): (f64, f64)| score <= threshold;
    set(OUT_OF_DISTRIBUTION, !score.zip(threshold).is_none_or(within))
}

fn set(bit: i32, condition: bool) -> i32 {
    if condition { bit } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::super::sky::BandRange;
    use super::*;

    #[test]
    fn each_bit_is_one_bit_and_is_described() {
        for (i, flag) in FLAGS.iter().enumerate() {
            assert_eq!(flag.bit, 1 << i);
            assert_eq!(describe(flag.bit), [flag.name]);
        }
        assert!(describe(0).is_empty());
        assert_eq!(
            describe(MASKED | NEAR_EDGE | READ_ERROR),
            ["masked", "near_edge", "read_error"]
        );
    }

    #[test]
    fn image_flags() {
        assert_eq!((masked(0.2), masked(0.2001)), (0, MASKED));
        assert_eq!((pixel_scale(0.2035, 0.2), pixel_scale(0.1965, 0.2)), (0, 0));
        assert_eq!(
            (
                pixel_scale(0.205, 0.2),
                pixel_scale(0.1, 0.2),
                pixel_scale(f64::NAN, 0.2)
            ),
            (2, 2, 2)
        );
        let band = BandRange {
            sky: [-1.0, 1.0],
            noise: [0.5, 2.0],
        };
        let training = SkyRange { bands: vec![band] };
        assert_eq!(sky(&[Some(SkyStatistics { level: 0.5, noise: 1.9 })], &training), 0);
        assert_eq!(sky(&[None], &training), 0, "unknown counts as inside");
        for (level, noise) in [(0.0, 2.1), (0.0, 0.4), (0.0, 0.0), (1.5, 1.0), (f64::NAN, 1.0)] {
            assert_eq!(
                sky(&[Some(SkyStatistics { level, noise })], &training),
                SKY,
                "{level} {noise}"
            );
        }
        assert_eq!((near_edge(4.39, 55, 0.2), near_edge(4.41, 55, 0.2)), (0, NEAR_EDGE));
    }

    #[test]
    fn prediction_flags() {
        let labels = (0.5, 2.0);
        assert_eq!(
            [0.4, 0.5, 2.0, 2.1].map(|t| label_range(t, [t, t], labels)),
            [16, 0, 0, 16]
        );
        let intervals = [[0.36, 2.14], [0.34, 1.5], [0.9, 2.16]];
        assert_eq!(
            intervals.map(|interval| label_range(1.0, interval, labels)),
            [0, 16, 16]
        );
        assert_eq!((epistemic(0.7, 1.0, None), epistemic(0.71, 1.0, None)), (0, EPISTEMIC));
        let limited = [0.1, 0.11].map(|sigma_epistemic| epistemic(sigma_epistemic, 1.0, Some(0.1)));
        assert_eq!(limited, [0, EPISTEMIC]);
        let scores = [Some(1.5), Some(1.6), None].map(|score| out_of_distribution(score, Some(1.5)));
        assert_eq!(scores, [0, OUT_OF_DISTRIBUTION, 0]);
        assert_eq!(out_of_distribution(Some(9.0), None), 0);
    }

    #[test]
    fn one_diverged_member_is_found_whatever_it_does_to_the_mean() {
        let var = [0.01; 5];
        assert_eq!(disagree(&[1.0, 1.1, 0.9, 1.05, 1.2], &var), 0);
        assert_eq!(disagree(&[1.0, 1.1, 0.9, 1.05, 1.6], &var), DISAGREE);
        assert_eq!(disagree(&[1.0, 1.1, 0.9, 1.05, 1e6], &var), DISAGREE);
        // A diverged member with a large variance of its own.
        assert_eq!(disagree(&[1.0, 1.1, 0.9, 1.05, 1.6], &[0.01, 0.01, 0.01, 0.01, 1.0]), 0);
        // A diverged member with a huge variance hides no other disagreement.
        assert_eq!(
            disagree(&[1.0, 1.0, 1.0, 1.6, 9.0], &[0.01, 0.01, 0.01, 0.01, 1e9]),
            DISAGREE
        );
    }

    #[test]
    fn few_members() {
        assert_eq!(disagree(&[1.0], &[0.01]), 0);
        assert_eq!(disagree(&[1.0, 1.4], &[0.01; 2]), 0);
        assert_eq!(disagree(&[1.0, 1.5], &[0.01; 2]), DISAGREE);
        assert_eq!(disagree(&[1.0, 1.0, 2.0, 2.0], &[0.01; 4]), DISAGREE);
    }
}
