//! The figure of docs/population.md: `cargo run --release --example population -- OUT` simulates the catalogue of an ideal
//! network, whose posteriors are exact under its training prior, and infers the population behind it.

use lensgpu::files::NewFolder;
use lensgpu::population::{PopulationOptions, PriorChoice, Shape, TrainingPrior, infer_population, write};
use lensgpu::posterior::quantiles::SCORES;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use std::error::Error;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Mean and standard deviation of ln theta_e.
const TRAINING: [f64; 2] = [0.4, 0.5];
const POPULATION: [f64; 2] = [0.0, 0.25];
const LENSES: usize = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(std::env::args_os().nth(1).ok_or("give a folder to write")?);
    let folder = NewFolder::staged(&out)?;
    let catalogue = folder.path().join("catalogue.csv");
    std::fs::write(&catalogue, simulated())?;
    let options = PopulationOptions {
        catalogue,
        condition: None,
        accepted_flags: 0,
        from_quantiles: false,
        prior: PriorChoice::Given(TrainingPrior::LogNormal {
            mu: TRAINING[0],
            sigma: TRAINING[1],
        }),
        shape: Shape::LOG_NORMAL,
        walkers: 32,
        steps: 4000,
        seed: 1,
    };
    let report = infer_population(&options, None, &|_| ControlFlow::Continue(()))?;
    let truth = Shape::LOG_NORMAL.population(&POPULATION).moments().values();
    println!("quantity       true  inferred            catalogue");
    for (quantity, truth) in report.quantities.iter().zip(truth) {
        let (posterior, naive) = (quantity.posterior, quantity.naive.unwrap_or(f64::NAN));
        println!(
            "{:<12} {truth:>6.3}  {:.3} +- {:.3}     {naive:.3}",
            quantity.name, posterior.mean, posterior.sigma
        );
    }
    Ok(write(folder, &report)?)
}

/// A catalogue of lenses whose measurements have normal errors of 0.1 to 0.4 in ln theta_e. The posterior of ln theta_e
/// under the training prior is then normal.
fn simulated() -> String {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut text = String::from("theta_e,sigma,q02_5,q16,q50,q84,q97_5,flags\n");
    for _ in 0..LENSES {
        let truth = POPULATION[0] + POPULATION[1] * rng.sample::<f64, _>(StandardNormal);
        let error: f64 = rng.random_range(0.1..0.4);
        let measured = truth + error * rng.sample::<f64, _>(StandardNormal);
        let variance = 1.0 / (error.powi(-2) + TRAINING[1].powi(-2));
        let mu = variance * (measured / error.powi(2) + TRAINING[0] / TRAINING[1].powi(2));
        let quantiles = SCORES.map(|z| (mu + variance.sqrt() * z).exp().to_string());
        let mean = (mu + 0.5 * variance).exp();
        let sigma = mean * variance.exp_m1().sqrt();
        text += &format!("{mean},{sigma},{},0\n", quantiles.join(","));
    }
    text
}
