//! What happened in each epoch, and the `log.csv` that says so.

use crate::files;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::Path;

/// One epoch of all members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: usize,
    /// Of its last step.
    pub learning_rate: f64,
    pub seconds: f64,
    /// In the order of the run's members.
    pub members: Vec<MemberEpoch>,
}

/// One member's epoch. Figures that are not finite, or that no row was there for, are none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberEpoch {
    pub member: u32,
    /// Mean over the epoch's mini-batches, as they were trained on: -ln p in arcsec, and arcsec.
    pub train_nll: Option<f64>,
    pub train_rmse: Option<f64>,
    /// Of the validation rows, by the running statistics.
    pub val_nll: Option<f64>,
    pub val_rmse: Option<f64>,
    /// Mean norm of the gradient before clipping.
    pub gradient_norm: Option<f64>,
    /// Steps left out in this epoch because something was not finite, and returns to the last good weights.
    pub skipped: usize,
    pub restored: usize,
    /// Whether these are the member's best weights so far.
    pub best: bool,
}

/// Writes all epochs, one row an epoch and member.
pub fn write_log(path: &Path, history: &[EpochRecord]) -> Result<()> {
    Ok(files::write_atomic(path, |file| {
        writeln!(
            file,
            "epoch,member,learning_rate,train_nll,train_rmse,val_nll,val_rmse,gradient_norm,skipped,restored,best,seconds"
        )?;
        let text = |value: Option<f64>| value.map_or(String::new(), |v| format!("{v:.6}"));
        for epoch in history {
            for m in &epoch.members {
                writeln!(
                    file,
                    "{},{},{:e},{},{},{},{},{},{},{},{},{:.3}",
                    epoch.epoch,
                    m.member,
                    epoch.learning_rate,
                    text(m.train_nll),
                    text(m.train_rmse),
                    text(m.val_nll),
                    text(m.val_rmse),
                    text(m.gradient_norm),
                    m.skipped,
                    m.restored,
                    u8::from(m.best),
                    epoch.seconds
                )?;
            }
        }
        Ok(())
    })?)
}
