//! `lensgpu merge`: the members of several runs in one model.

use super::arguments::{Quiet, members};
use super::console::Console;
use super::output::outln;
use crate::files;
use crate::train::merge;
use anyhow::Result;
use std::path::PathBuf;

/// Join the members of several runs into one model
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu merge runs/part_1 runs/part_2 -o model.safetensors
  lensgpu merge runs/part_* --members 0..15 -o model.safetensors

The runs are those of `lensgpu train` with the same data and options and different --members. The model is calibrated on
the calibration rows of the runs. It is the same as that of a single run of all members; see docs/cluster.md.")]
pub struct Merge {
    /// Folders of the runs, or the model files in them
    #[arg(required = true, value_name = "RUN")]
    parts: Vec<PathBuf>,
    /// Model file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The members that the model must have: 16 means 0 to 15, 3..7 means 3 to 7 [default: 0 to the largest number]
    #[arg(long, value_parser = members)]
    members: Option<std::vec::Vec<u32>>,
    #[command(flatten)]
    quiet: Quiet,
}

/// # Errors
/// Those of [`merge`]; a model that cannot be written.
pub fn run(args: Merge) -> Result<()> {
    files::check(&args.output)?;
    let console = Console::new(args.quiet.quiet)?;
    let model = merge(&args.parts, args.members.as_deref(), &|event| console.report(event))?;
    console.finish();
    model.write(&args.output)?;
    if !args.quiet.quiet {
        let calibration = match &model.about.calibration {
            Some(calibration) => format!("calibrated on {} rows", calibration.record.rows),
            None => "not calibrated".into(),
        };
        outln!("{} members, {calibration}", model.members.len());
        outln!("model: {}", args.output.display());
    }
    Ok(())
}
