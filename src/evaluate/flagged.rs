//! How predictions with and without flags differ, and the largest predictions.

use super::LabelledPrediction;
use crate::posterior::metrics::ScoredPrediction;
use crate::survey::flags::FLAGS;
use std::fmt;

/// The largest Einstein radii, arcsec. A prediction above twice the largest training label is a catastrophic outlier,
/// whatever its sigma.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LargestRadii {
    /// Largest training label.
    pub label: f64,
    /// Largest prediction, the mean of the mixture.
    pub prediction: f64,
    /// Largest prediction without a flag; `None` if all are flagged.
    pub unflagged: Option<f64>,
}

impl LargestRadii {
    /// # Panics
    /// No objects.
    pub(super) fn new(label: f64, scored: &[ScoredPrediction], unflagged: &[ScoredPrediction]) -> LargestRadii {
        LargestRadii {
            label,
            prediction: largest(scored).expect("there are objects"),
            unflagged: largest(unflagged),
        }
    }
}

impl fmt::Display for LargestRadii {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "the largest prediction is {:.2}\"", self.prediction)?;
        if let Some(unflagged) = self.unflagged {
            write!(f, " ({unflagged:.2}\" among unflagged objects)")?;
        }
        write!(f, "; the largest training label is {:.2}\"", self.label)
    }
}

/// The objects whose flags satisfy `condition`.
pub(super) fn with_flags(
    objects: &[LabelledPrediction],
    scored: &[ScoredPrediction],
    condition: impl Fn(i32) -> bool,
) -> Vec<ScoredPrediction> {
    let both = objects.iter().zip(scored).filter(|(object, _)| condition(object.flags));
    both.map(|(_, &scored)| scored).collect()
}

/// The objects with each flag that occurs, and those with any flag.
pub(super) fn by_flag(
    objects: &[LabelledPrediction],
    scored: &[ScoredPrediction],
) -> Vec<(&'static str, Vec<ScoredPrediction>)> {
    let masks = FLAGS.iter().map(|flag| (flag.name, flag.bit)).chain([("any", !0)]);
    masks
        .map(|(name, mask)| (name, with_flags(objects, scored, |flags| flags & mask != 0)))
        .filter(|(_, part)| !part.is_empty())
        .collect()
}

fn largest(scored: &[ScoredPrediction]) -> Option<f64> {
    scored.iter().map(|o| o.prediction.theta_e).max_by(f64::total_cmp)
}

/// The predictions with the mixture's median instead of its mean.
pub(super) fn with_median(scored: &[ScoredPrediction]) -> Vec<ScoredPrediction> {
    let mut scored = scored.to_vec();
    for ScoredPrediction { prediction, .. } in &mut scored {
        [_, _, prediction.theta_e, _, _] = prediction.quantiles;
    }
    scored
}

#[cfg(test)]
mod tests {
    use super::super::labelled::score_all;
    use super::super::tests::labelled;
    use super::*;
    use crate::posterior::MemberPredictions;
    use crate::posterior::metrics::Metrics;
    use crate::survey::flags::{EPISTEMIC, LABEL_RANGE};

    #[test]
    fn objects_are_selected_by_flag_and_the_largest_prediction_is_flagged() {
        let mut objects = labelled(6);
        for (object, flags) in objects.iter_mut().zip([0, EPISTEMIC, 0, EPISTEMIC | LABEL_RANGE, 0, 0]) {
            object.flags = flags;
        }
        objects[3].members = MemberPredictions::gaussian(&[100.0; 3], &[0.01; 3]);
        let scored = score_all(&objects, None).unwrap();
        let truths = |part: &[ScoredPrediction]| part.iter().map(|o| o.truth).collect::<Vec<_>>();
        let of = |rows: &[usize]| rows.iter().map(|&row| objects[row].truth).collect::<Vec<_>>();
        let found: Vec<_> = by_flag(&objects, &scored)
            .iter()
            .map(|(name, part)| (*name, truths(part)))
            .collect();
        let expected = [
            ("label_range", of(&[3])),
            ("epistemic", of(&[1, 3])),
            ("any", of(&[1, 3])),
        ];
        assert_eq!(found, expected);
        let unflagged = with_flags(&objects, &scored, |flags| flags == 0);
        assert_eq!(truths(&unflagged), of(&[0, 2, 4, 5]));
        let largest = LargestRadii::new(4.0, &scored, &unflagged);
        assert!((largest.prediction - 100.0).abs() < 1e-9);
        assert!((largest.unflagged.unwrap() - (objects[5].truth + 0.1)).abs() < 1e-9);
        assert_eq!(LargestRadii::new(4.0, &scored, &[]).unflagged, None);
    }

    #[test]
    fn the_median_is_robust_against_one_diverging_member() {
        let mut objects = labelled(20);
        for object in &mut objects {
            let mu = [-0.1, 0.0, 0.1, 50.0].map(|offset| object.truth + offset);
            object.members = MemberPredictions::gaussian(&mu, &[0.01; 4]);
        }
        let scored = score_all(&objects, None).unwrap();
        let rmse = |scored: &[ScoredPrediction]| Metrics::new(scored).unwrap().rmse;
        assert!((rmse(&scored) - 12.5).abs() < 1e-9);
        assert!(rmse(&with_median(&scored)) < 0.2);
    }
}
