//! Bias correction of the running statistics, and of the moving average of weights and statistics.
//!
//! The statistics start at mean 0 and variance 1 and follow the mini-batches with momentum m = [`NORM_MOMENTUM`], so after n steps
//! the initial values still have the weight m^n. This is removed before the statistics are used, as Adam removes the
//! bias of its moments (Kingma & Ba 2015, section 3); it matters in short runs. The moving average starts at 0, which has
//! the weight decay^n after n steps.

use crate::nn::{Layout, NORM_MOMENTUM};
use crate::plan::state::{FREEZE, KEEP, RESTORE, SKIP, TAKE};
use serde::{Deserialize, Serialize};

/// The weight of the initial values in a member's running statistics.
///
/// It is not m^(steps taken): when a member returns to its last good weights, it gets the statistics and the moving average
/// that were kept with them, and so their weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct InitialWeight {
    /// In the running statistics.
    now: f64,
    /// In those that were kept with the last good weights.
    kept: f64,
    /// In their moving average, which itself starts at 0.
    averaged: f64,
    /// In the moving average that was kept with the last good weights.
    #[serde(default)]
    kept_averaged: f64,
    /// Steps that the moving average has followed.
    #[serde(default)]
    steps: u32,
    /// Those of the moving average that was kept with the last good weights.
    #[serde(default)]
    kept_steps: u32,
}

impl InitialWeight {
    /// Before the first step.
    pub const ALL: InitialWeight = InitialWeight {
        now: 1.0,
        kept: 1.0,
        ..InitialWeight::NONE
    };
    /// If the running statistics are those of a trained model.
    pub const NONE: InitialWeight = InitialWeight {
        now: 0.0,
        kept: 0.0,
        averaged: 0.0,
        kept_averaged: 0.0,
        steps: 0,
        kept_steps: 0,
    };

    /// After `taken` steps without a return to good weights, of which the last `since_kept` came after the weights were
    /// last kept.
    pub fn after(taken: u32, since_kept: u32, decay: f64) -> InitialWeight {
        let mut weight = InitialWeight::ALL;
        for step in 1..=taken {
            weight.follow(if step + since_kept == taken { TAKE + KEEP } else { TAKE }, decay);
        }
        weight
    }

    /// Follows a step with this verdict ([`crate::plan::state::VERDICT`]). `decay` is that of the moving average, 0
    /// without one.
    pub fn follow(&mut self, verdict: u32, decay: f64) {
        match verdict % KEEP {
            TAKE => {
                self.now *= f64::from(NORM_MOMENTUM);
                self.averaged += (1.0 - decay) * (self.now - self.averaged);
                self.steps += 1;
                if verdict >= KEEP {
                    (self.kept, self.kept_averaged, self.kept_steps) = (self.now, self.averaged, self.steps);
                }
            }
            RESTORE => (self.now, self.averaged, self.steps) = (self.kept, self.kept_averaged, self.kept_steps),
            SKIP | FREEZE => {}
            _ => unreachable!("a verdict is one of four"),
        }
    }

    /// For checkpoints of early versions, which kept no moving average with the good weights: as if that of now, after
    /// `taken` steps, had been kept.
    pub fn keep_average(&mut self, taken: u32) {
        self.steps = taken;
        (self.kept_averaged, self.kept_steps) = (self.averaged, self.steps);
    }

    /// The weight in the running statistics.
    pub fn in_statistics(&self) -> f64 {
        self.now
    }

    /// The weight in their moving average of decay `decay`, once that is divided by [`InitialWeight::of_average`].
    pub fn in_average(&self, decay: f64) -> f64 {
        self.averaged / self.of_average(decay)
    }

    /// The weight of everything but the 0 with which the moving average of decay `decay` started: 0 before its first step,
    /// also for a member that has returned to where it began.
    pub fn of_average(&self, decay: f64) -> f64 {
        1.0 - decay.powi(self.steps as i32)
    }
}

/// Removes the initial values, mean 0 and variance 1, which have this weight in a member's running statistics.
pub fn remove_initial(layout: &Layout, stats: &mut [f32], weight: f64) {
    if weight == 1.0 {
        // Nothing else is in them: the member has returned to where it started.
        return;
    }
    for p in &layout.stats {
        let initial = if p.name.ends_with(".moving_variance") { 1.0 } else { 0.0 };
        for value in &mut stats[p.offset..p.offset + p.len()] {
            let corrected = ((f64::from(*value) - weight * initial) / (1.0 - weight)) as f32;
            *value = if initial > 0.0 { corrected.max(0.0) } else { corrected };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_recovery_the_weight_is_the_momentum_to_the_number_of_steps() {
        let m = f64::from(NORM_MOMENTUM);
        for decay in [0.0, 0.9, m, 0.999] {
            for taken in 1..=200 {
                let weight = InitialWeight::after(taken, 0, decay);
                assert!((weight.in_statistics() - m.powi(taken as i32)).abs() < 1e-12);
                // The average of m^i with weights decay^(t-i).
                let terms = (1..=taken).map(|i| (m.powi(i as i32), decay.powi((taken - i) as i32)));
                let (sum, weights) = terms.fold((0.0, 0.0), |(sum, all), (value, w)| (sum + w * value, all + w));
                assert!(
                    (weight.in_average(decay) - sum / weights).abs() < 1e-9,
                    "{decay} {taken}"
                );
            }
        }
    }

    #[test]
    fn after_a_recovery_the_weight_is_that_of_the_kept_statistics() {
        let m = f64::from(NORM_MOMENTUM);
        let mut weight = InitialWeight::after(30, 5, 0.0);
        weight.follow(SKIP, 0.0);
        weight.follow(FREEZE, 0.0);
        assert!((weight.in_statistics() - m.powi(30)).abs() < 1e-12);
        weight.follow(RESTORE, 0.0);
        weight.follow(TAKE, 0.0);
        assert!((weight.in_statistics() - m.powi(26)).abs() < 1e-12);

        let mut first = InitialWeight::after(7, 7, 0.0);
        first.follow(RESTORE, 0.0);
        assert_eq!(first.in_statistics(), 1.0, "nothing was kept but the start");
    }

    #[test]
    fn after_a_recovery_the_weights_of_the_average_are_those_of_the_kept_one() {
        let decay = 0.9;
        let kept = InitialWeight::after(25, 0, decay);
        let mut weight = InitialWeight::after(30, 5, decay);
        assert_ne!(weight.in_average(decay), kept.in_average(decay));
        weight.follow(RESTORE, decay);
        assert_eq!(weight.in_average(decay), kept.in_average(decay));
        assert_eq!(weight.of_average(decay), 1.0 - decay.powi(25));

        let mut first = InitialWeight::after(7, 7, decay);
        first.follow(RESTORE, decay);
        assert_eq!(first.of_average(decay), 0.0, "no step is left in it");
    }
}
