//! A short self test of an adapter before its first use: a driver or compiler that computes wrongly must not train a model.
//!
//! Adapters that passed are remembered by name, backend, driver and version of lensgpu, in the user's cache folder. The
//! file can be deleted at any time; where it cannot be written, the test is repeated.

use super::error::Result;
use super::recording::Recording;
use super::selftest::{EMBEDDED, take_steps};
use crate::device::gpu::{AdapterClass, Gpu};
use crate::device::{self, Device, Precision};
use crate::files::{self, cache_folder, read_text, write_cached};
use std::io::Write;
use std::path::Path;

/// The recording that is replayed: convolution, batch norm, pooling, dense layers and Adam in a small network. A software
/// adapter takes ten seconds to compile the kernels of convolutions, and gets dense layers alone.
fn recording(class: AdapterClass) -> &'static str {
    match class {
        AdapterClass::Gpu => "keras_small_m3_b5",
        AdapterClass::Software => "keras_mlp_m5_b10",
    }
}

/// One line per adapter that passed.
const FILE: &str = "adapters.txt";

/// Replays three recorded training steps on an adapter that has not passed before, and says whether it did so. The CPU is
/// not tested: it is what the program was compiled for.
///
/// # Errors
/// [`device::Error::ComputesWrongly`]; a device that fails.
pub fn check_adapter(device: &Device) -> Result<bool> {
    let gpu = match device {
        Device::Gpu(gpu) => gpu,
        Device::Cpu => return Ok(false),
        Device::Group(devices) => {
            let new: Vec<bool> = devices.iter().map(check_adapter).collect::<Result<_>>()?;
            return Ok(new.contains(&true));
        }
    };
    let file = cache_folder().map(|folder| folder.join(FILE));
    let line = line(gpu);
    if file.as_deref().is_some_and(|file| lines(file).contains(&line)) {
        return Ok(false);
    }
    let (_, bytes) = EMBEDDED
        .iter()
        .find(|(name, _)| *name == recording(gpu.class))
        .expect("it is embedded");
    let device = device.clone().with_precision(Precision::F32)?;
    let compared = take_steps(&device, &Recording::from_bytes(bytes)?)?;
    if let Some(wrong) = compared.into_iter().find(|tensor| tensor.problem.is_some()) {
        let error = wrong.relative_error.unwrap_or(f64::INFINITY);
        return Err(device::Error::ComputesWrongly {
            device: gpu.name.clone(),
            driver: gpu.driver.clone(),
            what: format!(
                "{} of a recorded training step has a relative error of {error:.0e}",
                wrong.tensor
            ),
        }
        .into());
    }
    if let Some(file) = file {
        // An adapter that cannot be remembered is tested again.
        let _ = remember(&file, line);
    }
    Ok(true)
}

fn line(gpu: &Gpu) -> String {
    let parts = [env!("CARGO_PKG_VERSION"), &gpu.backend, &gpu.name, &gpu.driver];
    parts.join("\t").replace(['\n', '\r'], " ")
}

fn lines(file: &Path) -> Vec<String> {
    let text = read_text(file).unwrap_or_default();
    text.lines().map(String::from).collect()
}

fn remember(file: &Path, line: String) -> Result<(), files::Error> {
    let mut all = lines(file);
    all.push(line);
    write_cached(file, |file| writeln!(file, "{}", all.join("\n")))
}
