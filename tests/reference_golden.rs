//! The f64 reference against recorded Keras steps: assets/golden and, where `LENSGPU_GOLDEN_DIR` names a folder, every
//! recording in it.

mod reference;

use lensgpu::diagnose::recording::{Kind, Recording};
use reference::compare::{assert_close, largest_error};
use reference::recording::{bytes, replay};
use std::path::Path;

/// Both sides are float64, the files rounded to float32: far inside what float32 kernels are allowed. Seen at most:
/// 8e-8 on outputs, gradients and statistics, 2.2e-6 on the adversarial gradients, 5.7e-5 on Adam's losses, and
/// 0.6 % of the learning rate on the weights after Adam.
fn check(path: &Path) {
    let recording = Recording::read(path).unwrap();
    let replay = replay(&recording);
    assert!(
        recording.unknown.is_empty(),
        "{}: {:?}",
        path.display(),
        recording.unknown
    );
    for entry in recording.entries.iter().filter(|entry| entry.kind != Kind::Given) {
        let what = format!("{}: {}", path.display(), entry.name);
        let want = recording
            .values
            .get(&entry.name)
            .unwrap_or_else(|| panic!("{what} is missing"));
        let got = replay
            .get(&entry.name)
            .unwrap_or_else(|| panic!("{what} is not computed"));
        match entry.kind {
            Kind::Loss => assert_close(&what, got, want, 3e-4),
            Kind::Weight { .. } => {
                let error = largest_error(got, want) / f64::from(recording.learning_rate);
                assert!(error < 0.01, "{what}: off by {error:.4} of the learning rate");
            }
            Kind::AdversarialGradient => assert_close(&what, got, want, 1e-5),
            // A wrong sign in adversarial.x is far outside this too.
            _ => assert_close(&what, got, want, 5e-7),
        }
    }
}

fn golden(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/golden").join(name)
}

#[test]
fn an_odd_shaped_network_is_as_keras_has_it() {
    check(&golden("keras_small_m3_b5.safetensors"));
}

#[test]
fn a_dense_network_is_as_keras_has_it() {
    check(&golden("keras_mlp_m5_b10.safetensors"));
}

#[test]
fn the_vanilla_layers_give_what_was_written() {
    check(&golden("vanilla_cutout_m2_b8.safetensors"));
}

#[test]
fn a_residual_network_is_as_keras_has_it() {
    check(&golden("residual_m2_b6.safetensors"));
}

/// Every layer that the other recordings do not have: benches/keras/layers.toml.
#[test]
fn every_other_layer_is_as_keras_has_it() {
    check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden/layers_m3_b5.safetensors"));
}

#[test]
fn recordings_of_a_folder_of_ones_own() {
    let Ok(folder) = std::env::var("LENSGPU_GOLDEN_DIR") else {
        return;
    };
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "safetensors") {
            check(&path);
        }
    }
}

/// Pixels a side of the cut recording, at its input and in front of its dense layers.
const SIDE: usize = 25;
const POOLED: usize = 3;

/// A vanilla recording is 7 MB, most of it one dense kernel. This cuts the centre out of one: its images, its
/// layers, and of the dense kernel the rows that belong to the central pixels; the reference gives the rest.
#[test]
#[ignore = "writes assets/golden/vanilla_cutout_m2_b8.safetensors from keras_vanilla_m2_b8 in LENSGPU_GOLDEN_DIR"]
fn cut_the_vanilla_recording() {
    let folder = std::env::var("LENSGPU_GOLDEN_DIR").expect("the folder of keras_vanilla_m2_b8.safetensors");
    let whole = Recording::read(&Path::new(&folder).join("keras_vanilla_m2_b8.safetensors")).unwrap();
    let mut metadata = whole.metadata.clone();
    metadata.insert(
        "network".into(),
        metadata["network"].replace("[55, 55, 3]", &format!("[{SIDE}, {SIDE}, 3]")),
    );
    metadata.insert(
        "note".into(),
        "Cut from keras_vanilla_m2_b8: the central 25x25 pixels of its images and the central rows of dense1. Not \
         recorded from Keras: computed by the f64 reference, which agrees with the whole recording. \
         keras_float32_error is that of the whole recording."
            .into(),
    );
    let mut cut = Recording::new(metadata).unwrap();
    for entry in cut.entries.iter().filter(|entry| entry.kind == Kind::Given) {
        cut.values.insert(entry.name.clone(), whole.values[&entry.name].clone());
    }

    let (images, side) = (whole.members * whole.batch, whole.network.input[0]);
    let x = keep_centre(&whole.values["x"], [images, side, side, whole.network.input[2]], SIDE);
    cut.values.insert("x".into(), x);
    let (channels, units) = (whole.values["conv2.bias"].len(), whole.values["dense1.bias"].len());
    let (channels, units) = (channels / whole.members, units / whole.members);
    let side = (whole.layout.param("dense1", "kernel").shape[0] / channels).isqrt();
    let kernel = keep_centre(
        &whole.values["dense1.kernel"],
        [whole.members, side, side, channels * units],
        POOLED,
    );
    cut.values.insert("dense1.kernel".into(), kernel);

    // The adversarial gradients are those at the perturbed images as they are stored, in float32.
    for (name, values) in replay(&cut) {
        cut.values.insert(name, values.iter().map(|v| *v as f32).collect());
    }
    std::fs::write(golden("vanilla_cutout_m2_b8.safetensors"), bytes(&cut)).unwrap();
}

/// The central `side` x `side` of the two middle axes.
fn keep_centre(values: &[f32], [n, h, w, c]: [usize; 4], side: usize) -> Vec<f32> {
    let (top, left) = ((h - side) / 2, (w - side) / 2);
    let row = |n: usize, i: usize| &values[((n * h + top + i) * w + left) * c..][..side * c];
    (0..n)
        .flat_map(|n| (0..side).flat_map(move |i| row(n, i).to_vec()))
        .collect()
}
