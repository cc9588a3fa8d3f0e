//! Predictions for objects with known Einstein radius.

use super::Error;
use crate::device::Device;
use crate::infer::stream::{PredictedObject, StreamedObject, stream};
use crate::infer::{self, Passes};
use crate::model::Model;
use crate::posterior;
use crate::posterior::MemberPredictions;
use crate::posterior::calibration::{Calibration, PredictiveDistribution};
use crate::posterior::metrics::ScoredPrediction;
use crate::posterior::metrics::classification::ScoredClass;
use crate::posterior::mixture::Mixture;
use crate::posterior::ood::Distances;
use crate::progress::{Callback, warn};
use crate::survey::{ImageFolder, ImageParts, few};
use std::iter;
use std::sync::Arc;

/// The members' predictions for one object and its true value.
#[derive(Clone, Debug)]
pub struct LabelledPrediction {
    /// Index in [`ImageFolder::objects`].
    pub index: usize,
    /// True Einstein radius, arcsec.
    pub truth: f64,
    /// Uncalibrated predictions, arcsec.
    pub members: MemberPredictions,
    /// How far the image is from the training images.
    pub distances: Distances,
    /// See [`crate::survey::flags`].
    pub flags: i32,
}

impl LabelledPrediction {
    /// The ensemble's prediction with its scores.
    ///
    /// # Errors
    /// A prediction that is not finite.
    pub fn score(&self, calibration: Option<&Calibration>) -> Result<ScoredPrediction, posterior::Error> {
        let predicted = PredictiveDistribution::new(&self.members, calibration)?;
        Ok(ScoredPrediction::new(self.truth, &predicted))
    }
}

/// Predictions for the objects of a labelled folder.
#[derive(Clone, Debug, Default)]
pub struct LabelledPredictions {
    /// Objects with a known Einstein radius.
    pub lenses: Vec<LabelledPrediction>,
    /// These and the objects that are not lenses, if the folder was opened with them; empty without a lens head.
    pub classes: Vec<ScoredClass>,
}

/// The members' predictions for every labelled object of a folder. Images that are masked throughout have none; they are
/// left out, with a warning.
///
/// # Errors
/// An image that cannot be read, a prediction that is not finite, and a request to stop: metrics of some of the objects
/// would be misleading.
pub fn predict_labelled(
    model: &Model,
    device: &Device,
    source: &Arc<ImageFolder>,
    passes: Passes,
    progress: &Callback,
) -> Result<LabelledPredictions, Error> {
    let (total, mut done) = (source.len(), 0);
    let mut predictions = LabelledPredictions::default();
    let mut masked = Vec::new();
    let mut sink = |predicted: PredictedObject| {
        done += 1;
        let (labelled, object) = (predicted.object, predicted.streamed);
        let interval = match object.forecast(model.about.calibration.as_ref()) {
            Ok(forecast) => forecast.interval(),
            Err(infer::Error::AllMasked { object }) => {
                masked.push(object);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let flags = object.flags(model, interval);
        let StreamedObject { index, image } = object;
        let image = image.expect("an object with a forecast was read");
        let class = image.members.p_lens().map(|p_lens| ScoredClass {
            is_lens: labelled.theta_e.is_some(),
            p_lens,
        });
        predictions.classes.extend(class);
        let Some(truth) = labelled.theta_e else {
            // A source with labels has other objects only if it was asked for those that are not lenses.
            return match source.label {
                Some(_) => Ok(()),
                None => Err(Error::Unlabelled {
                    id: labelled.id.clone(),
                }),
            };
        };
        predictions.lenses.push(LabelledPrediction {
            index,
            truth,
            members: image.members,
            distances: image.facts.distances,
            flags,
        });
        Ok(())
    };
    let parts = ImageParts::whole(source.clone());
    stream(model, device, &parts, passes, iter::empty(), progress, &mut sink)?;
    if done < total {
        return Err(Error::Stopped { done, total });
    }
    if !masked.is_empty() {
        let message = "images are masked throughout and left out, for example";
        warn(
            progress,
            &format!("{} of {total} {message} {}", masked.len(), few(&masked)),
        );
    }
    Ok(predictions)
}

/// Every prediction with its scores.
pub(super) fn score_all(
    objects: &[LabelledPrediction],
    calibration: Option<&Calibration>,
) -> Result<Vec<ScoredPrediction>, posterior::Error> {
    objects.iter().map(|object| object.score(calibration)).collect()
}

/// Mixtures and true values, the input of [`fit`](crate::posterior::calibration::fit()).
///
/// # Errors
/// A prediction that is not finite.
pub fn mixtures(objects: &[LabelledPrediction]) -> Result<Vec<(Mixture, f64)>, posterior::Error> {
    let mixture = |object: &LabelledPrediction| Ok((object.members.mixture()?, object.truth));
    objects.iter().map(mixture).collect()
}
