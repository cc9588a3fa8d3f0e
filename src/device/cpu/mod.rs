//! The CPU as a device: every operation of a plan as a native function, one file per layer, as in `shaders/`.
//!
//! An operation is cut into tasks by member and by pieces of the batch whose size depends only on the shape of the layer;
//! partial sums of pieces are merged in their order. So the bits of a result depend neither on the number of threads nor
//! on the other members. Convolutions and dense layers use the products of `product.rs`; the rest is loops that the
//! compiler vectorises, for the instruction set that is found at run time (`simd.rs`).

mod activation;
mod adam;
mod average;
mod average_pool;
mod channels;
mod conv;
mod dense;
mod elementary;
mod fgsm;
mod gather;
mod heads;
mod host;
mod lens;
mod lens_head;
mod memory;
mod norm;
mod peak;
mod pool;
mod product;
mod simd;

use crate::device::{Engine, Error, Next, Result, Sink, Watch};
use crate::numeric::median;
use crate::plan::{LensOp, NetworkOp, Op, Plan, TensorId};
use memory::{Memory, Scratch, ScratchSize};
use std::time::Instant;

pub use host::{features, name};
pub(super) use peak::peak;

/// A plan on the CPU. It runs on the threads of the rayon pool in which it is created.
pub struct CpuEngine {
    ops: Vec<Op>,
    memory: Memory,
    scratch: Scratch,
    log: Option<TensorId>,
}

/// The native implementation of an operation.
trait Native {
    /// The scratch that it uses for this number of members.
    fn scratch_size(&self, _members: usize) -> ScratchSize {
        ScratchSize::default()
    }

    /// Runs it for all members.
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch);
}

/// No wildcard: an operation without a native implementation does not compile.
fn native(op: &Op) -> &dyn Native {
    match op {
        Op::Network(op) => match op {
            NetworkOp::Gather(op) => op,
            NetworkOp::ConvForward(op) => op,
            NetworkOp::ConvGradInput(op) => op,
            NetworkOp::ConvGradWeight(op) => op,
            NetworkOp::NormForward(op) => op,
            NetworkOp::NormGrad(op) => op,
            NetworkOp::PoolForward(op) => op,
            NetworkOp::PoolGradInput(op) => op,
            NetworkOp::AveragePoolForward(op) => op,
            NetworkOp::AveragePoolGradInput(op) => op,
            NetworkOp::DenseForward(op) => op,
            NetworkOp::DenseGrad(op) => op,
            NetworkOp::ActivationForward(op) => op,
            NetworkOp::ActivationGradInput(op) => op,
            NetworkOp::AddForward(op) => op,
            NetworkOp::ChannelCopy(op) => op,
            NetworkOp::HeadsForward(op) => op,
            NetworkOp::HeadsLoss(op) => op,
            NetworkOp::HeadsGrad(op) => op,
            NetworkOp::LensLoss(op) => op,
            NetworkOp::Fgsm(op) => op,
            NetworkOp::Adam(op) => op,
            NetworkOp::Average(op) => op,
        },
        Op::Lens(op) => match op {
            LensOp::LensPsf(op) => op,
            LensOp::LensRender(op) => op,
            LensOp::LensConvolve(op) => op,
            LensOp::LensNoise(op) => op,
            LensOp::LensArcs(op) => op,
        },
    }
}

impl CpuEngine {
    /// Allocates the tensors of a plan, all zero, and the scratch of its operations.
    ///
    /// # Errors
    /// `members` is 0.
    pub fn new(plan: &Plan, members: usize) -> Result<CpuEngine> {
        if members == 0 {
            return Err(Error::NoMembers);
        }
        let size = plan
            .ops
            .iter()
            .map(|op| native(op).scratch_size(members))
            .fold(ScratchSize::default(), ScratchSize::max);
        memory::check(plan, members)?;
        Ok(CpuEngine {
            ops: plan.ops.clone(),
            memory: Memory::new(plan, members),
            scratch: Scratch::new(size),
            log: plan.log,
        })
    }

    /// Runs all operations once and calls `done` with the number of each when it has finished. The whole step runs inside
    /// the rayon pool, so that single operations need not be handed over to it.
    fn step(&mut self, mut done: impl FnMut(usize) + Send) {
        rayon::scope(|_| {
            for (number, op) in self.ops.iter().enumerate() {
                native(op).run(&mut self.memory, &mut self.scratch);
                done(number);
            }
        });
    }

    fn words(&self, tensor: TensorId) -> &[u32] {
        self.memory.rows(tensor).buffer.words()
    }
}

impl Engine for CpuEngine {
    fn members(&self) -> usize {
        self.memory.members
    }

    fn write(&mut self, tensor: TensorId, words: &[u32]) -> Result<()> {
        self.memory.rows_mut(tensor).write(words);
        Ok(())
    }

    fn read(&mut self, tensor: TensorId) -> Result<Vec<u32>> {
        Ok(self.words(tensor).to_vec())
    }

    fn replay(&mut self, steps: usize, watch: &mut Watch) -> Result<usize> {
        for done in 1..=steps {
            self.step(|_| {});
            let log = self.log.map_or(&[][..], |log| self.memory.rows(log).buffer.floats());
            if watch(done, log).is_break() {
                return Ok(done);
            }
        }
        Ok(steps)
    }

    fn run_batches(&mut self, input: TensorId, outputs: &[TensorId], next: &mut Next, sink: &mut Sink) -> Result<()> {
        let mut results = Vec::new();
        while let Some(words) = next() {
            self.write(input, &words)?;
            self.step(|_| {});
            results.clear();
            outputs
                .iter()
                .for_each(|&output| results.extend_from_slice(self.words(output)));
            if sink(&results).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn profile(&mut self, repeats: usize) -> Result<Vec<f64>> {
        let mut seconds = vec![Vec::with_capacity(repeats); self.ops.len()];
        for _ in 0..repeats {
            let mut start = Instant::now();
            self.step(|number| {
                seconds[number].push(start.elapsed().as_secs_f64());
                start = Instant::now();
            });
        }
        Ok(seconds
            .iter_mut()
            .map(|seconds| median(seconds).unwrap_or(0.0))
            .collect())
    }

    fn bytes(&self) -> u64 {
        self.memory.bytes() + self.scratch.bytes()
    }

    fn dispatches(&self) -> usize {
        0
    }
}

/// A NaN stays a NaN, so that nothing bad is hidden.
#[inline(always)]
fn relu(value: f32) -> f32 {
    if value <= 0.0 { 0.0 } else { value }
}

/// Writes the gradient of an input, or adds it to what is there; with a `gate`, only where that is positive.
#[inline(always)]
fn put_input_grad(dx: &mut [f32], grad: impl Iterator<Item = f32>, gate: Option<&[f32]>, accumulate: bool) {
    let gated = |grad, x| if x > 0.0 { grad } else { 0.0 };
    let pairs = dx.iter_mut().zip(grad);
    // Four loops without a branch inside, which the compiler vectorises.
    match (gate, accumulate) {
        (None, false) => pairs.for_each(|(dx, grad)| *dx = grad),
        (None, true) => pairs.for_each(|(dx, grad)| *dx += grad),
        (Some(x), false) => pairs.zip(x).for_each(|((dx, grad), x)| *dx = gated(grad, *x)),
        (Some(x), true) => pairs.zip(x).for_each(|((dx, grad), x)| *dx += gated(grad, *x)),
    }
}

/// Writes the gradient of parameters, or adds it to what is there.
fn put_grad(target: &mut [f32], grad: &[f32], accumulate: bool) {
    if accumulate {
        target.iter_mut().zip(grad).for_each(|(target, grad)| *target += grad);
    } else {
        target.copy_from_slice(grad);
    }
}
