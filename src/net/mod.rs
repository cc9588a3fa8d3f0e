//! The network as data, where each parameter lies, initialisation, model file.

mod init;
mod layout;
mod network;

pub use init::initialise;
pub use layout::{Layout, Parameter};
pub use network::{Activation, Heads, Layer, MeanActivation, Network, Shape, VarActivation};
