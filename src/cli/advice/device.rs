//! Advice for errors of devices.

use crate::device::Error;

/// What can be done about an error of a device.
pub fn advice(error: &Error) -> Option<String> {
    Some(match error {
        Error::UnknownDevice { .. } => format!(
            "--device takes auto, all, cpu, software, or numbers or parts of names from this list, separated by commas. A GPU that is missing from \
             it needs its driver: {}",
            how_to_install_gpu()
        ),
        Error::NoSoftwareAdapter => how_to_install_software().into(),
        Error::CannotOpen { .. } => "use another --device, or update the driver of this one".into(),
        Error::NoF16 { .. } => "leave out --precision: f16 needs a GPU whose driver offers it (SHADER_F16)".into(),
        Error::TensorTooLarge { shared: true, .. } => {
            "use a smaller --batch, or fewer images at a time".into()
        }
        Error::TensorTooLarge { shared: false, .. } => "use a smaller --batch".into(),
        Error::TooMuchMemory { .. } => "use a smaller --batch or fewer --members".into(),
        Error::OutOfMemory { .. } => {
            "use a smaller --batch or fewer --members, or close other programs that use this device".into()
        }
        Error::Kernel { .. } | Error::Rejected { .. } => {
            "please report this, with the version of the driver (lensgpu devices shows it); use --device cpu until then"
                .into()
        }
        Error::Lost { .. } | Error::Hangs { .. } => {
            "the driver may have reset it. Saved files are intact: resume a training with `lensgpu train --resume`, with \
             a smaller --batch or another --device if it happens again; --on-device-lost retry does it by itself"
                .into()
        }
        Error::ComputesWrongly { .. } => {
            "use --device cpu, or update the driver of this device; `lensgpu selftest` compares every tensor".into()
        }
        Error::NoMembers => return None,
    })
}

fn how_to_install_software() -> &'static str {
    if cfg!(target_os = "linux") {
        "install one: on Debian and Ubuntu, apt-get install mesa-vulkan-drivers; on Fedora, dnf install \
         mesa-vulkan-drivers; on Arch, pacman -S vulkan-swrast"
    } else if cfg!(target_os = "windows") {
        "WARP is part of Windows 10 and later: is this a server without graphics?"
    } else {
        "macOS has no software adapter; use --device cpu"
    }
}

fn how_to_install_gpu() -> &'static str {
    if cfg!(target_os = "linux") {
        "NVIDIA's own driver, or mesa-vulkan-drivers for AMD and Intel, and the Vulkan loader libvulkan1"
    } else {
        "install the manufacturer's current driver"
    }
}
