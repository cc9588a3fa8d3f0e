//! Training on images in memory, without files.

use super::error::Error;
use super::finish::{evaluate, finish};
use super::fit::fit;
use super::labelled::{LabelledCutouts, LabelledImages};
use super::options::TrainOptions;
use super::prepare::{prepare, split_rows};
use super::run::report;
use super::trainer::{EpochEnd, Trainer};
use crate::device::Device;
use crate::model::Model;
use crate::nn::Network;
use crate::posterior::metrics::Metrics;
use crate::posterior::metrics::classification::ClassMetrics;
use crate::progress::Callback;

/// What a training starts from.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// A network with random weights.
    Network(&'a Network),
    /// A model to fine-tune: its network, weights, stretch and label scale.
    Model(&'a Model),
}

/// A trained model and its scores.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The model, calibrated if there were enough rows for that.
    pub model: Model,
    /// Scores on the rows held out, or on the validation rows if none were; `None` without either.
    pub metrics: Option<Metrics>,
    /// Scores of the lens head on the same rows, if there is one.
    pub class_metrics: Option<ClassMetrics>,
}

/// Trains an ensemble on images in memory, exactly as `lensgpu train` does on files: images are masked, split and
/// stretched, members trained, their best weights chosen on the validation split, and error bars calibrated on the
/// calibration split if there are enough rows.
///
/// # Errors
/// Options out of range; arrays that do not fit each other or the network; too few images; a device that fails; a stop
/// by `progress`.
pub fn train_arrays(
    data: &LabelledImages,
    start: Start,
    options: &TrainOptions,
    device: &Device,
    progress: &Callback,
) -> Result<Trained, Error> {
    options.check()?;
    let (network, from) = match start {
        Start::Network(network) => (network, None),
        Start::Model(model) => (&model.network, Some(model)),
    };
    if network.input != data.shape {
        return Err(Error::OtherInput {
            expected: network.input.clone(),
            found: data.shape.to_vec(),
        });
    }
    let labelled = LabelledCutouts::of_images(data, network.heads().lens.is_some())?;
    let split = split_rows(labelled.labels.len(), options)?;
    let (prepared, data, network) = prepare(labelled, &split, network.clone(), from)?;
    report(&prepared, &network, progress);
    let options = &options.resolved(prepared.counts.train);
    let mut trainer = Trainer::new(device, &network, data, options, None)?;
    if let Some(model) = from {
        trainer.start_from(&model.network, &model.members)?;
    }
    if fit(&mut trainer, None, progress)? == EpochEnd::Interrupted {
        let epochs = trainer.state().epoch;
        return Err(Error::Stopped { epochs });
    }
    let (model, data) = finish(trainer, &prepared, device, progress)?;
    let mut evaluation = evaluate(&model, &prepared, &data.validation, device, progress)?;
    Ok(Trained {
        model,
        class_metrics: evaluation
            .as_mut()
            .and_then(|evaluation| evaluation.class_metrics.take()),
        metrics: evaluation.map(|evaluation| evaluation.metrics),
    })
}
