//! The training of an ensemble, epoch by epoch: start reading here.
//!
//! An epoch is a sequence of shards (one, where the device holds all images at once); for each the host fills the tables
//! of the plan, draws and learning rates, and replays it once a step. Nothing waits for the host inside a shard.

use super::bands::{self, Band};
use super::checkpoint::{Best, Checkpoint, Progress};
use super::draws::{member_draws, member_key, shards};
use super::options::TrainOptions;
use super::schedule::warmed;
use crate::device::{Device, Engine};
use crate::likelihood::Likelihood;
use crate::likelihood::{Component, loss_to_nll};
use crate::model::Ensemble;
use crate::model::{Member, MemberSummary};
use crate::nn::{Capacity, NORM_MOMENTUM, TrainIo, Training};
use crate::nn::{Layout, Network, initialise};
use crate::plan::{Plan, TensorId, log, schedule, state};
use crate::posterior::MemberPredictions;
use crate::progress::{EpochRecord, MemberEpoch};
use anyhow::{Context, Result, ensure};
use std::ops::ControlFlow;
use std::time::Instant;

/// A member's best weights are chosen from this step on, or from half of a run that is shorter than twice as long: the
/// running statistics follow the weights with a memory of a hundred steps.
const SETTLED: usize = 300;
/// Images that a validation pass takes at a time.
const VALIDATION_BATCH: usize = 64;

/// Images, (N, image) as the network takes them, and labels.
#[derive(Clone, Debug, Default)]
pub struct Examples {
    pub images: Vec<f32>,
    /// In the label's unit.
    pub labels: Vec<f64>,
}

/// What an ensemble learns from.
pub struct Dataset {
    pub train: Examples,
    /// May be empty: then the last weights are kept.
    pub validation: Examples,
    /// One a channel; may be empty where no adversary, shift or noise asks for them.
    pub bands: Vec<Band>,
    /// label = scale x output + shift, or its logarithm where the likelihood is log-normal.
    pub scale: f64,
    pub shift: f64,
    /// Tells one dataset from another.
    pub fingerprint: u64,
}

/// The training images of an epoch, counted from 0: as many as before, and the same whenever it is asked.
pub type Fresh = Box<dyn FnMut(usize) -> Result<Examples>>;

/// An ensemble in training.
pub struct Trainer {
    options: TrainOptions,
    data: Dataset,
    network: Network,
    layout: Layout,
    engine: Box<dyn Engine>,
    params: TensorId,
    stats: TensorId,
    io: TrainIo,
    predictor: Ensemble,
    batch: usize,
    /// Shards of an epoch.
    shards: usize,
    /// Which shard's images and labels the device holds.
    loaded: Option<Vec<usize>>,
    fresh: Option<Fresh>,
    /// Whether the running statistics began as a model's: there is nothing to take out of them then.
    started_from_model: bool,
    /// Whose images `data.train` holds, where they are fresh.
    images_of: Option<usize>,
    progress: Progress,
    best_params: Vec<f32>,
    best_stats: Vec<f32>,
}

/// How an epoch ended.
pub enum Ended {
    Done,
    /// `watch` broke; what was in flight is finished.
    Stopped,
}

impl Trainer {
    /// An ensemble at its first step. `largest_pool` limits the images that the device holds at once, for tests.
    ///
    /// # Errors
    /// Options out of range, too few rows, too little memory on the device.
    pub fn new(
        device: &Device,
        network: &Network,
        data: Dataset,
        options: &TrainOptions,
        largest_pool: Option<usize>,
    ) -> Result<Trainer> {
        options.check()?;
        let layout = Layout::new(network)?;
        let rows = data.train.labels.len();
        ensure!(rows >= 2, "{rows} rows to train on; at least 2 are needed");
        let batch = options.batch.min(rows);
        ensure!(
            network.input.len() == 3 || options.shift == 0 && options.noise == 0.0,
            "--shift and --noise are for images, and these are tables"
        );
        assert!(
            !options.needs_bands() || data.bands.len() == network.input_shape().c,
            "the adversary, shifts and noise need a band for each channel"
        );
        let largest = network.input_shape().h.min(network.input_shape().w) / 2;
        ensure!(
            options.shift <= largest,
            "--shift is {}; it is at most half of the image, {largest} pixels",
            options.shift
        );
        let image = network.input_shape().len();
        let fits = (device.largest_binding() / (4 * image as u64)).min(1 << 28) as usize;
        let pool = largest_pool.unwrap_or(usize::MAX).min(fits);
        ensure!(
            pool >= batch,
            "the device holds {pool} images at a time, and --batch is {batch}: use a smaller one"
        );
        let shards = rows.div_ceil(pool);
        let largest = rows.div_ceil(shards);
        let capacity = Capacity {
            pool: largest,
            steps: largest / batch,
        };
        let total = options.epochs * (0..shards).map(|s| shard_rows(rows, shards, s) / batch).sum::<usize>();
        ensure!(
            options.warm_up < total,
            "--warm-up is {}; it is below the run's steps, {total}",
            options.warm_up
        );
        let training = Training {
            clip: options.clip,
            freeze_convolutions: options.freeze_convolutions,
            adversarial: options.adversarial > 0.0,
            beta_nll: options.beta_nll,
            shift: options.shift,
            noise: options.noise > 0.0,
            weight_decay: options.weight_decay,
            average: options.ema,
            ..Training::new(batch, capacity)
        };
        let plan = Plan::training(network, &layout, &training)?;
        let io = plan.io.train.expect("a training plan");
        let members = options.members.len();
        let validation = data.validation.labels.len().clamp(1, VALIDATION_BATCH);
        let mut trainer = Trainer {
            engine: device.engine(&plan, members)?,
            predictor: Ensemble::new(device, network, members, validation)?,
            params: plan.io.params,
            stats: plan.io.stats,
            progress: Progress {
                best: vec![None; members],
                stopped: vec![false; members],
                logged: vec![vec![]; members],
                data: data.fingerprint,
                ..Default::default()
            },
            options: options.clone(),
            network: network.clone(),
            best_params: vec![0.0; members * layout.param_stride],
            best_stats: vec![0.0; members * layout.stat_stride],
            io,
            batch,
            shards,
            loaded: None,
            fresh: None,
            started_from_model: false,
            images_of: None,
            data,
            layout,
        };
        trainer.start()?;
        Ok(trainer)
    }

    /// First weights and counters.
    fn start(&mut self) -> Result<()> {
        let (mut params, mut stats, mut good, mut counters) = (vec![], vec![], vec![], vec![]);
        for &member in &self.options.members {
            let (p, s) = initialise(&self.network, &self.layout, self.options.seed, member);
            good.extend([&p[..], &s[..]].concat());
            params.extend(p);
            stats.extend(s);
            let mut words = [0; state::WORDS];
            words[state::RATE_FACTOR] = 1f32.to_bits();
            counters.extend(words);
        }
        self.engine.write(self.params, bytemuck::cast_slice(&params))?;
        self.engine.write(self.stats, bytemuck::cast_slice(&stats))?;
        self.engine.write(self.io.good, bytemuck::cast_slice(&good))?;
        if let Some(bands) = self.io.bands {
            self.engine
                .write(bands, &bands::words(&self.data.bands, &self.options))?;
        }
        self.engine.write(self.io.state, &counters)
    }

    /// Takes these members' weights and running statistics as the first ones, in fine-tuning. The statistics follow the
    /// new images as the weights do. To begin them anew was tried: estimated on a few dozen images alone, they let bright
    /// lenses run away (an RMSE of 10" after 25 lenses).
    ///
    /// # Errors
    /// A member that is not among them, or another network.
    pub fn start_from(&mut self, network: &Network, members: &[Member]) -> Result<()> {
        ensure!(
            *network == self.network,
            "the model to start from has another network: {}",
            network.to_json()
        );
        let (p, s) = (self.layout.param_stride, self.layout.stat_stride);
        let mut good: Vec<f32> = bytemuck::cast_vec(self.engine.read(self.io.good)?);
        let (mut params, mut stats) = (Vec::new(), Vec::new());
        for (number, good) in self.options.members.iter().zip(good.chunks_exact_mut(p + s)) {
            let member = members.iter().find(|member| member.number == *number);
            let member = member.with_context(|| {
                format!("the model to start from has no member {number}: name those that it has with --members")
            })?;
            good[..p].copy_from_slice(&member.params);
            good[p..].copy_from_slice(&member.stats);
            params.extend_from_slice(&member.params);
            stats.extend_from_slice(&member.stats);
        }
        self.started_from_model = true;
        self.engine.write(self.params, bytemuck::cast_slice(&params))?;
        self.engine.write(self.stats, bytemuck::cast_slice(&stats))?;
        self.engine.write(self.io.good, bytemuck::cast_slice(&good))
    }

    /// Takes each epoch's training images from `fresh` instead of from the dataset.
    pub fn refresh_with(&mut self, fresh: Fresh) {
        self.fresh = Some(fresh);
    }

    fn refresh(&mut self, epoch: usize) -> Result<()> {
        if let Some(fresh) = self.fresh.as_mut().filter(|_| self.images_of != Some(epoch)) {
            let rows = self.data.train.labels.len();
            self.data.train = fresh(epoch)?;
            assert_eq!(self.data.train.labels.len(), rows, "as many images in every epoch");
            (self.images_of, self.loaded) = (Some(epoch), None);
        }
        Ok(())
    }

    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Bytes on the device.
    pub fn bytes(&self) -> u64 {
        self.engine.bytes()
    }

    pub fn is_done(&self) -> bool {
        self.progress.epoch >= self.options.epochs || self.progress.all_stopped()
    }

    /// Steps of an epoch.
    pub fn steps(&self) -> usize {
        (0..self.shards).map(|s| self.shard_rows(s) / self.batch).sum()
    }

    fn shard_rows(&self, shard: usize) -> usize {
        shard_rows(self.data.train.labels.len(), self.shards, shard)
    }

    /// Steps of the epoch under way that are done.
    fn steps_done(&self) -> usize {
        let before: usize = (0..self.progress.shard).map(|s| self.shard_rows(s) / self.batch).sum();
        before + self.progress.step
    }

    /// Trains to the end of the epoch, and validates. `watch` is told how many of its steps are done.
    ///
    /// # Errors
    /// The device was lost.
    pub fn epoch(&mut self, watch: &mut dyn FnMut(usize) -> ControlFlow<()>) -> Result<Ended> {
        let begun = Instant::now();
        self.refresh(self.progress.epoch)?;
        while self.progress.shard < self.shards {
            if let Ended::Stopped = self.shard(watch)? {
                self.progress.seconds += begun.elapsed().as_secs_f64();
                return Ok(Ended::Stopped);
            }
        }
        let record = self.validate(self.progress.seconds + begun.elapsed().as_secs_f64())?;
        let members = self.options.members.len();
        self.progress.history.push(record);
        self.progress.epoch += 1;
        (self.progress.shard, self.progress.step, self.progress.seconds) = (0, 0, 0.0);
        self.progress.logged = vec![vec![]; members];
        Ok(Ended::Done)
    }

    fn shard(&mut self, watch: &mut dyn FnMut(usize) -> ControlFlow<()>) -> Result<Ended> {
        let (shard, first) = (self.progress.shard, self.progress.step);
        let steps = self.shard_rows(shard) / self.batch;
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
        for (logged, row) in self.progress.logged.iter_mut().zip(rows.chunks(stride.max(1))) {
            logged.extend_from_slice(&row[first * log::WIDTH..(first + done) * log::WIDTH]);
        }
        self.progress.step += done;
        if self.progress.step == steps {
            (self.progress.shard, self.progress.step) = (shard + 1, 0);
        }
        Ok(if stopped { Ended::Stopped } else { Ended::Done })
    }

    /// Images and labels of the shard, unless they are there, every member's draws, and the learning rates.
    fn fill_tables(&mut self, shard: usize, first: usize) -> Result<()> {
        let o = &self.options;
        let rows = shards(
            o.seed,
            self.progress.epoch as u64,
            self.data.train.labels.len(),
            self.shards,
        )[shard]
            .clone();
        let image = self.network.input_shape();
        if self.loaded.as_ref() != Some(&rows) {
            let logarithmic = self.network.heads().likelihood == Likelihood::LogNormal;
            let scaled = |&row: &usize| {
                let label = self.data.train.labels[row];
                let label = if logarithmic { label.ln() } else { label };
                ((label - self.data.shift) / self.data.scale) as f32
            };
            let labels: Vec<f32> = rows.iter().map(scaled).collect();
            let all = &self.data.train.images;
            if self.shards == 1 {
                self.engine.write(self.io.pool, bytemuck::cast_slice(all))?;
            } else {
                let of = |&row: &usize| &all[row * image.len()..][..image.len()];
                let images: Vec<f32> = rows.iter().flat_map(of).copied().collect();
                self.engine.write(self.io.pool, bytemuck::cast_slice(&images))?;
            }
            self.engine.write(self.io.pool_labels, bytemuck::cast_slice(&labels))?;
        }
        let capacity = self.data.train.labels.len().div_ceil(self.shards) / self.batch;
        let codes = match (o.augment, self.network.input.len(), image.h == image.w) {
            (true, 3, true) => 8,
            (true, 3, false) => 4,
            _ => 1,
        };
        let segment = (self.progress.epoch * self.shards + shard) as u64;
        let mut draws = Vec::new();
        for &member in &o.members {
            let mut mine = member_draws(o.seed, segment, member, rows.len(), self.batch, codes);
            mine.resize(capacity * self.batch, 0);
            draws.extend(mine);
        }
        self.engine.write(self.io.draws, &draws)?;
        let step = self.progress.epoch * self.steps() + self.steps_done() - first;
        let total = o.epochs * self.steps();
        let fit_mean = f32::from(u8::from(self.progress.epoch < o.warm_up_mean));
        let row = |k: usize| {
            let mut row = [0.0; schedule::WIDTH];
            row[schedule::RATE] = warmed(step + k, total, o.warm_up, o.learning_rate, o.final_rate);
            row[schedule::FIT_MEAN] = fit_mean;
            row
        };
        let rows_of_all: Vec<f32> = (0..capacity).flat_map(row).collect();
        self.engine
            .write(self.io.schedule, bytemuck::cast_slice(&rows_of_all))?;
        let mut counters = self.engine.read(self.io.state)?;
        for (words, &member) in counters.chunks_exact_mut(state::WORDS).zip(&o.members) {
            words[state::CURSOR] = first as u32;
            words[state::KEY] = member_key(o.seed, segment, member);
        }
        self.engine.write(self.io.state, &counters)?;
        self.loaded = Some(rows);
        Ok(())
    }

    /// Rows of all members: weights and running statistics as an inference pass should take them.
    fn weights(&mut self) -> Result<(Vec<f32>, Vec<f32>)> {
        let mut params: Vec<f32> = bytemuck::cast_vec(self.engine.read(self.params)?);
        let mut stats: Vec<f32> = bytemuck::cast_vec(self.engine.read(self.stats)?);
        let counters = self.engine.read(self.io.state)?;
        let averages: Option<Vec<f32>> = match self.io.average {
            Some(average) => Some(bytemuck::cast_vec(self.engine.read(average)?)),
            None => None,
        };
        let (p, s) = (self.layout.param_stride, self.layout.stat_stride);
        let rows = params.chunks_exact_mut(p).zip(stats.chunks_exact_mut(s));
        for (m, (params, stats)) in rows.enumerate() {
            let taken = counters[m * state::WORDS + state::TAKEN];
            if taken == 0 {
                continue;
            }
            let mut decay = 0.0;
            if let Some(averages) = &averages {
                decay = f64::from(self.options.ema);
                // What it began with, 0, still has this share.
                let begun = decay.powi(taken as i32);
                let row = averages[m * (p + s)..][..p + s].iter();
                let values = row.map(|a| (f64::from(*a) / (1.0 - begun)) as f32);
                params
                    .iter_mut()
                    .chain(&mut *stats)
                    .zip(values)
                    .for_each(|(to, value)| *to = value);
            }
            if !self.started_from_model {
                without_start(&self.layout, stats, start_left(taken, decay));
            }
        }
        Ok((params, stats))
    }

    /// Figures of the epoch's steps and of the validation rows; better weights are kept.
    fn validate(&mut self, seconds: f64) -> Result<EpochRecord> {
        let (params, stats) = self.weights()?;
        self.predictor.set_weights(&params, &stats)?;
        let answers = self.predictor.predict(&self.data.validation.images)?;
        let epoch = self.progress.epoch + 1;
        let total = self.options.epochs * self.steps();
        let settled = epoch * self.steps() >= SETTLED.min(total / 2);
        let (p, s) = (self.layout.param_stride, self.layout.stat_stride);
        let likelihood = self.network.heads().likelihood;
        let mut to_nll = loss_to_nll(likelihood, self.data.scale);
        if likelihood == Likelihood::LogNormal {
            // Of all rows; an epoch leaves a few out.
            let labels = &self.data.train.labels;
            to_nll += labels.iter().map(|y| y.ln()).sum::<f64>() / labels.len() as f64;
        }
        let mut members = Vec::new();
        for (m, &member) in self.options.members.iter().enumerate() {
            let logged: Vec<&[f32]> = self.progress.logged[m].chunks_exact(log::WIDTH).collect();
            let (val_nll, val_rmse) = self.score(&answers, m);
            let old = self.progress.best[m];
            let best = settled && val_nll.is_some_and(|nll| old.is_none_or(|best| nll < best.nll));
            // Without validation rows the last weights are the best there are.
            let last = self.data.validation.labels.is_empty() && epoch == self.options.epochs;
            if best || last {
                self.best_params[m * p..][..p].copy_from_slice(&params[m * p..][..p]);
                self.best_stats[m * s..][..s].copy_from_slice(&stats[m * s..][..s]);
            }
            if let (true, Some(nll), Some(rmse)) = (best, val_nll, val_rmse) {
                self.progress.best[m] = Some(Best { epoch, nll, rmse });
            }
            let verdict = |v: u32| logged.iter().filter(|row| row[log::VERDICT] as u32 == v).count();
            let loss = mean(&logged, log::LOSS);
            members.push(MemberEpoch {
                member,
                train_nll: loss.map(|loss| loss + to_nll),
                train_rmse: mean(&logged, log::SQUARED_ERROR).map(|square| square.sqrt() * self.data.scale),
                val_nll,
                val_rmse,
                gradient_norm: mean(&logged, log::NORM),
                skipped: verdict(state::SKIP) + verdict(state::RESTORE),
                restored: verdict(state::RESTORE),
                best: best || last,
            });
        }
        self.stop_early(epoch)?;
        let learning_rate = self.progress.logged[0]
            .chunks_exact(log::WIDTH)
            .last()
            .map_or(0.0, |r| r[log::RATE]);
        Ok(EpochRecord {
            epoch,
            learning_rate: f64::from(learning_rate),
            seconds,
            members,
        })
    }

    /// Ends the training of members that have not become better for long: they take no more steps, and the others do
    /// not notice.
    fn stop_early(&mut self, epoch: usize) -> Result<()> {
        let patience = self.options.patience;
        let best = self.progress.best.iter();
        let over: Vec<bool> = best
            .map(|best| patience > 0 && best.is_some_and(|best| epoch >= best.epoch + patience))
            .collect();
        if over == self.progress.stopped {
            return Ok(());
        }
        let mut counters = self.engine.read(self.io.state)?;
        for (words, over) in counters.chunks_exact_mut(state::WORDS).zip(&over) {
            words[state::FROZEN] = (*over).into();
        }
        self.progress.stopped = over;
        self.engine.write(self.io.state, &counters)
    }

    /// Validation nll and RMSE of a member, in the label's unit; none where not every answer is finite.
    fn score(&self, answers: &[MemberPredictions], member: usize) -> (Option<f64>, Option<f64>) {
        let n = answers.len() as f64;
        let (mut nll, mut square) = (0.0, 0.0);
        for (answer, label) in answers.iter().zip(&self.data.validation.labels) {
            let answer = answer.in_units(self.data.scale, self.data.shift);
            let (mean, var) = (answer.mu[member], answer.var[member]);
            nll += Component::new(answer.likelihood, mean, var).map_or(f64::NAN, |c| -c.log_pdf(*label)) / n;
            square += (label - mean).powi(2) / n;
        }
        let finite = |v: f64| (!answers.is_empty() && v.is_finite()).then_some(v);
        (finite(nll), finite(square.sqrt()))
    }

    /// All that a run needs to go on.
    ///
    /// # Errors
    /// The device was lost.
    pub fn checkpoint(&mut self) -> Result<Checkpoint> {
        let mut tensors = std::collections::BTreeMap::new();
        for (name, tensor) in self.saved() {
            tensors.insert(name.to_string(), self.engine.read(tensor)?);
        }
        tensors.insert("best_params".into(), bytemuck::cast_slice(&self.best_params).to_vec());
        tensors.insert("best_stats".into(), bytemuck::cast_slice(&self.best_stats).to_vec());
        Ok(Checkpoint {
            progress: self.progress.clone(),
            tensors,
        })
    }

    /// Goes on from a checkpoint of the same run.
    ///
    /// # Errors
    /// A checkpoint of other data or another network.
    pub fn restore(&mut self, checkpoint: Checkpoint) -> Result<()> {
        ensure!(
            checkpoint.progress.data == self.data.fingerprint,
            "the rows, their labels or the split are not those that the run began with: restore the data, or start anew"
        );
        let members = self.options.members.len();
        let take = |name: &str, len: usize| -> Result<&Vec<u32>> {
            let words = checkpoint.tensors.get(name).filter(|words| words.len() == len);
            words.ok_or_else(|| anyhow::anyhow!("the checkpoint's {name} is not of this network; start the run again"))
        };
        let (p, s) = (self.layout.param_stride, self.layout.stat_stride);
        for (name, tensor) in self.saved() {
            let len = match name {
                "stats" => s,
                "good" | "average" => p + s,
                "state" => state::WORDS,
                _ => p,
            };
            self.engine.write(tensor, take(name, members * len)?)?;
        }
        self.best_params = bytemuck::cast_slice(take("best_params", members * p)?).to_vec();
        self.best_stats = bytemuck::cast_slice(take("best_stats", members * s)?).to_vec();
        self.progress = checkpoint.progress;
        Ok(())
    }

    fn saved(&self) -> Vec<(&'static str, TensorId)> {
        let average = self.io.average.map(|average| ("average", average));
        let all = [
            ("params", self.params),
            ("stats", self.stats),
            ("adam_m", self.io.adam_m),
            ("adam_v", self.io.adam_v),
            ("good", self.io.good),
            ("state", self.io.state),
        ];
        all.into_iter().chain(average).collect()
    }

    /// The members as they are in the model file: each with its best weights, or its last where none were ever best.
    ///
    /// # Errors
    /// A member whose weights are not finite, or that never took a step, with what to change.
    pub fn members(&mut self) -> Result<Vec<(Member, MemberSummary)>> {
        let (params, stats) = self.weights()?;
        let counters = self.engine.read(self.io.state)?;
        let (p, s) = (self.layout.param_stride, self.layout.stat_stride);
        let mut members = Vec::new();
        for (m, &number) in self.options.members.iter().enumerate() {
            let words = &counters[m * state::WORDS..][..state::WORDS];
            let best = self.progress.best[m];
            let kept = best.is_some() || self.data.validation.labels.is_empty() && self.is_done();
            let (params, stats) = match kept {
                true => (&self.best_params, &self.best_stats),
                false => (&params, &stats),
            };
            let member = Member {
                number,
                params: params[m * p..][..p].to_vec(),
                stats: stats[m * s..][..s].to_vec(),
                cloud: None,
            };
            ensure!(
                words[state::TAKEN] > 0,
                "member {number} took none of {} steps: its gradient was never finite. Lower --learning-rate, \
                 and look at the images for values far from all others",
                words[state::SKIPPED]
            );
            ensure!(
                member.params.iter().chain(&member.stats).all(|v| v.is_finite()),
                "member {number} has weights that are not finite: lower --learning-rate"
            );
            let summary = MemberSummary {
                number,
                best_epoch: best.map_or(self.progress.epoch, |best| best.epoch),
                nll: best.map(|best| best.nll),
                rmse: best.map(|best| best.rmse),
                steps: u64::from(words[state::TAKEN]),
                skipped: u64::from(words[state::SKIPPED]),
                restored: u64::from(words[state::RESTORED]),
            };
            members.push((member, summary));
        }
        Ok(members)
    }

    /// The data, after training; of fresh images those of the last epoch.
    ///
    /// # Errors
    /// Those of [`Fresh`].
    pub fn into_data(mut self) -> Result<Dataset> {
        self.refresh(self.progress.epoch.saturating_sub(1))?;
        Ok(self.data)
    }
}

/// Rows of one of `shards` shards.
fn shard_rows(rows: usize, shards: usize, shard: usize) -> usize {
    rows * (shard + 1) / shards - rows * shard / shards
}

/// What is left in a member's running statistics of their first values after `taken` steps, or in their moving average of
/// decay `d`, freed of its own start: of momentum m, m^t, or the average of all m^i with weights d^(t-i).
fn start_left(taken: u32, d: f64) -> f64 {
    let (m, t) = (f64::from(NORM_MOMENTUM), taken as i32);
    if (d - m).abs() < 1e-6 {
        return f64::from(taken) * m.powi(t) * (1.0 - m) / (1.0 - m.powi(t));
    }
    (1.0 - d) * m * (d.powi(t) - m.powi(t)) / ((d - m) * (1.0 - d.powi(t)))
}

/// Takes out of a member's running statistics what is `left` in them of their first values (mean 0, variance 1), as
/// Adam's bias correction does for its moments. It matters in short runs.
fn without_start(layout: &Layout, stats: &mut [f32], left: f64) {
    for p in &layout.stats {
        let start = if p.name.ends_with(".moving_variance") { 1.0 } else { 0.0 };
        for value in &mut stats[p.offset..p.offset + p.len()] {
            let corrected = ((f64::from(*value) - left * start) / (1.0 - left)) as f32;
            *value = if start > 0.0 { corrected.max(0.0) } else { corrected };
        }
    }
}

/// Mean of one figure over the steps that were taken.
fn mean(logged: &[&[f32]], figure: usize) -> Option<f64> {
    let taken = |row: &&&[f32]| row[log::VERDICT] as u32 % state::KEEP == state::TAKE;
    let values: Vec<f64> = logged.iter().filter(taken).map(|row| f64::from(row[figure])).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    mean.is_finite().then_some(mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_the_start_is_that_of_the_recursion() {
        for d in [0.0, 0.9, f64::from(NORM_MOMENTUM), 0.999] {
            let (mut stat, mut average) = (1.0, 0.0);
            for t in 1..=200 {
                // Statistics of 0 from a start of 1: all there is is what is left.
                stat *= f64::from(NORM_MOMENTUM);
                average += (1.0 - d) * (stat - average);
                let left = start_left(t, d);
                assert!((left - average / (1.0 - d.powi(t as i32))).abs() < 1e-9, "{d} {t}");
            }
        }
    }
}
