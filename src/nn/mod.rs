//! The network as data: its layers, where each parameter lies, initial weights, and the plans of its passes.
//!
//! | file | what it does |
//! |---|---|
//! | `network` | a network file or the metadata of a model: a list of layers |
//! | [`layer`] | one file per layer: keys, shapes, tensors, forward and backward pass |
//! | `graph` | which value each layer takes |
//! | `builder` | from the graph to operations; gradients where values have several consumers |
//! | `step` | the plans of a training step and an inference pass |
//! | `layout` | where each parameter lies in a member's row |
//! | `init` | random initial weights |

mod builder;
mod error;
mod graph;
mod init;
pub mod layer;
mod layout;
mod network;
mod shape;
mod step;

pub use error::{Error, Problem, Result};
pub use init::initialise;
pub use layer::{Heads, Layer, MeanActivation, NORM_EPSILON, NORM_MOMENTUM, VarActivation};
pub use layout::{Layout, Parameter};
pub use network::Network;
pub use shape::Shape;
pub use step::{Adversary, Capacity, Io, NetworkPlan, TrainIo, Training};

pub use crate::plan::{Activation, MAX_KERNEL, MAX_STRIDE, Padding};
