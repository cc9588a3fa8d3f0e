//! `lensgpu bench`: measures how fast a device is.

use super::arguments::{DeviceArgument, Json, at_least_1, device_line};
use super::text::{
    Column::{Number, Text},
    count, table,
};
use crate::diagnose::bench::{Bench, BenchOptions, bench};
use crate::train::{Recipe, network_of};
use anyhow::Result;
use std::io::Write;
use std::path::PathBuf;

/// Measure the speed of training and inference on a device, in total and per operation
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu bench
  lensgpu bench --members 20 --batch 64 --device software
  lensgpu bench --json | jq .step_seconds.median")]
pub struct BenchArgs {
    /// Members of the ensemble
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = at_least_1)]
    members: usize,
    /// Images per member and step
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = at_least_1)]
    batch: usize,
    /// Steps to time
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = at_least_1)]
    steps: usize,
    /// Height, width and channels of the images
    #[arg(long, value_delimiter = ',', default_value = "55,55,3", value_name = "H,W,C")]
    input: Vec<usize>,
    /// Network file, see docs/networks.md [default: the vanilla network]
    #[arg(long, value_name = "TOML")]
    network: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgument,
    #[command(flatten)]
    json: Json,
}

/// # Errors
/// Those of [`DeviceArgument::open`], [`network_of`] and [`bench`].
pub fn run(args: BenchArgs) -> Result<()> {
    let network = network_of(args.network.as_deref(), Recipe::Vanilla, &args.input)?;
    let device = args.device.open()?;
    let options = BenchOptions {
        members: args.members,
        batch: args.batch,
        steps: args.steps,
    };
    let result = bench(&device, &network, &options)?;
    let text = if args.json.json {
        serde_json::to_string_pretty(&result)? + "\n"
    } else {
        format!("{}\n{}", device_line(&device), as_text(&result))
    };
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

fn as_text(b: &Bench) -> String {
    let input: Vec<String> = b.input.iter().map(usize::to_string).collect();
    let members = count(b.members, "member");
    let setting = format!("{members}, batch {}, input {}", b.batch, input.join("x"));
    [setting + "\n", times(b), figures(b), operations(b)].join("\n")
}

fn times(b: &Bench) -> String {
    let rows = [
        ("training step", b.step_seconds),
        ("training step with adversarial pass", b.adversarial_step_seconds),
        ("inference pass", b.inference_seconds),
    ];
    let ms = |seconds: f64| format!("{:.3}", 1e3 * seconds);
    let rows = rows.map(|(name, s)| [name.into(), ms(s.median), ms(s.min), ms(s.max)]);
    table(
        [
            Text("time per pass"),
            Number("median [ms]"),
            Number("min [ms]"),
            Number("max [ms]"),
        ],
        rows,
    )
}

fn figures(b: &Bench) -> String {
    let mut rows = vec![
        ("training", format!("{:.1}", b.training_images_per_second), "images/s"),
        ("inference", format!("{:.1}", b.inference_images_per_second), "images/s"),
        (
            "simulation",
            format!("{:.1}", b.simulated_objects_per_second),
            "objects/s",
        ),
        ("arithmetic", format!("{:.1}", b.gflops_per_second), "GFLOP/s"),
        ("set-up time", format!("{:.2}", b.setup_seconds), "s"),
        (
            "device memory",
            format!("{:.1}", b.bytes as f64 / f64::from(1 << 20)),
            "MiB",
        ),
    ];
    // On the CPU, there are no dispatches.
    if b.dispatches > 0 {
        rows.push(("dispatches", b.dispatches.to_string(), "per step"));
    }
    let rows = rows
        .into_iter()
        .map(|(name, value, unit)| [name.into(), value, unit.into()]);
    table([Text(""), Number(""), Text("")], rows)
}

fn operations(b: &Bench) -> String {
    let total: f64 = b.operations.iter().map(|o| o.seconds).sum();
    let rows = b.operations.iter().map(|o| {
        let rate = match o.gflops_per_second {
            0.0 => String::new(),
            rate => format!("{rate:.1}"),
        };
        [
            o.operation.into(),
            o.layer.clone(),
            format!("{:.3}", 1e3 * o.seconds),
            format!("{:.1} %", 100.0 * o.seconds / total),
            rate,
        ]
    });
    table(
        [
            Text("operation"),
            Text("layer"),
            Number("time [ms]"),
            Number("fraction"),
            Number("GFLOP/s"),
        ],
        rows,
    )
}
