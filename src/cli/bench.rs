//! `lensgpu bench`: measures how fast a device is.

use super::arguments::{DeviceArgument, Json, at_least_1, device_line};
use super::output::out;
use super::text::{
    Column::{Number, Text},
    count, table,
};
use crate::device::Peak;
use crate::diagnose::bench::{Bench, BenchOptions, OperationTime, SweepStep, bench, sweep};
use crate::files;
use crate::plot::Error as PlotError;
use crate::plot::roofline::{Rate, Roof, roofline};
use crate::plot::svg::write_svg;
use crate::train::{Recipe, network_of};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Measure the speed of training and inference on a device, in total and per operation
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lensgpu bench
  lensgpu bench --members 20 --batch 64 --device software
  lensgpu bench --sweep
  lensgpu bench --plot roofline.svg
  lensgpu bench --json > before.json; lensgpu bench --compare before.json")]
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
    /// Also time steps of 1 to 50 members, and of batches of 8 to 256
    #[arg(long)]
    sweep: bool,
    /// Compare with an earlier result of --json
    #[arg(long, value_name = "OLD.json")]
    compare: Option<PathBuf>,
    /// Plot each operation below what bandwidth and arithmetic of the device allow
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgument,
    #[command(flatten)]
    json: Json,
}

/// # Errors
/// Those of [`DeviceArgument::open`], [`network_of`] and [`bench`].
pub fn run(args: BenchArgs) -> Result<()> {
    if let Some(plot) = &args.plot {
        files::check(plot)?;
    }
    let network = network_of(args.network.as_deref(), Recipe::Vanilla, &args.input)?;
    let device = args.device.open()?;
    let options = BenchOptions {
        members: args.members,
        batch: args.batch,
        steps: args.steps,
    };
    let old = match (&args.compare, args.json.json) {
        (Some(path), false) => Some(read(path, &args)?),
        _ => None,
    };
    let result = bench(&device, &network, &options)?;
    if let Some(path) = &args.plot {
        write_svg(path, &plot(&result)?)?;
    }
    let sweep = match args.sweep {
        true => Some(sweep(&device, &network, &options)?),
        false => None,
    };
    let text = if args.json.json {
        let mut json = serde_json::to_value(&result)?;
        if let Some(sweep) = &sweep {
            json["sweep"] = json!(sweep);
        }
        serde_json::to_string_pretty(&json)? + "\n"
    } else {
        let first = format!("{}\n{}", device_line(&device), as_text(&result));
        let sweep = sweep.map(|steps| sweep_table(&steps));
        let compared = old.map(|old| comparison(&old, &result));
        let parts: Vec<String> = [Some(first), sweep, compared].into_iter().flatten().collect();
        parts.join("\n")
    };
    out!("{text}");
    Ok(())
}

fn plot(b: &Bench) -> Result<String, PlotError> {
    let roof = Roof {
        flops_per_second: b.peak.flops_per_second,
        bytes_per_second: b.peak.bytes_per_second,
    };
    let rates = b.operations.iter().map(|o| Rate {
        name: format!("{} {}", o.operation, o.layer),
        flops_per_second: 1e9 * o.gflops_per_second,
        bytes_per_second: 1e9 * o.gigabytes_per_second,
    });
    roofline(
        &format!("{}: {}", b.device, setting(b)),
        roof,
        &rates.collect::<Vec<_>>(),
    )
}

/// An earlier result for the same members, batch and images.
fn read(path: &Path, args: &BenchArgs) -> Result<Bench> {
    let text = files::read_text(path).with_context(|| path.display().to_string())?;
    let old: Bench = serde_json::from_str(&text)
        .with_context(|| format!("{} is no result of lensgpu bench --json", path.display()))?;
    ensure!(
        (old.members, old.batch, &old.input) == (args.members, args.batch, &args.input),
        "{} is of {}; compare results of the same",
        path.display(),
        setting(&old)
    );
    Ok(old)
}

fn setting(b: &Bench) -> String {
    let input: Vec<String> = b.input.iter().map(usize::to_string).collect();
    let members = count(b.members, "member");
    format!("{members}, batch {}, input {}", b.batch, input.join("x"))
}

fn as_text(b: &Bench) -> String {
    [setting(b) + "\n", times(b), figures(b), operations(b)].join("\n")
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.3}", 1e3 * seconds)
}

fn sweep_table(steps: &[SweepStep]) -> String {
    let rows = steps.iter().map(|step| {
        let each = |seconds: f64| milliseconds(seconds / (step.members * step.batch) as f64);
        let median = step.seconds.map(|seconds| seconds.median);
        [
            step.members.to_string(),
            step.batch.to_string(),
            median.map_or("too large".into(), milliseconds),
            median.map_or(String::new(), each),
        ]
    });
    table(
        [
            Number("members"),
            Number("batch"),
            Number("step [ms]"),
            Number("per member and image [ms]"),
        ],
        rows,
    )
}

/// Times of two results, as ratios: new to old.
fn comparison(old: &Bench, new: &Bench) -> String {
    let steps = [
        ("training step", old.step_seconds, new.step_seconds),
        (
            "with adversarial pass",
            old.adversarial_step_seconds,
            new.adversarial_step_seconds,
        ),
        ("inference pass", old.inference_seconds, new.inference_seconds),
    ];
    let steps = steps.map(|(name, old, new)| (name.to_string(), old.median, new.median));
    let operations = new.operations.iter().filter_map(|new| {
        let same = |old: &&_| same_operation(old, new);
        let old = old.operations.iter().find(same)?;
        let name = format!("{} {}", new.operation, new.layer);
        Some((name, old.seconds, new.seconds))
    });
    let rows = steps
        .into_iter()
        .chain(operations)
        .map(|(name, old, new)| [name, milliseconds(old), milliseconds(new), format!("{:.2}", new / old)]);
    table(
        [
            Text("time"),
            Number("old [ms]"),
            Number("new [ms]"),
            Number("new / old"),
        ],
        rows,
    )
}

fn same_operation(a: &OperationTime, b: &OperationTime) -> bool {
    (&a.operation, &a.layer) == (&b.operation, &b.layer)
}

fn times(b: &Bench) -> String {
    let rows = [
        ("training step", b.step_seconds),
        ("training step with adversarial pass", b.adversarial_step_seconds),
        ("inference pass", b.inference_seconds),
    ];
    let rows = rows.map(|(name, s)| {
        [
            name.into(),
            milliseconds(s.median),
            milliseconds(s.min),
            milliseconds(s.max),
        ]
    });
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
    let Peak {
        flops_per_second,
        bytes_per_second,
        dependent_dispatch_seconds,
        independent_dispatch_seconds,
    } = b.peak;
    let mut rows = vec![
        ("training", format!("{:.1}", b.training_images_per_second), "images/s"),
        ("inference", format!("{:.1}", b.inference_images_per_second), "images/s"),
        (
            "device waits in inference",
            format!("{:.1}", 100.0 * b.inference_waits),
            "% of the time",
        ),
        (
            "simulation",
            format!("{:.1}", b.simulated_objects_per_second),
            "objects/s",
        ),
        ("arithmetic", format!("{:.1}", b.gflops_per_second), "GFLOP/s"),
        ("peak", format!("{:.1}", 1e-9 * flops_per_second), "GFLOP/s"),
        ("peak of a copy", format!("{:.1}", 1e-9 * bytes_per_second), "GB/s"),
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
        let microseconds = |seconds: f64| format!("{:.1}", 1e6 * seconds);
        rows.push(("dispatch that waits", microseconds(dependent_dispatch_seconds), "µs"));
        rows.push((
            "dispatch that need not",
            microseconds(independent_dispatch_seconds),
            "µs",
        ));
    }
    let rows = rows
        .into_iter()
        .map(|(name, value, unit)| [name.into(), value, unit.into()]);
    table([Text(""), Number(""), Text("")], rows)
}

fn operations(b: &Bench) -> String {
    let total: f64 = b.operations.iter().map(|o| o.seconds).sum();
    let rows = b.operations.iter().map(|o| {
        let shares = [
            (o.gflops_per_second, o.peak_fraction),
            (o.gigabytes_per_second, o.copy_fraction),
        ];
        let [[rate, fraction], [bytes, of_copy]] = shares.map(|(rate, share)| match rate {
            0.0 => [String::new(), String::new()],
            rate => [format!("{rate:.1}"), format!("{:.0} %", 100.0 * share)],
        });
        [
            o.operation.clone(),
            o.layer.clone(),
            format!("{:.3}", 1e3 * o.seconds),
            format!("{:.1} %", 100.0 * o.seconds / total),
            rate,
            fraction,
            bytes,
            of_copy,
        ]
    });
    let sum = ["all together", "", &milliseconds(total), "", "", "", "", ""].map(String::from);
    table(
        [
            Text("operation"),
            Text("layer"),
            Number("time [ms]"),
            Number("fraction"),
            Number("GFLOP/s"),
            Number("of the peak"),
            Number("GB/s"),
            Number("of a copy"),
        ],
        rows.chain([sum]),
    )
}
