//! A run folder: `run.toml`, `log.csv`, `checkpoint.safetensors`, and in the end `model.safetensors` with its plots.

use super::checkpoint::Checkpoint;
use super::history::write_log;
use super::options::RunOptions;
use super::prepare::Prepared;
use super::simulated;
use super::trainer::{Dataset, Ended, Examples, Fresh, Trainer};
use crate::device::Device;
use crate::files;
use crate::likelihood::Likelihood;
use crate::model::Ensemble;
use crate::model::{About, Member, MemberSummary, Model, TrainingSummary, utc_now};
use crate::nn::Network;
use crate::plot::predicted_vs_true::predicted_vs_true;
use crate::plot::svg::write_svg;
use crate::plot::training_curves::{MemberCurves, training_curves};
use crate::posterior::MemberPredictions;
use crate::posterior::calibration::{Calibration, Forecast, Method, Record, fit};
use crate::posterior::metrics::{Metrics, Scored};
use crate::posterior::mixture::Mixture;
use crate::posterior::ood::Threshold;
use crate::progress::{Callback, EpochRecord, Event, MemberEpoch, Phase, note, warn};
use crate::survey::infer_table::{InferRow, InferTable};
use crate::survey::table::{Kind, TableWriter};
use anyhow::{Context, Result, bail, ensure};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Training images that say what is usual: enough for the covariance of hundreds of features.
const IMAGES_OF_CLOUD: usize = 10_000;
/// How a calibration on it is recorded.
const CALIBRATION_SPLIT: &str = "calibration split of the training data";
/// Seconds between two checkpoints: what a killed run loses at most.
const CHECKPOINT_SECONDS: u64 = 30;

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// The model file, and how good it is on the rows named.
    Done {
        model: PathBuf,
        metrics: Option<(&'static str, Metrics)>,
    },
    /// The user stopped it; all is saved.
    Stopped,
}

/// Files of a run folder.
pub const RUN: &str = "run.toml";
const LOG: &str = "log.csv";
const CHECKPOINT: &str = "checkpoint.safetensors";
const MODEL: &str = "model.safetensors";

/// Begins a run in a new folder.
///
/// # Errors
/// A folder that is not empty or cannot be written; bad options or data; a device that fails. Before the first step
/// nothing is left behind.
pub fn begin(
    out: &Path,
    mut options: RunOptions,
    network: impl FnOnce(&[usize]) -> Result<Network>,
    device: &Device,
    progress: &Callback,
) -> Result<Outcome> {
    options.training.check()?;
    let made = Folder::new(out)?;
    let from = first_model(&options)?;
    let (mut prepared, data, network) = prepare(&options, network, from.as_ref(), device, progress)?;
    options.network = network;
    let text = toml::to_string(&options).context("the run's options cannot be written as TOML")?;
    let trainer = first_trainer(device, &options, data, prepared.fresh.take(), from.as_ref())?;
    files::write_atomic(&out.join(RUN), |file| Ok(file.write_all(text.as_bytes())?))?;
    made.keep();
    train(out, &options, prepared, trainer, device, progress)
}

/// Goes on with a run that was stopped or killed.
///
/// # Errors
/// A folder without a run, data that changed since, and those of [`begin`].
pub fn resume(out: &Path, device: &Device, progress: &Callback) -> Result<Outcome> {
    let path = out.join(RUN);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("{}: there is no run to go on with in {}", path.display(), out.display()))?;
    let options: RunOptions =
        toml::from_str(&text).with_context(|| format!("{} cannot be understood", path.display()))?;
    let checkpoint = match out.join(CHECKPOINT) {
        path if path.exists() => Some(Checkpoint::read(&path)?),
        // Killed before the first checkpoint: from the first step, which gives the same.
        _ => None,
    };
    if checkpoint
        .as_ref()
        .is_some_and(|c| c.progress.epoch >= options.training.epochs || c.progress.all_stopped())
        && out.join(MODEL).exists()
    {
        bail!(
            "the run in {} is complete; its model is {}",
            out.display(),
            out.join(MODEL).display()
        );
    }
    let recorded = options.network.clone();
    let fits = |input: &[usize]| {
        ensure!(
            recorded.input == input,
            "the images are {input:?} now and were {:?}: restore the data",
            recorded.input
        );
        Ok(recorded)
    };
    let from = first_model(&options)?;
    let (mut prepared, data, _) = prepare(&options, fits, from.as_ref(), device, progress)?;
    let mut trainer = first_trainer(device, &options, data, prepared.fresh.take(), from.as_ref())?;
    if let Some(checkpoint) = checkpoint {
        trainer
            .restore(checkpoint)
            .with_context(|| out.join(CHECKPOINT).display().to_string())?;
        write_log(&out.join(LOG), &trainer.progress().history)?;
        note(
            progress,
            &format!(
                "going on after epoch {} of {}",
                trainer.progress().epoch,
                options.training.epochs
            ),
        );
    }
    train(out, &options, prepared, trainer, device, progress)
}

/// The model that a fine-tuning starts from.
fn first_model(options: &RunOptions) -> Result<Option<Model>> {
    Ok(options.from.as_deref().map(Model::read).transpose()?)
}

/// An ensemble at its first step.
fn first_trainer(
    device: &Device,
    options: &RunOptions,
    data: Dataset,
    fresh: Option<Fresh>,
    from: Option<&Model>,
) -> Result<Trainer> {
    let mut trainer = Trainer::new(device, &options.network, data, &options.training, None)?;
    if let Some(fresh) = fresh {
        trainer.refresh_with(fresh);
    }
    if let Some(model) = from {
        trainer.start_from(&model.network, &model.members)?;
    }
    Ok(trainer)
}

fn prepare(
    options: &RunOptions,
    network: impl FnOnce(&[usize]) -> Result<Network>,
    from: Option<&Model>,
    device: &Device,
    progress: &Callback,
) -> Result<(Prepared, Dataset, Network)> {
    let reading = |done, all| {
        let phase = Phase::Preparing;
        ensure!(
            progress(Event::Advanced {
                phase,
                done,
                total: all
            })
            .is_continue(),
            "stopped while the images were prepared: no step was taken, and nothing has changed"
        );
        Ok(())
    };
    let (prepared, data, network) = match &options.simulate {
        Some(simulate) => simulated::prepare(options, simulate, network, from, device, &reading)?,
        None => Prepared::new(&options.data, &options.training, network, from, reading)?,
    };
    prepared.news.iter().for_each(|line| note(progress, line));
    let (counts, shape) = (prepared.counts, network.input_shape());
    note(
        progress,
        &format!(
            "{} to train, {} for validation, {} for calibration, {} held out; {} x {} pixels, bands {}{}",
            counts.train,
            counts.validation,
            counts.calibration,
            counts.held_out,
            shape.w,
            shape.h,
            prepared.bands.join(", "),
            prepared
                .pixel_scale
                .map_or(String::new(), |s| format!(", {s}\" a pixel")),
        ),
    );
    prepared.warnings.iter().for_each(|w| warn(progress, w));
    Ok((prepared, data, network))
}

fn train(
    out: &Path,
    options: &RunOptions,
    prepared: Prepared,
    mut trainer: Trainer,
    device: &Device,
    progress: &Callback,
) -> Result<Outcome> {
    let epochs = options.training.epochs;
    let all = epochs * trainer.steps();
    let mut saved = Instant::now();
    let mut stop = false;
    while !trainer.is_done() {
        let before = trainer.progress().epoch * trainer.steps();
        let due = Duration::from_secs(CHECKPOINT_SECONDS);
        let ended = trainer.epoch(&mut |done| {
            let phase = Phase::Training;
            let (done, total) = (before + done, all);
            stop |= progress(Event::Advanced { phase, done, total }).is_break();
            if stop || saved.elapsed() > due {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        if let Ended::Done = ended {
            let history = &trainer.progress().history;
            let record = history.last().expect("an epoch is done");
            stop |= progress(Event::Epoch { record, epochs }).is_break();
            write_log(&out.join(LOG), history)?;
        }
        if stop || saved.elapsed() > due {
            trainer.checkpoint()?.write(&out.join(CHECKPOINT))?;
            saved = Instant::now();
        }
        if stop && !trainer.is_done() {
            return Ok(Outcome::Stopped);
        }
    }
    trainer.checkpoint()?.write(&out.join(CHECKPOINT))?;
    finish(out, options, &prepared, trainer, device, progress)
}

/// Model file, plots and figures.
fn finish(
    out: &Path,
    options: &RunOptions,
    prepared: &Prepared,
    mut trainer: Trainer,
    device: &Device,
    progress: &Callback,
) -> Result<Outcome> {
    let (members, summaries): (Vec<Member>, Vec<MemberSummary>) = trainer.members()?.into_iter().unzip();
    plot_curves(&out.join("training_curves.svg"), &trainer.progress().history, progress);
    let data = trainer.into_data()?;
    let (counts, t) = (prepared.counts, &options.training);
    let mut model = Model {
        network: options.network.clone(),
        members,
        about: About {
            label: prepared.label.clone(),
            bands: prepared.bands.clone(),
            pixel_scale: prepared.pixel_scale,
            preset: prepared.preset.clone(),
            stretch: prepared.stretch.clone(),
            sky: prepared.sky.clone(),
            training: TrainingSummary {
                rows: counts.all(),
                train: counts.train,
                validation: counts.validation,
                held_out: counts.held_out,
                calibration: counts.calibration,
                epochs: t.epochs,
                batch: t.batch.min(counts.train),
                seed: t.seed,
                learning_rate: f64::from(t.learning_rate),
                device: device.name(),
                date: utc_now(),
                version: env!("CARGO_PKG_VERSION").into(),
                options: t.switched_on(),
                members: summaries,
            },
            calibration: None,
            ood: None,
        },
    };
    let path = out.join(MODEL);
    // No reason to lose a run.
    if let Err(error) = find_clouds(&mut model, &data.train, device) {
        warn(
            progress,
            &format!("the model will not know which images are unlike those of training: {error:#}"),
        );
    }
    if let Err(error) = calibrate(&mut model, &prepared.calibration, &data.validation, device) {
        warn(progress, &format!("the model is not calibrated: {error:#}"));
    }
    model.write(&path)?;
    let validation = data.validation;
    let (ids, examples, what) = match counts.held_out {
        0 => (&prepared.validation_ids, &validation, "validation"),
        _ => (&prepared.held_out_ids, &prepared.held_out, "held out"),
    };
    let metrics = match ids.is_empty() {
        true => None,
        false => {
            let answers = answers(&model, examples, device)?;
            warn_if_blind(&model, &answers, progress);
            let score = |calibration: Option<&Calibration>| {
                let rows = answers.iter().zip(&examples.labels);
                rows.map(|(a, &truth)| Ok(Scored::new(truth, &Forecast::new(a, calibration)?)))
                    .collect::<Result<Vec<Scored>>>()
            };
            let scored = score(model.about.calibration.as_ref())?;
            let metrics = Metrics::new(&scored)?;
            if model.about.calibration.is_some() {
                say_coverage(&Metrics::new(&score(None)?)?, &metrics, what, progress);
            }
            let title = format!("{} objects, {what}", scored.len());
            write_svg(
                &out.join("predicted_vs_true.svg"),
                &predicted_vs_true(&title, &scored, &metrics)?,
            )?;
            write_scored(&out.join(format!("{}.csv", what.replace(' ', "_"))), ids, &scored)?;
            Some((what, metrics))
        }
    };
    Ok(Outcome::Done { model: path, metrics })
}

/// The members' answers in the label's unit.
fn answers(model: &Model, examples: &Examples, device: &Device) -> Result<Vec<MemberPredictions>> {
    let batch = examples.labels.len().min(64);
    let mut predictor = Ensemble::of_members(device, &model.network, &model.members, batch)?;
    let label = &model.about.label;
    let answers = predictor.predict(&examples.images)?;
    Ok(answers.iter().map(|a| a.in_units(label.scale, label.shift)).collect())
}

/// Where the training images lie among each member's features.
fn find_clouds(model: &mut Model, train: &Examples, device: &Device) -> Result<()> {
    let image = model.network.input_shape().len();
    let images = &train.images[..train.images.len().min(IMAGES_OF_CLOUD * image)];
    let mut predictor = Ensemble::of_members(device, &model.network, &model.members, 64)?;
    let clouds = predictor.clouds(images)?.into_iter().flatten();
    model
        .members
        .iter_mut()
        .zip(clouds)
        .for_each(|(member, cloud)| member.cloud = Some(cloud));
    Ok(())
}

/// Fits the two factors, and the threshold of scores, on the rows kept for them; the threshold on the validation rows
/// where there are none.
fn calibrate(model: &mut Model, examples: &Examples, validation: &Examples, device: &Device) -> Result<()> {
    let scores = |answers: &[MemberPredictions]| answers.iter().filter_map(|answer| answer.ood_score).collect();
    if examples.labels.is_empty() {
        if !validation.labels.is_empty() {
            let answers = answers(model, validation, device)?;
            model.about.ood = Threshold::new(scores(&answers), "validation split of the training data");
        }
        return Ok(());
    }
    let answers = answers(model, examples, device)?;
    model.about.ood = Threshold::new(scores(&answers), CALIBRATION_SPLIT);
    let rows = answers.iter().zip(&examples.labels);
    let rows: Vec<(Mixture, f64)> = rows
        .map(|(a, &truth)| Ok((a.mixture()?, truth)))
        .collect::<Result<_>>()?;
    model.about.calibration = Some(Calibration {
        map: fit(Method::Factors, &rows)?,
        record: Record::now(CALIBRATION_SPLIT, rows.len()),
    });
    Ok(())
}

fn say_coverage(raw: &Metrics, calibrated: &Metrics, what: &str, progress: &Callback) {
    note(
        progress,
        &format!(
            "coverage of the 68.3 and 95.4 % intervals on the {what} images: {:.1} and {:.1} % before calibration, \
         {:.1} and {:.1} % after",
            100.0 * raw.coverage_683,
            100.0 * raw.coverage_954,
            100.0 * calibrated.coverage_683,
            100.0 * calibrated.coverage_954
        ),
    );
}

/// A plot that cannot be drawn is no reason to lose a run.
fn plot_curves(path: &Path, history: &[EpochRecord], progress: &Callback) {
    let members = history.first().map_or(0, |epoch| epoch.members.len());
    let curve = |m: usize, figure: fn(&MemberEpoch) -> Option<f64>| {
        history
            .iter()
            .map(|epoch| figure(&epoch.members[m]).unwrap_or(f64::NAN))
            .collect()
    };
    let curves: Vec<MemberCurves> = (0..members)
        .map(|m| MemberCurves {
            train_nll: curve(m, |e| e.train_nll),
            val_nll: curve(m, |e| e.val_nll),
            val_rmse: curve(m, |e| e.val_rmse),
        })
        .collect();
    if let Err(error) = training_curves(&curves).and_then(|svg| write_svg(path, &svg)) {
        warn(progress, &format!("the training curves are not drawn: {error:#}"));
    }
}

/// A member whose answer does not depend on the image has died: its loss may well be finite.
fn warn_if_blind(model: &Model, answers: &[MemberPredictions], progress: &Callback) {
    for (m, member) in model.members.iter().enumerate() {
        let same = |a: &MemberPredictions, b: &MemberPredictions| a.mu[m] == b.mu[m] && a.var[m] == b.var[m];
        if answers.len() > 1 && answers.windows(2).all(|pair| same(&pair[0], &pair[1])) {
            warn(
                progress,
                &format!(
                    "member {} gives the same answer for every image: it has learnt nothing from them. \
                 Lower --learning-rate, train longer, or look at the images for values far from all others",
                    member.number
                ),
            );
        }
    }
}

/// Answers beside the truth, for rows that were not trained on.
fn write_scored(path: &Path, ids: &[String], scored: &[Scored]) -> Result<()> {
    let table = InferTable {
        id: Kind::of_texts(ids.iter().map(String::as_str)),
        ra_dec: false,
        members: 0,
        likelihood: Likelihood::default(),
        pass_through: vec![("true_theta_e".into(), Kind::F64)],
    };
    let mut writer = TableWriter::create(path, table.columns())?;
    for (id, object) in ids.iter().zip(scored) {
        let truth = object.truth.to_string();
        writer.push(&table.row(&InferRow {
            id,
            ra_dec: None,
            prediction: object.prediction,
            ood_score: None,
            flags: 0,
            mu: &[],
            var: &[],
            pass_through: &[&truth],
        }))?;
    }
    writer.finish().map(drop)
}

/// The run's folder, made at once to find out early whether it can be; taken away again, if it was, unless the run
/// begins.
struct Folder<'a> {
    path: &'a Path,
    /// How many folders were made: it, and those that it lies in.
    made: usize,
    kept: bool,
}

impl<'a> Folder<'a> {
    fn new(path: &'a Path) -> Result<Folder<'a>> {
        let shown = path.display();
        if path.exists() {
            let mut entries = std::fs::read_dir(path)
                .with_context(|| format!("{shown} is not a folder that can be read: name another with -o"))?;
            ensure!(
                entries.next().is_none(),
                "{shown} is not empty: go on with the run in it by `lensgpu train --resume {shown}`, \
                 or name another folder with -o"
            );
        }
        let made = path
            .ancestors()
            .take_while(|p| !p.as_os_str().is_empty() && !p.exists())
            .count();
        std::fs::create_dir_all(path).with_context(|| format!("the folder {shown} cannot be made"))?;
        let folder = Folder {
            path,
            made,
            kept: false,
        };
        tempfile::tempfile_in(path)
            .with_context(|| format!("{shown} cannot be written: name another folder with -o"))?;
        Ok(folder)
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Folder<'_> {
    fn drop(&mut self) {
        if !self.kept {
            // Only an empty folder can be removed this way.
            self.path
                .ancestors()
                .take(self.made)
                .for_each(|path| drop(std::fs::remove_dir(path)));
        }
    }
}
