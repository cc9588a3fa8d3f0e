//! `lensgpu devices`: lists the devices.

use super::arguments::Json;
use super::output::out;
use super::text::{
    Column::{Number, Text},
    table,
};
use crate::device::{DeviceInfo, devices};
use anyhow::Result;

/// List the devices that --device accepts, by number or name
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu devices
  lensgpu devices --json
  lensgpu train cutouts/ -o runs/mine --device radeon")]
pub struct Devices {
    #[command(flatten)]
    json: Json,
}

/// # Errors
/// Standard output cannot be written.
pub fn run(args: Devices) -> Result<()> {
    let devices = devices();
    let text = if args.json.json {
        serde_json::to_string_pretty(&devices)? + "\n"
    } else {
        as_text(&devices)
    };
    out!("{text}");
    Ok(())
}

fn as_text(devices: &[DeviceInfo]) -> String {
    let rows = devices.iter().map(|d| {
        let largest_tensor = d
            .largest_binding
            .map_or("-".into(), |bytes| format!("{} MiB", bytes >> 20));
        [
            d.index.to_string(),
            d.name.clone(),
            d.class.into(),
            d.backend.clone(),
            largest_tensor,
            d.driver.clone(),
        ]
    });
    table(
        [
            Text("no."),
            Text("name"),
            Text("class"),
            Text("backend"),
            Number("largest tensor"),
            Text("driver"),
        ],
        rows,
    )
}
