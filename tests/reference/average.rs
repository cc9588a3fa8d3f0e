use super::Memory;
use lensgpu::plan::{Average, state};

/// average = decay average + (1 - decay) [params, stats], after a step that was taken. It is kept with good weights, and
/// returns to what was kept when the member returns to them.
pub fn average(op: &Average, memory: &mut Memory, m: usize) {
    let verdict = memory.row(op.state, m)[state::VERDICT];
    let keep = verdict == f64::from(state::TAKE + state::KEEP);
    if keep || verdict == f64::from(state::TAKE) {
        let values = [memory.row(op.params, m), memory.row(op.stats, m)].concat();
        let decay = f64::from(op.decay);
        for (average, value) in memory.row_mut(op.average, m).iter_mut().zip(values) {
            *average = decay * *average + (1.0 - decay) * value;
        }
    }
    if keep {
        let average = memory.row(op.average, m).to_vec();
        memory.row_mut(op.good_average, m).copy_from_slice(&average);
    } else if verdict == f64::from(state::RESTORE) {
        let kept = memory.row(op.good_average, m).to_vec();
        memory.row_mut(op.average, m).copy_from_slice(&kept);
    }
}
