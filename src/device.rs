//! What a plan runs on. A device lowers each operation of a plan in its own way ([`crate::gpu`] to compute passes,
//! [`crate::cpu`] to a native function); everything above the plan sees an [`Engine`].

use crate::plan::TensorId;
use anyhow::Result;
use std::ops::ControlFlow;

/// A plan on a device for a number of members: its tensors in the device's memory, its operations ready to be replayed.
///
/// Tensors begin as zeros. Words are 32 bits, f32 or u32 as the plan says ([`bytemuck::cast_slice`] turns one into the
/// other); a tensor's rows are those of the members one after another, or one row where it is shared.
pub trait Engine {
    fn members(&self) -> usize;

    /// Overwrites a tensor; of a shared one, its first words.
    ///
    /// # Errors
    /// The device was lost.
    ///
    /// # Panics
    /// `words` has another length than the tensor, or a greater one where it is shared.
    fn write(&mut self, tensor: TensorId, words: &[u32]) -> Result<()>;

    /// All rows of a tensor.
    fn read(&mut self, tensor: TensorId) -> Result<Vec<u32>>;

    /// Replays the plan `steps` times. `watch` is told, as news comes in, how many steps are done and what stands in the
    /// plan's `log` (all rows of it; empty for a plan that does not train); where it breaks, what is in flight is
    /// finished. Returns how many steps were done.
    fn replay(&mut self, steps: usize, watch: &mut Watch) -> Result<usize>;

    /// Replays the plan once for each batch that `next` gives, written to `input`, and hands what then stands in
    /// `output` to `sink`, in order; the next batch is prepared while the device works on the last.
    fn stream(&mut self, input: TensorId, output: TensorId, next: &mut Next, sink: &mut Sink) -> Result<()>;

    /// Seconds that each operation of the plan takes, all members together, in the plan's order: the median of
    /// `repeats` replays. It leaves the tensors as `repeats` steps leave them.
    fn profile(&mut self, repeats: usize) -> Result<Vec<f64>>;

    /// Bytes of the tensors on the device, scratch included.
    fn bytes(&self) -> u64;

    /// Dispatches that a step takes; none on a processor.
    fn dispatches(&self) -> usize;
}

/// See [`Engine::replay`].
pub type Watch<'a> = dyn FnMut(usize, &[f32]) -> ControlFlow<()> + 'a;
/// See [`Engine::stream`]: the words of a batch, or none where there are no more.
pub type Next<'a> = dyn FnMut() -> Result<Option<Vec<u32>>> + 'a;
/// See [`Engine::stream`].
pub type Sink<'a> = dyn FnMut(&[u32]) -> Result<()> + 'a;
