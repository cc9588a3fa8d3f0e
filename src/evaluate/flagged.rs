//! What the flags are worth, and what those answers do that have run away.

use super::LabelledPrediction;
use crate::posterior::metrics::ScoredPrediction;
use crate::survey::flags::FLAGS;
use std::fmt;

/// The largest Einstein radii, arcsec: an answer above twice the largest label is a runaway.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LargestRadii {
    /// Training label.
    pub label: f64,
    /// Mean of a mixture.
    pub answer: f64,
    /// The same among unflagged objects, where there are any.
    pub unflagged: Option<f64>,
}

impl LargestRadii {
    /// # Panics
    /// Where there is no object.
    pub fn new(label: f64, scored: &[ScoredPrediction], unflagged: &[ScoredPrediction]) -> LargestRadii {
        LargestRadii {
            label,
            answer: largest(scored).expect("there are objects"),
            unflagged: largest(unflagged),
        }
    }
}

impl fmt::Display for LargestRadii {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "the largest answer is {:.2}\"", self.answer)?;
        if let Some(unflagged) = self.unflagged {
            write!(f, ", among unflagged objects {unflagged:.2}\"")?;
        }
        write!(f, "; the largest training label is {:.2}\"", self.label)
    }
}

/// Of objects whose flags are as asked.
pub fn with_flags(
    known: &[LabelledPrediction],
    scored: &[ScoredPrediction],
    asked: impl Fn(i32) -> bool,
) -> Vec<ScoredPrediction> {
    let both = known.iter().zip(scored).filter(|(k, _)| asked(k.flags));
    both.map(|(_, &scored)| scored).collect()
}

/// The objects with each flag that any has, and those with any.
pub fn by_flag(
    known: &[LabelledPrediction],
    scored: &[ScoredPrediction],
) -> Vec<(&'static str, Vec<ScoredPrediction>)> {
    let masks = FLAGS.iter().map(|flag| (flag.name, flag.bit)).chain([("any", !0)]);
    masks
        .map(|(name, mask)| (name, with_flags(known, scored, |flags| flags & mask != 0)))
        .filter(|(_, part)| !part.is_empty())
        .collect()
}

fn largest(scored: &[ScoredPrediction]) -> Option<f64> {
    scored.iter().map(|o| o.prediction.theta_e).max_by(f64::total_cmp)
}

/// The mixture's median in place of its mean.
pub fn with_median(scored: &[ScoredPrediction]) -> Vec<ScoredPrediction> {
    let mut scored = scored.to_vec();
    for ScoredPrediction { prediction, .. } in &mut scored {
        [_, _, prediction.theta_e, _, _] = prediction.quantiles;
    }
    scored
}

#[cfg(test)]
mod tests {
    use super::super::score;
    use super::super::tests::known;
    use super::*;
    use crate::posterior::MemberPredictions;
    use crate::posterior::metrics::Metrics;
    use crate::survey::flags::{EPISTEMIC, LABEL_RANGE};

    #[test]
    fn flags_part_the_objects_and_runaways_are_among_the_flagged() {
        let mut known = known(6);
        for (k, flags) in known.iter_mut().zip([0, EPISTEMIC, 0, EPISTEMIC | LABEL_RANGE, 0, 0]) {
            k.flags = flags;
        }
        known[3].answer = MemberPredictions::gaussian(&[100.0; 3], &[0.01; 3]);
        let scored = score(&known, None).unwrap();
        let truths = |part: &[ScoredPrediction]| part.iter().map(|o| o.truth).collect::<Vec<_>>();
        let of = |rows: &[usize]| rows.iter().map(|&row| known[row].truth).collect::<Vec<_>>();
        let found: Vec<_> = by_flag(&known, &scored)
            .iter()
            .map(|(name, part)| (*name, truths(part)))
            .collect();
        let expected = [
            ("label_range", of(&[3])),
            ("epistemic", of(&[1, 3])),
            ("any", of(&[1, 3])),
        ];
        assert_eq!(found, expected);
        let unflagged = with_flags(&known, &scored, |flags| flags == 0);
        assert_eq!(truths(&unflagged), of(&[0, 2, 4, 5]));
        let largest = LargestRadii::new(4.0, &scored, &unflagged);
        assert!((largest.answer - 100.0).abs() < 1e-9);
        assert!((largest.unflagged.unwrap() - (known[5].truth + 0.1)).abs() < 1e-9);
        assert_eq!(LargestRadii::new(4.0, &scored, &[]).unflagged, None);
    }

    #[test]
    fn the_median_does_not_follow_a_runaway() {
        let mut known = known(20);
        for k in &mut known {
            k.answer =
                MemberPredictions::gaussian(&[k.truth - 0.1, k.truth, k.truth + 0.1, k.truth + 50.0], &[0.01; 4]);
        }
        let scored = score(&known, None).unwrap();
        let rmse = |scored: &[ScoredPrediction]| Metrics::new(scored).unwrap().rmse;
        assert!((rmse(&scored) - 12.5).abs() < 1e-9);
        assert!(rmse(&with_median(&scored)) < 0.2);
    }
}
