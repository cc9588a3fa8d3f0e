//! What a device can do at most.

use super::{Device, Result, cpu, gpu};
use serde::{Deserialize, Serialize};

/// What a device can do at most, measured by kernels that do nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// Floating point operations per second; a multiply-add counts as two.
    pub flops_per_second: f64,
    /// Bytes per second of a copy, those that are read and those that are written.
    pub bytes_per_second: f64,
    /// Seconds from one dispatch without work to the next, which waits for it; 0 on the CPU, which has no dispatches.
    pub dependent_dispatch_seconds: f64,
    /// The same for dispatches that do not wait for each other.
    pub independent_dispatch_seconds: f64,
}

impl Peak {
    /// What two devices can do that work at the same time.
    fn beside(self, other: Peak) -> Peak {
        let slower = |of: fn(&Peak) -> f64| of(&self).max(of(&other));
        Peak {
            flops_per_second: self.flops_per_second + other.flops_per_second,
            bytes_per_second: self.bytes_per_second + other.bytes_per_second,
            dependent_dispatch_seconds: slower(|peak| peak.dependent_dispatch_seconds),
            independent_dispatch_seconds: slower(|peak| peak.independent_dispatch_seconds),
        }
    }
}

impl Device {
    /// Measures it, in less than two seconds per device.
    ///
    /// # Errors
    /// The device fails, or has no memory for the copy.
    pub fn peak(&self) -> Result<Peak> {
        match self {
            Device::Cpu => Ok(cpu::peak()),
            Device::Gpu(gpu) => gpu::peak(gpu),
            Device::Group(devices) => {
                let peaks: Vec<Peak> = devices.iter().map(Device::peak).collect::<Result<_>>()?;
                Ok(peaks.into_iter().reduce(Peak::beside).expect("a group has devices"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_are_plausible() {
        let cpu = Device::Cpu.peak().unwrap();
        // Between a slow core of plain code and the largest servers.
        assert!((1e8..1e14).contains(&cpu.flops_per_second), "{cpu:?}");
        assert!((1e8..1e13).contains(&cpu.bytes_per_second), "{cpu:?}");
        assert_eq!(cpu.dependent_dispatch_seconds, 0.0);
        let Ok(device) = Device::choose("software") else {
            return;
        };
        let software = device.peak().unwrap();
        assert!((1e7..1e14).contains(&software.flops_per_second), "{software:?}");
        assert!((1e7..1e13).contains(&software.bytes_per_second), "{software:?}");
        assert!(software.dependent_dispatch_seconds > 0.0 && software.independent_dispatch_seconds > 0.0);
    }
}
