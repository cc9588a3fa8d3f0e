//! Metrics of the lens head: how well p_lens separates lenses from other objects, and whether it is a probability.
//! Formulae and sources are in `docs/evaluation.md`.

use super::bootstrap::{SAMPLES, resample};
use rayon::prelude::*;
use serde::Serialize;

/// Number of bins of a reliability diagram, if there are enough objects.
const BINS: usize = 10;
/// Minimum number of objects in a bin.
const LEAST_IN_BIN: usize = 10;
/// Probabilities are kept this far from 0 and 1 in the cross-entropy, which is infinite there.
const LEAST_PROBABILITY: f64 = 1e-15;

/// One object with its class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoredClass {
    /// Whether it is a lens.
    pub is_lens: bool,
    /// Predicted probability that it is one.
    pub p_lens: f64,
}

/// -ln of the probability of an object's class.
pub fn cross_entropy(is_lens: bool, p_lens: f64) -> f64 {
    let p = if is_lens { p_lens } else { 1.0 - p_lens };
    // Not max(), which turns NaN into a number.
    if p < LEAST_PROBABILITY {
        -LEAST_PROBABILITY.ln()
    } else {
        -p.ln()
    }
}

/// Metrics of a set of objects of both classes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassMetrics {
    /// Number of lenses.
    pub lenses: usize,
    /// Number of other objects.
    pub others: usize,
    /// Area under the ROC curve: the probability that a lens has a higher p_lens than another object; 0.5 is chance.
    pub roc_auc: f64,
    /// 2.5 and 97.5 % quantiles of `roc_auc` over bootstrap samples.
    pub roc_auc_interval: [f64; 2],
    /// Mean of -ln of the probability of the object's class.
    pub cross_entropy: f64,
    /// Mean of (p_lens - is_lens)^2.
    pub brier: f64,
    /// Mean over the objects of |mean p_lens - fraction of lenses| of their bin.
    pub calibration_error: f64,
    /// Fraction of lenses with p_lens of at least 0.5.
    pub completeness: f64,
    /// Fraction of lenses among the objects with p_lens of at least 0.5; `None` if there are none.
    pub purity: Option<f64>,
}

impl ClassMetrics {
    /// The metrics of `objects`; `None` unless there are objects of both classes, all with finite probabilities. `seed`
    /// determines the bootstrap samples.
    pub fn new(objects: &[ScoredClass], seed: u64) -> Option<ClassMetrics> {
        let finite = objects.iter().all(|o| o.p_lens.is_finite());
        let auc = roc_auc(objects).filter(|_| finite)?;
        let n = objects.len() as f64;
        let mean = |value: fn(&ScoredClass) -> f64| objects.iter().map(value).sum::<f64>() / n;
        let samples = (0..SAMPLES).into_par_iter();
        let mut areas: Vec<f64> = samples.filter_map(|k| roc_auc(&resample(objects, seed, k))).collect();
        areas.sort_by(f64::total_cmp);
        let area_at = |q: f64| areas.get((q * (areas.len() as f64 - 1.0)).round() as usize).copied();
        let lenses = objects.iter().filter(|o| o.is_lens).count();
        let selected = objects.iter().filter(|o| o.p_lens >= 0.5);
        let (found, selected) = (selected.clone().filter(|o| o.is_lens).count(), selected.count());
        let error_of = |bin: &ReliabilityBin| bin.n as f64 * (bin.predicted - bin.observed).abs() / n;
        Some(ClassMetrics {
            lenses,
            others: objects.len() - lenses,
            roc_auc: auc,
            roc_auc_interval: [0.025, 0.975].map(|q| area_at(q).unwrap_or(f64::NAN)),
            cross_entropy: mean(|o| cross_entropy(o.is_lens, o.p_lens)),
            brier: mean(|o| (o.p_lens - f64::from(u8::from(o.is_lens))).powi(2)),
            calibration_error: reliability_bins(objects).iter().map(error_of).sum(),
            completeness: found as f64 / lenses as f64,
            purity: (selected > 0).then(|| found as f64 / selected as f64),
        })
    }
}

/// The ROC curve: for falling thresholds on p_lens, the fraction of other objects and that of lenses at or above it,
/// from (0, 0) to (1, 1). Objects of equal p_lens make one step. Empty unless there are objects of both classes.
pub fn roc_curve(objects: &[ScoredClass]) -> Vec<[f64; 2]> {
    let mut sorted = objects.to_vec();
    sorted.sort_by(|a, b| b.p_lens.total_cmp(&a.p_lens));
    let lenses = sorted.iter().filter(|o| o.is_lens).count();
    let others = sorted.len() - lenses;
    if lenses == 0 || others == 0 {
        return Vec::new();
    }
    let mut curve = vec![[0.0, 0.0]];
    let (mut found, mut wrong) = (0, 0);
    for equal in sorted.chunk_by(|a, b| a.p_lens == b.p_lens) {
        let among = equal.iter().filter(|o| o.is_lens).count();
        found += among;
        wrong += equal.len() - among;
        curve.push([wrong as f64 / others as f64, found as f64 / lenses as f64]);
    }
    curve
}

/// The area under the ROC curve, by trapezoids: a tie counts half (Hanley & McNeil 1982, Radiology 143, 29).
fn roc_auc(objects: &[ScoredClass]) -> Option<f64> {
    let curve = roc_curve(objects);
    let piece = |pair: &[[f64; 2]]| (pair[1][0] - pair[0][0]) * (pair[0][1] + pair[1][1]) / 2.0;
    (!curve.is_empty()).then(|| curve.windows(2).map(piece).sum())
}

/// Objects of similar p_lens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ReliabilityBin {
    /// Number of objects.
    pub n: usize,
    /// Mean p_lens.
    pub predicted: f64,
    /// Fraction of lenses.
    pub observed: f64,
}

/// Up to ten bins with equal numbers of objects, in ascending order of p_lens.
pub fn reliability_bins(objects: &[ScoredClass]) -> Vec<ReliabilityBin> {
    let mut sorted = objects.to_vec();
    sorted.sort_by(|a, b| a.p_lens.total_cmp(&b.p_lens));
    let n = sorted.len();
    let bins = (n / LEAST_IN_BIN).clamp(1, BINS);
    let bin = |k: usize| {
        let part = &sorted[k * n / bins..(k + 1) * n / bins];
        let count = part.len() as f64;
        ReliabilityBin {
            n: part.len(),
            predicted: part.iter().map(|o| o.p_lens).sum::<f64>() / count,
            observed: part.iter().filter(|o| o.is_lens).count() as f64 / count,
        }
    };
    (0..bins).map(bin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(rows: &[(u8, f64)]) -> Vec<ScoredClass> {
        let object = |&(is_lens, p_lens): &(u8, f64)| ScoredClass {
            is_lens: is_lens == 1,
            p_lens,
        };
        rows.iter().map(object).collect()
    }

    #[test]
    fn metrics_by_hand() {
        // Of the four pairs, the lens is above the other object in two and equal to it in one.
        let rows = objects(&[(1, 0.9), (0, 0.6), (1, 0.6), (0, 0.8)]);
        let metrics = ClassMetrics::new(&rows, 1).unwrap();
        assert_eq!((metrics.lenses, metrics.others, metrics.roc_auc), (2, 2, 0.625));
        let entropy = -(0.9f64.ln() + 0.4f64.ln() + 0.6f64.ln() + 0.2f64.ln()) / 4.0;
        assert!((metrics.cross_entropy - entropy).abs() < 1e-12);
        assert!((metrics.brier - (0.01 + 0.36 + 0.16 + 0.64) / 4.0).abs() < 1e-12);
        assert!((metrics.calibration_error - 0.225).abs() < 1e-12);
        assert_eq!((metrics.completeness, metrics.purity), (1.0, Some(0.5)));
        assert_eq!(roc_curve(&rows), [[0.0, 0.0], [0.0, 0.5], [0.5, 0.5], [1.0, 1.0]]);
    }

    #[test]
    fn perfect_and_reversed_predictions_and_one_class() {
        let auc = |rows: &[(u8, f64)]| ClassMetrics::new(&objects(rows), 1).map(|metrics| metrics.roc_auc);
        assert_eq!(auc(&[(1, 1.0), (0, 0.0), (1, 0.7)]), Some(1.0));
        assert_eq!(auc(&[(1, 0.1), (0, 0.2)]), Some(0.0));
        assert_eq!(auc(&[(1, 0.4), (0, 0.4), (0, 0.4)]), Some(0.5));
        assert_eq!(auc(&[(1, 0.4), (1, 0.5)]), None);
        assert_eq!(auc(&[(1, f64::NAN), (0, 0.5)]), None);
        let none = ClassMetrics::new(&objects(&[(1, 0.1), (0, 0.2)]), 1).unwrap();
        assert_eq!((none.completeness, none.purity), (0.0, None));
    }

    #[test]
    fn certainty_that_is_wrong_costs_much_and_not_infinitely_much() {
        assert_eq!(cross_entropy(true, 1.0), 0.0);
        assert!((cross_entropy(true, 0.25) - 4f64.ln()).abs() < 1e-12);
        assert!((cross_entropy(false, 1.0) - 34.54).abs() < 0.01);
        assert!(cross_entropy(true, f64::NAN).is_nan());
    }

    /// 200 lenses and 200 others whose p_lens are uniform on (0.25, 1) and (0, 0.75): AUC 7/9, standard error 0.023 by
    /// Hanley & McNeil.
    #[test]
    fn the_interval_is_as_wide_as_theory_says() {
        let rows: Vec<(u8, f64)> = (0..400)
            .map(|i| {
                let lens = (i % 2) as u8;
                (lens, 0.25 * f64::from(lens) + 0.75 * ((i / 2) as f64 + 0.5) / 200.0)
            })
            .collect();
        let metrics = ClassMetrics::new(&objects(&rows), 1).unwrap();
        assert!((metrics.roc_auc - 7.0 / 9.0).abs() < 0.005, "{metrics:?}");
        let [low, high] = metrics.roc_auc_interval;
        assert!(low < metrics.roc_auc && metrics.roc_auc < high);
        assert!((high - low - 3.92 * 0.023).abs() < 0.025, "{low} {high}");
        assert_eq!(ClassMetrics::new(&objects(&rows), 1).unwrap(), metrics, "the same seed");
    }

    #[test]
    fn reliable_probabilities_lie_on_the_diagonal() {
        // Of ten objects with p = k / 10, k are lenses.
        let rows: Vec<(u8, f64)> = (0..100)
            .map(|i| (u8::from(i % 10 < i / 10), (i / 10) as f64 / 10.0))
            .collect();
        let bins = reliability_bins(&objects(&rows));
        assert_eq!(bins.len(), 10);
        assert!(
            bins.iter().all(|bin| (bin.predicted - bin.observed).abs() < 1e-12),
            "{bins:?}"
        );
        assert_eq!(reliability_bins(&objects(&rows[..5])).len(), 1);
    }
}
