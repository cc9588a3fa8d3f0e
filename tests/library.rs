//! The library on images in memory does what the program does on files.

mod common;

use common::{IMAGE, bits, data_options, options, rings, says, tiny, write_stack};
use lensgpu::device::Device;
use lensgpu::infer::{InferOptions, infer};
use lensgpu::survey::ImageFolderOptions;
use lensgpu::train::run::{RunEnd, begin};
use lensgpu::train::{Examples, RunOptions};
use lensgpu::{
    Event, InferError, LabelledImages, Model, Network, Passes, Phase, Predictor, Start, TrainError, TrainOptions,
    evaluate_arrays, flags, ignore_events, train_arrays,
};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;

/// Lenses with a masked pixel here and there.
fn lenses(count: usize, seed: u64) -> Examples {
    let mut lenses = rings(count, seed, IMAGE);
    lenses.images.iter_mut().step_by(997).for_each(|v| *v = f32::NAN);
    lenses
        .images
        .iter_mut()
        .skip(5)
        .step_by(1009)
        .for_each(|v| *v = f32::NAN);
    lenses
}

fn train_options() -> TrainOptions {
    TrainOptions {
        calibration: 0.3,
        hold_out: 20,
        ..options([0, 2], 3)
    }
}

/// A run on a stack of these images.
fn trained_on_files(dir: &Path, lenses: &Examples) -> Model {
    write_stack(dir, lenses, IMAGE);
    let options = RunOptions {
        lensgpu: "test".into(),
        data: data_options(dir),
        simulate: None,
        from: None,
        folds: None,
        training: train_options(),
        network: Network {
            input: vec![],
            layers: vec![],
        },
    };
    let network = |_: &[usize]| Ok(tiny());
    let end = begin(&dir.join("run"), options, network, &Device::Cpu, &ignore_events).unwrap();
    let RunEnd::Complete { model, metrics, .. } = end else {
        panic!("nobody stops it")
    };
    assert_eq!(metrics.unwrap().0, "held out");
    Model::read(model).unwrap()
}

#[test]
fn training_on_arrays_gives_the_model_of_a_run_on_files_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let lenses = lenses(200, 1);
    let mut on_files = trained_on_files(dir.path(), &lenses);
    let data = LabelledImages::new(&lenses.images, IMAGE, &lenses.labels);
    let network = tiny();
    let trained = train_arrays(
        &data,
        Start::Network(&network),
        &train_options(),
        &Device::Cpu,
        &ignore_events,
    )
    .unwrap();
    let mut in_memory = trained.model;
    assert_eq!(trained.metrics.unwrap().n, 20);
    for model in [&mut on_files, &mut in_memory] {
        model.about.training.date.clear();
        let calibration = model.about.calibration.as_mut().expect("60 rows to calibrate on");
        calibration.record.date.clear();
    }
    for (a, b) in on_files.members.iter().zip(&in_memory.members) {
        assert_eq!(bits(&a.params), bits(&b.params), "member {}", a.number);
    }
    assert!(on_files.about.images.take().is_some() && in_memory.about.images.is_none());
    assert_eq!(on_files, in_memory);

    let path = dir.path().join("again.safetensors");
    in_memory.write(&path).unwrap();
    assert_eq!(Model::read(&path).unwrap(), in_memory);
}

#[test]
fn a_predictor_gives_the_predictions_and_flags_of_infer() {
    let dir = tempfile::tempdir().unwrap();
    let model = trained_on_files(dir.path(), &lenses(200, 1));
    let mut test = lenses(30, 7);
    let image: usize = IMAGE.iter().product();
    test.images[3 * image..4 * image].iter_mut().for_each(|v| *v *= 100.0);
    test.images[5 * image..6 * image].fill(f32::NAN);
    let folder = dir.path().join("test");
    std::fs::create_dir(&folder).unwrap();
    write_stack(&folder, &test, IMAGE);
    for all_views in [false, true] {
        let passes = Passes { batch: 16, all_views };
        let output = dir.path().join("out.csv");
        let options = InferOptions {
            images: ImageFolderOptions {
                require_labels: false,
                ..ImageFolderOptions::new(&folder)
            },
            output: output.clone(),
            provenance: None,
            member_columns: false,
            truth: None,
            passes,
            resume: false,
            shard: None,
        };
        infer(&model, &Device::Cpu, &options, &ignore_events).unwrap();
        let mut predictor = Predictor::with_passes(model.clone(), &Device::Cpu, passes).unwrap();
        let predictions = predictor.predict(&test.images).unwrap();
        let (_, rows) = common::program::table(&output);
        assert_eq!((rows.len(), predictions.len()), (30, 30));
        for (row, image) in rows.iter().zip(&predictions) {
            let p = image.prediction;
            for (column, value) in [
                ("theta_e", p.theta_e),
                ("sigma", p.sigma),
                ("sigma_epistemic", p.sigma_epistemic),
                ("q16", p.quantiles[1]),
                ("q97_5", p.quantiles[4]),
                ("ood_score", image.ood_score.unwrap_or(f64::NAN)),
                ("flags", f64::from(image.flags)),
            ] {
                let written: f64 = row[column].parse().unwrap_or(f64::NAN);
                assert!(
                    (written - value).abs() <= 1e-6 * value.abs() || (written.is_nan() && value.is_nan()),
                    "{column}: {written} {value}"
                );
            }
        }
        assert_ne!(predictions[3].flags & lensgpu::flags::SKY, 0);
        let masked = lensgpu::flags::MASKED | lensgpu::flags::NO_PREDICTION;
        assert_eq!(predictions[5].flags & masked, masked);
        assert!(
            predictions[5].prediction.theta_e.is_nan(),
            "a masked image has no radius"
        );
    }
    let half = Predictor::new(model, &Device::Cpu)
        .unwrap()
        .predict(&test.images[..image / 2]);
    says(&half.unwrap_err().to_string(), &["12x11x2"]);
}

#[test]
fn a_model_is_fine_tuned_in_memory_with_its_stretch_and_scale() {
    let lenses = lenses(60, 1);
    let data = LabelledImages::new(&lenses.images, IMAGE, &lenses.labels);
    let network = tiny();
    let train = |start, epochs| {
        let options = TrainOptions {
            epochs,
            ..options([0, 2], 2)
        };
        train_arrays(&data, start, &options, &Device::Cpu, &ignore_events)
            .unwrap()
            .model
    };
    let first = train(Start::Network(&network), 2);
    let tuned = train(Start::Model(&first), 1);
    assert_eq!(tuned.about.stretch, first.about.stretch);
    assert_eq!(tuned.about.label, first.about.label);
    assert_ne!(tuned.members[0].params, first.members[0].params);
}

#[test]
fn progress_is_reported_in_order_and_can_stop_a_training() {
    let lenses = lenses(60, 1);
    let data = LabelledImages::new(&lenses.images, IMAGE, &lenses.labels);
    let network = tiny();
    let events = Mutex::new(Vec::new());
    let stop_after = |epochs: usize| {
        let events = &events;
        move |event: Event| {
            let text = match event {
                Event::Note(_) => "note".to_string(),
                Event::Warning(message) => format!("warning: {message}"),
                Event::Advanced {
                    phase: Phase::Training,
                    done,
                    total,
                } => {
                    assert!(done <= total);
                    return ControlFlow::Continue(());
                }
                Event::Epoch { record, .. } if record.epoch == epochs => return ControlFlow::Break(()),
                Event::Epoch { record, .. } => format!("epoch {}", record.epoch),
                event => panic!("{event:?}"),
            };
            events.lock().unwrap().push(text);
            ControlFlow::Continue(())
        }
    };
    let train = |progress: &lensgpu::Callback| {
        let start = Start::Network(&network);
        train_arrays(&data, start, &options([0], 4), &Device::Cpu, progress)
    };
    let stopped = train(&stop_after(3)).unwrap_err();
    assert!(matches!(stopped, TrainError::Stopped { epochs: 3 }), "{stopped}");
    let events = std::mem::take(&mut *events.lock().unwrap());
    assert_eq!(events[0], "note");
    says(&events[1], &["warning: only 54 rows to train on"]);
    assert_eq!(events[2..], ["epoch 1", "epoch 2"]);
}

#[test]
fn arrays_that_do_not_fit_are_refused() {
    let lenses = lenses(10, 1);
    let network = tiny();
    let refused = |images: &[f32], shape, labels: &[f64]| {
        let data = LabelledImages::new(images, shape, labels);
        let start = Start::Network(&network);
        train_arrays(&data, start, &options([0], 1), &Device::Cpu, &ignore_events)
            .unwrap_err()
            .to_string()
    };
    let Examples { images, labels } = &lenses;
    says(&refused(images, IMAGE, &labels[1..]), &["image values", "are needed"]);
    says(
        &refused(images, [11, 12, 2], labels),
        &["the network takes images of [12, 11, 2]"],
    );
    let mut wrong = labels.clone();
    wrong[3] = f64::NAN;
    says(&refused(images, IMAGE, &wrong), &["object 3", "NaN"]);
}

#[test]
fn a_prediction_in_memory_reports_its_progress_and_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let model = trained_on_files(dir.path(), &lenses(200, 1));
    let images = lenses(40, 7).images;
    let passes = Passes {
        batch: 16,
        all_views: false,
    };
    let mut predictor = Predictor::with_passes(model, &Device::Cpu, passes).unwrap();
    let seen = Mutex::new(vec![]);
    let report = |event: Event| {
        if let Event::Advanced { phase, done, total } = event {
            seen.lock().unwrap().push((phase, done, total));
        }
        ControlFlow::Continue(())
    };
    let all = predictor.predict_reporting(&images, &report).unwrap();
    let expected = [16, 32, 40].map(|done| (Phase::Predicting, done, 40));
    assert_eq!(*seen.lock().unwrap(), expected);
    let stopped = predictor.predict_reporting(&images, &|_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(InferError::Stopped { done, total: 40 }) if (16..40).contains(&done)));
    assert_eq!(predictor.predict(&images).unwrap(), all);

    let image = &all[3];
    let distribution = image.distribution(predictor.model()).unwrap();
    assert_eq!(distribution.prediction(), image.prediction);
    let truth: Vec<f64> = all.iter().map(|image| image.prediction.theta_e + 0.5).collect();
    let scores = evaluate_arrays(predictor.model(), &all, &truth, 1).unwrap();
    assert!((scores.metrics.bias + 0.5).abs() < 1e-12 && scores.metrics.n == 40);
    let error = evaluate_arrays(predictor.model(), &all, &truth[1..], 1).unwrap_err();
    says(&error.to_string(), &["39 true values for 40 predictions"]);
}

#[test]
fn a_trained_model_flags_a_repeated_band_and_few_new_images() {
    let lenses = rings(600, 1, IMAGE);
    let data = LabelledImages::new(&lenses.images, IMAGE, &lenses.labels);
    let options = TrainOptions {
        calibration: 0.3,
        ..options([0, 1], 3)
    };
    let trained = train_arrays(&data, Start::Network(&tiny()), &options, &Device::Cpu, &ignore_events).unwrap();
    let threshold = trained.model.about.ood.clone().unwrap();
    assert_eq!(threshold.rows, 180);
    assert!(threshold.typical.iter().all(Option::is_some), "{threshold:?}");
    let mut predictor = Predictor::new(trained.model, &Device::Cpu).unwrap();
    let mut share = |images: &[f32], flag: i32| {
        let predictions = predictor.predict(images).unwrap();
        assert!(predictions.iter().all(|p| p.ood_score.is_some_and(f64::is_finite)));
        let flagged = predictions.iter().filter(|p| p.flags & flag != 0).count();
        flagged as f64 / predictions.len() as f64
    };
    let new = rings(600, 9, IMAGE).images;
    // Both the limit and the share have a binomial error.
    let most = |expected: f64| expected + 4.0 * (expected * (1.0 - expected) * (1.0 / 180.0 + 1.0 / 600.0)).sqrt();
    let [out, epistemic] = [flags::OUT_OF_DISTRIBUTION, flags::EPISTEMIC].map(|flag| share(&new, flag));
    assert!(out < most(0.02) && epistemic < most(0.01), "{out}, {epistemic}");
    let mut repeated = new.clone();
    repeated
        .as_chunks_mut::<2>()
        .0
        .iter_mut()
        .for_each(|pixel| pixel[1] = pixel[0]);
    assert_eq!(share(&repeated, flags::OUT_OF_DISTRIBUTION), 1.0);
}
