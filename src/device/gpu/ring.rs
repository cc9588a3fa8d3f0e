//! A small ring of staging buffers that brings results back to the host after each submission.

use super::Gpu;
use crate::device::Result;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, sync_channel};

/// Staging buffers, and the submissions that write to them.
pub struct Ring<'a> {
    gpu: &'a Gpu,
    free: Vec<wgpu::Buffer>,
    flying: VecDeque<Flight>,
}

/// A submission that has not been collected.
struct Flight {
    index: wgpu::SubmissionIndex,
    tag: usize,
    slot: wgpu::Buffer,
    mapped: Receiver<std::result::Result<(), wgpu::BufferAsyncError>>,
}

impl<'a> Ring<'a> {
    /// `slots` staging buffers of `bytes` each.
    pub fn new(gpu: &'a Gpu, slots: usize, bytes: u64) -> Result<Ring<'a>> {
        let slot = |_| {
            gpu.guarded("a staging buffer", || {
                gpu.device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some("staging"),
                    size: bytes.max(4),
                    usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
                    mapped_at_creation: false,
                })
            })
        };
        Ok(Ring {
            gpu,
            free: (0..slots).map(slot).collect::<Result<_>>()?,
            flying: VecDeque::new(),
        })
    }

    /// Submissions that have not been collected.
    pub fn in_flight(&self) -> usize {
        self.flying.len()
    }

    /// Submits the commands that `encode` records; it may copy something to the slot that it is given. [`Ring::collect`]
    /// returns `tag` with the contents of the slot.
    ///
    /// # Panics
    /// Every slot is in flight.
    pub fn submit(&mut self, tag: usize, encode: impl FnOnce(&wgpu::Buffer) -> wgpu::CommandBuffer) -> Result<()> {
        let slot = self.free.pop().expect("a slot is free");
        let index = self.gpu.queue.submit([encode(&slot)]);
        let (sender, mapped) = sync_channel(1);
        slot.map_async(wgpu::MapMode::Read, .., move |result| {
            // The ring is gone if an error elsewhere dropped it.
            let _ = sender.send(result);
        });
        self.flying.push_back(Flight {
            index,
            tag,
            slot,
            mapped,
        });
        self.gpu.check()
    }

    /// Waits for the oldest submission and returns its tag and the words in its slot; `None` if nothing is in flight.
    pub fn collect(&mut self) -> Result<Option<(usize, Vec<u32>)>> {
        let Some(flight) = self.flying.pop_front() else {
            return Ok(None);
        };
        let wait = wgpu::PollType::Wait {
            submission_index: Some(flight.index),
            timeout: None,
        };
        let polled = self.gpu.device.poll(wait);
        self.gpu.check()?;
        polled.map_err(|error| self.gpu.lost(error))?;
        let mapped = flight.mapped.recv().map_err(|_| self.gpu.lost("it did not respond"))?;
        mapped.map_err(|error| self.gpu.lost(error))?;
        let range = flight.slot.get_mapped_range(..);
        let words = bytemuck::pod_collect_to_vec(&range.map_err(|error| self.gpu.lost(error))?);
        flight.slot.unmap();
        self.free.push(flight.slot);
        Ok(Some((flight.tag, words)))
    }
}
