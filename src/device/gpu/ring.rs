//! A small ring of staging buffers that brings results back to the host after each submission.

use super::Gpu;
use crate::device::Result;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

/// A clock may run on while the machine is suspended, which is no hang: of the time between two looks at a submission, no
/// more than this is counted.
const SLICE: Duration = Duration::from_millis(250);
/// Between two looks at a submission, at first and later: short beside what a submission takes.
const SHORTEST_NAP: Duration = Duration::from_micros(20);
const LONGEST_NAP: Duration = Duration::from_millis(1);

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
    job: Job,
    slot: wgpu::Buffer,
    /// A message when the submission has ended and one when the slot is mapped, which may be earlier if nothing is copied
    /// to it.
    events: Receiver<std::result::Result<(), wgpu::BufferAsyncError>>,
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
        self.gpu.queue.submit([encode(&slot)]);
        let (ended, events) = sync_channel(2);
        let mapped = ended.clone();
        // The ring is gone if an error elsewhere dropped it: then nobody receives the messages.
        self.gpu.queue.on_submitted_work_done(move || {
            let _ = ended.send(Ok(()));
        });
        slot.map_async(wgpu::MapMode::Read, .., move |result| {
            let _ = mapped.send(result);
        });
        let checked = self.gpu.check(&job.what);
        self.flying.push_back(Flight { job, slot, events });
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
        let range = flight.slot.get_mapped_range(..);
        let range = range.map_err(|error| self.gpu.lost(&flight.job.what, error))?;
        let words = bytemuck::pod_collect_to_vec(&range);
        drop(range);
        flight.slot.unmap();
        self.free.push(flight.slot);
        Ok(Some((flight.job.tag, words)))
    }

    /// Waits until the submission has ended and its slot is mapped. It asks again and again instead of waiting with a time
    /// limit: wgpu panics if such a wait ends just when another thread, with an engine of its own on the device, sees the
    /// queue empty.
    fn wait(&self, flight: &Flight) -> Result<()> {
        let Job { what, patience, .. } = &flight.job;
        let (mut waited, mut nap) = (Duration::ZERO, SHORTEST_NAP);
        let mut missing = 2;
        while missing > 0 {
            let start = Instant::now();
            let polled = self.gpu.device.poll(wgpu::PollType::Poll);
            self.gpu.check(what)?;
            polled.map_err(|error| self.gpu.lost(what, error))?;
            match flight.events.try_recv() {
                Ok(event) => {
                    event.map_err(|error| self.gpu.lost(what, error))?;
                    missing -= 1;
                    continue;
                }
                Err(TryRecvError::Disconnected) => return Err(self.gpu.lost(what, "it did not respond")),
                Err(TryRecvError::Empty) => std::thread::sleep(nap),
            }
            nap = (2 * nap).min(LONGEST_NAP);
            waited += start.elapsed().min(SLICE);
            if waited.as_secs_f64() >= *patience {
                return Err(self.gpu.hangs(what, waited.as_secs_f64()));
            }
        }
        Ok(())
    }
}
