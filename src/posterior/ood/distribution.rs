//! The distribution of statistics of the training images.
//!
//! Each statistic is mapped to a standard normal variable by its quantiles, which makes the distribution closer to a
//! Gaussian; a [`Cloud`] then describes how the statistics depend on each other.

use super::super::Error;
use super::Cloud;

/// Number of quantiles per statistic.
pub const KNOTS: usize = 15;
/// Standard normal values whose quantiles are kept: probabilities 0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.35, 0.5 and so on.
const NORMAL: [f64; KNOTS] = [
    -3.0902, -2.7478, -2.3263, -1.8808, -1.2816, -0.8416, -0.3853, 0.0, 0.3853, 0.8416, 1.2816, 1.8808, 2.3263, 2.7478,
    3.0902,
];
/// Their probabilities.
const PROBABILITIES: [f64; KNOTS] = [
    0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97, 0.99, 0.997, 0.999,
];
/// The smallest standard deviation of a statistic. Statistics are logarithms, and similar: noise that is 5 % higher is no
/// reason for a flag, even if all training images have exactly the same.
const LEAST_STD: f64 = 0.05;
/// Added to the variance of the normal variables: combinations of statistics that vary less count for little.
const RIDGE: f64 = 0.01;
/// Largest normal value: for a statistic that is beyond any comparison, such as that of a band in another unit.
const LARGEST: f64 = 30.0;

/// The distribution of D statistics of the training images.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageDistribution {
    /// (D, [`KNOTS`]): quantiles of each statistic, in ascending order.
    pub knots: Vec<f32>,
    /// The normal variables: mean and whitening.
    pub cloud: Cloud,
}

impl ImageDistribution {
    /// Fits the distribution to images (N), each with the same statistics.
    ///
    /// # Errors
    /// Those of [`Cloud::fit`].
    pub fn fit(images: &[Vec<f32>]) -> Result<ImageDistribution, Error> {
        let size = images.first().map_or(0, Vec::len);
        let mut knots = Vec::with_capacity(size * KNOTS);
        for statistic in 0..size {
            let mut values: Vec<f64> = images.iter().map(|image| f64::from(image[statistic])).collect();
            values.sort_by(f64::total_cmp);
            knots.extend(quantiles(&values).map(|k| k as f32));
        }
        let rows: Vec<f32> = images.iter().flat_map(|image| normal(&knots, image)).collect();
        let cloud = Cloud::fit(&rows, size.max(1), RIDGE)?;
        Ok(ImageDistribution { knots, cloud })
    }

    /// Number of statistics, D.
    pub fn size(&self) -> usize {
        self.cloud.mean.len()
    }

    /// Mahalanobis distance / sqrt(D), and the largest deviation of one statistic in standard deviations.
    pub fn distances(&self, image: &[f32]) -> [f64; 2] {
        let normal = normal(&self.knots, image);
        let largest = normal.iter().fold(0.0, |largest: f32, z| largest.max(z.abs()));
        [self.cloud.distance(&normal), f64::from(largest)]
    }
}

/// The quantiles of sorted values, spread so that one standard deviation is at least [`LEAST_STD`].
fn quantiles(values: &[f64]) -> [f64; KNOTS] {
    let at = |probability: f64| {
        let rank = probability * (values.len() - 1) as f64;
        let (below, above) = (values[rank.floor() as usize], values[rank.ceil() as usize]);
        below + rank.fract() * (above - below)
    };
    let median = at(0.5);
    let mut knots = PROBABILITIES.map(at);
    for (knot, z) in knots.iter_mut().zip(NORMAL) {
        let least = median + LEAST_STD * z;
        *knot = if z < 0.0 { knot.min(least) } else { knot.max(least) };
    }
    knots
}

/// The statistics of one image as normal variables.
fn normal(knots: &[f32], image: &[f32]) -> Vec<f32> {
    let statistics = knots.as_chunks::<KNOTS>().0.iter().zip(image);
    statistics.map(|(knots, &value)| normal_value(knots, value)).collect()
}

/// Piecewise linear between the knots; beyond them with the mean slope of the outer three intervals.
fn normal_value(knots: &[f32; KNOTS], value: f32) -> f32 {
    let slope = |a: usize, b: usize| {
        let width = f64::from(knots[b]) - f64::from(knots[a]);
        (NORMAL[b] - NORMAL[a]) / width.max(LEAST_STD * (NORMAL[b] - NORMAL[a]))
    };
    let last = KNOTS - 1;
    let above = knots.partition_point(|&knot| knot <= value);
    let from = |knot: usize, slope: f64| NORMAL[knot] + slope * (f64::from(value) - f64::from(knots[knot]));
    let z = match above {
        0 => from(0, slope(0, 3)),
        KNOTS => from(last, slope(last - 3, last)),
        _ => {
            let width = f64::from(knots[above]) - f64::from(knots[above - 1]);
            from(above - 1, (NORMAL[above] - NORMAL[above - 1]) / width)
        }
    };
    z.clamp(-LARGEST, LARGEST) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    /// A skewed statistic, one that follows it closely, and a constant one.
    fn images(n: usize) -> Vec<Vec<f32>> {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut normal = || -> f32 { StandardNormal.sample(&mut rng) };
        let image = |_| {
            let z = normal();
            vec![z.exp(), z + 0.1 * normal(), 7.0]
        };
        (0..n).map(image).collect()
    }

    #[test]
    fn quantiles_make_a_skewed_statistic_normal() {
        let distribution = ImageDistribution::fit(&images(50_000)).unwrap();
        assert_eq!(distribution.size(), 3);
        for z in [-2.5f32, -1.0, 0.0, 0.7, 2.0] {
            let normal = normal(&distribution.knots, &[z.exp(), z, 7.0]);
            assert!(
                (normal[0] - z).abs() < 0.1 && (normal[1] - z).abs() < 0.1,
                "{z}: {normal:?}"
            );
            assert_eq!(normal[2], 0.0, "a constant statistic");
            let [distance, largest] = distribution.distances(&[z.exp(), z, 7.0]);
            assert!(
                distance < 1.5 && (largest - f64::from(z.abs())).abs() < 0.1,
                "{z}: {distance}, {largest}"
            );
        }
    }

    #[test]
    fn a_combination_and_a_value_that_do_not_occur_are_far_away() {
        let distribution = ImageDistribution::fit(&images(5000)).unwrap();
        let [distance, largest] = distribution.distances(&[1f32.exp(), -1.0, 7.0]);
        assert!(
            distance > 5.0 && largest < 1.2,
            "each value occurs: {distance}, {largest}"
        );
        let [distance, largest] = distribution.distances(&[100.0, 4.6, 7.0]);
        assert!(
            distance > 1.5 && largest > 4.0,
            "the combination is usual: {distance}, {largest}"
        );
        let [_, largest] = distribution.distances(&[1.0, 0.0, 7.04]);
        assert!(largest < 1.0, "within the resolution: {largest}");
        let [_, largest] = distribution.distances(&[1.0, 0.0, 7.5]);
        assert!(largest > 9.0, "{largest}");
        for huge in [1e30, -1e30, f32::INFINITY] {
            let [distance, largest] = distribution.distances(&[1.0, 0.0, huge]);
            assert!(distance.is_finite() && largest == LARGEST, "{huge}");
        }
    }

    #[test]
    fn values_of_few_images_and_of_few_kinds() {
        let two = [vec![0.0, 1.0], vec![1.0, 1.0]];
        let distribution = ImageDistribution::fit(&two).unwrap();
        assert!(
            two.iter()
                .all(|image| distribution.distances(image).iter().all(|d| d.is_finite()))
        );
        assert_eq!(
            ImageDistribution::fit(&two[..1]),
            Err(Error::TooFewImages { images: 1 })
        );
        // Nearly always 0: a fraction of masked pixels.
        let mostly: Vec<Vec<f32>> = (0..1000).map(|i| vec![if i < 950 { 0.0 } else { 0.3 }]).collect();
        let distribution = ImageDistribution::fit(&mostly).unwrap();
        assert_eq!(distribution.distances(&[0.0])[1], 0.0);
        assert!(distribution.distances(&[0.3])[1] < 3.5);
        assert!(distribution.distances(&[-0.3])[1] > 4.0);
    }
}
