//! TODO kernels.

use super::Lowering;
use crate::device::gpu::Pass;
use crate::plan::{ActivationForward, ActivationGradInput};

pub fn forward(_op: &ActivationForward, _cx: &mut Lowering) -> Vec<Pass> {
    todo!()
}

pub fn grad_input(_op: &ActivationGradInput, _cx: &mut Lowering) -> Vec<Pass> {
    todo!()
}
