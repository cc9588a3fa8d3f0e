//! An inference plan and the members' weights: images in, each member's mean and variance out.

use crate::device::{Device, Engine};
use crate::likelihood::Likelihood;
use crate::model::Member;
use crate::nn::Io;
use crate::nn::NetworkPlan;
use crate::nn::{Layout, Network, Shape};
use crate::plan::{Gather, TensorId};
use crate::posterior::MemberPredictions;
use crate::posterior::ood::Cloud;
use anyhow::Result;
use std::cell::RefCell;
use std::collections::VecDeque;

/// An ensemble that answers.
pub struct Predictor {
    engine: Box<dyn Engine>,
    io: Io,
    batch: usize,
    image: Shape,
    likelihood: Likelihood,
    /// Flips and turns ([`Gather`]) in which every image is seen.
    views: Vec<u32>,
    /// Features of the last hidden layer; `None` where there is no such layer.
    features: Option<usize>,
    /// One a member, or none.
    clouds: Vec<Cloud>,
}

impl Predictor {
    /// An ensemble of `members` without weights yet, which works on `batch` images at a time.
    ///
    /// # Errors
    /// Those of [`Device::engine`].
    pub fn new(device: &Device, network: &Network, members: usize, batch: usize) -> Result<Predictor> {
        let layout = Layout::new(network)?;
        let plan = NetworkPlan::inference(network, &layout, batch)?;
        let engine = device.engine(&plan, members)?;
        let hidden = plan.tensor(plan.io.features);
        let features = (!hidden.shared).then_some(hidden.len / batch);
        Ok(Predictor {
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

    /// The members of a model file. Answers have a score where each member has a cloud.
    ///
    /// # Errors
    /// Those of [`Device::engine`].
    pub fn of_members(device: &Device, network: &Network, members: &[Member], batch: usize) -> Result<Predictor> {
        let mut predictor = Predictor::new(device, network, members.len(), batch)?;
        let rows = |part: fn(&Member) -> &Vec<f32>| members.iter().flat_map(part).copied().collect::<Vec<f32>>();
        predictor.set_weights(&rows(|m| &m.params), &rows(|m| &m.stats))?;
        let clouds: Option<Vec<Cloud>> = members.iter().map(|member| member.cloud.clone()).collect();
        predictor.clouds = clouds.unwrap_or_default();
        Ok(predictor)
    }

    /// Where images lie, (N, image), among each member's features of the last hidden layer; `None` where the network has
    /// no such layer.
    ///
    /// # Errors
    /// Those of [`Cloud::fit`], and those of the device.
    pub fn clouds(&mut self, images: &[f32]) -> Result<Option<Vec<Cloud>>> {
        let Some(size) = self.features else { return Ok(None) };
        let mut rows = vec![Vec::new(); self.engine.members()];
        let batch = self.batch;
        let mut batches = images.chunks(batch * self.image.len());
        let next = &mut || Ok(batches.next().map(<[f32]>::to_vec));
        self.replay(next, &[self.io.features], &mut |words, count| {
            let all = words.chunks_exact(batch * size);
            rows.iter_mut()
                .zip(all)
                .for_each(|(rows, member)| rows.extend_from_slice(&member[..count * size]));
            Ok(())
        })?;
        rows.iter()
            .map(|rows| Ok(Cloud::fit(rows, size)?))
            .collect::<Result<_>>()
            .map(Some)
    }

    /// Every image is seen in all flips and quarter turns (flips alone where it is not square), and a member's mean and
    /// variance are the averages over them.
    pub fn in_all_views(mut self) -> Predictor {
        self.views = (0..if self.image.h == self.image.w { 8 } else { 4 }).collect();
        self
    }

    /// Rows of all members, as [`Layout`] has them.
    pub fn set_weights(&mut self, params: &[f32], stats: &[f32]) -> Result<()> {
        self.engine.write(self.io.params, bytemuck::cast_slice(params))?;
        self.engine.write(self.io.stats, bytemuck::cast_slice(stats))?;
        Ok(())
    }

    /// Images of a batch.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Answers for images that lie in memory, (N, image).
    pub fn predict(&mut self, images: &[f32]) -> Result<Vec<MemberPredictions>> {
        let mut batches = images.chunks(self.batch * self.image.len());
        let mut answers = Vec::with_capacity(images.len() / self.image.len());
        self.stream(&mut || Ok(batches.next().map(<[f32]>::to_vec)), &mut |batch| {
            answers.extend(batch);
            Ok(())
        })?;
        Ok(answers)
    }

    /// Answers for batches of at most [`Predictor::batch`] images as they come.
    pub fn stream(
        &mut self,
        next: &mut dyn FnMut() -> Result<Option<Vec<f32>>>,
        sink: &mut dyn FnMut(Vec<MemberPredictions>) -> Result<()>,
    ) -> Result<()> {
        let (batch, members) = (self.batch, self.engine.members());
        let (image, likelihood) = (self.image, self.likelihood);
        let (views, clouds) = (self.views.clone(), std::mem::take(&mut self.clouds));
        let outputs = [self.io.prediction, self.io.features];
        let outputs = if clouds.is_empty() { &outputs[..1] } else { &outputs };
        let (mut images, mut view) = (Vec::new(), views.len());
        let (mut sums, mut seen) = (Vec::new(), 0);
        let mut next_view = || {
            if view == views.len() {
                let Some(batch) = next()? else { return Ok(None) };
                (images, view) = (batch, 0);
            }
            view += 1;
            Ok(Some(turn(&images, image, views[view - 1])))
        };
        let share = 1.0 / views.len() as f64;
        let result = self.replay(&mut next_view, outputs, &mut |values, count| {
            let (heads, features) = values.split_at(2 * members * batch);
            let head = |row: usize, head: usize| {
                let value = |member: usize| share * f64::from(heads[2 * (member * batch + row) + head]);
                (0..members).map(value).collect()
            };
            let score = |row: usize| {
                let distance = |(member, cloud): (usize, &Cloud)| {
                    let size = cloud.mean.len();
                    cloud.distance(&features[(member * batch + row) * size..][..size])
                };
                let sum: f64 = clouds.iter().enumerate().map(distance).sum();
                (!clouds.is_empty()).then_some(share * sum / members as f64)
            };
            let answers = (0..count).map(|row| MemberPredictions {
                likelihood,
                mu: head(row, 0),
                var: head(row, 1),
                ood_score: score(row),
            });
            match seen {
                0 => sums = answers.collect(),
                _ => sums.iter_mut().zip(answers).for_each(|(sum, answer)| sum.add(&answer)),
            }
            seen += 1;
            if seen < views.len() {
                return Ok(());
            }
            seen = 0;
            sink(std::mem::take(&mut sums))
        });
        self.clouds = clouds;
        result
    }

    /// What stands in `outputs`, one after another, for each batch, and how many of its images there are: a batch that
    /// is not full is padded with zeros, which changes nothing for the others.
    fn replay(
        &mut self,
        next: &mut dyn FnMut() -> Result<Option<Vec<f32>>>,
        outputs: &[TensorId],
        sink: &mut dyn FnMut(&[f32], usize) -> Result<()>,
    ) -> Result<()> {
        let (image, batch) = (self.image.len(), self.batch);
        let counts = RefCell::new(VecDeque::new());
        self.engine.stream(
            self.io.x,
            outputs,
            &mut || {
                let Some(mut images) = next()? else { return Ok(None) };
                counts.borrow_mut().push_back(images.len() / image);
                images.resize(batch * image, 0.0);
                Ok(Some(bytemuck::cast_vec(images)))
            },
            &mut |words| {
                let count = counts.borrow_mut().pop_front().expect("a batch for every answer");
                sink(bytemuck::cast_slice(words), count)
            },
        )
    }
}

/// Images (N,H,W,C) as code `code` of [`Gather`] has them.
fn turn(images: &[f32], Shape { h, w, c, .. }: Shape, code: u32) -> Vec<f32> {
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
