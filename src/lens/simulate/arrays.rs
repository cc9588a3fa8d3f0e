//! Simulated images in memory.

use super::plan::Window;
use super::population::Population;
use super::simulator::Simulator;
use super::truth::Truth;
use crate::device::Device;
use crate::lens::Error;
use crate::progress::{Callback, Event, Phase};
use crate::survey::table::{Cell, Column, ColumnType};
use std::ops::ControlFlow;

/// Simulated images, with the true parameters of their objects.
#[derive(Clone, Debug)]
pub struct SimulatedImages {
    /// Flux, (N, height, width, bands) with the band fastest; masked pixels are NaN.
    pub images: Vec<f32>,
    /// Height, width and bands.
    pub shape: [usize; 3],
    /// Name of each band.
    pub bands: Vec<String>,
    /// Arcsec per pixel.
    pub pixel_scale: f64,
    /// The columns of `catalogue.csv` of `lensgpu simulate --stack`, see docs/simulator.md.
    pub truth: Vec<TruthColumn>,
}

/// One parameter of every simulated object.
#[derive(Clone, Debug)]
pub struct TruthColumn {
    /// Its name.
    pub name: String,
    /// Its unit; may be empty.
    pub unit: String,
    /// One per object.
    pub values: TruthValues,
}

/// The values of a [`TruthColumn`].
#[derive(Clone, Debug)]
pub enum TruthValues {
    /// Whole numbers.
    Integers(Vec<i32>),
    /// Numbers; NaN for an object without this parameter.
    Numbers(Vec<f64>),
    /// Texts; empty for an object without this parameter.
    Texts(Vec<String>),
}

/// Simulates `count` objects: the images and the parameters that `lensgpu simulate --stack` writes for the same seed.
///
/// # Errors
/// [`Error::NoObjects`]; [`Error::Stopped`] if `progress` breaks; those of [`Simulator::new`] and [`Simulator::run`].
pub fn simulate_arrays(
    population: &Population,
    count: usize,
    seed: u64,
    device: &Device,
    progress: &Callback,
) -> Result<SimulatedImages, Error> {
    let mut simulator = Simulator::new(device, population, Window::whole(population), seed, count)?;
    let (shape, truth) = (simulator.image_shape(), Truth::new(population));
    let mut columns: Vec<TruthColumn> = truth.columns("id").into_iter().map(TruthColumn::new).collect();
    let mut images = Vec::new();
    let mut done = 0;
    simulator.run(0, &mut |simulated| {
        images.extend(simulated.flux(population));
        let row = truth.row(done as i32, &simulated);
        columns
            .iter_mut()
            .zip(row)
            .for_each(|(column, cell)| column.values.push(cell));
        done += 1;
        let (phase, total) = (Phase::Simulating, count);
        if done == count {
            return ControlFlow::Break(Ok(()));
        }
        match progress(Event::Advanced { phase, done, total }) {
            ControlFlow::Break(()) => ControlFlow::Break(Err(Error::Stopped { objects: done })),
            ControlFlow::Continue(()) => ControlFlow::Continue(()),
        }
    })??;
    Ok(SimulatedImages {
        images,
        shape,
        bands: population.bands.iter().map(|band| band.name.clone()).collect(),
        pixel_scale: population.pixel_scale,
        truth: columns,
    })
}

impl TruthColumn {
    fn new(column: Column) -> TruthColumn {
        TruthColumn {
            name: column.name,
            unit: column.unit,
            values: match column.column_type {
                ColumnType::I32 => TruthValues::Integers(vec![]),
                ColumnType::Str => TruthValues::Texts(vec![]),
                _ => TruthValues::Numbers(vec![]),
            },
        }
    }
}

impl TruthValues {
    fn push(&mut self, cell: Cell) {
        match (self, cell) {
            (TruthValues::Integers(values), Cell::Int(value)) => values.push(value as i32),
            (TruthValues::Numbers(values), Cell::F64(value)) => values.push(value),
            (TruthValues::Numbers(values), _) => values.push(f64::NAN),
            (TruthValues::Texts(values), Cell::Str(value)) => values.push(value),
            (TruthValues::Texts(values), _) => values.push(String::new()),
            (TruthValues::Integers(_), cell) => unreachable!("a column of whole numbers has {cell:?}"),
        }
    }
}
