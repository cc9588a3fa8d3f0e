//! wgpu: adapter, kernels and bindings, buffers, replay of a plan.
//!
//! | file | what it does |
//! |---|---|
//! | [`adapter`] | adapters of this machine, opening one |
//! | [`engine`] | a plan on a GPU, replayed: start reading here |
//! | `ring` | what comes back behind a submission |
//! | `lower` | an operation to its passes: kernel, tiles, grid |
//! | `pass` | one compute dispatch, as data |
//! | [`preprocess`] | a file of `shaders/` to WGSL |

pub mod adapter;
pub mod engine;
mod lower;
mod pass;
pub mod preprocess;
mod ring;

pub use adapter::{Adapter, Gpu, adapters};
pub use engine::GpuEngine;
pub use lower::{AdapterClass, Lowering, lower};
pub use pass::{Access, Binding, Constant, Pass};
