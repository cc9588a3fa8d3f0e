//! A Gaussian fitted to vectors, and the Mahalanobis distance from it.

use super::super::Error;
use nalgebra::{Cholesky, DMatrix};

/// A Gaussian fitted to vectors of F features of the training images, such as one member's outputs of the last hidden
/// layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Cloud {
    /// (F).
    pub mean: Vec<f32>,
    /// (F, F) by rows, lower triangular: the inverse of the covariance's Cholesky factor. The squared Mahalanobis distance
    /// is |whitening (f - mean)|^2.
    pub whitening: Vec<f32>,
}

impl Cloud {
    /// Fits the Gaussian to features (N, F) with F = `size`.
    ///
    /// The covariance is shrunk towards a multiple of the identity (Ledoit & Wolf 2004, J. Multivar. Anal. 88, 365), so that
    /// it has an inverse even if some features are constant, such as those of a dead unit. `ridge` is added to its
    /// diagonal: the variance below which a difference counts for little.
    ///
    /// # Errors
    /// Fewer than two images; features that are not finite, or all constant.
    pub fn fit(features: &[f32], size: usize, ridge: f64) -> Result<Cloud, Error> {
        let images = features.len() / size;
        if images < 2 {
            return Err(Error::TooFewImages { images });
        }
        // (F, N): nalgebra stores columns.
        let mut centred = DMatrix::from_iterator(size, images, features.iter().map(|&f| f64::from(f)));
        let mean = centred.column_mean();
        centred.column_iter_mut().for_each(|mut image| image -= &mean);
        let covariance = shrunk_covariance(&centred) + DMatrix::from_diagonal_element(size, size, ridge);
        let cholesky = Cholesky::new(covariance).ok_or(Error::DegenerateFeatures)?;
        let identity = DMatrix::identity(size, size);
        let whitening = cholesky.l().solve_lower_triangular(&identity);
        let whitening = whitening.ok_or(Error::DegenerateFeatures)?;
        if !whitening.iter().all(|v| v.is_finite()) {
            return Err(Error::DegenerateFeatures);
        }
        Ok(Cloud {
            mean: mean.iter().map(|&m| m as f32).collect(),
            whitening: whitening.transpose().iter().map(|&w| w as f32).collect(),
        })
    }

    /// sqrt(squared Mahalanobis distance / F) of features (F): about 1 for images like those of the fit.
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

/// The shrunk covariance of centred features (F, N): (1 - s) S + s tr(S)/F I, where S is the sample covariance and s
/// minimises the expected squared error (Ledoit & Wolf 2004, eq. 14).
fn shrunk_covariance(centred: &DMatrix<f64>) -> DMatrix<f64> {
    let (size, images) = (centred.nrows() as f64, centred.ncols() as f64);
    let covariance = centred * centred.transpose() / images;
    let level = covariance.trace() / size;
    let from_identity = covariance.norm_squared() - size * level * level;
    // Sum over the images of |x x^T - S|^2 = |x|^4 - 2 x^T S x + |S|^2, whose middle terms add up to -2 n |S|^2.
    let fourth: f64 = centred.column_iter().map(|image| image.norm_squared().powi(2)).sum();
    let scatter = (fourth / images - covariance.norm_squared()) / images;
    let shrinkage = if from_identity > 0.0 {
        (scatter / from_identity).clamp(0.0, 1.0)
    } else {
        1.0
    };
    let target = DMatrix::from_diagonal_element(centred.nrows(), centred.nrows(), level);
    &covariance + (target - &covariance) * shrinkage
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
    fn distances_agree_with_the_exact_covariance() {
        // With many images and no constant feature there is little shrinkage.
        let two: Vec<f32> = rows(200_000).chunks_exact(3).flat_map(|r| [r[0], r[1]]).collect();
        let cloud = Cloud::fit(&two, 2, 0.0).unwrap();
        for z in [[1.0f64, 0.0], [0.0, 1.0], [-2.0, 3.0]] {
            let x = [(3.0 + 2.0 * z[0]) as f32, (-1.0 + 1.5 * z[0] + 0.5 * z[1]) as f32];
            let expected = ((z[0] * z[0] + z[1] * z[1]) / 2.0).sqrt();
            let got = cloud.distance(&x);
            assert!((got / expected - 1.0).abs() < 0.02, "{z:?}: {got}, {expected}");
        }
    }

    #[test]
    fn a_change_of_a_constant_feature_is_far_away() {
        let cloud = Cloud::fit(&rows(500), 3, 0.0).unwrap();
        let usual = cloud.distance(&[3.0, -1.0, 7.0]);
        let unusual = cloud.distance(&[3.0, -1.0, 9.0]);
        assert!(usual < 0.1 && unusual > 5.0, "{usual}, {unusual}");
    }

    #[test]
    fn few_images_are_shrunk_and_degenerate_features_are_errors() {
        // Fewer rows than features: the covariance alone has no inverse.
        let cloud = Cloud::fit(&normals(5 * 8), 8, 0.0).unwrap();
        assert!(cloud.distance(&[0.5; 8]).is_finite());
        assert_eq!(Cloud::fit(&normals(8), 8, 0.0), Err(Error::TooFewImages { images: 1 }));
        for value in [1.0, f32::NAN, f32::INFINITY] {
            assert_eq!(
                Cloud::fit(&[value; 30], 3, 0.0),
                Err(Error::DegenerateFeatures),
                "{value}"
            );
        }
    }
}
