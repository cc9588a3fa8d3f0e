//! What a long run shows: a progress bar with the time left, lines above it, and Ctrl-C.

use crate::train::history::EpochRecord;
use crate::train::run::Watcher;
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A progress bar on standard error, silent where that is no terminal.
pub struct Console {
    bar: ProgressBar,
    stop: Arc<AtomicBool>,
    quiet: bool,
}

impl Console {
    /// `unit` is what the bar counts. Ctrl-C asks to stop; a second one ends the program at once.
    pub fn new(unit: &str, quiet: bool) -> Result<Console> {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = format!("{{bar:30}} {{pos}}/{{len}} {unit}  {{elapsed}} spent, {{eta}} left  {{msg}}");
        bar.set_style(ProgressStyle::with_template(&style).expect("a valid template"));
        let stop = Arc::new(AtomicBool::new(false));
        let asked = stop.clone();
        ctrlc::set_handler(move || {
            if asked.swap(true, Ordering::SeqCst) {
                exit(130);
            }
            eprintln!("\nstopping after the step in hand; Ctrl-C again ends at once, without saving");
        })
        .context("Ctrl-C cannot be caught")?;
        Ok(Console { bar, stop, quiet })
    }

    pub fn progress(&self, done: usize, all: usize) {
        if self.bar.length() != Some(all as u64) {
            self.bar.reset();
            self.bar.set_length(all as u64);
        }
        self.bar.set_position(done as u64);
    }

    /// A line on standard error, above the bar.
    pub fn line(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Watcher for Console {
    fn say(&self, message: &str) {
        if !self.quiet {
            self.line(message);
        }
    }

    fn warn(&self, message: &str) {
        self.line(&format!("warning: {message}"));
    }

    fn reading(&self, done: usize, all: usize) {
        if done == 1 {
            self.bar.set_message("reading images");
        }
        self.progress(done, all);
        if done == all {
            self.bar.set_message("");
        }
    }

    fn steps(&self, done: usize, all: usize) {
        self.progress(done, all);
    }

    fn epoch(&self, record: &EpochRecord, epochs: usize) {
        if self.quiet {
            return;
        }
        let number = |value: Option<f64>| value.map_or("      -".into(), |v| format!("{v:7.3}"));
        let mut text = format!(
            "epoch {}/{epochs}  {:.1} s  learning rate {:.2e}\n  member  nll: train validation  RMSE [\"]: train validation",
            record.epoch, record.seconds, record.learning_rate
        );
        for m in &record.members {
            text += &format!(
                "\n  {:>6}      {}    {}          {}    {}{}",
                m.member,
                number(m.train_nll),
                number(m.val_nll),
                number(m.train_rmse),
                number(m.val_rmse),
                if m.best { "  best" } else { "" }
            );
            if m.skipped > 0 {
                text += &format!("  {} steps skipped: a gradient was not finite", m.skipped);
            }
            if m.restored > 0 {
                text += ", back to the last good weights";
            }
        }
        self.line(&text);
    }

    fn stop(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}
