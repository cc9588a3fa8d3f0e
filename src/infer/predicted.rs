//! The prediction for one image, and its flags.

use super::Error;
use crate::model::{ImageFacts, Model};
use crate::posterior::MemberPredictions;
use crate::posterior::calibration::{Calibration, PredictiveDistribution};
use crate::posterior::mixture::Prediction;
use crate::survey::Cutout;
use serde::{Deserialize, Serialize};

/// What a model says about one image.
#[derive(Clone, Debug, PartialEq)]
pub struct ImagePrediction {
    /// The Einstein radius with its uncertainty, calibrated if the model is; NaN throughout if all pixels are
    /// masked or the members' predictions are not finite.
    pub prediction: Prediction,
    /// Probability that the image shows a lens; `None` if the model has no lens head, or all pixels are masked.
    pub p_lens: Option<f64>,
    /// How unlike the training images it is, see [`ood`](crate::posterior::ood); `None` if the model does not know.
    pub ood_score: Option<f64>,
    /// Why the prediction may be wrong, a sum of the constants in [`flags`](crate::survey::flags); 0 if no problem was detected.
    pub flags: i32,
    /// Mean and variance of each member, in arcsec and arcsec^2, not calibrated; empty if all pixels are masked.
    pub members: MemberPredictions,
}

impl ImagePrediction {
    /// The distribution that `prediction` describes, for the model that made it; `None` if there is no prediction.
    pub fn distribution<'a>(&self, model: &'a Model) -> Option<PredictiveDistribution<'a>> {
        let known = self.prediction.theta_e.is_finite();
        let distribution = || PredictiveDistribution::new(&self.members, model.about.calibration.as_ref()).ok();
        known.then(distribution).flatten()
    }
}

/// An image that went through the network.
#[derive(Serialize, Deserialize)]
pub struct PredictedImage {
    /// What is known of it without the network; with the distance of its features once it is predicted.
    pub facts: ImageFacts,
    /// In the label's unit.
    pub members: MemberPredictions,
}

impl PredictedImage {
    /// Stretches a cutout into `input`, as the network takes it. The predictions are still to be filled in.
    pub fn new(cutout: Cutout, model: &Model, input: &mut [f32]) -> PredictedImage {
        let stretch = &model.about.stretch;
        stretch.apply(&cutout, input);
        PredictedImage {
            facts: ImageFacts::new(cutout, stretch, model.statistics.as_ref()),
            members: MemberPredictions::default(),
        }
    }

    /// Fills in the members' predictions, in scaled labels. There are none for an image without an unmasked pixel: what
    /// the members say about an empty sky is no measurement.
    pub fn predicted(&mut self, scaled: &MemberPredictions, model: &Model) {
        if !self.is_masked_throughout() {
            self.members = model.in_units(scaled);
            self.facts.distances.features = scaled.feature_distance();
        }
    }

    /// How unlike the training images it is, see [`ood`](crate::posterior::ood); `None` if the model does not know.
    pub fn ood_score(&self, model: &Model) -> Option<f64> {
        model.ood_score(&self.facts)
    }

    fn is_masked_throughout(&self) -> bool {
        self.facts.cutout.masked_fraction >= 1.0
    }

    /// The distribution that the ensemble predicts.
    ///
    /// # Errors
    /// An image whose pixels are all masked; predictions that are not finite.
    pub fn forecast<'a>(&self, calibration: Option<&'a Calibration>) -> Result<PredictiveDistribution<'a>, Error> {
        if self.is_masked_throughout() {
            return Err(Error::AllMasked {
                object: self.facts.cutout.id.clone(),
            });
        }
        PredictiveDistribution::new(&self.members, calibration).map_err(|source| Error::NoPrediction {
            object: self.facts.cutout.id.clone(),
            source: source.into(),
        })
    }

    /// Why the prediction may be wrong, see [`flags`](crate::survey::flags). `interval` is the 95 % interval that is reported, which only
    /// `label_range` depends on; it does not matter if there is no prediction.
    pub fn flags(&self, model: &Model, interval: [f64; 2]) -> i32 {
        model.flags(&self.facts, &self.members, interval)
    }

    /// All of it, calibrated as the model is.
    pub fn into_prediction(self, model: &Model) -> ImagePrediction {
        let forecast = self.forecast(model.about.calibration.as_ref());
        let prediction = forecast.map_or(Prediction::UNKNOWN, |forecast| forecast.prediction());
        ImagePrediction {
            prediction,
            p_lens: self.members.p_lens(),
            ood_score: self.ood_score(model),
            flags: self.flags(model, prediction.interval()),
            members: self.members,
        }
    }
}
