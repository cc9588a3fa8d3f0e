//! What a GPU can do at most, see [`Peak`].

use super::compile::compile;
use super::ring::{Job, Ring};
use super::wave::Wave;
use super::{Binding, Gpu, Pass};
use crate::device::Result;
use crate::device::peak::Peak;
use crate::plan::{Tensor, TensorId};
use std::time::Instant;

const ROUNDS: u32 = 256;
const THREADS: u32 = 256;
const WORKGROUPS: u32 = 2048;
/// Of a dispatch of `multiply_add`: rounds x chains x lanes x operations, in every thread.
const MOST_FLOPS: f64 = (ROUNDS * 8 * 4 * 2) as f64 * (THREADS * WORKGROUPS) as f64;
/// Bytes that are copied at a time, if a binding may have as many: more than caches hold.
const COPIED: u64 = 128 << 20;
/// A measurement that takes this long is good enough, and far below what makes a driver reset the device.
const SECONDS: f64 = 0.1;

/// Multiply-adds, a copy of so many vec4, and kernels without work that wait in turn, and for none.
pub fn peak_passes(vectors: u32) -> [Pass; 4] {
    let pass = |entry, constants, buffers, workgroups| Pass {
        shader: "peak_rates.wgsl",
        entry,
        constants,
        buffers,
        grid: [1, workgroups],
    };
    let source = Binding::read("source", TensorId(0));
    let values = Binding::write("values", TensorId(1));
    let (rounds, size) = (("ROUNDS", ROUNDS.into()), ("VECTORS", vectors.into()));
    let workgroups = vectors.div_ceil(THREADS);
    [
        pass("multiply_add", vec![rounds], vec![values], WORKGROUPS),
        pass("copy", vec![size], vec![source, values], workgroups),
        pass("wait_in_turn", vec![], vec![values], 1),
        pass("wait_for_none", vec![], vec![source], 1),
    ]
}

/// Measures it.
///
/// # Errors
/// The device fails, or has no memory for the copy.
pub fn peak(gpu: &Gpu) -> Result<Peak> {
    let bytes = COPIED.min(gpu.largest_binding());
    let passes = peak_passes((bytes / 16) as u32);
    let pipelines = compile(gpu, &passes)?;
    let tensors = ["source", "values"].map(|name| Tensor {
        name: name.into(),
        len: (bytes / 4) as usize,
        shared: true,
        transient: false,
        half: false,
    });
    let wave = &Wave::all(gpu, &tensors, 1, &passes, &pipelines)?[0];
    let seconds = |i: usize| seconds(gpu, &pipelines[i], &wave.bindings[i], passes[i].grid);
    Ok(Peak {
        flops_per_second: MOST_FLOPS / seconds(0)?,
        bytes_per_second: 2.0 * bytes as f64 / seconds(1)?,
        dependent_dispatch_seconds: seconds(2)?,
        independent_dispatch_seconds: seconds(3)?,
    })
}

/// Seconds of a dispatch: of the first submission, each with twice as many dispatches, that takes long enough. Before it, one
/// that is not counted, in which a driver may still compile the kernel.
fn seconds(gpu: &Gpu, pipeline: &wgpu::ComputePipeline, bindings: &wgpu::BindGroup, [x, y]: [u32; 2]) -> Result<f64> {
    let mut ring = Ring::new(gpu, 1, 4)?;
    let mut dispatches = 1_u32;
    let mut compiled = false;
    loop {
        let start = Instant::now();
        let job = Job {
            tag: 1,
            what: "the measurement of its peak".into(),
            patience: gpu.patience.with(f64::from(dispatches) * MOST_FLOPS),
        };
        ring.submit(job, |_| {
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, bindings, &[]);
            (0..dispatches).for_each(|_| pass.dispatch_workgroups(x, y, 1));
            drop(pass);
            encoder.finish()
        })?;
        ring.collect()?;
        let seconds = start.elapsed().as_secs_f64();
        match (compiled, seconds >= SECONDS) {
            (false, _) => compiled = true,
            (true, true) => return Ok(seconds / f64::from(dispatches)),
            (true, false) => dispatches *= 2,
        }
    }
}
