//! The lens head in complete trainings: it separates lenses from other objects, changes nothing about the independence
//! of the members, and reaches every output of the program.

mod common;

use common::program::{Folder, done, fails, table};
use common::{IMAGE, bits, devices, finish, options, rings, says, tiny, write_stack};
use lensgpu::device::Device;
use lensgpu::nn::{Layout, Network};
use lensgpu::train::checkpoint::Checkpoint;
use lensgpu::train::{Dataset, Examples, TrainOptions, Trainer};
use lensgpu::{LabelledImages, Model, Passes, Predictor, Start, ignore_events, train_arrays};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fmt::Write as _;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

/// Rings, of which every third is missing: noise without a label.
fn candidates(count: usize, seed: u64, shape: [usize; 3]) -> Examples {
    let mut examples = rings(count, seed, shape);
    let mut rng = ChaCha8Rng::seed_from_u64(seed + 1000);
    let image: usize = shape.iter().product();
    for row in (0..count).step_by(3) {
        examples.labels[row] = f64::NAN;
        for value in &mut examples.images[row * image..][..image] {
            *value = (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
        }
    }
    examples
}

fn network() -> Network {
    tiny().with_lens_head().unwrap()
}

fn dataset(train: usize) -> Dataset {
    Dataset {
        train: candidates(train, 1, IMAGE),
        validation: candidates(30, 2, IMAGE),
        bands: vec![],
        scale: 0.433,
        shift: 0.0,
        fingerprint: 1,
    }
}

#[test]
fn an_easy_case_is_separated_and_radii_are_those_of_the_lenses() {
    let data = candidates(400, 1, IMAGE);
    let labelled = LabelledImages::new(&data.images, IMAGE, &data.labels);
    let network = network();
    let options = TrainOptions {
        calibration: 0.2,
        hold_out: 90,
        ..options([0, 2], 15)
    };
    let trained = train_arrays(
        &labelled,
        Start::Network(&network),
        &options,
        &Device::Cpu,
        &ignore_events,
    )
    .unwrap();
    let (lenses, classes) = (trained.metrics.unwrap(), trained.class_metrics.unwrap());
    assert_eq!(
        (lenses.n, classes.lenses, classes.lenses + classes.others),
        (lenses.n, lenses.n, 90)
    );
    assert!(classes.roc_auc > 0.95, "{classes:?}");
    assert!(classes.cross_entropy < 0.35 && classes.brier < 0.1, "{classes:?}");
    assert!(lenses.rmse < 0.2, "{lenses:?}");
    let model = trained.model;
    assert!(model.about.calibration.is_some());
    let (low, high) = model.about.label.range;
    assert!(low >= 0.5 && high <= 2.0, "{low} {high}");

    let path = tempfile::tempdir().unwrap();
    let path = path.path().join("model.safetensors");
    model.write(&path).unwrap();
    let test = candidates(60, 7, IMAGE);
    for all_views in [false, true] {
        let passes = Passes { batch: 7, all_views };
        let mut predictor = Predictor::with_passes(Model::read(&path).unwrap(), &Device::Cpu, passes).unwrap();
        let predictions = predictor.predict(&test.images).unwrap();
        let right = predictions.iter().zip(&test.labels).filter(|(prediction, label)| {
            let p = prediction.p_lens.expect("the model has a lens head");
            assert!((0.0..=1.0).contains(&p));
            (p > 0.5) != label.is_nan()
        });
        assert!(right.count() >= 54, "all views: {all_views}");
        let members = &predictions[0].members.lens;
        assert_eq!(members.len(), 2);
        assert_eq!(predictions[0].p_lens, Some((members[0] + members[1]) / 2.0));
    }
    let masked = vec![f32::NAN; IMAGE.iter().product()];
    let mut predictor = Predictor::new(model, &Device::Cpu).unwrap();
    assert_eq!(predictor.predict(&masked).unwrap()[0].p_lens, None);
}

/// The probability of all views is the mean of those of each view.
#[test]
fn all_views_average_the_probability_and_not_the_logit() {
    let network = network();
    let (params, stats) = lensgpu::nn::initialise(&network, &Layout::new(&network).unwrap(), 3, 0);
    let member = lensgpu::model::Member {
        number: 0,
        params,
        stats,
        cloud: None,
    };
    let ensemble =
        || lensgpu::model::Ensemble::of_members(&Device::Cpu, &network, std::slice::from_ref(&member), 4).unwrap();
    let image = rings(1, 5, IMAGE).images;
    let [h, w, c] = IMAGE;
    let flipped = |rows: bool, columns: bool| -> Vec<f32> {
        let pixels = (0..h).flat_map(|i| (0..w).map(move |j| (i, j)));
        let from = pixels.flat_map(|(i, j)| {
            let (i, j) = (if rows { h - 1 - i } else { i }, if columns { w - 1 - j } else { j });
            (0..c).map(move |k| (i * w + j) * c + k)
        });
        from.map(|at| image[at]).collect()
    };
    let views =
        [(false, false), (false, true), (true, false), (true, true)].map(|(rows, columns)| flipped(rows, columns));
    let each = ensemble().predict(&views.concat()).unwrap();
    let each: Vec<f64> = each.iter().map(|p| p.p_lens().unwrap()).collect();
    let mean = each.iter().sum::<f64>() / 4.0;
    let all = ensemble().in_all_views().predict(&image).unwrap()[0].p_lens().unwrap();
    assert!((all - mean).abs() < 1e-12, "{all} {each:?}");
    assert!(
        each.iter().any(|p| (p - mean).abs() > 1e-3),
        "the views differ: {each:?}"
    );
}

#[test]
fn a_member_is_the_same_alone_and_together_and_a_training_can_be_continued() {
    for device in devices() {
        let rows = |trainer: &mut Trainer| -> Vec<(Vec<u32>, Vec<u32>)> {
            let members = trainer.members().unwrap();
            members.iter().map(|(m, _)| (bits(&m.params), bits(&m.stats))).collect()
        };
        let new = |members: &[u32]| {
            let options = options(members.iter().copied(), 3);
            Trainer::new(&device, &network(), dataset(63), &options, None).unwrap()
        };
        let mut whole = new(&[0, 1, 2]);
        finish(&mut whole);
        let mut alone = new(&[2]);
        finish(&mut alone);
        assert_eq!(rows(&mut alone), rows(&mut whole)[2..], "{}", device.name());

        let mut first = new(&[0, 1, 2]);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoint.safetensors");
        let _ = first.epoch(&mut |_| ControlFlow::Break(())).unwrap();
        first.checkpoint().unwrap().write(&path).unwrap();
        let mut second = new(&[0, 1, 2]);
        second.restore(Checkpoint::read(&path).unwrap()).unwrap();
        finish(&mut second);
        assert_eq!(rows(&mut second), rows(&mut whole), "{}", device.name());
        let last = |trainer: &Trainer| trainer.state().history.last().unwrap().members.clone();
        assert_eq!(last(&second), last(&whole));
        assert!(last(&whole).iter().all(|m| {
            let finite = |value: Option<f64>| value.is_some_and(|v| v.is_finite() && v > 0.0);
            finite(m.train_cross_entropy) && finite(m.val_cross_entropy) && m.skipped == 0
        }));
    }
}

/// What is no lens has no part in the radius: with other pixels behind frozen layers, mean and variance heads would
/// still learn the same. Here, the gradients of their biases, which are sums over the images.
#[test]
fn the_radius_of_what_is_no_lens_is_not_learnt() {
    let network = Network::from_toml(
        "layers = [{layer='heads', mean='mean', var='var', mean_activation='identity', lens='lens'}]",
        &[2],
    )
    .unwrap();
    let data = |other: f32| Dataset {
        // The second value is 0 for lenses: it only reaches the heads from the others.
        train: Examples {
            images: [[0.5, 0.0], [1.0, 0.0], [other, other], [0.2, 0.0]].concat(),
            labels: vec![1.0, 2.0, f64::NAN, 1.5],
        },
        validation: Examples::default(),
        bands: vec![],
        scale: 1.0,
        shift: 0.0,
        fingerprint: 1,
    };
    for device in devices() {
        let heads = |other: f32| {
            let options = TrainOptions {
                batch: 4,
                clip: f32::INFINITY,
                validation: 0.0,
                ..options([0], 20)
            };
            let mut trainer = Trainer::new(&device, &network, data(other), &options, None).unwrap();
            finish(&mut trainer);
            let layout = Layout::new(&network).unwrap();
            let (member, _) = trainer.members().unwrap().swap_remove(0);
            ["mean", "var", "lens"].map(|head| {
                let values = ["kernel", "bias"].map(|part| layout.param(head, part)).into_iter();
                values
                    .flat_map(|p| bits(&member.params[p.offset..][..p.len()]))
                    .collect::<Vec<u32>>()
            })
        };
        let [near, far] = [heads(0.3), heads(-2.0)];
        assert_eq!(near[..2], far[..2], "{}", device.name());
        assert_ne!(near[2], far[2], "{}", device.name());
    }
}

/// A stack with candidates; those that are no lenses have no radius in the catalogue.
fn write_candidates(dir: &Path, examples: &Examples) {
    fs::create_dir_all(dir).unwrap();
    write_stack(dir, examples, IMAGE);
    let mut catalogue = String::from("id,theta_e,is_lens\n");
    for (id, label) in examples.labels.iter().enumerate() {
        let _ = match label.is_nan() {
            true => writeln!(catalogue, "c{id},,0"),
            false => writeln!(catalogue, "c{id},{label},1"),
        };
    }
    fs::write(dir.join("catalogue.csv"), catalogue).unwrap();
}

const TRAIN: &str =
    "--recipe vanilla --network {tiny.toml} --device cpu --members 2 --batch 10 --learning-rate 0.02 -q";

#[test]
fn every_command_knows_p_lens() {
    let f = Folder::new();
    write_candidates(&f.path("candidates"), &candidates(300, 1, IMAGE));
    write_candidates(&f.path("test"), &candidates(60, 9, IMAGE));
    let stdout = done(&f.line(&format!(
        "train {{candidates}} --p-lens --epochs 12 --hold-out 60 {TRAIN} -o {{run}}"
    )));
    says(&stdout, &["p_lens on the same objects", "ROC AUC"]);
    let (columns, rows) = table(&f.path("run/log.csv"));
    assert_eq!(
        columns[columns.len() - 2..],
        ["train_cross_entropy", "val_cross_entropy"]
    );
    let entropy = |row: usize| rows[row]["val_cross_entropy"].parse::<f64>().unwrap();
    assert!(entropy(22) < entropy(0), "it falls");
    let (columns, rows) = table(&f.path("run/held_out.csv"));
    assert!(columns.contains(&"p_lens".to_string()));
    assert_eq!(rows.len(), 60, "lenses and others");
    assert!(rows.iter().any(|row| row["true_theta_e"].is_empty()));

    done(&f.line("infer {run/model.safetensors} {test} --device cpu -q --tta -o {out.csv}"));
    let (_, rows) = table(&f.path("out.csv"));
    let right = rows
        .iter()
        .filter(|row| (row["p_lens"].parse::<f64>().unwrap() > 0.5) == (row["is_lens"] == "1"));
    assert!(right.count() >= 54);

    let stdout = done(&f.line("evaluate {run/model.safetensors} {test} --device cpu -o {report}"));
    says(&stdout, &["lens or not", "ROC AUC", "completeness"]);
    let metrics: serde_json::Value = serde_json::from_slice(&fs::read(f.path("report/metrics.json")).unwrap()).unwrap();
    assert_eq!(metrics["objects"], 40, "lenses only");
    assert_eq!(
        (&metrics["p_lens"]["lenses"], &metrics["p_lens"]["others"]),
        (&40.into(), &20.into())
    );
    assert!(metrics["p_lens"]["roc_auc"].as_f64().unwrap() > 0.95);
    let csv = fs::read_to_string(f.path("report/metrics.csv")).unwrap();
    says(&csv, &["\"p_lens\",,,60,roc_auc,,", "\"p_lens\",,,60,brier,,"]);
    let page = fs::read_to_string(f.path("report/report.html")).unwrap();
    says(&page, &["Lens or not", "id=\"roc\"", "id=\"p_lens\""]);
    done(&f.line("calibrate {run/model.safetensors} {candidates} --device cpu -q -o {calibrated.safetensors}"));
    says(&done(&f.line("info {run/model.safetensors}")), &["lens (sigmoid)"]);
}

#[test]
fn fine_tuning_adds_and_leaves_out_the_head() {
    let f = Folder::new();
    write_candidates(&f.path("candidates"), &candidates(120, 1, IMAGE));
    let lenses = rings(60, 3, IMAGE);
    fs::create_dir(f.path("lenses")).unwrap();
    write_stack(&f.path("lenses"), &lenses, IMAGE);
    let head = |run: &str| {
        let model = Model::read(f.path(run).join("model.safetensors")).unwrap();
        model.network.heads().lens.clone()
    };
    done(&f.line(&format!("train {{lenses}} --epochs 2 {TRAIN} -o {{plain}}")));
    assert_eq!(head("plain"), None);
    let tune = "--recipe vanilla --epochs 1 --device cpu --batch 10 -q";
    done(&f.line(&format!(
        "train {{candidates}} --from {{plain/model.safetensors}} --p-lens {tune} -o {{added}}"
    )));
    assert_eq!(head("added").as_deref(), Some("lens"));
    let left_out = common::program::lensgpu(&f.line(&format!(
        "train {{lenses}} --from {{added/model.safetensors}} {tune} -o {{left_out}}"
    )));
    says(&left_out.stderr, &["the lens head of the initial model is left out"]);
    assert_eq!(head("left_out"), None);
    fails(
        1,
        &f.line(&format!("train {{lenses}} --p-lens --epochs 1 {TRAIN} -o {{none}}")),
        &["p_lens needs lenses and other objects", "is_lens", "leave out --p-lens"],
    );
}

#[test]
fn simulations_train_the_head_with_the_other_objects_of_the_population() {
    let f = Folder::new();
    let population = common::POPULATION.replace("lens_share = 1.0", "lens_share = 0.6");
    fs::write(f.path("mixed.toml"), population).unwrap();
    fs::write(f.path("lenses.toml"), common::POPULATION).unwrap();
    let line = |population: &str, run: &str| {
        f.line(&format!(
            "train --simulate {{{population}}} --p-lens --pool 64 --hold-out 50 --epochs 8 {TRAIN} -o {{{run}}}"
        ))
    };
    says(&done(&line("mixed.toml", "run")), &["p_lens on the same objects"]);
    let (_, rows) = table(&f.path("run/held_out.csv"));
    let lenses = rows.iter().filter(|row| !row["true_theta_e"].is_empty()).count();
    assert!(rows.len() == 50 && (20..40).contains(&lenses), "{lenses}");
    fails(1, &line("lenses.toml", "none"), &["nothing but lenses", "--p-lens"]);
}
