//! `lensgpu merge`: the members of several runs in one model, or the shards of a catalogue in one.

use super::arguments::{Json, ProvenanceArguments, Quiet, members};
use super::console::Console;
use super::output::outln;
use super::{Interrupted, usage};
use crate::files;
use crate::infer;
use crate::train;
use anyhow::{Result, anyhow};
use serde_json::json;
use std::path::PathBuf;

/// Join the members of several training runs into one model, or the shards of a catalogue into one
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu merge runs/part_1 runs/part_2 -o model.safetensors
  lensgpu merge runs/part_* --members 0..15 -o model.safetensors
  lensgpu merge shards/out_*.parquet -o out.parquet

Runs are those of `lensgpu train` with the same data and options and different --members. The model is calibrated on the
calibration rows of the runs. It is the same as that of a single run of all members. Shards are the catalogues of `lensgpu
infer --shard`; the result is the same as that of a single run without --shard. See docs/cluster.md.")]
pub struct Merge {
    /// Folders of runs, or the model files in them; or catalogues of shards
    #[arg(required = true, value_name = "PART")]
    parts: Vec<PathBuf>,
    /// Model to write (.safetensors), or catalogue (.csv, .fits, .vot, .parquet or .hats)
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The members that the model must have: 16 means 0 to 15, 3..7 means 3 to 7 [default: 0 to the largest number]
    #[arg(long, value_parser = members)]
    members: Option<std::vec::Vec<u32>>,
    #[command(flatten)]
    provenance: ProvenanceArguments,
    #[command(flatten)]
    json: Json,
    #[command(flatten)]
    quiet: Quiet,
}

/// # Errors
/// Those of [`train::merge`] or of [`infer::merge::merge`]; a file that cannot be written.
pub fn run(args: Merge) -> Result<()> {
    let is_model = args
        .output
        .extension()
        .is_some_and(|extension| extension == "safetensors");
    let console = Console::for_result(args.quiet.quiet, args.json.json)?;
    match is_model {
        true => merge_models(&args, &console),
        false => merge_catalogues(&args, &console),
    }
}

fn merge_models(args: &Merge, console: &Console) -> Result<()> {
    files::check(&args.output)?;
    let model = train::merge(&args.parts, args.members.as_deref(), &|event| console.report(event))?;
    console.finish();
    model.write(&args.output)?;
    let numbers: Vec<u32> = model.members.iter().map(|member| member.number).collect();
    let rows = model
        .about
        .calibration
        .as_ref()
        .map(|calibration| calibration.record.rows);
    if args.json.json {
        let result = json!({ "output": args.output, "members": numbers, "calibration_rows": rows });
        outln!("{}", serde_json::to_string_pretty(&result)?);
    } else if !args.quiet.quiet {
        let calibration = rows.map_or("not calibrated".into(), |rows| format!("calibrated on {rows} rows"));
        outln!("{} members, {calibration}", numbers.len());
        outln!("model: {}", args.output.display());
    }
    Ok(())
}

fn merge_catalogues(args: &Merge, console: &Console) -> Result<()> {
    if args.members.is_some() {
        return Err(usage(anyhow!(
            "--members is for models, and {} is none",
            args.output.display()
        )));
    }
    let provenance = args.provenance.of("THETA_E", None)?;
    let merged = infer::merge::merge(&args.parts, &args.output, &provenance, &|event| console.report(event));
    console.finish();
    let Some(merged) = merged? else {
        return Err(Interrupted.into());
    };
    if args.json.json {
        let result = json!({ "output": args.output, "rows": merged.rows, "shards": merged.shards });
        outln!("{}", serde_json::to_string_pretty(&result)?);
    } else if !args.quiet.quiet {
        outln!(
            "{} objects of {} shards in {}",
            merged.rows,
            merged.shards,
            args.output.display()
        );
    }
    Ok(())
}
