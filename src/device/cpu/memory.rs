//! Where the tensors of a plan lie, and the scratch that the operations share.

use super::simd::{LANES, Lanes};
use crate::plan::{Plan, Slice, TensorId};
use rayon::prelude::*;
use std::sync::Mutex;

/// 32-bit words from the beginning of a cache line on.
#[derive(Default)]
pub struct Buffer {
    lanes: Vec<Lanes>,
    len: usize,
}

impl Buffer {
    pub fn zeros(len: usize) -> Buffer {
        Buffer {
            lanes: vec![Lanes([0.0; LANES]); len.div_ceil(LANES)],
            len,
        }
    }

    pub fn words(&self) -> &[u32] {
        &bytemuck::cast_slice(&self.lanes)[..self.len]
    }

    pub fn words_mut(&mut self) -> &mut [u32] {
        &mut bytemuck::cast_slice_mut(&mut self.lanes)[..self.len]
    }

    pub fn floats(&self) -> &[f32] {
        bytemuck::cast_slice(self.words())
    }

    pub fn floats_mut(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(self.words_mut())
    }

    pub fn lanes(&self) -> &[Lanes] {
        &self.lanes
    }

    pub fn lanes_mut(&mut self) -> &mut [Lanes] {
        &mut self.lanes
    }

    pub fn bytes(&self) -> u64 {
        (self.lanes.len() * size_of::<Lanes>()) as u64
    }
}

/// A tensor's values: a row of `len` for each member, or one row where it is shared.
#[derive(Default)]
pub struct Rows {
    pub buffer: Buffer,
    len: usize,
    shared: bool,
}

impl Rows {
    fn range(&self, member: usize) -> std::ops::Range<usize> {
        let start = if self.shared { 0 } else { member * self.len };
        start..start + self.len
    }

    pub fn row(&self, member: usize) -> &[f32] {
        &self.buffer.floats()[self.range(member)]
    }

    pub fn row_mut(&mut self, member: usize) -> &mut [f32] {
        let range = self.range(member);
        &mut self.buffer.floats_mut()[range]
    }

    pub fn words_mut(&mut self, member: usize) -> &mut [u32] {
        let range = self.range(member);
        &mut self.buffer.words_mut()[range]
    }

    /// Overwrites all rows; of a shared tensor, its first words.
    pub fn write(&mut self, words: &[u32]) {
        assert!(
            self.shared || words.len() == self.buffer.len,
            "{} words of {}",
            words.len(),
            self.buffer.len
        );
        self.buffer.words_mut()[..words.len()].copy_from_slice(words);
    }

    pub fn rows_mut(&mut self) -> impl Iterator<Item = &mut [f32]> + Send {
        self.buffer.floats_mut().chunks_exact_mut(self.len)
    }

    /// (member, number of the piece, piece) of all rows cut into pieces of `len` values, the last one shorter.
    pub fn pieces(&mut self, len: usize) -> impl Iterator<Item = (usize, usize, &mut [f32])> + Send {
        self.rows_mut().enumerate().flat_map(move |(member, row)| {
            row.chunks_mut(len)
                .enumerate()
                .map(move |(number, piece)| (member, number, piece))
        })
    }
}

/// All tensors of a plan. An operation takes those that it writes, reads the others, and puts the taken ones back.
pub struct Memory {
    pub members: usize,
    tensors: Vec<Rows>,
}

impl Memory {
    pub fn new(plan: &Plan, members: usize) -> Memory {
        let zeros = |t: &crate::plan::Tensor| {
            let rows = if t.shared { 1 } else { members };
            Rows {
                buffer: Buffer::zeros(rows * t.len),
                len: t.len,
                shared: t.shared,
            }
        };
        Memory {
            members,
            tensors: plan.tensors.iter().map(zeros).collect(),
        }
    }

    pub fn take(&mut self, tensor: TensorId) -> Rows {
        std::mem::take(&mut self.tensors[tensor.0])
    }

    pub fn put(&mut self, tensor: TensorId, rows: Rows) {
        self.tensors[tensor.0] = rows;
    }

    pub fn rows(&self, tensor: TensorId) -> &Rows {
        &self.tensors[tensor.0]
    }

    pub fn rows_mut(&mut self, tensor: TensorId) -> &mut Rows {
        &mut self.tensors[tensor.0]
    }

    pub fn row(&self, tensor: TensorId, member: usize) -> &[f32] {
        self.rows(tensor).row(member)
    }

    /// `len` values of a member's row.
    pub fn part(&self, slice: Slice, len: usize, member: usize) -> &[f32] {
        &self.row(slice.tensor, member)[slice.offset..][..len]
    }

    pub fn words(&self, tensor: TensorId, member: usize) -> &[u32] {
        bytemuck::cast_slice(self.row(tensor, member))
    }

    pub fn bytes(&self) -> u64 {
        self.tensors.iter().map(|rows| rows.buffer.bytes()).sum()
    }
}

/// Scratch in lanes: what each worker needs for itself, and what all of them share.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScratchSize {
    pub worker: usize,
    pub shared: usize,
}

impl ScratchSize {
    pub fn max(self, other: ScratchSize) -> ScratchSize {
        ScratchSize {
            worker: self.worker.max(other.worker),
            shared: self.shared.max(other.shared),
        }
    }
}

/// Allocated once, for the operation that needs most.
pub struct Scratch {
    pub workers: Workers,
    pub shared: Buffer,
}

impl Scratch {
    pub fn new(size: ScratchSize) -> Scratch {
        let worker = || Buffer::zeros(size.worker * LANES);
        let workers = Workers((0..rayon::current_num_threads()).map(|_| worker()).collect());
        Scratch {
            workers,
            shared: Buffer::zeros(size.shared * LANES),
        }
    }

    pub fn bytes(&self) -> u64 {
        self.shared.bytes() + self.workers.0.iter().map(Buffer::bytes).sum::<u64>()
    }
}

/// The scratch of each worker: there are as many as threads.
pub struct Workers(Vec<Buffer>);

impl Workers {
    /// Does all tasks, each worker taking the next one as it gets free. What a task does must depend on nothing but the
    /// task, so that the result is the same for any number of workers.
    pub fn run<T>(&mut self, tasks: impl Iterator<Item = T> + Send, work: impl Fn(&mut Buffer, T) + Sync) {
        let tasks = Mutex::new(tasks);
        let next = || tasks.lock().expect("no task panics while it is handed out").next();
        self.0.par_iter_mut().for_each(|scratch| {
            while let Some(task) = next() {
                work(scratch, task);
            }
        });
    }
}
