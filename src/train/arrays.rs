//! Training on images in memory, without files.

use super::dataset::Dataset;
use super::error::Error;
use super::finish::{evaluate, finish};
use super::fit::fit;
use super::folds::prepare_folds;
use super::labelled::{LabelledCutouts, LabelledImages};
use super::options::TrainOptions;
use super::prepare::{Prepared, prepare, split_rows};
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
    let (network, from) = match start {
        Start::Network(network) => (network, None),
        Start::Model(model) => (&model.network, Some(model)),
    };
    let labelled = labelled(data, network, options)?;
    let split = split_rows(labelled.labels.len(), options)?;
    let (prepared, data, network) = prepare(&labelled, &split, network.clone(), from, options.softening)?;
    report(&prepared, &network, progress);
    let options = &options.resolved(prepared.counts.train);
    let mut trainer = Trainer::new(device, &network, data, options, None)?;
    if let Some(model) = from {
        trainer.start_from(&model.network, &model.members)?;
    }
    let mut trained = trained(trainer, &[prepared], device, progress)?;
    Ok(trained.remove(0))
}

/// Trains one ensemble per fold on images in memory, all at once. Fold f holds out the rows `held_out[f]`, on which it is
/// scored, and has the random seed `options.seed` + f; otherwise each is trained as by [`train_arrays`].
///
/// # Errors
/// Those of [`train_arrays`]; folds that together are too large for the device.
///
/// # Panics
/// No folds; a row that is not there.
pub fn train_folds(
    data: &LabelledImages,
    held_out: &[Vec<usize>],
    network: &Network,
    options: &TrainOptions,
    device: &Device,
    progress: &Callback,
) -> Result<Vec<Trained>, Error> {
    let labelled = labelled(data, network, options)?;
    let (folds, network) = prepare_folds(&labelled, held_out, network, options)?;
    let (prepared, data): (Vec<Prepared>, Vec<Dataset>) = folds.into_iter().unzip();
    prepared.iter().for_each(|fold| report(fold, &network, progress));
    let rows = prepared.iter().map(|fold| fold.counts.train).min();
    let options = &options.resolved(rows.expect("at least one fold"));
    let trainer = Trainer::of_folds(device, &network, data, options, None)?;
    trained(trainer, &prepared, device, progress)
}

/// Labelled images for a network.
fn labelled(data: &LabelledImages, network: &Network, options: &TrainOptions) -> Result<LabelledCutouts, Error> {
    options.check()?;
    if network.input != data.shape {
        return Err(Error::OtherInput {
            expected: network.input.clone(),
            found: data.shape.to_vec(),
        });
    }
    LabelledCutouts::of_images(data, network.heads().lens.is_some())
}

/// Trains to the end, and scores the ensemble of every fold.
fn trained(
    mut trainer: Trainer,
    prepared: &[Prepared],
    device: &Device,
    progress: &Callback,
) -> Result<Vec<Trained>, Error> {
    if fit(&mut trainer, None, progress)? == EpochEnd::Interrupted {
        let epochs = trainer.state().epoch;
        return Err(Error::Stopped { epochs });
    }
    let folds = trainer.finish()?;
    let trained = folds.iter().zip(prepared).map(|(finished, prepared)| {
        let (model, _) = finish(finished, prepared, device, progress)?;
        let validation = &finished.data.validation;
        let mut evaluation = evaluate(&model, prepared, validation, device, progress)?;
        Ok(Trained {
            model,
            class_metrics: evaluation
                .as_mut()
                .and_then(|evaluation| evaluation.class_metrics.take()),
            metrics: evaluation.map(|evaluation| evaluation.metrics),
        })
    });
    trained.collect()
}
