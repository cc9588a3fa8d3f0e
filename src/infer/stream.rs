//! The images of a folder through an ensemble, in order and with constant memory for pixels: what `infer`, `evaluate` and
//! `calibrate` share.

use super::predicted::PredictedImage;
use super::{Error, Passes};
use crate::device::Device;
use crate::model::{self, Model};
use crate::posterior::calibration::{Calibration, PredictiveDistribution};
use crate::progress::{Callback, Event, Phase, chain, note, warn};
use crate::survey::{self, Audit, FolderError, ImageFolder, ImageFolderOptions, flags, reader};
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;

/// One object and its predictions.
#[derive(Serialize, Deserialize)]
pub struct StreamedObject {
    /// Index in [`ImageFolder::objects`].
    pub index: usize,
    /// Its predictions, or why there are none.
    pub image: Result<PredictedImage, NotPredicted>,
}

/// Why an object did not go through the network.
#[derive(Debug, Serialize, Deserialize)]
pub enum NotPredicted {
    /// It has a row in the catalogue and no image.
    NoImage,
    /// Its image cannot be read, because of this.
    Unreadable(String),
}

impl StreamedObject {
    /// The distribution that the ensemble predicts.
    ///
    /// # Errors
    /// No image, or one that could not be read; predictions that are not finite.
    pub fn forecast<'a>(&self, calibration: Option<&'a Calibration>) -> Result<PredictiveDistribution<'a>, Error> {
        match &self.image {
            Ok(image) => image.forecast(calibration),
            Err(NotPredicted::NoImage) => Err(Error::NoImage),
            Err(NotPredicted::Unreadable(error)) => Err(Error::Unreadable(error.clone())),
        }
    }

    /// Why the prediction may be wrong, see [`flags`] and [`PredictedImage::flags`].
    pub fn flags(&self, model: &Model, interval: [f64; 2]) -> i32 {
        match &self.image {
            Ok(image) => image.flags(model, interval),
            Err(NotPredicted::NoImage) => flags::NO_IMAGE,
            Err(NotPredicted::Unreadable(_)) => flags::READ_ERROR,
        }
    }
}

/// Hands predictions for every object of `source` to `sink`, in order, and then warns about the images. The objects of
/// `known`, which are the first ones, have theirs already. When `progress` asks to stop, the batches in flight are
/// finished.
///
/// # Errors
/// A device that fails, and those of `sink`. An image that cannot be read is not an error.
pub fn stream<E: From<Error>>(
    model: &Model,
    device: &Device,
    source: &Arc<ImageFolder>,
    passes: Passes,
    known: impl Iterator<Item = StreamedObject>,
    progress: &Callback,
    sink: &mut dyn FnMut(StreamedObject) -> Result<(), E>,
) -> Result<(), E> {
    let total = source.len();
    let batch = passes.batch.min(total);
    let mut ensemble = Passes { batch, ..passes }.ensemble(model, device)?;
    let image = model.network.input_shape().len();
    let (mut done, mut audit) = (0, Audit::new(&source.bands, source.pixel_scale));
    for object in known {
        if let Ok(image) = &object.image {
            audit.observe(&image.facts.cutout);
        }
        sink(object)?;
        done += 1;
    }
    let mut cutouts = reader::stream(source.clone(), (done..total).collect(), 4 * batch);
    // Objects whose predictions are in flight; those that cannot be read are among them, which keeps the order.
    let in_flight: RefCell<VecDeque<Vec<StreamedObject>>> = RefCell::default();
    let stop = Cell::new(false);
    let mut next = || {
        if stop.get() {
            return Ok(None);
        }
        let (mut input, mut objects) = (Vec::new(), Vec::new());
        while input.len() < batch * image {
            let Some((index, cutout)) = cutouts.next() else { break };
            let prepared = cutout.map(|cutout| {
                let start = input.len();
                input.resize(start + image, 0.0);
                PredictedImage::new(cutout, model, &mut input[start..])
            });
            let image = prepared.map_err(|error| match source.objects[index].has_image() {
                true => NotPredicted::Unreadable(chain(&error)),
                false => NotPredicted::NoImage,
            });
            objects.push(StreamedObject { index, image });
        }
        if objects.is_empty() {
            return Ok(None);
        }
        // A batch without any readable image passes through as well, to keep the order.
        input.resize(input.len().max(image), 0.0);
        in_flight.borrow_mut().push_back(objects);
        Ok(Some(input))
    };
    let result = ensemble.stream(&mut next, &mut |predictions| {
        let objects = in_flight.borrow_mut().pop_front().expect("objects of every batch");
        let mut predictions = predictions.into_iter();
        for mut object in objects {
            if let Ok(image) = &mut object.image {
                image.predicted(&predictions.next().expect("a prediction for every image"), model);
                audit.observe(&image.facts.cutout);
            }
            sink(object).map_err(Failure)?;
            done += 1;
            let phase = Phase::Predicting;
            if progress(Event::Advanced { phase, done, total }).is_break() {
                stop.set(true);
            }
        }
        Ok(())
    });
    result.map_err(|Failure(error)| error)?;
    audit.warnings().iter().for_each(|message| warn(progress, message));
    Ok(())
}

/// The caller's error, which the ensemble's errors become part of as errors of inference.
struct Failure<E>(E);

impl<E: From<Error>> From<model::Error> for Failure<E> {
    fn from(error: model::Error) -> Failure<E> {
        Failure(Error::Model(error).into())
    }
}

/// Opens a folder for this model: bands that are not given and the crop are the model's. Reports which rows of the
/// catalogue are used, and warnings.
///
/// # Errors
/// Those of [`ImageFolder::open`]; images that do not fit the model.
pub fn open(model: &Model, options: &ImageFolderOptions, progress: &Callback) -> Result<ImageFolder, Error> {
    let input = model.network.input_shape();
    let is_folder = options.dir.is_dir();
    if is_folder && !model.network.takes_images() {
        let features = model.about.bands.clone();
        return Err(Error::TakesTables { features });
    }
    if !is_folder && options.dir.exists() && model.network.takes_images() {
        return Err(Error::TakesImages {
            path: options.dir.clone(),
            size: (input.w, input.h),
            bands: model.about.bands.clone(),
        });
    }
    let options = model.image_folder(options).map_err(FolderError::Bands);
    let options = options.map_err(survey::Error::from)?;
    let source = ImageFolder::open(&options)?;
    if source.bands.len() != input.c {
        return Err(Error::Bands {
            expected: model.about.bands.clone(),
            found: source.bands,
        });
    }
    let (expected, found) = ((input.w, input.h), (source.width, source.height));
    if expected != found {
        return Err(Error::Size { expected, found });
    }
    source.notes.iter().for_each(|message| note(progress, message));
    source.warnings.iter().for_each(|message| warn(progress, message));
    // The user has converted the fluxes if there is a factor.
    if options.flux_scale == 1.0
        && let Some(message) = source.photometry.difference(&model.about.photometry, &source.bands)
    {
        warn(progress, &message);
    }
    Ok(source)
}
