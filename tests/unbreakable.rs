//! Nothing lost, nothing silently wrong: outputs that exist, closed streams, signals, two runs at once, damaged models.

#![cfg(unix)]

mod common;

use common::program::{Folder, Running, done, fails, lensgpu, program, ran, table};
use lensgpu::model::Model;
use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const TRAIN: &str = "train {stack} --network {tiny.toml} --members 2 --shift 0 --device cpu";

/// A folder with a model in `run`.
fn trained() -> Folder {
    let folder = Folder::new();
    done(&folder.line(&format!("{TRAIN} --epochs 2 --quiet -o {{run}}")));
    folder
}

/// What a shell prints and its exit code.
fn shell(folder: &Folder, line: &str) -> (i32, String) {
    let program = env!("CARGO_BIN_EXE_lensgpu");
    let line = folder.line(line).replace("LENSGPU", program);
    let output = Command::new("bash")
        .args(["-c", &line])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!text.contains("panicked"), "{line}: {text}");
    (output.status.code().unwrap_or(-1), text)
}

#[test]
fn outputs_that_are_no_regular_files_are_refused_before_any_work() {
    let folder = trained();
    let _socket = UnixListener::bind(folder.path("socket")).unwrap();
    let _socket = UnixListener::bind(folder.path("socket.csv")).unwrap();
    let model = "{run/model.safetensors} {stack} --device cpu";
    for line in [
        format!("calibrate {model} -o {{socket}}"),
        format!("infer {model} -o {{socket.csv}}"),
        format!("infer {model} -o {{out.csv}} --truth theta_e --plot {{socket}}"),
        "models pack {run/model.safetensors} -o {socket}".into(),
    ] {
        fails(1, &folder.line(&line), &["is not a regular file"]);
    }
    assert!(
        fs::symlink_metadata(folder.path("socket"))
            .unwrap()
            .file_type()
            .is_socket()
    );
    assert!(!folder.path("out.csv").exists(), "nothing was computed");

    symlink("nowhere", folder.path("broken.csv")).unwrap();
    fails(
        1,
        &folder.line(&format!("infer {model} -o {{broken.csv}}")),
        &["is a link to a file that does not exist"],
    );
    fs::write(folder.path("real.csv"), "old").unwrap();
    symlink("real.csv", folder.path("link.csv")).unwrap();
    done(&folder.line(&format!("infer {model} --quiet -o {{link.csv}}")));
    assert!(folder.path("link.csv").is_symlink() && table(&folder.path("real.csv")).1.len() == 40);

    fs::copy(folder.path("stack/catalogue.csv"), folder.path("own.csv")).unwrap();
    let own = format!("infer {model} --catalogue {{own.csv}} -o {{own.csv}}");
    fails(1, &folder.line(&own), &["own.csv is read by this command"]);
}

#[test]
fn closed_and_full_streams_lose_nothing() {
    let folder = trained();
    let model = "{run/model.safetensors} {stack} --device cpu";
    for (line, output) in [
        (
            format!("LENSGPU calibrate {model} -o {{a.safetensors}} | true"),
            "a.safetensors",
        ),
        (
            format!("LENSGPU infer {model} -o {{b.csv}} --truth theta_e | true"),
            "b.csv",
        ),
        (format!("LENSGPU infer {model} -o {{c.csv}} 2>&1 | true"), "c.csv"),
        (
            format!("LENSGPU {TRAIN} --epochs 2 -o {{d}} 2>&1 | true"),
            "d/model.safetensors",
        ),
        (
            format!("LENSGPU {TRAIN} --epochs 2 -o {{e}} >&- 2>&-"),
            "e/model.safetensors",
        ),
        (format!("LENSGPU evaluate {model} -o {{f}} | head -1"), "f/report.html"),
    ] {
        let (code, text) = shell(&folder, &format!("set -o pipefail; {line}"));
        assert_eq!(code, 0, "{line}: {text}");
        assert!(folder.path(output).exists(), "{line}: {text}");
    }
    if Path::new("/dev/full").exists() {
        let (code, text) = shell(
            &folder,
            &format!("LENSGPU calibrate {model} -o {{g.safetensors}} > /dev/full"),
        );
        assert!(
            code == 1 && text.contains("standard output is not complete"),
            "{code} {text}"
        );
        assert!(folder.path("g.safetensors").exists());
        let (code, _) = shell(&folder, &format!("LENSGPU {TRAIN} --epochs 2 -o {{h}} 2> /dev/full"));
        assert!(code == 0 && folder.path("h/model.safetensors").exists());
    }
}

#[test]
fn signals_stop_and_save_a_training_and_a_closed_terminal_does_not() {
    let folder = Folder::new();
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let run = format!("run_{signal}");
        let line = folder.line(&format!("{TRAIN} --epochs 100000 -o {{{run}}}"));
        let mut running = Running::new(&line);
        running.until(&folder.path(&run).join("log.csv"), |log| log.lines().count() > 4);
        let id = running.0.id().to_string();
        let kill = |signal: &str| {
            Command::new("kill")
                .args([&format!("-{signal}"), &id])
                .status()
                .unwrap()
        };
        kill("HUP");
        std::thread::sleep(Duration::from_millis(200));
        assert!(
            running.0.try_wait().unwrap().is_none(),
            "a closed terminal does not stop it"
        );
        kill(signal);
        let (status, stdout, stderr) = running.end();
        assert_eq!(status.code(), Some(code), "{stderr}");
        assert!(stdout.contains("lensgpu train --resume"), "{stdout}");
        assert!(folder.path(&run).join("checkpoint.safetensors").exists());
        assert!(!folder.path(&run).join(".lock").exists());
    }
}

#[test]
fn one_process_writes_to_a_run() {
    let folder = Folder::new();
    let line = folder.line(&format!("{TRAIN} --epochs 100000 -o {{run}}"));
    let mut running = Running::new(&line);
    running.until(&folder.path("run/log.csv"), |log| log.lines().count() > 4);
    let holder = format!("process {} on", running.0.id());
    fails(
        1,
        &folder.line("train --resume {run} --device cpu"),
        &["is in use by", &holder],
    );
    running.0.kill().unwrap();
    running.0.wait().unwrap();
    // A killed process holds no lock.
    let resumed = Running::new(&folder.line("train --resume {run} --device cpu"));
    let mut resumed = resumed;
    let before = fs::read_to_string(folder.path("run/log.csv")).unwrap().lines().count();
    resumed.until(&folder.path("run/log.csv"), |log| log.lines().count() > before + 4);
    resumed.interrupt();
    assert_eq!(resumed.end().0.code(), Some(130));
    assert!(
        !folder
            .list("run")
            .iter()
            .any(|name| name.ends_with(".tmp") || name == ".lock")
    );
}

#[test]
fn a_stopped_infer_keeps_the_old_catalogue() {
    let folder = trained();
    // The same image many times, so that there is time to stop.
    let images = folder.path("many");
    fs::create_dir(&images).unwrap();
    let rows = 60_000;
    let header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (60000, 12, 12, 2), }";
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    let padded = (10 + header.len() + 1).next_multiple_of(64) - 10;
    bytes.extend((padded as u16).to_le_bytes());
    bytes.extend(header);
    bytes.resize(10 + padded - 1, b' ');
    bytes.push(b'\n');
    bytes.resize(bytes.len() + rows * 12 * 12 * 2 * 4, 0);
    fs::write(images.join("images.npy"), bytes).unwrap();
    fs::write(folder.path("out.csv"), "the old catalogue").unwrap();
    let line = "infer {run/model.safetensors} {many} --device cpu --batch 1 -o {out.csv}";
    let journal = folder.path("out.csv.unfinished");
    let mut running = Running::new(&folder.line(line));
    running.until_longer(&journal, 20_000);
    running.interrupt();
    let (status, _, stderr) = running.end();
    assert_eq!(status.code(), Some(130), "{stderr}");
    assert!(
        stderr.contains("out.partial.csv has") && stderr.contains("is as it was"),
        "{stderr}"
    );
    assert_eq!(fs::read_to_string(folder.path("out.csv")).unwrap(), "the old catalogue");
    let partial = table(&folder.path("out.partial.csv")).1.len();
    assert!(partial < rows, "{partial}");
    assert!(folder.list("").iter().all(|name| !name.ends_with(".tmp")));

    // Killed while it continues, and continued again.
    let before = fs::metadata(&journal).unwrap().len();
    let mut running = Running::new(&folder.line(&format!("{line} --resume")));
    running.until_longer(&journal, before + 20_000);
    running.0.kill().unwrap();
    let (_, _, stderr) = running.end();
    assert!(
        stderr.contains(&format!("{partial} of {rows} objects were predicted before")),
        "{stderr}"
    );
    assert!(journal.exists());
    fails(
        1,
        &folder.line(&format!("{line} --resume --tta")),
        &["out.csv.unfinished is of a run with another value of --tta"],
    );
    done(&folder.line("infer {run/model.safetensors} {many} --device cpu --quiet -o {out.csv} --resume"));
    let found = table(&folder.path("out.csv")).1;
    let ids = found.iter().map(|row| row["id"].clone());
    assert!(ids.eq((0..rows).map(|row| row.to_string())), "every row once, in order");
    let left = folder.list("");
    assert!(
        !left
            .iter()
            .any(|name| name.contains("unfinished") || name.contains("partial")),
        "{left:?}"
    );
}

#[test]
fn folders_are_written_whole_wherever_they_are() {
    let folder = trained();
    fs::create_dir(folder.path("empty")).unwrap();
    symlink("empty", folder.path("link")).unwrap();
    let simulate = "simulate {link} --preset des --stack --count 2 --device cpu --quiet";
    done(&folder.line(simulate));
    assert!(folder.path("empty/images.npy").exists() && folder.list("empty").len() == 2);
    fs::create_dir(folder.path("here")).unwrap();
    let line = "simulate . --preset des --stack --count 2 --device cpu --quiet";
    let here = ran(program(line.split(' ')).current_dir(folder.path("here")));
    assert_eq!(here.code, Some(0), "{}", here.stderr);
    assert_eq!(folder.list("here").len(), 2);

    // An image that cannot be read ends an evaluation: its folder does not appear.
    fs::create_dir(folder.path("bad")).unwrap();
    let images = fs::read(folder.path("stack/images.npy")).unwrap();
    fs::write(folder.path("bad/images.npy"), &images[..images.len() - 100]).unwrap();
    fs::copy(folder.path("stack/catalogue.csv"), folder.path("bad/catalogue.csv")).unwrap();
    let evaluated = lensgpu(&folder.line("evaluate {run/model.safetensors} {bad} --device cpu -o {report}"));
    assert_eq!(evaluated.code, Some(1), "{}", evaluated.stderr);
    assert!(!folder.path("report").exists());
}

#[test]
fn what_is_missing_beside_a_model_is_completed() {
    let folder = Folder::new();
    done(&folder.line(&format!("{TRAIN} --epochs 2 --hold-out 10 --quiet -o {{run}}")));
    let before = fs::read(folder.path("run/held_out.csv")).unwrap();
    let model = fs::read(folder.path("run/model.safetensors")).unwrap();
    // As if killed when the model was written.
    for name in ["held_out.csv", "predicted_vs_true.svg", "training_curves.svg"] {
        fs::remove_file(folder.path("run").join(name)).unwrap();
    }
    done(&folder.line("train --resume {run} --device cpu --quiet"));
    assert_eq!(fs::read(folder.path("run/held_out.csv")).unwrap(), before);
    assert_eq!(
        fs::read(folder.path("run/model.safetensors")).unwrap(),
        model,
        "the model stays"
    );
    assert!(folder.path("run/predicted_vs_true.svg").exists() && folder.path("run/training_curves.svg").exists());
    fails(1, &folder.line("train --resume {run} --device cpu"), &["is complete"]);
    let (columns, rows) = table(&folder.path("run/held_out.csv"));
    assert!(columns.contains(&"ood_score".to_string()));
    assert!(
        rows.iter()
            .all(|row| !row["ood_score"].is_empty() || !row["flags"].is_empty())
    );
}

#[test]
fn a_diverged_training_writes_no_model() {
    let folder = Folder::new();
    let line = format!("{TRAIN} --epochs 2 --learning-rate 1e30 --quiet -o {{run}}");
    let stopped = lensgpu(&folder.line(&line));
    assert_eq!(stopped.code, Some(1), "{}{}", stopped.stdout, stopped.stderr);
    assert!(stopped.stderr.contains("--learning-rate"), "{}", stopped.stderr);
    assert!(!folder.path("run/model.safetensors").exists());
}

/// A script that reads both streams gets JSON, and loses no warning.
#[test]
fn warnings_are_part_of_a_result_in_json() {
    let folder = trained();
    fs::create_dir(folder.path("dark")).unwrap();
    let mut images = fs::read(folder.path("stack/images.npy")).unwrap();
    let image = 12 * 12 * 2 * 4;
    let end = images.len();
    images[end - image..].copy_from_slice(&f32::NAN.to_le_bytes().repeat(image / 4));
    fs::write(folder.path("dark/images.npy"), images).unwrap();
    let line = "infer {run/model.safetensors} {dark} --device cpu -o {out.csv}";
    let without = lensgpu(&folder.line(line));
    assert!(without.stderr.contains("warning: "), "{}", without.stderr);
    let ran = lensgpu(&folder.line(&format!("{line} --json")));
    assert_eq!((ran.code, &ran.stderr[..]), (Some(0), ""));
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let warnings = json["warnings"].as_array().unwrap();
    for warning in without.stderr.lines().filter_map(|line| line.strip_prefix("warning: ")) {
        assert!(warnings.iter().any(|other| other == warning), "{warning}: {json}");
    }
}

#[test]
fn counts_beyond_reason_get_a_message() {
    let folder = Folder::new();
    let train = |more: &str| folder.line(&format!("{TRAIN} {more} -o {{run}}"));
    for line in [
        train("--members 4294967295"),
        train("--members 0..4294967295"),
        train("--epochs 1 --patience 18446744073709551615"),
        train("--epochs 18446744073709551615"),
        train("--batch 18446744073709551615"),
        train("--hold-out 18446744073709551615"),
        train("--crop 4000000000"),
        "bench --members 18446744073709551615 --device cpu".into(),
        "bench --members 1000000000 --device cpu".into(),
        "bench --steps 18446744073709551615 --device cpu".into(),
        folder.line("simulate {sim} --preset des --stack --device cpu --count 18446744073709551615"),
        folder.line("train --simulate des --pool 18446744073709551615 --device cpu -o {run}"),
    ] {
        let ran = lensgpu(&line);
        assert!(matches!(ran.code, Some(1 | 2)), "{line}: {:?} {}", ran.code, ran.stderr);
        assert!(ran.stderr.contains("error"), "{line}: {}", ran.stderr);
    }
    assert!(!folder.path("run").exists());
}

#[test]
fn a_damaged_model_or_checkpoint_is_refused() {
    let folder = trained();
    let path = folder.path("run/model.safetensors");
    let good = fs::read(&path).unwrap();
    for at in (0..8 * good.len()).step_by(8 * good.len() / 150) {
        let mut bytes = good.clone();
        bytes[at / 8] ^= 1 << (at % 8);
        fs::write(&path, &bytes).unwrap();
        assert!(Model::read(&path).is_err(), "bit {at}");
    }
    let mut bytes = good.clone();
    let last = bytes.len() - 2;
    bytes[last] ^= 4;
    fs::write(&path, &bytes).unwrap();
    let line = "infer {run/model.safetensors} {stack} --device cpu -o {out.csv}";
    fails(1, &folder.line(line), &["model.safetensors", "checksum does not match"]);
    let checkpoint = folder.path("run/checkpoint.safetensors");
    let mut bytes = fs::read(&checkpoint).unwrap();
    let last = bytes.len() - 2;
    bytes[last] ^= 4;
    fs::write(&checkpoint, bytes).unwrap();
    fails(
        1,
        &folder.line("train --resume {run} --device cpu"),
        &["checkpoint.safetensors"],
    );
}

#[test]
fn run_toml_alone_repeats_a_run() {
    let folder = Folder::new();
    done(&folder.line(&format!("{TRAIN} --epochs 3 --seed 7 --quiet -o {{run}}")));
    fs::create_dir(folder.path("again")).unwrap();
    fs::copy(folder.path("run/run.toml"), folder.path("again/run.toml")).unwrap();
    done(&folder.line("train --resume {again} --device cpu --quiet"));
    assert_eq!(folder.members("run"), folder.members("again"));
}
