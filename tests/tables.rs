//! Tables instead of images: training, folds, prediction, scores and calibration through the program, and bad tables.

mod common;

use common::program::{Folder, Ran, done, fails, lensgpu, table};
use lensgpu::device::Device;
use lensgpu::model::Model;
use lensgpu::train::{LabelledImages, OverFolds, TrainOptions, train_arrays, train_folds};
use lensgpu::{Network, Predictor, Start, ignore_events};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::fmt::Write as _;
use std::fs;

/// Rows of features a, b, c and the label y = 3 a - 2 b^2 + noise, negative for half of the rows.
fn rows(count: usize) -> Vec<[f64; 4]> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut row = || {
        let a = 40.0 + 10.0 * rng.random_range(-1.0..1.0);
        let b = rng.random_range(-1.0..1.0);
        let c = rng.random_range(0.0..1e-3);
        let noise: f64 = StandardNormal.sample(&mut rng);
        [a, b, c, 0.3 * (a - 40.0) - 2.0 * b * b + 0.6 + 0.2 * noise]
    };
    (0..count).map(|_| row()).collect()
}

fn csv(rows: &[[f64; 4]]) -> String {
    let mut text = String::from("a,b,c,y\n");
    for [a, b, c, y] in rows {
        writeln!(text, "{a},{b},{c},{y}").unwrap();
    }
    text
}

const TRAIN: &str = "train {table.csv} --label y --members 2 --epochs 60 --device cpu --quiet";

#[test]
fn a_table_is_trained_predicted_scored_and_calibrated() {
    let folder = Folder::new();
    folder.write("table.csv", csv(&rows(700)));
    folder.write("new.csv", csv(&rows(1000)[700..]));
    let text = done(&folder.line(&format!("{TRAIN} --hold-out 100 -o {{run}}")));
    assert!(
        text.contains("held out") && !text.contains("arcsec") && !text.contains("errors above 1"),
        "{text}"
    );
    let (columns, held_out) = table(&folder.path("run/held_out.csv"));
    assert_eq!((&columns[1][..], &columns[12][..]), ("y", "true_y"));
    assert_eq!(held_out.len(), 100);

    let info = done(&folder.line("info {run/model.safetensors}"));
    assert!(
        info.contains("\n  y = ") && info.contains("feature") && !info.contains("pixels"),
        "{info}"
    );

    let infer = "infer {run/model.safetensors} {new.csv} --truth y --device cpu --json";
    let json = done(&folder.line(&format!("{infer} -o {{out.csv}}")));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let rmse = json["metrics"]["rmse"].as_f64().unwrap();
    assert!(
        rmse < 0.3,
        "the noise is 0.2, and the label's standard deviation 1.8: {rmse}"
    );
    assert_eq!(json["without_prediction"], 0);
    let (columns, out) = table(&folder.path("out.csv"));
    assert_eq!(columns[..3], ["id", "y", "sigma"]);
    assert_eq!(
        columns.last().unwrap(),
        "y_cat",
        "the label of the table is passed through"
    );
    assert!(
        out.iter().any(|row| row["y"].parse::<f64>().unwrap() < -0.5),
        "labels may be negative"
    );
    let below = |row: &std::collections::HashMap<String, String>| row["q02_5"].parse::<f64>().unwrap();
    assert!(
        out.iter().all(|row| below(row) < row["y"].parse::<f64>().unwrap()),
        "quantiles may be, too"
    );
    let parquet = done(&folder.line(&format!("{infer} -o {{out.parquet}}")));
    assert!(parquet.contains("rmse"));

    let report = done(&folder.line("evaluate {run/model.safetensors} {new.csv} --device cpu -o {report}"));
    assert!(
        report.contains("true values lie in") && !report.contains('"'),
        "{report}"
    );
    let page = fs::read_to_string(folder.path("report/report.html")).unwrap();
    assert!(page.contains("true y") && !page.contains("arcsec") && !page.contains("Predicted rings"));
    let calibrate = "calibrate {run/model.safetensors} {new.csv} --device cpu -o {calibrated.safetensors}";
    assert!(done(&folder.line(calibrate)).contains("coverage at 68.3 %"));
    done(&folder.line("infer {calibrated.safetensors} {new.csv} --device cpu --quiet -o {calibrated.csv}"));
    let unusual = csv(&[[400.0, 0.0, 5e-4, 0.0], [45.0, 0.5, 5e-4, 0.0]]);
    folder.write("unusual.csv", unusual);
    done(&folder.line("infer {calibrated.safetensors} {unusual.csv} --device cpu --quiet -o {unusual_out.csv}"));
    let (_, unusual) = table(&folder.path("unusual_out.csv"));
    let flags: Vec<i32> = unusual.iter().map(|row| row["flags"].parse().unwrap()).collect();
    assert_eq!(flags[0] & 256, 256, "a = 400 is out of distribution");
    assert_eq!(flags[1], 0);
}

#[test]
fn the_library_gives_the_model_of_the_program() {
    let folder = Folder::new();
    let rows = rows(300);
    folder.write("table.csv", csv(&rows));
    done(&folder.line(&format!("{TRAIN} -o {{run}}")));
    let program = Model::read(folder.path("run/model.safetensors")).unwrap();
    let features: Vec<f32> = rows.iter().flat_map(|r| r[..3].iter().map(|&v| v as f32)).collect();
    let labels: Vec<f64> = rows.iter().map(|r| r[3]).collect();
    let data = LabelledImages::new(&features, [1, 1, 3], &labels);
    let network = Network::standard(&[1, 1, 3]).unwrap();
    let options = TrainOptions {
        members: vec![0, 1],
        epochs: 60,
        least_steps: 0,
        // As the program computes it.
        final_rate: 3e-3 / 100.0,
        ..TrainOptions::for_tables()
    };
    let start = Start::Network(&network);
    let trained = train_arrays(&data, start, &options, &Device::Cpu, &ignore_events).unwrap();
    assert!(trained.model.members == program.members);

    let mut predictor = Predictor::new(trained.model, &Device::Cpu).unwrap();
    let predicted = predictor.predict(&[45.0, 0.0, 5e-4, f32::NAN, 0.0, 5e-4]).unwrap();
    assert!((predicted[0].prediction.theta_e - 2.1).abs() < 0.4, "{predicted:?}");
    assert!(
        (predicted[1].prediction.theta_e - 0.6).abs() < 0.5,
        "a missing value counts as the mean, 40: {predicted:?}"
    );
}

#[test]
fn missing_values_are_refused_dropped_or_counted_as_the_mean() {
    let folder = Folder::new();
    let mut text = csv(&rows(120));
    text += ",0.5,1e-4,1\n40,NaN,1e-4,1\n40,0.1,1e-4,\n";
    folder.write("table.csv", &text);
    fails(
        1,
        &folder.line(&format!("{TRAIN} -o {{run}}")),
        &["line 124", "column 'y'", "--missing drop"],
    );
    let text = text.trim_end_matches("40,0.1,1e-4,\n");
    folder.write("table.csv", text);
    fails(
        1,
        &folder.line(&format!("{TRAIN} -o {{run}}")),
        &["line 122", "the column a has no value", "1 other row", "--missing mean"],
    );
    assert!(!folder.path("run").exists(), "nothing is written");
    done(
        &folder
            .line(&format!("{TRAIN} --epochs 2 --missing drop -o {{dropped}}"))
            .replace(" --epochs 60", ""),
    );
    done(
        &folder
            .line(&format!("{TRAIN} --epochs 2 --missing mean -o {{mean}}"))
            .replace(" --epochs 60", ""),
    );
    let rows = |run: &str| {
        Model::read(folder.path(run).join("model.safetensors"))
            .unwrap()
            .about
            .training
            .rows
    };
    assert_eq!((rows("dropped"), rows("mean")), (120, 122));
    for (run, expected) in [("dropped", "128"), ("mean", "1")] {
        let line = format!("infer {{{run}/model.safetensors}} {{table.csv}} --device cpu --quiet -o {{{run}.csv}}");
        done(&folder.line(&line));
        let (_, out) = table(&folder.path(&format!("{run}.csv")));
        let bit: i32 = expected.parse().unwrap();
        assert_eq!(
            out[120]["flags"].parse::<i32>().unwrap() & bit,
            bit,
            "the model remembers {run}"
        );
        assert_eq!(out[120]["y"].is_empty(), run == "dropped");
    }
}

#[test]
fn bad_tables_are_refused_with_column_and_row() {
    let folder = Folder::new();
    let rows = rows(60);
    let good = csv(&rows);
    let train = |table: &str, more: &str| {
        folder.write("table.csv", table);
        let Ran { code, stderr, .. } = lensgpu(&folder.line(&format!("{TRAIN} {more} -o {{run}}")));
        assert!(!folder.path("run").exists(), "nothing is written");
        (code, stderr)
    };
    let with = |row: &str| format!("{good}{row}\n");
    let constant: String = good
        .lines()
        .map(|line| format!("{line},{}\n", if line == "a,b,c,y" { "k" } else { "7" }))
        .collect();
    let wide = {
        let names: Vec<String> = (0..70).map(|i| format!("f{i}")).collect();
        let mut text = format!("{},y\n", names.join(","));
        for r in 0..40 {
            let values: Vec<String> = (0..70).map(|i| ((r * 31 + i * 17) % 23).to_string()).collect();
            text += &format!("{},{r}\n", values.join(","));
        }
        text
    };
    for (text, more, expected) in [
        (
            with("1,blue,0,1"),
            "",
            &["line 62", "column b", "'blue'", "--features"][..],
        ),
        (with("1,inf,0,1"), "", &["line 62", "column b", "too large"]),
        (with("1,1e300,0,1"), "", &["line 62", "column b", "too large"]),
        (
            with("1,0,0,x"),
            "",
            &["line 62", "column 'y'", "'x'", "not a finite number"],
        ),
        (with("1,0,0,inf"), "", &["line 62", "column 'y'", "not a finite number"]),
        (constant, "", &["column k is 7 in all 60 rows"]),
        (wide, "", &["40 usable rows", "70 features"]),
        (good.clone(), "--features a,z", &["no column 'z'"]),
        (good.clone(), "--features a,y", &["y is to be predicted"]),
        (good.clone(), "--features a,a", &["'a'"]),
        (good.clone(), "--label z", &["no column 'z'"]),
        (good.clone(), "--crop 9", &["a crop is for images"]),
        (good.clone(), "--shift 2", &["shift"]),
        (
            good.clone(),
            "--likelihood log-normal",
            &["log-normal likelihood needs positive"],
        ),
        (good.clone(), "--p-lens", &["p_lens"]),
        (good.clone(), "--network mlp:0", &["mlp:50,50"]),
        (good.clone(), "--where a>100", &["none of the 60 rows"]),
        (good.clone(), "--folds 61", &["61 folds of 60 rows"]),
        (good.clone(), "--folds 1", &["at least 2"]),
    ] {
        let label = if more.starts_with("--label") { "" } else { "--label y" };
        let line = TRAIN.replace("--label y", label);
        let (code, stderr) = {
            folder.write("table.csv", &text);
            let Ran { code, stderr, .. } = lensgpu(&folder.line(&format!("{line} {more} -o {{run}}")));
            assert!(!folder.path("run").exists(), "nothing is written");
            (code, stderr)
        };
        assert!(matches!(code, Some(1 | 2)), "{more}: {stderr}");
        for part in expected {
            assert!(stderr.contains(part), "{part:?} is not in {stderr}");
        }
    }
    let (_, stderr) = train("", "");
    assert!(stderr.contains("table.csv"), "{stderr}");
}

#[test]
fn tables_and_images_are_not_mixed_up() {
    let folder = Folder::new();
    folder.write("table.csv", csv(&rows(60)));
    done(
        &folder
            .line(&format!("{TRAIN} --epochs 1 -o {{run}}"))
            .replace(" --epochs 60", ""),
    );
    done(
        &folder
            .line("train {stack} --network {tiny.toml} --epochs 1 --members 1 --shift 0 --device cpu -q -o {images}"),
    );
    fails(
        1,
        &folder.line("infer {run/model.safetensors} {stack} --device cpu -o {x.csv}"),
        &["takes tables with the features a, b, c"],
    );
    fails(
        1,
        &folder.line("infer {images/model.safetensors} {table.csv} --device cpu -o {x.csv}"),
        &["takes images of 12 x 12 pixels", "table.csv is a file"],
    );
    folder.write("other.csv", csv(&rows(60)).replace("a,b,c", "u,b,c"));
    fails(
        1,
        &folder.line("infer {run/model.safetensors} {other.csv} --device cpu -o {x.csv}"),
        &["no column 'a'", "u, b, c, y"],
    );
    done(&folder.line("infer {run/model.safetensors} {other.csv} --features a=u,b,c --device cpu -q -o {renamed.csv}"));
    done(&folder.line("infer {run/model.safetensors} {table.csv} --device cpu -q -o {plain.csv}"));
    let predictions = |name: &str| -> Vec<String> {
        let (_, rows) = table(&folder.path(name));
        rows.into_iter().map(|row| row["y"].clone()).collect()
    };
    assert_eq!(predictions("renamed.csv"), predictions("plain.csv"));
}

/// Fold f of several is the training of its rows alone with the seed + f.
#[test]
fn folds_are_trained_as_each_would_be_alone() {
    let rows = rows(90);
    let features =
        |rows: &[[f64; 4]]| -> Vec<f32> { rows.iter().flat_map(|r| r[..3].iter().map(|&v| v as f32)).collect() };
    let labels = |rows: &[[f64; 4]]| -> Vec<f64> { rows.iter().map(|r| r[3]).collect() };
    let network = Network::from_toml(
        "layers = [{ layer = 'flatten' }, { layer = 'dense', name = 'd', units = 8, activation = 'relu' },
            { layer = 'norm', name = 'n' },
            { layer = 'heads', mean = 'mean', var = 'var', mean_activation = 'identity' }]",
        &[1, 1, 3],
    )
    .unwrap();
    let options = TrainOptions {
        members: vec![0, 3],
        epochs: 3,
        least_steps: 0,
        batch: 10,
        calibration: 0.0,
        ..TrainOptions::for_tables()
    };
    let held_out: Vec<Vec<usize>> = vec![(0..30).collect(), (30..60).collect(), (60..90).collect()];
    let (all_features, all_labels) = (features(&rows), labels(&rows));
    let data = LabelledImages::new(&all_features, [1, 1, 3], &all_labels);
    for device in common::devices() {
        let folds = train_folds(&data, &held_out, &network, &options, &device, &ignore_events).unwrap();
        assert_eq!(folds.len(), 3);
        for (f, fold) in folds.iter().enumerate() {
            let alone = TrainOptions {
                seed: options.seed + f as u64,
                ..options.clone()
            };
            // A single fold of the same rows.
            let one = &held_out[f..=f];
            let alone = train_folds(&data, one, &network, &alone, &device, &ignore_events).unwrap();
            let mut expected = alone[0].model.network.clone();
            expected = expected.with_mean_range(fold.model.network.heads().mean_range);
            assert_eq!(fold.model.network, expected);
            let same = fold.model.members == alone[0].model.members;
            assert!(same, "fold {f} on {}", device.name());
            assert_eq!(fold.metrics, alone[0].metrics);
            assert_eq!(fold.metrics.as_ref().unwrap().n, 30);
        }
        let metrics: Vec<_> = folds.iter().filter_map(|fold| fold.metrics.clone()).collect();
        assert!(OverFolds::of(&metrics, |m| m.rmse).error.is_finite());
    }
}

#[test]
fn folds_of_the_program_are_resumed_bit_for_bit() {
    let folder = Folder::new();
    folder.write("table.csv", csv(&rows(80)));
    let line = "train {table.csv} --label y --members 2 --epochs 4 --folds 4 --device cpu --quiet";
    let text = done(&folder.line(&format!("{line} -o {{run}}")));
    assert!(text.contains("the 4 ensembles") && text.contains('±'), "{text}");
    let (columns, scores) = table(&folder.path("run/folds.csv"));
    assert_eq!(
        (columns[..3].join(","), scores.len()),
        ("fold,objects,rmse".to_string(), 4)
    );
    let mut ids: Vec<String> = (0..4)
        .flat_map(|f| table(&folder.path(&format!("run/fold_{f:02}/held_out.csv"))).1)
        .map(|row| row["id"].clone())
        .collect();
    ids.sort_by_key(|id| id.parse::<usize>().unwrap());
    assert_eq!(
        ids,
        (0..80).map(|row| row.to_string()).collect::<Vec<_>>(),
        "every row is held out once"
    );
    let log = fs::read_to_string(folder.path("run/log.csv")).unwrap();
    assert!(
        log.starts_with("epoch,fold,member,") && log.lines().count() == 1 + 4 * 4 * 2,
        "{log}"
    );

    // As if killed after the last checkpoint, before the models were written.
    for f in 0..4 {
        fs::rename(
            folder.path(&format!("run/fold_{f:02}")),
            folder.path(&format!("old_{f}")),
        )
        .unwrap();
    }
    fs::remove_file(folder.path("run/folds.csv")).unwrap();
    done(&folder.line("train --resume {run} --device cpu --quiet"));
    for f in 0..4 {
        let read = |path: String| Model::read(folder.path(&path)).unwrap().members;
        let new = read(format!("run/fold_{f:02}/model.safetensors"));
        assert!(new == read(format!("old_{f}/model.safetensors")));
    }

    let mut splits = String::from("id,fold\n");
    (0..20).for_each(|row| writeln!(splits, "{row},{}", row % 2).unwrap());
    folder.write("splits.csv", splits);
    done(&folder.line(&format!(
        "{} --splits {{splits.csv}} -o {{named}}",
        line.replace("--folds 4", "")
    )));
    assert_eq!(table(&folder.path("named/folds.csv")).1.len(), 2);
    let (_, first) = table(&folder.path("named/fold_00/held_out.csv"));
    assert_eq!(first.len(), 10);
    assert!(first.iter().all(|row| row["id"].parse::<usize>().unwrap() % 2 == 0));
}

#[test]
fn the_shipped_table_is_trained_on_its_standard_splits() {
    let folder = Folder::new();
    let tables = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/tables/");
    let splits = fs::read_to_string(format!("{tables}energy_splits.csv")).unwrap();
    // Two of the twenty splits.
    let two: Vec<&str> = splits
        .lines()
        .filter(|line| line.starts_with(['f', '0'].as_slice()) || line.starts_with("1,"))
        .collect();
    folder.write("two.csv", two.join("\n"));
    let line = format!(
        "train {tables}energy.csv --label heating_load --splits {{two.csv}} --members 2 --epochs 40 --device cpu -q"
    );
    done(&folder.line(&format!("{line} -o {{run}}")));
    let (_, scores) = table(&folder.path("run/folds.csv"));
    assert_eq!(
        scores.iter().map(|row| row["objects"].as_str()).collect::<Vec<_>>(),
        ["77", "77"]
    );
    let rmse: Vec<f64> = scores.iter().map(|row| row["rmse"].parse().unwrap()).collect();
    assert!(
        rmse.iter().all(|&rmse| rmse < 3.0),
        "the label's standard deviation is 10: {rmse:?}"
    );
}
