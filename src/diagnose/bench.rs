//! How long a step takes, as a whole and by operation.

use crate::device::gpu::AdapterClass;
use crate::device::{Device, Engine};
use crate::lens::simulate::plan::Window;
use crate::lens::{Population, Simulator};
use crate::nn::NetworkPlan;
use crate::nn::{Capacity, Training};
use crate::nn::{Layout, Network, initialise};
use crate::numeric::median;
use crate::plan::{Op, state};
use anyhow::{Result, ensure};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::ops::ControlFlow;
use std::time::Instant;

/// What is measured.
pub struct BenchOptions {
    pub members: usize,
    pub batch: usize,
    /// Steps that are timed, after two that are not.
    pub steps: usize,
}

/// Figures of one device, network, number of members and batch. Times are seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Bench {
    pub device: String,
    pub members: usize,
    pub batch: usize,
    pub input: Vec<usize>,
    /// Making the plan ready: kernels compiled, buffers made.
    pub setup_seconds: f64,
    /// A training step of all members.
    pub step_seconds: Spread,
    /// The same with the adversarial pass.
    pub adversarial_step_seconds: Spread,
    /// An inference pass over `batch` images by all members.
    pub inference_seconds: Spread,
    /// Images that the ensemble trains on in a second: `batch` each step, whatever the number of members.
    pub training_images_per_second: f64,
    pub inference_images_per_second: f64,
    /// Of the preset `lfc1-ground`, 101 x 101 pixels in four bands, drawn and made but not written.
    pub simulated_objects_per_second: f64,
    /// Of the training plan.
    pub bytes: u64,
    /// Of a training step; none on a processor.
    pub dispatches: usize,
    /// Multiply-adds of a step's products counted as two, over the step's time.
    pub gflops_per_second: f64,
    /// By operation, in the order in which a training step runs them.
    pub operations: Vec<OperationTime>,
}

/// Of repeated measurements.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

#[derive(Clone, Debug, Serialize)]
pub struct OperationTime {
    pub operation: &'static str,
    pub layer: String,
    pub seconds: f64,
    /// 0 for what is bound by memory.
    pub gflops_per_second: f64,
}

/// Times the network on random images and weights.
///
/// # Errors
/// Options that are 0, and those of [`Device::engine`].
pub fn bench(device: &Device, network: &Network, options: &BenchOptions) -> Result<Bench> {
    let BenchOptions { members, batch, steps } = *options;
    ensure!(
        members > 0 && batch > 0 && steps > 0,
        "members, batch and steps must be at least 1"
    );
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
    let inference_seconds = time_inference(device, network, options)?;

    let all = |op: &Op| op.flops() * members as f64 * 1e-9;
    let operations = ops.iter().zip(profile).map(|(op, seconds)| OperationTime {
        operation: op.name(),
        layer: op.layer().to_string(),
        seconds,
        gflops_per_second: all(op) / seconds,
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
        gflops_per_second: ops.iter().map(all).sum::<f64>() / step_seconds.median,
        step_seconds,
        adversarial_step_seconds,
        inference_seconds,
        bytes,
        dispatches,
        operations: operations.collect(),
    })
}

/// Replays that come before the first that counts.
const WARM_UP: usize = 2;

/// An engine with everything for the steps that are to be timed.
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

/// Seconds a step, as a run has them: several in flight, the log coming back.
fn time_steps(engine: &mut dyn Engine, steps: usize) -> Result<Spread> {
    engine.replay(WARM_UP, &mut |_, _| ControlFlow::Continue(()))?;
    let (mut last, mut before) = (Instant::now(), 0);
    let mut times = Vec::new();
    engine.replay(steps, &mut |done, _| {
        // News comes by submission, of one step or of many.
        let each = last.elapsed().as_secs_f64() / (done - before) as f64;
        times.extend(std::iter::repeat_n(each, done - before));
        (last, before) = (Instant::now(), done);
        ControlFlow::Continue(())
    })?;
    Ok(Spread::of(times))
}

fn time_inference(device: &Device, network: &Network, options: &BenchOptions) -> Result<Spread> {
    let layout = Layout::new(network)?;
    let plan = NetworkPlan::inference(network, &layout, options.batch)?;
    let mut engine = device.engine(&plan, options.members)?;
    let images = vec![0.5f32.to_bits(); options.batch * network.input_shape().len()];
    let mut left = WARM_UP + options.steps;
    let mut times = Vec::new();
    let mut last = Instant::now();
    engine.stream(
        plan.io.x,
        &[plan.io.prediction],
        &mut || {
            left = left.saturating_sub(1);
            Ok((left > 0).then(|| images.clone()))
        },
        &mut |_| {
            times.push(last.elapsed().as_secs_f64());
            last = Instant::now();
            Ok(())
        },
    )?;
    Ok(Spread::of(times.split_off(WARM_UP.min(times.len() - 1))))
}

/// Objects that are simulated for the measurement, on a software adapter and else; the first batch comes on top.
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
