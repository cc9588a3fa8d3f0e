//! wgpu: adapter, kernels and bindings, buffers, replay of a plan.

mod lower;
mod pass;
pub mod preprocess;

pub use lower::{AdapterClass, Lowering, lower};
pub use pass::{Access, Binding, Constant, Pass};
