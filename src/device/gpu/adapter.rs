//! The adapters of this machine, and opening one.

use super::cache::PipelineCache;
use super::{AdapterClass, Patience};
use crate::device::{Error, Precision, Result};
use std::sync::{Arc, Mutex, MutexGuard};

/// An adapter of this machine that runs compute shaders.
pub struct Adapter {
    adapter: wgpu::Adapter,
    info: wgpu::AdapterInfo,
}

/// The adapters of this machine, real GPUs first. The list is empty without a driver or a Vulkan loader.
pub fn adapters() -> Vec<Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let all = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let mut adapters: Vec<Adapter> = all
        .into_iter()
        .map(|adapter| Adapter {
            info: adapter.get_info(),
            adapter,
        })
        .collect();
    adapters.retain(|a| {
        a.adapter
            .get_downlevel_capabilities()
            .flags
            .contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
    });
    adapters.sort_by_key(|a| match a.info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu | wgpu::DeviceType::VirtualGpu | wgpu::DeviceType::Other => 1,
        wgpu::DeviceType::Cpu => 2,
    });
    adapters
}

impl Adapter {
    /// Name that the driver gives it.
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// `vulkan`, `metal` or `dx12`.
    pub fn backend(&self) -> String {
        self.info.backend.to_string()
    }

    /// Driver and its version.
    pub fn driver(&self) -> String {
        format!("{} {}", self.info.driver, self.info.driver_info)
            .trim()
            .to_string()
    }

    /// Whether it is a real GPU.
    pub fn class(&self) -> AdapterClass {
        if self.info.device_type == wgpu::DeviceType::Cpu {
            AdapterClass::Software
        } else {
            AdapterClass::Gpu
        }
    }

    /// Size of the largest binding, in bytes.
    pub fn largest_binding(&self) -> u64 {
        largest_binding(&self.adapter.limits())
    }

    /// Opens the adapter with all features and limits that the program can use.
    ///
    /// # Errors
    /// [`Error::CannotOpen`].
    pub fn open(&self) -> Result<Gpu> {
        let timestamps =
            self.class() == AdapterClass::Gpu && self.adapter.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        let mut features = self.adapter.features() & (wgpu::Features::SHADER_F16 | wgpu::Features::PIPELINE_CACHE);
        features.set(wgpu::Features::TIMESTAMP_QUERY, timestamps);
        let limits = self.adapter.limits();
        let (device, queue) = pollster::block_on(self.adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("lensgpu"),
            required_features: features,
            required_limits: limits.clone(),
            memory_hints: wgpu::MemoryHints::Performance,
            ..Default::default()
        }))
        .map_err(|source| Error::CannotOpen {
            device: self.name().into(),
            source,
        })?;
        let fault = Fault::default();
        let (lost, wrong) = (fault.clone(), fault.clone());
        device.set_device_lost_callback(move |reason, message| lost.set(format!("{reason:?}: {message}")));
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| wrong.set(error.to_string())));
        let kernels = PipelineCache::of(&device, &self.info).map(Arc::new);
        Ok(Gpu {
            name: self.name().into(),
            class: self.class(),
            backend: self.backend(),
            driver: self.driver(),
            device,
            queue,
            limits,
            memory: u64::MAX,
            patience: Patience::of(self.class()),
            timestamps,
            precision: Precision::F32,
            kernels,
            fault,
        })
    }
}

/// Kernels index with 32 bits, and some compilers compute offsets in bytes.
const MOST_BYTES: u64 = 1 << 31;

fn largest_binding(limits: &wgpu::Limits) -> u64 {
    limits
        .max_storage_buffer_binding_size
        .min(limits.max_buffer_size)
        .min(MOST_BYTES)
}

/// An open adapter.
#[derive(Clone)]
pub struct Gpu {
    /// Name that the driver gives it.
    pub name: String,
    /// What kernels are tuned for.
    pub class: AdapterClass,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// Driver and its version.
    pub driver: String,
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    /// What the adapter allows; smaller limits split the members into more waves.
    pub limits: wgpu::Limits,
    /// Bytes that the tensors of an engine may take. Unlimited but in tests: a driver says itself what it cannot allocate.
    pub memory: u64,
    /// How long a submission may take.
    pub patience: Patience,
    /// Whether the GPU itself can time passes. The timestamps of software adapters are not meaningful.
    pub(super) timestamps: bool,
    /// How images and activations are stored; see [`Gpu::has_f16`].
    pub precision: Precision,
    /// Kernels compiled before.
    pub(super) kernels: Option<Arc<PipelineCache>>,
    fault: Fault,
}

impl Gpu {
    /// Size of the largest binding, in bytes.
    pub fn largest_binding(&self) -> u64 {
        largest_binding(&self.limits)
    }

    /// Whether kernels can load and store f16.
    pub fn has_f16(&self) -> bool {
        self.device.features().contains(wgpu::Features::SHADER_F16)
    }

    /// Whether the device still works. `during` says what it was asked for last.
    ///
    /// # Errors
    /// [`Error::Lost`] if the driver has reported a fault since the device was opened.
    pub(super) fn check(&self, during: &str) -> Result<()> {
        match self.fault.get() {
            None => Ok(()),
            Some(fault) => Err(self.lost(during, fault)),
        }
    }

    /// The error of a device that no longer works.
    pub(super) fn lost(&self, during: &str, message: impl ToString) -> Error {
        Error::Lost {
            device: self.name.clone(),
            during: during.into(),
            message: message.to_string(),
        }
    }

    /// The error of a device that has not finished after `seconds`. It is never closed: wgpu would wait for it then.
    pub(super) fn hangs(&self, during: &str, seconds: f64) -> Error {
        std::mem::forget((self.device.clone(), self.queue.clone()));
        Error::Hangs {
            device: self.name.clone(),
            during: during.into(),
            seconds,
        }
    }

    /// The error of an allocation that failed.
    pub(super) fn out_of_memory(&self, what: &str) -> Error {
        Error::OutOfMemory {
            device: self.name.clone(),
            what: what.into(),
        }
    }

    /// Runs `make`, which asks the driver for `what`, and turns the driver's complaints into errors.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] or [`Error::Rejected`].
    pub(super) fn guarded<T>(&self, what: &str, make: impl FnOnce() -> T) -> Result<T> {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let made = make();
        let errors = [pollster::block_on(validation.pop()), pollster::block_on(memory.pop())];
        match errors.into_iter().flatten().next() {
            None => Ok(made),
            Some(wgpu::Error::OutOfMemory { .. }) => Err(self.out_of_memory(what)),
            Some(source @ (wgpu::Error::Validation { .. } | wgpu::Error::Internal { .. })) => Err(Error::Rejected {
                device: self.name.clone(),
                what: what.into(),
                source,
            }),
        }
    }
}

/// The first fault that the driver reported.
#[derive(Clone, Default)]
struct Fault(Arc<Mutex<Option<String>>>);

impl Fault {
    fn set(&self, message: String) {
        self.lock().get_or_insert(message);
    }

    fn get(&self) -> Option<String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().expect("no thread panics while it holds this lock")
    }
}
