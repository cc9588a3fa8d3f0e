use super::Memory;
use lensgpu::plan::{Average, state};

/// average = decay average + (1 - decay) [params, stats], after a step that was taken.
pub fn average(op: &Average, memory: &mut Memory, m: usize) {
    let verdict = memory.row(op.state, m)[state::VERDICT];
    if verdict != f64::from(state::TAKE) && verdict != f64::from(state::TAKE + state::KEEP) {
        return;
    }
    let values = [memory.row(op.params, m), memory.row(op.stats, m)].concat();
    let decay = f64::from(op.decay);
    for (average, value) in memory.row_mut(op.average, m).iter_mut().zip(values) {
        *average = decay * *average + (1.0 - decay) * value;
    }
}
