//! The buffers and bind groups of members that run together.

use super::{Gpu, Pass, arena, storage};
use crate::device::{Error, Result};
use crate::plan::Tensor;
use std::cell::Cell;

/// Members whose buffers fit into the device's limits together: all members, unless the limits or the memory require
/// several waves. Waves run one after another, so they share the memory of transient tensors.
pub struct Wave {
    pub members: usize,
    /// By tensor; the buffer of a shared or transient tensor is the same in every wave, and may be that of other transient
    /// tensors.
    pub buffers: Vec<wgpu::Buffer>,
    /// By pass.
    pub bindings: Vec<wgpu::BindGroup>,
}

impl Wave {
    /// Allocates the tensors of `members` members in as few waves as the device allows: first by its limits; then, as long
    /// as its memory does not suffice, with half as many members each.
    ///
    /// # Errors
    /// [`Error::TensorTooLarge`]; [`Error::OutOfMemory`] with a single member per wave.
    pub fn all(
        gpu: &Gpu,
        tensors: &[Tensor],
        members: usize,
        passes: &[Pass],
        pipelines: &[wgpu::ComputePipeline],
    ) -> Result<Vec<Wave>> {
        let mut largest = largest(gpu, tensors)?.min(members);
        loop {
            // As even as possible: with a limit of 20, 21 members are split into 10 and 11.
            let count = members.div_ceil(largest);
            let split = |wave| members * (wave + 1) / count - members * wave / count;
            let sizes: Vec<usize> = (0..count).map(split).collect();
            match Wave::of(gpu, tensors, &sizes, passes, pipelines) {
                Err(Error::OutOfMemory { .. }) if largest > 1 => largest = largest.div_ceil(2),
                result => return result,
            }
        }
    }

    /// Waves of these numbers of members.
    fn of(
        gpu: &Gpu,
        tensors: &[Tensor],
        sizes: &[usize],
        passes: &[Pass],
        pipelines: &[wgpu::ComputePipeline],
    ) -> Result<Vec<Wave>> {
        let memory = Memory {
            gpu,
            left: Cell::new(gpu.memory),
        };
        let most = sizes.iter().copied().max().unwrap_or(0);
        let owners = arena::owners(tensors, passes);
        let common = |(i, tensor): (usize, &Tensor)| match (tensor.shared, tensor.transient) {
            (true, _) => memory.buffer(tensor, 1).map(Some),
            (false, true) if owners[i] == i => memory.buffer(tensor, most).map(Some),
            (false, _) => Ok(None),
        };
        let common: Vec<Option<wgpu::Buffer>> = tensors.iter().enumerate().map(common).collect::<Result<_>>()?;
        let wave = |&members: &usize| {
            let own = |(tensor, &owner): (&Tensor, &usize)| match &common[owner] {
                Some(buffer) => Ok(buffer.clone()),
                None => memory.buffer(tensor, members),
            };
            let buffers: Vec<wgpu::Buffer> = tensors.iter().zip(&owners).map(own).collect::<Result<_>>()?;
            let bind = |(pass, pipeline)| bind(gpu, pass, pipeline, &buffers);
            Ok(Wave {
                members,
                bindings: passes.iter().zip(pipelines).map(bind).collect::<Result<_>>()?,
                buffers,
            })
        };
        sizes.iter().map(wave).collect()
    }
}

/// Number of members that fit into the device's bindings together.
///
/// # Errors
/// [`Error::TensorTooLarge`].
pub fn largest(gpu: &Gpu, tensors: &[Tensor]) -> Result<usize> {
    let limit = gpu.largest_binding();
    let mut largest = gpu.limits.max_compute_workgroups_per_dimension as usize;
    for tensor in tensors {
        let bytes = storage::bytes(tensor, 1);
        if bytes > limit {
            return Err(Error::TensorTooLarge {
                device: gpu.name.clone(),
                tensor: tensor.name.clone(),
                bytes,
                limit,
                shared: tensor.shared,
            });
        }
        if !tensor.shared {
            largest = largest.min((limit / bytes) as usize);
        }
    }
    Ok(largest)
}

/// The memory of a device.
struct Memory<'a> {
    gpu: &'a Gpu,
    left: Cell<u64>,
}

impl Memory<'_> {
    fn buffer(&self, tensor: &Tensor, rows: usize) -> Result<wgpu::Buffer> {
        let size = storage::bytes(tensor, rows);
        let what = format!("{} MiB for the tensor {}", size.div_ceil(1 << 20), tensor.name);
        let left = self.left.get().checked_sub(size);
        self.left.set(left.ok_or_else(|| self.gpu.out_of_memory(&what))?);
        self.gpu.guarded(&what, || {
            self.gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(&tensor.name),
                size,
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        })
    }
}

fn bind(gpu: &Gpu, pass: &Pass, pipeline: &wgpu::ComputePipeline, buffers: &[wgpu::Buffer]) -> Result<wgpu::BindGroup> {
    let entries: Vec<wgpu::BindGroupEntry> = pass
        .buffers
        .iter()
        .enumerate()
        .map(|(i, binding)| wgpu::BindGroupEntry {
            binding: i as u32,
            resource: buffers[binding.tensor.0].as_entire_binding(),
        })
        .collect();
    gpu.guarded(&format!("kernel {} of {}", pass.entry, pass.shader), || {
        gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(pass.entry),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        })
    })
}
