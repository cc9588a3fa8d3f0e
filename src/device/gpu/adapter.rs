//! Adapters: which there are, and opening one with all that it allows.

use super::AdapterClass;
use anyhow::{Context, Result, anyhow};
use std::sync::{Arc, Mutex};

/// An adapter of this machine that runs compute shaders.
pub struct Adapter {
    adapter: wgpu::Adapter,
    info: wgpu::AdapterInfo,
}

/// Every adapter of this machine, real GPUs first; none where there is no driver, or no Vulkan loader.
pub fn adapters() -> Vec<Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let mut adapters: Vec<Adapter> = found
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
    /// As its driver calls it.
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// vulkan, metal or dx12.
    pub fn backend(&self) -> String {
        self.info.backend.to_string()
    }

    pub fn driver(&self) -> String {
        format!("{} {}", self.info.driver, self.info.driver_info)
            .trim()
            .to_string()
    }

    pub fn class(&self) -> AdapterClass {
        match self.info.device_type {
            wgpu::DeviceType::Cpu => AdapterClass::Software,
            _ => AdapterClass::Gpu,
        }
    }

    /// Largest binding, bytes.
    pub fn largest_binding(&self) -> u64 {
        largest_binding(&self.adapter.limits())
    }

    /// # Errors
    /// The driver refuses.
    pub fn open(&self) -> Result<Gpu> {
        let timestamps =
            self.class() == AdapterClass::Gpu && self.adapter.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        let features = if timestamps {
            wgpu::Features::TIMESTAMP_QUERY
        } else {
            wgpu::Features::empty()
        };
        let limits = self.adapter.limits();
        let (device, queue) = pollster::block_on(self.adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("lensgpu"),
            required_features: features,
            required_limits: limits.clone(),
            memory_hints: wgpu::MemoryHints::Performance,
            ..Default::default()
        }))
        .with_context(|| format!("the adapter {} cannot be opened", self.name()))?;
        let fault = Fault::default();
        let (lost, wrong) = (fault.clone(), fault.clone());
        device.set_device_lost_callback(move |reason, message| lost.set(format!("{reason:?}: {message}")));
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| wrong.set(error.to_string())));
        Ok(Gpu {
            name: self.name().into(),
            class: self.class(),
            device,
            queue,
            limits,
            timestamps,
            fault,
        })
    }
}

fn largest_binding(limits: &wgpu::Limits) -> u64 {
    limits.max_storage_buffer_binding_size.min(limits.max_buffer_size)
}

/// An open adapter.
pub struct Gpu {
    pub name: String,
    pub class: AdapterClass,
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub limits: wgpu::Limits,
    /// Whether passes can be timed by the GPU itself. A software adapter's clock counts other things.
    pub timestamps: bool,
    fault: Fault,
}

impl Gpu {
    /// Largest binding, bytes.
    pub fn largest_binding(&self) -> u64 {
        largest_binding(&self.limits)
    }

    /// # Errors
    /// The driver reported a fault since the device was opened.
    pub fn check(&self) -> Result<()> {
        match self
            .fault
            .0
            .lock()
            .expect("nothing panics while it holds this")
            .as_ref()
        {
            None => Ok(()),
            Some(fault) => Err(anyhow!(
                "the device {} failed ({fault}). The driver may have reset it; what was saved is intact: \
                 go on with `lensgpu train --resume`, with a smaller --batch or another --device if it happens again",
                self.name
            )),
        }
    }

    /// Runs `make` and turns what the driver then says into an error: a kernel it rejects, or memory it does not have.
    pub fn guarded<T>(&self, what: &str, make: impl FnOnce() -> T) -> Result<T> {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let made = make();
        let errors = [pollster::block_on(validation.pop()), pollster::block_on(memory.pop())];
        match errors.into_iter().flatten().next() {
            None => Ok(made),
            Some(wgpu::Error::OutOfMemory { .. }) => Err(anyhow!(
                "{what}: the device {} has not enough memory; use a smaller --batch or fewer --members, \
                 or close other programs that use it",
                self.name
            )),
            Some(error) => Err(anyhow!("{what}: {error}")),
        }
    }
}

/// The first fault that the driver reported.
#[derive(Clone, Default)]
struct Fault(Arc<Mutex<Option<String>>>);

impl Fault {
    fn set(&self, what: String) {
        self.0
            .lock()
            .expect("nothing panics while it holds this")
            .get_or_insert(what);
    }
}
