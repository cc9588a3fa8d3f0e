use super::Memory;
use lensgpu::plan::{LensLoss, NO_LABEL};

/// cross_entropy = mean of -ln p for a lens and -ln(1 - p) for another object, p = 1 / (1 + exp(-z));
/// logit_grad = (p - 1) / B or p / B, or z if it is not finite.
pub fn loss(op: &LensLoss, memory: &mut Memory, m: usize) {
    let batch = op.batch as f64;
    let (mut cross_entropy, mut logit_grad) = (0.0, vec![]);
    for (z, y) in memory.row(op.logit, m).iter().zip(memory.row(op.y, m)) {
        let is_lens = *y != f64::from(NO_LABEL);
        // ln(1 + exp(z)), which is -ln(1 - p), and -ln p is z less.
        let softplus = z.max(0.0) + (-z.abs()).exp().ln_1p();
        cross_entropy += if is_lens { softplus - z } else { softplus } / batch;
        let p = 1.0 / (1.0 + (-z).exp());
        let slope = if is_lens { p - 1.0 } else { p } / batch;
        logit_grad.push(if z.is_finite() { slope } else { *z });
    }
    memory.row_mut(op.logit_grad, m).copy_from_slice(&logit_grad);
    memory.row_mut(op.cross_entropy, m)[0] = cross_entropy;
}
