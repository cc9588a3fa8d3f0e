//! What a GPU can do at most, see [`Peak`].

use super::ring::{Job, Ring};
use super::{Gpu, Patience};
use crate::device::Result;
use crate::device::peak::Peak;
use std::time::Instant;

const SHADER: &str = include_str!("../../../shaders/peak_rates.wgsl");
/// Of `multiply_add` in the shader: rounds x chains x lanes x operations.
const FLOPS_PER_THREAD: f64 = 256.0 * 8.0 * 4.0 * 2.0;
const THREADS: u32 = 256;
const WORKGROUPS: u32 = 2048;
/// Of a dispatch.
const MOST_FLOPS: f64 = FLOPS_PER_THREAD * (THREADS * WORKGROUPS) as f64;
/// Bytes that are copied at a time, if a binding may have as many: more than caches hold.
const COPIED: u64 = 128 << 20;
/// A measurement that takes this long is good enough, and far below what makes a driver reset the device.
const SECONDS: f64 = 0.1;

/// Measures it.
///
/// # Errors
/// The device fails, or has no memory for the copy.
pub fn peak(gpu: &Gpu) -> Result<Peak> {
    let bytes = COPIED.min(gpu.largest_binding());
    let target = buffer(gpu, bytes)?;
    let source = buffer(gpu, bytes)?;
    let vectors = bytes / 16;
    let seconds = |entry: &str, buffers: &[(u32, &wgpu::Buffer)], workgroups: u64| {
        Kernel::new(gpu, entry, buffers)?.seconds(workgroups as u32)
    };
    let (read, write) = ((1, &source), (0, &target));
    Ok(Peak {
        flops_per_second: MOST_FLOPS / seconds("multiply_add", &[write], u64::from(WORKGROUPS))?,
        bytes_per_second: 2.0 * bytes as f64 / seconds("copy", &[write, read], vectors.div_ceil(u64::from(THREADS)))?,
        dependent_dispatch_seconds: seconds("wait_in_turn", &[write], 1)?,
        independent_dispatch_seconds: seconds("wait_for_none", &[read], 1)?,
    })
}

fn buffer(gpu: &Gpu, size: u64) -> Result<wgpu::Buffer> {
    gpu.guarded(&format!("{} MiB to copy", size >> 20), || {
        gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("peak"),
            size,
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        })
    })
}

struct Kernel<'a> {
    gpu: &'a Gpu,
    pipeline: wgpu::ComputePipeline,
    bindings: wgpu::BindGroup,
}

impl<'a> Kernel<'a> {
    fn new(gpu: &'a Gpu, entry: &str, buffers: &[(u32, &wgpu::Buffer)]) -> Result<Kernel<'a>> {
        let (pipeline, bindings) = gpu.guarded(&format!("kernel {entry} of peak_rates.wgsl"), || {
            let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(entry),
                source: wgpu::ShaderSource::Wgsl(SHADER.into()),
            });
            let pipeline = gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(entry),
                layout: None,
                module: &module,
                entry_point: Some(entry),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                cache: None,
            });
            let entries: Vec<wgpu::BindGroupEntry> = buffers
                .iter()
                .map(|(binding, buffer)| wgpu::BindGroupEntry {
                    binding: *binding,
                    resource: buffer.as_entire_binding(),
                })
                .collect();
            let bindings = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(entry),
                layout: &pipeline.get_bind_group_layout(0),
                entries: &entries,
            });
            (pipeline, bindings)
        })?;
        Ok(Kernel {
            gpu,
            pipeline,
            bindings,
        })
    }

    /// Seconds of a dispatch: of the first submission, each with twice as many dispatches, that takes long enough.
    fn seconds(&self, workgroups: u32) -> Result<f64> {
        let mut ring = Ring::new(self.gpu, 1, 4)?;
        let mut dispatches = 1_u32;
        loop {
            let start = Instant::now();
            let job = Job {
                tag: 1,
                what: "the measurement of its peak".into(),
                patience: Patience::of(self.gpu.class).with(f64::from(dispatches) * MOST_FLOPS),
            };
            ring.submit(job, |_| {
                let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
                let mut pass = encoder.begin_compute_pass(&Default::default());
                pass.set_pipeline(&self.pipeline);
                pass.set_bind_group(0, &self.bindings, &[]);
                (0..dispatches).for_each(|_| pass.dispatch_workgroups(workgroups, 1, 1));
                drop(pass);
                encoder.finish()
            })?;
            ring.collect()?;
            let seconds = start.elapsed().as_secs_f64();
            if seconds >= SECONDS {
                return Ok(seconds / f64::from(dispatches));
            }
            dispatches *= 2;
        }
    }
}
