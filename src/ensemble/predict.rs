//! An inference plan and the members' weights: images in, each member's mean and variance out.

use crate::device::{Device, Engine};
use crate::net::{Layout, Member, Network};
use crate::plan::{Io, Plan};
use anyhow::Result;

/// An ensemble that answers.
pub struct Predictor {
    engine: Box<dyn Engine>,
    io: Io,
    batch: usize,
    /// Values of an image.
    image: usize,
}

/// Each member's answer for one image, in scaled labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    pub mu: Vec<f64>,
    pub var: Vec<f64>,
}

impl Answer {
    /// In the label's unit: value = scale x output + shift.
    pub fn in_units(&self, scale: f64, shift: f64) -> Answer {
        Answer {
            mu: self.mu.iter().map(|mu| scale * mu + shift).collect(),
            var: self.var.iter().map(|var| scale * scale * var).collect(),
        }
    }
}

impl Predictor {
    /// An ensemble of `members` without weights yet, which works on `batch` images at a time.
    ///
    /// # Errors
    /// Those of [`Device::engine`].
    pub fn new(device: &Device, network: &Network, members: usize, batch: usize) -> Result<Predictor> {
        let layout = Layout::new(network)?;
        let plan = Plan::inference(network, &layout, batch)?;
        let engine = device.engine(&plan, members)?;
        Ok(Predictor {
            engine,
            io: plan.io,
            batch,
            image: network.input_shape().len(),
        })
    }

    /// The members of a model file.
    ///
    /// # Errors
    /// Those of [`Device::engine`].
    pub fn of_members(device: &Device, network: &Network, members: &[Member], batch: usize) -> Result<Predictor> {
        let mut predictor = Predictor::new(device, network, members.len(), batch)?;
        let rows = |part: fn(&Member) -> &Vec<f32>| members.iter().flat_map(part).copied().collect::<Vec<f32>>();
        predictor.set_weights(&rows(|m| &m.params), &rows(|m| &m.stats))?;
        Ok(predictor)
    }

    /// Rows of all members, as [`Layout`] has them.
    pub fn set_weights(&mut self, params: &[f32], stats: &[f32]) -> Result<()> {
        self.engine.write(self.io.params, bytemuck::cast_slice(params))?;
        self.engine.write(self.io.stats, bytemuck::cast_slice(stats))
    }

    /// Images of a batch.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Answers for images that lie in memory, (N, image).
    pub fn predict(&mut self, images: &[f32]) -> Result<Vec<Answer>> {
        let mut batches = images.chunks(self.batch * self.image);
        let mut answers = Vec::with_capacity(images.len() / self.image);
        self.stream(&mut || Ok(batches.next().map(<[f32]>::to_vec)), &mut |batch| {
            answers.extend(batch);
            Ok(())
        })?;
        Ok(answers)
    }

    /// Answers for batches of at most [`Predictor::batch`] images as they come; a batch that is not full is padded with
    /// zeros, which changes nothing for the others.
    pub fn stream(
        &mut self,
        next: &mut dyn FnMut() -> Result<Option<Vec<f32>>>,
        sink: &mut dyn FnMut(Vec<Answer>) -> Result<()>,
    ) -> Result<()> {
        let (image, batch, members) = (self.image, self.batch, self.engine.members());
        let counts = std::cell::RefCell::new(std::collections::VecDeque::new());
        self.engine.stream(
            self.io.x,
            &[self.io.prediction],
            &mut || {
                let Some(mut images) = next()? else { return Ok(None) };
                counts.borrow_mut().push_back(images.len() / image);
                images.resize(batch * image, 0.0);
                Ok(Some(bytemuck::cast_vec(images)))
            },
            &mut |words| {
                let outputs: &[f32] = bytemuck::cast_slice(words);
                let count = counts.borrow_mut().pop_front().expect("a batch for every answer");
                let head = |row: usize, head: usize| {
                    let value = |member: usize| f64::from(outputs[2 * (member * batch + row) + head]);
                    (0..members).map(value).collect()
                };
                sink(
                    (0..count)
                        .map(|row| Answer {
                            mu: head(row, 0),
                            var: head(row, 1),
                        })
                        .collect(),
                )
            },
        )
    }
}
