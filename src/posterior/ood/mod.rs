//! Out-of-distribution score: how far an image is from the training images, by three distances.
//!
//! | distance | of | finds |
//! |---|---|---|
//! | `features` | the outputs of the last hidden layer: Mahalanobis (Lee et al. 2018, arXiv:1807.03888, eq. 2, with one class), averaged over the members | what the network takes for something new |
//! | `statistics` | statistics of the image that need no network: Mahalanobis | combinations that do not occur in training, such as other colours or correlated bands |
//! | `largest` | the same statistics: the largest single deviation | one statistic that does not occur in training, such as noise, or a pixel hit by a cosmic ray |
//!
//! A network gives a prediction for any image, and its sigma describes only noise like that in its training images.
//! Features alone miss much: a network is trained to ignore what does not matter for its label in the training images,
//! such as the order of bands. None of the distances needs labels.
//!
//! ln(distance) of in-distribution images is close to normal, so each distance becomes a number of standard deviations,
//! and the score is the largest of the three. By construction no single one determines the rate of false alarms.

mod cloud;
mod distribution;

pub use cloud::Cloud;
pub use distribution::{ImageDistribution, KNOTS};

use crate::numeric::upper_limit;
use serde::{Deserialize, Serialize};

/// The fraction of in-distribution images whose score lies above the [`Threshold`].
pub const FALSE_ALARMS: f64 = 0.02;
/// Smallest standard deviation of ln(distance): a few images may have nearly the same distance.
const LEAST_STD: f64 = 0.05;
/// Smallest distance, so that its logarithm is finite.
const LEAST_DISTANCE: f64 = 1e-6;

/// How far one image is from the training images; `None` if the model has nothing to compare with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Distances {
    /// Mahalanobis distance / sqrt(F) of the features, averaged over members: about 1 in distribution.
    pub features: Option<f64>,
    /// Mahalanobis distance / sqrt(D) of the image statistics: about 1 in distribution.
    pub statistics: Option<f64>,
    /// Largest deviation of a single statistic, in standard deviations.
    pub largest: Option<f64>,
}

impl Distances {
    fn all(&self) -> [Option<f64>; 3] {
        [self.features, self.statistics, self.largest]
    }
}

/// Mean and standard deviation of ln(distance) of in-distribution images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Typical {
    /// Of ln(distance).
    pub mean: f64,
    /// Of ln(distance); positive.
    pub std: f64,
}

impl Typical {
    /// `None` without distances.
    fn of(distances: impl Iterator<Item = f64>) -> Option<Typical> {
        let logarithms: Vec<f64> = distances.map(|d| d.max(LEAST_DISTANCE).ln()).collect();
        let n = logarithms.len() as f64;
        let mean = logarithms.iter().sum::<f64>() / n;
        let variance = logarithms.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / n;
        (n > 0.0).then_some(Typical {
            mean,
            std: variance.sqrt().max(LEAST_STD),
        })
    }

    fn score(&self, distance: f64) -> f64 {
        (distance.max(LEAST_DISTANCE).ln() - self.mean) / self.std
    }
}

/// The score above which an image is flagged, and the data that it was derived from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// Images with a higher score are flagged.
    pub score: f64,
    /// Number of images that it was derived from.
    pub rows: usize,
    /// Their folder, or the split of the training data.
    pub data: String,
    /// Of each of the [`Distances`], in their order. Models of earlier versions have none: their score is the distance of
    /// the features itself.
    #[serde(default)]
    pub typical: [Option<Typical>; 3],
}

impl Threshold {
    /// The 98th percentile of the scores of images; `None` without images or distances. They must not be training images,
    /// whose features are closer because the network was fitted to them.
    pub fn new(images: &[Distances], data: impl Into<String>) -> Option<Threshold> {
        let finite = |k: usize| {
            let distances = images.iter().filter_map(move |image| image.all()[k]);
            distances.filter(|d| d.is_finite())
        };
        let mut threshold = Threshold {
            score: 0.0,
            rows: images.len(),
            data: data.into(),
            typical: [0, 1, 2].map(|k| Typical::of(finite(k))),
        };
        let mut scores: Vec<f64> = images.iter().filter_map(|image| threshold.score_of(image)).collect();
        threshold.score = upper_limit(&mut scores, FALSE_ALARMS)?;
        Some(threshold)
    }

    /// The largest of the distances, each in standard deviations of ln(distance); `None` if the image has none that the
    /// threshold was derived from.
    pub fn score_of(&self, image: &Distances) -> Option<f64> {
        if self.typical == [None; 3] {
            return image.features;
        }
        let scores = self.typical.iter().zip(image.all());
        let scores = scores.filter_map(|(typical, distance)| Some(typical.as_ref()?.score(distance?)));
        scores.reduce(f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    /// Independent distances with the given medians, log-normal.
    fn images(n: usize, seed: u64) -> Vec<Distances> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut distance = |median: f64, std: f64| {
            let z: f64 = StandardNormal.sample(&mut rng);
            Some(median * (std * z).exp())
        };
        let image = |_| Distances {
            features: distance(1.0, 0.5),
            statistics: distance(1.0, 0.1),
            largest: distance(3.0, 0.2),
        };
        (0..n).map(image).collect()
    }

    #[test]
    fn two_in_a_hundred_new_images_lie_above_the_threshold_and_each_distance_can_exceed_it() {
        let threshold = Threshold::new(&images(20_000, 1), "x").unwrap();
        assert_eq!((threshold.rows, &*threshold.data), (20_000, "x"));
        let new = images(20_000, 2);
        let above = new.iter().filter(|i| threshold.score_of(i) > Some(threshold.score));
        let share = above.count() as f64 / 20_000.0;
        // The threshold and the share have binomial errors of the same size.
        let error = (2.0 * FALSE_ALARMS * (1.0 - FALSE_ALARMS) / 20_000.0).sqrt();
        assert!((share - FALSE_ALARMS).abs() < 4.0 * error, "{share}");
        let usual = Distances {
            features: Some(1.0),
            statistics: Some(1.0),
            largest: Some(3.0),
        };
        let flagged = |image: Distances| threshold.score_of(&image) > Some(threshold.score);
        assert!(!flagged(usual));
        // Four standard deviations of the logarithm in one of them.
        assert!(flagged(Distances {
            features: Some(2f64.exp()),
            ..usual
        }));
        assert!(flagged(Distances {
            statistics: Some(0.4f64.exp()),
            ..usual
        }));
        assert!(flagged(Distances {
            largest: Some(3.0 * 0.8f64.exp()),
            ..usual
        }));
        // The narrow distances keep their weight next to the wide one.
        assert!(!flagged(Distances {
            features: Some(0.5f64.exp()),
            ..usual
        }));
    }

    #[test]
    fn distances_that_are_missing_equal_or_not_finite() {
        assert_eq!(Threshold::new(&[], "x"), None);
        assert_eq!(Threshold::new(&[Distances::default()], "x"), None);
        let only = |features: f64| Distances {
            features: Some(features),
            ..Distances::default()
        };
        let threshold = Threshold::new(&[only(1.0), only(1.0), only(f64::NAN), only(f64::INFINITY)], "x").unwrap();
        assert_eq!(
            threshold.typical[0],
            Some(Typical {
                mean: 0.0,
                std: LEAST_STD
            })
        );
        assert_eq!(threshold.typical[1..], [None; 2]);
        assert_eq!(threshold.score_of(&only(1.0)), Some(0.0));
        assert_eq!(threshold.score_of(&Distances::default()), None);
    }

    #[test]
    fn thresholds_of_earlier_versions_are_of_the_distance_of_the_features() {
        let text = r#"{"score":1.7,"rows":70,"data":"cutouts/"}"#;
        let threshold: Threshold = serde_json::from_str(text).unwrap();
        let image = Distances {
            features: Some(1.8),
            statistics: Some(9.0),
            largest: Some(9.0),
        };
        assert_eq!((threshold.score, threshold.score_of(&image)), (1.7, Some(1.8)));
    }
}
