//! SkyStatistics and noise of a cutout in units of the stretch, and what was usual in training: how another unit, zero point or
//! depth is noticed.

use serde::{Deserialize, Serialize};

use super::{Cutout, Stretch};
use crate::numeric::median;

/// Standard deviation of a normal distribution over its median absolute deviation.
pub const NORMAL: f64 = 1.4826;

/// Median absolute deviation from `centre`; 0 of nothing.
pub fn mad(mut values: Vec<f64>, centre: f64) -> f64 {
    values.iter_mut().for_each(|v| *v = (*v - centre).abs());
    median(&mut values).unwrap_or(0.0)
}

/// Median and 1.4826 MAD of a band's border pixels, over the stretch's scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SkyStatistics {
    pub level: f64,
    pub noise: f64,
}

impl SkyStatistics {
    /// One a band; `None` for a dead band or where the whole border is masked.
    pub fn of(cutout: &Cutout, stretch: &Stretch) -> Vec<Option<SkyStatistics>> {
        let of_band = |(band, &scale): (usize, &f64)| {
            let mut border: Vec<f64> = cutout.border(band).collect();
            let sky = median(&mut border).filter(|_| scale > 0.0)?;
            Some(SkyStatistics {
                level: sky / scale,
                noise: NORMAL * mad(border, sky) / scale,
            })
        };
        stretch.scale.iter().enumerate().map(of_band).collect()
    }
}

/// What sky and noise of one band may be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BandRange {
    pub sky: [f64; 2],
    pub noise: [f64; 2],
}

/// The training split's range of [`SkyStatistics`] in each band, with room around it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SkyRange {
    pub bands: Vec<BandRange>,
}

/// Share of the training cutouts left out at each end.
const TAIL: f64 = 0.001;

impl SkyRange {
    /// From the 0.1 to the 99.9 percentile, noise widened by a factor 1.5, sky by half its range and half the noise at
    /// each end: other exposures pass, another unit or zero point (a factor of 2.5 is one magnitude) does not.
    pub fn fit(cutouts: &[&Cutout], stretch: &Stretch) -> SkyRange {
        let all: Vec<Vec<Option<SkyStatistics>>> = cutouts.iter().map(|c| SkyStatistics::of(c, stretch)).collect();
        let range = |band: usize| {
            let ends = |value: fn(&SkyStatistics) -> f64| {
                let mut values: Vec<f64> = all.iter().filter_map(|c| c[band].as_ref().map(value)).collect();
                values.sort_by(f64::total_cmp);
                let at = |share: f64| values.get((share * (values.len().saturating_sub(1)) as f64).round() as usize);
                [at(TAIL).copied().unwrap_or(0.0), at(1.0 - TAIL).copied().unwrap_or(0.0)]
            };
            let ([low, high], [quiet, loud]) = (ends(|s| s.level), ends(|s| s.noise));
            let room = 0.5 * (high - low) + 0.5 * loud;
            BandRange {
                sky: [low - room, high + room],
                noise: [quiet / 1.5, loud * 1.5],
            }
        };
        SkyRange {
            bands: (0..stretch.scale.len()).map(range).collect(),
        }
    }

    /// Whether sky and noise of every band, as far as they are known, are as in training.
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
    fn median_and_mad_of_few_values() {
        assert_eq!(mad(vec![1.0, 2.0, 3.0, 4.0, 100.0], 3.0), 1.0);
    }

    #[test]
    fn other_units_and_zero_points_are_noticed_other_noise_is_not() {
        let image = |factor: f32, offset: f32, seed: u32| {
            let pixel = |i: u32| ((i.wrapping_mul(2654435761).wrapping_add(seed * 7919) >> 16) % 1000) as f32 - 500.0;
            let pixels: Vec<f32> = (0..600).map(|i| factor * pixel(i) + offset).collect();
            cutout([20, 30, 1], &pixels)
        };
        let train: Vec<_> = (0..50).map(|seed| image(1e-12, 0.0, seed)).collect();
        let train: Vec<_> = train.iter().collect();
        let (stretch, _) = Stretch::fit(&train, &["r".into()]).unwrap();
        let range = SkyRange::fit(&train, &stretch);
        let usual = |factor, offset| range.contains(&SkyStatistics::of(&image(factor, offset, 99), &stretch));
        assert!(train.iter().all(|c| range.contains(&SkyStatistics::of(c, &stretch))));
        assert!(usual(1e-12, 0.0) && usual(1.2e-12, 0.0));
        assert!(!usual(2.5e-12, 0.0), "one magnitude");
        assert!(!usual(0.4e-12, 0.0));
        assert!(!usual(1.0, 0.0));
        assert!(!usual(1e-12, 1e-9), "a sky that was not subtracted");
        assert!(
            range.contains(&SkyStatistics::of(&cutout([20, 30, 1], &[f32::NAN; 600]), &stretch)),
            "unknown is not unusual"
        );
    }
}
