//! Attempts to break training, on every device: in each case it ends with finite weights and statistics, or with an error
//! that says what to change. The tests also look for networks that make equal predictions for different images.

mod common;

use common::{
    IMAGE, TINY, bits, data_options, dataset, devices, finish, options, predictions, rings, says, tiny, trained,
    write_stack,
};
use lensgpu::device::Device;
use lensgpu::infer::{InferOptions, Passes, infer};
use lensgpu::model::Model;
use lensgpu::nn::Network;
use lensgpu::plan::state;
use lensgpu::posterior::MemberPredictions;
use lensgpu::progress::{EpochRecord, Event, ignore_events};
use lensgpu::survey::ImageFolderOptions;
use lensgpu::train::checkpoint::Checkpoint;
use lensgpu::train::run::{RunEnd, begin};
use lensgpu::train::{Dataset, Examples, RunOptions, TrainOptions, Trainer};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Mutex;

const VALUES: usize = IMAGE[0] * IMAGE[1] * IMAGE[2];

/// Everything that persists from one step to the next is finite.
#[track_caller]
fn assert_finite(trainer: &mut Trainer, what: &str) {
    let checkpoint = trainer.checkpoint().unwrap();
    for name in [
        "params",
        "stats",
        "adam_m",
        "adam_v",
        "good",
        "best_params",
        "best_stats",
    ] {
        let values: &[f32] = bytemuck::cast_slice(&checkpoint.tensors[name]);
        assert!(values.iter().all(|v| v.is_finite()), "{what}: {name} is not finite");
    }
}

#[track_caller]
fn assert_valid(predictions: &[MemberPredictions], what: &str) {
    for prediction in predictions {
        let finite = prediction.mu.iter().chain(&prediction.var).all(|v| v.is_finite());
        assert!(
            finite && prediction.var.iter().all(|&v| v > 0.0),
            "{what}: {prediction:?}"
        );
    }
}

/// Number of different values.
fn distinct(predictions: &[f64]) -> usize {
    predictions.iter().map(|v| v.to_bits()).collect::<BTreeSet<u64>>().len()
}

/// Each member's predictions vary between images about as much as the labels do. (In a network of a few units all may be
/// inactive for some images, whose predictions are then equal.)
#[track_caller]
fn assert_sees(predictions: &[MemberPredictions], what: &str) {
    assert_valid(predictions, what);
    for m in 0..predictions[0].mu.len() {
        let mu: Vec<f64> = predictions.iter().map(|a| a.mu[m]).collect();
        let mean = mu.iter().sum::<f64>() / mu.len() as f64;
        let spread = (mu.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / mu.len() as f64).sqrt();
        let distinct = distinct(&mu);
        assert!(
            distinct > mu.len() * 4 / 5 && spread > 0.2,
            "{what}: member {m} ignores the images: {distinct} different predictions, spread {spread}"
        );
    }
}

/// Trains two members on broken data; whatever happens, every value that remains is finite.
fn survives(what: &str, data: impl Fn() -> Dataset, options: &TrainOptions) {
    for device in devices() {
        let what = format!("{what} on {}", device.name());
        let mut trainer = Trainer::new(&device, &tiny(), data(), options, None).unwrap();
        while !trainer.is_done() {
            trainer.epoch(&mut |_| ControlFlow::Continue(())).unwrap();
            assert_finite(&mut trainer, &what);
        }
        match trainer.members() {
            Ok(members) => {
                for (member, _) in members {
                    let mut all = member.params.iter().chain(&member.stats);
                    assert!(all.all(|v| v.is_finite()), "{what}: member {}", member.number);
                }
                let images = rings(20, 7, IMAGE).images;
                assert_valid(&predictions(&device, &tiny(), &mut trainer, &images), &what);
            }
            Err(error) => says(&error.to_string(), &["never finite", "check the images"]),
        }
    }
}

fn pixels(change: impl Fn(usize, &mut f32)) -> Dataset {
    let mut data = dataset(60, 20);
    let images = &mut data.train.images;
    images
        .iter_mut()
        .enumerate()
        .for_each(|(i, pixel)| change(i / VALUES, pixel));
    data
}

fn labels(change: impl Fn(usize, &mut f64)) -> Dataset {
    let mut data = dataset(60, 20);
    let labels = &mut data.train.labels;
    labels.iter_mut().enumerate().for_each(|(i, label)| change(i, label));
    data
}

#[test]
fn learning_rates_far_too_high() {
    for factor in [1e3, 1e6, 1e20] {
        let rate = TrainOptions::default().learning_rate * factor;
        let options = TrainOptions {
            learning_rate: rate,
            final_rate: rate / 100.0,
            ..options(0..2, 4)
        };
        survives(&format!("learning rate {rate}"), || dataset(60, 20), &options);
    }
}

#[test]
fn pixels_of_any_size() {
    let options = options(0..2, 3);
    survives("all pixels 1e30", || pixels(|_, p| *p *= 1e30), &options);
    survives("all pixels 1e-12", || pixels(|_, p| *p *= 1e-12), &options);
    survives(
        "one image 1e30",
        || pixels(|i, p| *p *= if i == 7 { 1e30 } else { 1.0 }),
        &options,
    );
    survives(
        "half of them 1e19",
        || pixels(|i, p| *p *= if i % 2 == 0 { 1e19 } else { 1.0 }),
        &options,
    );
    survives(
        "one infinite image",
        || pixels(|i, p| *p = if i == 7 { f32::INFINITY } else { *p }),
        &options,
    );
}

#[test]
fn images_and_labels_without_anything_to_learn() {
    let options = options(0..2, 3);
    survives("constant images", || pixels(|_, p| *p = 1.0), &options);
    survives("images of zeros", || pixels(|_, p| *p = 0.0), &options);
    survives("identical labels", || labels(|_, y| *y = 1.0), &options);
    survives("all labels zero", || labels(|_, y| *y = 0.0), &options);
    survives(
        "labels of 1e30",
        || labels(|i, y| *y *= if i % 9 == 0 { 1e30 } else { 1.0 }),
        &options,
    );
    survives("every label 1e30", || labels(|_, y| *y *= 1e30), &options);
}

#[test]
fn a_batch_of_one() {
    let options = TrainOptions {
        batch: 1,
        ..options(0..2, 2)
    };
    survives("a batch of one", || dataset(30, 10), &options);
}

/// Each member's row of a checkpoint's tensor.
fn row(checkpoint: &Checkpoint, name: &str, member: usize, members: usize) -> Vec<u32> {
    let words = &checkpoint.tensors[name];
    words[words.len() / members * member..][..words.len() / members].to_vec()
}

#[test]
fn one_bad_image_costs_one_step_per_epoch_and_nothing_else() {
    for device in devices() {
        for (what, bad) in [("a NaN pixel", f32::NAN), ("an infinite pixel", f32::INFINITY)] {
            let what = format!("{what} on {}", device.name());
            let mut data = dataset(100, 30);
            data.train.images[42 * VALUES + 100] = bad;
            let mut trainer = trained(&device, data, &options([0, 2], 15));
            for epoch in &trainer.state().history {
                let skipped: Vec<usize> = epoch.members.iter().map(|m| m.skipped).collect();
                assert_eq!(skipped, [1, 1], "{what}: epoch {}", epoch.epoch);
            }
            assert_finite(&mut trainer, &what);
            let summaries: Vec<_> = trainer
                .members()
                .unwrap()
                .into_iter()
                .map(|(_, summary)| summary)
                .collect();
            assert!(
                summaries
                    .iter()
                    .all(|s| (s.steps, s.skipped, s.restored) == (135, 15, 0)),
                "{summaries:?}"
            );
            let images = rings(30, 7, IMAGE).images;
            assert_sees(&predictions(&device, &tiny(), &mut trainer, &images), &what);
        }
        // An image of zeros is not bad.
        let mut data = dataset(100, 30);
        data.train.images[42 * VALUES..43 * VALUES].fill(0.0);
        let mut trainer = trained(&device, data, &options([0, 2], 15));
        let skipped = trainer
            .state()
            .history
            .iter()
            .flat_map(|e| &e.members)
            .map(|m| m.skipped);
        assert_eq!(skipped.sum::<usize>(), 0);
        let images = rings(30, 7, IMAGE).images;
        assert_sees(
            &predictions(&device, &tiny(), &mut trainer, &images),
            "an image of zeros",
        );
    }
}

#[test]
fn a_skipped_step_changes_nothing_and_does_not_affect_other_members() {
    // An epoch uses 20 of 29 rows, so the bad row is used by some of the members only.
    const MEMBERS: usize = 8;
    for device in devices() {
        let train = |poison: bool| {
            let mut data = dataset(29, 10);
            if poison {
                data.train.labels[3] = f64::NAN;
            }
            let mut trainer = trained(&device, data, &options(0..MEMBERS as u32, 2));
            let skipped = |m: usize| trainer.state().history.iter().map(|e| e.members[m].skipped).sum();
            let skipped: Vec<usize> = (0..MEMBERS).map(skipped).collect();
            (trainer.checkpoint().unwrap(), skipped)
        };
        let ((clean, none), (poisoned, skipped)) = (train(false), train(true));
        assert_eq!(none, [0; MEMBERS]);
        let (spared, hit) = (skipped.contains(&0), skipped.iter().any(|&n| n > 0));
        assert!(spared && hit, "choose other seeds: {skipped:?}");
        for (m, &skipped) in skipped.iter().enumerate() {
            for name in ["params", "stats", "adam_m", "adam_v", "good", "best_params"] {
                let same = row(&clean, name, m, MEMBERS) == row(&poisoned, name, m, MEMBERS);
                if skipped == 0 {
                    assert!(
                        same,
                        "{}: {name} of member {m} differs, although no step was skipped",
                        device.name()
                    );
                }
                let values = row(&poisoned, name, m, MEMBERS);
                let finite = values.iter().all(|&v| f32::from_bits(v).is_finite());
                assert!(finite, "{}: {name} of member {m}", device.name());
            }
            let words = row(&poisoned, "state", m, MEMBERS);
            assert_eq!(words[state::TAKEN] as usize, 4 - skipped);
            assert_eq!(words[state::SKIPPED] as usize, skipped);
        }
    }
}

#[test]
fn a_member_that_skips_all_steps_keeps_its_weights_bit_for_bit() {
    for device in devices() {
        let data = || labels(|_, y| *y = f64::NAN);
        let options = options(0..2, 1);
        let mut trainer = Trainer::new(&device, &tiny(), data(), &options, None).unwrap();
        let before = trainer.checkpoint().unwrap();
        finish(&mut trainer);
        let after = trainer.checkpoint().unwrap();
        for name in ["params", "stats", "adam_m", "adam_v", "good"] {
            assert_eq!(before.tensors[name], after.tensors[name], "{}: {name}", device.name());
        }
        let member = &trainer.state().history[0].members[0];
        assert_eq!(
            (member.skipped, member.restored),
            (6, 1),
            "five skips in a row and a return among them"
        );
        assert_eq!((member.train_nll, member.train_rmse), (None, None));
        let error = format!("{:#}", trainer.members().unwrap_err());
        says(&error, &["member 0 took none of 6 steps", "never finite"]);
    }
}

#[test]
fn after_several_bad_steps_in_a_row_a_member_returns_to_good_weights_at_a_lower_rate() {
    for device in devices() {
        // A sixth of the labels is bad, so about five of six batches of ten are, and now and then five in a row.
        let options = options(0..2, 8);
        let mut trainer = trained(
            &device,
            labels(|i, y| *y = if i % 6 == 0 { f64::NAN } else { *y }),
            &options,
        );
        assert_finite(&mut trainer, "a sixth of the labels NaN");
        let checkpoint = trainer.checkpoint().unwrap();
        let history = trainer.state().history.clone();
        for (m, (_, summary)) in trainer.members().unwrap().iter().enumerate() {
            let name = device.name();
            let words = row(&checkpoint, "state", m, 2);
            assert!(summary.restored > 0 && summary.steps > 0, "{name}: {summary:?}");
            let factor = 10_f64.powi(-(summary.restored as i32));
            let now = f64::from(f32::from_bits(words[state::RATE_FACTOR]));
            assert!((now / factor - 1.0).abs() < 1e-5, "{name}: factor {now}, not {factor}");
            assert_eq!(summary.steps + summary.skipped, 48);
            let (skipped, restored) = history.iter().fold((0, 0), |(s, r), epoch: &EpochRecord| {
                (
                    s + epoch.members[m].skipped as u64,
                    r + epoch.members[m].restored as u64,
                )
            });
            assert_eq!(
                (skipped, restored),
                (summary.skipped, summary.restored),
                "{name}: the history's counts"
            );
        }
        let images = rings(20, 7, IMAGE).images;
        assert_valid(&predictions(&device, &tiny(), &mut trainer, &images), "after a return");
    }
}

#[test]
fn a_training_interrupted_among_skipped_steps_ends_with_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint.safetensors");
    let data = || labels(|i, y| *y = if i % 6 == 0 { f64::NAN } else { *y });
    let options = options(0..2, 2);
    for device in devices() {
        let new = || Trainer::new(&device, &tiny(), data(), &options, None).unwrap();
        let mut stopped = new();
        while stopped.state().logged.iter().flatten().all(|v| v.is_finite()) {
            stopped.epoch(&mut |_| ControlFlow::Break(())).unwrap();
        }
        stopped.checkpoint().unwrap().write(&path).unwrap();
        let read = Checkpoint::read(&path).unwrap_or_else(|error| panic!("{}: {error:#}", device.name()));
        let logged = |c: &Checkpoint| c.state.logged.iter().map(|row| bits(row)).collect::<Vec<_>>();
        assert_eq!(logged(&read), logged(&stopped.checkpoint().unwrap()));
        let mut resumed = new();
        resumed.restore(read).unwrap();
        finish(&mut resumed);
        let whole = trained(&device, data(), &options).checkpoint().unwrap();
        let resumed = resumed.checkpoint().unwrap();
        assert!(whole.tensors == resumed.tensors, "{}", device.name());
        for (a, b) in whole.state.history.iter().zip(&resumed.state.history) {
            assert_eq!(a.members, b.members);
        }
    }
}

/// A run on a stack of these images: its model, or the error; and all warnings.
fn run(device: &Device, examples: &Examples, epochs: usize) -> (anyhow::Result<Model>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    write_stack(dir.path(), examples, IMAGE);
    let options = RunOptions {
        from: None,
        folds: None,
        simulate: None,
        lensgpu: "test".into(),
        data: data_options(dir.path()),
        training: options([0, 2], epochs),
        network: Network {
            input: vec![],
            layers: vec![],
        },
    };
    let warnings = Mutex::new(Vec::new());
    let listen = |event: Event| {
        if let Event::Warning(message) = event {
            warnings.lock().unwrap().push(message.to_string());
        }
        ControlFlow::Continue(())
    };
    let network = |input: &[usize]| Ok(Network::from_toml(TINY, input)?);
    let outcome = begin(&dir.path().join("run"), options, network, device, &listen);
    let model = outcome.map(|outcome| match outcome {
        RunEnd::Complete { model, .. } => Model::read(&model).unwrap(),
        RunEnd::Stopped | RunEnd::Folds { .. } => unreachable!("nobody stops it"),
    });
    (model.map_err(Into::into), warnings.into_inner().unwrap())
}

/// Predicted radii of other images in the same unit, by way of a catalogue.
fn inferred(device: &Device, model: &Model, examples: &Examples) -> Vec<f64> {
    let dir = tempfile::tempdir().unwrap();
    write_stack(dir.path(), examples, IMAGE);
    let output = dir.path().join("out.csv");
    let options = InferOptions {
        images: ImageFolderOptions {
            require_labels: false,
            ..ImageFolderOptions::new(dir.path())
        },
        output: output.clone(),
        provenance: None,
        member_columns: false,
        truth: None,
        passes: Passes {
            batch: 16,
            all_views: false,
        },
        resume: false,
        shard: None,
    };
    infer(model, device, &options, &ignore_events).unwrap();
    let mut table = csv::Reader::from_path(output).unwrap();
    let column = table
        .headers()
        .unwrap()
        .iter()
        .position(|name| name == "theta_e")
        .unwrap();
    table
        .records()
        .map(|row| row.unwrap()[column].parse().unwrap())
        .collect()
}

fn scaled(factor: f32, count: usize, seed: u64) -> Examples {
    let mut examples = rings(count, seed, IMAGE);
    examples.images.iter_mut().for_each(|v| *v *= factor);
    examples
}

#[test]
fn in_a_run_a_bad_image_among_a_hundred_does_no_harm() {
    const BAD: usize = 42;
    let spoil = |change: fn(usize, &mut f32)| {
        let mut examples = scaled(1e-11, 100, 1);
        let image = &mut examples.images[BAD * VALUES..][..VALUES];
        image.iter_mut().enumerate().for_each(|(i, v)| change(i, v));
        examples
    };
    let cases: [(&str, Examples); 6] = [
        ("a NaN pixel", spoil(|i, v| *v = if i == 50 { f32::NAN } else { *v })),
        (
            "an infinite pixel",
            spoil(|i, v| *v = if i == 50 { f32::INFINITY } else { *v }),
        ),
        ("a pixel of 1e30", spoil(|i, v| *v = if i == 50 { 1e30 } else { *v })),
        ("all pixels NaN", spoil(|_, v| *v = f32::NAN)),
        ("an image of zeros", spoil(|_, v| *v = 0.0)),
        ("an image of 1e30", spoil(|_, v| *v *= 1e30)),
    ];
    for device in devices() {
        for (what, examples) in &cases {
            let (model, warnings) = run(&device, examples, 10);
            let model = model.unwrap_or_else(|error| panic!("{what} on {}: {error:#}", device.name()));
            assert!(model.about.training.members.iter().all(|m| m.skipped == 0), "{what}");
            assert!(
                !warnings.iter().any(|w| w.contains("same prediction")),
                "{what}: {warnings:?}"
            );
            let mut theta_e = inferred(&device, &model, &scaled(1e-11, 30, 7));
            theta_e.sort_by(f64::total_cmp);
            let what = format!("{what} on {}: {theta_e:?}", device.name());
            assert!(distinct(&theta_e) > 24, "equal predictions: {what}");
            assert!(theta_e[25] - theta_e[5] > 0.2, "{what}");
        }
    }
}

#[test]
fn in_a_run_any_unit_and_any_label_end_with_a_model_or_a_clear_error() {
    let bands = |change: fn(usize, &mut f32)| {
        let mut examples = rings(40, 1, IMAGE);
        examples.images.iter_mut().enumerate().for_each(|(i, v)| change(i, v));
        examples
    };
    let labelled = |label: f64| Examples {
        labels: vec![label; 40],
        ..rings(40, 1, IMAGE)
    };
    let mut wide = rings(40, 1, IMAGE);
    wide.labels.iter_mut().step_by(7).for_each(|y| *y *= 1e30);
    let cases = [
        ("1e-12", scaled(1e-12, 40, 1), &[][..]),
        ("1e-30", scaled(1e-30, 40, 1), &[]),
        ("1e30", scaled(1e30, 40, 1), &[]),
        (
            "dead band",
            bands(|i, v| *v = if i % 2 == 0 { 3.0 } else { *v }),
            &["band band1 is constant"],
        ),
        (
            "NaN band",
            bands(|i, v| *v = if i % 2 == 1 { f32::NAN } else { *v }),
            &["band band2 is constant"],
        ),
        ("equal labels", labelled(1.3), &[]),
        ("labels of 1e30", labelled(1e30), &[]),
        ("labels of 1e-30", labelled(1e-30), &[]),
        ("some labels of 1e30", wide, &[]),
    ];
    for device in devices() {
        for (what, examples, warned) in &cases {
            let what = format!("{what} on {}", device.name());
            let (model, warnings) = run(&device, examples, 3);
            let model = model.unwrap_or_else(|error| panic!("{what}: {error:#}"));
            says(&warnings.join("\n"), warned);
            let theta_e = inferred(&device, &model, examples);
            assert!(theta_e.iter().all(|v| v.is_finite()), "{what}: {theta_e:?}");
        }
    }
    let (dead, _) = run(&Device::Cpu, &bands(|_, v| *v = 3.0), 3);
    says(
        &format!("{:#}", dead.unwrap_err()),
        &["every band is constant", "nothing to learn from"],
    );
    let (nan, _) = run(&Device::Cpu, &labelled(f64::NAN), 3);
    says(
        &format!("{:#}", nan.unwrap_err()),
        &["catalogue.csv line 2", "object 0", "'NaN'", "remove it"],
    );
}
