//! A folder's images through an ensemble, in order, with flat memory: what `infer`, `evaluate` and `calibrate` share.

use crate::device::Device;
use crate::model::Ensemble;
use crate::model::Model;
use crate::posterior::MemberPredictions;
use crate::posterior::calibration::{Calibration, Forecast};
use crate::survey::sky::Sky;
use crate::survey::{Cutout, Source, SourceOptions, flags, reader};
use anyhow::{Context, Result, anyhow, ensure};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

/// One object and its answer.
pub struct Seen {
    /// In [`Source::objects`].
    pub index: usize,
    pub id: String,
    /// Or why the image cannot be read.
    pub found: Result<Found, String>,
}

/// What is known of an image that could be read.
pub struct Found {
    /// Without its pixels.
    pub cutout: Cutout,
    /// One a band.
    pub sky: Vec<Option<Sky>>,
    /// Each member's mean and variance in the label's unit.
    pub answer: MemberPredictions,
}

/// How images pass through the network.
#[derive(Clone, Copy)]
pub struct Passes {
    /// Images on the device at a time.
    pub batch: usize,
    /// Each image is seen in all its flips and quarter turns.
    pub all_views: bool,
}

impl Seen {
    /// # Errors
    /// An image that could not be read, and an answer that is not finite; each names the object.
    pub fn forecast<'a>(&self, calibration: Option<&'a Calibration>) -> Result<Forecast<'a>> {
        let found = self.found.as_ref().map_err(|error| anyhow!("{error}"))?;
        Forecast::new(&found.answer, calibration).with_context(|| format!("object {}: no answer", self.id))
    }

    /// Why this answer should be looked at before it is trusted; see [`flags`]. Calibration changes none of them.
    pub fn flags(&self, model: &Model) -> i32 {
        let Ok(Found { cutout, sky, answer }) = &self.found else {
            return flags::READ_ERROR;
        };
        let Ok(mixture) = answer.mixture() else {
            return flags::READ_ERROR;
        };
        let (about, theta_e) = (&model.about, mixture.mean());
        let scale = cutout.pixel_scale.or(about.pixel_scale);
        let size = cutout.height.min(cutout.width);
        flags::masked(cutout.masked_fraction)
            | cutout
                .pixel_scale
                .zip(about.pixel_scale)
                .map_or(0, |(header, model)| flags::pixel_scale(header, model))
            | flags::sky(sky, &about.sky)
            | scale.map_or(0, |scale| flags::near_edge(theta_e, size, scale))
            | flags::label_range(theta_e, about.label.range)
            | flags::epistemic(mixture.sigma_epistemic(), mixture.sigma())
            | flags::disagree(&answer.mu, &answer.var)
            | flags::out_of_distribution(answer.ood_score, about.ood.as_ref().map(|threshold| threshold.score))
    }
}

/// Answers for every object of `source`. When `sink` breaks, what is on its way still arrives, and no more is read.
///
/// # Errors
/// A device that fails, and those of `sink`. An image that cannot be read is no error.
pub fn stream(
    model: &Model,
    device: &Device,
    source: &Arc<Source>,
    passes: Passes,
    sink: &mut dyn FnMut(Seen) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let objects = source.len();
    let batch = passes.batch.min(objects);
    let mut predictor = Ensemble::of_members(device, &model.network, &model.members, batch)?;
    if passes.all_views {
        predictor = predictor.in_all_views();
    }
    let (batch, image) = (predictor.batch(), model.network.input_shape().len());
    let label = &model.about.label;
    let mut stream = reader::stream(source.clone(), (0..objects).collect(), 4 * batch);
    // Objects whose answers are on their way; those that cannot be read among them, to keep the order.
    let waiting: RefCell<VecDeque<Vec<Seen>>> = RefCell::default();
    let going = RefCell::new(true);
    let mut next = || {
        if !*going.borrow() {
            return Ok(None);
        }
        let (mut images, mut objects) = (Vec::new(), Vec::new());
        while images.len() < batch * image {
            let Some((index, cutout)) = stream.next() else { break };
            let read = |cutout: Cutout| {
                let start = images.len();
                images.resize(start + image, 0.0);
                model.about.stretch.apply(&cutout, &mut images[start..]);
                Found {
                    sky: Sky::of(&cutout, &model.about.stretch),
                    cutout: cutout.without_pixels(),
                    answer: MemberPredictions::default(),
                }
            };
            objects.push(Seen {
                index,
                id: source.objects[index].id.clone(),
                found: cutout.map(read).map_err(|error| format!("{error:#}")),
            });
        }
        if objects.is_empty() {
            return Ok(None);
        }
        // A batch of which nothing could be read still passes through, to keep the order.
        images.resize(images.len().max(image), 0.0);
        waiting.borrow_mut().push_back(objects);
        Ok(Some(images))
    };
    predictor.stream(&mut next, &mut |answers| {
        let objects = waiting.borrow_mut().pop_front().expect("objects for every batch");
        let mut answers = answers.into_iter();
        for mut object in objects {
            if let Ok(found) = &mut object.found {
                let answer = answers.next().context("an answer for every image")?;
                found.answer = answer.in_units(label.scale, label.shift);
            }
            *going.borrow_mut() &= sink(object)?.is_continue();
        }
        Ok(())
    })
}

/// A folder, opened for this model: bands and crop left out are the model's.
///
/// # Errors
/// Those of [`Source::open`]; images that do not fit the model.
pub fn open(model: &Model, options: &SourceOptions) -> Result<Source> {
    let input = model.network.input_shape();
    ensure!(
        model.network.input.len() == 3,
        "this model takes tables, not images: [{}] features",
        input.c
    );
    let options = SourceOptions {
        bands: options.bands.clone().or_else(|| Some(model.about.bands.clone())),
        crop: (input.h == input.w).then_some(input.h),
        ..options.clone()
    };
    let source = Source::open(&options)?;
    ensure!(
        source.bands.len() == input.c,
        "the model takes {} bands ({}), and these images have {} ({}): name them with --bands",
        input.c,
        model.about.bands.join(", "),
        source.bands.len(),
        source.bands.join(", ")
    );
    ensure!(
        (source.height, source.width) == (input.h, input.w),
        "the model takes images of {} x {} pixels, and these are {} x {}",
        input.w,
        input.h,
        source.width,
        source.height
    );
    Ok(source)
}
