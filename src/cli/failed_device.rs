//! Whether a command failed because a device did: this decides its exit code, and whether a training is tried again.

use crate::device;
use crate::diagnose;
use crate::evaluate;
use crate::infer;
use crate::lens;
use crate::model;
use crate::train;
use std::error::Error as StdError;

/// Whether there is a failure of a device among the causes of an error.
pub fn is_of_device(error: &anyhow::Error) -> bool {
    error.chain().filter_map(of_one).any(device::Error::is_failure)
}

/// The error of the device in one of the library's errors, which pass it on as their own.
fn of_one<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a device::Error> {
    None.or_else(|| error.downcast_ref())
        .or_else(|| error.downcast_ref().and_then(of_train))
        .or_else(|| error.downcast_ref().and_then(of_infer))
        .or_else(|| error.downcast_ref().and_then(of_model))
        .or_else(|| error.downcast_ref().and_then(of_lens))
        .or_else(|| match error.downcast_ref() {
            Some(diagnose::Error::Device(error)) => Some(error),
            Some(diagnose::Error::Lens(error)) => of_lens(error),
            _ => None,
        })
        .or_else(|| match error.downcast_ref() {
            Some(evaluate::Error::Infer(error)) => of_infer(error),
            _ => None,
        })
}

fn of_train(error: &train::Error) -> Option<&device::Error> {
    match error {
        train::Error::Device(error) => Some(error),
        train::Error::Lens(error) => of_lens(error),
        train::Error::Model(error) => of_model(error),
        train::Error::CheckpointRefused { source, .. } => of_train(source),
        _ => None,
    }
}

fn of_infer(error: &infer::Error) -> Option<&device::Error> {
    match error {
        infer::Error::Model(error) => of_model(error),
        infer::Error::Partial { source, .. } => of_model(source),
        _ => None,
    }
}

fn of_model(error: &model::Error) -> Option<&device::Error> {
    match error {
        model::Error::Device(error) => Some(error),
        _ => None,
    }
}

fn of_lens(error: &lens::Error) -> Option<&device::Error> {
    match error {
        lens::Error::Device(error) => Some(error),
        _ => None,
    }
}
