use super::{Memory, gated};
use lensgpu::plan::{AddForward, ChannelCopy};

/// out = a + b.
pub fn add(op: &AddForward, memory: &mut Memory, m: usize) {
    let sums = memory.row(op.a, m).iter().zip(memory.row(op.b, m)).map(|(a, b)| a + b);
    let out: Vec<f64> = sums.collect();
    memory.row_mut(op.out, m).copy_from_slice(&out);
}

/// to[r, to_first + c] = from[r, from_first + c], gated and accumulated where asked.
pub fn copy(op: &ChannelCopy, memory: &mut Memory, m: usize) {
    for r in 0..op.rows {
        for c in 0..op.channels {
            let (from, to) = (
                r * op.from_channels + op.from_first + c,
                r * op.to_channels + op.to_first + c,
            );
            let gate = op.gate.map_or(1.0, |gate| memory.row(gate, m)[to]);
            let value = gated(op.gate.is_some(), gate, memory.row(op.from, m)[from]);
            let target = &mut memory.row_mut(op.to, m)[to];
            *target = if op.accumulate { *target + value } else { value };
        }
    }
}
