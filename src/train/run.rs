//! A run: a training whose progress is saved in a folder, so that it can be resumed.

use super::dataset::Dataset;
use super::error::Error;
use super::finish::{evaluate, finish};
use super::fit::fit;
use super::folder::RunFolder;
use super::options::RunOptions;
use super::prepare::{Counts, Prepared, prepare_folder};
use super::simulated;
use super::trainer::{EpochEnd, Trainer};
use crate::device::Device;
use crate::files::NewFolder;
use crate::model::Model;
use crate::nn::Network;
use crate::posterior::Quantity;
use crate::posterior::metrics::Metrics;
use crate::posterior::metrics::classification::ClassMetrics;
use crate::progress::{Callback, chain, note, warn};
use std::path::{Path, PathBuf};

/// How a run ended.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one per run")]
pub enum RunEnd {
    /// The training is complete.
    Complete {
        /// The model file.
        model: PathBuf,
        /// What it predicts.
        quantity: Quantity,
        /// The split that the ensemble was scored on, and its scores; `None` if no rows were left for that.
        metrics: Option<(&'static str, Metrics)>,
        /// The scores of the lens head on the same split, if there is one.
        class_metrics: Option<ClassMetrics>,
    },
    /// The progress callback asked to stop. Everything is saved, and the run can be resumed.
    Stopped,
}

/// Begins a run in a new folder. `network` makes the network for images of a shape (height, width, channels).
///
/// # Errors
/// A folder that is not empty or cannot be written; bad options or data; a device that fails. Before the first step
/// nothing is left behind.
pub fn begin(
    out: &Path,
    mut options: RunOptions,
    network: impl FnOnce(&[usize]) -> Result<Network, Error>,
    device: &Device,
    progress: &Callback,
) -> Result<RunEnd, Error> {
    options.training.check()?;
    let new = NewFolder::create(out)?;
    let from = initial_model(&options)?;
    let (mut prepared, data, network) = prepare(&options, network, from.as_ref(), device, progress)?;
    options.network = network;
    options.training = options.training.resolved(prepared.counts.train);
    let trainer = new_trainer(&options, &mut prepared, data, from.as_ref(), device)?;
    let folder = RunFolder::new(out);
    folder.write_options(&options)?;
    new.keep()?;
    train(folder, prepared, trainer, device, progress)
}

/// Resumes a run that was stopped or killed.
///
/// # Errors
/// A folder without a run, data that have changed since it began, and those of [`begin`].
pub fn resume(out: &Path, device: &Device, progress: &Callback) -> Result<RunEnd, Error> {
    let folder = RunFolder::new(out);
    let options = folder.read_options()?;
    // Killed before the first checkpoint: the run begins again, which gives the same result.
    let checkpoint = folder.read_checkpoint()?;
    let complete = checkpoint
        .as_ref()
        .is_some_and(|c| c.state.epoch >= options.training.epochs || c.state.all_stopped());
    if complete && folder.model().exists() {
        return Err(Error::RunComplete {
            folder: out.into(),
            model: folder.model(),
        });
    }
    let recorded = options.network.clone();
    let unchanged = |input: &[usize]| match recorded.input == input {
        true => Ok(recorded),
        false => Err(Error::ImagesChanged {
            found: input.to_vec(),
            expected: recorded.input,
        }),
    };
    let from = initial_model(&options)?;
    let (mut prepared, data, _) = prepare(&options, unchanged, from.as_ref(), device, progress)?;
    let mut trainer = new_trainer(&options, &mut prepared, data, from.as_ref(), device)?;
    if let Some(checkpoint) = checkpoint {
        trainer.restore(checkpoint).map_err(|source| Error::CheckpointRefused {
            path: folder.checkpoint(),
            source: source.into(),
        })?;
        folder.write_log(&trainer.state().history)?;
        let (done, epochs) = (trainer.state().epoch, options.training.epochs);
        note(progress, &format!("resuming after epoch {done} of {epochs}"));
    }
    train(folder, prepared, trainer, device, progress)
}

/// The model to fine-tune.
fn initial_model(options: &RunOptions) -> Result<Option<Model>, Error> {
    Ok(options.from.as_deref().map(Model::open).transpose()?)
}

/// An ensemble before its first step.
fn new_trainer(
    options: &RunOptions,
    prepared: &mut Prepared,
    data: Dataset,
    from: Option<&Model>,
    device: &Device,
) -> Result<Trainer, Error> {
    let mut trainer = Trainer::new(device, &options.network, data, &options.training, None)?;
    if let Some(images) = prepared.epoch_images.take() {
        trainer.renew_images(images);
    }
    if let Some(model) = from {
        trainer.start_from(&model.network, &model.members)?;
    }
    Ok(trainer)
}

fn prepare(
    options: &RunOptions,
    network: impl FnOnce(&[usize]) -> Result<Network, Error>,
    from: Option<&Model>,
    device: &Device,
    progress: &Callback,
) -> Result<(Prepared, Dataset, Network), Error> {
    let (prepared, data, network) = match &options.simulate {
        Some(simulate) => simulated::prepare(options, simulate, network, from, device, progress)?,
        None => prepare_folder(&options.data, &options.training, network, from, progress)?,
    };
    report(&prepared, &network, progress);
    Ok((prepared, data, network))
}

/// Reports what is going to be trained on.
pub(super) fn report(prepared: &Prepared, network: &Network, progress: &Callback) {
    prepared.notes.iter().for_each(|message| note(progress, message));
    let (counts, shape) = (prepared.counts, network.input_shape());
    let pixel_scale = prepared.pixel_scale;
    let names = prepared.bands.join(", ");
    let input = match network.takes_images() {
        true => format!(
            "{} x {} pixels, bands {names}{}",
            shape.w,
            shape.h,
            pixel_scale.map_or(String::new(), |s| format!(", {s}\" per pixel"))
        ),
        false => format!("features {names}"),
    };
    let Counts {
        train,
        validation,
        calibration,
        held_out,
    } = counts;
    let message = format!(
        "{train} to train, {validation} for validation, {calibration} for calibration, {held_out} held out; {input}"
    );
    note(progress, &message);
    prepared.warnings.iter().for_each(|message| warn(progress, message));
}

fn train(
    mut folder: RunFolder,
    prepared: Prepared,
    mut trainer: Trainer,
    device: &Device,
    progress: &Callback,
) -> Result<RunEnd, Error> {
    if fit(&mut trainer, Some(&mut folder), progress)? == EpochEnd::Interrupted {
        return Ok(RunEnd::Stopped);
    }
    let history = trainer.state().history.clone();
    let (model, data) = finish(trainer, &prepared, device, progress)?;
    folder.write_model(&model)?;
    // A plot that cannot be drawn is no reason to lose a run.
    if let Err(error) = folder.plot_history(&model.quantity(), &history) {
        let error = chain(&error);
        warn(progress, &format!("the training curves are not plotted: {error}"));
    }
    let mut evaluation = evaluate(&model, &prepared, &data.validation, device, progress)?;
    if let Some(evaluation) = &evaluation {
        folder.write_evaluation(&model, evaluation)?;
    }
    Ok(RunEnd::Complete {
        model: folder.model(),
        quantity: model.quantity(),
        class_metrics: evaluation
            .as_mut()
            .and_then(|evaluation| evaluation.class_metrics.take()),
        metrics: evaluation.map(|evaluation| (evaluation.split, evaluation.metrics)),
    })
}
