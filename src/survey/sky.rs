//! Sky level and noise of a cutout in units of the stretch, and their range in training: how images with another unit,
//! zero point or depth are detected.

use serde::{Deserialize, Serialize};

use super::{Cutout, Stretch};
use crate::numeric::median;

/// Ratio of a normal distribution's standard deviation to its median absolute deviation (MAD).
pub(super) const MAD_TO_SIGMA: f64 = 1.4826;

/// Median absolute deviation from `centre`; 0 if there are no values.
pub(super) fn mad(mut values: Vec<f64>, centre: f64) -> f64 {
    values.iter_mut().for_each(|v| *v = (*v - centre).abs());
    median(&mut values).unwrap_or(0.0)
}

/// Sky level and noise of one band, in units of the stretch's scale.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SkyStatistics {
    /// Median of the border pixels.
    pub level: f64,
    /// 1.4826 times the median absolute deviation of the border pixels.
    pub noise: f64,
}

impl SkyStatistics {
    /// One per band; `None` for a band that the stretch does not use, if the whole border is masked, and for the rows of a
    /// table.
    pub fn of(cutout: &Cutout, stretch: &Stretch) -> Vec<Option<SkyStatistics>> {
        let of_band = |(band, &scale): (usize, &f64)| {
            let mut border: Vec<f64> = cutout.border(band).collect();
            let sky = median(&mut border).filter(|_| scale > 0.0 && !cutout.is_row())?;
            Some(SkyStatistics {
                level: sky / scale,
                noise: MAD_TO_SIGMA * mad(border, sky) / scale,
            })
        };
        stretch.scale.iter().enumerate().map(of_band).collect()
    }
}

/// The allowed range of [`SkyStatistics`] in one band, in units of the stretch's scale.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BandRange {
    /// Lowest and highest sky level.
    pub sky: [f64; 2],
    /// Lowest and highest noise.
    pub noise: [f64; 2],
}

/// The training split's range of [`SkyStatistics`], with a margin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SkyRange {
    /// One per band.
    pub bands: Vec<BandRange>,
}

/// Fraction of the training cutouts left out at each end of the range.
const TAIL: f64 = 0.001;

impl SkyRange {
    /// From the 0.1 to the 99.9 percentile. The range of the noise is extended by a factor of 1.5 at each end, that of the
    /// sky level by half its width plus half the largest noise: images of another exposure time are inside, those in
    /// another unit or with another zero point (one magnitude is a factor of 2.5) are outside.
    pub fn fit(cutouts: &[&Cutout], stretch: &Stretch) -> SkyRange {
        let all: Vec<Vec<Option<SkyStatistics>>> = cutouts.iter().map(|c| SkyStatistics::of(c, stretch)).collect();
        let range = |band: usize| {
            let ends = |value: fn(&SkyStatistics) -> f64| {
                let mut values: Vec<f64> = all.iter().filter_map(|c| c[band].as_ref().map(value)).collect();
                values.sort_by(f64::total_cmp);
                let at =
                    |fraction: f64| values.get((fraction * (values.len().saturating_sub(1)) as f64).round() as usize);
                [at(TAIL).copied().unwrap_or(0.0), at(1.0 - TAIL).copied().unwrap_or(0.0)]
            };
            let ([low, high], [least_noise, most_noise]) = (ends(|s| s.level), ends(|s| s.noise));
            let margin = 0.5 * (high - low) + 0.5 * most_noise;
            BandRange {
                sky: [low - margin, high + margin],
                noise: [least_noise / 1.5, most_noise * 1.5],
            }
        };
        SkyRange {
            bands: (0..stretch.scale.len()).map(range).collect(),
        }
    }

    /// Whether sky level and noise of every band are inside the range; unknown ones count as inside.
    pub fn contains(&self, sky: &[Option<SkyStatistics>]) -> bool {
        let within = |range: [f64; 2], value: f64| (range[0]..=range[1]).contains(&value);
        let fits = |(range, sky): (&BandRange, &Option<SkyStatistics>)| {
            sky.is_none_or(|sky| within(range.sky, sky.level) && within(range.noise, sky.noise))
        };
        self.bands.iter().zip(sky).all(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::super::cutout::tests::cutout;
    use super::*;

    #[test]
    fn mad_of_few_values() {
        assert_eq!(mad(vec![1.0, 2.0, 3.0, 4.0, 100.0], 3.0), 1.0);
    }

    #[test]
    fn other_units_and_zero_points_are_detected_and_other_noise_is_not() {
        let image = |factor: f32, offset: f32, seed: u32| {
            let pixel = |i: u32| ((i.wrapping_mul(2654435761).wrapping_add(seed * 7919) >> 16) % 1000) as f32 - 500.0;
            let pixels: Vec<f32> = (0..600).map(|i| factor * pixel(i) + offset).collect();
            cutout([20, 30, 1], &pixels)
        };
        let train: Vec<_> = (0..50).map(|seed| image(1e-12, 0.0, seed)).collect();
        let train: Vec<_> = train.iter().collect();
        let (stretch, _) = Stretch::fit(&train, &["r".into()], 0.0).unwrap();
        let range = SkyRange::fit(&train, &stretch);
        let usual = |factor, offset| range.contains(&SkyStatistics::of(&image(factor, offset, 99), &stretch));
        assert!(train.iter().all(|c| range.contains(&SkyStatistics::of(c, &stretch))));
        assert!(usual(1e-12, 0.0) && usual(1.2e-12, 0.0));
        assert!(!usual(2.5e-12, 0.0), "one magnitude");
        assert!(!usual(0.4e-12, 0.0));
        assert!(!usual(1.0, 0.0));
        assert!(!usual(1e-12, 1e-9), "the sky was not subtracted");
        assert!(
            range.contains(&SkyStatistics::of(&cutout([20, 30, 1], &[f32::NAN; 600]), &stretch)),
            "unknown counts as inside"
        );
    }
}
