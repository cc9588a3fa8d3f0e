//! Shipped models from the command line: names instead of files, packed models, and what `lensgpu models` lists.

#![cfg(unix)] // for the other tests' helpers

mod common;

use common::program::{Folder, done, fails, program, ran, table};
use common::says;
use lensgpu::model::shipped::SHIPPED;
use lensgpu::model::{Model, Precision};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn trained(f: &Folder) {
    let train = "train {stack} --network {tiny.toml} --device cpu --members 2 --batch 8 --learning-rate 0.01 --epochs 3 \
                 -o {run} -q";
    done(&f.line(train));
}

#[test]
fn a_name_that_is_neither_a_file_nor_shipped_lists_the_shipped_models() {
    let f = Folder::new();
    let mut parts = vec![
        "there is no file nowhere",
        "no shipped model of this name",
        "see `lensgpu models`",
    ];
    parts.extend(SHIPPED.iter().map(|model| model.name));
    for line in [
        "infer nowhere {stack} -o {out.csv}",
        "evaluate nowhere {stack} -o {report}",
        "calibrate nowhere {stack} -o {calibrated.safetensors}",
        "info nowhere",
        "models pack nowhere -o {packed.safetensors}",
        "train {stack} --from nowhere -o {run}",
    ] {
        fails(1, &f.line(line), &parts);
    }
    // What can only be a path is one.
    fails(1, &f.line("info {nowhere}"), &["nowhere: the model cannot be read"]);
    fails(
        1,
        "info nowhere.safetensors",
        &["nowhere.safetensors: the model cannot be read"],
    );
    for left in [
        "out.csv",
        "report",
        "calibrated.safetensors",
        "packed.safetensors",
        "run",
    ] {
        assert!(!f.path(left).exists(), "{left}");
    }
}

/// Rounding the kernels to 11 bits moves predictions by less than a hundredth of their sigma.
#[test]
fn a_packed_model_is_smaller_and_predicts_the_same() {
    let f = Folder::new();
    trained(&f);
    let pack = "models pack {run/model.safetensors} {stack} -o {packed.safetensors} --device cpu --rmse 0.125 \
                --nmad 0.0625";
    // Texts with spaces.
    let mut command = program(f.line(pack).split_whitespace());
    command.args(["--trained-on", "rings in noise", "--scored-on", "40 rings"]);
    let report = ran(&mut command);
    assert_eq!(report.code, Some(0), "{}", report.stderr);
    says(
        &report.stdout,
        &[&f.shown("packed.safetensors"), "40 images", "mean / sigma", "ood_score"],
    );

    let [full, packed] = ["run/model.safetensors", "packed.safetensors"].map(|name| f.path(name));
    let size = |path: &Path| fs::metadata(path).unwrap().len();
    assert!(size(&packed) < size(&full), "{} {}", size(&packed), size(&full));
    let [full, half] = [full, packed].map(|path| Model::read(path).unwrap());
    assert_eq!(
        (full.about.precision, half.about.precision),
        (Precision::Float32, Precision::Float16)
    );
    assert_eq!(full.packed().unwrap().members, half.members);
    assert_eq!(half.packed().unwrap(), half, "packing again changes nothing");
    assert_ne!(full.members, half.members);
    says(
        &done(&f.line("info {packed.safetensors}")),
        &[
            "stored as float16",
            "trained on: rings in noise",
            "scored on: 40 rings, RMSE 0.125 arcsec, NMAD 0.062",
        ],
    );
    says(&done(&f.line("info {run/model.safetensors}")), &["stored as float32"]);

    for (model, out) in [
        ("run/model.safetensors", "full.csv"),
        ("packed.safetensors", "half.csv"),
    ] {
        done(&f.line(&format!("infer {{{model}}} {{stack}} --device cpu -o {{{out}}} -q")));
    }
    let [full, half] = ["full.csv", "half.csv"].map(|name| table(&f.path(name)).1);
    let mut moved = 0;
    for (full, half) in full.iter().zip(&half) {
        let [(a, b), (sigma, other)] = ["theta_e", "sigma"].map(|column| {
            let number = |row: &std::collections::HashMap<String, String>| row[column].parse::<f64>().unwrap();
            (number(full), number(half))
        });
        assert!(
            (a - b).abs() < 0.01 * sigma && (other / sigma - 1.0).abs() < 0.01,
            "{a} {b}, {sigma} {other}"
        );
        moved += usize::from(a != b);
    }
    assert!(moved > 0, "the weights were rounded");

    // A model stays packed.
    done(&f.line("calibrate {packed.safetensors} {stack} --device cpu -o {calibrated.safetensors} -q"));
    let calibrated = Model::read(f.path("calibrated.safetensors")).unwrap();
    assert_eq!(calibrated.about.precision, Precision::Float16);
    assert!(
        calibrated.about.card.is_some()
            && calibrated.members == Model::read(f.path("packed.safetensors")).unwrap().members
    );
}

#[test]
fn the_shipped_models_are_the_files_of_the_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models");
    let files = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path());
    let files: BTreeSet<String> = files
        .filter(|path| path.extension().is_some_and(|e| e == "safetensors"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let names: BTreeSet<String> = SHIPPED.iter().map(|model| model.name.to_string()).collect();
    assert_eq!(names, files, "SHIPPED in src/model/shipped.rs");
    let listed: serde_json::Value = serde_json::from_str(&done("models --json")).unwrap();
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), names.len());
    assert!(
        listed
            .iter()
            .all(|model| names.contains(model["name"].as_str().unwrap()))
    );
    let text = done("models");
    match names.is_empty() {
        true => assert_eq!(text, "this program contains no models\n"),
        false => assert_eq!(text.lines().count(), 1 + names.len(), "{text}"),
    }
}

/// Every command takes the name of a model.
#[test]
fn a_shipped_model_is_used_by_its_name() {
    let f = Folder::new();
    for shipped in SHIPPED {
        let (name, model) = (shipped.name, shipped.read().unwrap());
        says(&done(&format!("info {name}")), &["stored as float16", "trained on: "]);
        let input = model.network.input_shape();
        let shape = [input.h, input.w, input.c];
        fs::create_dir(f.path(name)).unwrap();
        let examples = common::rings(24, 1, shape);
        common::write_stack(&f.path(name), &examples, shape);
        let out = f.line(&format!("{{{name}.fits}}"));
        let bands = format!("--bands {} --device cpu", model.about.bands.join(","));
        done(&f.line(&format!(
            "infer {name} {{{name}}} {bands} --flux-scale 1e-12 -o {out} -q"
        )));
        let described = fs::read_to_string(f.path(&format!("{name}.fits.json"))).unwrap();
        says(&described, &[name]);
        fails(
            2,
            &f.line(&format!("calibrate {name} {{{name}}} {bands}")),
            &["is a shipped model", "-o"],
        );
        // The images' folder of this name is no model, but a file is preferred.
        says(
            &ran(program(["info", name]).current_dir(f.path("."))).stdout,
            &["stored as float16"],
        );
        fs::create_dir(f.path("elsewhere")).unwrap();
        f.write(&format!("elsewhere/{name}"), "no model");
        let other = ran(program(["info", name]).current_dir(f.path("elsewhere")));
        assert_eq!(other.code, Some(1), "{}", other.stdout);
        fs::remove_dir_all(f.path("elsewhere")).unwrap();
    }
}
