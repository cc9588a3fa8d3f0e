//! Whether a checkpoint can be resumed: its counts may have been edited.

use super::checkpoint::TrainingState;
use super::error::Error;
use super::trainer::Trainer;
use crate::plan::state;

impl Trainer {
    /// Checks that how far a training is fits this training, and that its lists have an entry per member and epoch.
    /// `counters`: the state of every member on the device.
    ///
    /// # Errors
    /// [`Error::CheckpointProgress`], with the first count that does not fit.
    pub(super) fn check_resumable(&self, found: &TrainingState, counters: &[u32]) -> Result<(), Error> {
        let members = self.slots().len();
        let steps = self.steps_before(found.shard).saturating_add(found.step);
        let per_member = |length: usize| length == members;
        // Checkpoints of early versions lack some of the lists.
        let per_member_or_none = |length: usize| length == members || length == 0;
        let logged = found.logged.first().map_or(0, Vec::len);
        let taken = counters.iter().skip(state::TAKEN).step_by(state::WORDS);
        let most_steps = found.epoch.saturating_add(1).saturating_mul(self.steps());
        let checks = [
            ("epoch", found.epoch <= self.options.epochs),
            ("shard and step", steps <= self.steps()),
            ("history", found.history.len() == found.epoch),
            (
                "history",
                found.history.iter().all(|epoch| per_member(epoch.members.len())),
            ),
            ("best", per_member(found.best.len())),
            (
                "best",
                found.best.iter().flatten().all(|best| best.epoch <= found.epoch),
            ),
            ("stopped", per_member_or_none(found.stopped.len())),
            ("initial", per_member_or_none(found.initial.len())),
            ("logged", per_member(found.logged.len())),
            ("logged", found.logged.iter().all(|values| values.len() == logged)),
            (
                "logged",
                if steps == 0 {
                    logged == 0
                } else {
                    logged > 0 && logged.is_multiple_of(steps)
                },
            ),
            ("state", taken.into_iter().all(|&taken| taken as usize <= most_steps)),
        ];
        match checks.into_iter().find(|(_, fits)| !fits) {
            Some((what, _)) => Err(Error::CheckpointProgress { what }),
            None => Ok(()),
        }
    }
}
