//! A plan on a GPU: buffers, pipelines and bind groups made once, then replayed.
//!
//! A submission holds as many steps as fit into a fraction of a second, so that it does not trip a driver's watchdog and
//! Ctrl-C takes effect soon. At most two submissions are in flight, and the host waits for nothing else. The log of their
//! steps is read back after each of them through a small ring of staging buffers.

use super::compile::compile;
use super::ring::{Job, Ring};
use super::wave::{self, Wave};
use super::{Gpu, Lowered, lower, storage};
use crate::device::{Engine, Error, Next, Result, Sink, Watch};
use crate::numeric::median;
use crate::plan::{Op, Plan, Tensor, TensorId};
use std::sync::Arc;
use std::time::Instant;

/// Target duration of a submission, in seconds.
const SUBMISSION_SECONDS: f64 = 0.2;
/// Largest number of steps per submission: recording them takes time as well.
const MAX_STEPS: usize = 64;

/// See [`Engine`].
pub struct GpuEngine {
    gpu: Arc<Gpu>,
    members: usize,
    tensors: Vec<Tensor>,
    /// By pass: its compiled kernel.
    pipelines: Vec<wgpu::ComputePipeline>,
    grids: Vec<[u32; 2]>,
    /// By pass: the number of its operation.
    op_of: Vec<usize>,
    ops: Vec<Op>,
    waves: Vec<Wave>,
    log: Option<TensorId>,
    /// Duration of the latest steps in seconds; `None` before the first.
    step_seconds: Option<f64>,
}

impl GpuEngine {
    /// Allocates the tensors of the plan and compiles its kernels.
    ///
    /// # Errors
    /// [`Error::NoMembers`], [`Error::TensorTooLarge`], [`Error::OutOfMemory`] or [`Error::Kernel`].
    pub fn new(gpu: Arc<Gpu>, plan: &Plan, members: usize) -> Result<GpuEngine> {
        if members == 0 {
            return Err(Error::NoMembers);
        }
        // Kernels of tensors that are too large need not be made, and some cannot be.
        wave::largest(&gpu, &plan.tensors)?;
        let Lowered { passes, tensors } = lower(plan, gpu.class, gpu.precision);
        let (op_of, passes): (_, Vec<_>) = passes.into_iter().unzip();
        let pipelines = compile(&gpu, &passes)?;
        Ok(GpuEngine {
            members,
            waves: Wave::all(&gpu, &tensors, members, &passes, &pipelines)?,
            tensors,
            pipelines,
            grids: passes.iter().map(|p| p.grid).collect(),
            op_of,
            ops: plan.ops.clone(),
            log: plan.log,
            step_seconds: None,
            gpu,
        })
    }

    /// Records the passes in `range` for every wave.
    fn record(&self, pass: &mut wgpu::ComputePass, range: std::ops::Range<usize>) {
        for wave in &self.waves {
            for i in range.clone() {
                pass.set_pipeline(&self.pipelines[i]);
                pass.set_bind_group(0, &wave.bindings[i], &[]);
                pass.dispatch_workgroups(self.grids[i][0], self.grids[i][1], wave.members as u32);
            }
        }
    }

    /// Records `steps` steps and a copy of `outputs` to a slot of the ring into one command buffer.
    fn encode(&self, steps: usize, outputs: &[TensorId], slot: &wgpu::Buffer) -> wgpu::CommandBuffer {
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            for _ in 0..steps {
                self.record(&mut pass, 0..self.grids.len());
            }
        }
        let mut to = 0;
        for &output in outputs {
            for (buffer, rows) in self.rows_of(output) {
                let bytes = storage::bytes(&self.tensors[output.0], rows);
                encoder.copy_buffer_to_buffer(buffer, 0, slot, to, bytes);
                to += bytes;
            }
        }
        encoder.finish()
    }

    /// The buffers that hold a tensor's rows, in order, with the number of rows in each.
    fn rows_of(&self, tensor: TensorId) -> impl Iterator<Item = (&wgpu::Buffer, usize)> {
        let Tensor { shared, transient, .. } = self.tensors[tensor.0];
        let waves = if shared || transient { 1 } else { self.waves.len() };
        let rows = move |wave: &Wave| if shared { 1 } else { wave.members };
        self.waves[..waves]
            .iter()
            .map(move |wave| (&wave.buffers[tensor.0], rows(wave)))
    }

    fn bytes_of(&self, tensor: TensorId) -> u64 {
        let kind = &self.tensors[tensor.0];
        self.rows_of(tensor).map(|(_, rows)| storage::bytes(kind, rows)).sum()
    }

    /// The host's words of `outputs` from what was copied to a slot of the ring.
    fn loaded(&self, outputs: &[TensorId], slot: Vec<u32>) -> Vec<u32> {
        if !outputs.iter().any(|output| self.tensors[output.0].half) {
            return slot;
        }
        let (mut rest, mut words) = (&slot[..], Vec::new());
        for &output in outputs {
            for (_, rows) in self.rows_of(output) {
                let kind = &self.tensors[output.0];
                let (stored, after) = rest.split_at(storage::bytes(kind, rows) as usize / 4);
                words.extend(storage::loaded(kind, rows, stored));
                rest = after;
            }
        }
        words
    }

    /// Whether the host can access all rows of a tensor.
    ///
    /// # Errors
    /// There is memory for those of one wave only.
    fn accessible(&self, tensor: TensorId) -> Result<()> {
        let Tensor { name, transient, .. } = &self.tensors[tensor.0];
        let buffers = &self.waves[0].buffers;
        let alone = buffers.iter().filter(|buffer| **buffer == buffers[tensor.0]).count() == 1;
        assert!(alone, "the tensor {name} has no memory of its own");
        match *transient && self.waves.len() > 1 {
            true => Err(self
                .gpu
                .out_of_memory(&format!("the tensor {name} of all members at once"))),
            false => Ok(()),
        }
    }

    /// `steps` steps as a submission.
    fn job(&self, steps: usize, what: String) -> Job {
        let flops: f64 = self.ops.iter().map(Op::flops).sum();
        let patience = self.gpu.patience.with(flops * (steps * self.members) as f64);
        Job {
            tag: steps,
            what,
            patience,
        }
    }

    /// For messages.
    fn transfer(&self, tensor: TensorId) -> String {
        format!("the transfer of the tensor {}", self.tensors[tensor.0].name)
    }

    /// The operations of a step, for messages.
    fn span(&self) -> String {
        let name = |op: Option<&Op>| op.map_or_else(String::new, |op| format!("{} ({})", op.name(), op.layer()));
        format!("from {} to {}", name(self.ops.first()), name(self.ops.last()))
    }

    /// Number of steps of the next submission: one until the duration of a step is known.
    fn steps_at_once(&self) -> usize {
        self.step_seconds
            .map_or(1, |s| ((SUBMISSION_SECONDS / s) as usize).clamp(1, MAX_STEPS))
    }

    /// Number of submissions in flight. A second one hides the host's work, but delays Ctrl-C if a single step is long.
    fn in_flight(&self) -> usize {
        if self.step_seconds.is_some_and(|s| s > SUBMISSION_SECONDS) {
            1
        } else {
            2
        }
    }
}

impl Engine for GpuEngine {
    fn members(&self) -> usize {
        self.members
    }

    fn write(&mut self, tensor: TensorId, words: &[u32]) -> Result<()> {
        self.accessible(tensor)?;
        let kind = &self.tensors[tensor.0];
        let size = self.rows_of(tensor).map(|(_, rows)| (rows * kind.len).max(1)).sum();
        assert!(
            words.len() == size || kind.shared && words.len() <= size,
            "tensor {} has {size} values, not {}",
            kind.name,
            words.len()
        );
        let mut rest = words;
        for (buffer, rows) in self.rows_of(tensor) {
            let (words, after) = rest.split_at((rows * kind.len).max(1).min(rest.len()));
            self.gpu
                .queue
                .write_buffer(buffer, 0, bytemuck::cast_slice(&storage::stored(kind, words)));
            rest = after;
        }
        self.gpu.check(&self.transfer(tensor))
    }

    fn read(&mut self, tensor: TensorId) -> Result<Vec<u32>> {
        self.accessible(tensor)?;
        let mut ring = Ring::new(&self.gpu, 1, self.bytes_of(tensor))?;
        ring.submit(self.job(0, self.transfer(tensor)), |slot| {
            self.encode(0, &[tensor], slot)
        })?;
        let (_, slot) = ring.collect()?.expect("one is in flight");
        Ok(self.loaded(&[tensor], slot))
    }

    fn replay(&mut self, steps: usize, watch: &mut Watch) -> Result<usize> {
        let log_bytes = self.log.map_or(4, |log| self.bytes_of(log));
        let mut ring = Ring::new(&self.gpu, 2, log_bytes)?;
        let (mut submitted, mut done) = (0, 0);
        let mut stop = false;
        let mut last = Instant::now();
        loop {
            while !stop && submitted < steps && ring.in_flight() < self.in_flight() {
                let count = self.steps_at_once().min(steps - submitted);
                let (first, last) = (submitted + 1, submitted + count);
                let what = format!("steps {first} to {last} of {steps}, each {}", self.span());
                ring.submit(self.job(count, what), |slot| {
                    self.encode(count, self.log.as_slice(), slot)
                })?;
                submitted += count;
            }
            let Some((count, words)) = ring.collect()? else {
                return Ok(done);
            };
            self.step_seconds = Some(step_seconds(
                self.step_seconds,
                last.elapsed().as_secs_f64() / count as f64,
            ));
            last = Instant::now();
            done += count;
            let log: &[f32] = if self.log.is_some() {
                bytemuck::cast_slice(&words)
            } else {
                &[]
            };
            stop |= watch(done, log).is_break();
        }
    }

    fn run_batches(&mut self, input: TensorId, outputs: &[TensorId], next: &mut Next, sink: &mut Sink) -> Result<()> {
        let gpu = self.gpu.clone();
        let bytes = outputs.iter().map(|&output| self.bytes_of(output)).sum();
        let mut ring = Ring::new(&gpu, 2, bytes)?;
        let (mut more, mut number) = (true, 0);
        loop {
            while more && ring.in_flight() < 2 {
                match next() {
                    Some(batch) => {
                        self.write(input, &batch)?;
                        number += 1;
                        let what = format!("batch {number}, {}", self.span());
                        ring.submit(self.job(1, what), |slot| self.encode(1, outputs, slot))?;
                    }
                    None => more = false,
                }
            }
            let Some((_, slot)) = ring.collect()? else {
                return Ok(());
            };
            if sink(&self.loaded(outputs, slot)).is_break() {
                return Ok(());
            }
        }
    }

    fn profile(&mut self, repeats: usize) -> Result<Vec<f64>> {
        let mut seconds = vec![Vec::new(); self.ops.len()];
        for _ in 0..repeats {
            let step = if self.gpu.timestamps {
                self.time_by_gpu()?
            } else {
                self.time_by_host()?
            };
            for (op, time) in step.into_iter().enumerate() {
                seconds[op].push(time);
            }
        }
        Ok(seconds
            .iter_mut()
            .map(|seconds| median(seconds).unwrap_or(0.0))
            .collect())
    }

    fn bytes(&self) -> u64 {
        let mut buffers: Vec<&wgpu::Buffer> = self.waves.iter().flat_map(|wave| &wave.buffers).collect();
        buffers.sort();
        buffers.dedup();
        buffers.iter().map(|buffer| buffer.size()).sum()
    }

    fn dispatches(&self) -> usize {
        self.grids.len() * self.waves.len()
    }
}

impl GpuEngine {
    /// Seconds per operation by the GPU's own clock.
    fn time_by_gpu(&self) -> Result<Vec<f64>> {
        let count = 2 * self.ops.len() as u32;
        let queries = self.gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: None,
            ty: wgpu::QueryType::Timestamp,
            count,
        });
        let bytes = 8 * u64::from(count);
        let resolved = self.gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("timestamps"),
            size: bytes,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        let mut ring = Ring::new(&self.gpu, 1, bytes)?;
        ring.submit(self.job(1, format!("a step that is timed, {}", self.span())), |slot| {
            let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
            for (op, range) in self.ranges().into_iter().enumerate() {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                    label: None,
                    timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                        query_set: &queries,
                        beginning_of_pass_write_index: Some(2 * op as u32),
                        end_of_pass_write_index: Some(2 * op as u32 + 1),
                    }),
                });
                self.record(&mut pass, range);
            }
            encoder.resolve_query_set(&queries, 0..count, &resolved, 0);
            encoder.copy_buffer_to_buffer(&resolved, 0, slot, 0, bytes);
            encoder.finish()
        })?;
        let (_, words) = ring.collect()?.expect("one is in flight");
        let period = f64::from(self.gpu.queue.get_timestamp_period()) * 1e-9;
        let ticks: Vec<u64> = words
            .chunks_exact(2)
            .map(|w| u64::from(w[0]) | u64::from(w[1]) << 32)
            .collect();
        Ok(ticks
            .chunks_exact(2)
            .map(|t| t[1].saturating_sub(t[0]) as f64 * period)
            .collect())
    }

    /// Seconds per operation, each submitted on its own, with the overhead of the host included.
    fn time_by_host(&self) -> Result<Vec<f64>> {
        let mut times = Vec::with_capacity(self.ops.len());
        for (op, range) in self.ops.iter().zip(self.ranges()) {
            let mut ring = Ring::new(&self.gpu, 1, 4)?;
            let start = Instant::now();
            let what = format!("operation {} ({})", op.name(), op.layer());
            ring.submit(self.job(1, what), |_| {
                let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
                let mut pass = encoder.begin_compute_pass(&Default::default());
                self.record(&mut pass, range);
                drop(pass);
                encoder.finish()
            })?;
            ring.collect()?;
            times.push(start.elapsed().as_secs_f64());
        }
        Ok(times)
    }

    /// The passes of each operation.
    fn ranges(&self) -> Vec<std::ops::Range<usize>> {
        let first = |op: usize| self.op_of.partition_point(|&o| o < op);
        (0..self.ops.len()).map(|op| first(op)..first(op + 1)).collect()
    }
}

/// The duration of a step after a new measurement, seconds. One bad sample, as after the machine was suspended, must not
/// make the next submission many times as long, so the estimate at most halves.
fn step_seconds(before: Option<f64>, measured: f64) -> f64 {
    before.map_or(measured, |before| measured.max(0.5 * before))
}

#[cfg(test)]
mod tests;
