//! From a training that has ended to a model: its members, their feature distributions, calibration, and scores on rows
//! that were not trained on.

use super::calibration_rows::CalibrationRows;
use super::dataset::{Dataset, Examples};
use super::error::Error;
use super::options::TrainOptions;
use super::prepare::Prepared;
use crate::device::Device;
use crate::model::{About, Ensemble, Member, MemberSummary, Model, Precision, TrainingSummary, utc_now};
use crate::nn::Network;
use crate::posterior::MemberPredictions;
use crate::posterior::calibration::{Calibration, Method, PredictiveDistribution, Record, fit};
use crate::posterior::metrics::classification::{ClassMetrics, ScoredClass};
use crate::posterior::metrics::{Metrics, ScoredPrediction};
use crate::posterior::mixture::{Mixture, Prediction};
use crate::progress::{Callback, chain, note, warn};

/// Training images that the feature distributions are fitted on: enough for the covariance of hundreds of features.
const FEATURE_IMAGES: usize = 10_000;
/// Images per batch.
const BATCH: usize = 64;
/// How a calibration on it is recorded in the model.
const CALIBRATION_SPLIT: &str = "calibration split of the training data";
const VALIDATION_SPLIT: &str = "validation split of the training data";

/// Predictions for rows that were not trained on, and their scores.
pub struct Evaluation {
    /// `held out`, or `validation` if no rows were held out.
    pub split: &'static str,
    /// All rows.
    pub rows: Vec<EvaluatedRow>,
    /// Predictions and true values of the lenses.
    pub scored: Vec<ScoredPrediction>,
    /// Their scores.
    pub metrics: Metrics,
    /// Scores of the lens head, if there is one and rows of both classes.
    pub class_metrics: Option<ClassMetrics>,
}

/// One row of an [`Evaluation`].
pub struct EvaluatedRow {
    /// Its id.
    pub id: String,
    /// The ensemble's prediction.
    pub prediction: Prediction,
    /// Predicted probability of a lens, if there is a lens head.
    pub p_lens: Option<f64>,
    /// The true value; `None` for an object that is not a lens.
    pub truth: Option<f64>,
    /// How unlike the training images it is; `None` if the model does not know.
    pub ood_score: Option<f64>,
    /// Why the prediction may be wrong, see [`flags`](crate::survey::flags).
    pub flags: i32,
}

/// The model of a training, or of one of its folds, that has ended: its members, and the data that they were trained on.
pub struct Finished {
    pub network: Network,
    pub options: TrainOptions,
    pub members: Vec<(Member, MemberSummary)>,
    pub data: Dataset,
}

/// Makes, calibrates and describes the model, and returns also what it was calibrated on. That it cannot be calibrated is
/// only a warning.
///
/// # Errors
/// A member that skipped most of its steps, or whose predictions for training images are not finite, although its weights
/// are; the device was lost.
pub fn finish(
    finished: &Finished,
    prepared: &Prepared,
    device: &Device,
    progress: &Callback,
) -> Result<(Model, CalibrationRows), Error> {
    let Finished {
        network, options, data, ..
    } = finished;
    let (members, summaries): (Vec<Member>, Vec<MemberSummary>) = finished.members.iter().cloned().unzip();
    check_steps(&summaries)?;
    let mut model = Model {
        network: network.clone(),
        members,
        statistics: prepared.statistics.clone(),
        about: About {
            label: prepared.label.clone(),
            bands: prepared.bands.clone(),
            pixel_scale: prepared.pixel_scale,
            photometry: prepared.photometry.clone(),
            images: prepared.stored.clone(),
            preset: prepared.preset.clone(),
            stretch: prepared.stretch.clone(),
            sky: prepared.sky.clone(),
            training: summary(options, prepared, summaries, device),
            precision: Precision::default(),
            card: None,
            calibration: None,
            ood: None,
            epistemic_limit: None,
        },
    };
    check_finite(&model, &data.train, device)?;
    if let Err(error) = fit_features(&mut model, &data.train, device) {
        let error = chain(&error);
        warn(
            progress,
            &format!("the features of the network are not part of the ood_score: {error}"),
        );
    }
    let rows = calibration_rows(&model, prepared, data, device)?;
    calibrate(&mut model, &rows, progress);
    Ok((model, rows))
}

/// A member whose gradients are hardly ever finite returns to old weights again and again, and learns nothing.
fn check_steps(members: &[MemberSummary]) -> Result<(), Error> {
    match members.iter().find(|member| member.skipped > member.steps) {
        Some(member) => Err(Error::MostStepsSkipped {
            member: member.number,
            skipped: member.skipped,
            steps: member.steps + member.skipped,
        }),
        None => Ok(()),
    }
}

/// A training that has diverged may leave finite weights that predict nothing.
fn check_finite(model: &Model, train: &Examples, device: &Device) -> Result<(), Error> {
    let rows = train.labels.len().min(BATCH);
    let some = Examples {
        images: train.images[..rows * model.network.input_shape().len()].to_vec(),
        labels: train.labels[..rows].to_vec(),
    };
    let predictions = predict(model, &some, device)?;
    let usable = |p: &MemberPredictions, m: usize| p.mu[m].is_finite() && p.var[m].is_finite() && p.var[m] > 0.0;
    for (m, member) in model.members.iter().enumerate() {
        if !predictions.iter().all(|p| usable(p, m)) {
            return Err(Error::Diverged { member: member.number });
        }
    }
    Ok(())
}

fn summary(t: &TrainOptions, prepared: &Prepared, members: Vec<MemberSummary>, device: &Device) -> TrainingSummary {
    let counts = prepared.counts;
    TrainingSummary {
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
        members,
    }
}

/// Scores the model on the rows held out, or on the validation rows if there are none; `None` without either.
///
/// # Errors
/// A prediction that is not finite; the device was lost.
pub fn evaluate(
    model: &Model,
    prepared: &Prepared,
    validation: &Examples,
    device: &Device,
    progress: &Callback,
) -> Result<Option<Evaluation>, Error> {
    let (split, ids, examples) = match prepared.counts.held_out {
        0 => ("validation", &prepared.validation_ids, validation),
        _ => ("held out", &prepared.held_out_ids, &prepared.held_out),
    };
    if ids.is_empty() {
        return Ok(None);
    }
    let predictions = predict(model, examples, device)?;
    warn_if_constant(model, &predictions, progress);
    let calibration = model.about.calibration.as_ref();
    let (mut rows, mut scored, mut uncalibrated) = (Vec::new(), Vec::new(), Vec::new());
    let objects = ids.iter().zip(&prepared.scored).zip(&predictions);
    for (((id, facts), p), &label) in objects.zip(&examples.labels) {
        let mut facts = facts.clone();
        facts.distances.features = p.feature_distance();
        let predicted = PredictiveDistribution::new(p, calibration)?;
        let truth = Some(label).filter(|label| !label.is_nan());
        let score = truth.map(|truth| ScoredPrediction::new(truth, &predicted));
        let prediction = score.map_or_else(|| predicted.prediction(), |score| score.prediction);
        rows.push(EvaluatedRow {
            id: id.clone(),
            ood_score: model.ood_score(&facts),
            flags: model.flags(&facts, p, prediction.interval()),
            prediction,
            p_lens: p.p_lens(),
            truth,
        });
        scored.extend(score);
        if let (Some(truth), Some(_)) = (truth, calibration) {
            uncalibrated.push(ScoredPrediction::new(truth, &PredictiveDistribution::new(p, None)?));
        }
    }
    if scored.is_empty() {
        return Ok(None);
    }
    let metrics = Metrics::new(&scored)?;
    if calibration.is_some() {
        note_coverage(&Metrics::new(&uncalibrated)?, &metrics, split, progress);
    }
    let class = |row: &EvaluatedRow| {
        let is_lens = row.truth.is_some();
        row.p_lens.map(|p_lens| ScoredClass { is_lens, p_lens })
    };
    let classes: Vec<ScoredClass> = rows.iter().filter_map(class).collect();
    Ok(Some(Evaluation {
        split,
        rows,
        scored,
        metrics,
        class_metrics: ClassMetrics::new(&classes, model.about.training.seed),
    }))
}

/// The members' predictions in the label's unit.
fn predict(model: &Model, examples: &Examples, device: &Device) -> Result<Vec<MemberPredictions>, Error> {
    let predictions = scaled_predictions(model, examples, device)?;
    Ok(predictions.iter().map(|p| model.in_units(p)).collect())
}

fn scaled_predictions(model: &Model, examples: &Examples, device: &Device) -> Result<Vec<MemberPredictions>, Error> {
    if examples.labels.is_empty() {
        return Ok(vec![]);
    }
    let batch = examples.labels.len().min(BATCH);
    let mut ensemble = Ensemble::of_members(device, &model.network, &model.members, batch)?;
    Ok(ensemble.predict(&examples.images)?)
}

/// Fits the distribution of the training images among each member's features.
fn fit_features(model: &mut Model, train: &Examples, device: &Device) -> Result<(), Error> {
    let image = model.network.input_shape().len();
    let images = &train.images[..train.images.len().min(FEATURE_IMAGES * image)];
    let mut ensemble = Ensemble::of_members(device, &model.network, &model.members, BATCH)?;
    let clouds = ensemble.clouds(images)?.into_iter().flatten();
    for (member, cloud) in model.members.iter_mut().zip(clouds) {
        member.cloud = Some(cloud);
    }
    Ok(())
}

/// The predictions for the rows kept for calibration; without such rows, for the validation rows.
fn calibration_rows(
    model: &Model,
    prepared: &Prepared,
    data: &Dataset,
    device: &Device,
) -> Result<CalibrationRows, Error> {
    let (split, examples) = match prepared.calibration.labels.is_empty() {
        true => (VALIDATION_SPLIT, &data.validation),
        false => (CALIBRATION_SPLIT, &prepared.calibration),
    };
    Ok(CalibrationRows {
        data: data.fingerprint,
        split: split.into(),
        labels: examples.labels.clone(),
        distances: prepared.distances.clone(),
        predictions: scaled_predictions(model, examples, device)?,
    })
}

/// Fits the calibration (on the lenses) and the limits of flags on the rows kept for them; on validation rows only the
/// limits. That the calibration cannot be fitted is only a warning.
pub fn calibrate(model: &mut Model, rows: &CalibrationRows, progress: &Callback) {
    if rows.labels.is_empty() {
        return;
    }
    let predictions: Vec<MemberPredictions> = rows.predictions.iter().map(|p| model.in_units(p)).collect();
    let about = &mut model.about;
    about.set_limits(&rows.all_distances(), &predictions, &rows.split);
    if rows.split == VALIDATION_SPLIT {
        return;
    }
    match fitted(&predictions, rows) {
        Ok(calibration) => about.calibration = Some(calibration),
        Err(error) => {
            let error = chain(&error);
            warn(progress, &format!("the model is not calibrated: {error}"));
        }
    }
}

fn fitted(predictions: &[MemberPredictions], rows: &CalibrationRows) -> Result<Calibration, Error> {
    let lenses = predictions
        .iter()
        .zip(&rows.labels)
        .filter(|(_, label)| !label.is_nan());
    let lenses: Vec<(Mixture, f64)> = lenses
        .map(|(p, &truth)| Ok((p.mixture()?, truth)))
        .collect::<Result<_, Error>>()?;
    Ok(Calibration {
        map: fit(Method::default(), &lenses)?,
        record: Record::new(&rows.split, lenses.len(), utc_now()),
    })
}

fn note_coverage(raw: &Metrics, calibrated: &Metrics, split: &str, progress: &Callback) {
    let message = format!(
        "coverage of the 68.3 and 95.4 % intervals on the {split} images: {:.1} and {:.1} % before calibration, \
         {:.1} and {:.1} % after",
        100.0 * raw.coverage_683,
        100.0 * raw.coverage_954,
        100.0 * calibrated.coverage_683,
        100.0 * calibrated.coverage_954
    );
    note(progress, &message);
}

/// A member whose prediction does not depend on the image has learnt nothing, although its loss may be finite.
fn warn_if_constant(model: &Model, predictions: &[MemberPredictions], progress: &Callback) {
    for (m, member) in model.members.iter().enumerate() {
        let same = |a: &MemberPredictions, b: &MemberPredictions| a.mu[m] == b.mu[m] && a.var[m] == b.var[m];
        if predictions.len() > 1 && predictions.windows(2).all(|pair| same(&pair[0], &pair[1])) {
            let message = format!(
                "member {} makes the same prediction for every image: it has learnt nothing from them. \
                 Use a lower learning rate, train longer, or check the images for extreme values",
                member.number
            );
            warn(progress, &message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_skips_most_steps_has_diverged() {
        let member = |number, steps, skipped| MemberSummary {
            number,
            best_epoch: 1,
            nll: Some(0.5),
            rmse: Some(0.3),
            steps,
            skipped,
            restored: skipped / 5,
        };
        assert!(check_steps(&[member(0, 100, 0), member(1, 60, 40)]).is_ok());
        let error = check_steps(&[member(0, 100, 0), member(7, 1, 5)]).unwrap_err();
        assert!(error.to_string().contains("member 7 skipped 5 of 6 steps"), "{error}");
    }
}
