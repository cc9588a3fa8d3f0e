//! From labelled images to a model.

use crate::model::Model;
use crate::watch::Watch;
use crate::{errors, of_name, open_device};
use lensgpu::{Event, LabelledImages, Likelihood, Network, Recipe, Start, TrainOptions, train_arrays};
use numpy::{PyReadonlyArray1, PyReadonlyArray4, PyUntypedArrayMethods};
use pyo3::prelude::*;
use serde_json::{Map, Value};

/// What is trained: a recipe with changes, or a model to fine-tune.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Settings {
    recipe: String,
    /// A network file.
    network: Option<String>,
    likelihood: Option<String>,
    p_lens: bool,
    /// JSON object of the options of training that differ from the default.
    options: String,
    bands: Option<Vec<String>>,
    pixel_scale: Option<f64>,
    device: String,
    precision: String,
}

/// Trains a model. `report` is called with the kind of an event, `epoch` or `warning`, and its content; an epoch is JSON.
#[pyfunction]
pub fn train(
    py: Python,
    images: PyReadonlyArray4<f32>,
    labels: PyReadonlyArray1<f64>,
    start: Option<&Model>,
    settings: Settings,
    report: Py<PyAny>,
) -> PyResult<Model> {
    let shape: [usize; 3] = images.shape()[1..].try_into().expect("four dimensions");
    let known = LabelledImages::new(images.as_slice()?, shape, labels.as_slice()?);
    let data = LabelledImages {
        bands: settings.bands.clone().unwrap_or_else(|| known.bands.clone()),
        pixel_scale: settings.pixel_scale,
        ..known
    };
    let recipe = of_name(&Recipe::ALL, Recipe::name, "recipe", &settings.recipe)?;
    let start = start.map(|model| model.model.clone());
    let network = match &start {
        Some(model) => model.network.clone(),
        None => settings.network(recipe, &shape)?,
    };
    let options = settings.options(recipe, start.as_deref(), &network)?;
    let watch = Watch::new();
    let trained = py.detach(|| {
        let device = open_device(&settings.device, &settings.precision)?;
        let from = start.as_deref().map_or(Start::Network(&network), Start::Model);
        let trained = train_arrays(&data, from, &options, &device, &|event| match event {
            Event::Epoch { record, .. } => {
                let record = serde_json::to_string(record).expect("plain data");
                watch.python(|py| report.call1(py, ("epoch", record)).map(drop))
            }
            Event::Warning(text) => watch.python(|py| report.call1(py, ("warning", text)).map(drop)),
            _ => watch.signals(),
        });
        watch.result(trained, errors::of_train)
    })?;
    let metrics = trained
        .metrics
        .as_ref()
        .map(|metrics| serde_json::to_string(metrics).expect("plain data"));
    Ok(Model::new(trained.model, metrics))
}

impl Settings {
    fn network(&self, recipe: Recipe, shape: &[usize; 3]) -> PyResult<Network> {
        let mut network = match &self.network {
            Some(text) => Network::from_toml(text, shape).map_err(|error| errors::of_option(error.to_string()))?,
            None => recipe.network(shape).map_err(errors::of_train)?,
        };
        if let Some(name) = &self.likelihood {
            network = network.with_likelihood(of_name(&Likelihood::ALL, Likelihood::name, "likelihood", name)?);
        }
        match self.p_lens {
            true => network.with_lens_head().map_err(|error| errors::of_train(error.into())),
            false => Ok(network),
        }
    }

    /// The options, with the defaults of `lensgpu train`.
    fn options(&self, recipe: Recipe, start: Option<&lensgpu::Model>, network: &Network) -> PyResult<TrainOptions> {
        let mut default = match network.takes_images() {
            true => recipe.options(),
            false => recipe.options_for_tables(),
        };
        if let Some(model) = start {
            default = default.for_fine_tuning(model);
        }
        let invalid = |error: serde_json::Error| errors::of_option(error.to_string());
        let given: Map<String, Value> = serde_json::from_str(&self.options).map_err(invalid)?;
        let exact = given.contains_key("epochs") && !given.contains_key("least_steps");
        let own_end = given.contains_key("final_rate");
        let mut all = serde_json::to_value(&default).expect("plain data");
        all.as_object_mut().expect("a struct").extend(given);
        let mut options: TrainOptions = serde_json::from_value(all).map_err(invalid)?;
        if exact {
            let epochs = options.epochs;
            options = options.with_epochs(epochs);
        }
        if !own_end {
            let rate = options.learning_rate;
            options = options.with_learning_rate(rate);
        }
        Ok(options)
    }
}
