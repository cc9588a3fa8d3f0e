//! Training on simulated lenses and fine-tuning, as a user runs them on the CPU.

#![cfg(unix)] // signals

mod common;

use common::program::{Folder, Ran, Running, done, fails, lensgpu, table};
use common::{POPULATION, bits, rings, says, write_stack};
use lensgpu::model::Model;
use lensgpu::nn::Layout;
use std::fs;

/// The tests' population, and the same lenses as in another survey: with other flux units and noise, and other radii.
fn folder() -> Folder {
    let f = Folder::new();
    f.write("population.toml", POPULATION);
    let survey = POPULATION
        .replace("electron = 0.5", "electron = 1.0")
        .replace("electron = 2.0", "electron = 3.0")
        .replace("uniform = [0.3, 1.2]", "uniform = [0.4, 0.8]");
    f.write("survey.toml", survey);
    f
}

const TRAIN: &str = "train --simulate {population.toml} --network {tiny.toml} --device cpu --members 2 --batch 16 \
                     --pool 64 --calibration 0 --learning-rate 0.02 -q";

fn model(f: &Folder, run: &str) -> Model {
    Model::read(f.path(run).join("model.safetensors")).unwrap()
}

/// The tensors of a model file, without its header.
fn tensors(f: &Folder, run: &str) -> Vec<u8> {
    let bytes = fs::read(f.path(run).join("model.safetensors")).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[8 + header..].to_vec()
}

/// Fails unless two runs have the same model, bit for bit except for the date.
fn assert_same(f: &Folder, a: &str, b: &str) {
    let [mut one, mut other] = [a, b].map(|run| model(f, run));
    for model in [&mut one, &mut other] {
        model.about.training.date.clear();
    }
    assert!(tensors(f, a) == tensors(f, b), "{a} and {b} have other weights");
    assert_eq!(one.about, other.about);
}

fn close(found: f64, expected: f64, relative: f64) {
    assert!((found / expected - 1.0).abs() < relative, "{found} is not {expected}");
}

#[test]
fn a_model_trained_on_simulations_describes_its_population_and_measures_its_lenses() {
    let f = folder();
    let train = f.line(&format!("{TRAIN} --epochs 60"));
    for (run, more) in [("run", ""), ("again", ""), ("other", "--seed 2")] {
        done(&format!("{train} {more} -o {}", f.shown(run)));
    }
    assert_same(&f, "run", "again");
    assert!(
        tensors(&f, "run") != tensors(&f, "other"),
        "another seed, the same weights"
    );

    let about = model(&f, "run").about;
    assert_eq!(about.bands, ["G", "R"]);
    assert_eq!((about.pixel_scale, &about.preset), (Some(0.2), &None));
    assert_eq!(about.label.definition.as_deref(), Some("theta_e_crit"));
    // Sky noise in electrons times the value of an electron, slightly increased by light at the edges; and the standard
    // deviation of radii that are uniform from 0.3 to 1.2.
    close(about.stretch.scale[0], 10.0 * 0.5, 0.15);
    close(about.stretch.scale[1], 20.0 * 2.0, 0.15);
    close(about.label.scale, 0.9 / 12f64.sqrt(), 0.15);
    assert!(about.label.range.0 > 0.29 && about.label.range.1 < 1.25);
    assert_eq!((about.training.train, about.training.validation), (64, 6));

    // New lenses, whose radii follow from velocity dispersions; their redshifts are passed through to the masses.
    let physics = "{ sigma_v = { uniform = [150, 300] }, z_lens = 0.3, z_source = { uniform = [0.6, 2] }, \
                   radius_within = [0.4, 1.1] }";
    f.write("new.toml", POPULATION.replace("{ uniform = [0.3, 1.2] }", physics));
    done(&f.line("simulate {new} --count 100 --population {new.toml} --seed 7 --device cpu"));
    let line = "infer {run/model.safetensors} {new} --device cpu --images PATTERN --catalogue {new/truth.csv} \
                --id-column ID -o {radii.csv}";
    let stdout = done(&f.line(line).replace("PATTERN", "Public/{band}/{id}.fits"));
    says(&stdout, &["100 objects in"]);
    done(&f.line("mass {radii.csv} --z-lens z_lens --z-source z_source -o {masses.csv}"));
    let (_, rows) = table(&f.path("masses.csv"));
    let (mut square, mut deviation) = (0.0, 0.0);
    for row in &rows {
        let [found, truth, sigma_v_sis, sigma_v] =
            ["theta_e", "theta_e_crit", "sigma_v_sis", "sigma_v"].map(|name| row[name].parse::<f64>().unwrap());
        square += (found - truth).powi(2) / rows.len() as f64;
        deviation += (sigma_v_sis / sigma_v - 1.0).abs() / rows.len() as f64;
        let sky_or_masked_or_scale = row["flags"].parse::<i32>().unwrap() & 7;
        assert_eq!(sky_or_masked_or_scale, 0, "{row:?}");
    }
    assert!(square.sqrt() < 0.1, "RMSE {} arcsec of a spread of 0.2", square.sqrt());
    assert!(deviation < 0.08, "velocity dispersions are off by {deviation}");
}

#[test]
fn a_preset_is_enough_to_train_and_to_infer() {
    let f = folder();
    let train = "train --simulate lfc1-ground --network {tiny.toml} --device cpu --members 1 --batch 8 --pool 8 \
                 --epochs 1 --validation 0.5 --calibration 0 -q -o {run}";
    done(&f.line(train));
    let model = model(&f, "run");
    assert_eq!(model.network.input, [55, 55, 3]);
    let about = &model.about;
    assert_eq!(
        (about.pixel_scale, about.preset.as_deref()),
        (Some(0.2), Some("lfc1-ground"))
    );
    assert_eq!(about.bands, ["R", "I", "G"]);
    assert_eq!(about.label.definition.as_deref(), Some("theta_e_crit"));
    done(&f.line("simulate {ground} --count 4 --preset lfc1-ground --device cpu"));
    done(&f.line("infer {run/model.safetensors} {ground} --device cpu -o {radii.csv}"));
    let (_, rows) = table(&f.path("radii.csv"));
    assert_eq!(rows.len(), 4);
    assert!(
        rows.iter()
            .all(|row| row["theta_e"].parse::<f64>().unwrap().is_finite())
    );
}

/// Runs a training without interruption, and again stopped and resumed.
fn stopped_and_resumed(f: &Folder, line: &str) {
    let with = |run: &str| format!("{} -o {}", f.line(line), f.shown(run));
    done(&with("whole"));
    let stdout = Running::stopped(&with("stopped"), &f.path("stopped/log.csv"), 20);
    says(&stdout, &["stopped and saved"]);
    assert!(!f.path("stopped/model.safetensors").exists());
    done(&f.line("train --resume {stopped} --device cpu -q"));
    assert_same(f, "whole", "stopped");
}

#[test]
fn a_resumed_run_on_simulations_ends_with_the_same_weights() {
    stopped_and_resumed(&folder(), &format!("{TRAIN} --epochs 100"));
}

/// A short training on simulations, and a stack of the other survey's lenses to fine-tune on.
fn with_model() -> Folder {
    let f = folder();
    done(&f.line(&format!("{TRAIN} --epochs 8 -o {{model}}")));
    done(&f.line("simulate {real} --count 60 --population {survey.toml} --seed 3 --stack --device cpu"));
    f
}

const TUNE: &str = "train {real} --from {model/model.safetensors} --bands G,R --label theta_e_crit --device cpu \
                    --batch 8 --calibration 0 -q";

#[test]
fn a_resumed_fine_tuning_ends_with_the_same_weights() {
    stopped_and_resumed(&with_model(), &format!("{TUNE} --epochs 300"));
}

#[test]
fn fine_tuning_keeps_stretch_scale_and_frozen_layers() {
    let f = with_model();
    for (run, more) in [("all", ""), ("frozen", "--freeze conv")] {
        done(&f.line(&format!("{TUNE} {more} --epochs 4 -o {{{run}}}")));
    }
    let scratch = "train {real} --network {tiny.toml} --bands G,R --label theta_e_crit --device cpu --batch 8 --epochs 1 \
                   -q -o {scratch}";
    done(&f.line(scratch));
    let [before, all, frozen, scratch] = ["model", "all", "frozen", "scratch"].map(|run| model(&f, run));
    for tuned in [&all, &frozen] {
        assert_eq!(tuned.about.stretch, before.about.stretch);
        let [old, new] = [&before, tuned].map(|model| &model.about.label);
        assert_eq!((new.scale, new.shift), (old.scale, old.shift));
        assert!(
            new.range.1 < 0.9,
            "the range is that of the lenses here: {:?}",
            new.range
        );
        assert_eq!(tuned.members.len(), 2);
    }
    assert_ne!(scratch.about.stretch, before.about.stretch, "there was nothing to keep");
    assert!((scratch.about.label.scale / before.about.label.scale - 1.0).abs() > 0.2);

    let layout = Layout::new(&before.network).unwrap();
    for (k, member) in before.members.iter().enumerate() {
        for parameter in &layout.params {
            let part = |params: &[f32]| bits(&params[parameter.offset..][..parameter.len()]);
            let same = |model: &Model| part(&model.members[k].params) == part(&member.params);
            let of_the_convolutions = ["conv1.", "norm1."]
                .iter()
                .any(|layer| parameter.name.starts_with(layer));
            assert_eq!(same(&frozen), of_the_convolutions, "{} of member {k}", parameter.name);
            assert!(!same(&all), "{} of member {k}", parameter.name);
        }
    }
}

#[test]
fn images_that_do_not_fit_the_initial_model_are_refused() {
    let f = with_model();
    let from = "--from {model/model.safetensors} --device cpu --epochs 1";
    let train = |rest: &str| f.line(&format!("train {rest} {from} -o {{run}}"));
    fs::create_dir(f.path("three")).unwrap();
    write_stack(&f.path("three"), &rings(30, 1, [21, 21, 3]), [21, 21, 3]);
    fails(1, &train("{three}"), &["3 channels", "2 bands are named", "--bands"]);
    fails(1, &train("{stack}"), &["12 x 12 pixels", "central 21 x 21"]);
    fails(
        2,
        &train("{real} --network {tiny.toml}"),
        &["--network", "cannot be used with", "--from"],
    );
    fails(1, &train("{real} --members 3"), &["no member 2", "--members"]);
    fails(2, &f.line("train {real} --freeze conv -o {run}"), &["--from"]);
    fails(
        1,
        &f.line("train {real} --from {tiny.toml} --device cpu -o {run}"),
        &[&f.shown("tiny.toml"), "model.safetensors"],
    );
    assert!(!f.path("run").exists());
    // A stack does not name its channels.
    let Ran { code, stderr, .. } = lensgpu(&train("{real}"));
    assert_eq!(code, Some(0), "{stderr}");
    says(&stderr, &["have no names, and are taken as G, R"]);
}

#[test]
fn bad_simulation_options_are_refused_before_anything_is_written() {
    let f = folder();
    let train = |rest: &str| f.line(&format!("train {rest} --network {{tiny.toml}} --device cpu -o {{run}}"));
    fails(
        2,
        &train("--simulate lfc2"),
        &["'lfc2'", "the presets are lfc1-ground, lfc1-space"],
    );
    fails(2, &train("--simulate {none.toml}"), &["none.toml", "cannot read"]);
    fails(
        2,
        &train("--simulate {population.toml} --pool 7"),
        &["pool is 7", "at least 8", "--pool"],
    );
    fails(
        2,
        &train("{stack} --pool 64"),
        &["--pool", "cannot be used with", "DIR"],
    );
    fails(
        2,
        &f.line("train --resume {run} --pool 64"),
        &["--pool", "cannot be used with", "--resume"],
    );
    fails(
        2,
        &train("{stack} --simulate {population.toml}"),
        &["--simulate", "cannot be used with"],
    );
    fails(
        1,
        &train("--simulate {population.toml} --bands G,U"),
        &["no band 'U'", "G, R"],
    );
    fails(
        1,
        &train("--simulate {population.toml} --crop 22"),
        &["crop of 22", "21 x 21", "--crop"],
    );
    f.write("dark.toml", POPULATION.replace("lens_share = 1.0", "lens_share = 0"));
    fails(1, &train("--simulate {dark.toml}"), &["lens_share = 0"]);
    f.write("broken.toml", POPULATION.replace("size = 21", "size = 0"));
    fails(
        2,
        &train("--simulate {broken.toml}"),
        &["broken.toml", "size = 0; allowed is 8 to 4096"],
    );
    assert!(!f.path("run").exists());
}
