//! A plan on a device, ready to be replayed: what everything above the plan sees of a device.

use super::Result;
use crate::plan::TensorId;
use std::ops::ControlFlow;

/// A plan on a device for a number of members: its tensors in the device's memory, its operations ready to be replayed.
///
/// All tensors are zero at first. Words are 32 bits, f32 or u32 as the plan says ([`bytemuck::cast_slice`] converts
/// between the two). A tensor consists of one row per member, in the order of the members, or of a single row if it is
/// shared.
///
/// An engine may be moved to another thread between two calls.
pub trait Engine: Send {
    /// Members that the engine was made for.
    fn members(&self) -> usize;

    /// Overwrites a tensor; of a shared tensor, the first `words.len()` words.
    ///
    /// # Errors
    /// The device was lost.
    ///
    /// # Panics
    /// `words` is not as long as the tensor, or longer than a shared one.
    fn write(&mut self, tensor: TensorId, words: &[u32]) -> Result<()>;

    /// All rows of a tensor.
    ///
    /// # Errors
    /// The device was lost.
    fn read(&mut self, tensor: TensorId) -> Result<Vec<u32>>;

    /// Replays the plan `steps` times and returns how often it did. `watch` is called whenever results arrive, with the
    /// number of steps completed and the contents of the plan's `log` (all rows; empty for a plan without a log). If
    /// `watch` breaks, the steps in flight are completed and no others are started.
    ///
    /// # Errors
    /// The device was lost.
    fn replay(&mut self, steps: usize, watch: &mut Watch) -> Result<usize>;

    /// Replays the plan once for each batch that `next` returns, written to `input`, and passes the contents of
    /// `outputs`, one after another, to `sink`, in the order of the batches. The device works on one batch while the host
    /// prepares the next. It ends when `next` returns `None`, or as soon as `sink` breaks.
    ///
    /// For callbacks that can fail there is `stream`.
    ///
    /// # Errors
    /// The device was lost.
    fn run_batches(&mut self, input: TensorId, outputs: &[TensorId], next: &mut Next, sink: &mut Sink) -> Result<()>;

    /// Seconds per operation of the plan, for all members together, in the order of the plan: the median of `repeats`
    /// replays. The tensors are left as `repeats` steps leave them.
    ///
    /// # Errors
    /// The device was lost.
    fn profile(&mut self, repeats: usize) -> Result<Vec<f64>>;

    /// Bytes of the tensors on the device, scratch included.
    fn bytes(&self) -> u64;

    /// Dispatches per step; 0 on the CPU.
    fn dispatches(&self) -> usize;
}

/// See [`Engine::replay`].
pub type Watch<'a> = dyn FnMut(usize, &[f32]) -> ControlFlow<()> + 'a;
/// See [`Engine::run_batches`]: the words of the next batch.
pub type Next<'a> = dyn FnMut() -> Option<Vec<u32>> + 'a;
/// See [`Engine::run_batches`].
pub type Sink<'a> = dyn FnMut(&[u32]) -> ControlFlow<()> + 'a;

impl dyn Engine + '_ {
    /// [`Engine::run_batches`] with callbacks that can fail: the first error ends it and is returned as it is. Batches
    /// before one that `next` fails to prepare still reach `sink`.
    ///
    /// # Errors
    /// Those of `next` and `sink`, and those of the device.
    pub fn stream<E: From<super::Error>>(
        &mut self,
        input: TensorId,
        outputs: &[TensorId],
        next: &mut dyn FnMut() -> std::result::Result<Option<Vec<u32>>, E>,
        sink: &mut dyn FnMut(&[u32]) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let (mut next_result, mut sink_result) = (Ok(()), Ok(()));
        let mut next = || {
            next().unwrap_or_else(|error| {
                next_result = Err(error);
                None
            })
        };
        let mut sink = |words: &[u32]| {
            sink_result = sink(words);
            match sink_result {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        };
        self.run_batches(input, outputs, &mut next, &mut sink)?;
        // `sink` is behind `next`, so its error belongs to an earlier batch.
        sink_result.and(next_result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what it is given, one batch behind, as a device does that works while the host prepares the next batch.
    struct Echo;

    impl Engine for Echo {
        fn members(&self) -> usize {
            1
        }

        fn write(&mut self, _: TensorId, _: &[u32]) -> Result<()> {
            Ok(())
        }

        fn read(&mut self, _: TensorId) -> Result<Vec<u32>> {
            Ok(vec![])
        }

        fn replay(&mut self, steps: usize, _: &mut Watch) -> Result<usize> {
            Ok(steps)
        }

        fn run_batches(&mut self, _: TensorId, _: &[TensorId], next: &mut Next, sink: &mut Sink) -> Result<()> {
            let mut waiting = next();
            while let Some(words) = waiting {
                waiting = next();
                if sink(&words).is_break() {
                    break;
                }
            }
            Ok(())
        }

        fn profile(&mut self, _: usize) -> Result<Vec<f64>> {
            Ok(vec![])
        }

        fn bytes(&self) -> u64 {
            0
        }

        fn dispatches(&self) -> usize {
            0
        }
    }

    #[derive(Debug, PartialEq)]
    struct Failed(&'static str, u32);

    impl From<crate::device::Error> for Failed {
        fn from(_: crate::device::Error) -> Failed {
            Failed("device", 0)
        }
    }

    /// Five batches, of which `next` or `sink` fails at one; what reached `sink` without an error, and the result.
    fn stream(next_fails: u32, sink_fails: u32) -> (Vec<u32>, std::result::Result<(), Failed>) {
        let (mut batches, mut seen) = (0..5, Vec::new());
        let mut next = || match batches.next() {
            Some(batch) if batch == next_fails => Err(Failed("next", batch)),
            batch => Ok(batch.map(|batch| vec![batch])),
        };
        let mut sink = |words: &[u32]| {
            if words[0] == sink_fails {
                return Err(Failed("sink", words[0]));
            }
            seen.push(words[0]);
            Ok(())
        };
        let engine: &mut dyn Engine = &mut Echo;
        let result = engine.stream(TensorId(0), &[], &mut next, &mut sink);
        (seen, result)
    }

    #[test]
    fn the_first_error_of_a_callback_ends_the_stream() {
        assert_eq!(stream(9, 9), (vec![0, 1, 2, 3, 4], Ok(())));
        assert_eq!(stream(3, 9), (vec![0, 1, 2], Err(Failed("next", 3))));
        assert_eq!(stream(9, 1), (vec![0], Err(Failed("sink", 1))));
        assert_eq!(stream(3, 2), (vec![0, 1], Err(Failed("sink", 2))));
    }
}
