use super::Memory;
use lensgpu::plan::Fgsm;

/// out = x + epsilon sign(dx), sign(0) = 0.
pub fn fgsm(op: &Fgsm, memory: &mut Memory, m: usize) {
    for i in 0..op.len {
        let (x, dx) = (memory.row(op.x, m)[i], memory.row(op.dx, m)[i]);
        let sign = if dx == 0.0 { 0.0 } else { dx.signum() };
        memory.row_mut(op.out, m)[i] = x + f64::from(op.epsilon) * sign;
    }
}
