//! `log.csv`: losses of every epoch and member.

use super::error::Error;
use crate::files;
use crate::progress::EpochRecord;
use std::io::Write;
use std::path::Path;

/// Writes all epochs, one row per epoch and member. A value that is missing is an empty cell. Without a
/// lens head there are no columns of cross-entropies, and without folds no column for them.
///
/// # Errors
/// Those of [`files::write_atomic`].
pub fn write_log(path: &Path, history: &[EpochRecord]) -> Result<(), Error> {
    Ok(files::write_atomic(path, |file| {
        let has_lens_head = history
            .iter()
            .flat_map(|epoch| &epoch.members)
            .any(|m| m.train_cross_entropy.or(m.val_cross_entropy).is_some());
        let more = if has_lens_head {
            ",train_cross_entropy,val_cross_entropy"
        } else {
            ""
        };
        let has_folds = history.iter().flat_map(|epoch| &epoch.members).any(|m| m.fold > 0);
        let first = if has_folds { "fold," } else { "" };
        writeln!(
            file,
            "epoch,{first}member,learning_rate,train_nll,train_rmse,val_nll,val_rmse,gradient_norm,skipped,restored,best,\
             seconds{more}"
        )?;
        let text = |value: Option<f64>| value.map_or(String::new(), |v| format!("{v:.6}"));
        for epoch in history {
            for m in &epoch.members {
                let fold = if has_folds {
                    format!("{},", m.fold)
                } else {
                    String::new()
                };
                write!(
                    file,
                    "{},{fold}{},{:e},{},{},{},{},{},{},{},{},{:.3}",
                    epoch.epoch,
                    m.member,
                    m.learning_rate.unwrap_or(epoch.learning_rate),
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
                if has_lens_head {
                    write!(file, ",{},{}", text(m.train_cross_entropy), text(m.val_cross_entropy))?;
                }
                writeln!(file)?;
            }
        }
        Ok(())
    })?)
}
