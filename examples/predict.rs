//! How long a training step should take on GPUs that are not at hand: a roofline over the passes of the step.
//!
//!     cargo run --release --example predict -- [NETWORK.toml HEIGHT WIDTH CHANNELS]
//!
//! Five members, 32 images per member and step; by default the vanilla network. A pass takes the launch floor, plus the
//! larger of arithmetic / (efficiency x peak x fill) and bytes / (copy fraction x bandwidth). `fill` is the fraction of the
//! GPU's units that have a workgroup. Each tensor that a pass binds is read or written once, without help from caches; only
//! of the parameters, which lie in one tensor, a pass needs a part that is small. Prints Markdown.

use anyhow::{Context, Result, bail};
use lensgpu::device::Precision;
use lensgpu::device::gpu::{AdapterClass, Lowered, lower, row_bytes};
use lensgpu::nn::{Capacity, Layout, Network, NetworkPlan, Training};
use lensgpu::plan::TensorId;

const MEMBERS: usize = 5;
const BATCH: usize = 32;
/// Fraction of the peak of multiply-adds that convolutions and dense layers are assumed to reach.
const EFFICIENCIES: [f64; 2] = [0.4, 0.2];
/// Fraction of the memory's nominal bandwidth that passes are assumed to reach.
const COPY: f64 = 0.75;

/// Nominal figures of a GPU, and an assumed launch floor.
struct Gpu {
    name: &'static str,
    /// f32 multiply-adds, counted as two operations, per second.
    peak: f64,
    /// Bytes per second.
    bandwidth: f64,
    /// Multiprocessors, work-group processors, cores or slices of 8 execution units.
    units: f64,
    /// From one dependent dispatch to the next, seconds.
    floor: f64,
}

const GPUS: [Gpu; 5] = [
    Gpu {
        name: "H100 SXM",
        peak: 67e12,
        bandwidth: 3.35e12,
        units: 132.0,
        floor: 3e-6,
    },
    Gpu {
        name: "RTX 4090",
        peak: 82.6e12,
        bandwidth: 1.008e12,
        units: 128.0,
        floor: 3e-6,
    },
    Gpu {
        name: "RX 7900 XTX",
        // Half of the nominal peak, which counts two instructions per cycle that the compiler must pair.
        peak: 30.7e12,
        bandwidth: 0.96e12,
        units: 48.0,
        floor: 4e-6,
    },
    Gpu {
        name: "Apple M3",
        peak: 3.5e12,
        bandwidth: 0.1e12,
        units: 10.0,
        floor: 5e-6,
    },
    Gpu {
        name: "Iris Xe (96 EU)",
        peak: 2.1e12,
        bandwidth: 0.051e12,
        units: 12.0,
        floor: 5e-6,
    },
];

/// One pass of a step, for all members.
struct Row {
    name: String,
    workgroups: f64,
    gflop: f64,
    megabytes: f64,
}

impl Row {
    /// Seconds on a GPU.
    fn seconds(&self, gpu: &Gpu, efficiency: f64) -> f64 {
        let fill = (self.workgroups / gpu.units).min(1.0);
        let arithmetic = 1e9 * self.gflop / (efficiency * gpu.peak * fill);
        let memory = 1e6 * self.megabytes / (COPY * gpu.bandwidth);
        gpu.floor + arithmetic.max(memory)
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let network = match &arguments[..] {
        [] => Network::vanilla(&[55, 55, 3])?,
        [file, shape @ ..] if shape.len() == 3 => {
            let shape: Vec<usize> = shape.iter().map(|n| n.parse()).collect::<Result<_, _>>()?;
            Network::from_toml(&std::fs::read_to_string(file).context(file.clone())?, &shape)?
        }
        _ => bail!("arguments: none, or NETWORK.toml HEIGHT WIDTH CHANNELS"),
    };
    let steps = Precision::ALL.map(|precision| [(false, precision), (true, precision)]);
    for (adversarial, precision) in steps.into_iter().flatten() {
        let rows = rows(&network, adversarial, precision)?;
        let gflop: f64 = rows.iter().map(|row| row.gflop).sum();
        let megabytes: f64 = rows.iter().map(|row| row.megabytes).sum();
        let kind = if adversarial { "An adversarial" } else { "A plain" };
        println!(
            "{kind} step, {}: {} dispatches, {gflop:.1} GFLOP, {megabytes:.0} MB.\n",
            precision.name(),
            rows.len()
        );
        if !adversarial {
            print_passes(&rows);
        }
        print_sums(&rows);
    }
    Ok(())
}

fn rows(network: &Network, adversarial: bool, precision: Precision) -> Result<Vec<Row>> {
    let layout = Layout::new(network)?;
    let capacity = Capacity { pool: BATCH, steps: 1 };
    let training = Training {
        adversarial,
        ..Training::new(BATCH, capacity)
    };
    let plan = NetworkPlan::training(network, &layout, &training)?.plan;
    // Of these, a pass that is not the optimiser's needs a small part.
    let small = ["params", "grads", "stats", "stats_next"].map(|name| plan.tensors.iter().position(|t| t.name == name));
    let Lowered { passes, tensors } = lower(&plan, AdapterClass::Gpu, precision);
    let bytes = |id: TensorId| {
        let tensor = &tensors[id.0];
        let rows = if tensor.shared { 1 } else { MEMBERS };
        rows as f64 * row_bytes(tensor) as f64
    };
    let mut before = None;
    let rows = passes.iter().map(|(number, pass)| {
        let op = &plan.ops[*number];
        let ids = pass.buffers.iter().map(|buffer| buffer.tensor);
        let all = op.name() == "adam";
        // The first pass of an operation does the arithmetic, others finish its sums.
        let is_first = before.replace(number) != Some(number);
        Row {
            name: format!("{} {}", pass.entry, op.layer()),
            workgroups: f64::from(pass.grid[0] * pass.grid[1]) * MEMBERS as f64,
            gflop: if is_first {
                1e-9 * op.flops() * MEMBERS as f64
            } else {
                0.0
            },
            megabytes: 1e-6
                * ids
                    .filter(|id| all || !small.contains(&Some(id.0)))
                    .map(bytes)
                    .sum::<f64>(),
        }
    });
    Ok(rows.collect())
}

fn print_passes(rows: &[Row]) {
    let columns = GPUS.map(|gpu| gpu.name).join(" | ");
    println!("| pass | workgroups | GFLOP | MB | {columns} |\n|---|---|---|---|---|---|---|---|---|");
    for row in rows {
        let times = GPUS.map(|gpu| format!("{:.3}", 1e3 * row.seconds(&gpu, EFFICIENCIES[0])));
        println!(
            "| {} | {} | {:.2} | {:.1} | {} |",
            row.name,
            row.workgroups,
            row.gflop,
            row.megabytes,
            times.join(" | ")
        );
    }
    println!();
}

fn print_sums(rows: &[Row]) {
    let names = GPUS.map(|gpu| gpu.name).join(" | ");
    println!("| ms per step | {names} |\n|---|---|---|---|---|---|");
    for efficiency in EFFICIENCIES {
        let sum = |gpu: Gpu| rows.iter().map(|row| row.seconds(&gpu, efficiency)).sum::<f64>();
        let times = GPUS.map(|gpu| format!("{:.2}", 1e3 * sum(gpu)));
        println!("| at {:.0} % of the peak | {} |", 100.0 * efficiency, times.join(" | "));
    }
    let floors = GPUS.map(|gpu| format!("{:.2}", 1e3 * rows.len() as f64 * gpu.floor));
    println!("| of which launches | {} |\n", floors.join(" | "));
}
