//! What is known of a device before it is opened.

use serde::Serialize;

/// A device as `lensgpu devices` lists it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceInfo {
    /// Number in the list, by which the device can be chosen.
    pub index: usize,
    /// Name that the driver gives it.
    pub name: String,
    /// `gpu`, `software` or `cpu`.
    pub class: &'static str,
    /// `vulkan`, `metal`, `dx12` or `native`.
    pub backend: String,
    /// Driver and version; of the CPU, its instruction set.
    pub driver: String,
    /// Size of the largest possible tensor of the members that run together, in bytes; `None` if only memory limits it.
    pub largest_binding: Option<u64>,
}
