//! The operations of a network's training step and inference pass, one file per layer: what an operation reads, what it
//! writes, its equation, and the sizes that its kernels are compiled for.
//!
//! Shapes are those of one member; every tensor has the member as its first axis. Images lie as (B,H,W,C), channel
//! fastest; features are `1 x 1 x F`. Outputs are overwritten. Gradients of parameters and of inputs are overwritten
//! too, unless `accumulate` is set: then they are added to what is there (the adversarial pass; a value with several
//! consumers).
//!
//! `gate`: `x` came out of a ReLU that is fused into the layer before, so the gradient with respect to it is passed on
//! only where x > 0, which makes it the gradient with respect to the value before the ReLU.

mod activation;
mod average_pool;
mod channels;
mod conv;
mod dense;
mod fgsm;
mod gather;
mod heads;
mod lens_head;
mod norm;
mod optimiser;
mod pool;

pub use activation::{Activation, ActivationForward, ActivationGradInput, LEAKY_SLOPE};
pub use average_pool::{AveragePoolForward, AveragePoolGradInput, AverageShape};
pub use channels::{AddForward, ChannelCopy};
pub use conv::{ConvForward, ConvGradInput, ConvGradWeight, ConvShape, MAX_KERNEL, MAX_STRIDE, Padding};
pub use dense::{DenseForward, DenseGrad, DenseShape};
pub use fgsm::Fgsm;
pub use gather::{Gather, pcg4d};
pub use heads::{HeadsForward, HeadsGrad, HeadsLoss, MeanOutput, VarOutput};
pub use lens_head::LensLoss;
pub use norm::{BatchStats, NormForward, NormGrad, StatsSource};
pub use optimiser::{Adam, Average};
pub use pool::{PoolForward, PoolGradInput, PoolShape};

use super::{Op, Operation, TensorId};

/// Where an operation leaves the gradient of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputGrad {
    /// Only where x > 0.
    pub gate: bool,
    pub dx: TensorId,
    /// Whether it is added to what is there.
    pub accumulate: bool,
}

operations! {
    /// One layer's forward pass or one of its gradients, for all members.
    NetworkOp: Network {
        Gather,
        ConvForward,
        ConvGradInput,
        ConvGradWeight,
        NormForward,
        NormGrad,
        PoolForward,
        PoolGradInput,
        AveragePoolForward,
        AveragePoolGradInput,
        DenseForward,
        DenseGrad,
        ActivationForward,
        ActivationGradInput,
        AddForward,
        ChannelCopy,
        HeadsForward,
        HeadsLoss,
        HeadsGrad,
        LensLoss,
        Fgsm,
        Adam,
        Average,
    }
}
