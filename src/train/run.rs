//! A run: a training whose progress is saved in a folder, so that it can be resumed.

use super::dataset::{Dataset, Examples};
use super::error::Error;
use super::finish::{Evaluation, Finished, evaluate, finish};
use super::fit::fit;
use super::folder::RunFolder;
use super::folds::prepare_folds;
use super::options::RunOptions;
use super::prepare::{self, Counts, Prepared, read_folder, split_rows};
use super::simulated;
use super::trainer::{EpochEnd, Trainer};
use crate::device::Device;
use crate::files::{FolderLock, NewFolder};
use crate::model::Model;
use crate::nn::Network;
use crate::posterior::Quantity;
use crate::posterior::metrics::Metrics;
use crate::posterior::metrics::classification::ClassMetrics;
use crate::progress::{Callback, EpochRecord, Event, chain, note, warn};
use std::ops::ControlFlow;
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
    /// The training of several folds is complete.
    Folds {
        /// The table of their scores; the models are in folders beside it.
        scores: PathBuf,
        /// What they predict.
        quantity: Quantity,
        /// The scores of every fold on the rows that it held out.
        metrics: Vec<Metrics>,
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
    let _lock = FolderLock::take(out)?;
    let from = initial_model(&options)?;
    let (folds, network) = prepare(&options, network, from.as_ref(), device, progress)?;
    options.network = network;
    let rows = folds.iter().map(|(fold, _)| fold.counts.train).min();
    options.training = options.training.resolved(rows.expect("at least one fold"));
    let (prepared, trainer) = new_trainer(&options, folds, from.as_ref(), device)?;
    let folder = RunFolder::new(out);
    folder.write_options(&options)?;
    new.keep()?;
    train(folder, prepared, trainer, device, progress)
}

/// Whether a run has begun in this folder, so that it can be resumed.
pub fn has_begun(out: &Path) -> bool {
    RunFolder::new(out).has_options()
}

/// Resumes a run that was stopped or killed.
///
/// # Errors
/// A folder without a run, data that have changed since it began, and those of [`begin`].
pub fn resume(out: &Path, device: &Device, progress: &Callback) -> Result<RunEnd, Error> {
    let folder = RunFolder::new(out);
    let options = folder.read_options()?;
    // It may have been edited.
    options.training.check()?;
    options.network.check()?;
    let _lock = FolderLock::take(out)?;
    // Killed before the first checkpoint: the run begins again, which gives the same result.
    let checkpoint = folder.read_checkpoint()?;
    let complete = checkpoint
        .as_ref()
        .is_some_and(|c| c.state.epoch >= options.training.epochs || c.state.all_stopped());
    let result = match options.folds {
        Some(_) => folder.scores(),
        None => folder.model(),
    };
    let written = complete && result.exists();
    if written && (options.folds.is_some() || folder.has_plots(&options.training)) {
        return Err(Error::RunComplete {
            folder: out.into(),
            model: result,
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
    let (folds, _) = prepare(&options, unchanged, from.as_ref(), device, progress)?;
    if let (true, Some(checkpoint), [(prepared, data)]) = (written, &checkpoint, &folds[..]) {
        note(progress, "the model is complete; writing what is missing beside it");
        let model = Model::read(folder.model())?;
        let evaluation = score(&folder, &model, prepared, &data.validation, device, progress)?;
        plot(&folder, &model, &checkpoint.state.history, progress);
        return Ok(end(&folder, &model, evaluation));
    }
    let (prepared, mut trainer) = new_trainer(&options, folds, from.as_ref(), device)?;
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

/// What is prepared for every fold, usually one.
type Work = Vec<(Prepared, Dataset)>;

/// An ensemble before its first step, and what is left of the preparations.
fn new_trainer(
    options: &RunOptions,
    folds: Work,
    from: Option<&Model>,
    device: &Device,
) -> Result<(Vec<Prepared>, Trainer), Error> {
    let (mut prepared, data): (Vec<Prepared>, Vec<Dataset>) = folds.into_iter().unzip();
    let mut trainer = Trainer::of_folds(device, &options.network, data, &options.training, None)?;
    if let Some(images) = prepared[0].epoch_images.take() {
        trainer.renew_images(images);
    }
    if let Some(model) = from {
        trainer.start_from(&model.network, &model.members)?;
    }
    Ok((prepared, trainer))
}

fn prepare(
    options: &RunOptions,
    network: impl FnOnce(&[usize]) -> Result<Network, Error>,
    from: Option<&Model>,
    device: &Device,
    progress: &Callback,
) -> Result<(Work, Network), Error> {
    let training = &options.training;
    let (folds, network) = match &options.simulate {
        Some(simulate) => {
            let (prepared, data, network) = simulated::prepare(options, simulate, network, from, device, progress)?;
            (vec![(prepared, data)], network)
        }
        None => {
            let (labelled, network) = read_folder(&options.data, network, from, progress)?;
            match &options.folds {
                Some(folds) => {
                    let held_out = folds.held_out(&labelled.ids, training.seed)?;
                    prepare_folds(&labelled, &held_out, &network, training)?
                }
                None => {
                    let split = split_rows(labelled.labels.len(), training)?;
                    let (prepared, data, network) =
                        prepare::prepare(&labelled, &split, network, from, training.softening)?;
                    (vec![(prepared, data)], network)
                }
            }
        }
    };
    report(&folds[0].0, &network, progress);
    if folds.len() > 1 {
        note(
            progress,
            &format!("{} folds like this one, each holding out other rows", folds.len()),
        );
    }
    Ok((folds, network))
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
    prepared: Vec<Prepared>,
    mut trainer: Trainer,
    device: &Device,
    progress: &Callback,
) -> Result<RunEnd, Error> {
    if fit(&mut trainer, Some(&mut folder), progress)? == EpochEnd::Interrupted {
        return Ok(RunEnd::Stopped);
    }
    let history = trainer.state().history.clone();
    let finished = trainer.finish()?;
    if let ([finished], [prepared]) = (&finished[..], &prepared[..]) {
        let (model, evaluation) = write(&folder, finished, prepared, device, progress)?;
        plot(&folder, &model, &history, progress);
        return Ok(end(&folder, &model, evaluation));
    }
    let (mut metrics, mut quantity) = (Vec::new(), Quantity::einstein_radius());
    for (fold, (finished, prepared)) in finished.iter().zip(&prepared).enumerate() {
        let of_fold = folder.fold(fold)?;
        let (model, evaluation) = write(&of_fold, finished, prepared, device, &quieter(progress))?;
        plot(&of_fold, &model, &of_one(&history, fold), progress);
        metrics.extend(evaluation.map(|evaluation| evaluation.metrics));
        quantity = model.quantity();
    }
    folder.write_scores(&quantity, &metrics)?;
    Ok(RunEnd::Folds {
        scores: folder.scores(),
        quantity,
        metrics,
    })
}

/// Makes the model of a fold, scores it, and writes both.
fn write(
    folder: &RunFolder,
    finished: &Finished,
    prepared: &Prepared,
    device: &Device,
    progress: &Callback,
) -> Result<(Model, Option<Evaluation>), Error> {
    let (model, rows) = finish(finished, prepared, device, progress)?;
    // Before the model, whose file says that the run is complete.
    folder.write_calibration_rows(&rows)?;
    folder.write_model(&model)?;
    let evaluation = score(folder, &model, prepared, &finished.data.validation, device, progress)?;
    Ok((model, evaluation))
}

/// Scores the model, and writes its predictions and their plot.
fn score(
    folder: &RunFolder,
    model: &Model,
    prepared: &Prepared,
    validation: &Examples,
    device: &Device,
    progress: &Callback,
) -> Result<Option<Evaluation>, Error> {
    let evaluation = evaluate(model, prepared, validation, device, progress)?;
    if let Some(evaluation) = &evaluation {
        folder.write_evaluation(model, evaluation)?;
    }
    Ok(evaluation)
}

/// The end of a run with one model.
fn end(folder: &RunFolder, model: &Model, mut evaluation: Option<Evaluation>) -> RunEnd {
    RunEnd::Complete {
        model: folder.model(),
        quantity: model.quantity(),
        class_metrics: evaluation
            .as_mut()
            .and_then(|evaluation| evaluation.class_metrics.take()),
        metrics: evaluation.map(|evaluation| (evaluation.split, evaluation.metrics)),
    }
}

/// Plots the training curves. That they cannot be drawn is no reason to lose a run.
fn plot(folder: &RunFolder, model: &Model, history: &[EpochRecord], progress: &Callback) {
    if let Err(error) = folder.plot_history(&model.quantity(), history) {
        let error = chain(&error);
        warn(progress, &format!("the training curves are not plotted: {error}"));
    }
}

/// The history of one fold.
fn of_one(history: &[EpochRecord], fold: usize) -> Vec<EpochRecord> {
    let of_epoch = |epoch: &EpochRecord| EpochRecord {
        members: epoch
            .members
            .iter()
            .filter(|m| m.fold as usize == fold)
            .cloned()
            .collect(),
        ..epoch.clone()
    };
    history.iter().map(of_epoch).collect()
}

/// Without what would be said once per fold.
fn quieter<'a>(progress: &'a Callback<'a>) -> impl Fn(Event) -> ControlFlow<()> + Sync + 'a {
    |event| match event {
        Event::Note(_) => ControlFlow::Continue(()),
        event => progress(event),
    }
}
