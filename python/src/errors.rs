//! The library's errors as exceptions of the Python package, by kind.

use lensgpu::{DeviceError, EvaluateError, InferError, ModelError, SelfTestError, SimulateError, TrainError};
use pyo3::PyErr;
use std::error::Error;

/// The classes of `python/lensgpu/_errors.py`.
mod kinds {
    pyo3::import_exception!(lensgpu._errors, DataError);
    pyo3::import_exception!(lensgpu._errors, DeviceError);
    pyo3::import_exception!(lensgpu._errors, ModelError);
    pyo3::import_exception!(lensgpu._errors, OptionError);
    pyo3::import_exception!(lensgpu._errors, SimulationError);
    pyo3::import_exception!(lensgpu._errors, TrainingError);
}

/// An error and its causes in one line.
fn text(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", text(cause)),
        None => error.to_string(),
    }
}

pub fn of_data(message: String) -> PyErr {
    kinds::DataError::new_err(message)
}

pub fn of_option(message: String) -> PyErr {
    kinds::OptionError::new_err(message)
}

pub fn of_device(error: DeviceError) -> PyErr {
    kinds::DeviceError::new_err(text(&error))
}

pub fn of_self_test(error: SelfTestError) -> PyErr {
    kinds::DeviceError::new_err(text(&error))
}

pub fn of_model(error: ModelError) -> PyErr {
    match error {
        ModelError::Device(error) => of_device(error),
        error => kinds::ModelError::new_err(text(&error)),
    }
}

pub fn of_infer(error: InferError) -> PyErr {
    match error {
        InferError::Model(error) => of_model(error),
        error => of_data(text(&error)),
    }
}

pub fn of_evaluate(error: EvaluateError) -> PyErr {
    of_data(text(&error))
}

pub fn of_simulate(error: SimulateError) -> PyErr {
    match error {
        SimulateError::Device(error) => of_device(error),
        error => kinds::SimulationError::new_err(text(&error)),
    }
}

pub fn of_train(error: TrainError) -> PyErr {
    match error {
        TrainError::Device(error) => of_device(error),
        TrainError::Model(error) => of_model(error),
        TrainError::Option { .. } | TrainError::NeedsImages { .. } => of_option(text(&error)),
        TrainError::ArrayLength { .. }
        | TrainError::Label { .. }
        | TrainError::OtherInput { .. }
        | TrainError::TooFewRows { .. } => of_data(text(&error)),
        error => kinds::TrainingError::new_err(text(&error)),
    }
}
