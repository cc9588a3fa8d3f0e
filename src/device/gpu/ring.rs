//! A small ring of staging buffers that brings results back to the host after each submission.

use super::Gpu;
use crate::device::Result;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

/// Longest wait at a time, seconds. A clock may run on while the machine is suspended, which is no hang: of every wait no
/// more than this is counted.
const SLICE: f64 = 0.25;

/// Staging buffers, and the submissions that write to them.
pub struct Ring<'a> {
    gpu: &'a Gpu,
    free: Vec<wgpu::Buffer>,
    flying: VecDeque<Flight>,
}

/// What is submitted.
pub struct Job {
    /// A number that comes back with the results.
    pub tag: usize,
    /// What it is, for messages.
    pub what: String,
    /// Seconds after which it counts as hung.
    pub patience: f64,
}

/// A submission that has not been collected.
struct Flight {
    index: wgpu::SubmissionIndex,
    job: Job,
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
    /// returns the job's tag with the contents of the slot.
    ///
    /// # Panics
    /// Every slot is in flight.
    pub fn submit(&mut self, job: Job, encode: impl FnOnce(&wgpu::Buffer) -> wgpu::CommandBuffer) -> Result<()> {
        let slot = self.free.pop().expect("a slot is free");
        let index = self.gpu.queue.submit([encode(&slot)]);
        let (sender, mapped) = sync_channel(1);
        slot.map_async(wgpu::MapMode::Read, .., move |result| {
            // The ring is gone if an error elsewhere dropped it.
            let _ = sender.send(result);
        });
        let checked = self.gpu.check(&job.what);
        self.flying.push_back(Flight {
            index,
            job,
            slot,
            mapped,
        });
        checked
    }

    /// Waits for the oldest submission and returns its tag and the words in its slot; `None` if nothing is in flight.
    ///
    /// # Errors
    /// The device was lost, or hangs.
    pub fn collect(&mut self) -> Result<Option<(usize, Vec<u32>)>> {
        let Some(flight) = self.flying.pop_front() else {
            return Ok(None);
        };
        self.wait(&flight)?;
        let lost = |error: &dyn ToString| self.gpu.lost(&flight.job.what, error.to_string());
        let mapped = flight.mapped.recv().map_err(|_| lost(&"it did not respond"))?;
        mapped.map_err(|error| lost(&error))?;
        let range = flight.slot.get_mapped_range(..);
        let words = bytemuck::pod_collect_to_vec(&range.map_err(|error| lost(&error))?);
        flight.slot.unmap();
        self.free.push(flight.slot);
        Ok(Some((flight.job.tag, words)))
    }

    fn wait(&self, flight: &Flight) -> Result<()> {
        let Job { what, patience, .. } = &flight.job;
        let mut waited = 0.0;
        loop {
            let slice = SLICE.min(patience - waited);
            let start = Instant::now();
            let polled = self.gpu.device.poll(wgpu::PollType::Wait {
                submission_index: Some(flight.index.clone()),
                timeout: Some(Duration::from_secs_f64(slice)),
            });
            self.gpu.check(what)?;
            match polled {
                Ok(_) => return Ok(()),
                Err(wgpu::PollError::Timeout) => waited += start.elapsed().as_secs_f64().min(SLICE),
                Err(error) => return Err(self.gpu.lost(what, error)),
            }
            if waited >= *patience {
                return Err(self.gpu.hangs(what, waited));
            }
        }
    }
}
