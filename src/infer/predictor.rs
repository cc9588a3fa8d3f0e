//! Predictions for images in memory.

use super::predicted::{ImagePrediction, PredictedImage};
use super::{Error, Passes};
use crate::device::Device;
use crate::model::{Ensemble, Model};
use crate::posterior::MemberPredictions;
use crate::progress::{Callback, Event, Phase, ignore_events};
use crate::survey::Cutout;
use rayon::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

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
        self.predict_reporting(images, &ignore_events)
    }

    /// The same, with the number of finished images reported after each batch.
    ///
    /// # Errors
    /// Those of [`Predictor::predict`]; [`Error::Stopped`] if `progress` breaks.
    pub fn predict_reporting(&mut self, images: &[f32], progress: &Callback) -> Result<Vec<ImagePrediction>, Error> {
        let (shape, model) = (self.shape(), &self.model);
        let mask_value = model.about.mask_value();
        let image: usize = shape.iter().product();
        if !images.len().is_multiple_of(image) {
            return Err(Error::ArrayLength {
                values: images.len(),
                shape,
            });
        }
        let total = images.len() / image;
        let mut predictions = Vec::with_capacity(total);
        let mut batches = images.chunks(self.ensemble.batch() * image);
        let (in_flight, stop) = (RefCell::new(VecDeque::new()), Cell::new(false));
        let mut next = || {
            let Some(batch) = batches.next().filter(|_| !stop.get()) else {
                return Ok(None);
            };
            let mut input = vec![0.0; batch.len()];
            let pairs = batch.par_chunks_exact(image).zip(input.par_chunks_exact_mut(image));
            let prepare = |(flux, input): (&[f32], &mut [f32])| {
                let cutout = Cutout::of_image(String::new(), shape, flux, mask_value);
                PredictedImage::new(cutout, model, input)
            };
            let prepared: Vec<PredictedImage> = pairs.map(prepare).collect();
            in_flight.borrow_mut().push_back(prepared);
            Ok(Some(input))
        };
        self.ensemble.stream(&mut next, &mut |scaled| {
            let prepared = in_flight.borrow_mut().pop_front().expect("images of every batch");
            let finish = |(mut image, scaled): (PredictedImage, MemberPredictions)| {
                image.predicted(&scaled, model);
                image.into_prediction(model)
            };
            predictions.par_extend(prepared.into_par_iter().zip(scaled).map(finish));
            let (phase, done) = (Phase::Predicting, predictions.len());
            stop.set(stop.get() || progress(Event::Advanced { phase, done, total }).is_break());
            Ok::<(), Error>(())
        })?;
        match predictions.len() {
            done if done < total => Err(Error::Stopped { done, total }),
            _ => Ok(predictions),
        }
    }
}
