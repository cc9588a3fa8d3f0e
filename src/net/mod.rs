//! The network as data, where each parameter lies, initialisation, model file.

mod init;
mod layout;
pub mod model;
mod network;

pub use init::initialise;
pub use layout::{Layout, Parameter};
pub use model::{About, Label, Member, MemberSummary, Model, TrainingSummary, utc_now};
pub use network::{Activation, Heads, Layer, Likelihood, MAX_KERNEL, MeanActivation, Network, Shape, VarActivation};
