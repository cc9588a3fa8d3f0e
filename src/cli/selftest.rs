//! `lensgpu selftest`: checks that a device computes what was recorded.

use super::arguments::{DeviceArgument, Json, device_line};
use super::output::{out, outln};
use super::text::{
    Column::{Number, Text},
    count, table,
};
use crate::device::Device;
use crate::diagnose::recording::Recording;
use crate::diagnose::selftest::{Comparison, EMBEDDED, Tolerance, selftest};
use anyhow::{Context, Result, anyhow};
use serde::Serialize;
use std::path::PathBuf;

/// Replay recorded Keras training steps on a device and compare every tensor
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu selftest
  lensgpu selftest --device software
  lensgpu selftest recordings/*.safetensors --json | jq '.files[] | {file, ok}'")]
pub struct Selftest {
    /// Recordings to replay [default: those embedded in the program]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    device: DeviceArgument,
    #[command(flatten)]
    json: Json,
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
    /// Why the recording could not be replayed; names the file.
    error: Option<String>,
    tensors: Vec<Comparison>,
}

/// # Errors
/// Those of [`DeviceArgument::open`]; the first recording that cannot be replayed, or tensor out of tolerance, after
/// everything is reported.
pub fn run(args: Selftest) -> Result<()> {
    let device = args.device.open()?;
    let mut report = Report {
        device: device.name(),
        ok: true,
        files: vec![],
    };
    let mut first_problem = None;
    if !args.json.json {
        outln!("{}", device_line(&device));
    }
    for (file, recording) in recordings(&args.files) {
        let result = recording.and_then(|recording| replay(&device, &file, &recording));
        let file = FileReport::new(file, &result);
        first_problem = first_problem.or(result.err()).or(file.first_failure());
        if !args.json.json {
            out!("{}", as_text(&file));
        }
        report.ok &= file.ok;
        report.files.push(file);
    }
    if args.json.json {
        outln!("{}", serde_json::to_string_pretty(&report)?);
    }
    if let Some(problem) = first_problem {
        let what = format!("the self test failed on {}; the first problem", report.device);
        return Err(problem.context(what));
    }
    if !args.json.json {
        let tensors: usize = report.files.iter().map(|file| file.tensors.len()).sum();
        let (tensors, files) = (count(tensors, "tensor"), count(report.files.len(), "recording"));
        outln!("\nok: {tensors} of {files} within tolerance on {}", report.device);
    }
    Ok(())
}

/// The embedded recordings, or those in `files`, with their names.
fn recordings(files: &[PathBuf]) -> Vec<(String, Result<Recording>)> {
    if files.is_empty() {
        let embedded = |(name, bytes): &(&str, &[u8])| {
            let recording = Recording::from_bytes(bytes).with_context(|| name.to_string());
            (name.to_string(), recording)
        };
        return EMBEDDED.iter().map(embedded).collect();
    }
    let read = |path: &PathBuf| (path.display().to_string(), Recording::read(path).map_err(Into::into));
    files.iter().map(read).collect()
}

fn replay(device: &Device, file: &str, recording: &Recording) -> Result<Vec<Comparison>> {
    selftest(device, recording).with_context(|| file.to_string())
}

impl FileReport {
    fn new(file: String, result: &Result<Vec<Comparison>>) -> FileReport {
        match result {
            Ok(tensors) => FileReport {
                file,
                ok: tensors.iter().all(|t| t.problem.is_none()),
                error: None,
                tensors: tensors.clone(),
            },
            Err(error) => FileReport {
                file,
                ok: false,
                error: Some(format!("{error:#}")),
                tensors: vec![],
            },
        }
    }

    /// Name and problem of each tensor that fails.
    fn failures(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tensors
            .iter()
            .filter_map(|t| Some((&t.tensor[..], t.problem.as_deref()?)))
    }

    fn first_failure(&self) -> Option<anyhow::Error> {
        let (tensor, problem) = self.failures().next()?;
        Some(anyhow!("{}: {tensor}: {problem}", self.file))
    }
}

fn as_text(report: &FileReport) -> String {
    if let Some(error) = &report.error {
        return format!("\n{}\n  FAIL: {error}\n", report.file);
    }
    let number = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.1e}"));
    let percent = |fraction: f64| format!("{:.2} %", 100.0 * fraction);
    let rows = report.tensors.iter().map(|t| {
        let tolerance = match t.tolerance {
            None => "-".into(),
            Some(Tolerance::Relative(tolerance)) => format!("{tolerance:.1e}"),
            Some(Tolerance::Fraction { beyond, off, largest }) => {
                format!("{} by > {beyond:.1e}, none by > {largest:.1e}", percent(off))
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
    let columns = [
        Text("tensor"),
        Number("largest error"),
        Number("relative error"),
        Number("differ"),
        Text("tolerance"),
        Text("result"),
    ];
    let (failed, all) = (report.failures().count(), report.tensors.len());
    format!(
        "\n{}\n{}  {} of {all} tensors within tolerance\n",
        report.file,
        table(columns, rows),
        all - failed
    )
}
