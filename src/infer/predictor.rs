//! Predictions for images in memory.

use super::predicted::{ImagePrediction, PredictedImage};
use super::{Error, Passes};
use crate::device::Device;
use crate::model::{Ensemble, Model};
use crate::survey::Cutout;

/// A model on a device. It predicts as `lensgpu infer` does, for images in memory.
pub struct Predictor {
    model: Model,
    ensemble: Ensemble,
}

impl Predictor {
    /// Puts a model on a device.
    ///
    /// # Errors
    /// A model that does not take images; a device that fails.
    pub fn new(model: Model, device: &Device) -> Result<Predictor, Error> {
        Predictor::with_passes(model, device, Passes::default())
    }

    /// The same with another batch size, or with test-time augmentation.
    ///
    /// # Errors
    /// Those of [`Predictor::new`].
    pub fn with_passes(model: Model, device: &Device, passes: Passes) -> Result<Predictor, Error> {
        Ok(Predictor {
            ensemble: passes.ensemble(&model, device)?,
            model,
        })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Height, width and channels of an image.
    pub fn shape(&self) -> [usize; 3] {
        let shape = self.model.network.input_shape();
        [shape.h, shape.w, shape.c]
    }

    /// Predictions for `images`, (N, height, width, channels) with the channel fastest: raw flux in the unit of the
    /// training images, which the model stretches itself. Masked pixels are NaN or infinite, and for a model of the Lens
    /// Finding Challenge also exactly 100.
    ///
    /// # Errors
    /// An array that does not hold whole images; a device that fails.
    pub fn predict(&mut self, images: &[f32]) -> Result<Vec<ImagePrediction>, Error> {
        let (shape, model) = (self.shape(), &self.model);
        let mask_value = model.about.mask_value();
        let image: usize = shape.iter().product();
        if !images.len().is_multiple_of(image) {
            return Err(Error::ArrayLength {
                values: images.len(),
                shape,
            });
        }
        let mut predictions = Vec::with_capacity(images.len() / image);
        for batch in images.chunks(self.ensemble.batch() * image) {
            let mut input = vec![0.0; batch.len()];
            let pairs = batch.chunks_exact(image).zip(input.chunks_exact_mut(image));
            let prepared: Vec<PredictedImage> = pairs
                .map(|(flux, input)| {
                    let cutout = Cutout::of_image(String::new(), shape, flux, mask_value);
                    PredictedImage::new(cutout, model, input)
                })
                .collect();
            for (mut image, scaled) in prepared.into_iter().zip(self.ensemble.predict(&input)?) {
                image.predicted(&scaled, model);
                predictions.push(image.into_prediction(model));
            }
        }
        Ok(predictions)
    }
}
