//! The moving average of weights and running statistics.

use super::Native;
use super::memory::{Memory, Scratch};
use crate::plan::state::{KEEP, TAKE};
use crate::plan::{Average, state};

impl Native for Average {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let mut average = memory.take(self.average);
        scratch.workers.run(average.rows_mut().enumerate(), |_, (m, average)| {
            if memory.words(self.state, m)[state::VERDICT] % KEEP == TAKE {
                let values = memory.row(self.params, m).iter().chain(memory.row(self.stats, m));
                let towards = 1.0 - self.decay;
                average
                    .iter_mut()
                    .zip(values)
                    .for_each(|(a, value)| *a += towards * (value - *a));
            }
        });
        memory.put(self.average, average);
    }
}
