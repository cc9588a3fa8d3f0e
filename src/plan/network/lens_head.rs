//! The loss of the lens head. The head itself is a dense layer of one unit, whose output is the logit
//! z = ln(p / (1 - p)) of the probability p that the image shows a lens.

use crate::plan::TensorId;

/// cross_entropy = mean over the batch of -ln p for a lens and -ln(1 - p) for another object;
/// logit_grad = dL/dz of each image: (p - 1) / B or p / B, or z itself if it is not finite, so that the step is skipped.
///
/// An object is a lens if it has a label: if its y is not [`NO_LABEL`](crate::plan::NO_LABEL).
#[derive(Clone, Debug, PartialEq)]
pub struct LensLoss {
    /// Name of the head.
    pub layer: String,
    pub batch: usize,
    /// (B): z.
    pub logit: TensorId,
    pub y: TensorId,
    /// (B).
    pub logit_grad: TensorId,
    /// (1).
    pub cross_entropy: TensorId,
}

operation!(LensLoss, "lens_loss", |op| &op.layer);
