//! Complete trainings of a tiny ensemble on every device: it learns, its members are independent of each other, and a
//! training that was interrupted ends with the same bits.

mod common;

use common::{bits, dataset, devices, finish, options, predictions, rings, tiny, trained};
use lensgpu::device::{Device, Error as DeviceError};
use lensgpu::likelihood::Likelihood;
use lensgpu::nn::{Capacity, Layer, MeanActivation, NetworkPlan, Training};
use lensgpu::nn::{Layout, Network};
use lensgpu::progress::EpochRecord;
use lensgpu::train::checkpoint::Checkpoint;
use lensgpu::train::{Band, Dataset, EpochEnd, Error as TrainError, Examples, TrainOptions, Trainer};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Standard deviation of labels that are uniform from 0.5 to 2.
const SPREAD: f64 = 0.433;

#[test]
fn it_learns_the_rings_and_the_devices_agree_on_the_first_epoch() {
    let first: Vec<EpochRecord> = devices()
        .iter()
        .map(|device| {
            let trainer = trained(device, dataset(200, 50), &options([0, 2], 15));
            let (history, name) = (&trainer.state().history, device.name());
            assert_eq!(history.len(), 15);
            for (before, after) in history[0].members.iter().zip(&history[14].members) {
                let (train, validation) = (after.train_rmse.unwrap(), after.val_rmse.unwrap());
                assert!(validation < 0.35 * SPREAD, "{name}: validation RMSE {validation}");
                assert!(train < 0.6 * SPREAD, "{name}: training RMSE {train}");
                assert!(after.train_nll < before.train_nll, "{name}: {before:?} {after:?}");
                assert_eq!((after.skipped, after.restored), (0, 0));
            }
            history[0].clone()
        })
        .collect();
    for (cpu, software) in first[0].members.iter().zip(&first[1].members) {
        let figures = [
            (cpu.train_nll, software.train_nll),
            (cpu.train_rmse, software.train_rmse),
            (cpu.val_nll, software.val_nll),
            (cpu.val_rmse, software.val_rmse),
            (cpu.gradient_norm, software.gradient_norm),
        ];
        for (a, b) in figures.map(|(a, b)| (a.unwrap(), b.unwrap())) {
            assert!((a - b).abs() < 1e-3 * a.abs().max(1.0), "{cpu:?}\n{software:?}");
        }
    }
}

/// A member's number, and the bits of its weights and statistics.
type Row = (u32, Vec<u32>, Vec<u32>);

fn rows(trainer: &mut Trainer) -> Vec<Row> {
    let members = trainer.members().unwrap();
    let row = |(m, _): &(lensgpu::model::Member, _)| (m.number, bits(&m.params), bits(&m.stats));
    members.iter().map(row).collect()
}

#[test]
fn a_member_is_the_same_alone_and_in_an_ensemble() {
    for device in devices() {
        let train = |members: &[u32]| {
            let options = options(members.iter().copied(), 2);
            assert!(options.augment);
            rows(&mut trained(&device, dataset(63, 20), &options))
        };
        let (together, alone) = (train(&[0, 1, 2]), train(&[2]));
        assert_eq!(alone, together[2..], "{}", device.name());
        assert_ne!(together[0].1, together[1].1, "members differ");
    }
}

#[test]
fn members_do_not_depend_on_the_number_of_waves() {
    let limited = |members: u32| {
        let Ok(Device::Gpu(mut gpu)) = Device::choose("software") else {
            panic!("there is no software adapter: see the other tests");
        };
        let limits = &mut Arc::get_mut(&mut gpu).unwrap().limits;
        limits.max_compute_workgroups_per_dimension = limits.max_compute_workgroups_per_dimension.min(members);
        Device::Gpu(gpu)
    };
    let plan = training_plan(&tiny());
    let dispatches = |device: &Device| device.engine(&plan, 5).unwrap().dispatches();
    let (one, three) = (limited(5), limited(2));
    assert_eq!(dispatches(&three), 3 * dispatches(&one), "waves of 2, 2 and 1");
    let train = |device: &Device| rows(&mut trained(device, dataset(43, 10), &options(0..5, 2)));
    assert_eq!(train(&one), train(&three));
}

#[test]
fn a_device_that_is_short_of_memory_gets_smaller_waves() {
    let with = |memory: u64| {
        let Ok(Device::Gpu(mut gpu)) = Device::choose("software") else {
            panic!("there is no software adapter: see the other tests");
        };
        Arc::get_mut(&mut gpu).unwrap().memory = memory;
        Trainer::new(&Device::Gpu(gpu), &tiny(), dataset(43, 10), &options(0..5, 2), None)
    };
    let mut whole = with(u64::MAX).unwrap();
    // What one wave of all members takes, and one byte less.
    let mut halves = with(whole.bytes() - 1).unwrap();
    assert!(halves.bytes() < whole.bytes());
    finish(&mut whole);
    finish(&mut halves);
    assert_eq!(rows(&mut whole), rows(&mut halves));

    let Err(TrainError::Device(error)) = with(1000) else {
        panic!("nothing fits in 1000 bytes");
    };
    assert!(matches!(error, DeviceError::OutOfMemory { .. }), "{error}");
}

/// The result of a training: its state, bit for bit, and its history without durations.
fn outcome(trainer: &mut Trainer) -> (Checkpoint, Vec<Row>) {
    let mut checkpoint = trainer.checkpoint().unwrap();
    checkpoint
        .state
        .history
        .iter_mut()
        .for_each(|epoch| epoch.seconds = 0.0);
    (checkpoint, rows(trainer))
}

/// Interrupts a training at the first progress report, and continues from the checkpoint file in a new trainer; `stops`
/// times.
fn interrupted(device: &Device, options: &TrainOptions, pool: Option<usize>, stops: usize) -> Trainer {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint.safetensors");
    let new = || Trainer::new(device, &tiny(), dataset(100, 20), options, pool).unwrap();
    let mut trainer = new();
    let mut within = 0;
    for _ in 0..stops {
        let ended = trainer.epoch(&mut |_| ControlFlow::Break(())).unwrap();
        assert!(matches!(ended, EpochEnd::Interrupted));
        within += usize::from(trainer.state().step > 0);
        trainer.checkpoint().unwrap().write(&path).unwrap();
        trainer = new();
        trainer.restore(Checkpoint::read(&path).unwrap()).unwrap();
    }
    assert!(within > 0, "{}: no stop was within a shard", device.name());
    finish(&mut trainer);
    trainer
}

#[test]
fn a_training_resumed_from_a_file_ends_with_the_same_bits() {
    for device in devices() {
        for (pool, stops) in [(None, 3), (Some(35), 4)] {
            let options = options([0, 3], 2);
            let mut whole = Trainer::new(&device, &tiny(), dataset(100, 20), &options, pool).unwrap();
            finish(&mut whole);
            let (whole, stopped) = (
                outcome(&mut whole),
                outcome(&mut interrupted(&device, &options, pool, stops)),
            );
            assert_eq!(whole.0.state, stopped.0.state, "{} {pool:?}", device.name());
            assert!(whole == stopped, "{} {pool:?}: other weights", device.name());
        }
    }
}

/// Every technique switched on.
fn all_on(members: impl IntoIterator<Item = u32>, epochs: usize) -> TrainOptions {
    TrainOptions {
        adversarial: 0.01,
        beta_nll: 0.5,
        warm_up_mean: 1,
        shift: 1,
        noise: 0.1,
        warm_up: 5,
        weight_decay: 1e-3,
        ema: 0.8,
        patience: 3,
        ..options(members, epochs)
    }
}

/// With bands, whose masked pixels are 0.
fn masked_dataset(train: usize, validation: usize) -> Dataset {
    let band = Band {
        masked: 0.0,
        sky_noise: 1.0,
        range: 10.0,
    };
    Dataset {
        bands: vec![band; 2],
        ..dataset(train, validation)
    }
}

#[test]
fn with_every_technique_it_learns_and_a_resumed_training_ends_with_the_same_bits() {
    for device in devices() {
        let new = || Trainer::new(&device, &tiny(), masked_dataset(100, 20), &all_on([0, 3], 3), Some(60)).unwrap();
        let mut whole = new();
        finish(&mut whole);
        let mut stopped = new();
        for _ in 0..3 {
            stopped.epoch(&mut |_| ControlFlow::Break(())).unwrap();
            let checkpoint = stopped.checkpoint().unwrap();
            stopped = new();
            stopped.restore(checkpoint).unwrap();
        }
        finish(&mut stopped);
        assert!(outcome(&mut whole) == outcome(&mut stopped), "{}", device.name());
    }
    let mut trainer = Trainer::new(&Device::Cpu, &tiny(), masked_dataset(200, 50), &all_on([0], 25), None).unwrap();
    finish(&mut trainer);
    let best = trainer.state().best[0].unwrap();
    assert!(best.rmse < 0.5 * SPREAD, "{best:?}");
}

#[test]
fn with_every_technique_a_member_is_the_same_alone_and_in_an_ensemble() {
    for device in devices() {
        let train = |members: &[u32]| {
            let options = all_on(members.iter().copied(), 3);
            let mut trainer = Trainer::new(&device, &tiny(), masked_dataset(63, 20), &options, None).unwrap();
            finish(&mut trainer);
            rows(&mut trainer)
        };
        let (together, alone) = (train(&[0, 1, 2]), train(&[2]));
        assert_eq!(alone, together[2..], "{}", device.name());
    }
}

#[test]
fn early_stopping_freezes_a_member_and_does_not_affect_the_others() {
    for device in devices() {
        let train = |patience: usize| {
            let options = TrainOptions {
                patience,
                ..options(0..4, 30)
            };
            trained(&device, dataset(60, 20), &options)
        };
        let (mut long, mut early) = (train(0), train(2));
        let stopped = early.state().stopped.clone();
        let last = early.state().epoch;
        assert!(stopped.contains(&true), "choose other numbers");
        assert!(last == 30 || stopped.iter().all(|over| *over));
        let (long_history, history) = (&long.state().history, &early.state().history);
        for (m, &stopped) in stopped.iter().enumerate() {
            let best = early.state().best[m].unwrap();
            for (epoch, (a, b)) in long_history.iter().zip(history).enumerate() {
                let frozen = epoch + 1 > best.epoch + 2 && stopped;
                let (a, b) = (&a.members[m], &b.members[m]);
                // Its predictions stay as they were when it stopped, and it takes no steps.
                let ended = &history[(best.epoch + 1).min(history.len() - 1)].members[m];
                match frozen {
                    false => assert_eq!(
                        (a.val_nll, a.train_nll),
                        (b.val_nll, b.train_nll),
                        "member {m}, epoch {epoch}"
                    ),
                    true => assert_eq!(
                        (b.val_nll, b.train_nll),
                        (ended.val_nll, None),
                        "member {m}, epoch {epoch}"
                    ),
                }
            }
        }
        let (long_rows, rows) = (rows(&mut long), rows(&mut early));
        for m in 0..4 {
            let same_best = long.state().best[m] == early.state().best[m];
            assert_eq!(long_rows[m] == rows[m], same_best, "{}: member {m}", device.name());
        }
    }
}

#[test]
fn every_likelihood_learns_the_rings_with_correct_uncertainties() {
    for likelihood in [Likelihood::StudentT, Likelihood::LogNormal] {
        // A log-normal takes a mean of either sign; an absolute one would become a bounded one.
        let mut network = tiny();
        if let Some(Layer::Heads(heads)) = network.layers.last_mut() {
            heads.mean_activation = MeanActivation::Identity;
        }
        let network = network.with_likelihood(likelihood);
        let mut data = dataset(200, 50);
        if likelihood == Likelihood::LogNormal {
            (data.scale, data.shift) = (0.38, 0.15);
        }
        let (scale, shift) = (data.scale, data.shift);
        let mut trainer = Trainer::new(&Device::Cpu, &network, data, &options([0, 2], 20), None).unwrap();
        finish(&mut trainer);
        let held_out = rings(100, 9, common::IMAGE);
        let predictions = predictions(&Device::Cpu, &network, &mut trainer, &held_out.images);
        for (m, best) in trainer.state().best.iter().map(|best| best.unwrap()).enumerate() {
            assert!(best.rmse < 0.4 * SPREAD, "{likelihood:?}: {best:?}");
            // Both are -ln p in arcsec; the training mean lags a little behind, and a single epoch scatters by 0.2.
            let epochs = trainer.state().history.iter().rev().take(5);
            let lag = epochs.map(|epoch| epoch.members[m].train_nll.unwrap() - epoch.members[m].val_nll.unwrap());
            let lag = lag.sum::<f64>() / 5.0;
            assert!(lag.abs() < 1.0, "{likelihood:?}: {lag}");
            let predictions = predictions.iter().map(|a| a.in_units(scale, shift));
            let within = predictions
                .zip(&held_out.labels)
                .filter(|(a, y)| (a.mu[m] - **y).abs() < 2.0 * a.var[m].sqrt());
            let within = within.count();
            assert!(
                (80..=100).contains(&within),
                "{likelihood:?}: {within} of 100 within two sigma"
            );
        }
    }
}

#[test]
fn predictions_in_all_views_are_averages_over_the_views() {
    use lensgpu::model::Ensemble;
    for (shape, codes) in [([12, 11, 2], 4), ([12, 12, 2], 8)] {
        let network = Network::from_toml(common::TINY, &shape).unwrap();
        let data = Dataset {
            train: rings(40, 1, shape),
            validation: rings(10, 2, shape),
            ..dataset(2, 2)
        };
        let mut trainer = Trainer::new(&Device::Cpu, &network, data, &options([0, 1], 1), None).unwrap();
        finish(&mut trainer);
        let members: Vec<_> = trainer
            .members()
            .unwrap()
            .into_iter()
            .map(|(member, _)| member)
            .collect();
        let images = rings(5, 3, shape).images;
        let mut plain = Ensemble::of_members(&Device::Cpu, &network, &members, 3).unwrap();
        let [h, w, c] = shape;
        let turned = |code: usize| -> Vec<f32> {
            let pixel = |at: usize| {
                let (image, i, j, c_at) = (at / (h * w * c), at / (w * c) % h, at / c % w, at % c);
                let (i, j) = if code & 4 != 0 { (j, i) } else { (i, j) };
                let i = if code & 2 != 0 { h - 1 - i } else { i };
                let j = if code & 1 != 0 { w - 1 - j } else { j };
                images[((image * h + i) * w + j) * c + c_at]
            };
            (0..images.len()).map(pixel).collect()
        };
        let views: Vec<_> = (0..codes).map(|code| plain.predict(&turned(code)).unwrap()).collect();
        let mut all = Ensemble::of_members(&Device::Cpu, &network, &members, 3)
            .unwrap()
            .in_all_views();
        for (n, prediction) in all.predict(&images).unwrap().iter().enumerate() {
            for m in 0..2 {
                let mean = |value: fn(&lensgpu::posterior::MemberPredictions, usize) -> f64| {
                    views.iter().map(|view| value(&view[n], m)).sum::<f64>() / codes as f64
                };
                assert!((prediction.mu[m] - mean(|a, m| a.mu[m])).abs() < 1e-12);
                assert!((prediction.var[m] - mean(|a, m| a.var[m])).abs() < 1e-12);
            }
        }
    }
}

#[test]
fn a_checkpoint_of_other_data_or_another_ensemble_is_refused() {
    let device = Device::Cpu;
    let new = |data, options: &TrainOptions| Trainer::new(&device, &tiny(), data, options, None).unwrap();
    let checkpoint = new(dataset(20, 5), &options(0..2, 1)).checkpoint().unwrap();
    let refused = |mut trainer: Trainer| format!("{:#}", trainer.restore(checkpoint.clone()).unwrap_err());
    let other = Dataset {
        fingerprint: 2,
        ..dataset(20, 5)
    };
    common::says(
        &refused(new(other, &options(0..2, 1))),
        &["not those", "restore the data"],
    );
    common::says(
        &refused(new(dataset(20, 5), &options(0..3, 1))),
        &["does not fit this network"],
    );
}

#[test]
fn with_several_shards_every_row_is_trained_on() {
    for device in devices() {
        // Four shards of 25 rows: five steps of 5 each, so no row is left out.
        let options = TrainOptions {
            batch: 5,
            ..options(0..2, 1)
        };
        let train = |poisoned: Option<usize>| {
            let mut data = dataset(100, 20);
            if let Some(row) = poisoned {
                data.train.labels[row] = f64::NAN;
            }
            let mut trainer = Trainer::new(&device, &tiny(), data, &options, Some(30)).unwrap();
            assert_eq!(trainer.steps(), 20);
            finish(&mut trainer);
            trainer.state().history[0]
                .members
                .iter()
                .map(|m| m.skipped)
                .collect::<Vec<_>>()
        };
        assert_eq!(train(None), [0, 0]);
        // A NaN label makes its step be skipped, which shows that the row was used.
        for row in [0, 33, 50, 99] {
            assert_eq!(train(Some(row)), [1, 1], "{}: row {row}", device.name());
        }
    }
}

#[test]
fn it_learns_with_several_shards() {
    for device in devices() {
        let mut trainer = Trainer::new(&device, &tiny(), dataset(200, 50), &options([2], 15), Some(70)).unwrap();
        finish(&mut trainer);
        let rmse = trainer.state().history[14].members[0].val_rmse.unwrap();
        assert!(rmse < 0.35 * SPREAD, "{}: {rmse}", device.name());
    }
}

#[test]
fn a_network_of_dense_layers_learns_a_cubic_from_a_table() {
    let text = "
        layers = [
            { layer = 'dense', name = 'a', units = 32, activation = 'relu' },
            { layer = 'dense', name = 'b', units = 16, activation = 'relu' },
            { layer = 'heads', mean = 'mean', var = 'var', mean_activation = 'identity' },
        ]";
    let network = Network::from_toml(text, &[1]).unwrap();
    let cubic = |n: usize, shift: f64| {
        let xs: Vec<f64> = (0..n).map(|i| -1.5 + 3.0 * ((i as f64 + shift) / n as f64)).collect();
        Examples {
            images: xs.iter().map(|&x| x as f32).collect(),
            labels: xs.iter().map(|x| 10.0 + x.powi(3)).collect(),
        }
    };
    for device in devices() {
        let data = Dataset {
            train: cubic(200, 0.0),
            validation: cubic(40, 0.5),
            bands: vec![],
            scale: 1.3,
            shift: 10.0,
            fingerprint: 0,
        };
        let mut trainer = Trainer::new(&device, &network, data, &options(0..2, 40), None).unwrap();
        finish(&mut trainer);
        let held_out = cubic(20, 0.25);
        let predictions = predictions(&device, &network, &mut trainer, &held_out.images);
        for (prediction, y) in predictions.iter().zip(&held_out.labels) {
            let prediction = prediction.in_units(1.3, 10.0);
            let error = (0.5 * (prediction.mu[0] + prediction.mu[1]) - y).abs();
            assert!(error < 0.5, "{}: {y} off by {error}", device.name());
            assert!(prediction.var.iter().all(|&v| v > 0.0));
        }
    }
}

/// The example networks of assets/networks: they learn on both devices, which agree, and a member does not depend on the
/// others.
#[test]
fn the_residual_networks_train_on_every_device() {
    for (text, image) in [
        (include_str!("../assets/networks/residual55.toml"), [55, 55, 3]),
        (include_str!("../assets/networks/residual101.toml"), [101, 101, 1]),
    ] {
        let network = Network::from_toml(text, &image).unwrap();
        let train = |device: &Device, members: &[u32]| {
            let data = Dataset {
                train: rings(80, 1, image),
                validation: rings(20, 2, image),
                ..dataset(1, 1)
            };
            // At higher rates, training amplifies the rounding of the first steps beyond what is compared below.
            let options = TrainOptions {
                learning_rate: 1e-4,
                final_rate: 1e-5,
                ..options(members.iter().copied(), 3)
            };
            let mut trainer = Trainer::new(device, &network, data, &options, None).unwrap();
            finish(&mut trainer);
            trainer
        };
        let mut first = Vec::new();
        for device in devices() {
            let mut trainer = train(&device, &[1, 2]);
            let (history, name) = (trainer.state().history.clone(), device.name());
            for (before, after) in history[0].members.iter().zip(&history[2].members) {
                assert!(after.train_nll < before.train_nll, "{name}: {before:?} {after:?}");
                assert_eq!((after.skipped, after.restored), (0, 0));
            }
            assert_eq!(rows(&mut train(&device, &[2])), rows(&mut trainer)[1..], "{name}");
            first.push(history[0].clone());
        }
        for (cpu, software) in first[0].members.iter().zip(&first[1].members) {
            let (a, b) = (cpu.train_nll.unwrap(), software.train_nll.unwrap());
            assert!((a - b).abs() < 1e-3 * a.abs().max(1.0), "{cpu:?}\n{software:?}");
        }
    }
}

fn training_plan(network: &Network) -> NetworkPlan {
    let layout = Layout::new(network).unwrap();
    let capacity = Capacity { pool: 40, steps: 4 };
    NetworkPlan::training(network, &layout, &Training::new(10, capacity)).unwrap()
}

#[test]
fn the_dispatches_of_a_step_do_not_depend_on_the_number_of_members() {
    let software = Device::choose("software").unwrap_or_else(|error| panic!("{error:#}"));
    let network = tiny();
    let inference = NetworkPlan::inference(&network, &Layout::new(&network).unwrap(), 10).unwrap();
    for plan in [training_plan(&network), inference] {
        let [one, five, twenty] = [1, 5, 20].map(|members| software.engine(&plan, members).unwrap().dispatches());
        assert_eq!((one, one), (five, twenty));
        assert!(
            one >= plan.ops.len(),
            "{one} dispatches for {} operations",
            plan.ops.len()
        );
    }
}

#[test]
fn too_few_rows_and_a_pool_smaller_than_a_batch_are_refused() {
    let error = |rows, pool| {
        let data = Dataset {
            train: rings(rows, 1, common::IMAGE),
            ..dataset(2, 2)
        };
        let trainer = Trainer::new(&Device::Cpu, &tiny(), data, &options([0], 1), pool);
        format!("{:#}", trainer.err().expect("an error"))
    };
    common::says(&error(1, None), &["1 rows", "at least 2"]);
    common::says(&error(40, Some(5)), &["holds 5 images", "a batch is 10", "smaller"]);
}
