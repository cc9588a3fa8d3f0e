//! A smooth distribution through given quantiles, where nothing else is known of it.
//!
//! The distribution function is F(x) = Phi(z(x)), where Phi is that of the standard normal distribution and z(x) a monotone
//! cubic through the given points (Fritsch & Butland 1984, SIAM J. Sci. Stat. Comput. 5, 300), continued by straight lines.
//! A normal distribution is therefore rebuilt exactly, tails included, and any other has the given quantiles and a
//! continuous density.

use crate::likelihood::Likelihood;

/// The standard normal scores of [`LEVELS`](super::mixture::LEVELS).
pub const SCORES: [f64; 5] = [
    -1.959_963_984_540_054,
    -0.994_457_883_209_753,
    0.0,
    0.994_457_883_209_753,
    1.959_963_984_540_054,
];

/// The normal scores of the quantiles that [`label_quantiles`] returns. They are further apart in the tails, where labels are
/// few, so that the density between them is not that of single labels.
pub const LABEL_SCORES: [f64; 19] = [
    -3.0, -2.5, -2.0, -1.5, -1.25, -1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0,
];

/// Fewest labels that have such quantiles.
const FEWEST_LABELS: usize = 100;

/// Neighbouring quantiles that are equal are taken to be apart by this fraction of the range of all.
const APART: f64 = 1e-6;

/// A distribution with given quantiles.
#[derive(Clone, Debug)]
pub struct ThroughQuantiles {
    /// In ascending order.
    x: Vec<f64>,
    /// The normal score of each x.
    z: Vec<f64>,
    /// dz/dx at each x, positive.
    slopes: Vec<f64>,
}

impl ThroughQuantiles {
    /// The distribution whose quantiles at the normal scores `z`, which ascend, are `x`. `None` if there are fewer than
    /// two, or if those in `x` are not finite, not in ascending order, or all equal.
    ///
    /// # Panics
    /// Unequal numbers of values and scores.
    pub fn new(x: &[f64], z: &[f64]) -> Option<ThroughQuantiles> {
        assert_eq!(x.len(), z.len(), "a score for each quantile");
        let (first, last) = (*x.first()?, *x.last()?);
        if !(x.iter().all(|x| x.is_finite()) && x.is_sorted() && last > first) {
            return None;
        }
        let mut apart = x.to_vec();
        for i in 1..apart.len() {
            apart[i] = apart[i].max(apart[i - 1] + APART * (last - first));
        }
        let slopes = slopes(&apart, z);
        let usable = slopes.iter().all(|slope| slope.is_finite());
        usable.then(|| ThroughQuantiles {
            x: apart,
            z: z.to_vec(),
            slopes,
        })
    }

    /// The distribution with these quantiles at [`LEVELS`](super::mixture::LEVELS). Quantiles of 0 stand for negative ones,
    /// see [`below_zero`]. `None` as for [`new`](Self::new).
    pub fn at_levels(mut quantiles: [f64; 5]) -> Option<ThroughQuantiles> {
        if quantiles.iter().all(|q| q.is_finite()) {
            below_zero(&mut quantiles);
        }
        ThroughQuantiles::new(&quantiles, &SCORES)
    }

    /// The normal score of x: F(x) = Phi(z).
    pub fn score(&self, x: f64) -> f64 {
        let last = self.x.len() - 1;
        if x <= self.x[0] {
            return self.z[0] + self.slopes[0] * (x - self.x[0]);
        }
        if x >= self.x[last] {
            return self.z[last] + self.slopes[last] * (x - self.x[last]);
        }
        let i = self.x.partition_point(|knot| *knot <= x) - 1;
        let h = self.x[i + 1] - self.x[i];
        let t = (x - self.x[i]) / h;
        let (a, b) = (t * t * (3.0 - 2.0 * t), t * (1.0 - t));
        self.z[i] + a * (self.z[i + 1] - self.z[i]) + h * b * ((1.0 - t) * self.slopes[i] - t * self.slopes[i + 1])
    }

    /// P(a < X <= b) for a <= b.
    pub fn between(&self, a: f64, b: f64) -> f64 {
        normal_between(self.score(a), self.score(b))
    }
}

/// dz/dx at each x: weighted harmonic means of the slopes of the two adjacent intervals, and at the ends that of the
/// parabola through three points, within a factor of 3 of the slope of the interval. The cubics are then monotone.
fn slopes(x: &[f64], z: &[f64]) -> Vec<f64> {
    let n = x.len();
    let h: Vec<f64> = x.windows(2).map(|x| x[1] - x[0]).collect();
    let secant: Vec<f64> = z.windows(2).zip(&h).map(|(z, h)| (z[1] - z[0]) / h).collect();
    let end = |i: usize, next: Option<usize>| {
        let Some(j) = next else { return secant[i] };
        let parabola = ((2.0 * h[i] + h[j]) * secant[i] - h[i] * secant[j]) / (h[i] + h[j]);
        parabola.clamp(secant[i] / 3.0, 3.0 * secant[i])
    };
    let inner = |i: usize| {
        let (before, after) = (h[i] + 2.0 * h[i - 1], 2.0 * h[i] + h[i - 1]);
        (before + after) / (after / secant[i - 1] + before / secant[i])
    };
    let two = n == 2;
    let mut slopes = vec![end(0, (!two).then_some(1))];
    slopes.extend((1..n - 1).map(inner));
    slopes.push(end(n - 2, (!two).then(|| n - 3)));
    slopes
}

/// Replaces quantiles at [`LEVELS`](super::mixture::LEVELS) that a catalogue gives as 0 because they are negative: the line
/// through the two smallest positive ones is extended to them, which rebuilds a normal distribution exactly.
pub fn below_zero(q: &mut [f64; 5]) {
    let first = q.iter().position(|q| *q != 0.0).unwrap_or(q.len());
    if first > 0 && q.len() - first >= 2 {
        let slope = (q[first + 1] - q[first]) / (SCORES[first + 1] - SCORES[first]);
        let line = |i: usize| q[first] - slope * (SCORES[first] - SCORES[i]);
        let extended: Vec<f64> = (0..first).map(|i| line(i).min(0.0)).collect();
        q[..first].copy_from_slice(&extended);
    }
}

/// The quantiles of labels at the normal scores [`LABEL_SCORES`], with linear interpolation as numpy's `quantile`: enough to
/// rebuild their distribution. `None` if there are fewer than 100, or one is not finite.
pub fn label_quantiles(labels: &[f64]) -> Option<Vec<f64>> {
    if labels.len() < FEWEST_LABELS || !labels.iter().all(|label| label.is_finite()) {
        return None;
    }
    let mut sorted = labels.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len() - 1;
    let at = |score: &f64| {
        let place = normal_between(f64::NEG_INFINITY, *score) * last as f64;
        let below = place as usize;
        sorted[below] + place.fract() * (sorted[last.min(below + 1)] - sorted[below])
    };
    Some(LABEL_SCORES.iter().map(at).collect())
}

/// P(a < Z <= b) of the standard normal distribution for a <= b, with full relative precision in both tails.
pub fn normal_between(a: f64, b: f64) -> f64 {
    let tail = |z: f64| Likelihood::Gaussian.tail(z);
    if a >= 0.0 {
        tail(a) - tail(b)
    } else if b <= 0.0 {
        tail(-b) - tail(-a)
    } else {
        1.0 - tail(-a) - tail(b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posterior::mixture::{LEVELS, Mixture};

    fn assert_close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
    }

    #[test]
    fn a_normal_distribution_is_rebuilt_exactly() {
        let rebuilt = ThroughQuantiles::at_levels(SCORES.map(|z| 1.0 + 0.2 * z)).unwrap();
        let limited = ThroughQuantiles::at_levels(SCORES.map(|z| (0.3 + 0.2 * z).max(0.0))).unwrap();
        for z in [-9.0, -3.0, -1.5, -0.1, 0.7, 1.9, 4.0, 9.0] {
            assert_close(rebuilt.score(1.0 + 0.2 * z), z, 1e-12);
            assert_close(limited.score(0.3 + 0.2 * z), z, 1e-12);
        }
        assert_close(rebuilt.between(0.8, 1.2), 0.682_689_492_137_085_9, 1e-12);
        // scipy.stats.norm.sf(9) and the difference of sf(9) and sf(9.5)
        assert_close(rebuilt.between(2.8, 9.0) / 1.128_588_405_953_840_5e-19, 1.0, 1e-9);
        assert_close(normal_between(9.0, 9.5) / 1.118_093_890_878_469_8e-19, 1.0, 1e-9);
    }

    #[test]
    fn any_other_has_the_quantiles_and_is_close_between_them() {
        let cases = [
            Mixture::new(Likelihood::LogNormal, &[1.2], &[0.16]).unwrap(),
            Mixture::new(Likelihood::StudentT, &[0.8, 1.1], &[0.04, 0.02]).unwrap(),
            Mixture::new(Likelihood::Gaussian, &[1.0, 1.2, 1.7], &[0.02, 0.03, 0.08]).unwrap(),
        ];
        for mixture in cases {
            let rebuilt = ThroughQuantiles::at_levels(LEVELS.map(|p| mixture.quantile(p))).unwrap();
            for p in LEVELS {
                assert_close(rebuilt.between(-90.0, mixture.quantile(p)), p, 1e-9);
            }
            for i in 1..100 {
                let p = f64::from(i) / 100.0;
                assert_close(rebuilt.between(-90.0, mixture.quantile(p)), p, 0.025);
            }
        }
    }

    #[test]
    fn scores_ascend_whatever_the_quantiles_are() {
        let cases = [
            [0.1, 0.1, 0.1, 0.5, 3.0],
            [0.0, 0.0, 0.2, 0.20001, 8.0],
            [1.0, 1.0001, 1.5, 1.5002, 1.5003],
            [0.0, 0.0, 0.0, 0.0, 1.0],
        ];
        for quantiles in cases {
            let rebuilt = ThroughQuantiles::at_levels(quantiles).unwrap();
            let scores: Vec<f64> = (-1000..9000).map(|i| rebuilt.score(f64::from(i) / 1000.0)).collect();
            assert!(scores.windows(2).all(|z| z[0] < z[1]), "{quantiles:?}");
        }
    }

    #[test]
    fn quantiles_of_labels_are_those_of_numpy() {
        // numpy.quantile(numpy.arange(200) ** 2, scipy.stats.norm.cdf([-3, -0.75, 0, 3]))
        let labels: Vec<f64> = (0..200).rev().map(|i| f64::from(i * i)).collect();
        let quantiles = label_quantiles(&labels).unwrap();
        for (i, expected) in [
            (0, 0.268_629_708_294_388_54),
            (6, 2_033.994_724_192_706_6),
            (9, 9_900.5),
            (18, 39_494.354_005_807_13),
        ] {
            assert_close(quantiles[i], expected, 1e-8);
        }
        assert_eq!((LABEL_SCORES[6], LABEL_SCORES[9]), (-0.75, 0.0));
        assert!(label_quantiles(&labels[..99]).is_none());
        assert!(label_quantiles(&[f64::NAN; 200]).is_none());
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        for quantiles in [
            [1.0, 2.0, 1.9, 3.0, 4.0],
            [1.0, f64::NAN, 1.9, 3.0, 4.0],
            [1.0, 1.1, 1.9, 3.0, f64::INFINITY],
            [1.0; 5],
            [0.0; 5],
        ] {
            assert!(ThroughQuantiles::at_levels(quantiles).is_none(), "{quantiles:?}");
        }
        assert!(ThroughQuantiles::new(&[1.0], &[0.0]).is_none());
    }
}
