//! How an ensemble's answers stand noise, blur and shifts that its training did not have.
//!
//!     cargo run --release --example robustness -- MODEL DIR BANDS [HELD_OUT.csv]
//!
//! DIR holds an `images.npy` stack with a catalogue that has `theta_e`; HELD_OUT.csv (of a run) names the objects that are
//! scored, by default all. The raw flux is changed before the stretch, and the answers are scored: RMSE and NMAD in
//! arcsec, the share of errors above 1", the coverage of the 68.3 % interval and the nll, calibrated where the model is.

use anyhow::{Context, Result};
use lensgpu::data::reader::read_all;
use lensgpu::data::{Cutout, Source, SourceOptions};
use lensgpu::device::Device;
use lensgpu::ensemble::calibration::Forecast;
use lensgpu::ensemble::metrics::{Metrics, Scored};
use lensgpu::ensemble::predict::Predictor;
use lensgpu::net::Model;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use std::collections::HashSet;
use std::path::Path;

enum Change {
    /// Gaussian, in units of the model's own sky noise of each band.
    Noise(f64),
    /// By a Gaussian of so many pixels (standard deviation).
    Blur(f64),
    /// Along both axes, by so many pixels; what comes in has no flux.
    Shift(isize),
}

impl Change {
    fn apply(&self, cutout: &mut Cutout, sky: &[f64], rng: &mut ChaCha8Rng) {
        let (h, w, c) = (cutout.height as isize, cutout.width as isize, cutout.channels);
        let at = |i: isize, j: isize, band: usize| (i * w + j) as usize * c + band;
        let old = cutout.pixels.clone();
        let clamped = |i: isize, j: isize, band: usize| f64::from(old[at(i.clamp(0, h - 1), j.clamp(0, w - 1), band)]);
        for (band, sky) in sky.iter().enumerate() {
            for (i, j) in (0..h).flat_map(|i| (0..w).map(move |j| (i, j))) {
                let value = match *self {
                    Change::Noise(sigma) => clamped(i, j, band) + sigma * sky * rng.sample::<f64, _>(StandardNormal),
                    Change::Blur(0.0) => clamped(i, j, band),
                    Change::Blur(sigma) => {
                        let reach = (3.0 * sigma).ceil() as isize;
                        let (mut sum, mut weights) = (0.0, 0.0);
                        for (u, v) in (-reach..=reach).flat_map(|u| (-reach..=reach).map(move |v| (u, v))) {
                            let weight = (-((u * u + v * v) as f64) / (2.0 * sigma * sigma)).exp();
                            sum += weight * clamped(i + u, j + v, band);
                            weights += weight;
                        }
                        sum / weights
                    }
                    Change::Shift(n) if i < n || j < n => 0.0,
                    Change::Shift(n) => clamped(i - n, j - n, band),
                };
                cutout.pixels[at(i, j, band)] = value as f32;
            }
        }
    }
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [model, dir, bands, rest @ ..] = &args[..] else {
        anyhow::bail!("give a model, the folder of a stack, its bands as in R,I,G, and the held_out.csv of a run");
    };
    let model = Model::read(Path::new(model))?;
    let device = Device::choose("auto")?;
    let source = Source::open(&SourceOptions {
        bands: Some(bands.split(',').map(String::from).collect()),
        crop: Some(model.network.input_shape().h),
        ..SourceOptions::new(dir)
    })?;
    let ids: Option<HashSet<String>> = match rest.first() {
        None => None,
        Some(path) => {
            let mut rows = csv::Reader::from_path(path).with_context(|| path.clone())?;
            Some(
                rows.records()
                    .map(|row| Ok(row?[0].to_string()))
                    .collect::<Result<_>>()?,
            )
        }
    };
    let wanted = |i: &usize| ids.as_ref().is_none_or(|ids| ids.contains(&source.objects[*i].id));
    let rows: Vec<usize> = (0..source.len()).filter(wanted).collect();
    let cutouts = read_all(&source, &rows, |_| {})?;
    let mut predictor = Predictor::of_members(&device, &model.network, &model.members, 64.min(rows.len()))?;
    println!("| change | RMSE | NMAD | > 1\" | 68.3 % covers | nll |\n|---|---|---|---|---|---|");
    let noise = [0.0, 0.5, 1.0, 2.0].map(|s| (format!("noise {s} sky sigma"), Change::Noise(s)));
    let blur = [0.5, 1.0, 1.5].map(|s| (format!("blur {s} pixels"), Change::Blur(s)));
    let shift = [1, 2, 4].map(|n| (format!("shift {n}, {n} pixels"), Change::Shift(n)));
    for (name, change) in noise.into_iter().chain(blur).chain(shift) {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let image = model.network.input_shape().len();
        let mut images = vec![0.0; rows.len() * image];
        for (cutout, out) in cutouts.iter().zip(images.chunks_exact_mut(image)) {
            let mut changed = cutout.clone();
            change.apply(&mut changed, &model.about.stretch.scale, &mut rng);
            model.about.stretch.apply(&changed, out);
        }
        let label = &model.about.label;
        let mut scored = Vec::new();
        for (answer, cutout) in predictor.predict(&images)?.iter().zip(&cutouts) {
            let answer = answer.in_units(label.scale, label.shift);
            let forecast = Forecast::new(&answer, model.about.calibration.as_ref())?;
            scored.push(Scored::new(cutout.theta_e.context("a labelled row")?, &forecast));
        }
        let m = Metrics::new(&scored)?;
        println!(
            "| {name} | {:.2} | {:.3} | {:.0} % | {:.0} % | {:.2} |",
            m.rmse,
            m.nmad,
            100.0 * m.share_above_1_arcsec,
            100.0 * m.coverage_683,
            m.nll
        );
    }
    Ok(())
}
