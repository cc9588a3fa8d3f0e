//! The devices of this machine, and the choice of one of them.

use super::cpu::{self, CpuEngine};
use super::faults::with_faults;
use super::gpu::{Adapter, AdapterClass, Gpu, GpuEngine, adapters};
use super::group::{self, GroupEngine};
use super::{DeviceInfo, Engine, Error, Precision, Result};
use crate::plan::Plan;
use std::sync::Arc;

/// A device of this machine that a plan can run on.
#[derive(Clone)]
pub enum Device {
    /// A GPU or a software adapter, opened.
    Gpu(Arc<Gpu>),
    /// The CPU, natively.
    Cpu,
    /// Several devices, each for a range of the members. They are none of this kind themselves.
    Group(Arc<[Device]>),
}

/// Every device of this machine: adapters, real GPUs first, then the CPU.
pub fn devices() -> Vec<DeviceInfo> {
    let mut devices: Vec<DeviceInfo> = adapters().iter().enumerate().map(|(i, a)| describe(i, a)).collect();
    devices.push(DeviceInfo {
        index: devices.len(),
        name: cpu::name(),
        class: "cpu",
        backend: "native".into(),
        driver: cpu::features(),
        largest_binding: None,
    });
    devices
}

fn describe(index: usize, adapter: &Adapter) -> DeviceInfo {
    let class = match adapter.class() {
        AdapterClass::Gpu => "gpu",
        AdapterClass::Software => "software",
    };
    DeviceInfo {
        index,
        name: adapter.name().into(),
        class,
        backend: adapter.backend(),
        driver: adapter.driver(),
        largest_binding: Some(adapter.largest_binding()),
    }
}

impl Device {
    /// The device called `name`: `auto` (a real GPU if there is one, else the CPU), `all` (every real GPU, each for a range
    /// of the members; else the CPU), `cpu`, `software` (a software adapter), an index into [`devices`], or a part of a
    /// device's name in upper or lower case. Several of them, separated by commas, each have a range of the members.
    ///
    /// # Errors
    /// [`Error::UnknownDevice`], [`Error::NoSoftwareAdapter`] or [`Error::CannotOpen`].
    pub fn choose(name: &str) -> Result<Device> {
        if name == "all" {
            let adapters = adapters();
            let gpus = adapters.iter().filter(|a| a.class() == AdapterClass::Gpu);
            let opened = gpus.map(|a| Ok(Device::Gpu(Arc::new(a.open()?))));
            return Ok(Device::group(opened.collect::<Result<_>>()?));
        }
        match (Device::one(name), name.contains(',')) {
            // There are commas in some names of devices.
            (Err(Error::UnknownDevice { .. }), true) => {
                let each = name.split(',').map(|name| Device::one(name.trim()));
                Ok(Device::group(each.collect::<Result<_>>()?))
            }
            (one, _) => one,
        }
    }

    /// The CPU if there are none.
    fn group(mut devices: Vec<Device>) -> Device {
        match devices.len() {
            0 => Device::Cpu,
            1 => devices.remove(0),
            _ => Device::Group(devices.into()),
        }
    }

    fn one(name: &str) -> Result<Device> {
        if name == "cpu" {
            return Ok(Device::Cpu);
        }
        let adapters = adapters();
        let first_of = |class| adapters.iter().find(|a| a.class() == class);
        let adapter = match name {
            "auto" => match first_of(AdapterClass::Gpu) {
                Some(gpu) => gpu,
                None => return Ok(Device::Cpu),
            },
            "software" => first_of(AdapterClass::Software).ok_or(Error::NoSoftwareAdapter)?,
            _ => {
                let named = |a: &&Adapter| a.name().to_lowercase().contains(&name.to_lowercase());
                let adapter = match name.parse::<usize>() {
                    Ok(index) if index == adapters.len() => return Ok(Device::Cpu),
                    // A number that is none of theirs may be part of a name: 4090.
                    Ok(index) => adapters.get(index).or_else(|| adapters.iter().find(named)),
                    Err(_) => adapters.iter().find(named),
                };
                adapter.ok_or_else(|| Error::UnknownDevice {
                    name: name.into(),
                    devices: devices(),
                })?
            }
        };
        Ok(Device::Gpu(Arc::new(adapter.open()?)))
    }

    /// The same device, which stores images and activations in this precision.
    ///
    /// # Errors
    /// [`Error::NoF16`].
    pub fn with_precision(self, precision: Precision) -> Result<Device> {
        match self {
            Device::Gpu(mut gpu) if precision == Precision::F32 || gpu.has_f16() => {
                Arc::make_mut(&mut gpu).precision = precision;
                Ok(Device::Gpu(gpu))
            }
            Device::Group(devices) => {
                let each = devices.iter().map(|device| device.clone().with_precision(precision));
                Ok(Device::Group(each.collect::<Result<Vec<_>>>()?.into()))
            }
            Device::Cpu if precision == Precision::F32 => Ok(self),
            Device::Gpu(_) | Device::Cpu => Err(Error::NoF16 { device: self.name() }),
        }
    }

    /// How it stores images and activations.
    pub fn precision(&self) -> Precision {
        match self {
            Device::Gpu(gpu) => gpu.precision,
            Device::Cpu => Precision::F32,
            Device::Group(devices) => devices[0].precision(),
        }
    }

    /// Opens the same device again, after it failed.
    ///
    /// # Errors
    /// [`Error::CannotOpen`]; [`Error::Lost`] if it is no longer there.
    pub fn reopened(&self) -> Result<Device> {
        let gpu = match self {
            Device::Gpu(gpu) => gpu,
            Device::Cpu => return Ok(Device::Cpu),
            Device::Group(devices) => {
                let reopened: Result<Vec<Device>> = devices.iter().map(Device::reopened).collect();
                return Ok(Device::Group(reopened?.into()));
            }
        };
        let adapters = adapters();
        let same = |a: &&Adapter| {
            (a.name(), a.backend(), a.driver()) == (gpu.name.as_str(), gpu.backend.clone(), gpu.driver.clone())
        };
        let adapter = adapters.iter().find(same).ok_or_else(|| Error::Lost {
            device: gpu.name.clone(),
            during: "the attempt to open it again".into(),
            message: "the driver no longer lists it".into(),
        })?;
        Device::Gpu(Arc::new(adapter.open()?)).with_precision(gpu.precision)
    }

    /// Name of the device for display.
    pub fn name(&self) -> String {
        match self {
            Device::Gpu(gpu) => match gpu.class {
                AdapterClass::Gpu => gpu.name.clone(),
                AdapterClass::Software => format!("{} (software adapter)", gpu.name),
            },
            Device::Cpu => format!("{} ({})", cpu::name(), cpu::features()),
            Device::Group(devices) => devices.iter().map(Device::name).collect::<Vec<_>>().join(", "),
        }
    }

    /// Size of the largest possible tensor, in bytes.
    pub fn largest_binding(&self) -> u64 {
        match self {
            Device::Gpu(gpu) => gpu.largest_binding(),
            Device::Cpu => u64::MAX,
            Device::Group(devices) => {
                let largest = devices.iter().map(Device::largest_binding);
                largest.min().expect("a group has devices")
            }
        }
    }

    /// Makes the plan ready for `members` members.
    ///
    /// # Errors
    /// [`Error::NoMembers`]; on a GPU also [`Error::TensorTooLarge`], [`Error::OutOfMemory`] and [`Error::Kernel`].
    pub fn engine(&self, plan: &Plan, members: usize) -> Result<Box<dyn Engine>> {
        Ok(with_faults(self.sound_engine(plan, members)?, &self.name()))
    }

    /// An engine without the faults that a test may ask for.
    fn sound_engine(&self, plan: &Plan, members: usize) -> Result<Box<dyn Engine>> {
        Ok(match self {
            Device::Gpu(gpu) => Box::new(GpuEngine::new(gpu.clone(), plan, members)?),
            Device::Cpu => Box::new(CpuEngine::new(plan, members)?),
            // What is made for one member only, such as images, is made on the first device.
            Device::Group(devices) if members <= 1 => devices[0].sound_engine(plan, members)?,
            Device::Group(devices) => {
                let shares = group::share(members, devices.len());
                let engine = |(device, &members): (&Device, &usize)| device.sound_engine(plan, members);
                let engines: Result<Vec<_>> = devices.iter().zip(&shares).map(engine).collect();
                Box::new(GroupEngine::new(plan, engines?))
            }
        })
    }
}
