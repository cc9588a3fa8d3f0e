//! The benchmark: how long training and inference take, in total and per operation.

use super::error::{Error, Result};
use crate::device::gpu::AdapterClass;
use crate::device::{self, Device, Engine, Peak};
use crate::lens::simulate::plan::Window;
use crate::lens::{Population, Simulator};
use crate::nn::NetworkPlan;
use crate::nn::{Capacity, Training};
use crate::nn::{Layout, Network, initialise};
use crate::numeric::median;
use crate::plan::{Op, state};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::time::Instant;

/// What the benchmark measures.
pub struct BenchOptions {
    /// Number of members, at least 1.
    pub members: usize,
    /// Images per member and step, at least 1.
    pub batch: usize,
    /// Number of steps that are timed, at least 1; two more run first and are not timed.
    pub steps: usize,
}

/// Results for one device, network, number of members and batch size.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bench {
    /// Name of the device.
    pub device: String,
    /// Number of members.
    pub members: usize,
    /// Images per member and step.
    pub batch: usize,
    /// Shape of an image: height, width, channels.
    pub input: Vec<usize>,
    /// Time to compile the kernels and to allocate the tensors, seconds.
    pub setup_seconds: f64,
    /// Time of a training step of all members, seconds.
    pub step_seconds: Spread,
    /// Time of a training step with the adversarial pass, seconds.
    pub adversarial_step_seconds: Spread,
    /// Time of an inference pass of all members over `batch` images, seconds.
    pub inference_seconds: Spread,
    /// Fraction of that time in which the device waits for the next images and for its results to be taken, 0 to 1: what
    /// the same passes over images that it already holds do not take.
    #[serde(default)]
    pub inference_waits: f64,
    /// Training throughput of the ensemble: `batch` images per step, independent of the number of members.
    pub training_images_per_second: f64,
    /// Inference throughput of the ensemble.
    pub inference_images_per_second: f64,
    /// Simulation throughput for the preset `lfc1-ground`, 101 x 101 pixels in four bands, without writing files.
    pub simulated_objects_per_second: f64,
    /// Device memory of the training plan, bytes.
    pub bytes: u64,
    /// Dispatches of a training step; 0 on the CPU.
    pub dispatches: usize,
    /// Floating point operations of a training step divided by its time; a multiply-add counts as two.
    pub gflops_per_second: f64,
    /// What the device can do at most.
    pub peak: Peak,
    /// Each operation of a training step, in order.
    pub operations: Vec<OperationTime>,
}

/// Median and range of repeated measurements, seconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

/// Time of one operation of a training step, all members together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OperationTime {
    /// Name of the operation.
    pub operation: String,
    /// Layer that it belongs to; empty if none.
    pub layer: String,
    /// Median time, seconds.
    pub seconds: f64,
    /// Floating point operations divided by the time; 0 for an operation that is limited by memory bandwidth.
    pub gflops_per_second: f64,
    /// The same divided by the device's peak.
    pub peak_fraction: f64,
    /// Bytes that it cannot do without reading or writing, four per value in any precision, divided by the time.
    #[serde(default)]
    pub gigabytes_per_second: f64,
    /// The same divided by the rate of a copy.
    #[serde(default)]
    pub copy_fraction: f64,
}

/// Time of a training step for other numbers.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct SweepStep {
    /// Number of members.
    pub members: usize,
    /// Images per member and step.
    pub batch: usize,
    /// Time of a training step of all members, seconds; `None` if the device has no memory for them.
    pub seconds: Option<Spread>,
}

/// Numbers of members and batch sizes of a [`sweep`].
const SWEEP: ([usize; 6], [usize; 6]) = ([1, 2, 5, 10, 20, 50], [8, 16, 32, 64, 128, 256]);

/// Times training steps of 1 to 50 members, and of batches of 8 to 256.
///
/// # Errors
/// As [`bench`].
pub fn sweep(device: &Device, network: &Network, options: &BenchOptions) -> Result<Vec<SweepStep>> {
    let members = SWEEP.0.map(|members| (members, options.batch));
    let batches = SWEEP.1.map(|batch| (options.members, batch));
    let step = |(members, batch)| {
        let options = BenchOptions {
            members,
            batch,
            steps: options.steps,
        };
        let seconds = match training(device, network, &options, false) {
            Ok((mut engine, _)) => Some(time_steps(engine.as_mut(), options.steps)?),
            Err(Error::Device(
                device::Error::OutOfMemory { .. }
                | device::Error::TooMuchMemory { .. }
                | device::Error::TensorTooLarge { .. },
            )) => None,
            Err(error) => return Err(error),
        };
        Ok(SweepStep {
            members,
            batch,
            seconds,
        })
    };
    members.into_iter().chain(batches).map(step).collect()
}

/// Times a network on random images and weights.
///
/// # Errors
/// An option that is 0; a network that the device cannot run; the device fails.
pub fn bench(device: &Device, network: &Network, options: &BenchOptions) -> Result<Bench> {
    let BenchOptions { members, batch, steps } = *options;
    for (name, count) in [("members", members), ("batch", batch), ("steps", steps)] {
        if count == 0 {
            return Err(Error::ZeroCount { name });
        }
    }
    let start = Instant::now();
    let (mut plain, ops) = training(device, network, options, false)?;
    let setup_seconds = start.elapsed().as_secs_f64();
    let step_seconds = time_steps(plain.as_mut(), steps)?;
    let profile = plain.profile(steps.min(3))?;
    let (bytes, dispatches) = (plain.bytes(), plain.dispatches());
    drop(plain);
    let (mut adversarial, _) = training(device, network, options, true)?;
    let adversarial_step_seconds = time_steps(adversarial.as_mut(), steps)?;
    drop(adversarial);
    let (inference_seconds, inference_waits) = time_inference(device, network, options)?;

    let peak = device.peak()?;
    let gflop = |op: &Op| op.flops() * members as f64 * 1e-9;
    let gigabytes = |op: &Op| (4 * op.values() * members) as f64 * 1e-9;
    let operations = ops.iter().zip(profile).map(|(op, seconds)| OperationTime {
        operation: op.name().to_string(),
        layer: op.layer().to_string(),
        seconds,
        gflops_per_second: gflop(op) / seconds,
        peak_fraction: 1e9 * gflop(op) / seconds / peak.flops_per_second,
        gigabytes_per_second: gigabytes(op) / seconds,
        copy_fraction: 1e9 * gigabytes(op) / seconds / peak.bytes_per_second,
    });
    Ok(Bench {
        device: device.name(),
        members,
        batch,
        input: network.input.clone(),
        setup_seconds,
        training_images_per_second: batch as f64 / step_seconds.median,
        inference_images_per_second: batch as f64 / inference_seconds.median,
        simulated_objects_per_second: simulated_per_second(device)?,
        gflops_per_second: ops.iter().map(gflop).sum::<f64>() / step_seconds.median,
        step_seconds,
        adversarial_step_seconds,
        inference_seconds,
        inference_waits,
        bytes,
        dispatches,
        operations: operations.collect(),
        peak,
    })
}

/// Replays before the first that is timed.
const WARM_UP: usize = 2;

/// An engine with random data for all steps of a measurement, and the operations of a step.
fn training(
    device: &Device,
    network: &Network,
    options: &BenchOptions,
    adversarial: bool,
) -> Result<(Box<dyn Engine>, Vec<Op>)> {
    let BenchOptions { members, batch, steps } = *options;
    let layout = Layout::new(network)?;
    let capacity = Capacity {
        pool: batch,
        steps: WARM_UP + 4 * steps,
    };
    let training = Training {
        adversarial,
        ..Training::new(batch, capacity)
    };
    let plan = NetworkPlan::training(network, &layout, &training)?;
    let io = plan.io.train.expect("a training plan");
    let mut engine = device.engine(&plan, members)?;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut floats = |n: usize| -> Vec<u32> { (0..n).map(|_| rng.random_range(0.0f32..1.0).to_bits()).collect() };
    engine.write(io.pool, &floats(batch * network.input_shape().len()))?;
    engine.write(io.pool_labels, &floats(batch))?;
    let draws: Vec<u32> = (0..members * capacity.steps * batch)
        .map(|i| (i % batch) as u32)
        .collect();
    engine.write(io.draws, &draws)?;
    if let Some(bands) = io.bands {
        engine.write(bands, &vec![0.01f32.to_bits(); plan.tensor(bands).len])?;
    }
    engine.write(io.schedule, &[1e-4f32.to_bits(), 0].repeat(capacity.steps))?;
    let (mut params, mut stats, mut counters) = (vec![], vec![], vec![]);
    for member in 0..members {
        let (p, s) = initialise(network, &layout, 1, member as u32);
        params.extend(p);
        stats.extend(s);
        let mut words = [0; state::WORDS];
        words[state::RATE_FACTOR] = 1f32.to_bits();
        counters.extend(words);
    }
    engine.write(plan.io.params, bytemuck::cast_slice(&params))?;
    engine.write(plan.io.stats, bytemuck::cast_slice(&stats))?;
    engine.write(io.state, &counters)?;
    Ok((engine, plan.plan.ops))
}

/// Time per step under the conditions of a training run: several steps in flight, and the log read back.
fn time_steps(engine: &mut dyn Engine, steps: usize) -> Result<Spread> {
    engine.replay(WARM_UP, &mut |_, _| ControlFlow::Continue(()))?;
    let (mut last, mut before) = (Instant::now(), 0);
    let mut times = Vec::new();
    engine.replay(steps, &mut |done, _| {
        // The engine reports per submission, which has one or more steps.
        let each = last.elapsed().as_secs_f64() / (done - before) as f64;
        times.extend(std::iter::repeat_n(each, done - before));
        (last, before) = (Instant::now(), done);
        ControlFlow::Continue(())
    })?;
    Ok(Spread::of(times))
}

/// Time of an inference pass whose images come from the host, and the fraction of it in which the device waits.
fn time_inference(device: &Device, network: &Network, options: &BenchOptions) -> Result<(Spread, f64)> {
    let layout = Layout::new(network)?;
    let plan = NetworkPlan::inference(network, &layout, options.batch)?;
    let mut engine = device.engine(&plan, options.members)?;
    let images = vec![0.5f32.to_bits(); options.batch * network.input_shape().len()];
    let mut left = WARM_UP + options.steps;
    let mut times = Vec::new();
    let mut last = Instant::now();
    engine.run_batches(
        plan.io.x,
        &[plan.io.prediction],
        &mut || {
            left = left.saturating_sub(1);
            (left > 0).then(|| images.clone())
        },
        &mut |_| {
            times.push(last.elapsed().as_secs_f64());
            last = Instant::now();
            ControlFlow::Continue(())
        },
    )?;
    let streamed = Spread::of(times.split_off(WARM_UP.min(times.len() - 1)));
    let resident = time_steps(engine.as_mut(), options.steps)?;
    Ok((streamed, (1.0 - resident.median / streamed.median).max(0.0)))
}

/// Number of objects to simulate after the first batch, on a software adapter and on any other device.
const SIMULATED: [usize; 2] = [8, 256];

fn simulated_per_second(device: &Device) -> Result<f64> {
    let population = Population::preset("lfc1-ground")?;
    let software = matches!(device, Device::Gpu(gpu) if gpu.class == AdapterClass::Software);
    let count = SIMULATED[usize::from(!software)];
    let mut simulator = Simulator::new(device, &population, Window::whole(&population), 1, count)?;
    let first = simulator.batch();
    let (mut done, mut start) = (0, Instant::now());
    simulator.run(0, &mut |_| {
        done += 1;
        if done == first {
            start = Instant::now();
        }
        if done == first + count {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

impl Spread {
    fn of(mut times: Vec<f64>) -> Spread {
        times.sort_by(f64::total_cmp);
        Spread {
            min: times[0],
            max: times[times.len() - 1],
            median: median(&mut times).expect("at least one run was timed"),
        }
    }
}
