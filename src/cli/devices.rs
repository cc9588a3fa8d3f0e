//! `lensgpu devices`: what there is to run on.

use crate::device::devices;
use anyhow::Result;
use std::io::Write;

/// List the devices that --device takes
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu devices
  lensgpu devices --json
  lensgpu train cutouts/ -o runs/mine --device radeon")]
pub struct Devices {
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

/// # Errors
/// A standard output that cannot be written.
pub fn run(args: Devices) -> Result<()> {
    let devices = devices();
    let mut out = std::io::stdout().lock();
    if args.json {
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&devices)?)?);
    }
    for d in &devices {
        write!(out, "{}  {} ({}, {}) {}", d.index, d.name, d.class, d.backend, d.driver)?;
        match d.largest_binding {
            Some(bytes) => writeln!(out, ", tensors up to {} MiB", bytes >> 20)?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}
