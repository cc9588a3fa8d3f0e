//! `lensgpu population`: simulated catalogues with known populations, as the library and as a user runs it, and bad input.

mod common;

use common::program::{Folder, done, fails, lensgpu};
use lensgpu::Device;
use lensgpu::model::Model;
use lensgpu::population::{
    Error, Moments, PopulationOptions, PopulationReport, PosteriorSource, PriorChoice, Shape, TrainingPrior,
    infer_population, write,
};
use lensgpu::posterior::calibration::PredictiveDistribution;
use lensgpu::posterior::mixture::Mixture;
use lensgpu::posterior::quantiles::SCORES;
use lensgpu::progress::{Event, Phase, ignore_events};
use lensgpu::{LabelledImages, Network, Start, TrainOptions, train_arrays};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use rayon::prelude::*;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

/// Mean and standard deviation of ln theta_e in training.
const TRAINING: [f64; 2] = [0.4, 0.5];

/// A catalogue of log-normal posteriors.
struct Simulated {
    /// Mean and standard deviation of ln theta_e of each object under the training prior.
    posteriors: Vec<[f64; 2]>,
}

impl Simulated {
    /// Of true values of ln theta_e that `draw` draws. Each has a measurement with a normal error of 0.1 to 0.4 in
    /// ln theta_e, and a network predicts the exact posterior under the training prior, which is the product of two normal
    /// distributions.
    fn new(objects: usize, seed: u64, draw: impl Fn(&mut ChaCha8Rng) -> f64) -> Simulated {
        Simulated::trained(TRAINING, objects, seed, draw)
    }

    /// Of a network whose training labels have this mean and standard deviation of ln theta_e.
    fn trained([mu, sigma]: [f64; 2], objects: usize, seed: u64, draw: impl Fn(&mut ChaCha8Rng) -> f64) -> Simulated {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let posterior = |_| {
            let truth = draw(&mut rng);
            let error: f64 = rng.random_range(0.1..0.4);
            let measured = truth + error * rng.sample::<f64, _>(StandardNormal);
            let variance = 1.0 / (error.powi(-2) + sigma.powi(-2));
            let mean = variance * (measured / error.powi(2) + mu / sigma.powi(2));
            [mean, variance.sqrt()]
        };
        Simulated {
            posteriors: (0..objects).map(posterior).collect(),
        }
    }

    /// Mean and variance of theta_e.
    fn moments([mu, sigma]: [f64; 2]) -> [f64; 2] {
        let mean = (mu + 0.5 * sigma * sigma).exp();
        [mean, mean * mean * (sigma * sigma).exp_m1()]
    }

    /// As `infer` writes it: the rows are those of the objects, and a flagged one and one without an image.
    fn csv(&self, members: bool) -> String {
        let header = "id,theta_e,sigma,sigma_aleatoric,sigma_epistemic,q02_5,q16,q50,q84,q97_5,ood_score,flags";
        let mut text = format!("{header}{}\n", if members { ",mu_0,var_0,likelihood" } else { "" });
        for (i, &[mu, sigma]) in self.posteriors.iter().enumerate() {
            let [mean, variance] = Simulated::moments([mu, sigma]);
            let [a, b, c, d, e] = SCORES.map(|z| (mu + sigma * z).exp());
            let std = variance.sqrt();
            write!(text, "{i},{mean},{std},{std},0,{a},{b},{c},{d},{e},0.1,0").unwrap();
            text += &if members {
                format!(",{mean},{variance},log-normal\n")
            } else {
                "\n".into()
            };
        }
        let more = if members { ",30,4,log-normal" } else { "" };
        writeln!(text, "flagged,30,2,2,0,26,28,30,32,34,7.5,256{more}").unwrap();
        writeln!(text, "no_image,,,,,,,,,,,512{}", if members { ",,," } else { "" }).unwrap();
        text
    }

    fn report(&self, options: PopulationOptions, folder: &Path, members: bool) -> Result<PopulationReport, Error> {
        std::fs::write(folder.join("in.csv"), self.csv(members)).unwrap();
        let mut options = options;
        options.catalogue = folder.join("in.csv");
        // Of many chains, some are a little too short, as the error says.
        loop {
            match infer_population(&options, None, &ignore_events) {
                Err(Error::Sampler(_)) if options.steps < 20_000 => options.steps *= 2,
                result => return result,
            }
        }
    }
}

fn log_normal(mu: f64, sigma: f64) -> impl Fn(&mut ChaCha8Rng) -> f64 {
    move |rng| mu + sigma * rng.sample::<f64, _>(StandardNormal)
}

/// The prior of the simulated network, and a chain that is just long enough.
fn options() -> PopulationOptions {
    let [mu, sigma] = TRAINING;
    PopulationOptions {
        catalogue: "in.csv".into(),
        condition: None,
        accepted_flags: 0,
        from_quantiles: false,
        prior: PriorChoice::Given(TrainingPrior::LogNormal { mu, sigma }),
        shape: Shape::LOG_NORMAL,
        walkers: 10,
        steps: 2500,
        seed: 1,
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len() as f64
}

const OBJECTS: usize = 50;
const DRAWS: u64 = 100;

/// The reports of many catalogues of one population, and the true values. The posteriors contain the prior `training`, and
/// are divided by `prior`.
fn many(draws: u64, training: [f64; 2], prior: &TrainingPrior) -> (Vec<PopulationReport>, [f64; 5]) {
    let population = [0.0, 0.25];
    let report = |seed: u64| {
        let folder = tempfile::tempdir().unwrap();
        let draw = log_normal(population[0], population[1]);
        let simulated = Simulated::trained(training, OBJECTS, seed, draw);
        let options = PopulationOptions {
            prior: PriorChoice::Given(prior.clone()),
            ..options()
        };
        simulated.report(options, folder.path(), false).unwrap()
    };
    let reports = (0..draws).into_par_iter().map(report).collect();
    (reports, Shape::LOG_NORMAL.population(&population).moments().values())
}

/// In how many reports the interval between two quantiles of quantity `i` has the true value.
fn inside(reports: &[PopulationReport], i: usize, interval: [usize; 2], truth: f64) -> usize {
    let has = |report: &&PopulationReport| {
        let q = report.quantities[i].posterior.quantiles;
        q[interval[0]] <= truth && truth <= q[interval[1]]
    };
    reports.iter().filter(has).count()
}

#[test]
fn intervals_have_the_true_mean_and_scatter_as_often_as_they_say_and_the_histogram_is_biased() {
    let [mu, sigma] = TRAINING;
    let (reports, truth) = many(DRAWS, TRAINING, &TrainingPrior::LogNormal { mu, sigma });
    assert!(
        reports
            .iter()
            .all(|report| report.theta_e.len() == OBJECTS && report.left_out.flagged == 2)
    );
    for (i, name) in Moments::NAMES.into_iter().enumerate() {
        let [in95, in68] = [[0, 4], [1, 3]].map(|interval| inside(&reports, i, interval, truth[i]));
        println!("{name}: {in95} of {DRAWS} in the 95 % interval, {in68} in the 68 % interval");
        assert!(in95 >= 90, "{name}: {in95}");
        // 68 +- 2.8 binomial standard deviations.
        assert!((55..=81).contains(&in68), "{name}: {in68}");
    }
    // The histogram's mean is pulled towards that of training, by many of its standard errors, and its scatter is too large.
    let naive = |i: usize| mean(reports.iter().map(|report| report.quantities[i].naive.unwrap()));
    let inferred = |i: usize| mean(reports.iter().map(|report| report.quantities[i].posterior.quantiles[2]));
    let standard_error = naive(1) / (OBJECTS as f64).sqrt();
    println!(
        "mean {:.3}: inferred {:.3}, naive {:.3}",
        truth[0],
        inferred(0),
        naive(0)
    );
    println!(
        "scatter {:.3}: inferred {:.3}, naive {:.3}",
        truth[1],
        inferred(1),
        naive(1)
    );
    assert!(naive(0) > truth[0] + 2.0 * standard_error);
    assert!(naive(1) > 1.15 * truth[1]);
    assert!((inferred(0) - truth[0]).abs() < 0.3 * standard_error);
    assert!((inferred(1) / truth[1] - 1.0).abs() < 0.1);
    let usual = |report: &PopulationReport| {
        let [mean, scatter] = [0, 1].map(|i| report.quantities[i].naive.unwrap());
        (mean - truth[0]).abs() < 1.96 * scatter / (OBJECTS as f64).sqrt()
    };
    let covered = reports.iter().filter(|report| usual(report)).count();
    assert!(
        covered < 50,
        "the histogram's mean +- 1.96 standard errors has the true mean in {covered} of {DRAWS}"
    );
}

#[test]
fn without_the_division_by_the_prior_the_mean_is_biased() {
    let [mu, sigma] = [0.6, 0.35];
    let covered = |prior: TrainingPrior| {
        let (reports, truth) = many(20, [mu, sigma], &prior);
        inside(&reports, 0, [0, 4], truth[0])
    };
    let [divided, not_divided] = [TrainingPrior::LogNormal { mu, sigma }, TrainingPrior::None].map(covered);
    println!("the true mean is in {divided} of 20 intervals of 95 %, without the division in {not_divided}");
    assert!(divided >= 17 && not_divided < 8, "{divided} {not_divided}");
}

#[test]
fn a_mixture_is_recovered() {
    let folder = tempfile::tempdir().unwrap();
    let truth = [-0.35, 0.65, 0.12, 0.15, 0.6];
    let simulated = Simulated::new(300, 5, |rng| {
        let component = usize::from(rng.random_range(0.0..1.0) > truth[4]);
        truth[component] + truth[2 + component] * rng.sample::<f64, _>(StandardNormal)
    });
    let two = PopulationOptions {
        shape: "mixture:2".parse().unwrap(),
        walkers: 16,
        steps: 7000,
        ..options()
    };
    let mixture = simulated.report(two, folder.path(), false).unwrap();
    for ((name, posterior), truth) in mixture.parameters.iter().zip(truth) {
        let q = posterior.quantiles;
        println!("{name} = {truth}: {q:.3?}");
        // 2.6 standard deviations: an interval of 99 %, as there are five of them.
        assert!((posterior.mean - truth).abs() < 2.6 * posterior.sigma, "{name}");
        assert!(q[4] - q[0] < 0.5, "{name}: {q:?}");
    }
    let single = simulated.report(options(), folder.path(), false).unwrap();
    assert!(
        single.bic() > mixture.bic() + 10.0,
        "{} {}",
        single.bic(),
        mixture.bic()
    );
}

#[test]
fn posteriors_from_members_and_from_quantiles_agree() {
    let folder = tempfile::tempdir().unwrap();
    let simulated = Simulated::new(80, 3, log_normal(0.1, 0.3));
    let members = simulated.report(options(), folder.path(), true).unwrap();
    let source = PosteriorSource::Members {
        members: 1,
        calibrated: false,
    };
    assert_eq!(members.source, source);
    let rebuild = PopulationOptions {
        from_quantiles: true,
        ..options()
    };
    let rebuilt = simulated.report(rebuild, folder.path(), true).unwrap();
    assert_eq!(rebuilt.source, PosteriorSource::Quantiles);
    for (a, b) in members.quantities.iter().zip(&rebuilt.quantities) {
        let difference = (a.posterior.mean - b.posterior.mean).abs();
        assert!(difference < 0.15 * a.posterior.sigma, "{}: {difference}", a.name);
    }
}

#[test]
fn a_calibrated_model_gives_the_members_posteriors() {
    let folder = Folder::new();
    let model = Model::open("lfc1-ground").unwrap();
    let map = &model.about.calibration.as_ref().unwrap().map;
    let mut text = String::from("id,theta_e,sigma,q02_5,q16,q50,q84,q97_5,flags,mu_0,var_0,mu_1,var_1,likelihood\n");
    let likelihood = model.network.heads().likelihood;
    for i in 0..40 {
        let mu = [1.0 + 0.02 * f64::from(i), 1.05 + 0.02 * f64::from(i)];
        let mixture = Mixture::new(likelihood, &mu, &[0.01, 0.02]).unwrap();
        let p = PredictiveDistribution::of(&mixture, Some(map)).prediction();
        let q = p.quantiles.map(|q| q.to_string()).join(",");
        let name = likelihood.name();
        writeln!(
            text,
            "{i},{},{},{q},0,{},0.01,{},0.02,{name}",
            p.theta_e, p.sigma, mu[0], mu[1]
        )
        .unwrap();
    }
    folder.write("in.csv", text);
    let run = |more: &str| {
        let line = format!("population {{in.csv}} --prior none --walkers 12 --steps 4000 --json {more}");
        let json: serde_json::Value = serde_json::from_str(&done(&folder.line(&line))).unwrap();
        json["posteriors"].as_str().unwrap().to_string()
    };
    assert_eq!(run("--model lfc1-ground"), "mixture of 2 members, calibrated");
    assert_eq!(run(""), "rebuilt from their quantiles");
    assert_eq!(run("--model euclid-vis"), "rebuilt from their quantiles");
}

#[test]
fn a_model_stores_the_quantiles_of_its_labels_and_is_its_own_prior() {
    let folder = Folder::new();
    let noise = |i: usize| (i as f32 * 12.9898).sin() * 43.758;
    let images: Vec<f32> = (0..400 * 12 * 12 * 2).map(noise).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let draw = log_normal(TRAINING[0], TRAINING[1]);
    let labels: Vec<f64> = (0..400).map(|_| draw(&mut rng).exp()).collect();
    let network =
        "layers = [{ layer = 'flatten' }, { layer = 'dense', name = 'dense', units = 4, activation = 'relu' },
        { layer = 'heads', mean = 'mean', var = 'var' }]";
    let network = Network::from_toml(network, &[12, 12, 2]).unwrap();
    let train = |labels: &[f64]| {
        let data = LabelledImages::new(&images[..labels.len() * 288], [12, 12, 2], labels);
        let options = TrainOptions {
            members: vec![0],
            epochs: 1,
            ..TrainOptions::default()
        };
        let trained = train_arrays(&data, Start::Network(&network), &options, &Device::Cpu, &ignore_events);
        trained.unwrap().model
    };
    let model = train(&labels);
    let quantiles = model.about.label.quantiles.as_ref().unwrap();
    let median = Moments::of_values(&labels).median;
    assert!(
        (quantiles[9] / median - 1.0).abs() < 0.1,
        "{} is not about {median}",
        quantiles[9]
    );
    model.write(folder.path("model.safetensors")).unwrap();
    assert_eq!(
        &Model::read(folder.path("model.safetensors"))
            .unwrap()
            .about
            .label
            .quantiles
            .unwrap(),
        quantiles
    );

    folder.write("in.csv", Simulated::new(80, 4, log_normal(0.3, 0.3)).csv(false));
    let line = "population {in.csv} --model {model.safetensors} --json --walkers 12 --steps 4000";
    let json: serde_json::Value = serde_json::from_str(&done(&folder.line(line))).unwrap();
    let truth = Shape::LOG_NORMAL.population(&[0.3, 0.3]).moments().values();
    for (i, truth) in truth.into_iter().enumerate() {
        let posterior = &json["quantities"][i]["posterior"];
        let [mean, sigma] = ["mean", "sigma"].map(|key| posterior[key].as_f64().unwrap());
        assert!(
            (mean - truth).abs() < 3.0 * sigma,
            "{}: {mean} +- {sigma}, true {truth}",
            Moments::NAMES[i]
        );
    }
    let few = train(&labels[..60]);
    assert_eq!(few.about.label.quantiles, None);
    few.write(folder.path("few.safetensors")).unwrap();
    let line = folder.line("population {in.csv} --model {few.safetensors}");
    fails(1, &line, &["training labels", "does not store", "--prior FILE"]);
}

#[test]
fn a_folder_with_chain_summary_and_figures() {
    let folder = Folder::new();
    let simulated = Simulated::new(60, 7, log_normal(0.0, 0.3));
    folder.write("in.csv", simulated.csv(false).replace("id,", "number,"));
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let draw = log_normal(TRAINING[0], TRAINING[1]);
    let labels: String = (0..3000).map(|_| format!("{}\n", draw(&mut rng).exp())).collect();
    folder.write("labels.csv", format!("radius\n{labels}"));
    let line =
        "population {in.csv} --prior {labels.csv} --prior-column radius -o {out/population} --walkers 12 --steps 4000";
    let text = done(&folder.line(line));
    for part in [
        "60 of 62 rows used: 2 flagged",
        "mean of theta_e [arcsec]",
        "95 % interval",
        "R-hat",
    ] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
    let names = folder.list("out/population");
    let figures = ["corner.png", "corner.svg", "distribution.png", "distribution.svg"];
    assert_eq!(
        names,
        [&["chain.csv", "chain.safetensors"], &figures[..], &["summary.json"]].concat()
    );
    let (columns, rows) = common::program::table(&folder.path("out/population/chain.csv"));
    assert_eq!(
        columns,
        ["mu", "sigma", "mean", "scatter", "median", "mean_ln", "scatter_ln"]
    );
    let bytes = std::fs::read(folder.path("out/population/chain.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.tensor("draws").unwrap().shape(), [rows.len(), 7]);
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = metadata.metadata().clone().unwrap();
    assert_eq!(
        (metadata["names"].clone(), &metadata["walkers"][..]),
        (columns.join(","), "12")
    );
    let first = f64::from_le_bytes(tensors.tensor("draws").unwrap().data()[..8].try_into().unwrap());
    assert_eq!(first, rows[0]["mu"].parse::<f64>().unwrap());
    let json = std::fs::read_to_string(folder.path("out/population/summary.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let median = json["quantities"][2]["posterior"]["quantiles"][2].as_f64().unwrap();
    let mut medians: Vec<f64> = rows.iter().map(|row| row["median"].parse().unwrap()).collect();
    medians.sort_by(f64::total_cmp);
    assert!((medians[medians.len() / 2] / median - 1.0).abs() < 0.02);
    let svg = std::fs::read_to_string(folder.path("out/population/distribution.svg")).unwrap();
    assert!(svg.contains("Population of 60 lenses") && svg.contains("training prior"));

    // The same seed gives the same draws, and a folder that is not empty is refused before any work.
    let again = folder.line(&line.replace("out/population", "again"));
    done(&again);
    assert_eq!(
        std::fs::read(folder.path("again/chain.csv")).unwrap(),
        std::fs::read(folder.path("out/population/chain.csv")).unwrap()
    );
    fails(1, &again, &["not empty"]);
}

#[test]
fn rows_are_selected_by_flags_and_by_a_condition() {
    let folder = Folder::new();
    let csv = Simulated::new(40, 9, log_normal(0.2, 0.3)).csv(false);
    folder.write(
        "in.csv",
        csv.replace(",0.1,0\n", ",0.1,24\n")
            .replacen(",0.1,24\n", ",0.1,0\n", 25),
    );
    let used = |more: &str| {
        let line = format!("population {{in.csv}} --prior log-normal:0.4,0.5 --walkers 12 --steps 4000 --json {more}");
        let json: serde_json::Value = serde_json::from_str(&done(&folder.line(&line))).unwrap();
        let left_out = ["not_selected", "flagged", "without_prediction", "outside_prior"];
        let left_out = left_out.map(|key| json["left_out"][key].as_u64().unwrap());
        (json["objects"].as_u64().unwrap(), left_out)
    };
    assert_eq!(used(""), (25, [0, 17, 0, 0]));
    assert_eq!(used("--flags near_edge,label_range"), (40, [0, 2, 0, 0]));
    assert_eq!(used("--flags near_edge"), (25, [0, 17, 0, 0]));
    // The flagged object has no measurement that the prior allows.
    assert_eq!(used("--flags any"), (40, [0, 0, 1, 1]));
    assert_eq!(used("--where id<20"), (20, [22, 0, 0, 0]));
}

#[test]
fn bad_input_is_refused() {
    let folder = Folder::new();
    let good = Simulated::new(30, 11, log_normal(0.2, 0.3)).csv(false);
    folder.write("good.csv", &good);
    // The second row with another value in a column.
    let with = |column: &str, value: &str| {
        let mut lines: Vec<Vec<String>> = good
            .lines()
            .map(|line| line.split(',').map(String::from).collect())
            .collect();
        let at = lines[0].iter().position(|name| name == column).unwrap();
        lines[2][at] = value.into();
        lines.iter().map(|line| line.join(",") + "\n").collect::<String>()
    };
    let run = |name: &str, more: &str| {
        folder.line(&format!(
            "population {{{name}}} --prior log-normal:0.4,0.5 -o {{out}} {more}"
        ))
    };
    for (column, value, parts) in [
        (
            "sigma",
            "0",
            &["line 3", "'sigma' is '0'", "must be positive", "--where"][..],
        ),
        ("sigma", "-0.1", &["line 3", "'sigma' is '-0.1'"]),
        ("sigma", "inf", &["line 3", "'sigma' is 'inf'", "finite"]),
        ("theta_e", "1e999", &["line 3", "'theta_e'", "finite"]),
        ("q97_5", "inf", &["line 3", "'q97_5' is 'inf'", "finite"]),
        ("q50", "0.01", &["line 3", "'q50' is '0.01'", "smaller than q16"]),
        ("q84", "x", &["line 3", "'q84' is 'x'", "a number"]),
    ] {
        folder.write("bad.csv", with(column, value));
        fails(1, &run("bad.csv", ""), parts);
    }
    // An unknown value is no prediction.
    folder.write("unknown.csv", with("q16", "NaN"));
    let line = folder.line("population {unknown.csv} --prior log-normal:0.4,0.5 --walkers 12 --steps 4000");
    assert!(done(&line).contains("29 of 32 rows used: 2 flagged, 1 without a prediction"));

    folder.write(
        "point.csv",
        good.lines()
            .take(1)
            .chain(["a,1,0.1,0,0,1,1,1,1,1,0,0"])
            .collect::<Vec<_>>()
            .join("\n"),
    );
    fails(1, &run("point.csv", ""), &["'q97_5' is '1'", "the same"]);
    folder.write("columns.csv", "id,theta_e,sigma\na,1,0.1\n");
    fails(
        1,
        &run("columns.csv", ""),
        &["no distribution of theta_e", "q02_5", "lensgpu infer"],
    );
    folder.write("flagged.csv", good.replace(",0.1,0\n", ",0.1,256\n"));
    fails(
        1,
        &run("flagged.csv", ""),
        &["none of the 32 rows", "32 flagged", "--flags any"],
    );
    fails(
        1,
        &run("good.csv", "--where id>100"),
        &["none of the 32 rows", "id>100"],
    );
    fails(
        1,
        &run("good.csv", "--where id<3"),
        &["3 objects are too few", "at least 6"],
    );
    fails(1, &run("good.csv", "--where size>3"), &["no column is called 'size'"]);
    fails(1, &run("missing.csv", ""), &["missing.csv"]);

    let prior = |prior: &str| folder.line(&format!("population {{good.csv}} -o {{out}} --prior {prior}"));
    fails(
        1,
        &prior("uniform:3,9"),
        &["does not cover", "3.000 to 9.000", "of 30 objects", "line 2", "--where"],
    );
    fails(2, &prior("log-normal:0.4"), &["log-normal:MU,SIGMA"]);
    fails(2, &prior("labels.csv"), &["'labels.csv' is no prior"]);
    folder.write("labels.csv", "theta_e\n1\n2\n");
    fails(
        1,
        &prior("{labels.csv}"),
        &["labels.csv", "2 labels", "at least 100", "--prior-column"],
    );
    let labels: String = (0..200).map(|i| format!("{}\n", f64::from(i) - 3.0)).collect();
    folder.write("labels.csv", format!("theta_e\n{labels}"));
    fails(
        1,
        &folder.line("population {good.csv} --prior {labels.csv}"),
        &["200 labels", "positive"],
    );
    fails(
        1,
        &folder.line("population {good.csv} --prior {labels.csv} --prior-column r"),
        &["'r'"],
    );

    fails(
        2,
        &folder.line("population {good.csv}"),
        &["training labels is unknown", "--prior none"],
    );
    // So few labels have no quantiles that could be stored.
    let train = "train {stack} --network {tiny.toml} --members 1 --epochs 1 --shift 0 --device cpu --quiet -o {run}";
    done(&folder.line(train));
    fails(
        1,
        &folder.line("population {good.csv} --model {run/model.safetensors}"),
        &["does not store", "--prior FILE"],
    );
    for (argument, part) in [
        ("--shape mixture:9", "mixture:2 to mixture:4"),
        ("--flags blue", "'blue' is no flag"),
        ("--walkers 7", "7 walkers"),
        ("--walkers 4", "at least 6"),
        ("--steps 0", "0 steps"),
    ] {
        fails(2, &run("good.csv", argument), &[part]);
    }
    fails(
        1,
        &run("good.csv", "--steps 30 --walkers 6"),
        &["has not converged", "--steps"],
    );
    assert!(!folder.path("out").exists(), "a failed run has written something");
}

#[test]
fn a_stop_ends_the_computation_and_a_folder_appears_only_when_it_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let simulated = Simulated::new(40, 12, log_normal(0.2, 0.3));
    std::fs::write(folder.path().join("in.csv"), simulated.csv(false)).unwrap();
    let options = PopulationOptions {
        catalogue: folder.path().join("in.csv"),
        ..options()
    };
    let stop = |event: Event| match event {
        Event::Advanced {
            phase: Phase::Sampling, ..
        } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    assert!(matches!(infer_population(&options, None, &stop), Err(Error::Stopped)));
    let report = infer_population(&options, None, &ignore_events).unwrap();
    let new = lensgpu::files::NewFolder::staged(&folder.path().join("out")).unwrap();
    assert!(!folder.path().join("out").exists());
    write(new, &report).unwrap();
    assert!(folder.path().join("out/summary.json").exists());
}

#[test]
fn the_likelihood_of_the_catalogue_is_used() {
    // Gaussian members do not have the quantiles of these log-normal posteriors, which are therefore used.
    let folder = tempfile::tempdir().unwrap();
    let simulated = Simulated::new(40, 13, log_normal(0.2, 0.3));
    let text = simulated.csv(true).replace("log-normal", "gaussian");
    std::fs::write(folder.path().join("in.csv"), text).unwrap();
    let options = PopulationOptions {
        catalogue: folder.path().join("in.csv"),
        ..options()
    };
    let report = infer_population(&options, None, &ignore_events).unwrap();
    assert_eq!(report.source, PosteriorSource::Quantiles);
}

#[test]
fn a_usage_error_has_advice() {
    let ran = lensgpu("population nothing.csv");
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("--prior log-normal:MU,SIGMA"), "{}", ran.stderr);
}
