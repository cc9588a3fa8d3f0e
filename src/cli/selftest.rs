//! `lensgpu selftest`: does this device compute what was recorded?

use super::text::{count, table};
use super::usage;
use crate::device::Device;
use crate::diagnose::recording::Recording;
use crate::diagnose::selftest::{Comparison, EMBEDDED, Tolerance, selftest};
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

/// Replay recorded training steps on a device, and compare every tensor
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu selftest
  lensgpu selftest --device software
  lensgpu selftest recordings/*.safetensors --json | jq '.files[] | {file, ok}'")]
pub struct Selftest {
    /// Recordings; without any, those in the program
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// auto (a real GPU, else the processor), cpu, software, or a name or number of `lensgpu devices`
    #[arg(long, default_value = "auto")]
    device: String,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    device: String,
    ok: bool,
    files: Vec<FileReport>,
}

#[derive(Serialize)]
struct FileReport {
    file: String,
    ok: bool,
    /// Why it could not be replayed at all; names the file.
    error: Option<String>,
    tensors: Vec<Comparison>,
}

/// # Errors
/// No such device, a recording that cannot be replayed, and tensors out of tolerance: exit code 1.
pub fn run(args: Selftest) -> Result<()> {
    let device = Device::choose(&args.device).map_err(usage)?;
    let recordings: Vec<(String, Result<Recording>)> = if args.files.is_empty() {
        EMBEDDED
            .iter()
            .map(|(name, bytes)| (name.to_string(), Recording::from_bytes(bytes)))
            .collect()
    } else {
        args.files
            .iter()
            .map(|path| (path.display().to_string(), Recording::read(path)))
            .collect()
    };
    let mut report = Report {
        device: device.name(),
        ok: true,
        files: vec![],
    };
    let mut out = std::io::stdout().lock();
    if !args.json {
        writeln!(out, "device: {}", report.device)?;
    }
    for (file, recording) in recordings {
        let replayed = |recording| selftest(&device, &recording).with_context(|| file.clone());
        let result = recording.and_then(replayed);
        let file = FileReport::new(file, result);
        if !args.json {
            out.write_all(as_text(&file).as_bytes())?;
        }
        report.ok &= file.ok;
        report.files.push(file);
    }
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    }
    let tensors: usize = report.files.iter().map(|file| file.tensors.len()).sum();
    let summary = format!(
        "{} of {}",
        count(tensors, "tensor"),
        count(report.files.len(), "recording")
    );
    if !report.ok {
        let first = report
            .files
            .iter()
            .find_map(FileReport::first_problem)
            .unwrap_or_default();
        bail!(
            "the self test failed on {}; the first of what is wrong: {first}",
            report.device
        );
    }
    if !args.json {
        writeln!(out, "\nok: {summary} within tolerance on {}", report.device)?;
    }
    Ok(())
}

impl FileReport {
    fn new(file: String, result: Result<Vec<Comparison>>) -> FileReport {
        match result {
            Ok(tensors) => FileReport {
                file,
                ok: tensors.iter().all(|t| t.problem.is_none()),
                error: None,
                tensors,
            },
            Err(error) => FileReport {
                file,
                ok: false,
                error: Some(format!("{error:#}")),
                tensors: vec![],
            },
        }
    }

    fn failed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tensors
            .iter()
            .filter_map(|t| Some((&t.tensor[..], t.problem.as_deref()?)))
    }

    fn first_problem(&self) -> Option<String> {
        let of_tensor = || {
            self.failed()
                .next()
                .map(|(tensor, problem)| format!("{}: {tensor}: {problem}", self.file))
        };
        self.error.clone().or_else(of_tensor)
    }
}

fn as_text(report: &FileReport) -> String {
    let mut text = format!("\n{}\n", report.file);
    if let Some(error) = &report.error {
        writeln!(text, "  FAIL: {error}").expect("a string takes text");
        return text;
    }
    let number = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.1e}"));
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    let rows = report.tensors.iter().map(|t| {
        let tolerance = match t.tolerance {
            None => "-".into(),
            Some(Tolerance::Relative(tolerance)) => format!("{tolerance:.1e}"),
            Some(Tolerance::Share { beyond, off, largest }) => {
                format!("{} off by {beyond:.1e}, none by {largest:.1e}", percent(off))
            }
        };
        let verdict = t
            .problem
            .as_ref()
            .map_or("ok".into(), |problem| format!("FAIL: {problem}"));
        let off = t.off.map_or(String::new(), percent);
        [
            t.tensor.clone(),
            number(t.largest_error),
            number(t.relative_error),
            off,
            tolerance,
            verdict,
        ]
    });
    text += &table(
        ["tensor", "largest error", "relative error", "off", "tolerance", ""],
        rows,
    );
    let failed = report.failed().count();
    let (within, all) = (report.tensors.len() - failed, report.tensors.len());
    writeln!(text, "  {within} of {all} tensors within tolerance").expect("a string takes text");
    text
}
