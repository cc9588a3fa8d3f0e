//! The native part of the Python package `lensgpu`: numpy arrays in, numpy arrays out. Signatures and documentation are in
//! `python/lensgpu/`, which checks and converts the arguments.
//!
//! | file | what it does |
//! |---|---|
//! | `model` | a model, and its predictions for images |
//! | `predictions` | predicted distributions as arrays |
//! | `training`, `simulation` | from arrays to a model, and from a population to arrays |
//! | `watch` | Ctrl-C and callbacks while the library computes |
//! | `errors` | the library's errors as exceptions |

mod errors;
mod model;
mod predictions;
mod simulation;
mod training;
mod watch;

use lensgpu::Device;
use lensgpu::device::Precision;
use pyo3::prelude::*;

/// The device of this name, with images and activations in this precision, after the self test that a new adapter must
/// pass.
fn open_device(name: &str, precision: &str) -> PyResult<Device> {
    let precision = of_name(&Precision::ALL, Precision::name, "precision", precision)?;
    let device = Device::choose(name).and_then(|device| device.with_precision(precision));
    let device = device.map_err(errors::of_device)?;
    lensgpu::check_adapter(&device).map_err(errors::of_self_test)?;
    Ok(device)
}

/// The one of `all` that has this name.
fn of_name<T: Copy>(all: &[T], name: fn(T) -> &'static str, what: &str, given: &str) -> PyResult<T> {
    all.iter().copied().find(|&one| name(one) == given).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|&one| name(one)).collect();
        errors::of_option(format!("{what} is '{given}'; it must be one of {}", names.join(", ")))
    })
}

#[pymodule]
fn _lensgpu(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<model::Model>()?;
    module.add_class::<predictions::Predictions>()?;
    module.add_function(wrap_pyfunction!(training::train, module)?)?;
    module.add_function(wrap_pyfunction!(simulation::simulate, module)?)
}
