//! Running statistics and moving average of a member that returned to its last good weights: they are those that were
//! kept with the weights, and the correction for their initial values stays right afterwards.

mod common;

use common::{IMAGE, bits, devices, finish, rings, tiny};
use lensgpu::device::Device;
use lensgpu::nn::Layout;
use lensgpu::plan::state;
use lensgpu::train::checkpoint::Checkpoint;
use lensgpu::train::{Dataset, EpochEnd, Examples, Recipe, TrainOptions, Trainer};
use std::ops::ControlFlow;

const ROWS: usize = 12;
/// Steps between two times at which good weights are kept, and bad steps in a row after which a member returns to them.
const KEEP_EVERY: usize = 25;
const PATIENCE: usize = 5;

/// Every epoch is one step, whose batch holds all images; in the epochs `bad` (from, to) the labels are NaN. The learning rate is so
/// low that the weights stay as they are, so every step has the same batch statistics.
fn trainer(device: &Device, epochs: usize, ema: f32, bad: &'static [[usize; 2]]) -> Trainer {
    let images = rings(ROWS, 1, IMAGE);
    let data = Dataset {
        train: images.clone(),
        validation: Examples::default(),
        bands: vec![],
        scale: 0.433,
        shift: 0.0,
        fingerprint: 1,
    };
    let options = TrainOptions {
        members: vec![0, 3],
        batch: ROWS,
        epochs,
        learning_rate: 1e-30,
        final_rate: 1e-30,
        augment: false,
        ema,
        ..Recipe::Vanilla.options()
    };
    let mut trainer = Trainer::new(device, &tiny(), data, &options, None).unwrap();
    trainer.renew_images(Box::new(move |epoch| {
        let mut images = images.clone();
        if bad.iter().any(|&[from, to]| (from..to).contains(&epoch)) {
            images.labels.fill(f64::NAN);
        }
        Ok(images)
    }));
    trainer
}

fn train_epochs(trainer: &mut Trainer, epochs: usize) {
    for _ in 0..epochs {
        let end = trainer.epoch(&mut |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(end, EpochEnd::Complete);
    }
}

/// Running statistics of all members, without padding.
fn statistics(values: &[f32]) -> Vec<f32> {
    let layout = Layout::new(&tiny()).unwrap();
    let rows = values.chunks_exact(layout.stat_stride);
    rows.flat_map(|row| layout.stats.iter().flat_map(|p| &row[p.offset..][..p.len()]))
        .copied()
        .collect()
}

fn raw(checkpoint: &Checkpoint) -> Vec<f32> {
    statistics(bytemuck::cast_slice(&checkpoint.tensors["stats"]))
}

/// As the model would have them.
fn corrected(trainer: &mut Trainer) -> Vec<f32> {
    let members = trainer.members().unwrap();
    statistics(
        &members
            .iter()
            .flat_map(|(member, _)| member.stats.clone())
            .collect::<Vec<_>>(),
    )
}

fn restored(checkpoint: &Checkpoint) -> Vec<u32> {
    let words = checkpoint.tensors["state"].chunks_exact(state::WORDS);
    words.map(|words| words[state::RESTORED]).collect()
}

/// Fails unless all are equal within rounding, which the correction magnifies.
#[track_caller]
fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() < 1e-3 * b.abs().max(1.0), "{what}: {a} instead of {b}");
    }
}

#[test]
fn a_member_that_recovers_gets_the_statistics_and_the_average_that_were_kept_with_its_weights() {
    for device in devices() {
        let mut trainer = trainer(&device, 100, 0.9, &[[30, 35]]);
        train_epochs(&mut trainer, KEEP_EVERY);
        let kept = trainer.checkpoint().unwrap();
        train_epochs(&mut trainer, 30 - KEEP_EVERY);
        let later = trainer.checkpoint().unwrap();
        for name in ["stats", "average"] {
            assert_ne!(later.tensors[name], kept.tensors[name], "{name} moves on");
        }
        train_epochs(&mut trainer, PATIENCE);
        let recovered = trainer.checkpoint().unwrap();
        assert_eq!(restored(&recovered), [1, 1], "{}", device.name());
        for name in ["params", "stats", "average"] {
            assert_eq!(recovered.tensors[name], kept.tensors[name], "{}: {name}", device.name());
        }
    }
}

#[test]
fn after_a_recovery_the_initial_values_are_still_removed_from_the_statistics() {
    for device in devices() {
        for ema in [0.0, 0.9] {
            let mut undisturbed = trainer(&device, 60, ema, &[]);
            finish(&mut undisturbed);
            let expected = corrected(&mut undisturbed);
            // Before any weights were kept, after they were, twice in a row, and at the very end.
            let cases: [&[[usize; 2]]; 5] = [&[[4, 9]], &[[30, 35]], &[[30, 40]], &[[4, 9], [45, 50]], &[[55, 60]]];
            for bad in cases {
                let what = format!("{}, ema {ema}, bad steps {bad:?}", device.name());
                let recoveries = bad.iter().map(|[from, to]| (to - from) / PATIENCE).sum::<usize>() as u32;
                let mut trainer = trainer(&device, 60, ema, bad);
                finish(&mut trainer);
                assert_eq!(restored(&trainer.checkpoint().unwrap()), [recoveries; 2], "{what}");
                assert_close(&corrected(&mut trainer), &expected, &what);
            }
        }
    }
}

#[test]
fn a_member_that_recovers_to_where_it_began_has_the_initial_statistics() {
    for device in devices() {
        for ema in [0.0, 0.9] {
            let mut trainer = trainer(&device, 9, ema, &[[4, 9]]);
            let initial = raw(&trainer.checkpoint().unwrap());
            finish(&mut trainer);
            assert_eq!(
                bits(&corrected(&mut trainer)),
                bits(&initial),
                "{}, ema {ema}",
                device.name()
            );
        }
    }
}

#[test]
fn a_run_that_is_resumed_after_a_recovery_ends_with_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint.safetensors");
    for device in devices() {
        let new = || trainer(&device, 45, 0.9, &[[4, 9], [30, 35]]);
        let mut whole = new();
        finish(&mut whole);
        let mut first = new();
        train_epochs(&mut first, 37);
        first.checkpoint().unwrap().write(&path).unwrap();
        let mut resumed = new();
        resumed.restore(Checkpoint::read(&path).unwrap()).unwrap();
        finish(&mut resumed);
        assert_eq!(whole.state().initial, resumed.state().initial);
        assert_eq!(
            bits(&corrected(&mut whole)),
            bits(&corrected(&mut resumed)),
            "{}",
            device.name()
        );
    }
}

#[test]
fn the_log_has_the_learning_rate_of_each_member() {
    for device in devices() {
        let mut trainer = trainer(&device, 12, 0.0, &[[4, 9]]);
        // Only the second member sees the bad labels: the first has ended before.
        let mut checkpoint = trainer.checkpoint().unwrap();
        checkpoint.tensors.get_mut("state").unwrap()[state::FROZEN] = 1;
        trainer.restore(checkpoint).unwrap();
        finish(&mut trainer);
        let last = trainer.state().history.last().unwrap();
        let rates: Vec<f64> = last.members.iter().map(|m| m.learning_rate.unwrap()).collect();
        assert_eq!(rates[0], last.learning_rate, "{}: as scheduled", device.name());
        let tenth = f64::from(last.learning_rate as f32 * 0.1);
        assert_eq!(rates[1], tenth, "{}: a tenth after a recovery", device.name());
    }
}
