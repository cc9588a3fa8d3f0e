//! Devices that fail in the middle of a command: the exit code is 3, nothing that was saved is lost, and a training can
//! go on by itself. Adapters that compute wrongly are refused.

#![cfg(unix)]

mod common;

use common::program::{Folder, Ran, Running, done, ran, table};
use common::says;
use lensgpu::device::Device;
use lensgpu::device::faults::{Fault, inject};
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const TRAIN: &str = "train {stack} --network {tiny.toml} --members 2 --shift 0";

/// The command line of [`program_with_faults`], and its faults, such as `lost@7` for one after seven steps and batches.
const LINE: &str = "TEST_LINE";
const FAULTS: &str = "TEST_FAULTS";

/// Runs a command line on a device with these faults, with its own cache folder.
fn with_faults(faults: &str, line: &str, cache: &Path) -> Ran {
    ran(Command::new(std::env::current_exe().unwrap())
        .args(["program_with_faults", "--exact", "--ignored", "--nocapture"])
        .env(LINE, line)
        .env(FAULTS, faults)
        .env("XDG_CACHE_HOME", cache)
        .stdin(Stdio::null()))
}

/// Runs a command line on a CPU with these faults, which must fail by them with a message that contains these parts.
#[track_caller]
fn fails(faults: &str, line: &str, parts: &[&str]) {
    let ran = with_faults(
        faults,
        &format!("{line} --device cpu"),
        Path::new(env!("CARGO_TARGET_TMPDIR")),
    );
    assert_eq!(ran.code, Some(3), "{line}\n{}{}", ran.stdout, ran.stderr);
    says(&ran.stderr, &[&[Device::Cpu.name().as_str()], parts].concat());
}

/// Not a test by itself: the program, in a process of its own whose devices fail.
#[test]
#[ignore = "the other tests of this file run it"]
fn program_with_faults() {
    let Ok(line) = std::env::var(LINE) else { return };
    let faults = std::env::var(FAULTS).unwrap();
    let fault = |text: &str| {
        let (kind, steps) = text.split_once('@')?;
        let kind = match kind {
            "lost" => Fault::Lost,
            "memory" => Fault::OutOfMemory,
            "hangs" => Fault::Hangs,
            _ => panic!("{kind}"),
        };
        Some((steps.parse().unwrap(), kind))
    };
    inject(faults.split(',').filter_map(fault), faults == "wrong");
    let arguments = ["lensgpu"]
        .into_iter()
        .chain(line.split_whitespace())
        .map(OsString::from);
    std::process::exit(lensgpu::cli::main(arguments).into());
}

#[test]
fn a_training_keeps_its_checkpoint_and_goes_on_from_it_bit_for_bit() {
    let folder = Folder::new();
    let line = |run: &str| folder.line(&format!("{TRAIN} --epochs 400 --quiet --device cpu -o {{{run}}}"));
    done(&line("whole"));
    Running::stopped(&line("run"), &folder.path("run/log.csv"), 4);
    let saved = fs::read(folder.path("run/checkpoint.safetensors")).unwrap();

    let resume = folder.line("train --resume {run} --quiet");
    fails(
        "lost@20",
        &resume,
        &["failed during", "lensgpu train --resume", "--on-device-lost retry"],
    );
    fails("hangs@20", &resume, &["hangs", "did not end within 60 s"]);
    fails("memory@20", &resume, &["does not have enough memory"]);
    assert_eq!(fs::read(folder.path("run/checkpoint.safetensors")).unwrap(), saved);
    assert!(!folder.path("run/model.safetensors").exists());

    let retried = format!("{resume} --on-device-lost retry --device cpu");
    let retried = with_faults("lost@20", &retried, Path::new(env!("CARGO_TARGET_TMPDIR")));
    assert_eq!(retried.code, Some(0), "{}", retried.stderr);
    says(
        &retried.stderr,
        &["attempt 1 of 3 to continue from the last checkpoint, in 1 s"],
    );
    assert!(!retried.stderr.contains("attempt 2"), "{}", retried.stderr);
    assert_eq!(folder.members("run"), folder.members("whole"));
}

#[test]
fn a_training_without_a_checkpoint_begins_again() {
    let folder = Folder::new();
    let line = |run: &str| folder.line(&format!("{TRAIN} --epochs 12 --quiet -o {{{run}}}"));
    done(&format!("{} --device cpu", line("whole")));
    let retried = format!("{} --on-device-lost retry --device cpu", line("run"));
    let retried = with_faults("lost@10", &retried, Path::new(env!("CARGO_TARGET_TMPDIR")));
    assert_eq!(retried.code, Some(0), "{}", retried.stderr);
    assert_eq!(folder.members("run"), folder.members("whole"));
    // Before the first step there is nothing to go on with.
    fails(
        "lost@0",
        &format!("{} --on-device-lost stop", line("other")),
        &["failed during"],
    );
}

#[test]
fn a_catalogue_that_is_not_complete_is_kept_beside_the_old_one() {
    let folder = Folder::new();
    done(&folder.line(&format!("{TRAIN} --epochs 2 --quiet --device cpu -o {{run}}")));
    fs::write(folder.path("out.csv"), "the old catalogue").unwrap();
    let line = folder.line("infer {run/model.safetensors} {stack} --batch 8 --quiet -o {out.csv}");
    fails(
        "lost@2",
        &line,
        &[
            "16 of 40 objects are in",
            "out.partial.csv",
            "out.csv is as it was",
            "failed during",
        ],
    );
    assert_eq!(table(&folder.path("out.partial.csv")).1.len(), 16);
    assert_eq!(fs::read_to_string(folder.path("out.csv")).unwrap(), "the old catalogue");
    assert!(folder.list("").iter().all(|name| !name.ends_with(".tmp")));

    // Every other command that computes on a device.
    for line in [
        "evaluate {run/model.safetensors} {stack} --quiet -o {report}",
        "calibrate {run/model.safetensors} {stack} --quiet -o {calibrated.safetensors}",
        "simulate {simulated} --preset des --stack --count 2 --quiet",
        "train --simulate des --crop 9 --pool 8 --epochs 1 --quiet -o {from_simulations}",
        "selftest",
        "bench --members 1 --batch 2 --steps 1",
    ] {
        fails("lost@0", &folder.line(line), &["failed during"]);
    }
    for path in ["report", "calibrated.safetensors", "simulated", "from_simulations"] {
        assert!(!folder.path(path).exists(), "{path}");
    }
}

#[test]
fn an_adapter_is_tested_once_and_refused_if_it_computes_wrongly() {
    let folder = Folder::new();
    let cache = folder.path("cache");
    let line = |run: &str| folder.line(&format!("{TRAIN} --epochs 1 --device software -o {{{run}}}"));
    let name = Device::choose("software")
        .unwrap()
        .name()
        .replace(" (software adapter)", "");
    let wrong = with_faults("wrong", &line("wrong"), &cache);
    assert_eq!(wrong.code, Some(3), "{}", wrong.stderr);
    let parts = [
        name.as_str(),
        "computes wrongly: ",
        "relative error",
        "--device cpu",
        "update the driver",
    ];
    says(&wrong.stderr, &parts);
    assert!(!folder.path("wrong").exists());
    // Its kernels may be kept, and nothing else.
    let kept = fs::read_dir(cache.join("lensgpu")).into_iter().flatten();
    let kept: Vec<String> = kept
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(
        kept.iter().all(|name| name.starts_with("wgpu_pipeline_cache_")),
        "{kept:?}"
    );

    let new = "this adapter is new here";
    let first = with_faults("", &line("first"), &cache);
    assert!(first.code == Some(0) && first.stderr.contains(new), "{}", first.stderr);
    says(
        &fs::read_to_string(cache.join("lensgpu/adapters.txt")).unwrap(),
        &[&name],
    );
    let second = with_faults("", &line("second"), &cache);
    assert!(
        second.code == Some(0) && !second.stderr.contains(new),
        "{}",
        second.stderr
    );

    // Where it cannot be remembered, it is tested again.
    fs::write(folder.path("file"), "").unwrap();
    for run in ["third", "fourth"] {
        let again = with_faults("", &line(run), &folder.path("file"));
        assert!(again.code == Some(0) && again.stderr.contains(new), "{}", again.stderr);
    }
}
