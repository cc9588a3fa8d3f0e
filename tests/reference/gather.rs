use super::lens::pcg4d;
use super::{Memory, at};
use lensgpu::plan::{Gather, bands, state};

/// x[b] = noisy(shift(flip(pool[draw], code))), y[b] = labels[draw].
pub fn gather(op: &Gather, memory: &mut Memory, m: usize) {
    let step = memory.row(op.state, m)[state::CURSOR] as usize;
    let draws = memory.row(op.draws, m)[step * op.batch..][..op.batch].to_vec();
    let shape = [op.batch, op.h, op.w, op.c];
    for (b, draw) in draws.iter().enumerate() {
        let (image, code) = ((*draw as u32 & 0x0fff_ffff) as usize, *draw as u32 >> 28);
        memory.row_mut(op.y, m)[b] = memory.row(op.pool_labels, m)[image];
        let key = memory.row(op.state, m)[state::KEY] as u32;
        let words = |place| pcg4d([key, step as u32, b as u32, place]);
        // 2 shift + 1 equal parts of the 2^16 values of a word's upper half.
        let moved = |word: u32| ((word >> 16) as usize * (2 * op.shift + 1) / 65536) as isize - op.shift as isize;
        let [di, dj] = [0, 1].map(|axis| moved(words(Gather::SHIFT_PLACE)[axis]));
        for i in 0..op.h {
            for j in 0..op.w {
                let (shifted_i, shifted_j) = (i as isize - di, j as isize - dj);
                let inside = (0..op.h as isize).contains(&shifted_i) && (0..op.w as isize).contains(&shifted_j);
                let (mut from_i, mut from_j) = if inside {
                    (shifted_i as usize, shifted_j as usize)
                } else {
                    (0, 0)
                };
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
                    let mut value = memory.row(op.pool, m)[at(shape, [image, from_i, from_j, c])];
                    if let Some(bands) = op.bands {
                        let [masked, noise] = [bands::MASKED, bands::NOISE].map(|r| memory.row(bands, m)[r * op.c + c]);
                        if !inside {
                            value = masked;
                        }
                        if op.noise && value.to_bits() != masked.to_bits() {
                            let bytes = words(((i * op.w + j) * op.c + c) as u32).map(u32::to_le_bytes);
                            let sum: f64 = bytes.as_flattened().iter().map(|byte| f64::from(*byte)).sum();
                            value += noise * (sum - 2040.0);
                        }
                    }
                    memory.row_mut(op.x, m)[at(shape, [b, i, j, c])] = value;
                }
            }
        }
    }
}
