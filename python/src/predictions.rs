//! Predicted distributions as arrays.

use crate::errors;
use lensgpu::{ImagePrediction, METRICS, PredictiveDistribution, evaluate_arrays};
use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;
use std::sync::Arc;

#[pyclass(frozen, module = "lensgpu._lensgpu")]
pub struct Predictions {
    model: Arc<lensgpu::Model>,
    images: Vec<ImagePrediction>,
}

/// The scores of an ensemble: name, value and standard error.
type Scores = Vec<(&'static str, f64, f64)>;

impl Predictions {
    pub fn new(model: Arc<lensgpu::Model>, images: Vec<ImagePrediction>) -> Predictions {
        Predictions { model, images }
    }

    fn column<'py, T: numpy::Element>(
        &self,
        py: Python<'py>,
        value: impl Fn(&ImagePrediction) -> T,
    ) -> Bound<'py, PyArray1<T>> {
        self.images.iter().map(value).collect::<Vec<T>>().into_pyarray(py)
    }

    /// `width` numbers of every image, NaN where there is no prediction, computed by all cores without the GIL.
    fn rows<'py>(
        &self,
        py: Python<'py>,
        width: usize,
        fill: impl Fn(usize, &ImagePrediction, &PredictiveDistribution, &mut [f64]) + Sync,
    ) -> Bound<'py, PyArray2<f64>> {
        let values = py.detach(|| {
            let mut values = vec![f64::NAN; self.images.len() * width];
            let rows = values.par_chunks_mut(width.max(1)).zip(&self.images).enumerate();
            rows.for_each(|(number, (row, image))| {
                if let Some(distribution) = image.distribution(&self.model) {
                    fill(number, image, &distribution, row);
                }
            });
            values
        });
        let shape = (self.images.len(), width);
        Array2::from_shape_vec(shape, values)
            .expect("the shape of the values")
            .into_pyarray(py)
    }
}

#[pymethods]
impl Predictions {
    fn __len__(&self) -> usize {
        self.images.len()
    }

    /// The columns of the command line's catalogue from the predicted value on.
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let columns = PyDict::new(py);
        let number =
            |name: &str, value: &dyn Fn(&ImagePrediction) -> f64| columns.set_item(name, self.column(py, value));
        number(&self.model.prediction_column(), &|i| i.prediction.theta_e)?;
        number("sigma", &|i| i.prediction.sigma)?;
        number("sigma_aleatoric", &|i| i.prediction.sigma_aleatoric)?;
        number("sigma_epistemic", &|i| i.prediction.sigma_epistemic)?;
        for (level, name) in ["q02_5", "q16", "q50", "q84", "q97_5"].into_iter().enumerate() {
            number(name, &|i| i.prediction.quantiles[level])?;
        }
        if self.model.network.heads().lens.is_some() {
            number("p_lens", &|i| i.p_lens.unwrap_or(f64::NAN))?;
        }
        number("ood_score", &|i| i.ood_score.unwrap_or(f64::NAN))?;
        columns.set_item("flags", self.column(py, |i| i.flags))?;
        Ok(columns)
    }

    /// Means and variances of the members, (N, M) each.
    fn members<'py>(&self, py: Python<'py>) -> [Bound<'py, PyArray2<f64>>; 2] {
        let members = self.model.members.len();
        let array = |of: fn(&ImagePrediction) -> &Vec<f64>| {
            let value = |(image, member): (usize, usize)| of(&self.images[image]).get(member).copied();
            let shape = (self.images.len(), members);
            Array2::from_shape_fn(shape, |at| value(at).unwrap_or(f64::NAN)).into_pyarray(py)
        };
        [array(|image| &image.members.mu), array(|image| &image.members.var)]
    }

    fn quantile<'py>(&self, py: Python<'py>, levels: PyReadonlyArray1<f64>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let levels = levels.as_slice()?;
        Ok(self.rows(py, levels.len(), |_, image, distribution, row| {
            let quantile = |&level: &f64| distribution.quantile(level).max(image.members.lowest);
            row.iter_mut()
                .zip(levels)
                .for_each(|(value, level)| *value = quantile(level));
        }))
    }

    fn sample<'py>(&self, py: Python<'py>, count: usize, seed: u64) -> Bound<'py, PyArray2<f64>> {
        self.rows(py, count, |number, image, distribution, row| {
            // A stream of its own for each object: its draws do not depend on how many others there are.
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(number as u64);
            row.fill_with(|| distribution.sample(&mut random).max(image.members.lowest));
        })
    }

    fn pdf<'py>(&self, py: Python<'py>, grid: PyReadonlyArray1<f64>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let grid = grid.as_slice()?;
        Ok(self.rows(py, grid.len(), |_, _, distribution, row| {
            row.iter_mut()
                .zip(grid)
                .for_each(|(value, &x)| *value = distribution.log_pdf(x).exp());
        }))
    }

    /// The number of objects that were scored, and their scores.
    fn evaluate(&self, py: Python, truth: PyReadonlyArray1<f64>, seed: u64) -> PyResult<(usize, Scores)> {
        let truth = truth.as_slice()?;
        let scores = py.detach(|| evaluate_arrays(&self.model, &self.images, truth, seed));
        let scores = scores.map_err(errors::of_evaluate)?;
        let named = METRICS.iter().zip(scores.errors);
        let named = named.map(|(metric, error)| (metric.name, (metric.of)(&scores.metrics), error));
        Ok((scores.metrics.n, named.collect()))
    }
}
