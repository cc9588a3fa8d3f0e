//! The training of an ensemble, epoch by epoch: start reading here.
//!
//! An epoch is a sequence of shards (one if the device holds all images at once). For each shard the host fills the
//! plan's tables of mini-batches and learning rates, and replays the plan once per step. Nothing waits for the host
//! within a shard.

use super::bands;
use super::batches::{member_batches, member_key, shards};
use super::checkpoint::TrainingState;
use super::dataset::{Dataset, EpochImages, scaled_label};
use super::error::Error;
use super::initial::InitialWeight;
use super::options::TrainOptions;
use super::schedule::warmed;
use crate::device::{Device, Engine};
use crate::model::{Ensemble, Member};
use crate::nn::{Capacity, Layout, Network, NetworkPlan, TrainIo, Training, initialise};
use crate::plan::{NO_LABEL, TensorId, log, schedule, state};
use std::ops::ControlFlow;
use std::time::Instant;

/// Images of a validation batch.
const VALIDATION_BATCH: usize = 64;

/// An ensemble in training.
pub struct Trainer {
    pub(super) options: TrainOptions,
    pub(super) data: Dataset,
    pub(super) network: Network,
    pub(super) layout: Layout,
    pub(super) engine: Box<dyn Engine>,
    pub(super) params: TensorId,
    pub(super) stats: TensorId,
    pub(super) io: TrainIo,
    pub(super) ensemble: Ensemble,
    batch: usize,
    /// Shards of an epoch.
    shards: usize,
    /// The rows whose images and labels are on the device.
    loaded: Option<Vec<usize>>,
    epoch_images: Option<EpochImages>,
    /// The epoch that the images of `data.train` are for, if every epoch has its own.
    images_of: Option<usize>,
    pub(super) state: TrainingState,
    pub(super) best_params: Vec<f32>,
    pub(super) best_stats: Vec<f32>,
}

/// How a call of [`Trainer::epoch`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochEnd {
    /// The epoch is complete.
    Complete,
    /// `watch` asked to stop; the steps in flight were finished, and the epoch can be continued.
    Interrupted,
}

impl Trainer {
    /// An ensemble before its first step. `largest_pool` limits the images that the device holds at once, for tests.
    ///
    /// # Errors
    /// Options out of range, too few rows, too little memory on the device.
    ///
    /// # Panics
    /// The options need bands, and the dataset does not have one per channel.
    pub fn new(
        device: &Device,
        network: &Network,
        data: Dataset,
        options: &TrainOptions,
        largest_pool: Option<usize>,
    ) -> Result<Trainer, Error> {
        options.check()?;
        options.check_images(network)?;
        assert!(
            !options.needs_bands() || data.bands.len() == network.input_shape().c,
            "adversarial training, shifts and noise need a band per channel"
        );
        let layout = Layout::new(network)?;
        let rows = data.train.labels.len();
        if rows < 2 {
            return Err(Error::TooFewRows { rows });
        }
        let batch = options.batch.min(rows);
        let image = network.input_shape().len();
        let fits = (device.largest_binding() / (4 * image as u64)).min(1 << 28) as usize;
        let pool = largest_pool.unwrap_or(usize::MAX).min(fits);
        if pool < batch {
            return Err(Error::BatchTooLarge { images: pool, batch });
        }
        let shards = rows.div_ceil(pool);
        let largest = rows.div_ceil(shards);
        let capacity = Capacity {
            pool: largest,
            steps: largest / batch,
        };
        let plan = NetworkPlan::training(network, &layout, &training(options, batch, capacity))?;
        let io = plan.io.train.expect("a training plan");
        let members = options.members.len();
        let validation = data.validation.labels.len().clamp(1, VALIDATION_BATCH);
        let mut trainer = Trainer {
            engine: device.engine(&plan, members)?,
            ensemble: Ensemble::new(device, network, members, validation)?,
            params: plan.io.params,
            stats: plan.io.stats,
            state: TrainingState::new(members, data.fingerprint),
            options: options.clone(),
            network: network.clone(),
            best_params: vec![0.0; members * layout.param_stride],
            best_stats: vec![0.0; members * layout.stat_stride],
            io,
            batch,
            shards,
            loaded: None,
            epoch_images: None,
            images_of: None,
            data,
            layout,
        };
        trainer.initialise()?;
        Ok(trainer)
    }

    /// Writes random weights and initial counters.
    fn initialise(&mut self) -> Result<(), Error> {
        let (mut params, mut stats, mut counters) = (vec![], vec![], vec![]);
        for &member in &self.options.members {
            let (p, s) = initialise(&self.network, &self.layout, self.options.seed, member);
            params.extend(p);
            stats.extend(s);
            let mut words = [0; state::WORDS];
            words[state::RATE_FACTOR] = 1f32.to_bits();
            counters.extend(words);
        }
        self.write_weights(&params, &stats)?;
        if let Some(bands) = self.io.bands {
            self.engine
                .write(bands, &bands::words(&self.data.bands, &self.options))?;
        }
        self.engine.write(self.io.state, &counters)?;
        Ok(())
    }

    /// Writes weights and running statistics of all members, also as the last good ones.
    fn write_weights(&mut self, params: &[f32], stats: &[f32]) -> Result<(), Error> {
        let (p, s) = (self.layout.param_stride, self.layout.stat_stride);
        let rows = params.chunks_exact(p).zip(stats.chunks_exact(s));
        let good: Vec<f32> = rows.flat_map(|(params, stats)| [params, stats].concat()).collect();
        self.engine.write(self.params, bytemuck::cast_slice(params))?;
        self.engine.write(self.stats, bytemuck::cast_slice(stats))?;
        self.engine.write(self.io.good, bytemuck::cast_slice(&good))?;
        Ok(())
    }

    /// Starts from the weights and running statistics of these members, in fine-tuning. A lens head that they do not
    /// have starts from random weights. The statistics adapt to the new images as the weights do. Initialising them
    /// again was tried: estimated on a few dozen images alone, they made predictions for bright lenses diverge (RMSE
    /// 10" after 25 lenses).
    ///
    /// # Errors
    /// A member of this training that is not among them, or another network.
    pub fn start_from(&mut self, network: &Network, members: &[Member]) -> Result<(), Error> {
        let range = self.network.heads().mean_range;
        let body = |network: &Network| network.clone().with_mean_range(range).without_lens_head();
        if body(network) != body(&self.network) {
            return Err(Error::OtherNetwork {
                network: network.to_json(),
            });
        }
        let given = Layout::new(network)?;
        let (mut params, mut stats) = (Vec::new(), Vec::new());
        for &number in &self.options.members {
            let member = members.iter().find(|member| member.number == number);
            let member = member.ok_or(Error::NoSuchMember { member: number })?;
            let (mut row, _) = initialise(&self.network, &self.layout, self.options.seed, number);
            for to in &self.layout.params {
                if let Some(from) = given.params.iter().find(|from| from.name == to.name) {
                    row[to.offset..][..to.len()].copy_from_slice(&member.params[from.offset..][..from.len()]);
                }
            }
            params.extend(row);
            stats.extend_from_slice(&member.stats);
        }
        self.state.initial.fill(InitialWeight::NONE);
        self.write_weights(&params, &stats)
    }

    /// Takes the training images of each epoch from `images` instead of the dataset.
    pub fn renew_images(&mut self, images: EpochImages) {
        self.epoch_images = Some(images);
    }

    fn load_epoch(&mut self, epoch: usize) -> Result<(), Error> {
        if let Some(images) = self.epoch_images.as_mut().filter(|_| self.images_of != Some(epoch)) {
            let rows = self.data.train.labels.len();
            self.data.train = images(epoch)?;
            assert_eq!(
                self.data.train.labels.len(),
                rows,
                "every epoch has the same number of images"
            );
            (self.images_of, self.loaded) = (Some(epoch), None);
        }
        Ok(())
    }

    /// How far the training is, and its history.
    pub fn state(&self) -> &TrainingState {
        &self.state
    }

    /// Memory on the device, bytes.
    pub fn bytes(&self) -> u64 {
        self.engine.bytes()
    }

    /// Whether there is nothing left to train.
    pub fn is_done(&self) -> bool {
        self.state.epoch >= self.options.epochs || self.state.all_stopped()
    }

    /// Steps per epoch.
    pub fn steps(&self) -> usize {
        (0..self.shards).map(|s| self.shard_steps(s)).sum()
    }

    fn shard_steps(&self, shard: usize) -> usize {
        shard_rows(self.data.train.labels.len(), self.shards, shard) / self.batch
    }

    /// Steps of the current epoch that are done.
    pub(super) fn steps_done(&self) -> usize {
        let before: usize = (0..self.state.shard).map(|s| self.shard_steps(s)).sum();
        before + self.state.step
    }

    /// Trains to the end of the current epoch, and validates. `watch` is called with the number of its steps that are
    /// done.
    ///
    /// # Errors
    /// The device was lost, or the images of the epoch cannot be made.
    pub fn epoch(&mut self, watch: &mut dyn FnMut(usize) -> ControlFlow<()>) -> Result<EpochEnd, Error> {
        let start = Instant::now();
        self.load_epoch(self.state.epoch)?;
        while self.state.shard < self.shards {
            if self.shard(watch)? == EpochEnd::Interrupted {
                self.state.seconds += start.elapsed().as_secs_f64();
                return Ok(EpochEnd::Interrupted);
            }
        }
        let record = self.validate(self.state.seconds + start.elapsed().as_secs_f64())?;
        self.state.finish_epoch(record);
        Ok(EpochEnd::Complete)
    }

    fn shard(&mut self, watch: &mut dyn FnMut(usize) -> ControlFlow<()>) -> Result<EpochEnd, Error> {
        let (shard, first) = (self.state.shard, self.state.step);
        let steps = self.shard_steps(shard);
        self.fill_tables(shard, first)?;
        let before = self.steps_done();
        let mut rows: Vec<f32> = Vec::new();
        let mut stopped = false;
        let done = self.engine.replay(steps - first, &mut |done, log| {
            rows.clear();
            rows.extend_from_slice(log);
            let flow = watch(before + done);
            stopped |= flow.is_break();
            flow
        })?;
        let stride = rows.len() / self.options.members.len();
        for (m, row) in rows.chunks(stride.max(1)).enumerate() {
            let logged = &row[first * log::WIDTH..(first + done) * log::WIDTH];
            self.state.logged[m].extend_from_slice(logged);
            for step in logged.chunks_exact(log::WIDTH) {
                self.state.initial[m].follow(step[log::VERDICT] as u32, f64::from(self.options.ema));
            }
        }
        self.state.step += done;
        if self.state.step == steps {
            (self.state.shard, self.state.step) = (shard + 1, 0);
        }
        Ok(match stopped {
            true => EpochEnd::Interrupted,
            false => EpochEnd::Complete,
        })
    }

    /// Fills the tables of a shard of which `first` steps are done: images and labels, unless the device holds them,
    /// every member's mini-batches, and the learning rates.
    fn fill_tables(&mut self, shard: usize, first: usize) -> Result<(), Error> {
        let epoch = self.state.epoch;
        let all_rows = self.data.train.labels.len();
        let rows = shards(self.options.seed, epoch as u64, all_rows, self.shards).swap_remove(shard);
        if self.loaded.as_ref() != Some(&rows) {
            self.load_images(&rows)?;
        }
        let capacity = all_rows.div_ceil(self.shards) / self.batch;
        let segment = (epoch * self.shards + shard) as u64;
        self.fill_batches(segment, rows.len(), capacity)?;
        self.fill_schedule(self.steps_done() - first, capacity)?;
        let mut counters = self.engine.read(self.io.state)?;
        for (words, &member) in counters.chunks_exact_mut(state::WORDS).zip(&self.options.members) {
            words[state::CURSOR] = first as u32;
            words[state::KEY] = member_key(self.options.seed, segment, member);
        }
        self.engine.write(self.io.state, &counters)?;
        self.loaded = Some(rows);
        Ok(())
    }

    fn load_images(&mut self, rows: &[usize]) -> Result<(), Error> {
        let heads = self.network.heads();
        let scaled = |&row: &usize| match self.data.train.labels[row] {
            label if heads.lens.is_some() && label.is_nan() => NO_LABEL,
            label => scaled_label(label, heads.likelihood, self.data.scale, self.data.shift),
        };
        let labels: Vec<f32> = rows.iter().map(scaled).collect();
        let all = &self.data.train.images;
        if self.shards == 1 {
            self.engine.write(self.io.pool, bytemuck::cast_slice(all))?;
        } else {
            let image = self.network.input_shape().len();
            let of = |&row: &usize| &all[row * image..][..image];
            let images: Vec<f32> = rows.iter().flat_map(of).copied().collect();
            self.engine.write(self.io.pool, bytemuck::cast_slice(&images))?;
        }
        self.engine.write(self.io.pool_labels, bytemuck::cast_slice(&labels))?;
        Ok(())
    }

    /// Every member's mini-batches of `rows` images, padded to `capacity` steps.
    fn fill_batches(&mut self, segment: u64, rows: usize, capacity: usize) -> Result<(), Error> {
        let o = &self.options;
        let image = self.network.input_shape();
        let orientations = match (o.augment, self.network.takes_images(), image.h == image.w) {
            (true, true, true) => 8,
            (true, true, false) => 4,
            _ => 1,
        };
        let mut batches = Vec::new();
        for &member in &o.members {
            let mut own = member_batches(o.seed, segment, member, rows, self.batch, orientations);
            own.resize(capacity * self.batch, 0);
            batches.extend(own);
        }
        self.engine.write(self.io.draws, &batches)?;
        Ok(())
    }

    /// The schedule of `capacity` steps, the first of which is step `step` of the epoch.
    fn fill_schedule(&mut self, step: usize, capacity: usize) -> Result<(), Error> {
        let (o, epoch) = (&self.options, self.state.epoch);
        let first = epoch * self.steps() + step;
        let total = o.epochs * self.steps();
        let fit_mean = f32::from(u8::from(epoch < o.warm_up_mean));
        let row = |k: usize| {
            let mut row = [0.0; schedule::WIDTH];
            row[schedule::RATE] = warmed(first + k, total, o.warm_up, o.learning_rate, o.final_rate);
            row[schedule::FIT_MEAN] = fit_mean;
            row
        };
        let rows: Vec<f32> = (0..capacity).flat_map(row).collect();
        self.engine.write(self.io.schedule, bytemuck::cast_slice(&rows))?;
        Ok(())
    }

    /// The dataset, after training; if every epoch has its own images, with those of the last epoch.
    ///
    /// # Errors
    /// Those of [`EpochImages`].
    pub fn into_data(mut self) -> Result<Dataset, Error> {
        self.load_epoch(self.state.epoch.saturating_sub(1))?;
        Ok(self.data)
    }
}

/// What the plan must know of the options.
fn training(options: &TrainOptions, batch: usize, capacity: Capacity) -> Training {
    Training {
        clip: options.clip,
        freeze_convolutions: options.freeze_convolutions,
        adversarial: options.adversarial > 0.0,
        beta_nll: options.beta_nll,
        shift: options.shift,
        noise: options.noise > 0.0,
        weight_decay: options.weight_decay,
        average: options.ema,
        ..Training::new(batch, capacity)
    }
}

/// Rows of one of `shards` shards.
fn shard_rows(rows: usize, shards: usize, shard: usize) -> usize {
    rows * (shard + 1) / shards - rows * shard / shards
}
