//! The self test: every device reproduces the embedded recordings, those in tests/data/golden, and all recordings in the
//! folder `LENSGPU_GOLDEN_DIR` (if set), and a defective recording fails with the name of what is wrong.

mod reference;

use lensgpu::device::{Device, Precision};
use lensgpu::diagnose::recording::{Entry, Recording, Role};
use lensgpu::diagnose::selftest::{Comparison, EMBEDDED, selftest};
use reference::recording::bytes;

fn reproduces_recordings(name: &str, precision: Precision) {
    let device = Device::choose(name).and_then(|device| device.with_precision(precision));
    let device = device.unwrap_or_else(|error| panic!("{error:#}"));
    let mut recordings: Vec<(String, Recording)> = EMBEDDED
        .iter()
        .map(|(name, bytes)| (name.to_string(), Recording::from_bytes(bytes).unwrap()))
        .collect();
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/golden").to_string();
    for folder in [Some(beside), std::env::var("LENSGPU_GOLDEN_DIR").ok()]
        .into_iter()
        .flatten()
    {
        let paths = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let paths = paths.filter(|path| path.extension().is_some_and(|e| e == "safetensors"));
        recordings.extend(paths.map(|path| (path.display().to_string(), Recording::read(&path).unwrap())));
    }
    for (name, recording) in &recordings {
        let comparisons = selftest(&device, recording).unwrap();
        let results = recording.entries.iter().filter(|entry| entry.role != Role::Input);
        let names: Vec<&str> = comparisons.iter().map(|c| &c.tensor[..]).collect();
        let together = ["adam1, all weights", "adam3, all weights"];
        let expected: Vec<&str> = results.map(|entry| &entry.name[..]).chain(together).collect();
        assert_eq!(names, expected, "{name}");
        let failed = failed(&comparisons);
        assert!(failed.is_empty(), "{name} on {}: {failed:#?}", device.name());
    }
}

#[test]
fn the_cpu_reproduces_the_recordings() {
    reproduces_recordings("cpu", Precision::F32);
}

#[test]
fn the_software_adapter_reproduces_the_recordings() {
    reproduces_recordings("software", Precision::F32);
}

#[test]
fn in_f16_the_software_adapter_is_near_the_recordings() {
    reproduces_recordings("software", Precision::F16);
}

fn failed(comparisons: &[Comparison]) -> Vec<(&str, &str)> {
    comparisons
        .iter()
        .filter_map(|c| Some((&c.tensor[..], c.problem.as_deref()?)))
        .collect()
}

/// Changes an embedded recording, writes it, reads it and replays it on the CPU: the tensors that fail, and why.
fn failures(name: &str, change: impl Fn(&mut Recording)) -> Vec<(String, String)> {
    let recording = Recording::from_bytes(&changed(name, change)).unwrap();
    let comparisons = selftest(&Device::Cpu, &recording).unwrap();
    failed(&comparisons)
        .into_iter()
        .map(|(tensor, problem)| (tensor.into(), problem.into()))
        .collect()
}

/// Why a changed recording cannot be read.
fn error(name: &str, change: impl Fn(&mut Recording)) -> String {
    let Err(error) = Recording::from_bytes(&changed(name, change)) else {
        panic!("{name} was read")
    };
    format!("{:#}", anyhow::Error::from(error))
}

fn changed(name: &str, change: impl Fn(&mut Recording)) -> Vec<u8> {
    let (_, embedded) = EMBEDDED.iter().find(|(n, _)| *n == name).unwrap();
    let mut recording = Recording::from_bytes(embedded).unwrap();
    change(&mut recording);
    bytes(&recording)
}

fn values<'a>(recording: &'a mut Recording, name: &str) -> &'a mut Vec<f32> {
    recording.values.get_mut(name).unwrap()
}

fn pairs<const N: usize>(failures: [(&str, &str); N]) -> Vec<(String, String)> {
    failures
        .iter()
        .map(|(tensor, problem)| (tensor.to_string(), problem.to_string()))
        .collect()
}

const SMALL: &str = "keras_small_m3_b5";
const MLP: &str = "keras_mlp_m5_b10";
const OUT: &str = "out of tolerance";

#[test]
fn one_altered_value_fails_in_every_tensor() {
    let original = Recording::from_bytes(&changed(SMALL, |_| ())).unwrap();
    for entry in original.entries.iter().filter(|entry| entry.role != Role::Input) {
        // Tensors that are computed from adversarial.x change with it, and all weights are also compared together.
        let alone = entry.role != Role::AdversarialImage;
        let altered = failures(SMALL, |r| {
            let values = values(r, &entry.name);
            let largest = values.iter().fold(0f32, |a, b| a.max(b.abs()));
            *values.last_mut().unwrap() += 0.05 * largest;
        });
        assert!(
            altered.contains(&(entry.name.clone(), OUT.into())),
            "{}: {altered:?}",
            entry.name
        );
        let others = altered
            .iter()
            .filter(|(tensor, _)| tensor != &entry.name && !tensor.ends_with(", all weights"));
        assert!(!alone || others.count() == 0, "{}: {altered:?}", entry.name);
    }
}

#[test]
fn a_few_undefined_signs_pass_and_many_fail() {
    let flipped = |count: usize| {
        failures(MLP, |r| {
            let epsilon = r.fgsm_epsilon;
            values(r, "adversarial.x")
                .iter_mut()
                .take(count)
                .for_each(|v| *v += 2.0 * epsilon);
        })
    };
    // 650 values, of which 3 may differ.
    assert!(!flipped(3).iter().any(|(tensor, _)| tensor == "adversarial.x"));
    assert!(flipped(4).iter().any(|(tensor, _)| tensor == "adversarial.x"));
}

#[test]
fn a_missing_tensor_fails_by_name() {
    for name in [
        "infer.var",
        "grad.conv1.kernel",
        "train.norm2.moving_variance",
        "adam3.mean.bias",
        "adam2.loss",
    ] {
        let missing = failures(SMALL, |r| drop(r.values.remove(name)));
        assert_eq!(missing, pairs([(name, "missing in the file")]));
    }
    let missing = failures(SMALL, |r| drop(r.values.remove("adversarial.x")));
    let dependent = "computed from adversarial.x, which is missing in the file";
    assert_eq!(missing[0], ("adversarial.x".into(), "missing in the file".into()));
    assert!(
        missing.contains(&("adversarial.grad.conv1.bias".into(), dependent.into())),
        "{missing:?}"
    );
    for name in ["x", "y", "conv2.kernel", "norm1.moving_mean"] {
        let message = error(SMALL, |r| drop(r.values.remove(name)));
        assert!(message.contains(&format!("tensor {name} is missing")), "{message}");
    }
}

#[test]
fn an_extra_tensor_fails_by_name() {
    let extra = failures(MLP, |r| {
        r.entries.push(Entry {
            name: "grad.dense2.bias".into(),
            shape: vec![5, 1],
            role: Role::Gradient,
        });
        r.values.insert("grad.dense2.bias".into(), vec![0.0; 5]);
    });
    assert_eq!(
        extra,
        pairs([("grad.dense2.bias", "no tensor of this name is computed")])
    );
}

#[test]
fn a_renamed_layer_fails_by_name() {
    let rename = |r: &mut Recording, from: &str, to: &str| {
        for entry in &mut r.entries {
            if let Some(values) = r.values.remove(&entry.name) {
                entry.name = entry.name.replace(from, to);
                r.values.insert(entry.name.clone(), values);
            }
        }
    };
    let message = error(SMALL, |r| rename(r, "conv2.", "conv9."));
    assert!(message.contains("tensor conv2.kernel is missing"), "{message}");
    let results = failures(MLP, |r| rename(r, "grad.mean.", "grad.mu."));
    for name in ["grad.mean.bias", "adversarial.grad.mean.kernel"] {
        assert!(
            results.contains(&(name.into(), "missing in the file".into())),
            "{results:?}"
        );
    }
    for name in ["grad.mu.bias", "adversarial.grad.mu.kernel"] {
        assert!(
            results.contains(&(name.into(), "no tensor of this name is computed".into())),
            "{results:?}"
        );
    }
}

#[test]
fn an_invalid_tensor_or_metadata_entry_is_named() {
    let nan = error(MLP, |r| values(r, "grad.x")[7] = f32::NAN);
    assert!(
        nan.contains("tensor grad.x has the value NaN at index 7 of 650"),
        "{nan}"
    );
    let shape = error(MLP, |r| {
        r.entries
            .iter_mut()
            .filter(|e| e.name == "train.loss")
            .for_each(|e| e.shape = vec![1, 5]);
    });
    assert!(
        shape.contains("tensor train.loss is F32 [1, 5]") && shape.contains("require F32 [5]"),
        "{shape}"
    );
    let put =
        |key: &'static str, text: &'static str| error(MLP, move |r| drop(r.metadata.insert(key.into(), text.into())));
    let members = put("members", "4");
    assert!(
        members.contains("is F32 [5") && members.contains("require F32 [4"),
        "{members}"
    );
    for (key, text) in [
        ("members", "0"),
        ("batch", "-1"),
        ("batch", "99999999999999999999"),
        ("learning_rate", "0"),
        ("fgsm_epsilon", "fast"),
        ("adam", "{\"beta1\": 1.5, \"beta2\": 0.999, \"epsilon\": 1e-7}"),
        ("norm", "{\"epsilon\": 0.001, \"momentum\": 0.9}"),
        ("keras_float32_error", "[]"),
        ("network", "{\"input\": [13], \"layers\": []}"),
    ] {
        let message = put(key, text);
        assert!(message.contains(key), "{key}: {message}");
    }
    let lacking = error(MLP, |r| drop(r.metadata.remove("norm")));
    assert!(lacking.contains("the metadata have no 'norm'"), "{lacking}");
}

#[test]
fn a_file_cut_short_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let whole = changed(MLP, |_| ());
    for end in [0, 7, 8, 100, 5000, whole.len() / 2, whole.len() - 1] {
        let path = folder.path().join("cut.safetensors");
        std::fs::write(&path, &whole[..end]).unwrap();
        let Err(error) = Recording::read(&path) else {
            panic!("{end} bytes were read")
        };
        let message = format!("{:#}", anyhow::Error::from(error));
        assert!(
            message.contains("cut.safetensors") && message.contains("cut short"),
            "{end}: {message}"
        );
    }
}

/// Exit code, standard output, standard error.
fn lensgpu(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_lensgpu"))
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_command_reports_the_device_and_every_tensor() {
    let (code, out, err) = lensgpu(&["selftest", "--device", "cpu"]);
    assert_eq!((code, &err[..]), (Some(0), ""), "{out}");
    assert!(out.starts_with(&format!("device: {}\n", Device::Cpu.name())), "{out}");
    assert!(out.contains("  109 of 109 tensors within tolerance\n"), "{out}");
    // Every result is compared, and all weights after the first and after the last step together.
    let compared = |bytes: &[u8]| {
        let entries = Recording::from_bytes(bytes).unwrap().entries;
        entries.iter().filter(|entry| entry.role != Role::Input).count() + 2
    };
    let tensors: usize = EMBEDDED.iter().map(|(_, bytes)| compared(bytes)).sum();
    assert_eq!(
        out.lines().filter(|line| line.ends_with("  ok")).count(),
        tensors,
        "{out}"
    );
    let summary = format!(
        "ok: {tensors} tensors of {} recordings within tolerance on ",
        EMBEDDED.len()
    );
    assert!(out.contains(&summary), "{out}");
}

#[test]
fn the_command_fails_if_a_tensor_does() {
    let folder = tempfile::tempdir().unwrap();
    let (altered, cut) = (
        folder.path().join("altered.safetensors"),
        folder.path().join("cut.safetensors"),
    );
    let bytes = changed(MLP, |r| values(r, "grad.var.kernel")[3] += 1.0);
    std::fs::write(&altered, &bytes).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() - 4]).unwrap();
    let [altered, cut] = [&altered, &cut].map(|path| path.to_str().unwrap());

    let (code, out, err) = lensgpu(&["selftest", "--device", "cpu", altered, cut]);
    assert_eq!(code, Some(1));
    let line = out.lines().find(|line| line.starts_with("  grad.var.kernel ")).unwrap();
    assert!(line.ends_with("FAIL: out of tolerance"), "{line}");
    assert!(out.contains("FAIL: ") && out.contains("cut short"), "{out}");
    assert!(
        err.contains("altered.safetensors: grad.var.kernel: out of tolerance"),
        "{err}"
    );
    let (code, _, err) = lensgpu(&["selftest", "--device", "cpu", cut]);
    assert_eq!(code, Some(1));
    assert!(
        err.contains("cut.safetensors: not a complete safetensors file"),
        "{err}"
    );
    assert!(err.contains("Copy the recording again"), "{err}");

    let (code, out, _) = lensgpu(&["selftest", "--device", "cpu", "--json", altered, cut]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["ok"]), (Some(1), &false.into()));
    let tensors = report["files"][0]["tensors"].as_array().unwrap();
    let failed: Vec<_> = tensors
        .iter()
        .filter(|t| !t["problem"].is_null())
        .map(|t| &t["tensor"])
        .collect();
    assert_eq!(failed, ["grad.var.kernel"]);
    assert!(
        report["files"][1]["error"].as_str().unwrap().contains("cut short"),
        "{report}"
    );
}

#[test]
fn a_device_without_f16_is_named() {
    let (code, out, err) = lensgpu(&["selftest", "--device", "cpu", "--precision", "f16"]);
    assert_eq!((code, &out[..]), (Some(2), ""), "{err}");
    assert!(
        err.contains(&format!(
            "{} cannot store images and activations as f16",
            Device::Cpu.name()
        )),
        "{err}"
    );
    assert!(err.contains("leave out --precision"), "{err}");
}
