use super::Memory;
use lensgpu::plan::{Fgsm, bands};

/// out = x + epsilon[c] sign(dx), sign(0) = 0; a masked pixel stays as it is.
pub fn fgsm(op: &Fgsm, memory: &mut Memory, m: usize) {
    for i in 0..op.len {
        let (x, dx) = (memory.row(op.x, m)[i], memory.row(op.dx, m)[i]);
        let [epsilon, masked] =
            [bands::EPSILON, bands::MASKED].map(|row| memory.row(op.bands, m)[row * op.channels + i % op.channels]);
        let sign = if dx == 0.0 { 0.0 } else { dx.signum() };
        memory.row_mut(op.out, m)[i] = if x.to_bits() == masked.to_bits() {
            x
        } else {
            x + epsilon * sign
        };
    }
}
