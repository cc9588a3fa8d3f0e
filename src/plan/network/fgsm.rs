//! The fast gradient sign method.

use crate::plan::TensorId;

/// out = x + `epsilon[c] sign(dx)`, sign(0) = 0 (Goodfellow et al. 2015), with c the value's channel; out = x where the
/// bits of x are those of a masked pixel.
#[derive(Clone, Debug, PartialEq)]
pub struct Fgsm {
    pub len: usize,
    pub channels: usize,
    /// ([`bands::ROWS`](crate::plan::bands::ROWS), C).
    pub bands: TensorId,
    pub x: TensorId,
    pub dx: TensorId,
    pub out: TensorId,
}

operation!(Fgsm, "fgsm", |_op| "input", values: |op| 3 * op.len);
