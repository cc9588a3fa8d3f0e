//! Predicted against observed levels and sigmas: the data of reliability diagrams and of sigma-error plots.

use super::ScoredPrediction;

/// Number of levels of a [`curve`], including 0 and 1.
const LEVELS: usize = 100;
/// Maximum number of bins of sigma.
const BINS: usize = 10;
/// Minimum number of objects in a bin.
const LEAST_IN_BIN: usize = 10;

/// (level, fraction of objects at or below it) at 100 evenly spaced levels from 0 to 1, from the objects' own `levels` in
/// ascending order.
pub fn curve(levels: &[f64]) -> Vec<[f64; 2]> {
    let at = |k: usize| k as f64 / (LEVELS - 1) as f64;
    let fraction = |level: f64| levels.partition_point(|&v| v <= level) as f64 / levels.len() as f64;
    (0..LEVELS).map(|k| [at(k), fraction(at(k))]).collect()
}

/// The level of the smallest central interval that contains each true value, |2 PIT - 1|, in ascending order.
pub fn central_levels(pits: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut levels: Vec<f64> = pits.map(|pit| (2.0 * pit - 1.0).abs()).collect();
    levels.sort_by(f64::total_cmp);
    levels
}

/// The area between a [`curve`] and the diagonal, with straight lines between the points: 0 if calibrated, at most 0.5.
pub fn miscalibration_area(curve: &[[f64; 2]]) -> f64 {
    let piece = |pair: &[[f64; 2]]| {
        let (a, b) = (pair[0][1] - pair[0][0], pair[1][1] - pair[1][0]);
        let width = pair[1][0] - pair[0][0];
        if a * b < 0.0 {
            // Two triangles, one on either side of the crossing.
            0.5 * width * (a * a + b * b) / (a - b).abs()
        } else {
            0.5 * width * (a + b).abs()
        }
    };
    curve.windows(2).map(piece).sum()
}

/// Objects of similar sigma.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SigmaBin {
    /// Number of objects.
    pub n: usize,
    /// Root mean predicted variance, arcsec.
    pub predicted: f64,
    /// Root mean squared error, arcsec.
    pub observed: f64,
}

/// Up to ten bins with equal numbers of objects, in ascending order of sigma.
pub fn sigma_bins(objects: &[ScoredPrediction]) -> Vec<SigmaBin> {
    let mut sorted: Vec<(f64, f64)> = objects.iter().map(|o| (o.prediction.sigma, o.error())).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let n = sorted.len();
    let bins = (n / LEAST_IN_BIN).clamp(1, BINS);
    let bin = |k: usize| {
        let part = &sorted[k * n / bins..(k + 1) * n / bins];
        let root_mean = |sum: f64| (sum / part.len() as f64).sqrt();
        SigmaBin {
            n: part.len(),
            predicted: root_mean(part.iter().map(|(sigma, _)| sigma * sigma).sum()),
            observed: root_mean(part.iter().map(|(_, error)| error * error).sum()),
        }
    };
    (0..bins).map(bin).collect()
}

/// Expected normalised calibration error (Levi et al. 2022, Sensors 22, 5540): mean over the bins of
/// |predicted - observed| / predicted.
pub fn ence(bins: &[SigmaBin]) -> f64 {
    bins.iter()
        .map(|b| (b.predicted - b.observed).abs() / b.predicted)
        .sum::<f64>()
        / bins.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_and_its_area_by_hand() {
        let curve = curve(&[0.0, 0.25, 0.25, 1.0]);
        assert_eq!((curve[0], curve[24][1], curve[25][1]), ([0.0, 0.25], 0.25, 0.75));
        assert_eq!(curve[99], [1.0, 1.0]);
        assert_eq!(miscalibration_area(&[[0.0, 0.0], [1.0, 1.0]]), 0.0);
        assert_eq!(miscalibration_area(&[[0.0, 0.0], [0.5, 0.0], [1.0, 1.0]]), 0.25);
        // a crossing in the middle: two triangles of base 1/2 and height 1/2
        assert_eq!(miscalibration_area(&[[0.0, 0.5], [1.0, 0.5]]), 0.25);
        assert_eq!(central_levels([0.0, 0.5, 0.75].into_iter()), [0.0, 0.5, 1.0]);
    }

    #[test]
    fn ence_by_hand() {
        let bins = [(2.0, 1.0), (1.0, 1.5)].map(|(predicted, observed)| SigmaBin {
            n: 1,
            predicted,
            observed,
        });
        assert_eq!(ence(&bins), 0.5);
    }
}
