//! `lensgpu fit`: known relations are recovered, exact and MCMC agree, files and figures are written, and bad tables are
//! refused without a trace.

mod common;

use common::program::{Folder, done, fails, table};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;

/// Columns x, z, e and y = 3 + 2 x - 0.5 z + noise of standard deviation e.
fn csv(rows: usize, noise: impl Fn(usize) -> f64) -> String {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
    let mut text = String::from("x,z,e,y\n");
    for i in 0..rows {
        let (x, z, e) = (100.0 + 5.0 * normal(), normal(), noise(i));
        writeln!(text, "{x},{z},{e},{}", 3.0 + 2.0 * x - 0.5 * z + e * normal()).unwrap();
    }
    text
}

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("table.csv", csv(120, |_| 0.8));
    folder
}

const FIT: &str = "fit {table.csv} --label y --features x,z --no-ensemble --quiet";

fn fitted(folder: &Folder, options: &str) -> Value {
    serde_json::from_str(&done(&folder.line(&format!("{FIT} --json {options}")))).unwrap()
}

/// The exact mean of a parameter, and its 95 % interval.
fn exact(parameter: &Value) -> [f64; 3] {
    let exact = &parameter["exact"];
    [&exact["mean"], &exact["quantiles"][0], &exact["quantiles"][4]].map(|v| v.as_f64().unwrap())
}

#[test]
fn a_known_relation_is_recovered_exactly_and_by_mcmc() {
    let folder = folder();
    let json = fitted(&folder, "--hold-out 0.25 -o {fit}");
    let coefficients = json["coefficients"].as_array().unwrap();
    let names: Vec<&str> = coefficients.iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["intercept", "x", "z"]);
    for (parameter, true_value) in coefficients.iter().chain([&json["noise"]]).zip([3.0, 2.0, -0.5, 0.8]) {
        let [mean, low, high] = exact(parameter);
        assert!(low < true_value && true_value < high, "{parameter:#}");
        assert!(low < mean && mean < high);
        assert!(parameter["difference"].as_f64().unwrap().abs() < 3.0, "{parameter:#}");
        let ratio = parameter["mcmc"]["sigma"].as_f64().unwrap() / parameter["exact"]["sigma"].as_f64().unwrap();
        assert!((ratio - 1.0).abs() < 0.05, "{parameter:#}");
    }
    assert_eq!(
        (json["rows"].as_u64(), json["held_out_rows"].as_u64()),
        (Some(90), Some(30))
    );
    let held_out = &json["held_out"];
    let score = |name: &str| held_out[name].as_f64().unwrap();
    assert!((0.5..1.1).contains(&score("rmse")), "{held_out}");
    assert!(score("coverage_95") > 0.8 && score("coverage_68") > 0.4, "{held_out}");

    let written = [
        "chain.csv",
        "chain.safetensors",
        "corner.png",
        "corner.svg",
        "fit.json",
        "prediction.png",
        "prediction.svg",
        "predictions.csv",
        "residuals.png",
        "residuals.svg",
    ];
    assert_eq!(folder.list("fit"), written);
    let saved: Value = serde_json::from_slice(&fs::read(folder.path("fit/fit.json")).unwrap()).unwrap();
    assert_eq!(saved, json);
    let (columns, draws) = table(&folder.path("fit/chain.csv"));
    assert_eq!(columns, ["intercept", "x", "z", "sigma"]);
    let bytes = fs::read(folder.path("fit/chain.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensor = tensors.tensor("draws").unwrap();
    assert_eq!(tensor.shape(), [draws.len(), 4]);
    let first = f64::from_le_bytes(tensor.data()[..8].try_into().unwrap());
    assert_eq!(draws[0]["intercept"].parse::<f64>().unwrap(), first);
    let (_, predictions) = table(&folder.path("fit/predictions.csv"));
    assert_eq!(predictions.iter().filter(|row| row["held_out"] == "1").count(), 30);
    let svg = fs::read_to_string(folder.path("fit/corner.svg")).unwrap();
    assert!(
        ["intercept", "sigma", "exact: 68 and 95 %"]
            .iter()
            .all(|text| svg.contains(text))
    );
}

#[test]
fn rows_are_held_out_by_a_condition() {
    let folder = folder();
    let json = fitted(&folder, "--hold-out-where z>0 -o {fit}");
    let (_, rows) = table(&folder.path("fit/predictions.csv"));
    let (_, cells) = table(&folder.path("table.csv"));
    for (row, cell) in rows.iter().zip(&cells) {
        assert_eq!(row["held_out"] == "1", cell["z"].parse::<f64>().unwrap() > 0.0);
    }
    assert_eq!(
        json["held_out_rows"].as_u64().unwrap(),
        rows.iter().filter(|row| row["held_out"] == "1").count() as u64
    );
}

#[test]
fn the_result_depends_on_the_seed_only() {
    let folder = folder();
    let [one, again, other] = ["1", "1", "2"].map(|seed| fitted(&folder, &format!("--seed {seed}")));
    assert_eq!(one, again);
    assert_ne!(one["coefficients"], other["coefficients"]);
}

#[test]
fn units_do_not_matter() {
    let folder = folder();
    let before = fitted(&folder, "--hold-out 0");
    // x in thousandths, y in millions.
    let text = fs::read_to_string(folder.path("table.csv")).unwrap();
    let scaled = text.lines().enumerate().map(|(i, line)| match i {
        0 => format!("{line}\n"),
        _ => {
            let cells: Vec<f64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
            format!("{},{},{},{}\n", 1e3 * cells[0], cells[1], cells[2], 1e-6 * cells[3])
        }
    });
    folder.write("table.csv", scaled.collect::<String>());
    let after = fitted(&folder, "--hold-out 0");
    for (name, factor) in [(0, 1e-6), (1, 1e-9), (2, 1e-6)] {
        let [a, b] = [&before, &after].map(|json| exact(&json["coefficients"][name]));
        for (a, b) in a.iter().zip(b) {
            assert!((b / (a * factor) - 1.0).abs() < 1e-6, "{a} {b}");
        }
    }
    // A density of labels in other units.
    let [a, b] = [&before, &after].map(|json| json["log_evidence"].as_f64().unwrap());
    assert!((b - a - 120.0 * 1e6f64.ln()).abs() < 1e-5, "{a} {b}");
    assert!(before["held_out"].is_null());
}

#[test]
fn known_noise_weights_the_rows() {
    let folder = Folder::new();
    // One row in three is a hundred times noisier.
    folder.write("table.csv", csv(90, |i| if i % 3 == 0 { 20.0 } else { 0.2 }));
    let width = |json: &Value| {
        let [_, low, high] = exact(&json["coefficients"][1]);
        assert!(low < 2.0 && 2.0 < high, "{json:#}");
        high - low
    };
    let weighted = fitted(&folder, "--noise column:e");
    let unweighted = fitted(&folder, "");
    assert!(width(&unweighted) > 10.0 * width(&weighted));
    assert!(weighted["noise"].is_null() && weighted["dof"].is_null());
    let known = fitted(&folder, "--noise known:20");
    assert!(width(&known) > 10.0 * width(&weighted));
}

#[test]
fn a_polynomial_is_fitted_in_the_units_of_the_table() {
    let folder = Folder::new();
    let mut text = String::from("t,f\n");
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for i in 0..100 {
        let (t, noise): (f64, f64) = (f64::from(i) / 10.0 + 50.0, StandardNormal.sample(&mut rng));
        writeln!(text, "{t},{}", 7.0 - 3.0 * t + 0.04 * t * t + 0.05 * noise).unwrap();
    }
    folder.write("table.csv", text);
    let fit = |degree: u32| -> Value {
        let line = format!(
            "fit {{table.csv}} --label f --basis poly:{degree} --no-ensemble --quiet --json -o {{fit{degree}}}"
        );
        serde_json::from_str(&done(&folder.line(&line))).unwrap()
    };
    let quadratic = fit(2);
    for (parameter, true_value) in quadratic["coefficients"]
        .as_array()
        .unwrap()
        .iter()
        .zip([7.0, -3.0, 0.04])
    {
        let [_, low, high] = exact(parameter);
        assert!(low < true_value && true_value < high, "{parameter:#}");
    }
    let evidence = |json: &Value| json["log_evidence"].as_f64().unwrap();
    assert!(evidence(&quadratic) > evidence(&fit(1)) + 5.0 && evidence(&quadratic) > evidence(&fit(3)));
    let svg = fs::read_to_string(folder.path("fit2/prediction.svg")).unwrap();
    assert!(svg.contains("Linear regression") && !svg.contains("predicted f"));
}

#[test]
fn an_improper_prior_has_no_evidence() {
    let json = fitted(&folder(), "--prior flat --noise reference");
    assert!(json["log_evidence"].is_null());
    assert_eq!(json["dof"].as_f64(), Some(96.0 - 3.0));
}

#[test]
fn an_ensemble_is_scored_on_the_same_rows() {
    let folder = Folder::new();
    folder.write("table.csv", csv(400, |_| 0.8));
    let line = "fit {table.csv} --label y --features x,z --members 2 --device cpu -o {fit}";
    let text = done(&folder.line(line));
    assert!(
        text.contains("linear regression") && text.contains("deep ensemble") && text.contains("held-out rows"),
        "{text}"
    );
    let json: Value = serde_json::from_slice(&fs::read(folder.path("fit/fit.json")).unwrap()).unwrap();
    let ensemble = &json["ensemble"]["held_out"];
    assert!(ensemble["rmse"].as_f64().unwrap() < 3.0, "{ensemble}");
    assert!(ensemble["coverage_95"].as_f64().unwrap() > 0.7, "{ensemble}");
    let (columns, rows) = table(&folder.path("fit/predictions.csv"));
    assert!(columns.contains(&"ensemble_q97_5".into()) && rows.len() == 400);
    assert!(
        fs::read_to_string(folder.path("fit/prediction.svg"))
            .unwrap()
            .contains("Deep ensemble")
    );
}

#[test]
fn tables_that_cannot_be_fitted_are_refused_and_nothing_is_written() {
    let folder = folder();
    let good = fs::read_to_string(folder.path("table.csv")).unwrap();
    let with_line = |number: usize, line: &str| {
        let mut lines: Vec<&str> = good.lines().collect();
        lines[number - 1] = line;
        lines.join("\n")
    };
    let column = |of: &dyn Fn(usize) -> String| {
        let line = |(i, line): (usize, &str)| format!("{line},{}\n", if i == 0 { "w".into() } else { of(i) });
        good.lines().enumerate().map(line).collect::<String>()
    };
    let few: String = good.lines().take(4).map(|line| format!("{line}\n")).collect();
    let doubled: String = good
        .lines()
        .map(|line| {
            let twice = line
                .split(',')
                .next()
                .unwrap()
                .parse::<f64>()
                .map_or("w".into(), |x| (2.0 * x - 7.0).to_string());
            format!("{line},{twice}\n")
        })
        .collect();
    let cases: [(&str, String, &str, &[&str]); 14] = [
        (
            "nothing",
            good.clone(),
            "--hold-out-where x>1e9",
            &["no row fulfils the condition 'x>1e9'", "--hold-out-where"],
        ),
        (
            "condition",
            good.clone(),
            "--hold-out-where q>1",
            &["the rows to hold out", "'q'", "--hold-out-where"],
        ),
        (
            "text",
            with_line(5, "1,abc,1,2"),
            "",
            &["bad.csv line 5", "column z", "'abc', not a number"],
        ),
        (
            "empty",
            with_line(7, "1,,1,2"),
            "",
            &["bad.csv line 7", "column z", "no value"],
        ),
        (
            "infinite",
            with_line(9, "inf,1,1,2"),
            "",
            &["bad.csv line 9", "column x", "inf"],
        ),
        (
            "label",
            with_line(3, "1,1,1,-inf"),
            "",
            &["bad.csv line 3", "column y", "-inf"],
        ),
        (
            "constant",
            column(&|_| "4.5".into()),
            "--features x,w",
            &["column w", "4.5", "leave it out"],
        ),
        (
            "singular",
            doubled,
            "--features x,z,w",
            &["singular", "x, w", "--features", "--leave-to-prior"],
        ),
        (
            "few rows",
            few,
            "--hold-out 0 --basis poly:2",
            &["3 rows do not determine 5 coefficients", "--features"],
        ),
        (
            "noise",
            with_line(4, "1,1,0,2"),
            "--noise column:e",
            &["bad.csv line 4", "column e", "0", "--noise"],
        ),
        (
            "absent",
            good.clone(),
            "--features x,nothing",
            &["a feature", "no column 'nothing'", "x, z, e, y", "--features"],
        ),
        (
            "twice",
            good.clone(),
            "--features x,y",
            &["column y is named twice: as the label and as a feature"],
        ),
        (
            "hold out",
            few_rows(&good),
            "--hold-out 0.9",
            &["5 of 5 rows are to be held out", "--hold-out"],
        ),
        (
            "steps",
            good.clone(),
            "--largest-steps 50",
            &["has not converged", "50 steps are fewer", "--largest-steps"],
        ),
    ];
    for (name, content, options, parts) in cases {
        folder.write("bad.csv", content);
        let features = if options.contains("--features") {
            ""
        } else {
            "--features x,z"
        };
        let line = format!("fit {{bad.csv}} --label y {features} {options} --no-ensemble -o {{bad}}");
        println!("{name}");
        fails(1, &folder.line(&line), parts);
        assert!(!folder.path("bad").exists());
    }
    let absent = "fit {table.csv} --label nothing --no-ensemble -o {bad}";
    fails(
        1,
        &folder.line(absent),
        &["the label", "no column 'nothing'", "--label"],
    );
    fails(
        1,
        &folder.line("fit {missing.csv} --label y -o {bad} --no-ensemble"),
        &["missing.csv"],
    );
    assert!(!folder.path("bad").exists());
}

fn few_rows(text: &str) -> String {
    text.lines().take(6).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_singular_design_can_be_left_to_a_proper_prior() {
    let folder = folder();
    let text = fs::read_to_string(folder.path("table.csv")).unwrap();
    let few: String = text.lines().take(4).map(|line| format!("{line}\n")).collect();
    folder.write("table.csv", few);
    let json = fitted(&folder, "--hold-out 0 --basis poly:2 --leave-to-prior");
    assert_eq!(json["coefficients"].as_array().unwrap().len(), 5);
}

#[test]
fn usage_errors() {
    let folder = folder();
    for (options, parts) in [
        ("--basis poly:0", ["poly:K", "1 to 9"]),
        ("--prior normal:-1", ["--prior", "normal:WIDTH"]),
        ("--noise known:0", ["--noise", "known:SIGMA"]),
        ("--hold-out 1", ["--hold-out", "below 1"]),
        ("--hold-out nan", ["--hold-out", "NaN"]),
        (
            "--prior flat --leave-to-prior",
            ["--leave-to-prior", "--prior normal:10"],
        ),
    ] {
        fails(2, &folder.line(&format!("{FIT} {options} -o {{bad}}")), &parts);
        assert!(!folder.path("bad").exists());
    }
    fails(1, &folder.line(&format!("{FIT} -o {{stack}}")), &["stack is not empty"]);
}
