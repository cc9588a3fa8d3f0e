//! The program as a user runs it, on the CPU: train, infer and info; runs that are stopped or killed; and bad input,
//! which must end with a message that says what is wrong, where, and what to do, and must not overwrite anything.

#![cfg(unix)] // for signals and for mounting a small disk

mod common;

use common::program::{Folder, Ran, Running, SHAPE, done, fails, lensgpu, program, ran, table};
use common::{fits, rings, says, write_stack};
use fitsio_pure::bintable::BinaryColumnData;
use lensgpu::train::Examples;
use std::fs;
use std::time::{Duration, Instant};

const SIZE: usize = SHAPE[0];

const TRAIN: &str = "train {stack} --network {tiny.toml} --device cpu --members 2 --batch 8 --learning-rate 0.01";

const PREDICTION: [&str; 11] = [
    "theta_e",
    "sigma",
    "sigma_aleatoric",
    "sigma_epistemic",
    "q02_5",
    "q16",
    "q50",
    "q84",
    "q97_5",
    "ood_score",
    "flags",
];

#[test]
fn every_option_of_training_runs_and_is_in_the_model() {
    let f = Folder::new();
    for (likelihood, more) in [
        ("student-t", "--adversarial 0.01"),
        ("log-normal", "--adversarial 0.02 --patience 1 --ema 0.9"),
    ] {
        let options = format!(
            "--likelihood {likelihood} {more} --shift 1 --noise 0.2 --beta-nll 0.5 --warm-up-mean 1 --warm-up 4 \
             --weight-decay 0.001 --epochs 6 --hold-out 6 -o {{run-{likelihood}}}"
        );
        done(&f.line(&format!("{TRAIN} {options}")));
        let model = format!("{{run-{likelihood}/model.safetensors}}");
        let info = done(&f.line(&format!("info {model}")));
        let adversarial = if more.contains("0.02") {
            "adversarial 0.02"
        } else {
            "adversarial 0.01"
        };
        says(
            &info,
            &[likelihood, adversarial, "beta_nll 0.5", "shift 1", "weight_decay 0.001"],
        );
        for tta in ["", "--tta"] {
            done(&f.line(&format!(
                "infer {model} {{stack}} --device cpu {tta} -o {{out{tta}.csv}}"
            )));
        }
        let theta_e = |name: &str| -> Vec<f64> {
            let (_, rows) = table(&f.path(name));
            rows.iter().map(|row| row["theta_e"].parse().unwrap()).collect()
        };
        let (plain, all_views) = (theta_e("out.csv"), theta_e("out--tta.csv"));
        assert!(plain != all_views && plain.iter().chain(&all_views).all(|v| v.is_finite() && *v > 0.0));
        let resume = f.line(&format!("train --resume {{run-{likelihood}}} --device cpu"));
        fails(1, &resume, &["is complete"]);
    }
}

#[test]
fn a_stack_is_trained_inferred_and_described() {
    let f = Folder::new();
    let stdout = done(&f.line(&format!("{TRAIN} --epochs 3 --hold-out 6 -o {{deep/run}}")));
    says(&stdout, &["held out", &f.shown("deep/run/model.safetensors")]);
    let objects = stdout.lines().find(|line| line.trim_start().starts_with("objects"));
    assert_eq!(objects.unwrap().split_whitespace().last(), Some("6"), "{stdout}");
    assert_eq!(
        f.list("deep/run"),
        [
            "calibration_rows.bin",
            "checkpoint.safetensors",
            "held_out.csv",
            "log.csv",
            "model.safetensors",
            "predicted_vs_true.svg",
            "run.toml",
            "training_curves.svg"
        ]
    );
    let (_, log) = table(&f.path("deep/run/log.csv"));
    let keys: Vec<String> = log
        .iter()
        .map(|row| format!("{} {}", row["epoch"], row["member"]))
        .collect();
    assert_eq!(keys, ["1 0", "1 1", "2 0", "2 1", "3 0", "3 1"]);

    let infer = "infer {deep/run/model.safetensors} {stack} --device cpu -o";
    let stdout = done(&f.line(&format!("{infer} {{out.csv}} --member-columns")));
    says(&stdout, &["40 objects in", &f.shown("out.csv")]);
    let (columns, rows) = table(&f.path("out.csv"));
    let mut expected = vec!["id"];
    expected.extend(PREDICTION);
    expected.extend(["mu_0", "mu_1", "var_0", "var_1", "theta_e_cat"]);
    assert_eq!(
        columns, expected,
        "a stack has the ids of the catalogue, whose columns are copied"
    );
    for (i, row) in rows.iter().enumerate() {
        assert_eq!(row["id"], i.to_string());
        let value = |name: &str| row[name].parse::<f64>().unwrap();
        assert!((value("theta_e") - 0.5 * (value("mu_0") + value("mu_1"))).abs() < 1e-12);
        let sigma2 = value("sigma_aleatoric").powi(2) + value("sigma_epistemic").powi(2);
        assert!((value("sigma").powi(2) / sigma2 - 1.0).abs() < 1e-9);
        let quantiles: Vec<f64> = ["q02_5", "q16", "q50", "q84", "q97_5"].map(value).into();
        assert!(quantiles.is_sorted(), "{row:?}");
    }

    done(&f.line(&format!("{infer} {{out.fits}} --batch 7")));
    let bytes = fs::read(f.path("out.fits")).unwrap();
    let hdus = fitsio_pure::hdu::parse_fits(&bytes).unwrap();
    let column = fitsio_pure::bintable::read_binary_column(&bytes, &hdus.hdus[1], 1).unwrap();
    let BinaryColumnData::Double(fits) = column else {
        panic!("theta_e is not a column of doubles");
    };
    let csv: Vec<f64> = rows.iter().map(|row| row["theta_e"].parse().unwrap()).collect();
    assert_eq!(fits, csv, "CSV and FITS have the same values, for any batch size");

    let sidecar: serde_json::Value = serde_json::from_slice(&fs::read(f.path("out.fits.json")).unwrap()).unwrap();
    assert_eq!(
        (&sidecar["rows"], &sidecar["model"]["members"]),
        (&40.into(), &2.into())
    );
    let sha = sidecar["model"]["sha256"].as_str().unwrap();
    let header = String::from_utf8_lossy(&bytes);
    for card in [
        "EXTNAME = 'THETA_E",
        &format!("MODELSHA= '{sha}'"),
        "HISTORY lensgpu infer ",
    ] {
        assert!(header.contains(card), "{card}");
    }
    done(&f.line(&format!("{infer} {{plain.csv}} --no-sidecar")));
    assert!(!f.path("plain.csv.json").exists());
    done(&f.line(&format!("{infer} {{ecsv.csv}} --provenance")));
    let ecsv = fs::read_to_string(f.path("ecsv.csv")).unwrap();
    assert!(ecsv.starts_with("# %ECSV 1.0") && ecsv.contains(&format!("{sha:?}")));
    f.write("taken.csv.json", "mine");
    fails(
        1,
        &f.line(&format!("{infer} {{taken.csv}}")),
        &["taken.csv.json exists", "--no-sidecar"],
    );
    assert!(!f.path("taken.csv").exists());

    let info = done(&f.line("info {deep/run/model.safetensors}"));
    says(&info, &["2 members", "conv1", "40 rows", "6 held out", "theta_e"]);
    let json = done(&f.line("info {deep/run/model.safetensors} --json"));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["training"]["held_out"], 6);
    assert_eq!(json["members"], serde_json::json!([0, 1]));
    let devices: serde_json::Value = serde_json::from_str(&done("devices --json")).unwrap();
    assert_eq!(devices.as_array().unwrap().last().unwrap()["class"], "cpu");
}

/// Image `i`, one plane per band.
fn planes(examples: &Examples, i: usize) -> [Vec<f32>; 2] {
    let image = &examples.images[i * SIZE * SIZE * 2..][..SIZE * SIZE * 2];
    [0, 1].map(|band| image.iter().copied().skip(band).step_by(2).collect())
}

/// Writes objects `o000`, `o001`, ... as one FITS file per band with 0.2 arcsec per pixel, and their catalogue.
fn write_fits(folder: &Folder, dir: &str, examples: &Examples) {
    fs::create_dir(folder.path(dir)).unwrap();
    let mut catalogue = String::from("name,theta_e,z_lens,survey\n");
    for (i, label) in examples.labels.iter().enumerate() {
        for (plane, band) in planes(examples, i).iter().zip(["g", "r"]) {
            let position = (10.0 + i as f64, -5.0);
            folder.write(&format!("{dir}/o{i:03}_{band}.fits"), fits(plane, SIZE, 0.2, position));
        }
        catalogue += &format!("o{i:03},{label},0.{i:02},deep\n");
    }
    folder.write(&format!("{dir}/cat.csv"), catalogue);
}

const PATTERN: &str = "--images <id>_<band>.fits --bands g,r --id-column name";

/// A command line with a pattern of file names; unlike other braces, those of the pattern do not mark a path.
fn by_pattern(folder: &Folder, line: &str) -> String {
    folder
        .line(line)
        .replace("PATTERN", PATTERN)
        .replace('<', "{")
        .replace('>', "}")
}

#[test]
fn unusual_images_are_flagged_and_the_catalogue_is_copied() {
    let f = Folder::new();
    write_fits(&f, "lenses", &rings(40, 1, SHAPE));
    done(&by_pattern(
        &f,
        "train {lenses} PATTERN --network {tiny.toml} --device cpu --members 2 --batch 8 --epochs 3 -o {run}",
    ));
    let new = rings(7, 9, SHAPE);
    write_fits(&f, "new", &new);
    let change = |name: &str, plane: &[f32], scale| f.write(name, fits(plane, SIZE, scale, (200.0, 40.0)));
    let [g, r] = planes(&new, 1);
    // o000 is not a FITS file, a third of o001 is masked, o002 has a different pixel scale, o003 a different unit, and
    // o005 is cut short.
    f.write("new/o000_g.fits", "SIMPLE  = nonsense");
    let masked = |plane: &[f32]| -> Vec<f32> {
        let third = |(i, &v): (usize, &f32)| if i % 3 == 0 { f32::NAN } else { v };
        plane.iter().enumerate().map(third).collect()
    };
    change("new/o001_g.fits", &masked(&g), 0.2);
    change("new/o001_r.fits", &masked(&r), 0.2);
    for (band, plane) in ["g", "r"].iter().zip(planes(&new, 2)) {
        change(&format!("new/o002_{band}.fits"), &plane, 0.1);
    }
    for (band, plane) in ["g", "r"].iter().zip(planes(&new, 3)) {
        let other: Vec<f32> = plane.iter().map(|v| v * 1e3).collect();
        change(&format!("new/o003_{band}.fits"), &other, 0.2);
    }
    let whole = fs::read(f.path("new/o005_r.fits")).unwrap();
    f.write("new/o005_r.fits", &whole[..3000]);
    // A catalogue in a different order, with a column that the output has as well, and without o006.
    f.write(
        "targets.csv",
        "sigma,name,z_lens,ra\n1,o005,0.5,1\n2,o004,0.4,1\n3,o003,0.3,1\n4,o002,0.2,1\n5,o001,0.1,1\n6,o000,,1\n",
    );
    let line = "infer {run/model.safetensors} {new} PATTERN --device cpu -o {out.csv} --catalogue {targets.csv} \
                --keep-unmatched";
    let Ran { code, stdout, stderr } = ran(&mut program(by_pattern(&f, line).split_whitespace()));
    assert_eq!(code, Some(0), "{stderr}");
    says(
        &stdout,
        &[
            "7 objects in",
            "2 flagged read_error (128)",
            "1 flagged pixel_scale (2)",
        ],
    );
    says(
        &stderr,
        &["object o000", "o000_g.fits", "object o005", "o005_r.fits", "cut short"],
    );

    let (columns, mut rows) = table(&f.path("out.csv"));
    let mut expected = vec!["id", "ra", "dec"];
    expected.extend(PREDICTION);
    expected.extend(["sigma_cat", "z_lens", "ra_cat"]);
    assert_eq!(columns, expected);
    let ids: Vec<&str> = rows.iter().map(|row| row["id"].as_str()).collect();
    assert_eq!(ids, ["o005", "o004", "o003", "o002", "o001", "o000", "o006"]);
    rows[..6].reverse();
    let has = |row: usize, bit: i32| rows[row]["flags"].parse::<i32>().unwrap() & bit != 0;
    for (bit, flagged) in [(128, [0, 5].as_slice()), (1, &[1]), (2, &[2]), (4, &[3])] {
        let seen: Vec<usize> = (0..7).filter(|&row| has(row, bit)).collect();
        assert_eq!(seen, flagged, "flag {bit}");
    }
    for row in [0, 5] {
        assert!(
            PREDICTION[..10].iter().all(|&name| rows[row][name].is_empty()),
            "{:?}",
            rows[row]
        );
    }
    assert_eq!(
        (rows[5]["z_lens"].as_str(), rows[5]["sigma_cat"].as_str()),
        ("0.5", "1")
    );
    assert!(rows[0]["z_lens"].is_empty() && rows[6]["z_lens"].is_empty());
    let position = |row: usize| ["ra", "dec"].map(|name| rows[row][name].parse::<f64>().unwrap());
    let [ra, dec] = position(4);
    assert!(
        (ra - 14.0).abs() < 1e-6 && (dec + 5.0).abs() < 1e-6,
        "from the header: {ra} {dec}"
    );
    let [ra, dec] = position(2);
    assert!((ra - 200.0).abs() < 1e-6 && (dec - 40.0).abs() < 1e-6, "{ra} {dec}");

    // In the unit of the training images, o003 is not flagged.
    fs::create_dir(f.path("one")).unwrap();
    for band in ["g", "r"] {
        fs::rename(
            f.path(&format!("new/o003_{band}.fits")),
            f.path(&format!("one/o003_{band}.fits")),
        )
        .unwrap();
    }
    let line = "infer {run/model.safetensors} {one} PATTERN --device cpu -o {one.csv} --flux-scale 1e-3";
    assert_eq!(ran(&mut program(by_pattern(&f, line).split_whitespace())).code, Some(0));
    assert_eq!(table(&f.path("one.csv")).1[0]["flags"].parse::<i32>().unwrap() & 4, 0);
}

#[test]
fn an_interrupted_and_killed_run_ends_with_the_same_weights() {
    let f = Folder::new();
    let line = f.line(&format!("{TRAIN} --epochs 400"));
    done(&format!("{line} -q -o {}", f.shown("whole")));

    let run = f.shown("run");
    let mut running = Running::new(&format!("{line} -q -o {run}"));
    let log = f.path("run/log.csv");
    running.until(&log, |text| text.lines().count() > 20);
    running.interrupt();
    let asked = Instant::now();
    let (status, stdout, stderr) = running.end();
    assert!(
        asked.elapsed() < Duration::from_secs(2),
        "it took {:?}",
        asked.elapsed()
    );
    assert_eq!(status.code(), Some(130), "{stderr}");
    says(
        &stdout,
        &["stopped and saved", &format!("lensgpu train --resume {run}")],
    );
    says(&stderr, &["Ctrl-C again"]);
    assert_eq!(f.list("run"), ["checkpoint.safetensors", "log.csv", "run.toml"]);

    // Killed some epochs after it was resumed.
    let epochs = fs::read_to_string(&log).unwrap().lines().count();
    let mut running = Running::new(&format!("train --resume {run} -q --device cpu"));
    running.until(&log, |text| text.lines().count() > epochs + 20);
    running.0.kill().unwrap();
    drop(running);
    assert!(!f.path("run/model.safetensors").exists());

    let stdout = done(&format!("train --resume {run} --device cpu -q"));
    says(&stdout, &["model: "]);
    assert!(f.members("run") == f.members("whole"), "the weights are not the same");
    let without_times = |run: &str| {
        let text = fs::read_to_string(f.path(run).join("log.csv")).unwrap();
        text.lines()
            .map(|line| line.rsplit_once(',').unwrap().0.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(without_times("run"), without_times("whole"));
    // A file that the killed program was writing has a hidden temporary name.
    let visible: Vec<String> = f
        .list("run")
        .into_iter()
        .filter(|name| !name.starts_with('.'))
        .collect();
    assert_eq!(visible, f.list("whole"));

    fails(
        1,
        &format!("train --resume {run} --device cpu"),
        &["is complete", &f.shown("run/model.safetensors")],
    );
    fails(
        2,
        &format!("train --resume {run} --epochs 500"),
        &["--epochs", "cannot be used with", "--resume"],
    );
    fails(
        2,
        &format!("train --resume {run} --bands g"),
        &["--bands", "cannot be used with"],
    );
}

#[test]
fn a_run_killed_before_its_first_checkpoint_starts_again() {
    let f = Folder::new();
    let line = f.line(&format!("{TRAIN} --epochs 60 -q -o"));
    let mut running = Running::new(&format!("{line} {}", f.shown("run")));
    running.until(&f.path("run/run.toml"), |text| !text.is_empty());
    running.0.kill().unwrap();
    drop(running);
    done(&format!("train --resume {} --device cpu -q", f.shown("run")));
    done(&format!("{line} {}", f.shown("whole")));
    assert!(f.members("run") == f.members("whole"));
}

#[test]
fn what_cannot_be_resumed_is_named() {
    let f = Folder::new();
    let resume = f.line("train --resume {run} --device cpu");
    fails(1, &resume, &[&f.shown("run/run.toml"), "no run to resume"]);
    let mut running = Running::new(&f.line(&format!("{TRAIN} --epochs 2000 -q -o {{run}}")));
    running.until(&f.path("run/log.csv"), |text| text.lines().count() > 4);
    running.interrupt();
    drop(running.end());
    let saved = |name: &str| fs::read(f.path(name)).unwrap();
    let (checkpoint, options, catalogue) = (
        saved("run/checkpoint.safetensors"),
        saved("run/run.toml"),
        saved("stack/catalogue.csv"),
    );

    f.write("run/checkpoint.safetensors", &checkpoint[..checkpoint.len() / 2]);
    fails(
        1,
        &resume,
        &["checkpoint.safetensors", "damaged", "start the run again"],
    );
    f.write("run/checkpoint.safetensors", &checkpoint);
    f.write("run/run.toml", &options[..options.len() / 2]);
    fails(1, &resume, &["run.toml cannot be parsed"]);
    f.write("run/run.toml", &options);
    f.write(
        "stack/catalogue.csv",
        String::from_utf8(catalogue.clone())
            .unwrap()
            .replacen("0,0.5", "0,0.6", 1),
    );
    fails(
        1,
        &resume,
        &[
            "checkpoint.safetensors",
            "not those that the run began with",
            "restore the data",
        ],
    );
    f.write("stack/catalogue.csv", &catalogue);
    let images = saved("stack/images.npy");
    let pixel = (images.len() / 2) & !3;
    f.write(
        "stack/images.npy",
        [&images[..pixel], &7.5_f32.to_le_bytes(), &images[pixel + 4..]].concat(),
    );
    fails(1, &resume, &["the images, their labels or the split are not those"]);
    f.write("stack/images.npy", &images);
    fs::rename(f.path("stack"), f.path("moved")).unwrap();
    fails(1, &resume, &[&f.shown("stack")]);
    assert_eq!(f.list("run"), ["checkpoint.safetensors", "log.csv", "run.toml"]);
    assert!(saved("run/checkpoint.safetensors") == checkpoint && saved("run/run.toml") == options);
}

#[test]
fn messages_on_bad_arguments_say_what_is_possible() {
    let f = Folder::new();
    let with = |more: &str| f.line(&format!("{TRAIN} -o {{run}} {more}"));
    fails(2, &with("--preset lfc9"), &["lfc9", "lfc1-ground", "lfc1-space"]);
    fails(
        2,
        &f.line("train {stack} -o {run} --device voodoo"),
        &["'voodoo'", "there are:"],
    );
    fails(2, &with("--epochs 0"), &["epochs is 0", "at least 1", "--epochs"]);
    fails(
        2,
        &f.line("train {stack} -o {run} --device cpu --batch 0"),
        &["batch is 0", "at least 1", "--batch"],
    );
    fails(
        2,
        &f.line("train {stack} -o {run} --device cpu --learning-rate=-1"),
        &["--learning-rate"],
    );
    fails(2, &with("--clip 0"), &["clip is 0", "positive", "--clip"]);
    fails(
        2,
        &with("--validation 1"),
        &["validation is 1", "below 1", "--validation"],
    );
    fails(1, &with("--hold-out 39"), &["40 rows", "39"]);
    fails(1, &with("--crop 0"), &["--crop"]);
    fails(1, &with("--crop 13"), &["12 x 12", "13 x 13", "--crop"]);
    fails(1, &with("--flux-scale 0"), &["flux scale is 0", "--flux-scale"]);
    let members = |text: &str| f.line(&format!("train {{stack}} -o {{run}} --device cpu --members={text}"));
    fails(2, &members("0"), &["--members", "1 to 1000"]);
    fails(2, &members("-1"), &["--members", "'-1' is not a member number"]);
    fails(2, &with("--epochs many"), &["--epochs", "many"]);
    fails(
        2,
        &with("--seed 18446744073709551615"),
        &["--seed", "18446744073709551615", "9223372036854775807"],
    );
    fails(2, &with("--no-such-flag"), &["--no-such-flag"]);
    fails(2, "train", &["DIR", "--output"]);
    fails(2, "infer", &["MODEL", "--output"]);
    fails(
        2,
        &f.line("infer {m} {stack} -o {o.csv} --batch 0"),
        &["--batch", "'0'"],
    );
    for flag in ["--members", "--batch", "--steps"] {
        fails(2, &format!("bench {flag} 0"), &[flag, "at least 1"]);
    }
    assert_eq!(lensgpu("").code, Some(2));
    assert_eq!(lensgpu("--version").code, Some(0));
    assert_eq!(f.list(""), ["stack", "tiny.toml"], "nothing is left behind");
}

#[test]
fn every_command_rejects_an_unknown_device_as_a_usage_error() {
    let f = Folder::new();
    done(&f.line(&format!("{TRAIN} --epochs 1 -q -o {{run}}")));
    let mut messages = Vec::new();
    for command in [
        "simulate {out} --count 1 --preset lfc1-ground",
        "train {stack} -o {out}",
        "infer {run/model.safetensors} {stack} -o {out.csv}",
        "evaluate {run/model.safetensors} {stack} -o {out}",
        "calibrate {run/model.safetensors} {stack}",
        "selftest",
        "bench",
    ] {
        let Ran { code, stdout, stderr } = lensgpu(&f.line(&format!("{command} --device voodoo")));
        assert_eq!((code, &stdout[..]), (Some(2), ""), "{command}: {stderr}");
        says(&stderr, &["error: ", "'voodoo'"]);
        messages.push(stderr);
    }
    messages.dedup();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(f.list(""), ["run", "stack", "tiny.toml"]);
    fails(
        2,
        &f.line("simulate {out} --count 1 --preset lfc9"),
        &["lfc9", "lfc1-ground"],
    );
    for command in ["evaluate -o {out}", "calibrate"] {
        let line = f.line(&format!(
            "{command} {{run/model.safetensors}} {{stack}} --device cpu --preset lfc9"
        ));
        fails(2, &line, &["lfc9", "lfc1-ground"]);
    }
}

#[test]
fn every_command_that_opens_a_folder_shows_its_warnings() {
    let f = Folder::new();
    write_fits(&f, "lenses", &rings(60, 1, SHAPE));
    // One image has no row in the catalogue.
    let catalogue = fs::read_to_string(f.path("lenses/cat.csv")).unwrap();
    let (all_but_last, _) = catalogue.trim_end().rsplit_once('\n').unwrap();
    f.write("lenses/cat.csv", all_but_last);
    let mut warnings = Vec::new();
    for command in [
        "train {lenses} PATTERN --network {tiny.toml} --members 1 --epochs 1 -o {run}",
        "infer {run/model.safetensors} {lenses} PATTERN --catalogue {lenses/cat.csv} -o {out.csv}",
        "evaluate {run/model.safetensors} {lenses} PATTERN -o {report}",
        "calibrate {run/model.safetensors} {lenses} PATTERN",
    ] {
        let line = by_pattern(&f, &format!("{command} --device cpu --quiet"));
        let Ran { code, stderr, .. } = lensgpu(&line);
        assert_eq!(code, Some(0), "{command}: {stderr}");
        let about_catalogue =
            |line: &&str| line.starts_with("warning: 1 ") && line.contains(&f.shown("lenses/cat.csv"));
        let found: Vec<String> = stderr.lines().filter(about_catalogue).map(String::from).collect();
        assert_eq!(found.len(), 1, "{command}: {stderr}");
        warnings.extend(found);
    }
    warnings.dedup();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

#[test]
fn bad_networks_are_named_with_the_layer() {
    let f = Folder::new();
    let with = |network: &str| {
        f.line(&format!(
            "train {{stack}} --device cpu -o {{a/b/run}} --network {{{network}}}"
        ))
    };
    f.write("large.toml", common::TINY.replace("kernel = 3", "kernel = 13"));
    fails(
        1,
        &with("large.toml"),
        &["large.toml", "layer 1 (conv1", "13x13", "12x12x2", "smaller kernel"],
    );
    f.write("broken.toml", "layers = [");
    fails(1, &with("broken.toml"), &["broken.toml", "not a network file"]);
    f.write("unknown.toml", common::TINY.replace("'maxpool'", "'dropout'"));
    fails(1, &with("unknown.toml"), &["unknown.toml", "dropout"]);
    fails(1, &with("missing.toml"), &["missing.toml", "cannot be read"]);
    fails(
        1,
        &f.line("train {stack} --recipe vanilla --device cpu -o {run}"),
        &[
            "network of the vanilla recipe does not fit images of 12x12x2",
            "--network",
            "layer 6",
        ],
    );
    assert_eq!(
        f.list(""),
        ["broken.toml", "large.toml", "stack", "tiny.toml", "unknown.toml"]
    );
}

#[test]
fn bad_data_is_named_with_the_file_or_the_row() {
    let f = Folder::new();
    let train = by_pattern(
        &f,
        "train {d} PATTERN --network {tiny.toml} --device cpu --epochs 1 -o {run}",
    );
    let fails_with = |name: &str, content: Option<&[u8]>, parts: &[&str]| {
        let path = f.path(name);
        let before = fs::read(&path).unwrap();
        match content {
            Some(content) => fs::write(&path, content).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        fails(1, &train, parts);
        fs::write(&path, before).unwrap();
        assert!(!f.path("run").exists());
    };
    write_fits(&f, "d", &rings(20, 1, SHAPE));
    let catalogue = fs::read_to_string(f.path("d/cat.csv")).unwrap();
    let image = fs::read(f.path("d/o007_r.fits")).unwrap();
    fails_with("d/o007_r.fits", None, &["object o007", "d/o007_r.fits is missing"]);
    fails_with(
        "d/o007_r.fits",
        Some(&image[..2890]),
        &["object o007", "d/o007_r.fits", "cut short"],
    );
    fails_with("d/o007_r.fits", Some(b""), &["object o007", "d/o007_r.fits"]);
    fails_with(
        "d/o007_r.fits",
        Some(b"no FITS at all"),
        &["object o007", "d/o007_r.fits"],
    );
    let small = fits(&[1.0; 100], 10, 0.2, (1.0, 1.0));
    fails_with(
        "d/o007_r.fits",
        Some(&small),
        &["object o007", "d/o007_r.fits", "10 x 10", "12 x 12", "--crop"],
    );
    let changed = |from: &str, to: &str| catalogue.replacen(from, to, 1).into_bytes();
    fails_with(
        "d/cat.csv",
        Some(&changed("theta_e", "radius")),
        &["cat.csv", "no column 'theta_e'", "--label"],
    );
    fails_with(
        "d/cat.csv",
        Some(&changed("name", "object")),
        &["cat.csv", "no column 'name'", "--id-column"],
    );
    fails_with(
        "d/cat.csv",
        Some(&changed("o003,", "o999,")),
        &["cat.csv line 5", "object o999 has no image"],
    );
    fails_with(
        "d/cat.csv",
        Some(&changed("o000,0.5,", "o000,nan,")),
        &["cat.csv line 2", "object o000", "'nan'"],
    );
    fails_with("d/cat.csv", Some(b""), &["cat.csv"]);
    fs::create_dir(f.path("empty")).unwrap();
    fails(
        1,
        &f.line("train {empty} -o {run} --device cpu"),
        &["empty is empty", "--images"],
    );
    fails(1, &f.line("train {nowhere} -o {run} --device cpu"), &["nowhere"]);
    fs::write(
        f.path("stack/images.npy"),
        &fs::read(f.path("stack/images.npy")).unwrap()[..5000],
    )
    .unwrap();
    fails(
        1,
        &f.line("train {stack} -o {run} --device cpu"),
        &["images.npy: it is cut short", "Copy the file again"],
    );
    assert!(!f.path("run").exists());
}

#[test]
fn bad_models_and_outputs_are_named_and_nothing_is_overwritten() {
    let f = Folder::new();
    let train = f.line(&format!("{TRAIN} --epochs 1 -q -o {{run}}"));
    done(&train);
    let before = fs::read(f.path("run/model.safetensors")).unwrap();
    fails(1, &train, &[&f.shown("run"), "is not empty", "--resume", "-o"]);
    assert!(fs::read(f.path("run/model.safetensors")).unwrap() == before);
    f.write("file", "precious");
    fails(1, &f.line(&format!("{TRAIN} -o {{file}}")), &[&f.shown("file"), "-o"]);
    fails(
        1,
        &f.line(&format!("{TRAIN} -o {{file/run}}")),
        &[&f.shown("file/run"), "cannot be created"],
    );

    let infer = |model: &str, rest: &str| f.line(&format!("infer {{{model}}} {rest} --device cpu"));
    f.write("short.safetensors", &before[..before.len() - 100]);
    fails(
        1,
        &infer("short.safetensors", "{stack} -o {o.csv}"),
        &["short.safetensors", "cut short", "copy it again"],
    );
    fails(
        1,
        &f.line("info {short.safetensors}"),
        &["short.safetensors", "cut short"],
    );
    f.write("stub.safetensors", &before[..4]);
    fails(
        1,
        &f.line("info {stub.safetensors}"),
        &["stub.safetensors", "cut short"],
    );
    fails(
        1,
        &infer("file", "{stack} -o {o.csv}"),
        &[&f.shown("file"), "model.safetensors"],
    );
    fails(
        1,
        &infer("run/checkpoint.safetensors", "{stack} -o {o.csv}"),
        &["not a lensgpu model"],
    );
    fails(
        1,
        &infer("none.safetensors", "{stack} -o {o.csv}"),
        &["none.safetensors", "cannot be read"],
    );
    // The header says 4 units, and the tensors have 8: src/model/file/tests.rs has the same without a checksum.
    let units = b"\\\"units\\\":8";
    let at = before.windows(units.len()).position(|bytes| bytes == units).unwrap() + units.len() - 1;
    let mut other = before.clone();
    other[at] = b'4';
    f.write("other.safetensors", other);
    fails(
        1,
        &infer("other.safetensors", "{stack} -o {o.csv}"),
        &["other.safetensors", "checksum does not match"],
    );

    let good = "run/model.safetensors";
    fs::create_dir_all(f.path("small")).unwrap();
    write_stack(&f.path("small"), &rings(3, 1, [9, 9, 2]), [9, 9, 2]);
    fails(
        1,
        &infer(good, "{small} -o {o.csv}"),
        &["none of 3 images could be read", "9 x 9", "12 x 12"],
    );
    fs::create_dir_all(f.path("bands")).unwrap();
    write_stack(&f.path("bands"), &rings(3, 1, [12, 12, 3]), [12, 12, 3]);
    fails(
        1,
        &infer(good, "{bands} -o {o.csv}"),
        &["images.npy", "3 channels", "band1, band2"],
    );

    f.write("old.csv", "precious");
    fs::create_dir(f.path("folder.csv")).unwrap();
    fails(
        1,
        &infer(good, "{stack} -o {none/o.csv}"),
        &["none/o.csv", "no folder", "create it first"],
    );
    fails(1, &infer(good, "{stack} -o {folder.csv}"), &["folder.csv is a folder"]);
    fails(
        1,
        &infer(good, "{stack} -o {o.txt}"),
        &["o.txt", ".csv, .fits, .vot, .parquet or .hats"],
    );
    fails(1, &infer(good, "{small} -o {old.csv}"), &["none of 3 images"]);
    fails(
        1,
        &infer(good, "{stack} -o {old.csv} --truth theta"),
        &["no column 'theta'", "--truth"],
    );
    assert_eq!(fs::read_to_string(f.path("old.csv")).unwrap(), "precious");
    assert!(!f.path("o.csv").exists());
    let hidden = |name: &String| name.starts_with('.');
    assert!(!f.list("").iter().any(hidden), "{:?}", f.list(""));
}

#[test]
fn a_full_disk_is_reported_and_leaves_no_incomplete_file() {
    let f = Folder::new();
    done(&f.line(&format!("{TRAIN} --epochs 1 -q -o {{run}}")));
    let Some(disk) = f.small_disk("disk", "8k") else {
        return;
    };
    let infer = f.line("infer {run/model.safetensors} {stack} --member-columns --device cpu -o");
    f.write("disk/old.csv", "precious");
    // What has been predicted stays for --resume, and takes part of the disk.
    let inferred = |name: &str| {
        let ran = lensgpu(&format!("{infer} {}", f.shown(&format!("disk/{name}"))));
        fs::remove_file(f.path(&format!("disk/{name}.unfinished"))).unwrap();
        ran
    };
    let filled = [
        inferred("old.csv"),
        inferred("new.fits"),
        lensgpu(&f.line(&format!("{TRAIN} --epochs 3 -o {{disk/run}}"))),
    ];
    let (left, old) = (f.list("disk"), fs::read_to_string(f.path("disk/old.csv")));
    let in_run = if left.contains(&"run".into()) {
        f.list("disk/run")
    } else {
        vec![]
    };
    drop(disk);
    for (ran, file) in filled.iter().zip(["old.csv", "new.fits", "disk/run"]) {
        assert_eq!(ran.code, Some(1), "{file}: {}", ran.stderr);
        says(&ran.stderr, &[file, "writing failed", "is the disk full?"]);
    }
    assert_eq!(old.unwrap(), "precious");
    assert!(
        left.iter().all(|name| ["old.csv", "run"].contains(&name.as_str())),
        "{left:?}"
    );
    assert!(
        !in_run
            .iter()
            .any(|name| name.starts_with('.') || name == "model.safetensors"),
        "{in_run:?}"
    );
}

#[test]
fn a_benchmark_is_compared_with_an_earlier_one() {
    let f = Folder::new();
    let bench = "bench --device cpu --members 2 --batch 4 --steps 1 --input 12,12,2 --network {tiny.toml}";
    let json = done(&f.line(&format!("{bench} --json --sweep")));
    let old: serde_json::Value = serde_json::from_str(&json).unwrap();
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    assert!(number(&old["peak"]["flops_per_second"]) > 1e8 && number(&old["peak"]["bytes_per_second"]) > 1e8);
    let operations = old["operations"].as_array().unwrap();
    let conv = operations.iter().find(|o| o["operation"] == "conv_forward").unwrap();
    let fraction = number(&conv["gflops_per_second"]) * 1e9 / number(&old["peak"]["flops_per_second"]);
    assert!((fraction / number(&conv["peak_fraction"]) - 1.0).abs() < 1e-9 && fraction > 0.0);
    let sweep = old["sweep"].as_array().unwrap();
    let settings: Vec<(u64, u64)> = sweep
        .iter()
        .map(|step| (step["members"].as_u64().unwrap(), step["batch"].as_u64().unwrap()))
        .collect();
    assert_eq!(
        (settings.len(), settings[0], settings[5], settings[11]),
        (12, (1, 4), (50, 4), (2, 256))
    );
    assert!(sweep.iter().all(|step| number(&step["seconds"]["median"]) > 0.0));

    f.write("old.json", json);
    let text = done(&f.line(&format!("{bench} --compare {{old.json}}")));
    says(
        &text,
        &[
            "of the peak",
            "all together",
            "new / old",
            "training step",
            "conv_forward conv1",
        ],
    );
    let other = bench.replace("--batch 4", "--batch 5");
    fails(
        1,
        &f.line(&format!("{other} --compare {{old.json}}")),
        &["old.json is of 2 members, batch 4, input 12x12x2"],
    );
    fails(
        1,
        &f.line(&format!("{bench} --compare {{tiny.toml}}")),
        &["tiny.toml is no result of lensgpu bench --json"],
    );
}
