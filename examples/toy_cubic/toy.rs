//! The toy problem of figure 1 of the deep ensembles paper (arXiv 1612.01474): y = x^3 + noise of standard deviation 3,
//! 20 values of x between -4 and 4, predicted between -6 and 6.

use anyhow::Result;
use lensgpu::device::Device;
use lensgpu::model::Ensemble;
use lensgpu::nn::Network;
use lensgpu::posterior::mixture::Mixture;
use lensgpu::train::{Band, Dataset, EpochEnd, Examples, TrainOptions, Trainer};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use std::ops::ControlFlow;

pub const NOISE: f64 = 3.0;
/// x is divided by this to make the network's input.
const X_SCALE: f64 = 4.0;

const NETWORK: &str = r#"
layers = [
    { layer = "dense", name = "dense1", units = 100, activation = "relu" },
    { layer = "heads", mean = "mean", var = "var", mean_activation = "identity" },
]
"#;

/// The training of one panel of the figure.
#[derive(Clone, Copy)]
pub struct Recipe {
    pub title: &'static str,
    pub members: u32,
    /// Fit only the mean, by squared error.
    pub squared_error: bool,
    /// See `lensgpu train --adversarial`; 0 for none.
    pub adversarial: f32,
}

pub const RECIPES: [Recipe; 4] = [
    Recipe {
        title: "one network, squared error",
        members: 1,
        squared_error: true,
        adversarial: 0.0,
    },
    Recipe {
        title: "one network, NLL",
        members: 1,
        squared_error: false,
        adversarial: 0.0,
    },
    Recipe {
        title: "one network, NLL, adversarial training",
        members: 1,
        squared_error: false,
        adversarial: 0.01,
    },
    Recipe {
        title: "five networks, NLL, adversarial training",
        members: 5,
        squared_error: false,
        adversarial: 0.01,
    },
];

/// Training points (x, y).
pub fn points(count: usize, seed: u64) -> Vec<(f64, f64)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let noise = Normal::new(0.0, NOISE).expect("a positive deviation");
    let mut point = || {
        let x = rng.random_range(-4.0..4.0f64);
        (x, x.powi(3) + noise.sample(&mut rng))
    };
    (0..count).map(|_| point()).collect()
}

/// Trains an ensemble on the points, and returns its predictions at `xs`.
pub fn predictions(device: &Device, recipe: &Recipe, points: &[(f64, f64)], xs: &[f64]) -> Result<Vec<Mixture>> {
    let mut network: Network = toml::from_str(NETWORK)?;
    network.input = vec![1];
    let input = |x: f64| (x / X_SCALE) as f32;
    let n = points.len() as f64;
    let shift = points.iter().map(|p| p.1).sum::<f64>() / n;
    let scale = (points.iter().map(|p| (p.1 - shift).powi(2)).sum::<f64>() / n).sqrt();
    let data = Dataset {
        train: Examples {
            images: points.iter().map(|p| input(p.0)).collect(),
            labels: points.iter().map(|p| p.1).collect(),
        },
        validation: Examples::default(),
        // x from -4 to 4 is -1 to 1 for the network; nothing is masked.
        bands: vec![Band {
            masked: f32::NAN,
            sky_noise: 0.0,
            range: 2.0,
        }],
        scale,
        shift,
        fingerprint: 0,
    };
    let epochs = 1500;
    let options = TrainOptions {
        members: (0..recipe.members).collect(),
        batch: points.len(),
        epochs,
        learning_rate: 1e-2,
        validation: 0.0,
        calibration: 0.0,
        adversarial: recipe.adversarial,
        // Then only the last step, whose learning rate is almost 0, fits the variance.
        warm_up_mean: if recipe.squared_error { epochs - 1 } else { 0 },
        ..lensgpu::Recipe::Vanilla.options()
    };
    let mut trainer = Trainer::new(device, &network, data, &options, None)?;
    while !trainer.is_done() {
        let EpochEnd::Complete = trainer.epoch(&mut |_| ControlFlow::Continue(()))? else {
            unreachable!("nobody stops it")
        };
    }
    let members: Vec<_> = trainer.members()?.into_iter().map(|(member, _)| member).collect();
    let mut ensemble = Ensemble::of_members(device, &network, &members, 64)?;
    let images: Vec<f32> = xs.iter().map(|&x| input(x)).collect();
    let predictions = ensemble.predict(&images)?;
    predictions
        .iter()
        .map(|prediction| Ok(prediction.in_units(scale, shift).mixture()?))
        .collect()
}
