//! wgpu: adapter, kernels and bindings, buffers, replay of a plan.
