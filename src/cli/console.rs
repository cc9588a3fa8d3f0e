//! The terminal during a long command: a progress bar, lines above it, and Ctrl-C.

use crate::progress::{EpochRecord, Event, MemberEpoch, Phase};
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::ops::ControlFlow;
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A progress bar on standard error; without a terminal, only its lines are printed.
pub struct Console {
    bar: ProgressBar,
    phase: Mutex<Option<Phase>>,
    stop: Arc<AtomicBool>,
    quiet: bool,
}

impl Console {
    /// Ctrl-C asks the computation to stop; a second one ends the program immediately. `quiet` leaves out everything but
    /// warnings.
    ///
    /// # Errors
    /// The handler of Ctrl-C cannot be installed.
    pub fn new(quiet: bool) -> Result<Console> {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = stop.clone();
        ctrlc::set_handler(move || {
            if asked.swap(true, Ordering::SeqCst) {
                exit(130);
            }
            eprintln!("\nfinishing the current step; press Ctrl-C again to quit immediately without saving");
        })
        .context("cannot install a handler for Ctrl-C")?;
        Ok(Console {
            bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()),
            phase: Mutex::new(None),
            stop,
            quiet,
        })
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
        match self.stop.load(Ordering::SeqCst) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    /// A line of information, unless quiet.
    pub fn note(&self, message: &str) {
        if !self.quiet {
            self.line(message);
        }
    }

    /// A warning, also when quiet.
    pub fn warn(&self, message: &str) {
        self.line(&format!("warning: {message}"));
    }

    /// A line on standard error, above the bar, also when quiet.
    pub fn line(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn advance(&self, phase: Phase, done: usize, total: usize) {
        let mut shown = self.phase.lock().expect("no thread panics while it holds the lock");
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

fn unit(phase: Phase) -> &'static str {
    match phase {
        Phase::Preparing => "training images",
        Phase::Training => "steps",
        Phase::Predicting => "images",
        Phase::Simulating => "objects",
        Phase::Masses => "rows",
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
