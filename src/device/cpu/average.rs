//! The moving average of weights and running statistics.

use super::Native;
use super::memory::{Memory, Scratch};
use crate::plan::state::{KEEP, RESTORE, TAKE};
use crate::plan::{Average, state};

impl Native for Average {
    fn run(&self, memory: &mut Memory, scratch: &mut Scratch) {
        let [mut average, mut good] = [self.average, self.good_average].map(|tensor| memory.take(tensor));
        let rows = average.rows_mut().zip(good.rows_mut()).enumerate();
        scratch.workers.run(rows, |_, (m, (average, good))| {
            let verdict = memory.words(self.state, m)[state::VERDICT];
            match verdict % KEEP {
                TAKE => {
                    let values = memory.row(self.params, m).iter().chain(memory.row(self.stats, m));
                    let towards = 1.0 - self.decay;
                    average
                        .iter_mut()
                        .zip(values)
                        .for_each(|(a, value)| *a += towards * (value - *a));
                    if verdict >= KEEP {
                        good.copy_from_slice(average);
                    }
                }
                RESTORE => average.copy_from_slice(good),
                _ => {}
            }
        });
        memory.put(self.average, average);
        memory.put(self.good_average, good);
    }
}
