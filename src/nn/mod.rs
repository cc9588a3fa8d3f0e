//! The network as data, where each parameter lies, initialisation.

mod build;
mod init;
mod layout;
mod network;

pub use build::{Adversary, Capacity, Io, NORM_EPSILON, NORM_MOMENTUM, NetworkPlan, TrainIo, Training};
pub use init::initialise;
pub use layout::{Layout, Parameter};
pub use network::{Activation, Heads, Layer, MAX_KERNEL, MeanActivation, Network, Shape, VarActivation};
