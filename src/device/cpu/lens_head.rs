//! The loss of the lens head.

use super::memory::{Memory, Scratch};
use super::{Native, relu};
use crate::plan::{LensLoss, NO_LABEL};

impl Native for LensLoss {
    fn run(&self, memory: &mut Memory, _scratch: &mut Scratch) {
        let (mut logit_grad, mut cross_entropy) = (memory.take(self.logit_grad), memory.take(self.cross_entropy));
        let batch = self.batch as f32;
        let rows = logit_grad.rows_mut().zip(cross_entropy.rows_mut());
        for (m, (logit_grad, cross_entropy)) in rows.enumerate() {
            let images = memory.row(self.logit, m).iter().zip(memory.row(self.y, m));
            let mut sum = 0.0;
            for (grad, (logit, y)) in logit_grad.iter_mut().zip(images) {
                // Both losses are ln(1 + exp(s)), with s = -z for a lens and z for another object.
                let side = if *y == NO_LABEL { 1.0 } else { -1.0 };
                let s = side * logit;
                let e = (-s.abs()).exp();
                sum += relu(s) + e.ln_1p();
                let slope = side * (if s >= 0.0 { 1.0 } else { e }) / (1.0 + e) / batch;
                // The slope is finite even if z is not, and would hide that.
                *grad = if logit.is_finite() { slope } else { *logit };
            }
            cross_entropy[0] = sum / batch;
        }
        memory.put(self.logit_grad, logit_grad);
        memory.put(self.cross_entropy, cross_entropy);
    }
}
