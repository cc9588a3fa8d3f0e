//! The loop over epochs.

use super::error::Error;
use super::folder::RunFolder;
use super::trainer::{EpochEnd, Trainer};
use crate::progress::{Callback, Event, Phase};
use std::ops::ControlFlow;

/// Trains to the end, or until `progress` asks to stop. With a `folder`, the log is written after every epoch, and a
/// checkpoint now and then and at the end.
///
/// # Errors
/// The device was lost, or the folder cannot be written.
pub fn fit(trainer: &mut Trainer, mut folder: Option<&mut RunFolder>, progress: &Callback) -> Result<EpochEnd, Error> {
    let epochs = trainer.options.epochs;
    let total = epochs * trainer.steps();
    let mut stop = false;
    while !trainer.is_done() {
        let before = trainer.state().epoch * trainer.steps();
        let end = trainer.epoch(&mut |done| {
            let (phase, done) = (Phase::Training, before + done);
            stop |= progress(Event::Advanced { phase, done, total }).is_break();
            if stop || folder.as_ref().is_some_and(|folder| folder.checkpoint_due()) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        if end == EpochEnd::Complete {
            let history = &trainer.state().history;
            let record = history.last().expect("an epoch is complete");
            stop |= progress(Event::Epoch { record, epochs }).is_break();
            if let Some(folder) = &folder {
                folder.write_log(history)?;
            }
        }
        if let Some(folder) = &mut folder
            && (stop || folder.checkpoint_due())
        {
            folder.write_checkpoint(trainer)?;
        }
        if stop && !trainer.is_done() {
            return Ok(EpochEnd::Interrupted);
        }
    }
    if let Some(folder) = folder {
        folder.write_checkpoint(trainer)?;
    }
    Ok(EpochEnd::Complete)
}
