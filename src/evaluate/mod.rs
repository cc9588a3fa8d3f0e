//! A model against objects whose true Einstein radius is known: the figures of a report.

mod flagged;

pub use flagged::Largest;

use crate::device::Device;
use crate::infer::Passes;
use crate::infer::stream::stream;
use crate::model::Model;
use crate::posterior::MemberPredictions;
use crate::posterior::calibration::{Calibration, Forecast, Method, fit};
use crate::posterior::metrics::bootstrap::{SAMPLES, bootstrap};
use crate::posterior::metrics::{FIGURES, Metrics, Scored};
use crate::posterior::mixture::{Mixture, Prediction};
use crate::progress::Callback;
use crate::survey::ImageFolder;
use crate::survey::split::random_order;
use anyhow::{Context, Result, bail, ensure};
use flagged::{by_flag, with_flags, with_median};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// Bins by a quantity at most, and objects in each at least.
const BINS: usize = 5;
const LEAST_IN_BIN: usize = 20;
const UNFLAGGED: &str = "ensemble, unflagged";
/// Columns that are known to hold a quantity, in the challenge's catalogue and in our simulator's.
const SIGNAL_TO_NOISE: [&str; 4] = ["flux_lensed_image_in_sigma", "arc_sigma", "arc_snr", "snr"];
const ARC_SIZE: [&str; 2] = ["numb_pix_lensed_image", "arc_pixels"];

/// One object whose truth is known, and each member's answer.
#[derive(Clone, Debug)]
pub struct Known {
    /// In [`ImageFolder::objects`].
    pub index: usize,
    pub truth: f64,
    pub answer: MemberPredictions,
    /// See [`crate::survey::flags`].
    pub flags: i32,
}

/// The members' answers for every labelled object.
///
/// # Errors
/// An image that cannot be read, an answer that is not finite, a user who stops: figures of a part would mislead.
pub fn answers(
    model: &Model,
    device: &Device,
    source: &Arc<ImageFolder>,
    passes: Passes,
    progress: &Callback,
) -> Result<Vec<Known>> {
    let mut known = Vec::with_capacity(source.len());
    stream(model, device, source, passes, progress, &mut |object| {
        object.forecast(None)?;
        let flags = object.flags(model);
        let truth = source.objects[object.index].theta_e.context("a labelled object")?;
        let image = object.image.expect("an object with a forecast was read");
        known.push(Known {
            index: object.index,
            truth,
            answer: image.members,
            flags,
        });
        anyhow::Ok(())
    })?;
    if known.len() < source.len() {
        bail!("stopped after {} of {} objects", known.len(), source.len());
    }
    Ok(known)
}

/// Answers beside the truth, read by `calibration`.
pub fn score(known: &[Known], calibration: Option<&Calibration>) -> Result<Vec<Scored>> {
    let score = |k: &Known| {
        let forecast = Forecast::new(&k.answer, calibration)?;
        Ok(Scored::new(k.truth, &forecast))
    };
    known.iter().map(score).collect()
}

/// Mixtures beside the truth, as [`fit`] takes them.
pub fn mixtures(known: &[Known]) -> Result<Vec<(Mixture, f64)>> {
    let mixture = |k: &Known| Ok((k.answer.mixture()?, k.truth));
    known.iter().map(mixture).collect()
}

/// Figures before and after a calibration on rows that it did not see: fitted on each half of `rows`, in the random order
/// of `seed`, and scored on the other.
///
/// # Errors
/// Those of [`fit`] for half of the rows.
pub fn cross_fitted(method: Method, rows: &[(Mixture, f64)], seed: u64) -> Result<(Metrics, Metrics)> {
    let order = random_order(rows.len(), &mut ChaCha8Rng::seed_from_u64(seed));
    let (a, b) = order.split_at(order.len() / 2);
    let pick = |half: &[usize]| half.iter().map(|&row| rows[row].clone()).collect::<Vec<_>>();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (fitted, scored) in [(pick(a), pick(b)), (pick(b), pick(a))] {
        let map = fit(method, &fitted)?;
        for (mixture, truth) in &scored {
            before.push(Scored::new(*truth, &Forecast::of(mixture, None)));
            after.push(Scored::new(*truth, &Forecast::of(mixture, Some(&map))));
        }
    }
    Ok((Metrics::new(&before)?, Metrics::new(&after)?))
}

/// Figures of a set of answers, with errors.
#[derive(Clone, Debug)]
pub struct Set {
    /// `ensemble`, `ensemble, unflagged`, `member 0`.
    pub name: String,
    pub metrics: Metrics,
    /// Of [`FIGURES`], by bootstrap.
    pub errors: [f64; FIGURES.len()],
}

/// Figures of the objects with a quantity in [from, to].
#[derive(Clone, Debug)]
pub struct Bin {
    pub from: f64,
    pub to: f64,
    pub set: Set,
}

/// Bins by one quantity.
#[derive(Clone, Debug)]
pub struct Binned {
    /// As people read it, with its unit.
    pub quantity: String,
    /// The catalogue's column, or `truth`.
    pub column: String,
    pub bins: Vec<Bin>,
}

/// Ensembles of `members` members: mean over the runs of consecutive members, around the corner, of which each member is
/// in as many.
#[derive(Clone, Copy, Debug)]
pub struct BySize {
    pub members: usize,
    pub rmse: f64,
    /// Of the mixtures, uncalibrated.
    pub nll: f64,
    /// Smallest and largest among the runs.
    pub rmse_range: (f64, f64),
    pub nll_range: (f64, f64),
}

/// All that a report shows.
pub struct Evaluation {
    pub known: Vec<Known>,
    /// By the model's calibration, where it has one.
    pub scored: Vec<Scored>,
    /// Without it; `None` where it has none.
    pub raw: Option<Vec<Scored>>,
    /// The ensemble, the uncalibrated ensemble where that is another, the ensemble on unflagged objects where there are any,
    /// each member.
    pub sets: Vec<Set>,
    /// The objects with each flag that any has, and those with `any`.
    pub flags: Vec<Set>,
    pub largest: Largest,
    /// The ensemble, with the mixture's median in place of its mean.
    pub median: Set,
    /// Place in the model of the member of smallest validation NLL.
    pub best_member: Option<usize>,
    pub binned: Vec<Binned>,
    pub by_size: Vec<BySize>,
}

impl Evaluation {
    /// # Errors
    /// No object, answers or truths that are not finite.
    pub fn new(model: &Model, source: &ImageFolder, known: Vec<Known>, seed: u64) -> Result<Evaluation> {
        ensure!(!known.is_empty(), "there is no labelled object to evaluate on");
        let calibration = model.about.calibration.as_ref();
        let scored = score(&known, calibration)?;
        let raw = calibration.map(|_| score(&known, None)).transpose()?;
        let set = |name: String, scored: &[Scored]| {
            anyhow::Ok(Set {
                name,
                metrics: Metrics::new(scored)?,
                errors: bootstrap(scored, SAMPLES, seed)?,
            })
        };
        let mut sets = vec![set("ensemble".into(), &scored)?];
        if let Some(raw) = &raw {
            sets.push(set("ensemble, uncalibrated".into(), raw)?);
        }
        let unflagged = with_flags(&known, &scored, |flags| flags == 0);
        if !unflagged.is_empty() {
            sets.push(set(UNFLAGGED.into(), &unflagged)?);
        }
        for (m, member) in model.members.iter().enumerate() {
            let scored = subset(&known, &[m])?;
            sets.push(set(format!("member {}", member.number), &scored)?);
        }
        let by_flag = by_flag(&known, &scored).into_iter();
        let flags = by_flag
            .map(|(name, part)| set(name.into(), &part))
            .collect::<Result<_>>()?;
        let largest = Largest::new(model.about.label.range.1, &scored, &unflagged);
        let median = set("ensemble, median".into(), &with_median(&scored))?;
        let summaries = model.about.training.members.iter().enumerate();
        let best_member = summaries
            .filter_map(|(m, summary)| Some((m, summary.nll?)))
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(m, _)| m);

        let mut binned = Vec::new();
        for (quantity, column, values) in quantities(source, &known) {
            let mut bins = Vec::new();
            for rows in equal_parts(&values) {
                let part: Vec<Scored> = rows.iter().map(|&row| scored[row]).collect();
                bins.push(Bin {
                    from: values[rows[0]],
                    to: values[rows[rows.len() - 1]],
                    set: set(column.clone(), &part)?,
                });
            }
            binned.push(Binned { quantity, column, bins });
        }
        let members = model.members.len();
        let by_size = (1..=members)
            .map(|size| by_size(&known, members, size))
            .collect::<Result<_>>()?;
        Ok(Evaluation {
            known,
            scored,
            raw,
            sets,
            flags,
            largest,
            median,
            best_member,
            binned,
            by_size,
        })
    }

    /// The objects with each flag, with `any` and with `none`.
    pub fn by_flag(&self) -> impl Iterator<Item = (&str, &Set)> {
        let none = self.sets.iter().filter(|set| set.name == UNFLAGGED);
        let flags = self.flags.iter().map(|set| (&*set.name, set));
        flags.chain(none.map(|set| ("none", set)))
    }

    /// The `n` objects of largest |error|, the worst first.
    pub fn worst(&self, n: usize) -> Vec<usize> {
        self.top(n, |o| o.error().abs())
    }

    /// The `n` objects of largest sigma.
    pub fn most_uncertain(&self, n: usize) -> Vec<usize> {
        self.top(n, |o| o.prediction.sigma)
    }

    fn top(&self, n: usize, value: impl Fn(&Scored) -> f64) -> Vec<usize> {
        let mut rows: Vec<usize> = (0..self.scored.len()).collect();
        rows.sort_by(|&a, &b| value(&self.scored[b]).total_cmp(&value(&self.scored[a])));
        rows.truncate(n);
        rows
    }

    /// Answers, calibrated.
    pub fn prediction(&self, row: usize) -> &Prediction {
        &self.scored[row].prediction
    }
}

/// Some members alone, uncalibrated.
fn subset(known: &[Known], members: &[usize]) -> Result<Vec<Scored>> {
    let score = |k: &Known| {
        let forecast = Forecast::new(&k.answer.of(members), None)?;
        Ok(Scored::new(k.truth, &forecast))
    };
    known.iter().map(score).collect()
}

fn by_size(known: &[Known], members: usize, size: usize) -> Result<BySize> {
    let runs = if size == members { 1 } else { members };
    let figures = (0..runs)
        .map(|first| {
            let run: Vec<usize> = (0..size).map(|k| (first + k) % members).collect();
            let (mut squares, mut nll) = (0.0, 0.0);
            for k in known {
                let mixture = k.answer.of(&run).mixture()?;
                squares += (mixture.mean() - k.truth).powi(2);
                nll -= mixture.log_pdf(k.truth);
            }
            let n = known.len() as f64;
            Ok(((squares / n).sqrt(), nll / n))
        })
        .collect::<Result<Vec<(f64, f64)>>>()?;
    let mean = |value: fn(&(f64, f64)) -> f64| figures.iter().map(value).sum::<f64>() / runs as f64;
    let range = |value: fn(&(f64, f64)) -> f64| {
        let values = figures.iter().map(value);
        (
            values.clone().fold(f64::INFINITY, f64::min),
            values.fold(f64::NEG_INFINITY, f64::max),
        )
    };
    Ok(BySize {
        members: size,
        rmse: mean(|f| f.0),
        nll: mean(|f| f.1),
        rmse_range: range(|f| f.0),
        nll_range: range(|f| f.1),
    })
}

/// Name with unit, column, and value of each object; only quantities that are known of all objects.
fn quantities(source: &ImageFolder, known: &[Known]) -> Vec<(String, String, Vec<f64>)> {
    let truths = known.iter().map(|k| k.truth).collect();
    let mut found = vec![("true Einstein radius [arcsec]".to_string(), "truth".to_string(), truths)];
    let Some(catalogue) = &source.catalogue else {
        return found;
    };
    for (quantity, names) in [
        ("signal to noise of the arcs", &SIGNAL_TO_NOISE[..]),
        ("size of the arcs [pixels]", &ARC_SIZE[..]),
    ] {
        let Some(column) = names.iter().find_map(|name| catalogue.find(name)) else {
            continue;
        };
        let value = |k: &Known| {
            source.objects[k.index]
                .row
                .map_or(f64::NAN, |row| catalogue.number(row, column))
        };
        let values: Vec<f64> = known.iter().map(value).collect();
        if values.iter().all(|v| v.is_finite()) {
            found.push((quantity.into(), catalogue.columns[column].clone(), values));
        }
    }
    found
}

/// Rows in at most five parts of equal size by ascending value; none where all values are the same.
fn equal_parts(values: &[f64]) -> Vec<Vec<usize>> {
    let mut rows: Vec<usize> = (0..values.len()).collect();
    rows.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let (n, parts) = (rows.len(), (rows.len() / LEAST_IN_BIN).min(BINS));
    if parts < 2 || values[rows[0]] == values[rows[n - 1]] {
        return Vec::new();
    }
    (0..parts)
        .map(|k| rows[k * n / parts..(k + 1) * n / parts].to_vec())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn known(n: usize) -> Vec<Known> {
        (0..n)
            .map(|index| {
                let truth = 1.0 + index as f64 / n as f64;
                Known {
                    index,
                    truth,
                    answer: MemberPredictions::gaussian(&[truth + 0.1, truth - 0.1, truth + 0.3], &[0.01; 3]),
                    flags: 0,
                }
            })
            .collect()
    }

    #[test]
    fn every_member_is_in_as_many_ensembles_of_each_size() {
        let known = known(10);
        let one = by_size(&known, 3, 1).unwrap();
        assert!((one.rmse - (0.1 + 0.1 + 0.3) / 3.0).abs() < 1e-12, "{one:?}");
        assert!((one.rmse_range.0 - 0.1).abs() < 1e-12 && (one.rmse_range.1 - 0.3).abs() < 1e-12);
        let all = by_size(&known, 3, 3).unwrap();
        assert!((all.rmse - 0.1).abs() < 1e-12);
        assert_eq!(all.rmse_range, (all.rmse, all.rmse));
    }

    #[test]
    fn parts_are_equal_and_ascend() {
        let values: Vec<f64> = (0..110).map(|i| ((i * 37) % 110) as f64).collect();
        let parts = equal_parts(&values);
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [22; 5]);
        assert!(values[parts[0][21]] < values[parts[1][0]]);
        assert!(equal_parts(&values[..30]).is_empty() && equal_parts(&[1.0; 100]).is_empty());
    }

    #[test]
    fn cross_fitting_scores_every_row_once() {
        let (before, after) = cross_fitted(Method::Factors, &mixtures(&known(60)).unwrap(), 1).unwrap();
        assert_eq!((before.n, after.n), (60, 60));
        assert!((before.rmse - after.rmse).abs() < 1e-12);
        assert!(cross_fitted(Method::Factors, &mixtures(&known(30)).unwrap(), 1).is_err());
    }
}
