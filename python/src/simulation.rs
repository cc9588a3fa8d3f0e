//! From a population to images and the parameters of their objects.

use crate::watch::Watch;
use crate::{errors, open_device};
use lensgpu::device::Precision;
use lensgpu::{Population, TruthValues, simulate_arrays};
use numpy::ndarray::Array4;
use numpy::{IntoPyArray, PyArray4};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Images (N, H, W, C), and the columns of `truth` by name.
#[pyfunction]
pub fn simulate<'py>(
    py: Python<'py>,
    population: &str,
    count: usize,
    seed: u64,
    device: &str,
) -> PyResult<(Bound<'py, PyArray4<f32>>, Bound<'py, PyDict>)> {
    let watch = Watch::new();
    let simulated = py.detach(|| {
        let population = Population::open(population).map_err(errors::of_simulate)?;
        let device = open_device(device, Precision::F32.name())?;
        let simulated = simulate_arrays(&population, count, seed, &device, &|_| watch.signals());
        watch.result(simulated, errors::of_simulate)
    })?;
    let truth = PyDict::new(py);
    for column in simulated.truth {
        match column.values {
            TruthValues::Integers(values) => truth.set_item(column.name, values.into_pyarray(py))?,
            TruthValues::Numbers(values) => truth.set_item(column.name, values.into_pyarray(py))?,
            TruthValues::Texts(values) => truth.set_item(column.name, values)?,
        }
    }
    let [height, width, bands] = simulated.shape;
    let images = Array4::from_shape_vec((count, height, width, bands), simulated.images);
    Ok((images.expect("whole images").into_pyarray(py), truth))
}
