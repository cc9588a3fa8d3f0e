//! `evaluate`, `calibrate` and a calibrated `infer`, as a user runs them.

use lensgpu::model::Model;
use lensgpu::survey::flags::{EPISTEMIC, FLAGS, LABEL_RANGE, OUT_OF_DISTRIBUTION};
use serde_json::Value;
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

/// A run of two members after little training, shared by all tests.
static RUN: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let options = [
        "--bands",
        "R,I,G",
        "--members",
        "2",
        "--recipe",
        "vanilla",
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

/// A calibrated copy of the shared model.
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
fn a_report_is_complete_and_self_contained() {
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
        "rings",
        "worst",
        "uncertain",
    ];
    for name in figures {
        let svg = fs::read_to_string(report.join(format!("figures/{name}.svg"))).unwrap();
        let png = fs::read(report.join(format!("figures/{name}.png"))).unwrap();
        assert!(svg.starts_with("<svg") && png.starts_with(b"\x89PNG"), "{name}");
        assert!(html.contains(&format!("id=\"{name}\"")), "{name} is not in the page");
    }
    for (name, text) in [
        ("rings", "Predicted rings"),
        ("worst", "Largest errors"),
        ("uncertain", "Largest sigmas"),
        ("pit", "PIT histogram"),
        ("pit", "perfect calibration ± 2 sigma"),
        ("reliability", "predicted quantile [%]"),
        ("coverage", "perfect calibration ± 2 sigma"),
        ("sigma_error", "Predicted sigma vs RMS error"),
        ("members", "mean and range over sub-ensembles"),
    ] {
        let svg = fs::read_to_string(report.join(format!("figures/{name}.svg"))).unwrap();
        assert!(svg.contains(text), "{name} does not say: {text}");
    }
    for text in [
        "perfect calibration lies on the diagonal",
        "catastrophic outliers (&gt; max(1&quot;, 5 sigma))",
        "<h2>Metrics</h2>",
    ] {
        assert!(html.contains(text), "the page does not say: {text}");
    }
    let metrics: Value = serde_json::from_slice(&fs::read(report.join("metrics.json")).unwrap()).unwrap();
    assert_eq!(metrics["objects"], 80);
    assert_eq!(metrics["calibration"]["map"]["method"], "factors");
    let sets: Vec<&str> = metrics["sets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["name"].as_str().unwrap())
        .collect();
    let named = [
        "ensemble",
        "ensemble, uncalibrated",
        "ensemble, unflagged",
        "member 0",
        "member 1",
    ];
    assert_eq!(sets, named);
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
    let metrics: Value = serde_json::from_slice(&fs::read(raw.join("metrics.json")).unwrap()).unwrap();
    assert!(metrics["calibration"].is_null() && metrics["sets"].as_array().unwrap().len() == 4);
}

/// Columns of a catalogue, without its header.
fn column(path: &Path, name: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let at = reader.headers().unwrap().iter().position(|c| c == name).unwrap();
    reader.records().map(|row| row.unwrap()[at].to_string()).collect()
}

fn numbers(path: &Path, name: &str) -> Vec<f64> {
    column(path, name).iter().map(|cell| cell.parse().unwrap()).collect()
}

#[test]
fn flags_largest_predictions_and_the_median_agree_with_the_catalogue() {
    let dir = tempfile::tempdir().unwrap();
    let [model, report] = ["model.safetensors", "report"].map(|name| dir.path().join(name));
    let infer = |model: &Path, name: &str| {
        let out = dir.path().join(name);
        done(&["infer", text(model), TRAIN, "-o", text(&out), "--device", "cpu", "-q"]);
        out
    };
    // A label range that ends at the median prediction: half of the objects are flagged.
    let mut predictions = numbers(&infer(&RUN.1, "before.csv"), "theta_e");
    predictions.sort_by(f64::total_cmp);
    let mut about_half = Model::read(&RUN.1).unwrap();
    about_half.about.label.range = (0.0, 0.5 * (predictions[39] + predictions[40]));
    about_half.write(&model).unwrap();
    let catalogue = infer(&model, "after.csv");
    let printed = done(&["evaluate", text(&model), TRAIN, "-o", text(&report), "--device", "cpu"]);

    let [theta_e, truth, median] = ["theta_e", "theta_e_cat", "q50"].map(|name| numbers(&catalogue, name));
    let flags: Vec<i32> = column(&catalogue, "flags").iter().map(|f| f.parse().unwrap()).collect();
    let rows = |condition: &dyn Fn(i32) -> bool| (0..flags.len()).filter(|&i| condition(flags[i])).collect::<Vec<_>>();
    let rmse = |rows: &[usize], predictions: &[f64]| {
        let squares = rows.iter().map(|&i| (predictions[i] - truth[i]).powi(2));
        (squares.sum::<f64>() / rows.len() as f64).sqrt()
    };
    let same = |value: &Value, expected: f64| {
        let value = value.as_f64().unwrap();
        assert!((value - expected).abs() < 1e-9, "{value}, not {expected}");
    };
    let metrics: Value = serde_json::from_slice(&fs::read(report.join("metrics.json")).unwrap()).unwrap();
    let check = |set: &Value, rows: &[usize]| {
        assert_eq!(set["objects"], rows.len(), "{}", set["name"]);
        same(&set["figures"]["rmse"]["value"], rmse(rows, &theta_e));
    };

    let masks = FLAGS.iter().map(|flag| (flag.name, flag.bit)).chain([("any", !0)]);
    let expected: Vec<_> = masks
        .map(|(name, mask)| (name, rows(&|flags| flags & mask != 0)))
        .filter(|(_, rows)| !rows.is_empty())
        .collect();
    let found = metrics["flags"].as_array().unwrap();
    assert_eq!(found.len(), expected.len());
    for (set, (name, rows)) in found.iter().zip(&expected) {
        assert_eq!(set["name"], *name);
        same(&set["share"], rows.len() as f64 / 80.0);
        check(set, rows);
    }
    let csv = fs::read_to_string(report.join("metrics.csv")).unwrap();
    let highest = about_half.about.label.range.1;
    let upper = numbers(&catalogue, "q97_5");
    let outside: Vec<usize> = (0..flags.len())
        .filter(|&i| theta_e[i] > highest || upper[i] > 1.1 * highest)
        .collect();
    assert!(outside.len() >= 40);
    assert_eq!(rows(&|flags| flags & LABEL_RANGE != 0), outside);
    assert!(
        csv.contains(&format!("\"flag label_range\",,,{},runaway_share,,", outside.len())),
        "{csv}"
    );
    assert!(printed.contains("\n  label_range "), "{printed}");

    let unflagged = rows(&|flags| flags == 0);
    let sets = metrics["sets"].as_array().unwrap();
    check(
        sets.iter().find(|set| set["name"] == "ensemble, unflagged").unwrap(),
        &unflagged,
    );
    let largest = |rows: &[usize]| rows.iter().map(|&i| theta_e[i]).fold(0.0, f64::max);
    let everything = rows(&|_| true);
    same(&metrics["largest"]["answer"], largest(&everything));
    same(&metrics["largest"]["unflagged"], largest(&unflagged));
    same(&metrics["largest"]["label"], about_half.about.label.range.1);
    same(
        &metrics["median"]["figures"]["rmse"]["value"],
        rmse(&everything, &median),
    );
}

#[test]
fn infer_applies_the_calibration_unless_raw() {
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
    for method in ["spline", "factors", "isotonic", "conformal"] {
        let model = calibrated(method);
        let record = Model::read(&model).unwrap().about.calibration.unwrap().record;
        assert_eq!((record.rows, record.data.as_str()), (80, TRAIN));
        let after = infer(&model, &format!("{method}.csv"), &[]);
        // `label_range` depends on the reported interval; `calibrate` derives the limits of the other two again.
        let derived = LABEL_RANGE | EPISTEMIC | OUT_OF_DISTRIBUTION;
        let [flags, calibrated] = [&before, &after].map(|catalogue| {
            let flags = column(catalogue, "flags");
            let other = flags.iter().map(|flags| flags.parse::<i32>().unwrap() & !derived);
            other.collect::<Vec<i32>>()
        });
        assert_eq!(flags, calibrated);
        for name in ["sigma", "sigma_aleatoric", "q02_5", "q16", "q84", "q97_5"] {
            assert_ne!(column(&before, name), column(&after, name), "{method}");
        }
        let raw = infer(&model, &format!("{method}_raw.csv"), &["--raw"]);
        // `calibrate` derives a new limit of the out-of-distribution score as well, in units of its own images.
        for name in ["id", "theta_e", "sigma", "sigma_epistemic", "q02_5", "q50", "q97_5"] {
            assert_eq!(column(&before, name), column(&raw, name), "{method}: {name}");
        }
    }
}

#[test]
fn data_that_cannot_be_evaluated_is_an_error_with_the_reason() {
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
    assert!(evaluate(text(&bare), &[]).contains("no .csv catalogue"));
    let message = refused(&["calibrate", text(&RUN.1), INFER, "--device", "cpu"]);
    assert!(
        message.contains("12 rows are too few for calibration by spline: at least 20 are needed")
            && message.contains("more labelled images"),
        "{message}"
    );
    let few = [
        "calibrate",
        text(&RUN.1),
        INFER,
        "--method",
        "conformal",
        "--device",
        "cpu",
    ];
    assert!(refused(&few).contains("at least 19 are needed"));
    assert!(
        Model::read(&RUN.1).unwrap().about.calibration.is_none(),
        "the model is unchanged"
    );
}
