//! The members of an ensemble on a device: network input in, each member's mean and variance out.

use super::{Error, Member};
use crate::device::{self, Device, Engine};
use crate::likelihood::Likelihood;
use crate::nn::{Io, Layout, Network, NetworkPlan, Shape};
use crate::plan::{Gather, TensorId};
use crate::posterior::MemberPredictions;
use crate::posterior::ood::Cloud;
use std::cell::RefCell;
use std::collections::VecDeque;

/// Most features whose distribution is fitted: their covariance has the square of this many values per member.
const MOST_FEATURES: usize = 2048;

/// An ensemble on a device. It takes images as the network does, stretched, in batches of a fixed size.
pub struct Ensemble {
    engine: Box<dyn Engine>,
    io: Io,
    batch: usize,
    image: Shape,
    likelihood: Likelihood,
    /// Orientations (codes of [`Gather`]) over which predictions are averaged.
    views: Vec<u32>,
    /// Features of the last hidden layer; `None` if there is no such layer.
    features: Option<usize>,
    /// One per member, or none.
    clouds: Vec<Cloud>,
}

impl Ensemble {
    /// An ensemble of `members` members without weights, which processes `batch` images at a time.
    ///
    /// # Errors
    /// Those of [`Device::engine`].
    pub fn new(device: &Device, network: &Network, members: usize, batch: usize) -> Result<Ensemble, Error> {
        let layout = Layout::new(network)?;
        let plan = NetworkPlan::inference(network, &layout, batch)?;
        let engine = device.engine(&plan, members)?;
        let hidden = plan.tensor(plan.io.features);
        let features = (!hidden.shared).then_some(hidden.len / batch);
        Ok(Ensemble {
            engine,
            io: plan.io,
            batch,
            image: network.input_shape(),
            likelihood: network.heads().likelihood,
            views: vec![0],
            features,
            clouds: vec![],
        })
    }

    /// An ensemble with the weights of these members. Predictions have the distance of their features if every member has
    /// a feature distribution.
    ///
    /// # Errors
    /// Those of [`Device::engine`].
    pub fn of_members(device: &Device, network: &Network, members: &[Member], batch: usize) -> Result<Ensemble, Error> {
        let mut ensemble = Ensemble::new(device, network, members.len(), batch)?;
        let rows = |part: fn(&Member) -> &Vec<f32>| members.iter().flat_map(part).copied().collect::<Vec<f32>>();
        ensemble.set_weights(&rows(|m| &m.params), &rows(|m| &m.stats))?;
        let clouds: Option<Vec<Cloud>> = members.iter().map(|member| member.cloud.clone()).collect();
        ensemble.clouds = clouds.unwrap_or_default();
        Ok(ensemble)
    }

    /// Averages each member's mean, variance and probability of a lens over all flips and quarter turns of an image, or
    /// over the flips alone if it is not square.
    pub fn in_all_views(mut self) -> Ensemble {
        self.views = (0..if self.image.h == self.image.w { 8 } else { 4 }).collect();
        self
    }

    /// Sets the weights: rows of all members, as [`Layout`] arranges them.
    ///
    /// # Errors
    /// The device was lost.
    pub fn set_weights(&mut self, params: &[f32], stats: &[f32]) -> Result<(), Error> {
        self.engine.write(self.io.params, bytemuck::cast_slice(params))?;
        self.engine.write(self.io.stats, bytemuck::cast_slice(stats))?;
        Ok(())
    }

    /// Images per batch.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Fits the distribution of images (N, image) in each member's features of the last hidden layer; `None` if the
    /// network has no such layer, or one with so many features that their covariance would take gigabytes.
    ///
    /// # Errors
    /// Those of [`Cloud::fit`], and those of the device.
    pub fn clouds(&mut self, images: &[f32]) -> Result<Option<Vec<Cloud>>, Error> {
        let Some(size) = self.features.filter(|size| *size <= MOST_FEATURES) else {
            return Ok(None);
        };
        let mut rows = vec![Vec::new(); self.engine.members()];
        let batch = self.batch;
        let mut batches = images.chunks(batch * self.image.len());
        let next = &mut || Ok(batches.next().map(<[f32]>::to_vec));
        self.replay(next, &[self.io.features], &mut |words, count| {
            for (rows, member) in rows.iter_mut().zip(words.chunks_exact(batch * size)) {
                rows.extend_from_slice(&member[..count * size]);
            }
            Ok::<_, Error>(())
        })?;
        let clouds = rows.iter().map(|rows| Ok(Cloud::fit(rows, size, 0.0)?));
        clouds.collect::<Result<_, Error>>().map(Some)
    }

    /// Predictions, in scaled labels, for images in memory, (N, image).
    ///
    /// # Errors
    /// The device was lost.
    pub fn predict(&mut self, images: &[f32]) -> Result<Vec<MemberPredictions>, Error> {
        let mut batches = images.chunks(self.batch * self.image.len());
        let mut predictions = Vec::with_capacity(images.len() / self.image.len());
        self.stream(&mut || Ok(batches.next().map(<[f32]>::to_vec)), &mut |batch| {
            predictions.extend(batch);
            Ok::<_, Error>(())
        })?;
        Ok(predictions)
    }

    /// Predictions, in scaled labels, for batches of at most [`Ensemble::batch`] images, in order. `next` returns `None`
    /// after the last one.
    ///
    /// # Errors
    /// The device was lost, and those of `next` and `sink`.
    pub fn stream<E: From<Error>>(
        &mut self,
        next: &mut dyn FnMut() -> Result<Option<Vec<f32>>, E>,
        sink: &mut dyn FnMut(Vec<MemberPredictions>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (batch, members) = (self.batch, self.engine.members());
        let (image, likelihood) = (self.image, self.likelihood);
        let (views, clouds) = (self.views.clone(), std::mem::take(&mut self.clouds));
        let features = (!clouds.is_empty()).then_some(self.io.features);
        let outputs = [Some(self.io.prediction), self.io.lens, features];
        let outputs: Vec<TensorId> = outputs.into_iter().flatten().collect();
        let logits = if self.io.lens.is_some() { members * batch } else { 0 };
        let (mut images, mut view) = (Vec::new(), views.len());
        let mut next_view = || {
            if view == views.len() {
                let Some(batch) = next()? else { return Ok(None) };
                (images, view) = (batch, 0);
            }
            view += 1;
            Ok(Some(oriented(&images, image, views[view - 1])))
        };
        let fraction = 1.0 / views.len() as f64;
        let (mut sums, mut views_added) = (Vec::new(), 0);
        let result = self.replay(&mut next_view, &outputs, &mut |values, count| {
            let (heads, values) = values.split_at(2 * members * batch);
            let (logits, features) = values.split_at(logits);
            let head = |row: usize, head: usize| {
                let value = |member: usize| fraction * f64::from(heads[2 * (member * batch + row) + head]);
                (0..members).map(value).collect()
            };
            let probabilities = |row: usize| {
                let of_row = logits.iter().skip(row).step_by(batch);
                of_row.map(|logit| fraction * sigmoid(f64::from(*logit))).collect()
            };
            let distances = |row: usize| {
                let of_member = |(member, cloud): (usize, &Cloud)| {
                    let size = cloud.mean.len();
                    fraction * cloud.distance(&features[(member * batch + row) * size..][..size])
                };
                clouds.iter().enumerate().map(of_member).collect()
            };
            let predictions = (0..count).map(|row| MemberPredictions {
                likelihood,
                mu: head(row, 0),
                var: head(row, 1),
                lens: probabilities(row),
                feature_distances: distances(row),
                lowest: f64::NEG_INFINITY,
            });
            match views_added {
                0 => sums = predictions.collect(),
                _ => sums.iter_mut().zip(predictions).for_each(|(sum, view)| sum.add(&view)),
            }
            views_added += 1;
            if views_added < views.len() {
                return Ok(());
            }
            views_added = 0;
            sink(std::mem::take(&mut sums))
        });
        self.clouds = clouds;
        result
    }

    /// Hands `sink` the values of `outputs`, one after another, for each batch, and the number of its images. A batch that
    /// is not full is padded with zeros, which does not affect the other images.
    fn replay<E: From<Error>>(
        &mut self,
        next: &mut dyn FnMut() -> Result<Option<Vec<f32>>, E>,
        outputs: &[TensorId],
        sink: &mut impl FnMut(&[f32], usize) -> Result<(), E>,
    ) -> Result<(), E> {
        let (image, batch) = (self.image.len(), self.batch);
        let counts = RefCell::new(VecDeque::new());
        let result = self.engine.stream(
            self.io.x,
            outputs,
            &mut || {
                let Some(mut images) = next().map_err(Failure)? else {
                    return Ok(None);
                };
                counts.borrow_mut().push_back(images.len() / image);
                images.resize(batch * image, 0.0);
                Ok(Some(bytemuck::cast_vec(images)))
            },
            &mut |words| {
                let count = counts.borrow_mut().pop_front().expect("one count per batch");
                sink(bytemuck::cast_slice(words), count).map_err(Failure)
            },
        );
        result.map_err(|Failure(error)| error)
    }
}

/// The caller's error, which the device's errors become part of as errors of the model.
struct Failure<E>(E);

impl<E: From<Error>> From<device::Error> for Failure<E> {
    fn from(error: device::Error) -> Failure<E> {
        Failure(Error::Device(error).into())
    }
}

/// 1 / (1 + exp(-z)).
fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// Images (N,H,W,C) in the orientation `code` of [`Gather`].
fn oriented(images: &[f32], Shape { h, w, c, .. }: Shape, code: u32) -> Vec<f32> {
    if code == 0 {
        return images.to_vec();
    }
    let mut turned = Vec::with_capacity(images.len());
    for image in images.chunks_exact(h * w * c) {
        for pixel in (0..h).flat_map(|i| (0..w).map(move |j| (i, j))) {
            let (i, j) = Gather::source(code, pixel, (h, w));
            turned.extend_from_slice(&image[(i * w + j) * c..][..c]);
        }
    }
    turned
}
