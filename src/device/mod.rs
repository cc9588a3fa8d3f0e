//! What a plan runs on. A device lowers each operation of a plan in its own way ([`crate::device::gpu`] to compute passes,
//! [`crate::device::cpu`] to a native function); everything above the plan sees an [`Engine`].

pub mod cpu;
pub mod gpu;

use self::cpu::CpuEngine;
use self::gpu::{Adapter, AdapterClass, Gpu, GpuEngine, adapters};
use crate::plan::{Plan, TensorId};
use anyhow::{Result, bail};
use serde::Serialize;
use std::ops::ControlFlow;
use std::sync::Arc;

/// A plan on a device for a number of members: its tensors in the device's memory, its operations ready to be replayed.
///
/// Tensors begin as zeros. Words are 32 bits, f32 or u32 as the plan says ([`bytemuck::cast_slice`] turns one into the
/// other); a tensor's rows are those of the members one after another, or one row where it is shared.
pub trait Engine {
    fn members(&self) -> usize;

    /// Overwrites a tensor; of a shared one, its first words.
    ///
    /// # Errors
    /// The device was lost.
    ///
    /// # Panics
    /// `words` has another length than the tensor, or a greater one where it is shared.
    fn write(&mut self, tensor: TensorId, words: &[u32]) -> Result<()>;

    /// All rows of a tensor.
    fn read(&mut self, tensor: TensorId) -> Result<Vec<u32>>;

    /// Replays the plan `steps` times. `watch` is told, as news comes in, how many steps are done and what stands in the
    /// plan's `log` (all rows of it; empty for a plan that does not train); where it breaks, what is in flight is
    /// finished. Returns how many steps were done.
    fn replay(&mut self, steps: usize, watch: &mut Watch) -> Result<usize>;

    /// Replays the plan once for each batch that `next` gives, written to `input`, and hands what then stands in
    /// `outputs`, one after another, to `sink`, in order; the next batch is prepared while the device works on the last.
    fn stream(&mut self, input: TensorId, outputs: &[TensorId], next: &mut Next, sink: &mut Sink) -> Result<()>;

    /// Seconds that each operation of the plan takes, all members together, in the plan's order: the median of
    /// `repeats` replays. It leaves the tensors as `repeats` steps leave them.
    fn profile(&mut self, repeats: usize) -> Result<Vec<f64>>;

    /// Bytes of the tensors on the device, scratch included.
    fn bytes(&self) -> u64;

    /// Dispatches that a step takes; none on a processor.
    fn dispatches(&self) -> usize;
}

/// See [`Engine::replay`].
pub type Watch<'a> = dyn FnMut(usize, &[f32]) -> ControlFlow<()> + 'a;
/// See [`Engine::stream`]: the words of a batch, or none where there are no more.
pub type Next<'a> = dyn FnMut() -> Result<Option<Vec<u32>>> + 'a;
/// See [`Engine::stream`].
pub type Sink<'a> = dyn FnMut(&[u32]) -> Result<()> + 'a;

/// Something of this machine that a plan can run on.
#[derive(Clone)]
pub enum Device {
    Gpu(Arc<Gpu>),
    /// The processor itself, natively.
    Cpu,
}

/// What `lensgpu devices` says of a device.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceInfo {
    /// What `--device` takes for it.
    pub index: usize,
    pub name: String,
    /// `gpu`, `software` or `cpu`.
    pub class: &'static str,
    /// `vulkan`, `metal`, `dx12` or `native`.
    pub backend: String,
    pub driver: String,
    /// Largest tensor of a wave of members, bytes; none where memory is the only limit.
    pub largest_binding: Option<u64>,
}

/// Every device: adapters, real GPUs first, then the processor.
pub fn devices() -> Vec<DeviceInfo> {
    let mut found: Vec<DeviceInfo> = adapters().iter().enumerate().map(|(i, a)| describe(i, a)).collect();
    found.push(DeviceInfo {
        index: found.len(),
        name: cpu::name(),
        class: "cpu",
        backend: "native".into(),
        driver: cpu::features(),
        largest_binding: None,
    });
    found
}

fn describe(index: usize, adapter: &Adapter) -> DeviceInfo {
    DeviceInfo {
        index,
        name: adapter.name().into(),
        class: if adapter.class() == AdapterClass::Gpu {
            "gpu"
        } else {
            "software"
        },
        backend: adapter.backend(),
        driver: adapter.driver(),
        largest_binding: Some(adapter.largest_binding()),
    }
}

impl Device {
    /// The device that `wish` names: `auto` (a real GPU, else the processor), `cpu`, `software` (a software adapter),
    /// the index of [`devices`], or a part of a name, whatever its case.
    ///
    /// # Errors
    /// Nothing of that name, with what there is; no adapter where one is asked for, with what to install; a driver that
    /// refuses.
    pub fn choose(wish: &str) -> Result<Device> {
        if wish == "cpu" {
            return Ok(Device::Cpu);
        }
        let adapters = adapters();
        let class = |class| adapters.iter().find(|a| a.class() == class);
        let chosen = match wish {
            "auto" => match class(AdapterClass::Gpu) {
                Some(gpu) => Some(gpu),
                None => return Ok(Device::Cpu),
            },
            "software" => match class(AdapterClass::Software) {
                Some(adapter) => Some(adapter),
                None => bail!("there is no software adapter; {}", how_to_install_software()),
            },
            wish => match wish.parse::<usize>() {
                Ok(index) if index == adapters.len() => return Ok(Device::Cpu),
                Ok(index) => adapters.get(index),
                Err(_) => adapters
                    .iter()
                    .find(|a| a.name().to_lowercase().contains(&wish.to_lowercase())),
            },
        };
        let Some(adapter) = chosen else {
            let known: Vec<String> = devices().iter().map(|d| format!("{} ({})", d.index, d.name)).collect();
            bail!(
                "no device is called '{wish}'; there are: {}. A GPU that is not among them needs its driver: {}",
                known.join(", "),
                how_to_install_gpu()
            );
        };
        Ok(Device::Gpu(Arc::new(adapter.open()?)))
    }

    /// For people: what runs, and how.
    pub fn name(&self) -> String {
        match self {
            Device::Gpu(gpu) if gpu.class == AdapterClass::Software => format!("{} (software adapter)", gpu.name),
            Device::Gpu(gpu) => gpu.name.clone(),
            Device::Cpu => format!("{} ({})", cpu::name(), cpu::features()),
        }
    }

    /// Largest tensor, bytes.
    pub fn largest_binding(&self) -> u64 {
        match self {
            Device::Gpu(gpu) => gpu.largest_binding(),
            Device::Cpu => u64::MAX,
        }
    }

    /// Makes the plan ready for `members` members.
    ///
    /// # Errors
    /// Too little memory, or a kernel that the driver rejects.
    pub fn engine(&self, plan: &Plan, members: usize) -> Result<Box<dyn Engine>> {
        Ok(match self {
            Device::Gpu(gpu) => Box::new(GpuEngine::new(gpu.clone(), plan, members)?),
            Device::Cpu => Box::new(CpuEngine::new(plan, members)?),
        })
    }
}

fn how_to_install_software() -> &'static str {
    if cfg!(target_os = "linux") {
        "on Debian and Ubuntu: apt-get install mesa-vulkan-drivers; on Fedora: dnf install mesa-vulkan-drivers; \
         on Arch: pacman -S vulkan-swrast"
    } else if cfg!(target_os = "windows") {
        "WARP is part of Windows 10 and later: is this a server without graphics?"
    } else {
        "macOS has none; use --device cpu"
    }
}

fn how_to_install_gpu() -> &'static str {
    if cfg!(target_os = "linux") {
        "NVIDIA's own driver, or mesa-vulkan-drivers for AMD and Intel, and the Vulkan loader libvulkan1"
    } else {
        "install the maker's current driver"
    }
}
