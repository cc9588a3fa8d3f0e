//! The training of an ensemble, epoch by epoch: start reading here.
//!
//! Several folds are trained at once as further members: each has its own rows and label scale, and all take their steps
//! together. Usually there is one.
//!
//! An epoch is a sequence of shards (one if the device holds all images at once). For each shard the host fills the
//! plan's tables of mini-batches and learning rates, and replays the plan once per step. Nothing waits for the host
//! within a shard.

use super::bands::{self, Band};
use super::batches::{member_batches, member_key, shards};
use super::checkpoint::TrainingState;
use super::dataset::{Dataset, EpochImages, scaled_label};
use super::error::Error;
use super::finish::Finished;
use super::initial::InitialWeight;
use super::options::TrainOptions;
use super::schedule::warmed;
use crate::device::{Device, Engine};
use crate::model::{Ensemble, Member};
use crate::nn::{Capacity, Layout, Network, NetworkPlan, TrainIo, Training, initialise};
use crate::numeric::{FNV_OFFSET, fnv1a};
use crate::plan::{NO_LABEL, TensorId, log, schedule, state};
use std::ops::ControlFlow;
use std::time::Instant;

/// Images of a validation batch.
const VALIDATION_BATCH: usize = 64;

/// An ensemble in training.
pub struct Trainer {
    pub(super) options: TrainOptions,
    /// Usually one. Each has all members of the options, which follow each other in every tensor.
    pub(super) folds: Vec<Dataset>,
    pub(super) network: Network,
    pub(super) layout: Layout,
    pub(super) engine: Box<dyn Engine>,
    pub(super) params: TensorId,
    pub(super) stats: TensorId,
    pub(super) io: TrainIo,
    /// One per fold.
    pub(super) ensembles: Vec<Ensemble>,
    batch: usize,
    /// Shards of an epoch; 1 if there are several folds.
    shards: usize,
    /// Rows of the fold with the fewest that an epoch takes its shards from; the others are left out, in each epoch other
    /// ones.
    used: usize,
    /// The rows of each fold whose images and labels are on the device, one fold after another.
    loaded: Option<Vec<Vec<usize>>>,
    epoch_images: Option<EpochImages>,
    /// The epoch that the images of the only fold are for, if every epoch has its own.
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
        Trainer::of_folds(device, network, vec![data], options, largest_pool)
    }

    /// The same for several folds, which take the same number of steps: as many as the fold with the fewest rows. Fold f
    /// is trained as it would be alone with the seed `options.seed` + f, but for the ranges of adversarial perturbations,
    /// which are the largest of all folds.
    ///
    /// # Errors
    /// As [`Trainer::new`]; folds that together are too large for the device.
    ///
    /// # Panics
    /// As [`Trainer::new`]; no folds.
    pub fn of_folds(
        device: &Device,
        network: &Network,
        folds: Vec<Dataset>,
        options: &TrainOptions,
        largest_pool: Option<usize>,
    ) -> Result<Trainer, Error> {
        options.check()?;
        options.check_images(network)?;
        assert!(
            !options.needs_bands() || folds.iter().all(|fold| fold.bands.len() == network.input_shape().c),
            "adversarial training, shifts and noise need a band per channel"
        );
        let layout = Layout::new(network)?;
        let all_rows = folds.iter().map(|fold| fold.train.labels.len());
        let (all, rows) = (
            all_rows.clone().sum::<usize>(),
            all_rows.min().expect("at least one fold"),
        );
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
        let (shards, used) = match folds.len() {
            1 => sharded(rows, pool, batch),
            _ if all <= pool => (1, rows),
            folds => {
                return Err(Error::FoldsTooLarge {
                    images: pool,
                    folds,
                    all,
                });
            }
        };
        let capacity = Capacity {
            pool: if folds.len() == 1 { used.div_ceil(shards) } else { all },
            steps: used.div_ceil(shards) / batch,
        };
        let plan = NetworkPlan::training(network, &layout, &training(options, batch, capacity))?;
        let io = plan.io.train.expect("a training plan");
        let members = folds.len() * options.members.len();
        let ensemble = |fold: &Dataset| {
            let validation = fold.validation.labels.len().clamp(1, VALIDATION_BATCH);
            Ensemble::new(device, network, options.members.len(), validation)
        };
        let mut trainer = Trainer {
            engine: device.engine(&plan, members)?,
            ensembles: folds.iter().map(ensemble).collect::<Result<_, _>>()?,
            params: plan.io.params,
            stats: plan.io.stats,
            state: TrainingState::new(members, fingerprint(&folds)),
            options: options.clone(),
            network: network.clone(),
            best_params: vec![0.0; members * layout.param_stride],
            best_stats: vec![0.0; members * layout.stat_stride],
            io,
            batch,
            shards,
            used,
            loaded: None,
            epoch_images: None,
            images_of: None,
            folds,
            layout,
        };
        trainer.initialise()?;
        Ok(trainer)
    }

    /// Fold and number of every member, in their order in the tensors.
    pub(super) fn slots(&self) -> Vec<(usize, u32)> {
        let of_fold = |fold| self.options.members.iter().map(move |&member| (fold, member));
        (0..self.folds.len()).flat_map(of_fold).collect()
    }

    /// The random seed of a fold.
    fn seed(&self, fold: usize) -> u64 {
        fold_seed(self.options.seed, fold)
    }

    /// Identifies the objects and labels of all folds.
    pub(super) fn fingerprint(&self) -> u64 {
        fingerprint(&self.folds)
    }

    /// Writes random weights and initial counters.
    fn initialise(&mut self) -> Result<(), Error> {
        let (mut params, mut stats, mut counters) = (vec![], vec![], vec![]);
        for (fold, member) in self.slots() {
            let (p, s) = initialise(&self.network, &self.layout, self.seed(fold), member);
            params.extend(p);
            stats.extend(s);
            let mut words = [0; state::WORDS];
            words[state::RATE_FACTOR] = 1f32.to_bits();
            counters.extend(words);
        }
        self.write_weights(&params, &stats)?;
        if let Some(bands) = self.io.bands {
            self.engine
                .write(bands, &bands::words(&Band::widest(&self.folds), &self.options))?;
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
        for (fold, number) in self.slots() {
            let member = members.iter().find(|member| member.number == number);
            let member = member.ok_or(Error::NoSuchMember { member: number })?;
            let (mut row, _) = initialise(&self.network, &self.layout, self.seed(fold), number);
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

    /// Takes the training images of each epoch from `images` instead of the dataset, of which there must be one.
    pub fn renew_images(&mut self, images: EpochImages) {
        self.epoch_images = Some(images);
    }

    fn load_epoch(&mut self, epoch: usize) -> Result<(), Error> {
        if let Some(images) = self.epoch_images.as_mut().filter(|_| self.images_of != Some(epoch)) {
            let [data] = &mut self.folds[..] else {
                unreachable!("images are renewed for one fold only");
            };
            let rows = data.train.labels.len();
            data.train = images(epoch)?;
            assert_eq!(
                data.train.labels.len(),
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
        shard_rows(self.used, self.shards, shard) / self.batch
    }

    /// Steps of the current epoch that are done.
    pub(super) fn steps_done(&self) -> usize {
        self.steps_before(self.state.shard) + self.state.step
    }

    /// Steps of the shards before this one.
    pub(super) fn steps_before(&self, shard: usize) -> usize {
        (0..shard.min(self.shards)).map(|s| self.shard_steps(s)).sum()
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
        let stride = rows.len() / self.state.logged.len();
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
        let own = |fold: &Dataset| {
            let rows = fold.train.labels.len();
            let used = if self.folds.len() == 1 { self.used } else { rows };
            shards(self.options.seed, epoch as u64, rows, used, self.shards).swap_remove(shard)
        };
        let rows: Vec<Vec<usize>> = self.folds.iter().map(own).collect();
        if self.loaded.as_ref() != Some(&rows) {
            self.load_images(&rows)?;
        }
        let capacity = self.used.div_ceil(self.shards) / self.batch;
        let segment = (epoch * self.shards + shard) as u64;
        self.fill_batches(segment, &rows, capacity)?;
        self.fill_schedule(self.steps_done() - first, capacity)?;
        let mut counters = self.engine.read(self.io.state)?;
        for (words, (fold, member)) in counters.chunks_exact_mut(state::WORDS).zip(self.slots()) {
            words[state::CURSOR] = first as u32;
            words[state::KEY] = member_key(self.seed(fold), segment, member);
        }
        self.engine.write(self.io.state, &counters)?;
        self.loaded = Some(rows);
        Ok(())
    }

    fn load_images(&mut self, rows: &[Vec<usize>]) -> Result<(), Error> {
        let heads = self.network.heads();
        let mut labels: Vec<f32> = Vec::new();
        for (fold, rows) in self.folds.iter().zip(rows) {
            labels.extend(rows.iter().map(|&row| match fold.train.labels[row] {
                label if heads.lens.is_some() && label.is_nan() => NO_LABEL,
                label => scaled_label(label, heads.likelihood, fold.scale, fold.shift),
            }));
        }
        match &self.folds[..] {
            [fold] if self.shards == 1 => {
                let all = bytemuck::cast_slice(&fold.train.images);
                self.engine.write(self.io.pool, all)?;
            }
            folds => {
                let image = self.network.input_shape().len();
                let mut images: Vec<f32> = Vec::with_capacity(labels.len() * image);
                for (fold, rows) in folds.iter().zip(rows) {
                    rows.iter()
                        .for_each(|row| images.extend_from_slice(&fold.train.images[row * image..][..image]));
                }
                self.engine.write(self.io.pool, bytemuck::cast_slice(&images))?;
            }
        }
        self.engine.write(self.io.pool_labels, bytemuck::cast_slice(&labels))?;
        Ok(())
    }

    /// Every member's mini-batches of the loaded `rows` of its fold, padded or cut to `capacity` steps.
    fn fill_batches(&mut self, segment: u64, rows: &[Vec<usize>], capacity: usize) -> Result<(), Error> {
        let o = &self.options;
        let image = self.network.input_shape();
        let orientations = match (o.augment, self.network.takes_images(), image.h == image.w) {
            (true, true, true) => 8,
            (true, true, false) => 4,
            _ => 1,
        };
        let (mut batches, mut start) = (Vec::new(), 0);
        for (fold, rows) in rows.iter().enumerate() {
            for &member in &o.members {
                let mut own = member_batches(self.seed(fold), segment, member, rows.len(), self.batch, orientations);
                own.resize(capacity * self.batch, 0);
                batches.extend(own.iter().map(|entry| entry + start));
            }
            start += rows.len() as u32;
        }
        self.engine.write(self.io.draws, &batches)?;
        Ok(())
    }

    /// The learning rate of a step, counted from the first of the training, of a member that has always had good weights.
    pub(super) fn scheduled_rate(&self, step: usize) -> f32 {
        let o = &self.options;
        warmed(step, o.epochs * self.steps(), o.warm_up, o.learning_rate, o.final_rate)
    }

    /// The schedule of `capacity` steps, the first of which is step `step` of the epoch.
    fn fill_schedule(&mut self, step: usize, capacity: usize) -> Result<(), Error> {
        let epoch = self.state.epoch;
        let first = epoch * self.steps() + step;
        let fit_mean = f32::from(u8::from(epoch < self.options.warm_up_mean));
        let row = |k: usize| {
            let mut row = [0.0; schedule::WIDTH];
            row[schedule::RATE] = self.scheduled_rate(first + k);
            row[schedule::FIT_MEAN] = fit_mean;
            row
        };
        let rows: Vec<f32> = (0..capacity).flat_map(row).collect();
        self.engine.write(self.io.schedule, bytemuck::cast_slice(&rows))?;
        Ok(())
    }

    /// What is left of each fold when the training has ended; if every epoch has its own images, those of the last epoch.
    ///
    /// # Errors
    /// A member without usable weights, and those of [`EpochImages`].
    pub fn finish(mut self) -> Result<Vec<Finished>, Error> {
        let members = self.members()?;
        self.load_epoch(self.state.epoch.saturating_sub(1))?;
        let of_fold = members.chunks(self.options.members.len());
        let finished = of_fold.zip(self.folds).map(|(members, data)| Finished {
            network: self.network.clone(),
            options: self.options.clone(),
            members: members.to_vec(),
            data,
        });
        Ok(finished.collect())
    }
}

/// The random seed of a fold.
pub(super) fn fold_seed(seed: u64, fold: usize) -> u64 {
    seed.wrapping_add(fold as u64)
}

/// Of one fold, its own; of several, a hash of theirs.
fn fingerprint(folds: &[Dataset]) -> u64 {
    match folds {
        [fold] => fold.fingerprint,
        folds => fnv1a(FNV_OFFSET, folds.iter().flat_map(|fold| fold.fingerprint.to_le_bytes())),
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

/// Number of shards, and how many of the rows they hold. Usually all, in shards of equal size; if these would be smaller
/// than a batch, as many as fill whole batches.
fn sharded(rows: usize, pool: usize, batch: usize) -> (usize, usize) {
    let shards = rows.div_ceil(pool);
    if rows / shards >= batch {
        return (shards, rows);
    }
    let size = pool / batch * batch;
    (rows / size, rows / size * size)
}

/// Rows of one of `shards` shards.
fn shard_rows(rows: usize, shards: usize, shard: usize) -> usize {
    rows * (shard + 1) / shards - rows * shard / shards
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_shard_is_smaller_than_a_batch() {
        assert_eq!(sharded(100, 1000, 10), (1, 100));
        assert_eq!(sharded(100, 30, 10), (4, 100));
        // Eight shards of nine rows would take no step at all.
        assert_eq!(sharded(75, 10, 10), (7, 70));
        for rows in 2..200 {
            for pool in 1..40 {
                for batch in 1..=pool.min(rows) {
                    let (shards, used) = sharded(rows, pool, batch);
                    let sizes = (0..shards).map(|shard| shard_rows(used, shards, shard));
                    assert!(
                        sizes.clone().all(|size| (batch..=pool).contains(&size)),
                        "{rows} {pool} {batch}"
                    );
                    assert!(used <= rows && rows - used < pool, "{rows} {pool} {batch}");
                }
            }
        }
    }
}
