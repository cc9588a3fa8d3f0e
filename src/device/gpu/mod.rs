//! A plan on a GPU or a software adapter, through wgpu.
//!
//! | file | what it does |
//! |---|---|
//! | `engine` | buffers, pipelines and bind groups of a plan, and its replay: start reading here |
//! | `lower` | an operation to its passes: kernel, tiles, grid |
//! | `pass` | one compute dispatch, as data |
//! | [`preprocess`] | a file of `shaders/` to the WGSL of a kernel |
//! | `ring` | brings results back to the host after each submission |
//! | `peak` | what a GPU can do at most |
//! | `adapter` | the adapters of this machine, and opening one |

mod adapter;
mod engine;
mod lower;
mod pass;
mod peak;
pub mod preprocess;
mod ring;

pub use adapter::{Adapter, Gpu, adapters};
pub use engine::GpuEngine;
pub use lower::{AdapterClass, Lowering, lower};
pub(super) use peak::peak;

pub use pass::{Access, Binding, Constant, Pass};
