use super::{Memory, at};
use lensgpu::plan::{Gather, state};

/// x[b] = flip(pool[draw], code), y[b] = labels[draw].
pub fn gather(op: &Gather, memory: &mut Memory, m: usize) {
    let step = memory.row(op.state, m)[state::CURSOR] as usize;
    let draws = memory.row(op.draws, m)[step * op.batch..][..op.batch].to_vec();
    let shape = [op.batch, op.h, op.w, op.c];
    for (b, draw) in draws.iter().enumerate() {
        let (image, code) = ((*draw as u32 & 0x0fff_ffff) as usize, *draw as u32 >> 28);
        memory.row_mut(op.y, m)[b] = memory.row(op.pool_labels, m)[image];
        for i in 0..op.h {
            for j in 0..op.w {
                let (mut from_i, mut from_j) = (i, j);
                if code & 4 != 0 {
                    (from_i, from_j) = (from_j, from_i);
                }
                if code & 2 != 0 {
                    from_i = op.h - 1 - from_i;
                }
                if code & 1 != 0 {
                    from_j = op.w - 1 - from_j;
                }
                for c in 0..op.c {
                    // The pool's own length does not matter to the place of an image in it.
                    let value = memory.row(op.pool, m)[at(shape, [image, from_i, from_j, c])];
                    memory.row_mut(op.x, m)[at(shape, [b, i, j, c])] = value;
                }
            }
        }
    }
}
