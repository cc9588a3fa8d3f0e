//! TODO kernels.

use super::Lowering;
use crate::device::gpu::Pass;
use crate::plan::{AveragePoolForward, AveragePoolGradInput};

pub fn forward(_op: &AveragePoolForward, _cx: &mut Lowering) -> Vec<Pass> {
    todo!()
}

pub fn grad_input(_op: &AveragePoolGradInput, _cx: &mut Lowering) -> Vec<Pass> {
    todo!()
}
