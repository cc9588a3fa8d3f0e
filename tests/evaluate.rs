//! `evaluate`, `calibrate` and a calibrated `infer`, as a user runs them.

use lensgpu::net::Model;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

const TRAIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/sample/train");
const INFER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/sample/infer");

fn lensgpu(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lensgpu")).args(args).output().unwrap()
}

fn done(args: &[&str]) -> String {
    let output = lensgpu(args);
    assert!(
        output.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn refused(args: &[&str]) -> String {
    let output = lensgpu(args);
    assert!(!output.status.success(), "{args:?} should fail");
    String::from_utf8(output.stderr).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A run of two members, which know little: made once for all tests.
static RUN: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let options = [
        "--bands",
        "R,I,G",
        "--members",
        "2",
        "--epochs",
        "3",
        "--device",
        "cpu",
        "-q",
    ];
    done(&[&["train", TRAIN, "-o", text(&run)], &options[..]].concat());
    let model = run.join("model.safetensors");
    (dir, model)
});

/// Calibrated models beside the first.
fn calibrated(method: &str) -> PathBuf {
    let path = RUN.1.with_file_name(format!("{method}.safetensors"));
    let printed = done(&[
        "calibrate",
        text(&RUN.1),
        TRAIN,
        "-o",
        text(&path),
        "--method",
        method,
        "--device",
        "cpu",
    ]);
    assert!(printed.contains("before"), "{printed}");
    path
}

#[test]
fn a_report_has_all_its_files_and_needs_nothing_else() {
    let model = calibrated("factors");
    let dir = tempfile::tempdir().unwrap();
    let report = dir.path().join("report");
    let printed = done(&["evaluate", text(&model), TRAIN, "-o", text(&report), "--device", "cpu"]);
    assert!(printed.contains("RMSE") && printed.contains("report.html"), "{printed}");
    let html = fs::read_to_string(report.join("report.html")).unwrap();
    assert!(!html.contains("http://") && !html.contains("https://") && !html.contains("<script"));
    let figures = [
        "predicted_vs_true",
        "residuals",
        "pit",
        "reliability",
        "coverage",
        "sigma_error",
        "members",
        "training",
        "worst",
        "uncertain",
    ];
    for name in figures {
        let svg = fs::read_to_string(report.join(format!("figures/{name}.svg"))).unwrap();
        let png = fs::read(report.join(format!("figures/{name}.png"))).unwrap();
        assert!(svg.starts_with("<svg") && png.starts_with(b"\x89PNG"), "{name}");
        assert!(html.contains(&format!("id=\"{name}\"")), "{name} is not in the page");
    }
    let metrics: serde_json::Value = serde_json::from_slice(&fs::read(report.join("metrics.json")).unwrap()).unwrap();
    assert_eq!(metrics["objects"], 80);
    assert_eq!(metrics["calibration"]["map"]["method"], "factors");
    let sets: Vec<&str> = metrics["sets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["name"].as_str().unwrap())
        .collect();
    assert_eq!(sets, ["ensemble", "ensemble, uncalibrated", "member 0", "member 1"]);
    for set in metrics["sets"].as_array().unwrap() {
        let figure = &set["figures"]["crps"];
        assert!(figure["value"].as_f64().unwrap() > 0.0 && figure["error"].as_f64().unwrap() > 0.0);
    }
    assert_eq!(metrics["by_members"].as_array().unwrap().len(), 2);
    let csv = fs::read_to_string(report.join("metrics.csv")).unwrap();
    assert!(
        csv.contains("\"ensemble\",,,80,rmse,arcsec,") && csv.contains("\"by truth\","),
        "{csv}"
    );

    let again = refused(&["evaluate", text(&model), TRAIN, "-o", text(&report), "--device", "cpu"]);
    assert!(again.contains("is not empty"), "{again}");
    let raw = dir.path().join("raw");
    done(&[
        "evaluate",
        text(&model),
        TRAIN,
        "--raw",
        "-o",
        text(&raw),
        "--device",
        "cpu",
        "-q",
    ]);
    let metrics: serde_json::Value = serde_json::from_slice(&fs::read(raw.join("metrics.json")).unwrap()).unwrap();
    assert!(metrics["calibration"].is_null() && metrics["sets"].as_array().unwrap().len() == 3);
}

/// Columns of a catalogue, without its header.
fn column(path: &Path, name: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let at = reader.headers().unwrap().iter().position(|c| c == name).unwrap();
    reader.records().map(|row| row.unwrap()[at].to_string()).collect()
}

#[test]
fn infer_follows_the_calibration_unless_raw() {
    let dir = tempfile::tempdir().unwrap();
    let infer = |model: &Path, name: &str, more: &[&str]| {
        let out = dir.path().join(name);
        done(
            &[
                &["infer", text(model), INFER, "-o", text(&out), "--device", "cpu", "-q"],
                more,
            ]
            .concat(),
        );
        out
    };
    let before = infer(&RUN.1, "before.csv", &[]);
    for method in ["factors", "isotonic", "conformal"] {
        let model = calibrated(method);
        let record = Model::read(&model).unwrap().about.calibration.unwrap().record;
        assert_eq!((record.rows, record.data.as_str()), (80, TRAIN));
        let after = infer(&model, &format!("{method}.csv"), &[]);
        assert_eq!(column(&before, "flags"), column(&after, "flags"));
        assert_eq!(column(&before, "sigma") != column(&after, "sigma"), method == "factors");
        for quantile in ["q02_5", "q16", "q84", "q97_5"] {
            assert_ne!(column(&before, quantile), column(&after, quantile), "{method}");
        }
        let raw = infer(&model, &format!("{method}_raw.csv"), &["--raw"]);
        assert_eq!(fs::read(&before).unwrap(), fs::read(&raw).unwrap());
    }
}

#[test]
fn what_cannot_be_evaluated_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("report");
    let evaluate = |data: &str, more: &[&str]| {
        let message = refused(
            &[
                &["evaluate", text(&RUN.1), data, "-o", text(&out), "--device", "cpu"],
                more,
            ]
            .concat(),
        );
        assert!(!out.exists(), "a folder is left behind");
        message
    };
    assert!(evaluate(TRAIN, &["--label", "radius"]).contains("no column 'radius'"));
    assert!(evaluate(TRAIN, &["--bands", "R,I"]).contains("bands"));
    let bare = dir.path().join("bare");
    fs::create_dir(&bare).unwrap();
    fs::copy(Path::new(TRAIN).join("images.npy"), bare.join("images.npy")).unwrap();
    assert!(evaluate(text(&bare), &[]).contains("no .csv with the labels"));
    let message = refused(&["calibrate", text(&RUN.1), INFER, "--device", "cpu"]);
    assert!(message.contains("12 rows are too few"), "{message}");
    assert!(
        Model::read(&RUN.1).unwrap().about.calibration.is_none(),
        "it was left as it was"
    );
}
