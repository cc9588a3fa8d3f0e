//! The f64 reference against recorded Keras steps: tests/data/golden and, where `LENSGPU_GOLDEN_DIR` names a folder,
//! every recording in it.

mod reference;

use reference::compare::{assert_close, largest_error};
use reference::recording::{Array, Recording};
use std::path::Path;

/// Both sides are float64, the files rounded to float32: far inside what float32 kernels are allowed. Seen at most:
/// 8e-8 on outputs, gradients and statistics, 2.2e-6 on the adversarial gradients, 5.7e-5 on Adam's losses, and
/// 0.6 % of the learning rate on the weights after Adam.
fn check(path: &Path) {
    let recording = Recording::read(path);
    let replay = recording.replay();
    let names = |arrays: &reference::recording::Arrays| arrays.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&recording.arrays),
        names(&replay),
        "{}: names of tensors",
        path.display()
    );
    for (name, want) in &recording.arrays {
        let got = &replay[name];
        assert_eq!(got.shape, want.shape, "{name}");
        let what = format!("{}: {name}", path.display());
        match name.split('.').collect::<Vec<_>>()[..] {
            ["adam1" | "adam2" | "adam3", "loss"] => assert_close(&what, &got.values, &want.values, 3e-4),
            ["adam1" | "adam3", ..] => {
                let error = largest_error(&got.values, &want.values) / f64::from(recording.learning_rate());
                assert!(error < 0.01, "{what}: off by {error:.4} of the learning rate");
            }
            ["adversarial", "grad", ..] => assert_close(&what, &got.values, &want.values, 1e-5),
            // A wrong sign in adversarial.x is far outside this too.
            _ => assert_close(&what, &got.values, &want.values, 5e-7),
        }
    }
}

fn golden(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/golden")
        .join(name)
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
#[ignore = "writes tests/data/golden/vanilla_cutout_m2_b8.safetensors from keras_vanilla_m2_b8 in LENSGPU_GOLDEN_DIR"]
fn cut_the_vanilla_recording() {
    let folder = std::env::var("LENSGPU_GOLDEN_DIR").expect("the folder of keras_vanilla_m2_b8.safetensors");
    let Recording {
        mut metadata,
        mut arrays,
    } = Recording::read(&Path::new(&folder).join("keras_vanilla_m2_b8.safetensors"));
    arrays.retain(|name, _| {
        !["infer", "train", "grad", "adversarial", "adam"]
            .iter()
            .any(|p| name.starts_with(p))
    });
    let x = &arrays["x"];
    let start = (x.shape[2] - SIDE) / 2;
    let x = keep_range(&keep_range(x, 2, start, SIDE), 3, start, SIDE);
    arrays.insert("x".into(), x);

    let Array { shape, values } = arrays.remove("dense1.kernel").unwrap();
    let channels = arrays["conv2.bias"].shape[1];
    let side = (shape[1] / channels).isqrt();
    let kernel = Array {
        shape: vec![shape[0], side, side, channels * shape[2]],
        values,
    };
    let start = (side - POOLED) / 2;
    let kernel = keep_range(&keep_range(&kernel, 1, start, POOLED), 2, start, POOLED);
    let rows = POOLED * POOLED * channels;
    arrays.insert(
        "dense1.kernel".into(),
        Array {
            shape: vec![shape[0], rows, shape[2]],
            values: kernel.values,
        },
    );

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
    let mut cut = Recording { metadata, arrays };
    // The adversarial gradients are those at the perturbed images as they are stored, in float32.
    cut.arrays = cut.replay();
    cut.write(&golden("vanilla_cutout_m2_b8.safetensors"));
}

/// `len` entries of one axis, from `start` on.
fn keep_range(array: &Array, axis: usize, start: usize, len: usize) -> Array {
    let inner: usize = array.shape[axis + 1..].iter().product();
    let block = array.shape[axis] * inner;
    let kept = array
        .values
        .chunks(block)
        .flat_map(|b| &b[start * inner..(start + len) * inner])
        .copied()
        .collect();
    let mut shape = array.shape.clone();
    shape[axis] = len;
    Array { shape, values: kept }
}
