//! How unlike the training images an image is: the Mahalanobis distance of the last hidden layer's features from those
//! of the training images (Lee et al. 2018, arXiv 1807.03888, eq. 2, with one class), averaged over the members.
//!
//! A network answers every image, and its sigma knows only the noise of images like those it was shown. The distance
//! needs no label, and says how far an answer is an extrapolation.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// Of the images that the threshold comes from, the share whose score lies above it: false alarms.
pub const FALSE_ALARMS: f64 = 0.01;

/// From which score on an image is flagged, and where that comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    pub score: f64,
    /// Images that it was taken from.
    pub rows: usize,
    /// Their folder, or the split of the training data.
    pub data: String,
}

impl Threshold {
    /// The 99th percentile of `scores`, which must not be those of training images: a network has fitted itself to them,
    /// and their distances are smaller. `None` without scores.
    pub fn new(mut scores: Vec<f64>, data: impl Into<String>) -> Option<Threshold> {
        scores.sort_by(f64::total_cmp);
        let rank = ((1.0 - FALSE_ALARMS) * scores.len() as f64).ceil() as usize;
        Some(Threshold {
            score: *scores.get(rank.max(1) - 1)?,
            rows: scores.len(),
            data: data.into(),
        })
    }
}

/// Where the training images lie among one member's features: a Gaussian.
#[derive(Clone, Debug, PartialEq)]
pub struct Cloud {
    /// (F).
    pub mean: Vec<f32>,
    /// (F, F), lower triangular: the inverse of the covariance's Cholesky factor, so that the squared distance is
    /// |whitening (f - mean)|^2.
    pub whitening: Vec<f32>,
}

impl Cloud {
    /// Of `rows`, (N, `size`). The covariance is shrunk towards a multiple of the identity (Ledoit & Wolf 2004, J.
    /// Multivar. Anal. 88, 365), so that features which never vary, as those of a dead unit, have an inverse too.
    ///
    /// # Errors
    /// Fewer than two rows; features that are not finite, or none of which varies.
    pub fn fit(rows: &[f32], size: usize) -> Result<Cloud> {
        let n = rows.len() / size;
        ensure!(n >= 2, "{n} images are too few to know what is usual");
        let mut mean = vec![0.0; size];
        for row in rows.chunks_exact(size) {
            mean.iter_mut()
                .zip(row)
                .for_each(|(m, &f)| *m += f64::from(f) / n as f64);
        }
        let centred: Vec<f64> = rows
            .chunks_exact(size)
            .flat_map(|row| row.iter().zip(&mean).map(|(&f, m)| f64::from(f) - m))
            .collect();
        let factor = cholesky(shrunk_covariance(&centred, size), size);
        ensure!(
            factor.iter().all(|v| v.is_finite()),
            "the features of the last hidden layer do not vary, or are not finite"
        );
        Ok(Cloud {
            mean: mean.into_iter().map(|m| m as f32).collect(),
            whitening: inverse_of_lower(&factor, size).into_iter().map(|v| v as f32).collect(),
        })
    }

    /// sqrt(Mahalanobis distance^2 / F): about 1 for what the Gaussian was fitted on.
    pub fn distance(&self, features: &[f32]) -> f64 {
        let size = self.mean.len();
        let offset: Vec<f64> = features
            .iter()
            .zip(&self.mean)
            .map(|(&f, &m)| f64::from(f) - f64::from(m))
            .collect();
        let square = |row: &[f32]| {
            let sum: f64 = row.iter().zip(&offset).map(|(&w, o)| f64::from(w) * o).sum();
            sum * sum
        };
        let sum: f64 = self.whitening.chunks_exact(size).map(square).sum();
        (sum / size as f64).sqrt()
    }
}

/// Of centred rows (N, `size`): (1 - s) S + s tr(S)/F I with S their covariance, and s such that the expected squared
/// error is least (Ledoit & Wolf 2004, eq. 14).
fn shrunk_covariance(centred: &[f64], size: usize) -> Vec<f64> {
    let n = (centred.len() / size) as f64;
    let mut covariance = vec![0.0; size * size];
    for row in centred.chunks_exact(size) {
        for (i, a) in row.iter().enumerate() {
            let line = &mut covariance[i * size..][..size];
            line.iter_mut().zip(row).for_each(|(c, b)| *c += a * b / n);
        }
    }
    let squared = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>();
    let level = (0..size).map(|i| covariance[i * size + i]).sum::<f64>() / size as f64;
    let from_identity = squared(&covariance) - size as f64 * level * level;
    // Sum over the rows of |x x^T - S|^2 = |x|^4 - 2 x^T S x + |S|^2, whose middle terms add up to -2 n |S|^2.
    let fourth: f64 = centred.chunks_exact(size).map(|row| squared(row).powi(2)).sum();
    let scatter = (fourth / n - squared(&covariance)) / n;
    let shrinkage = if from_identity > 0.0 {
        (scatter / from_identity).clamp(0.0, 1.0)
    } else {
        1.0
    };
    for (i, value) in covariance.iter_mut().enumerate() {
        let target = if i % (size + 1) == 0 { level } else { 0.0 };
        *value += shrinkage * (target - *value);
    }
    covariance
}

/// The lower factor L of a = L L^T; not finite where `a` is not positive definite.
fn cholesky(mut a: Vec<f64>, size: usize) -> Vec<f64> {
    for i in 0..size {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| a[i * size + k] * a[j * size + k]).sum();
            let rest = a[i * size + j] - dot;
            a[i * size + j] = if i == j {
                if rest > 0.0 { rest.sqrt() } else { f64::NAN }
            } else {
                rest / a[j * size + j]
            };
        }
        a[i * size + i + 1..(i + 1) * size].fill(0.0);
    }
    a
}

fn inverse_of_lower(l: &[f64], size: usize) -> Vec<f64> {
    let mut inverse = vec![0.0; size * size];
    for column in 0..size {
        for i in column..size {
            let unit = if i == column { 1.0 } else { 0.0 };
            let dot: f64 = (column..i).map(|k| l[i * size + k] * inverse[k * size + column]).sum();
            inverse[i * size + column] = (unit - dot) / l[i * size + i];
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    fn normals(count: usize) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        (0..count).map(|_| StandardNormal.sample(&mut rng)).collect()
    }

    /// Rows x = A z + b of a Gaussian, the third feature constant.
    fn rows(n: usize) -> Vec<f32> {
        normals(2 * n)
            .chunks_exact(2)
            .flat_map(|z| [3.0 + 2.0 * z[0], -1.0 + 1.5 * z[0] + 0.5 * z[1], 7.0])
            .collect()
    }

    #[test]
    fn distances_are_those_of_the_covariance() {
        // Without a constant feature shrinkage is small for many rows: compare with the exact inverse covariance.
        let two: Vec<f32> = rows(200_000).chunks_exact(3).flat_map(|r| [r[0], r[1]]).collect();
        let cloud = Cloud::fit(&two, 2).unwrap();
        for z in [[1.0f64, 0.0], [0.0, 1.0], [-2.0, 3.0]] {
            let x = [(3.0 + 2.0 * z[0]) as f32, (-1.0 + 1.5 * z[0] + 0.5 * z[1]) as f32];
            let expected = ((z[0] * z[0] + z[1] * z[1]) / 2.0).sqrt();
            let got = cloud.distance(&x);
            assert!((got / expected - 1.0).abs() < 0.02, "{z:?}: {got}, {expected}");
        }
    }

    #[test]
    fn a_feature_that_never_varies_is_far_once_it_does() {
        let cloud = Cloud::fit(&rows(500), 3).unwrap();
        let usual = cloud.distance(&[3.0, -1.0, 7.0]);
        let unusual = cloud.distance(&[3.0, -1.0, 9.0]);
        assert!(usual < 0.1 && unusual > 5.0, "{usual}, {unusual}");
    }

    #[test]
    fn few_rows_are_shrunk_and_none_are_refused() {
        // Fewer rows than features: the covariance alone has no inverse.
        let cloud = Cloud::fit(&normals(5 * 8), 8).unwrap();
        assert!(cloud.distance(&[0.5; 8]).is_finite());
        assert!(Cloud::fit(&normals(8), 8).is_err());
        assert!(Cloud::fit(&[1.0; 30], 3).is_err(), "nothing varies");
        assert!(Cloud::fit(&[f32::NAN; 30], 3).is_err());
    }

    #[test]
    fn one_in_a_hundred_lies_above_the_threshold() {
        let threshold = Threshold::new((1..=1000).map(f64::from).collect(), "x").unwrap();
        assert_eq!((threshold.score, threshold.rows), (990.0, 1000));
        assert_eq!(Threshold::new(vec![2.0], "x").unwrap().score, 2.0);
        assert!(Threshold::new(vec![], "x").is_none());
    }
}
