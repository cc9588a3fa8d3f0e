//! The loss of the lens head: one workgroup per member.

use crate::device::gpu::{Binding, Pass};
use crate::plan::{LensLoss, NO_LABEL};

/// The cross-entropy, and its derivatives with respect to the logits.
pub fn loss(op: &LensLoss) -> Vec<Pass> {
    vec![Pass {
        shader: "lens_head.wgsl",
        entry: "lens_loss",
        constants: vec![("BATCH", op.batch.into()), ("NO_LABEL", NO_LABEL.into())],
        buffers: vec![
            Binding::read("logit", op.logit),
            Binding::read("y", op.y),
            Binding::write("logit_grad", op.logit_grad),
            Binding::write("cross_entropy", op.cross_entropy),
        ],
        grid: [1, 1],
    }]
}
