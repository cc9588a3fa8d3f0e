//! Members that several runs trained apart, joined by `lensgpu merge`: the same model as that of one run of all members,
//! bit for bit, and runs that are not of one ensemble are refused by name.

mod common;

use common::program::{Folder, done, fails};
use common::{rings, write_stack};
use lensgpu::model::Model;
use std::fs;

const SHAPE: [usize; 3] = [12, 12, 2];
/// Options that a test gives replace these.
const TRAIN: [[&str; 2]; 5] = [
    ["--network", "{tiny.toml}"],
    ["--device", "cpu"],
    ["--batch", "16"],
    ["--epochs", "4"],
    ["--seed", "3"],
];

/// A folder with 200 rings, of which `--calibration 0.4` takes 80.
fn folder() -> Folder {
    let f = Folder::new();
    fs::create_dir(f.path("many")).unwrap();
    write_stack(&f.path("many"), &rings(200, 5, SHAPE), SHAPE);
    f
}

fn train(f: &Folder, options: &str, members: &str, run: &str) {
    let defaults = TRAIN.iter().filter(|[name, _]| !options.contains(name));
    let defaults: Vec<String> = defaults.map(|pair| pair.join(" ")).collect();
    let all = format!("{} {options} --members {members}", defaults.join(" "));
    done(&f.line(&format!("train {{many}} {all} -q -o {{{run}}}")));
}

/// The model without the times at which it was trained and calibrated.
fn timeless(f: &Folder, path: &str) -> Model {
    let mut model = Model::read(f.path(path)).unwrap();
    model.about.training.date.clear();
    if let Some(calibration) = &mut model.about.calibration {
        calibration.record.date.clear();
    }
    model
}

/// Trains members 0 to 4 together and apart, and compares the models.
#[track_caller]
fn apart_as_together(f: &Folder, name: &str, options: &str) -> Model {
    let at = |run: &str| format!("{name}-{run}");
    for (run, members) in [("whole", "5"), ("a", "0..1"), ("b", "2..2"), ("c", "3..4")] {
        train(f, options, members, &at(run));
    }
    // In any order, by folder or by model.
    let merged = format!(
        "merge {{{}}} {{{}/model.safetensors}} {{{}}}",
        at("c"),
        at("a"),
        at("b")
    );
    done(&f.line(&format!("{merged} --members 5 -o {{{name}.safetensors}}")));
    let whole = timeless(f, &format!("{}/model.safetensors", at("whole")));
    let merged = timeless(f, &format!("{name}.safetensors"));
    assert_eq!(merged.checksum().unwrap(), whole.checksum().unwrap(), "{name}");
    assert!(merged == whole, "{name}");
    let numbers: Vec<u32> = whole.members.iter().map(|member| member.number).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
    merged
}

#[test]
fn members_trained_apart_are_those_trained_together_bit_for_bit_calibration_included() {
    let f = folder();
    let calibrated = apart_as_together(&f, "calibrated", "--calibration 0.4 --hold-out 20");
    assert_eq!(calibrated.about.calibration.unwrap().record.rows, 72);
    assert!(calibrated.about.ood.is_some() && calibrated.about.epistemic_limit.is_some());
    assert!(calibrated.members.iter().all(|member| member.cloud.is_some()));

    // Members stop at different epochs, so that runs end at different epochs; the limits come from the validation rows.
    let stopped = "--calibration 0 --epochs 30 --patience 1 --ema 0.9 --shift 1 --noise 0.2 --adversarial 0.02";
    let stopped = apart_as_together(&f, "stopped", stopped);
    assert!(stopped.about.calibration.is_none() && stopped.about.ood.is_some());
    let steps: Vec<u64> = stopped
        .about
        .training
        .members
        .iter()
        .map(|member| member.steps)
        .collect();
    assert!(
        steps.iter().any(|s| *s != steps[0]),
        "all members stopped at once: {steps:?}"
    );

    let alone = "--calibration 0.4 --validation 0 --device software";
    assert!(apart_as_together(&f, "software", alone).about.calibration.is_some());
}

#[test]
fn members_of_a_table_trained_apart_are_those_trained_together() {
    let f = folder();
    let row = |i: usize| {
        format!(
            "{i},{},{}\n",
            (i as f64 * 0.7).sin(),
            (i as f64 * 1.3).cos() + (i as f64 * 0.7).sin()
        )
    };
    let rows: String = (0..200).map(row).collect();
    f.write("table.csv", format!("id,x,y\n{rows}"));
    let train = "train {table.csv} --label y --network mlp:8 --device cpu --epochs 3 --calibration 0.4 -q";
    for (run, members) in [("whole", "3"), ("a", "0..0"), ("b", "1..2")] {
        done(&f.line(&format!("{train} --members {members} -o {{{run}}}")));
    }
    done(&f.line("merge {a} {b} -o {merged.safetensors}"));
    assert!(timeless(&f, "merged.safetensors") == timeless(&f, "whole/model.safetensors"));
}

#[test]
fn runs_that_are_not_of_one_ensemble_are_refused_by_name() {
    let f = folder();
    train(&f, "", "0..2", "a");
    train(&f, "", "2..4", "b");
    train(&f, "", "4..4", "d");
    let refused = |runs: &str, parts: &[&str]| {
        fails(1, &f.line(&format!("merge {runs} -o {{merged.safetensors}}")), parts);
        assert!(!f.path("merged.safetensors").exists());
    };
    refused("{a} {b}", &["member 2 is in both", &f.shown("a"), &f.shown("b")]);
    refused("{a} {a}", &["members 0 to 2 are in", "a twice"]);
    refused("{a} {d}", &["member 3 is missing", "--members 3..3"]);
    refused("{d}", &["members 0 to 3 are missing"]);
    refused("{a} --members 6", &["members 3 to 5 are missing"]);
    refused("{a} --members 2", &["member 2", "not one of those that are expected"]);
    refused("{a} {nowhere}", &["nowhere/run.toml", "there is no run"]);
    done(&f.line("merge {d} --members 4..4 -o {alone.safetensors}"));

    for (name, options, parts) in [
        ("seed", "--seed 4", ["training.seed is 3 in", "and 4 in"]),
        ("clip", "--clip 4", ["training.clip is 5.0 in", "and 4.0 in"]),
        ("flips", "--no-augment", ["training.augment is true in", "and false in"]),
        ("split", "--hold-out 10", ["training.hold_out is 0 in", "and 10 in"]),
        ("bands", "--bands g,r", ["data.bands is null in", "[\"g\",\"r\"]"]),
        ("network", "--likelihood student-t", ["network.layers", "student"]),
    ] {
        train(&f, options, "3..4", name);
        refused(&format!("{{a}} {{{name}}}"), &parts);
    }

    // The data have the same names, numbers and shapes.
    let mut other = rings(200, 5, SHAPE);
    other.images[7] += 1e-3;
    write_stack(&f.path("many"), &other, SHAPE);
    train(&f, "", "3..4", "other");
    refused("{a} {other}", &["the same in", &f.shown("a"), &f.shown("other")]);

    let saved = fs::read(f.path("b/calibration_rows.bin")).unwrap();
    f.write("b/calibration_rows.bin", &saved[..saved.len() / 2]);
    refused("{b}", &["calibration_rows.bin is damaged"]);
    fs::remove_file(f.path("b/calibration_rows.bin")).unwrap();
    refused("{b}", &["calibration_rows.bin", "cannot be read"]);
    fs::remove_file(f.path("b/model.safetensors")).unwrap();
    refused(
        "{a} {b}",
        &["the run in", "b has not finished", "lensgpu train --resume"],
    );
    train(&f, "--folds 2", "1", "folds");
    refused("{folds}", &["has folds"]);
}
