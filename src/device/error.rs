//! What can go wrong on a device.

use super::DeviceInfo;

/// A device that cannot be had, or a plan that does not run on it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No device has this name or number.
    #[error("no device is called '{name}'; there are: {}", list(.devices))]
    UnknownDevice {
        /// The name or number that was asked for.
        name: String,
        /// All devices of this machine.
        devices: Vec<DeviceInfo>,
    },
    /// A software adapter was asked for, and none is installed.
    #[error("there is no software adapter on this machine")]
    NoSoftwareAdapter,
    /// The driver does not open the adapter.
    #[error("the adapter {device} cannot be opened")]
    CannotOpen {
        /// Name of the adapter.
        device: String,
        /// What the driver said.
        #[source]
        source: wgpu::RequestDeviceError,
    },
    /// A precision that the device does not have.
    #[error("{device} cannot store images and activations as f16")]
    NoF16 {
        /// Name of the device.
        device: String,
    },
    /// An engine for no members.
    #[error("an ensemble needs at least one member")]
    NoMembers,
    /// A tensor that exceeds the largest binding of the device, even for a single member.
    #[error(
        "tensor {tensor} takes {} MiB, but a binding of {device} holds at most {} MiB",
        .bytes >> 20,
        .limit >> 20
    )]
    TensorTooLarge {
        /// Name of the device.
        device: String,
        /// Name of the tensor in the plan.
        tensor: String,
        /// Size of the tensor, of one member unless it is shared.
        bytes: u64,
        /// Size of the largest binding.
        limit: u64,
        /// Whether all members share the tensor.
        shared: bool,
    },
    /// Not enough memory on the device.
    #[error("{device} does not have enough memory: {what} cannot be allocated")]
    OutOfMemory {
        /// Name of the device.
        device: String,
        /// What was to be allocated.
        what: String,
    },
    /// More memory than the machine has left.
    #[error(
        "{} MiB of memory are needed, and {} MiB are available; use fewer members, a smaller batch or a smaller network",
        .needed >> 20,
        .available >> 20
    )]
    TooMuchMemory {
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that are available.
        available: u64,
    },
    /// A kernel that the preprocessor or the driver rejects: a fault of the program or of the driver.
    #[error("kernel {entry} of {shader} does not compile on {device}")]
    Kernel {
        /// Name of the device.
        device: String,
        /// File of the kernel in `shaders/`.
        shader: &'static str,
        /// Entry point of the kernel.
        entry: &'static str,
        /// What the preprocessor or the driver said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The driver rejects something else that the program asks for.
    #[error("{device} rejects {what}")]
    Rejected {
        /// Name of the device.
        device: String,
        /// What was asked for.
        what: String,
        /// What the driver said.
        #[source]
        source: wgpu::Error,
    },
    /// The device stopped working while it was in use.
    #[error("the device {device} failed during {during}: {message}")]
    Lost {
        /// Name of the device.
        device: String,
        /// What it was doing, as far as is known.
        during: String,
        /// What the driver said.
        message: String,
    },
    /// A device whose results are not those that they must be.
    #[error("{device} (driver {driver}) computes wrongly: {what}")]
    ComputesWrongly {
        /// Name of the device.
        device: String,
        /// Its driver and version.
        driver: String,
        /// What is wrong.
        what: String,
    },
    /// The device does not finish what it was given.
    #[error("the device {device} hangs: {during} did not end within {seconds:.0} s")]
    Hangs {
        /// Name of the device.
        device: String,
        /// What it was doing.
        during: String,
        /// How long it was waited for.
        seconds: f64,
    },
}

impl Error {
    /// Whether the device or its driver failed, or has too little memory: the same request may succeed later, or on
    /// another device. Every other error is one of the request.
    pub fn is_failure(&self) -> bool {
        match self {
            Error::CannotOpen { .. }
            | Error::OutOfMemory { .. }
            | Error::Kernel { .. }
            | Error::Rejected { .. }
            | Error::Lost { .. }
            | Error::ComputesWrongly { .. }
            | Error::Hangs { .. } => true,
            Error::UnknownDevice { .. }
            | Error::NoSoftwareAdapter
            | Error::NoMembers
            | Error::TensorTooLarge { .. }
            | Error::TooMuchMemory { .. }
            | Error::NoF16 { .. } => false,
        }
    }
}

fn list(devices: &[DeviceInfo]) -> String {
    let devices: Vec<String> = devices.iter().map(|d| format!("{} ({})", d.index, d.name)).collect();
    devices.join(", ")
}

/// A result with a device's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
