//! Files of a run that were edited by hand, and names that others chose: no panic, no path to elsewhere, nothing that a
//! terminal obeys.

use super::bounded;
use super::common::program::{Folder, done, table};
use super::common::{POPULATION, TINY, says};
use safetensors::SafeTensors;
use std::fs;

const TRAIN: &str =
    "train {stack} --network {tiny.toml} --members 2 --epochs 2 --shift 0 --device cpu --quiet -o {run}";

#[test]
fn an_edited_run_is_refused_with_the_reason() {
    let folder = Folder::new();
    done(&folder.line(TRAIN));
    fs::remove_file(folder.path("run/model.safetensors")).unwrap();
    let good = fs::read_to_string(folder.path("run/run.toml")).unwrap();
    let rate = good.lines().find(|line| line.starts_with("final_rate")).unwrap();
    for (from, to, says_what) in [
        (rate, "final_rate = nan", "final_rate is"),
        (rate, "final_rate = -1.0", "final_rate is"),
        (rate, "final_rate = inf", "final_rate is"),
        ("members = [0, 1]", "members = []", "members"),
        ("members = [0, 1]", "members = [0, 0]", "members is [0, 0]"),
        ("epochs = 2", "epochs = 0", "epochs is 0"),
        (
            "epochs = 2",
            "epochs = 18446744073709551615",
            "epochs is 18446744073709551615",
        ),
        ("clip = 5.0", "clip = nan", "clip is NaN"),
        ("flux_scale = 1.0", "flux_scale = inf", "flux scale is inf"),
        ("validation = 0.1", "validation = -0.5", "validation is -0.5"),
        ("layer = \"flatten\"", "layer = \"flat\"", "run.toml"),
        ("name = \"dense1\"", "name = \"../dense1\"", "\"../dense1\""),
        ("name = \"dense1\"", "name = \"\\u001b[2J\"", "layer name"),
        ("units = 8", "units = 4611686018427387904", "too large"),
        (
            "[data]",
            "[data]\nbands = [\"g\", \"../r\"]\nimages = \"{id}_{band}.fits\"",
            "'../r' is not the name of a band",
        ),
        ("[data]", "", "run.toml"),
    ] {
        assert!(good.contains(from), "{from} is not in {good}");
        folder.write("run/run.toml", good.replacen(from, to, 1));
        let ran = bounded(&folder, "train --resume {run} --device cpu");
        assert!(matches!(ran.code, Some(1 | 2)), "{to}: {:?} {}", ran.code, ran.stderr);
        says(&ran.stderr, &["error: ", says_what]);
        assert!(!ran.stderr.contains('\x1b'), "{to}");
    }
    folder.write("run/run.toml", good);
    done(&folder.line("train --resume {run} --device cpu --quiet"));
}

/// A safetensors file with another text in its metadata, and without a checksum.
fn edited(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
    let mut metadata = header.metadata().clone().unwrap();
    metadata.remove("sha256");
    let place = metadata.values_mut().find(|text| text.contains(from));
    let text = place.unwrap_or_else(|| panic!("{from} is nowhere"));
    *text = text.replacen(from, to, 1);
    safetensors::serialize(SafeTensors::deserialize(bytes).unwrap().tensors(), Some(metadata)).unwrap()
}

#[test]
fn an_edited_checkpoint_is_refused_with_the_reason() {
    let folder = Folder::new();
    done(&folder.line(TRAIN));
    fs::remove_file(folder.path("run/model.safetensors")).unwrap();
    let good = fs::read(folder.path("run/checkpoint.safetensors")).unwrap();
    for (from, to) in [
        ("\"epoch\":2", "\"epoch\":18446744073709551615"),
        ("\"epoch\":2", "\"epoch\":1"),
        ("\"shard\":0", "\"shard\":7"),
        ("\"step\":0", "\"step\":18446744073709551615"),
        ("\"step\":0", "\"step\":-1"),
        ("\"history\":[", "\"history\":[],\"more\":["),
        ("\"stopped\":[false,false]", "\"stopped\":[false]"),
        ("\"best\":[", "\"best\":[null,"),
        ("\"initial\":[", "\"initial\":[{\"now\":1,\"kept\":1,\"averaged\":0},"),
    ] {
        folder.write("run/checkpoint.safetensors", edited(&good, from, to));
        let ran = bounded(&folder, "train --resume {run} --device cpu");
        assert_eq!(ran.code, Some(1), "{to}: {}", ran.stderr);
        says(&ran.stderr, &["error: ", "checkpoint.safetensors"]);
    }
    folder.write("run/checkpoint.safetensors", edited(&good, "\"step\":0", "\"step\":0"));
    done(&folder.line("train --resume {run} --device cpu --quiet"));
}

#[test]
fn edited_metadata_of_a_model_end_in_an_error_or_a_flag() {
    let folder = Folder::new();
    done(&folder.line(&TRAIN.replace("--epochs 2", "--epochs 2 --calibration 0")));
    done(&folder.line("calibrate {run/model.safetensors} {stack} --method factors --device cpu --quiet -o {model}"));
    let good = fs::read(folder.path("model")).unwrap();
    let about = |key: &str| {
        let (_, header) = SafeTensors::read_metadata(&good).unwrap();
        let about: serde_json::Value = serde_json::from_str(&header.metadata().as_ref().unwrap()["about"]).unwrap();
        about.pointer(key).unwrap_or_else(|| panic!("{key}")).to_string()
    };
    let number = |name: &str, key: &str| format!("\"{name}\":{}", about(key));
    let factor = number("aleatoric", "/calibration/map/aleatoric");
    let scale = number("scale", "/label/scale");
    for (from, to) in [
        (&factor, "\"aleatoric\":1e308"),
        (&factor, "\"aleatoric\":-1"),
        (&factor, "\"aleatoric\":0"),
        (&scale, "\"scale\":1e300"),
        (&scale, "\"scale\":1e-300"),
        (&scale, "\"scale\":1e90"),
        (&scale, "\"scale\":0"),
    ] {
        folder.write("edited", edited(&good, from, to));
        let ran = bounded(&folder, "infer {edited} {stack} --device cpu --quiet -o {out.csv}");
        if ran.code == Some(1) {
            says(&ran.stderr, &["error: ", "edited"]);
            continue;
        }
        assert_eq!(ran.code, Some(0), "{to}: {}", ran.stderr);
        for row in table(&folder.path("out.csv")).1 {
            let finite = |(_, text): (&String, &String)| text.parse::<f64>().is_ok_and(f64::is_finite);
            let numbers = row.iter().filter(|(name, _)| *name != "id");
            assert!(row["flags"] != "0" || numbers.into_iter().all(finite), "{to}: {row:?}");
        }
    }
}

#[test]
fn a_terminal_gets_no_control_characters() {
    let folder = Folder::new();
    let evil = "\u{1b}]0;title\u{7}\u{9b}2J";
    let with_id = |name: &str| {
        let text = fs::read_to_string(folder.path(name)).unwrap();
        folder.write(name, text.replacen("\n3,", &format!("\n\"{evil}\",",), 1));
    };
    with_id("stack/catalogue.csv");
    done(&folder.line(TRAIN));
    let good = fs::read(folder.path("run/model.safetensors")).unwrap();
    folder.write(
        "model",
        edited(
            &good,
            "\"bands\":[\"band1\"",
            "\"bands\":[\"\\u001b]0;title\\u0007\\u009b2J\"",
        ),
    );
    let info = bounded(&folder, "info {model}");
    assert_eq!(info.code, Some(0), "{}", info.stderr);
    says(&info.stdout, &["\\u001b]0;title\\u0007\\u009b2J"]);
    let json = bounded(&folder, "info {model} --json");
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(json.to_string().contains("title"));

    // An image that cannot be read is named.
    fs::create_dir(folder.path("images")).unwrap();
    fs::write(folder.path(&format!("images/{evil}.fits")), "no image").unwrap();
    fs::write(folder.path("images/a.fits"), "no image").unwrap();
    let infer = bounded(
        &folder,
        "infer {model} {images} --images ID.fits --device cpu -o {out.csv}",
    );
    says(&infer.stderr, &["error: "]);
    let missing = bounded(
        &folder,
        &format!("infer {{{evil}}} {{stack}} --device cpu -o {{out.csv}}"),
    );
    says(&missing.stderr, &["\\u001b]0;title"]);
    let labels = format!("id,theta_e\n\"{evil}\",-1\n");
    folder.write("labels.csv", labels);
    let train = TRAIN.replace("{run}", "{new} --catalogue {labels.csv}");
    let refused = bounded(&folder, &train);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    for text in [&info.stdout, &infer.stderr, &missing.stderr, &refused.stderr] {
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{9b}']), "{text:?}");
    }
    // In a table it is data.
    done(&folder.line("infer {run/model.safetensors} {stack} --device cpu --quiet -o {out.csv}"));
    assert!(table(&folder.path("out.csv")).1.iter().any(|row| row["id"] == evil));
}

#[test]
fn names_in_network_and_population_files_are_no_paths() {
    let folder = Folder::new();
    for name in ["../x", "a/b", "\\u001b[2J", "a b", ""] {
        folder.write("bad.toml", TINY.replacen("'dense1'", &format!("\"{name}\""), 1));
        let ran = bounded(
            &folder,
            "train {stack} --network {bad.toml} --members 1 --epochs 1 --device cpu -o {run}",
        );
        assert_eq!(ran.code, Some(1), "{name}: {}", ran.stderr);
        says(&ran.stderr, &["layer name"]);
        assert!(!ran.stderr.contains('\x1b'));
    }
    for (from, to) in [
        ("name = \"G\"", "name = \"../G\""),
        ("name = \"G\"", "name = \"\\u001b[2J\""),
        ("file = \"G/{id}.fits\"", "file = \"/tmp/{id}.fits\""),
        ("file = \"G/{id}.fits\"", "file = \"../{id}.fits\""),
        ("file = \"G/{id}.fits\"", "file = \"G/\\u0007{id}.fits\""),
    ] {
        folder.write("bad.toml", POPULATION.replacen(from, to, 1));
        let ran = bounded(&folder, "simulate {sim} --population {bad.toml} --count 1 --device cpu");
        assert_eq!(ran.code, Some(1), "{to}: {}", ran.stderr);
        says(&ran.stderr, &["allowed is"]);
        assert!(
            !ran.stderr.contains(['\x1b', '\x07']) && !folder.path("sim").exists(),
            "{to}"
        );
    }
}
