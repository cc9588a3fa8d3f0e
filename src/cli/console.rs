//! The terminal during a long command: a progress bar, lines above it, and Ctrl-C.

use super::output::errln;
use crate::progress::{EpochRecord, Event, MemberEpoch, Phase};
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

/// A progress bar on standard error; without a terminal, only its lines are printed.
pub struct Console {
    bar: ProgressBar,
    phase: Mutex<Option<Phase>>,
    /// Whether the user was told that the computation stops.
    said: AtomicBool,
    quiet: bool,
    /// Warnings that are kept for the result, instead of printed.
    kept: Option<Mutex<Vec<String>>>,
}

const NOT_POISONED: &str = "no thread panics while it holds the lock";

impl Console {
    /// Ctrl-C (SIGINT) and SIGTERM ask the computation to stop; a second one ends the program immediately. A closed
    /// terminal (SIGHUP) does not stop it, and neither does a signal that the parent process had ignored. `quiet` leaves
    /// out everything but warnings.
    ///
    /// # Errors
    /// The handlers of the signals cannot be installed.
    pub fn new(quiet: bool) -> Result<Console> {
        handle_signals().context("cannot install a handler for Ctrl-C")?;
        Ok(Console {
            bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()),
            phase: Mutex::new(None),
            said: AtomicBool::new(false),
            quiet,
            kept: None,
        })
    }

    /// With `json`, quiet, and warnings are kept: a script finds them in the result.
    ///
    /// # Errors
    /// Those of [`Console::new`].
    pub fn for_result(quiet: bool, json: bool) -> Result<Console> {
        Ok(Console {
            kept: json.then(Mutex::default),
            ..Console::new(quiet || json)?
        })
    }

    /// The warnings that were kept.
    pub fn kept(&self) -> Vec<String> {
        let kept = self.kept.as_ref().map(|kept| kept.lock().expect(NOT_POISONED).clone());
        kept.unwrap_or_default()
    }

    /// A result as JSON, with the warnings that were kept.
    ///
    /// # Errors
    /// A value that JSON does not have.
    pub fn as_json(&self, mut result: Value) -> Result<String> {
        result["warnings"] = self.kept().into();
        Ok(serde_json::to_string_pretty(&result)?)
    }

    /// Shows an event, and says whether the user asked to stop.
    pub fn report(&self, event: Event) -> ControlFlow<()> {
        match event {
            Event::Note(message) => self.note(message),
            Event::Warning(message) => self.warn(message),
            Event::Advanced { phase, done, total } => self.advance(phase, done, total),
            Event::Epoch { record, epochs } if !self.quiet => self.line(&epoch_lines(record, epochs)),
            Event::Epoch { .. } => {}
        }
        if stopped_by().is_none() {
            return ControlFlow::Continue(());
        }
        if !self.said.swap(true, Ordering::SeqCst) {
            self.line("finishing the current step; press Ctrl-C again to quit immediately without saving");
        }
        ControlFlow::Break(())
    }

    /// A line of information, unless quiet.
    pub fn note(&self, message: &str) {
        if !self.quiet {
            self.line(message);
        }
    }

    /// A warning, also when quiet.
    pub fn warn(&self, message: &str) {
        match &self.kept {
            Some(kept) => kept.lock().expect(NOT_POISONED).push(message.into()),
            None => self.line(&format!("warning: {message}")),
        }
    }

    /// A line on standard error, above the bar, also when quiet.
    pub fn line(&self, text: &str) {
        self.bar.suspend(|| errln!("{text}"));
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn advance(&self, phase: Phase, done: usize, total: usize) {
        let mut shown = self.phase.lock().expect(NOT_POISONED);
        if *shown != Some(phase) {
            *shown = Some(phase);
            let style = format!(
                "{{bar:30}} {{pos}}/{{len}} {}  elapsed {{elapsed}}, ETA {{eta}}",
                unit(phase)
            );
            self.bar
                .set_style(ProgressStyle::with_template(&style).expect("a valid template"));
            self.bar.reset();
        }
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
    }
}

/// One line: the mean over all members of all folds.
fn epoch_of_folds(record: &EpochRecord, epochs: usize, folds: u32) -> String {
    let mean = |value: fn(&MemberEpoch) -> Option<f64>| {
        let values: Vec<f64> = record.members.iter().filter_map(value).collect();
        match values.is_empty() {
            true => "-".into(),
            false => format!("{:.3}", values.iter().sum::<f64>() / values.len() as f64),
        }
    };
    let skipped: usize = record.members.iter().map(|m| m.skipped).sum();
    let skipped = match skipped {
        0 => String::new(),
        n => format!("; {n} steps skipped: a gradient was not finite"),
    };
    format!(
        "epoch {}/{epochs}  {:.1} s  {folds} folds, mean of all members: NLL {} train, {} validation{skipped}",
        record.epoch,
        record.seconds,
        mean(|m| m.train_nll),
        mean(|m| m.val_nll)
    )
}

/// Number of the signal that asked to stop; 0 if none did.
static SIGNAL: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// The signal that asked to stop, if one did.
pub fn stopped_by() -> Option<u8> {
    u8::try_from(SIGNAL.load(Ordering::SeqCst))
        .ok()
        .filter(|signal| *signal > 0)
}

fn handle_signals() -> io::Result<()> {
    static ASKED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
    for signal in [SIGINT, SIGTERM] {
        if is_ignored(signal) {
            continue;
        }
        // In this order: the first signal sets the flag, and the second finds it set.
        flag::register_conditional_shutdown(signal, 128 + signal, ASKED.clone())?;
        flag::register(signal, ASKED.clone())?;
        flag::register_usize(signal, SIGNAL.clone(), signal as usize)?;
    }
    // A handler that does nothing.
    #[cfg(unix)]
    flag::register(signal_hook::consts::SIGHUP, Arc::default())?;
    Ok(())
}

/// Whether the process was started with this signal ignored, as a shell does with commands in the background.
fn is_ignored(signal: i32) -> bool {
    // Only Linux says so in a file; elsewhere, handling the signal is what users expect.
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return false;
    };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

fn unit(phase: Phase) -> &'static str {
    match phase {
        Phase::Preparing => "training images",
        Phase::Training => "steps",
        Phase::Predicting => "images",
        Phase::Simulating => "objects",
        Phase::Merging | Phase::Masses | Phase::Modelling => "rows",
        Phase::Sampling => "steps",
    }
}

fn epoch_lines(record: &EpochRecord, epochs: usize) -> String {
    let folds = record.members.iter().map(|m| m.fold).max().unwrap_or(0) + 1;
    if folds > 1 {
        return epoch_of_folds(record, epochs, folds);
    }
    let number = |value: Option<f64>| value.map_or("      -".into(), |v| format!("{v:7.3}"));
    let mut text = format!(
        "epoch {}/{epochs}  {:.1} s  learning rate {:.2e}\n  member  NLL: train validation  RMSE [\"]: train validation",
        record.epoch, record.seconds, record.learning_rate
    );
    let has_lens_head = record.members.iter().any(|m| m.train_cross_entropy.is_some());
    if has_lens_head {
        text += "  cross-entropy: train validation";
    }
    for m in &record.members {
        text += &format!(
            "\n  {:>6}      {}    {}          {}    {}",
            m.member,
            number(m.train_nll),
            number(m.val_nll),
            number(m.train_rmse),
            number(m.val_rmse)
        );
        if has_lens_head {
            let [train, validation] = [m.train_cross_entropy, m.val_cross_entropy].map(number);
            text += &format!("               {train}    {validation}");
        }
        if m.best {
            text += "  best";
        }
        if m.skipped > 0 {
            text += &format!("  {} steps skipped: a gradient was not finite", m.skipped);
        }
        if m.restored > 0 {
            text += ", returned to the last good weights";
        }
    }
    text
}
