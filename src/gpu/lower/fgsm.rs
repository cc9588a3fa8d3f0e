//! The adversary's images: a thread a value.

use super::fold;
use crate::gpu::{Binding, Pass};
use crate::plan::Fgsm;

/// out = x + epsilon sign(dx).
pub fn fgsm(op: &Fgsm) -> Vec<Pass> {
    let grid = fold(op.len.div_ceil(256));
    vec![Pass {
        shader: "fgsm.wgsl",
        entry: "fgsm",
        constants: vec![
            ("LEN", op.len.into()),
            ("EPSILON", op.epsilon.into()),
            ("GRID_X", grid[0].into()),
        ],
        buffers: vec![
            Binding::read("x", op.x),
            Binding::read("dx", op.dx),
            Binding::write("out", op.out),
        ],
        grid,
    }]
}
