//! The tensors of a plan in memory, and scratch that all operations use.

use super::simd::{LANES, Lanes};
use crate::device::error::{Error, Result};
use crate::plan::{Plan, Slice, Tensor, TensorId};
use rayon::prelude::*;
use std::sync::Mutex;

/// Checks that the tensors of a plan fit into the memory that is available. Where the operating system does not say how
/// much that is (only Linux does, in a file), nothing is checked.
///
/// # Errors
/// [`Error::TooMuchMemory`].
pub fn check(plan: &Plan, members: usize) -> Result<()> {
    let of_tensor = |tensor: &Tensor| {
        let rows = if tensor.shared { 1 } else { members as u64 };
        (tensor.len as u64).saturating_mul(4).saturating_mul(rows)
    };
    let needed = plan.tensors.iter().map(of_tensor).fold(0, u64::saturating_add);
    match available() {
        Some(available) if needed > available => Err(Error::TooMuchMemory { needed, available }),
        _ => Ok(()),
    }
}

/// Memory that new allocations can have, bytes.
fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

/// 32-bit words, aligned to a cache line.
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

/// The values of a tensor: a row of `len` per member, or one row if it is shared.
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

    /// Overwrites all rows, or the first words of a shared tensor.
    pub fn write(&mut self, words: &[u32]) {
        assert!(
            self.shared || words.len() == self.buffer.len,
            "{} words written to a tensor of {}",
            words.len(),
            self.buffer.len
        );
        self.buffer.words_mut()[..words.len()].copy_from_slice(words);
    }

    pub fn rows_mut(&mut self) -> impl Iterator<Item = &mut [f32]> + Send {
        self.buffer.floats_mut().chunks_exact_mut(self.len)
    }

    /// (member, number of the piece, piece): all rows, cut into pieces of `len` values, of which the last may be shorter.
    pub fn pieces(&mut self, len: usize) -> impl Iterator<Item = (usize, usize, &mut [f32])> + Send {
        self.rows_mut().enumerate().flat_map(move |(member, row)| {
            row.chunks_mut(len)
                .enumerate()
                .map(move |(number, piece)| (member, number, piece))
        })
    }
}

/// All tensors of a plan. An operation takes out those that it writes, reads the others, and puts the former back.
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

/// Lanes of scratch that an operation uses.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScratchSize {
    /// For each worker.
    pub worker: usize,
    /// For all workers together.
    pub shared: usize,
}

impl ScratchSize {
    /// Enough for either.
    pub fn max(self, other: ScratchSize) -> ScratchSize {
        ScratchSize {
            worker: self.worker.max(other.worker),
            shared: self.shared.max(other.shared),
        }
    }
}

/// Allocated once, for the operation that uses most.
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

    /// A matrix of `lanes` packed lanes per member in the shared scratch, as `pack` writes it (`product.rs`), and the
    /// workers that can use it.
    pub fn pack(
        &mut self,
        members: usize,
        lanes: usize,
        pack: impl Fn(usize, &mut [Lanes]) + Sync,
    ) -> (&mut Workers, Packed<'_>) {
        let matrices = &mut self.shared.lanes_mut()[..members * lanes];
        self.workers
            .run(matrices.chunks_exact_mut(lanes).enumerate(), |_, (m, packed)| {
                pack(m, packed);
            });
        (&mut self.workers, Packed { matrices, lanes })
    }

    pub fn bytes(&self) -> u64 {
        self.shared.bytes() + self.workers.0.iter().map(Buffer::bytes).sum::<u64>()
    }
}

/// A packed matrix per member; see [`Scratch::pack`].
#[derive(Clone, Copy)]
pub struct Packed<'a> {
    matrices: &'a [Lanes],
    lanes: usize,
}

impl<'a> Packed<'a> {
    pub fn of(self, member: usize) -> &'a [Lanes] {
        &self.matrices[member * self.lanes..][..self.lanes]
    }
}

/// The scratch of each worker; there is one worker per thread.
pub struct Workers(Vec<Buffer>);

impl Workers {
    /// Does all tasks; a worker that becomes free takes the next one. The result of a task must depend only on the task,
    /// so that it is the same for any number of workers.
    pub fn run<T>(&mut self, tasks: impl Iterator<Item = T> + Send, work: impl Fn(&mut Buffer, T) + Sync) {
        let tasks = Mutex::new(tasks);
        let next = || tasks.lock().expect("the iterator over the tasks does not panic").next();
        self.0.par_iter_mut().for_each(|scratch| {
            while let Some(task) = next() {
                work(scratch, task);
            }
        });
    }
}
