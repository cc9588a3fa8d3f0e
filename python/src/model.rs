//! A model, and its predictions for images.

use crate::predictions::Predictions;
use crate::watch::Watch;
use crate::{errors, open_device};
use lensgpu::{InferError, Passes, Predictor};
use numpy::{PyReadonlyArray4, PyUntypedArrayMethods};
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

#[pyclass(frozen, module = "lensgpu._lensgpu")]
pub struct Model {
    pub model: Arc<lensgpu::Model>,
    /// The scores of a model that was just trained, as JSON.
    metrics: Option<String>,
    /// The model on the device that predicted last.
    ready: Mutex<Option<(Request, Predictor)>>,
}

/// What a predictor was made for: device and precision, images at a time, test-time augmentation.
type Request = ([String; 2], usize, bool);

impl Model {
    pub fn new(model: lensgpu::Model, metrics: Option<String>) -> Model {
        Model {
            model: Arc::new(model),
            metrics,
            ready: Mutex::new(None),
        }
    }

    fn predictor(&self, request: &Request) -> PyResult<Predictor> {
        let ([device, precision], batch, all_views) = request;
        let passes = Passes {
            batch: *batch,
            all_views: *all_views,
        };
        let model = lensgpu::Model::clone(&self.model);
        Predictor::with_passes(model, &open_device(device, precision)?, passes).map_err(errors::of_infer)
    }
}

#[pymethods]
impl Model {
    #[staticmethod]
    fn load(name: PathBuf) -> PyResult<Model> {
        let model = lensgpu::Model::open(name).map_err(errors::of_model)?;
        Ok(Model::new(model, None))
    }

    fn save(&self, path: PathBuf) -> PyResult<()> {
        self.model.write(path).map_err(errors::of_model)
    }

    #[getter]
    fn input(&self) -> Vec<usize> {
        self.model.network.input.clone()
    }

    #[getter]
    fn members(&self) -> Vec<u32> {
        self.model.members.iter().map(|member| member.number).collect()
    }

    #[getter]
    fn about(&self) -> String {
        serde_json::to_string(&self.model.about).expect("plain data")
    }

    #[getter]
    fn metrics(&self) -> Option<&str> {
        self.metrics.as_deref()
    }

    fn checksum(&self) -> PyResult<String> {
        self.model.checksum().map_err(errors::of_model)
    }

    fn predict(
        &self,
        py: Python,
        images: PyReadonlyArray4<f32>,
        device: [String; 2],
        batch: usize,
        tta: bool,
    ) -> PyResult<Predictions> {
        let (shape, input) = (images.shape(), &self.model.network.input);
        if shape[1..] != input[..] {
            let [height, width, channels] = input[..] else {
                return Err(errors::of_data("the model does not take images".into()));
            };
            return Err(errors::of_data(format!(
                "images have the shape {shape:?}; the model takes (N, {height}, {width}, {channels})"
            )));
        }
        let (values, request) = (images.as_slice()?, (device, batch, tta));
        let watch = Watch::new();
        let predicted = py.detach(|| {
            let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
            let mut predictor = match ready.take() {
                Some((made_for, predictor)) if made_for == request => predictor,
                _ => self.predictor(&request)?,
            };
            let predicted = predictor.predict_reporting(values, &|_| watch.signals());
            // After a failure of the device it is opened anew.
            if matches!(predicted, Ok(_) | Err(InferError::Stopped { .. })) {
                *ready = Some((request, predictor));
            }
            watch.result(predicted, errors::of_infer)
        })?;
        Ok(Predictions::new(self.model.clone(), predicted))
    }
}
