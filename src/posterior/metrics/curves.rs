//! Stated against observed: what reliability diagrams and sigma-error plots are drawn from.

use super::ScoredPrediction;

/// Levels at which curves are compared, 0 and 1 among them.
pub const LEVELS: usize = 100;
/// Bins of sigma at most; each holds at least this many objects.
const BINS: usize = 10;
const LEAST_IN_BIN: usize = 10;

/// (level, share of objects at or below it) at [`LEVELS`] evenly spaced levels from 0 to 1. `levels` ascend.
pub fn curve(levels: &[f64]) -> Vec<[f64; 2]> {
    let at = |k: usize| k as f64 / (LEVELS - 1) as f64;
    let share = |level: f64| levels.partition_point(|&v| v <= level) as f64 / levels.len() as f64;
    (0..LEVELS).map(|k| [at(k), share(at(k))]).collect()
}

/// Levels of the central intervals that just hold each truth, |2 PIT - 1|, ascending.
pub fn central_levels(pits: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut levels: Vec<f64> = pits.map(|pit| (2.0 * pit - 1.0).abs()).collect();
    levels.sort_by(f64::total_cmp);
    levels
}

/// The area between a [`curve`] and the diagonal, by straight lines between its points: 0 is calibrated, 0.5 the worst.
pub fn miscalibration_area(curve: &[[f64; 2]]) -> f64 {
    let piece = |pair: &[[f64; 2]]| {
        let (a, b) = (pair[0][1] - pair[0][0], pair[1][1] - pair[1][0]);
        let width = pair[1][0] - pair[0][0];
        if a * b < 0.0 {
            // Two triangles on either side of the crossing.
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
    pub n: usize,
    /// Root of the mean variance, arcsec.
    pub stated: f64,
    /// Root of the mean squared error, arcsec.
    pub observed: f64,
}

/// At most ten bins of equally many objects, by ascending sigma.
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
            stated: root_mean(part.iter().map(|(sigma, _)| sigma * sigma).sum()),
            observed: root_mean(part.iter().map(|(_, error)| error * error).sum()),
        }
    };
    (0..bins).map(bin).collect()
}

/// Expected normalised calibration error (Levi et al. 2022, Sensors 22, 5540): mean over the bins of
/// |stated - observed| / stated.
pub fn ence(bins: &[SigmaBin]) -> f64 {
    bins.iter()
        .map(|b| (b.stated - b.observed).abs() / b.stated)
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
        let bins = [(2.0, 1.0), (1.0, 1.5)].map(|(stated, observed)| SigmaBin { n: 1, stated, observed });
        assert_eq!(ence(&bins), 0.5);
    }
}
