//! The end of an epoch: validation, each member's best weights, early stopping; and the trained members.

use super::checkpoint::Best;
use super::dataset::Dataset;
use super::error::Error;
use super::initial::remove_initial;
use super::trainer::Trainer;
use crate::likelihood::{Component, Likelihood, loss_to_nll};
use crate::model::{Member, MemberSummary};
use crate::plan::{log, state};
use crate::posterior::MemberPredictions;
use crate::posterior::metrics::classification::cross_entropy;
use crate::progress::{EpochRecord, MemberEpoch};
use std::ops::Range;

/// A member's best weights are chosen from this step on, or from half of a run shorter than twice as long: the running
/// statistics follow the weights with a memory of a hundred steps.
const SETTLED: usize = 300;

impl Trainer {
    /// Weights and running statistics of all members as an inference pass takes them: moving averages if there are any,
    /// without the initial values of the statistics.
    fn weights(&mut self) -> Result<(Vec<f32>, Vec<f32>), Error> {
        let mut params: Vec<f32> = bytemuck::cast_vec(self.engine.read(self.params)?);
        let mut stats: Vec<f32> = bytemuck::cast_vec(self.engine.read(self.stats)?);
        let counters = self.engine.read(self.io.state)?;
        let averages: Option<Vec<f32>> = match self.io.average {
            Some([average, _]) => Some(bytemuck::cast_vec(self.engine.read(average)?)),
            None => None,
        };
        let fixed = self.fixed_params()?;
        let (p, s) = (self.layout.param_stride, self.layout.stat_stride);
        let rows = params.chunks_exact_mut(p).zip(stats.chunks_exact_mut(s));
        for (m, (params, stats)) in rows.enumerate() {
            if counters[m * state::WORDS + state::TAKEN] == 0 {
                continue;
            }
            let weight = &self.state.initial[m];
            let mut initial = weight.in_statistics();
            let decay = f64::from(self.options.ema);
            let of_average = weight.of_average(decay);
            if let Some(averages) = averages.as_ref().filter(|_| of_average > 0.0) {
                initial = weight.in_average(decay);
                let row = averages[m * (p + s)..][..p + s].iter();
                let mut values: Vec<f32> = row.map(|a| (f64::from(*a) / of_average) as f32).collect();
                for range in &fixed {
                    // The average of a constant differs from it by rounding.
                    values[range.clone()].copy_from_slice(&params[range.clone()]);
                }
                params.copy_from_slice(&values[..p]);
                stats.copy_from_slice(&values[p..]);
            }
            remove_initial(&self.layout, stats, initial);
        }
        Ok((params, stats))
    }

    /// Where the weights lie that no step changes, in a member's row.
    fn fixed_params(&self) -> Result<Vec<Range<usize>>, Error> {
        if !self.options.freeze_convolutions {
            return Ok(vec![]);
        }
        let layers = self.network.convolutional_layers()?;
        let is_fixed = |name: &str| {
            layers
                .iter()
                .any(|layer| name.rsplit_once('.').is_some_and(|(of, _)| of == layer))
        };
        let fixed = self.layout.params.iter().filter(|p| is_fixed(&p.name));
        Ok(fixed.map(|p| p.offset..p.offset + p.len()).collect())
    }

    /// Predictions of each fold's members for its validation rows.
    fn validation_predictions(&mut self, params: &[f32], stats: &[f32]) -> Result<Vec<Vec<MemberPredictions>>, Error> {
        let members = self.options.members.len();
        let (p, s) = (members * self.layout.param_stride, members * self.layout.stat_stride);
        let mut predictions = Vec::with_capacity(self.folds.len());
        for (f, (fold, ensemble)) in self.folds.iter().zip(&mut self.ensembles).enumerate() {
            if fold.validation.labels.is_empty() {
                predictions.push(vec![]);
                continue;
            }
            ensemble.set_weights(&params[f * p..][..p], &stats[f * s..][..s])?;
            predictions.push(ensemble.predict(&fold.validation.images)?);
        }
        Ok(predictions)
    }

    /// Losses of the epoch's steps and of the validation rows; keeps weights that are better than before.
    pub(super) fn validate(&mut self, seconds: f64) -> Result<EpochRecord, Error> {
        let (params, stats) = self.weights()?;
        let predictions = self.validation_predictions(&params, &stats)?;
        let epoch = self.state.epoch + 1;
        let total = self.options.epochs * self.steps();
        let settled = epoch * self.steps() >= SETTLED.min(total / 2);
        let (p, s) = (self.layout.param_stride, self.layout.stat_stride);
        let of_folds = self.folds.iter();
        let constants: Vec<(f64, f64)> = of_folds
            .map(|fold| (self.loss_to_nll(fold), self.fraction_of_lenses(&fold.train.labels)))
            .collect();
        let mut members = Vec::new();
        for (m, (fold, member)) in self.slots().into_iter().enumerate() {
            let (data, predictions) = (&self.folds[fold], &predictions[fold]);
            let (to_nll, lens_fraction) = constants[fold];
            let of_fold = m % self.options.members.len();
            let logged: Vec<&[f32]> = self.state.logged[m].chunks_exact(log::WIDTH).collect();
            let (val_nll, val_rmse) = self.score(data, predictions, of_fold);
            let val_cross_entropy = self.cross_entropy(data, predictions, of_fold);
            let old = self.state.best[m];
            let new = val_nll.zip(val_rmse).map(|(nll, rmse)| Best {
                epoch,
                nll,
                rmse,
                cross_entropy: val_cross_entropy,
            });
            let complete = val_cross_entropy.is_some() || self.network.heads().lens.is_none();
            let better = |new: &Best| old.is_none_or(|old| self.objective(data, *new) < self.objective(data, old));
            let new = new.filter(|new| settled && complete && better(new));
            let best = new.is_some();
            // Without validation rows the last weights are used.
            let last = data.validation.labels.is_empty() && epoch == self.options.epochs;
            if best || last {
                self.best_params[m * p..][..p].copy_from_slice(&params[m * p..][..p]);
                self.best_stats[m * s..][..s].copy_from_slice(&stats[m * s..][..s]);
            }
            self.state.best[m] = new.or(old);
            let verdicts = |v: u32| logged.iter().filter(|row| row[log::VERDICT] as u32 == v).count();
            members.push(MemberEpoch {
                fold: fold as u32,
                member,
                learning_rate: logged.last().map(|row| f64::from(row[log::RATE])),
                train_nll: mean(&logged, log::LOSS).map(|loss| loss / lens_fraction + to_nll),
                train_rmse: mean(&logged, log::SQUARED_ERROR)
                    .map(|square| (square / lens_fraction).sqrt() * data.scale),
                train_cross_entropy: mean(&logged, log::CROSS_ENTROPY).filter(|_| self.io.cross_entropy[0].is_some()),
                val_nll,
                val_rmse,
                val_cross_entropy,
                gradient_norm: mean(&logged, log::NORM),
                skipped: verdicts(state::SKIP) + verdicts(state::RESTORE),
                restored: verdicts(state::RESTORE),
                best: best || last,
            });
        }
        self.stop_early(epoch)?;
        Ok(EpochRecord {
            epoch,
            learning_rate: f64::from(self.scheduled_rate(epoch * self.steps() - 1)),
            seconds,
            members,
        })
    }

    /// What to add to a loss in scaled labels to get -ln p of the label, averaged over the training rows.
    fn loss_to_nll(&self, data: &Dataset) -> f64 {
        let likelihood = self.network.heads().likelihood;
        let constant = loss_to_nll(likelihood, data.scale);
        match likelihood {
            Likelihood::Gaussian | Likelihood::StudentT => constant,
            Likelihood::LogNormal => {
                // Of all rows; an epoch leaves a few out.
                let labels = data.train.labels.iter().filter(|label| self.is_lens(**label));
                let (sum, count) = labels.fold((0.0, 0), |(sum, count), y| (sum + y.ln(), count + 1));
                constant + sum / f64::from(count)
            }
        }
    }

    /// Ends the training of members that have not improved for `patience` epochs: they take no more steps, which does not
    /// affect the others.
    fn stop_early(&mut self, epoch: usize) -> Result<(), Error> {
        let patience = self.options.patience;
        let best = self.state.best.iter();
        let stopped: Vec<bool> = best
            .map(|best| patience > 0 && best.is_some_and(|best| epoch >= best.epoch + patience))
            .collect();
        if stopped == self.state.stopped {
            return Ok(());
        }
        let mut counters = self.engine.read(self.io.state)?;
        for (words, stopped) in counters.chunks_exact_mut(state::WORDS).zip(&stopped) {
            words[state::FROZEN] = (*stopped).into();
        }
        self.state.stopped = stopped;
        self.engine.write(self.io.state, &counters)?;
        Ok(())
    }

    /// Validation nll and RMSE of a member for the lenses, in the label's unit; `None` unless all predictions are
    /// finite.
    fn score(&self, data: &Dataset, predictions: &[MemberPredictions], member: usize) -> (Option<f64>, Option<f64>) {
        let lenses = predictions.iter().zip(&data.validation.labels);
        let lenses = lenses.filter(|(_, label)| self.is_lens(**label));
        let n = lenses.clone().count() as f64;
        let (mut nll, mut square) = (0.0, 0.0);
        for (scaled, label) in lenses {
            let prediction = scaled.in_units(data.scale, data.shift);
            let (mean, var) = (prediction.mu[member], prediction.var[member]);
            nll += Component::new(prediction.likelihood, mean, var).map_or(f64::NAN, |c| -c.log_pdf(*label)) / n;
            square += (label - mean).powi(2) / n;
        }
        let finite = |v: f64| (n > 0.0 && v.is_finite()).then_some(v);
        (finite(nll), finite(square.sqrt()))
    }

    /// Validation cross-entropy of a member; `None` without a lens head, and unless it is finite.
    fn cross_entropy(&self, data: &Dataset, predictions: &[MemberPredictions], member: usize) -> Option<f64> {
        let objects = predictions.iter().zip(&data.validation.labels);
        let objects =
            objects.map(|(scaled, label)| Some(cross_entropy(self.is_lens(*label), *scaled.lens.get(member)?)));
        let sum: f64 = objects.sum::<Option<f64>>()?;
        let mean = sum / predictions.len() as f64;
        mean.is_finite().then_some(mean)
    }

    /// What the best weights minimise: the loss of training on the validation rows, nll times the fraction of lenses
    /// plus the cross-entropy; without a lens head, the nll.
    fn objective(&self, data: &Dataset, best: Best) -> f64 {
        match best.cross_entropy {
            Some(cross_entropy) => self.fraction_of_lenses(&data.validation.labels) * best.nll + cross_entropy,
            None => best.nll,
        }
    }

    /// Whether this is the label of a lens. Without a lens head, a label that is NaN is a bad label.
    fn is_lens(&self, label: f64) -> bool {
        !label.is_nan() || self.network.heads().lens.is_none()
    }

    /// 1 if there is no lens, so that callers can divide by it.
    fn fraction_of_lenses(&self, labels: &[f64]) -> f64 {
        match labels.iter().filter(|label| self.is_lens(**label)).count() {
            0 => 1.0,
            lenses => lenses as f64 / labels.len() as f64,
        }
    }

    /// The trained members of all folds: each with its best weights, or its last if none were ever best.
    ///
    /// # Errors
    /// A member that never took a step, or whose weights are not finite.
    pub fn members(&mut self) -> Result<Vec<(Member, MemberSummary)>, Error> {
        let (params, stats) = self.weights()?;
        let counters = self.engine.read(self.io.state)?;
        let (p, s) = (self.layout.param_stride, self.layout.stat_stride);
        let mut members = Vec::new();
        for (m, (fold, number)) in self.slots().into_iter().enumerate() {
            let words = &counters[m * state::WORDS..][..state::WORDS];
            let best = self.state.best[m];
            let kept = best.is_some() || self.folds[fold].validation.labels.is_empty() && self.is_done();
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
            if words[state::TAKEN] == 0 {
                let steps = words[state::SKIPPED];
                return Err(Error::NoStepTaken { member: number, steps });
            }
            if !member.params.iter().chain(&member.stats).all(|v| v.is_finite()) {
                return Err(Error::WeightsNotFinite { member: number });
            }
            let summary = MemberSummary {
                number,
                best_epoch: best.map_or(self.state.epoch, |best| best.epoch),
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
}

/// Mean of one column of the log over the steps that were taken; `None` if it is not finite.
fn mean(logged: &[&[f32]], column: usize) -> Option<f64> {
    let taken = |row: &&&[f32]| row[log::VERDICT] as u32 % state::KEEP == state::TAKE;
    let values: Vec<f64> = logged.iter().filter(taken).map(|row| f64::from(row[column])).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    mean.is_finite().then_some(mean)
}
