//! Every likelihood with every command, as a user runs them: training on a folder, on simulated lenses and from a model,
//! `infer`, `evaluate`, `calibrate` and `mass`.

mod common;

use lensgpu::likelihood::Likelihood;
use lensgpu::model::Model;
use lensgpu::nn::Layout;
use lensgpu::survey::Catalogue;
use std::fs;
use std::path::Path;
use std::process::Command;

const TRAIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/sample/train");
const INFER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/sample/infer");
const BANDS: &str = "--bands R,I,G";

/// Runs a command, whose words are separated by spaces; `@` stands for the folder.
fn run(folder: &Path, command: &str) -> Result<String, String> {
    let words = command
        .split_whitespace()
        .map(|word| word.replace('@', folder.to_str().unwrap()));
    let output = Command::new(env!("CARGO_BIN_EXE_lensgpu"))
        .args(words)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap()),
        false => Err(error),
    }
}

fn done(folder: &Path, command: &str) -> String {
    run(folder, command).unwrap_or_else(|error| panic!("{command}: {error}"))
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tiny.toml"), common::TINY).unwrap();
    folder
}

const QUICK: &str = "--network @/tiny.toml --members 2 --epochs 4 --batch 8 --learning-rate 0.01 --device cpu -q";

fn numbers(catalogue: &Catalogue, column: &str) -> Vec<f64> {
    let column = catalogue.find(column).expect(column);
    (0..catalogue.len()).map(|row| catalogue.number(row, column)).collect()
}

#[test]
fn every_likelihood_works_with_every_command() {
    for likelihood in Likelihood::ALL {
        let (folder, name) = (folder(), likelihood.name());
        let at = folder.path();
        done(
            at,
            &format!("train {TRAIN} {BANDS} {QUICK} --shift 2 --likelihood {name} --hold-out 20 -o @/run"),
        );
        let model = at.join("run/model.safetensors");
        assert_eq!(Model::read(&model).unwrap().network.heads().likelihood, likelihood);
        for method in ["spline", "factors", "isotonic", "conformal"] {
            done(
                at,
                &format!(
                    "calibrate @/run/model.safetensors {TRAIN} --method {method} -o @/{method}.safetensors --device cpu"
                ),
            );
            let infer = format!("infer @/{method}.safetensors {INFER} --device cpu -q --member-columns");
            done(at, &format!("{infer} -o @/{method}.csv"));
            let predictions = Catalogue::read(&at.join(format!("{method}.csv"))).unwrap();
            let [low, median, high] = ["q02_5", "q50", "q97_5"].map(|q| numbers(&predictions, q));
            for (row, sigma) in numbers(&predictions, "sigma").iter().enumerate() {
                // Below 0, the lowest quantiles are 0: there is no such radius.
                let [low, median, high] = [low[row], median[row], high[row]];
                let ascending = (low < median || median == 0.0) && median < high;
                assert!(ascending && *sigma > 0.0, "{name} {method}, row {row}");
                // Conformal intervals are symmetric.
                let positive = likelihood == Likelihood::LogNormal && method != "conformal";
                assert!(!positive || low > 0.0, "{name} {method}, row {row}");
            }
        }
        done(
            at,
            &format!("evaluate @/factors.safetensors {TRAIN} -o @/report --device cpu -q"),
        );
        let metrics: serde_json::Value =
            serde_json::from_slice(&fs::read(at.join("report/metrics.json")).unwrap()).unwrap();
        for set in metrics["sets"].as_array().unwrap() {
            for figure in ["nll", "crps", "coverage_683", "miscalibration_area", "ence"] {
                let value = set["figures"][figure]["value"].as_f64();
                assert!(value.is_some_and(f64::is_finite), "{name}: {figure} of {}", set["name"]);
            }
        }

        // Redshifts added to uncalibrated predictions, whose quantiles are those of the members' mixture.
        let infer = format!("infer @/factors.safetensors {INFER} --device cpu -q --member-columns --raw");
        done(at, &format!("{infer} -o @/raw.csv"));
        let text = fs::read_to_string(at.join("raw.csv")).unwrap();
        let redshifts = text.lines().enumerate().map(|(i, line)| match i {
            0 => format!("{line},z_l,z_s\n"),
            _ => format!("{line},0.5,2\n"),
        });
        fs::write(at.join("z.csv"), redshifts.collect::<String>()).unwrap();
        let mass = "mass @/z.csv --z-lens z_l --z-source z_s -q";
        done(at, &format!("{mass} -o @/members.csv"));
        done(at, &format!("{mass} -o @/quantiles.csv --from-quantiles"));
        let predictions = Catalogue::read(&at.join("members.csv")).unwrap();
        assert_eq!(
            predictions.find("likelihood").is_some(),
            likelihood != Likelihood::Gaussian
        );
        let cut = numbers(&predictions, "mass_flags")
            .iter()
            .filter(|flags| **flags != 0.0)
            .count();
        assert!(
            likelihood != Likelihood::LogNormal || cut == 0,
            "a log-normal distribution is positive"
        );
        let masses = numbers(&predictions, "log10_mass_e_q97_5");
        assert!(masses.iter().all(|mass| mass.is_finite()), "{name}");
        if likelihood != Likelihood::Gaussian {
            let as_gaussian = fs::read_to_string(at.join("z.csv")).unwrap().replace(name, "gaussian");
            fs::write(at.join("gaussian.csv"), as_gaussian).unwrap();
            done(at, "mass @/gaussian.csv --z-lens z_l --z-source z_s -q -o @/other.csv");
            let other = Catalogue::read(&at.join("other.csv")).unwrap();
            assert_ne!(
                masses,
                numbers(&other, "log10_mass_e_q97_5"),
                "{name}: the column is read"
            );
        }
    }
}

#[test]
fn a_simulated_run_uses_every_technique_and_resumes_with_them() {
    let folder = folder();
    let at = folder.path();
    let techniques = "--likelihood log-normal --adversarial 0.02 --shift 2 --noise 0.2 --beta-nll 0.5 --warm-up-mean 1 \
                      --warm-up 3 --weight-decay 0.001 --ema 0.8 --patience 3 --softening 4";
    done(
        at,
        &format!("train --simulate lfc1-ground --pool 64 {QUICK} {techniques} --hold-out 16 -o @/run"),
    );
    let model = Model::read(at.join("run/model.safetensors")).unwrap();
    assert_eq!(model.network.heads().likelihood, Likelihood::LogNormal);
    assert_eq!(model.about.training.options.len(), 10);
    assert_eq!(model.about.stretch.softening, [4.0; 3]);
    let text = fs::read_to_string(at.join("run/run.toml")).unwrap();
    for line in [
        "likelihood = \"log-normal\"",
        "adversarial = 0.02",
        "shift = 2",
        "noise = 0.2",
        "beta_nll = 0.5",
        "warm_up_mean = 1",
        "warm_up = 3",
        "weight_decay = 0.001",
        "ema = 0.8",
        "patience = 3",
        "softening = 4.0",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    // Resumed from run.toml alone, it starts from the first step: the same bits.
    fs::create_dir(at.join("again")).unwrap();
    fs::copy(at.join("run/run.toml"), at.join("again/run.toml")).unwrap();
    done(at, "train --resume @/again --device cpu -q");
    let again = Model::read(at.join("again/model.safetensors")).unwrap();
    assert!(model.members == again.members);

    let refused = run(at, "train --resume @/run --device cpu --ema 0.9").unwrap_err();
    assert!(refused.contains("cannot be used with"), "{refused}");
}

#[test]
fn fine_tuning_keeps_the_likelihood_and_drops_the_old_calibration() {
    let folder = folder();
    let at = folder.path();
    done(
        at,
        &format!("train {TRAIN} {BANDS} {QUICK} --likelihood log-normal -o @/run"),
    );
    done(
        at,
        &format!("calibrate @/run/model.safetensors {TRAIN} -o @/calibrated.safetensors --device cpu"),
    );
    let first = Model::read(at.join("calibrated.safetensors")).unwrap();
    assert!(first.about.calibration.is_some());
    let tune = format!("train {TRAIN} {BANDS} --from @/calibrated.safetensors --epochs 2 --device cpu -q");
    done(
        at,
        &format!("{tune} --freeze conv --weight-decay 0.5 --noise 0.1 -o @/tuned"),
    );
    let tuned = Model::read(at.join("tuned/model.safetensors")).unwrap();
    assert_eq!(tuned.network, first.network);
    let layout = Layout::new(&first.network).unwrap();
    for (before, after) in first.members.iter().zip(&tuned.members) {
        for kernel in layout.kernels() {
            let values = kernel.offset..kernel.offset + kernel.len();
            let same = before.params[values.clone()] == after.params[values];
            assert_eq!(same, kernel.is_convolution(), "{}", kernel.name);
        }
    }
    assert!(
        tuned.about.calibration.is_none(),
        "80 rows have no calibration split, and the old calibration was for other weights"
    );
    let refused = run(at, &format!("{tune} --likelihood gaussian -o @/other")).unwrap_err();
    assert!(
        refused.contains("--from") && refused.contains("--likelihood"),
        "{refused}"
    );
}

#[test]
fn options_out_of_range_say_what_the_range_is() {
    let folder = folder();
    let at = folder.path();
    for (option, expected) in [
        ("--ema 1.5", "ema is 1.5; it must be at least 0 (off) and below 1"),
        ("--beta-nll -1", "beta_nll is -1; it must be between 0 (off) and 1"),
        ("--adversarial 2", "adversarial is 2; it must be between 0 (off) and 1"),
        ("--noise 11", "noise is 11; it must be between 0 (off) and 10"),
        (
            "--softening -1",
            "softening is -1; it must be between 0 (chosen by the brightness of the images) and 1e6",
        ),
        (
            "--weight-decay 2",
            "weight_decay is 2; it must be between 0 (off) and 1",
        ),
        (
            "--warm-up-mean 4",
            "warm_up_mean is 4; it must be below the number of epochs, 4",
        ),
        (
            "--patience 2 --validation 0",
            "patience is 2; it must be 0 (off) without validation rows",
        ),
        (
            "--shift 40",
            "shift is 40; it must be at most half of the image, 27 pixels",
        ),
        (
            "--likelihood cauchy",
            "possible values: gaussian, student-t, log-normal",
        ),
    ] {
        let refused = run(at, &format!("train {TRAIN} {BANDS} {QUICK} {option} -o @/run")).unwrap_err();
        assert!(refused.contains(expected), "{option}: {refused}");
        let flag = option.split(' ').next().unwrap();
        assert!(refused.contains(flag), "{option}: {refused}");
        assert!(!at.join("run").exists(), "{option}: a folder is left behind");
    }
}
