//! The images of a folder through an ensemble, in order and with constant memory for pixels: what `infer`, `evaluate` and
//! `calibrate` share.

use super::predicted::PredictedImage;
use super::{Error, Passes};
use crate::device::Device;
use crate::model::{self, Model};
use crate::posterior::calibration::{Calibration, PredictiveDistribution};
use crate::progress::{Callback, Event, Phase, chain, note, warn};
use crate::survey::{
    self, Audit, Cutout, FolderError, ImageFolder, ImageFolderOptions, ImageParts, Object, Part, flags, reader,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;

/// One object and its predictions.
#[derive(Serialize, Deserialize)]
pub struct StreamedObject {
    /// Its place among the objects that are predicted.
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

/// Hands predictions for every object of `source` to `sink`, in order, and then warns about the images.
/// Those of `known`, which are the first ones, have theirs already. When `progress` asks to stop, the batches in flight
/// are finished.
///
/// # Errors
/// A device that fails, a table of positions that can no longer be read, and those of `sink`. An image that cannot be read
/// is not an error.
pub fn stream<E: From<Error>>(
    model: &Model,
    device: &Device,
    source: &ImageParts,
    passes: Passes,
    known: impl Iterator<Item = StreamedObject>,
    progress: &Callback,
    sink: &mut Sink<E>,
) -> Result<(), E> {
    let total = source.len();
    let batch = passes.batch.min(total);
    let mut ensemble = Passes { batch, ..passes }.ensemble(model, device)?;
    let image = model.network.input_shape().len();
    let mut audit = Audit::new(&source.folder.bands, source.folder.pixel_scale);
    let mut done = 0;
    let mut parts = source.parts();
    let mut part: Option<Part> = None;
    let failed = |error: survey::Error| Error::from(error);
    for object in known {
        let part = loop {
            match part.take().filter(|part| !part.objects.is_empty()) {
                Some(left) => break part.insert(left),
                None => part = Some(parts.next().ok_or(Error::ObjectsGone)?.map_err(failed)?),
            }
        };
        if let Ok(image) = &object.image {
            audit.observe(&image.facts.cutout);
        }
        let at = part.objects.start;
        part.objects.start += 1;
        sink(PredictedObject::new(&part.folder, at, object))?;
        done += 1;
    }
    let ahead = 4 * batch;
    let read = |part: Part| {
        let cutouts = reader::stream(part.folder.clone(), part.objects.collect(), ahead);
        (part.folder, cutouts)
    };
    let mut reading = part.map(read);
    let mut next_cutout = || -> Result<Option<ReadObject>, Error> {
        loop {
            if let Some((folder, cutouts)) = &mut reading
                && let Some((place, cutout)) = cutouts.next()
            {
                let folder = folder.clone();
                return Ok(Some(ReadObject { folder, place, cutout }));
            }
            match parts.next() {
                Some(part) => reading = Some(read(part.map_err(failed)?)),
                None => return Ok(None),
            }
        }
    };
    // Objects whose predictions are in flight; those that cannot be read are among them, which keeps the order.
    let in_flight: RefCell<VecDeque<Vec<InFlight>>> = RefCell::default();
    let stop = Cell::new(false);
    let mut index = done;
    let mut next = || {
        if stop.get() {
            return Ok(None);
        }
        let (mut read, mut readable) = (Vec::new(), 0);
        while readable < batch {
            let Some(object) = next_cutout().map_err(|error| Failure(error.into()))? else {
                break;
            };
            readable += usize::from(object.cutout.is_ok());
            read.push(object);
        }
        let mut input = vec![0.0; readable * image];
        let mut places = input.chunks_exact_mut(image);
        let mut with_place = |ReadObject { folder, place, cutout }: ReadObject| {
            let cutout = cutout.map(|cutout| (cutout, places.next().expect("a place for every readable image")));
            (folder, place, cutout)
        };
        let read: Vec<_> = read.into_iter().map(&mut with_place).collect();
        let first = index;
        let prepare = |(at, (folder, place, cutout)): (usize, (Arc<ImageFolder>, usize, Result<_, survey::Error>))| {
            let prepared = cutout.map(|(cutout, input)| PredictedImage::new(cutout, model, input));
            let image = prepared.map_err(|error| match folder.objects[place].has_image() {
                true => NotPredicted::Unreadable(chain(&error)),
                false => NotPredicted::NoImage,
            });
            let object = StreamedObject {
                index: first + at,
                image,
            };
            InFlight { folder, place, object }
        };
        // Stretch and statistics take longer than reading.
        let objects: Vec<InFlight> = read.into_par_iter().enumerate().map(prepare).collect();
        index += objects.len();
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
        for InFlight {
            folder,
            place,
            mut object,
        } in objects
        {
            if let Ok(image) = &mut object.image {
                image.predicted(&predictions.next().expect("a prediction for every image"), model);
                audit.observe(&image.facts.cutout);
            }
            sink(PredictedObject::new(&folder, place, object)).map_err(Failure)?;
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

/// An object and its predictions.
pub struct PredictedObject<'a> {
    /// The folder that it is in.
    pub folder: &'a ImageFolder,
    /// The object.
    pub object: &'a Object,
    /// Its predictions.
    pub streamed: StreamedObject,
}

impl<'a> PredictedObject<'a> {
    fn new(folder: &'a ImageFolder, place: usize, streamed: StreamedObject) -> PredictedObject<'a> {
        PredictedObject {
            folder,
            object: &folder.objects[place],
            streamed,
        }
    }
}

/// Takes the objects.
pub type Sink<'a, E> = dyn FnMut(PredictedObject) -> Result<(), E> + 'a;

/// An object whose image was read, or cannot be.
struct ReadObject {
    folder: Arc<ImageFolder>,
    /// Its place among the folder's objects.
    place: usize,
    cutout: Result<Cutout, survey::Error>,
}

/// An object whose prediction is not known yet.
struct InFlight {
    folder: Arc<ImageFolder>,
    /// Its place among the folder's objects.
    place: usize,
    object: StreamedObject,
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
    let options = of_model(model, options)?;
    let source = ImageFolder::open(&options)?;
    check(model, &options, &source, progress)?;
    Ok(source)
}

/// The same for images without labels, whose objects are handed over in parts.
///
/// # Errors
/// Those of [`open`].
pub fn open_parts(model: &Model, options: &ImageFolderOptions, progress: &Callback) -> Result<ImageParts, Error> {
    let options = of_model(model, options)?;
    let source = ImageParts::open(&options)?;
    check(model, &options, &source.folder, progress)?;
    Ok(source)
}

fn of_model(model: &Model, options: &ImageFolderOptions) -> Result<ImageFolderOptions, Error> {
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
    Ok(options.map_err(survey::Error::from)?)
}

/// Images must fit the model. Says what the folder has to say.
fn check(model: &Model, options: &ImageFolderOptions, source: &ImageFolder, progress: &Callback) -> Result<(), Error> {
    let input = model.network.input_shape();
    if source.bands.len() != input.c {
        return Err(Error::Bands {
            expected: model.about.bands.clone(),
            found: source.bands.clone(),
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
    Ok(())
}
