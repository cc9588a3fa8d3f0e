//! `lensgpu bench`: how fast this machine is.

use super::usage;
use crate::device::Device;
use crate::diagnose::bench::{Bench, BenchOptions, Spread, bench};
use crate::train::network_of;
use anyhow::Result;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

/// Measure training and inference on a device, as a whole and by operation
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu bench
  lensgpu bench --members 20 --batch 64 --device software
  lensgpu bench --json | jq .step_seconds.median")]
pub struct BenchArgs {
    #[arg(long, default_value_t = 5)]
    members: usize,
    /// Images of each member in a step
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Steps that are timed
    #[arg(long, default_value_t = 20)]
    steps: usize,
    /// Height, width and channels of an image
    #[arg(long, value_delimiter = ',', default_value = "55,55,3", value_name = "H,W,C")]
    input: Vec<usize>,
    /// A network file [default: the vanilla lens model]
    #[arg(long, value_name = "TOML")]
    network: Option<PathBuf>,
    /// auto (a real GPU, else the processor), cpu, software, or a name or number of `lensgpu devices`
    #[arg(long, default_value = "auto")]
    device: String,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

/// # Errors
/// Those of [`bench`].
pub fn run(args: BenchArgs) -> Result<()> {
    let network = network_of(args.network.as_deref(), &args.input)?;
    let device = Device::choose(&args.device).map_err(usage)?;
    let options = BenchOptions {
        members: args.members,
        batch: args.batch,
        steps: args.steps,
    };
    let result = bench(&device, &network, &options)?;
    let text = if args.json {
        serde_json::to_string_pretty(&result)? + "\n"
    } else {
        table(&result)
    };
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

fn table(b: &Bench) -> String {
    let mut out = String::new();
    let mut line = |text: String| writeln!(out, "{text}").expect("a string takes everything");
    let input: Vec<String> = b.input.iter().map(usize::to_string).collect();
    line(format!(
        "{}; {} members, batch {}, input {}",
        b.device,
        b.members,
        b.batch,
        input.join("x")
    ));
    let spread = |s: Spread| format!("{:9.3} ms  ({:.3} to {:.3})", 1e3 * s.median, 1e3 * s.min, 1e3 * s.max);
    line(format!("training step      {}", spread(b.step_seconds)));
    line(format!("  with adversary   {}", spread(b.adversarial_step_seconds)));
    line(format!("inference pass     {}", spread(b.inference_seconds)));
    line(format!(
        "training           {:9.1} images/s, {:.1} GFLOP/s",
        b.training_images_per_second, b.gflops_per_second
    ));
    line(format!(
        "inference          {:9.1} images/s",
        b.inference_images_per_second
    ));
    line(format!(
        "simulation         {:9.1} objects/s",
        b.simulated_objects_per_second
    ));
    line(format!("set-up             {:9.2} s", b.setup_seconds));
    line(format!(
        "on the device      {:9.1} MiB",
        b.bytes as f64 / f64::from(1 << 20)
    ));
    match b.dispatches {
        0 => {}
        n => line(format!("dispatches a step  {n:9}")),
    }
    line(format!(
        "\n{:<18} {:<10} {:>10} {:>7} {:>9}",
        "operation", "layer", "ms", "share", "GFLOP/s"
    ));
    let total: f64 = b.operations.iter().map(|o| o.seconds).sum();
    for o in &b.operations {
        let rate = if o.gflops_per_second > 0.0 {
            format!("{:.1}", o.gflops_per_second)
        } else {
            String::new()
        };
        line(format!(
            "{:<18} {:<10} {:>10.3} {:>6.1}% {:>9}",
            o.operation,
            o.layer,
            1e3 * o.seconds,
            100.0 * o.seconds / total,
            rate
        ));
    }
    out
}
