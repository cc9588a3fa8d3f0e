//! The kernels of a plan, compiled.

use super::cache::PipelineCache;
use super::{Gpu, Pass, preprocess::preprocess};
use crate::device::{Error, Result};
use rayon::prelude::*;
use std::collections::HashMap;

/// Compiles the kernels of the passes on all cores; passes with the same text share one.
///
/// # Errors
/// [`Error::Kernel`].
pub fn compile(gpu: &Gpu, passes: &[Pass]) -> Result<Vec<wgpu::ComputePipeline>> {
    let sources: Vec<String> = passes
        .iter()
        .map(|p| preprocess(p).map_err(|error| kernel_error(gpu, p, error)))
        .collect::<Result<_>>()?;
    let mut distinct: Vec<(&String, &Pass)> = Vec::new();
    let mut place: HashMap<&String, usize> = HashMap::new();
    for (source, pass) in sources.iter().zip(passes) {
        place.entry(source).or_insert_with(|| {
            distinct.push((source, pass));
            distinct.len() - 1
        });
    }
    let kernels: Vec<wgpu::ComputePipeline> = distinct
        .into_par_iter()
        .map(|(source, pass)| kernel(gpu, source, pass))
        .collect::<Result<_>>()?;
    if let Some(cache) = &gpu.kernels {
        cache.save();
    }
    Ok(sources.iter().map(|source| kernels[place[source]].clone()).collect())
}

fn kernel(gpu: &Gpu, source: &str, pass: &Pass) -> Result<wgpu::ComputePipeline> {
    let what = format!("kernel {} of {}", pass.entry, pass.shader);
    let pipeline = gpu.guarded(&what, || {
        // SAFETY: the kernels are part of the program. Each of them checks its own bounds, divides by constants only and
        // has no endless loop; the tests of the kernels verify this with all of wgpu's checks switched on.
        let module = unsafe {
            gpu.device.create_shader_module_trusted(
                wgpu::ShaderModuleDescriptor {
                    label: Some(pass.entry),
                    source: wgpu::ShaderSource::Wgsl(source.into()),
                },
                checks(),
            )
        };
        gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(pass.entry),
            layout: None,
            module: &module,
            entry_point: Some(pass.entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: gpu.kernels.as_deref().map(PipelineCache::get),
        })
    });
    pipeline.map_err(|error| match error {
        Error::Rejected { source, .. } => kernel_error(gpu, pass, source),
        other => other,
    })
}

fn kernel_error(gpu: &Gpu, pass: &Pass, source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Kernel {
        device: gpu.name.clone(),
        shader: pass.shader,
        entry: pass.entry,
        source: Box::new(source),
    }
}

/// wgpu's checks of every access, loop and division. They cost up to half of the time, so they are off unless
/// `LENSGPU_CHECKED` is set.
fn checks() -> wgpu::ShaderRuntimeChecks {
    match std::env::var_os("LENSGPU_CHECKED") {
        Some(_) => wgpu::ShaderRuntimeChecks::checked(),
        None => wgpu::ShaderRuntimeChecks::unchecked(),
    }
}
