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
pub use dense::{DenseForward, DenseGradInput, DenseGradWeight, DenseShape};
pub use fgsm::Fgsm;
pub use gather::{Gather, pcg4d};
pub use heads::{HeadsForward, HeadsGradInput, HeadsGradWeight, HeadsLoss, MeanOutput, VarOutput};
pub use lens_head::LensLoss;
pub use norm::{NormForward, NormGradInput, NormGradParam, NormStats, StatsSource};
pub use optimiser::{Adam, Average};
pub use pool::{PoolForward, PoolGradInput, PoolShape};

use super::{Op, Operation};

operations! {
    /// One layer's forward pass or one of its gradients, for all members.
    NetworkOp: Network {
        Gather,
        ConvForward,
        ConvGradInput,
        ConvGradWeight,
        NormStats,
        NormForward,
        NormGradParam,
        NormGradInput,
        PoolForward,
        PoolGradInput,
        AveragePoolForward,
        AveragePoolGradInput,
        DenseForward,
        DenseGradInput,
        DenseGradWeight,
        ActivationForward,
        ActivationGradInput,
        AddForward,
        ChannelCopy,
        HeadsForward,
        HeadsLoss,
        HeadsGradInput,
        HeadsGradWeight,
        LensLoss,
        Fgsm,
        Adam,
        Average,
    }
}
