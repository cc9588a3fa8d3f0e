//! A plan on a GPU or a software adapter, through wgpu.
//!
//! | file | what it does |
//! |---|---|
//! | `engine` | a plan made ready, and its replay: start reading here |
//! | `arena` | which tensors share a buffer |
//! | `wave` | the buffers and bind groups of members that run together |
//! | `storage` | the values of a tensor in the device's memory |
//! | `compile`, `cache` | the kernels of a plan; those that are kept on disk |
//! | `lower` | the operations of a plan to passes: kernel, tiles, grid |
//! | `pass` | one compute dispatch, as data |
//! | [`preprocess`] | a file of `shaders/` to the WGSL of a kernel |
//! | `ring`, `patience` | brings results back to the host after each submission; how long it waits for them |
//! | `peak` | what a GPU can do at most |
//! | `adapter` | the adapters of this machine, and opening one |

mod adapter;
mod arena;
mod cache;
mod compile;
mod engine;
mod lower;
mod pass;
mod patience;
mod peak;
pub mod preprocess;
mod ring;
mod storage;
mod wave;

pub use adapter::{Adapter, Gpu, adapters};
pub use engine::GpuEngine;
pub use lower::{AdapterClass, Lowered, lower};
pub use pass::{Access, Binding, Constant, Pass};
pub use patience::Patience;
pub(super) use peak::peak;
pub use peak::peak_passes;
pub use storage::row_bytes;
