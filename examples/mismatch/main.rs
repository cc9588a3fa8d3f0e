//! How often images that differ from a model's training set are flagged, and how wrong the unflagged ones are.
//!
//!     cargo run --release --example mismatch -- MODEL DIR BANDS [HELD_OUT.csv] [--count N]
//!
//! DIR contains an `images.npy` stack and a catalogue with `theta_e`; HELD_OUT.csv (from a run) lists the objects that were
//! not trained on, by default all. Three tables are printed:
//!
//! 1. The raw flux is changed before the stretch, one kind of change per row: the fractions flagged `out_of_distribution`
//!    and flagged at all; median and root mean square error of all images, of those not flagged `out_of_distribution`,
//!    and of those without any flag.
//! 2. For unchanged images, each flag: the errors of the images with and without it.
//! 3. For unchanged images, the errors of those left if the fraction with the largest `sigma`, `sigma_epistemic` or
//!    `ood_score` is rejected.
//!
//! A model of an earlier version knows no image statistics and limits: those are then fitted to the objects that are not
//! held out, and the limits derived from the first half of the objects held out, which are not used for the tables.

mod changes;
#[path = "../shared/stack.rs"]
mod stack;

use anyhow::{Context, Result};
use changes::Change;
use lensgpu::device::Device;
use lensgpu::infer::PredictedImage;
use lensgpu::model::{Ensemble, Model};
use lensgpu::posterior::mixture::Prediction;
use lensgpu::survey::flags::{FLAGS, OUT_OF_DISTRIBUTION};
use lensgpu::survey::reader::read_all;
use lensgpu::survey::{Cutout, statistics};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use stack::Stack;

/// A changed image, predicted.
struct Row {
    truth: f64,
    prediction: Prediction,
    ood_score: f64,
    flags: i32,
}

impl Row {
    fn error(&self) -> f64 {
        (self.prediction.theta_e - self.truth).abs()
    }
}

/// Predicts images after a change.
fn predict(model: &Model, ensemble: &mut Ensemble, cutouts: &[Cutout], change: Change) -> Result<Vec<PredictedImage>> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let image = model.network.input_shape().len();
    let mut inputs = vec![0.0; cutouts.len() * image];
    let mut images = Vec::new();
    for (cutout, input) in cutouts.iter().zip(inputs.chunks_exact_mut(image)) {
        let mut changed = cutout.clone();
        change.apply(&mut changed, &model.about.stretch.scale, &mut rng);
        images.push(PredictedImage::new(changed, model, input));
    }
    for (image, prediction) in images.iter_mut().zip(ensemble.predict(&inputs)?) {
        image.predicted(&prediction, model);
    }
    Ok(images)
}

fn rows(model: &Model, images: Vec<PredictedImage>) -> Result<Vec<Row>> {
    let row = |image: PredictedImage| {
        let prediction = image.forecast(model.about.calibration.as_ref())?.prediction();
        Ok(Row {
            truth: image.facts.cutout.theta_e.context("a labelled row")?,
            prediction,
            ood_score: image.ood_score(model).unwrap_or(f64::NAN),
            flags: image.flags(model, prediction.interval()),
        })
    };
    images.into_iter().map(row).collect()
}

/// Median and root mean square of the errors, arcsec.
fn errors<'a>(rows: impl Iterator<Item = &'a Row>) -> String {
    let mut errors: Vec<f64> = rows.map(Row::error).collect();
    errors.sort_by(f64::total_cmp);
    let mean_square = errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64;
    match errors.get(errors.len() / 2) {
        Some(median) => format!("{median:.3}, {:.3}", mean_square.sqrt()),
        None => "-".into(),
    }
}

fn percent(part: usize, all: usize) -> String {
    format!("{:.1} %", 100.0 * part as f64 / all as f64)
}

fn mismatches(model: &Model, ensemble: &mut Ensemble, cutouts: &[Cutout]) -> Result<()> {
    println!("| change | `out_of_distribution` | any flag | error, all | error, in distribution | error, no flag |");
    println!("|---|---|---|---|---|---|");
    for (name, change) in Change::all() {
        let rows = rows(model, predict(model, ensemble, cutouts, change)?)?;
        let flagged = |bits: i32| rows.iter().filter(|row| row.flags & bits != 0).count();
        let of = |bits: i32| match change.keeps_the_lens() {
            true => errors(rows.iter().filter(|row| row.flags & bits == 0)),
            false => String::new(),
        };
        println!(
            "| {name} | {} | {} | {} | {} | {} |",
            percent(flagged(OUT_OF_DISTRIBUTION), rows.len()),
            percent(flagged(!0), rows.len()),
            of(0),
            of(OUT_OF_DISTRIBUTION),
            of(!0)
        );
    }
    Ok(())
}

fn by_flag(rows: &[Row]) {
    println!("\n| flag | images | error with it | error without it |\n|---|---|---|---|");
    for flag in &FLAGS {
        let with = |wanted: bool| rows.iter().filter(move |row| (row.flags & flag.bit != 0) == wanted);
        if with(true).count() > 0 {
            let images = percent(with(true).count(), rows.len());
            println!(
                "| `{}` | {images} | {} | {} |",
                flag.name,
                errors(with(true)),
                errors(with(false))
            );
        }
    }
}

fn by_fraction_rejected(rows: &[Row]) {
    println!("\n| rejected | by `sigma` | by `sigma_epistemic` | by `ood_score` |\n|---|---|---|---|");
    for rejected in [0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5] {
        let by = |value: &dyn Fn(&Row) -> f64| {
            let mut sorted: Vec<&Row> = rows.iter().collect();
            sorted.sort_by(|a, b| value(a).total_cmp(&value(b)));
            sorted.truncate(((1.0 - rejected) * rows.len() as f64).round() as usize);
            errors(sorted.into_iter())
        };
        println!(
            "| {:.0} % | {} | {} | {} |",
            100.0 * rejected,
            by(&|row| row.prediction.sigma),
            by(&|row| row.prediction.sigma_epistemic),
            by(&|row| row.ood_score)
        );
    }
}

fn main() -> Result<()> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut count = usize::MAX;
    if let Some(at) = args.iter().position(|arg| arg == "--count") {
        count = args.get(at + 1).context("--count needs a number")?.parse()?;
        args.drain(at..at + 2);
    }
    let stack = Stack::open(&args)?;
    let (test, training) = stack.split();
    let Stack { mut model, source, .. } = stack;
    let device = Device::choose("auto")?;
    let read = |rows: &[usize]| read_all(&source, rows, |_| anyhow::Ok(()));
    let mut cutouts = read(&test)?;
    let mut ensemble = Ensemble::of_members(&device, &model.network, &model.members, 64.min(cutouts.len()))?;
    if model.statistics.is_none() && !training.is_empty() {
        let training = read(&training)?;
        model.statistics = Some(statistics::fit(
            &training.iter().collect::<Vec<_>>(),
            &model.about.stretch,
        )?);
        let first = cutouts.drain(..cutouts.len() / 2).collect::<Vec<_>>();
        let images = predict(&model, &mut ensemble, &first, Change::None)?;
        let (distances, members): (Vec<_>, Vec<_>) = images.into_iter().map(|i| (i.facts.distances, i.members)).unzip();
        model.about.set_limits(&distances, &members, "held-out images");
    }
    cutouts.truncate(count);
    println!(
        "{} images of {}; errors are median and root mean square, arcsec\n",
        cutouts.len(),
        args[1]
    );
    mismatches(&model, &mut ensemble, &cutouts)?;
    let unchanged = rows(&model, predict(&model, &mut ensemble, &cutouts, Change::None)?)?;
    by_flag(&unchanged);
    by_fraction_rejected(&unchanged);
    Ok(())
}
