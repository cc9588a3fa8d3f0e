//! What an ensemble predicts and flags for images that differ from its training set.
//!
//!     cargo run --release --example robustness -- MODEL DIR BANDS [HELD_OUT.csv]
//!
//! DIR contains an `images.npy` stack and a catalogue with `theta_e`; HELD_OUT.csv (from a run) lists the objects to score,
//! by default all. The raw flux is changed before the stretch, and the predictions are scored: RMSE and NMAD in arcsec, the
//! fraction of errors above 1", the coverage of the 68.3 % interval and the NLL, calibrated if the model is; then the
//! fractions that are flagged `out_of_distribution`, and flagged at all.

#[path = "shared/stack.rs"]
mod stack;

use anyhow::{Context, Result};
use lensgpu::device::Device;
use lensgpu::infer::PredictedImage;
use lensgpu::model::Ensemble;
use lensgpu::posterior::metrics::{Metrics, ScoredPrediction};
use lensgpu::survey::Cutout;
use lensgpu::survey::flags::OUT_OF_DISTRIBUTION;
use lensgpu::survey::reader::read_all;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use stack::Stack;

enum Change {
    /// Gaussian, in units of the model's own sky noise of each band.
    Noise(f64),
    /// With a Gaussian of this standard deviation, pixels.
    Blur(f64),
    /// By this number of pixels along both axes; pixels without a source have zero flux.
    Shift(isize),
    /// Pixels larger by this factor than the header says, about the centre.
    Pixels(f64),
    /// In reverse order.
    Bands,
    /// Only sky noise.
    Empty,
    /// A point source of 10 to 1000 sigma at its peak, blurred by 1.5 pixels, in sky noise.
    Star,
}

impl Change {
    fn apply(&self, cutout: &mut Cutout, sky: &[f64], rng: &mut ChaCha8Rng) {
        let (h, w, c) = (cutout.height as isize, cutout.width as isize, cutout.channels);
        let at = |i: isize, j: isize, band: usize| (i * w + j) as usize * c + band;
        let old = cutout.pixels.clone();
        let clamped = |i: isize, j: isize, band: usize| f64::from(old[at(i.clamp(0, h - 1), j.clamp(0, w - 1), band)]);
        let centre = [(h - 1) as f64 / 2.0, (w - 1) as f64 / 2.0];
        let peak = 10f64.powf(rng.random_range(1.0..3.0));
        for (band, sky) in sky.iter().enumerate() {
            for (i, j) in (0..h).flat_map(|i| (0..w).map(move |j| (i, j))) {
                let value = match *self {
                    Change::Noise(sigma) => clamped(i, j, band) + sigma * sky * normal(rng),
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
                    Change::Pixels(factor) => {
                        let from = |k: isize, middle: f64| (middle + factor * (k as f64 - middle)).round() as isize;
                        clamped(from(i, centre[0]), from(j, centre[1]), band) * factor * factor
                    }
                    Change::Bands => clamped(i, j, c - 1 - band),
                    Change::Empty => sky * normal(rng),
                    Change::Star => {
                        let square = (i as f64 - centre[0]).powi(2) + (j as f64 - centre[1]).powi(2);
                        sky * (peak * (-square / (2.0 * 1.5 * 1.5)).exp() + normal(rng))
                    }
                };
                cutout.pixels[at(i, j, band)] = value as f32;
            }
        }
    }
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    rng.sample(StandardNormal)
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let stack = Stack::open(&args)?;
    let (rows, _) = stack.split();
    let Stack { model, source, .. } = stack;
    let device = Device::choose("auto")?;
    let cutouts = read_all(&source, &rows, |_| anyhow::Ok(()))?;
    let mut ensemble = Ensemble::of_members(&device, &model.network, &model.members, 64.min(rows.len()))?;
    println!("| change | RMSE | NMAD | > 1\" | 68.3 % covers | nll | out_of_distribution | any flag |");
    println!("|---|---|---|---|---|---|---|---|");
    let noise = [0.0, 0.5, 1.0, 2.0].map(|s| (format!("noise {s} sky sigma"), Change::Noise(s)));
    let blur = [0.5, 1.0, 1.5].map(|s| (format!("blur {s} pixels"), Change::Blur(s)));
    let shift = [1, 2, 4].map(|n| (format!("shift {n}, {n} pixels"), Change::Shift(n)));
    let pixels = [0.8, 0.5, 2.0].map(|f| (format!("pixels {f} times as large"), Change::Pixels(f)));
    let others = [
        ("bands in reverse order", Change::Bands),
        ("sky noise alone", Change::Empty),
        ("a star", Change::Star),
    ];
    let others = others.map(|(name, change)| (name.to_string(), change));
    let changes = noise.into_iter().chain(blur).chain(shift).chain(pixels).chain(others);
    for (name, change) in changes {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let image = model.network.input_shape().len();
        let mut images = vec![0.0; rows.len() * image];
        let mut changed_images = Vec::new();
        for (cutout, input) in cutouts.iter().zip(images.chunks_exact_mut(image)) {
            let mut changed = cutout.clone();
            change.apply(&mut changed, &model.about.stretch.scale, &mut rng);
            changed_images.push(PredictedImage::new(changed, &model, input));
        }
        let (mut scored, mut unlike, mut flagged) = (Vec::new(), 0, 0);
        for (mut image, prediction) in changed_images.into_iter().zip(ensemble.predict(&images)?) {
            image.predicted(&prediction, &model);
            let forecast = image.forecast(model.about.calibration.as_ref())?;
            let flags = image.flags(&model, forecast.interval());
            unlike += usize::from(flags & OUT_OF_DISTRIBUTION != 0);
            flagged += usize::from(flags != 0);
            scored.push(ScoredPrediction::new(
                image.facts.cutout.theta_e.context("a labelled row")?,
                &forecast,
            ));
        }
        let percent = |count: usize| 100.0 * count as f64 / scored.len() as f64;
        let m = Metrics::new(&scored)?;
        println!(
            "| {name} | {:.2} | {:.3} | {:.1} % | {:.0} % | {:.2} | {:.1} % | {:.1} % |",
            m.rmse,
            m.nmad,
            100.0 * m.share_above_1_arcsec,
            100.0 * m.coverage_683,
            m.nll,
            percent(unlike),
            percent(flagged)
        );
    }
    Ok(())
}
