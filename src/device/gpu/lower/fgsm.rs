//! The adversary's images: one thread per value.

use super::fold;
use crate::device::gpu::{Binding, Pass};
use crate::plan::{Fgsm, bands};

/// out = x + `epsilon[c] sign(grad_x)`, with masked pixels unchanged.
pub fn fgsm(op: &Fgsm) -> Vec<Pass> {
    let grid = fold(op.len.div_ceil(256));
    vec![Pass {
        shader: "fgsm.wgsl",
        entry: "fgsm",
        constants: vec![
            ("LEN", op.len.into()),
            ("C", op.channels.into()),
            ("EPSILON", bands::EPSILON.into()),
            ("MASKED", bands::MASKED.into()),
            ("GRID_X", grid[0].into()),
        ],
        buffers: vec![
            Binding::read("x", op.x),
            Binding::read("grad_x", op.dx),
            Binding::read("bands", op.bands),
            Binding::write("out", op.out),
        ],
        grid,
    }]
}
