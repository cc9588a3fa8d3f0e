use super::super::tests::model;
use super::*;
use crate::posterior::calibration::Calibration;
use crate::posterior::ood::KNOTS;
use crate::survey::statistics::count;
use std::fs;

type Tensors = Vec<(String, Vec<usize>, Vec<u8>)>;

/// The model's file after a change to its tensors and metadata.
fn changed(change: impl FnOnce(&mut Tensors, &mut HashMap<String, String>)) -> Vec<u8> {
    let bytes = model().to_bytes().unwrap();
    let mut metadata = SafeTensors::read_metadata(&bytes)
        .unwrap()
        .1
        .metadata()
        .clone()
        .unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Tensors = tensors
        .iter()
        .map(|(name, t)| (name.to_string(), t.shape().to_vec(), t.data().to_vec()))
        .collect();
    // As a file of an earlier version, so that other checks see the change.
    metadata.remove(checksum::KEY);
    change(&mut tensors, &mut metadata);
    let views = tensors
        .iter()
        .map(|(name, shape, data)| (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), data).unwrap()));
    safetensors::serialize(views.collect::<Vec<_>>(), Some(metadata)).unwrap()
}

fn find<'a>(tensors: &'a mut Tensors, name: &str) -> &'a mut (String, Vec<usize>, Vec<u8>) {
    tensors.iter_mut().find(|t| t.0 == name).unwrap()
}

/// The error and its causes, as the command line prints them.
fn chain(error: Error) -> String {
    format!("{:#}", anyhow::Error::new(error))
}

fn error(bytes: &[u8]) -> String {
    chain(Model::from_bytes(bytes).unwrap_err())
}

#[test]
fn a_model_is_read_as_it_was_written_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let mut model = model();
    model.members[0].params[0] = -0.0;
    model.members[1].params[1] = f32::MIN_POSITIVE / 8.0;
    model.write(&path).unwrap();
    let read = Model::read(&path).unwrap();
    assert_eq!(read, model);
    assert!(read.members[0].params[0].is_sign_negative());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn tensors_are_named_and_shaped_as_recorded() {
    let bytes = model().to_bytes().unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let shape = |name: &str| tensors.tensor(name).unwrap().shape().to_vec();
    assert_eq!(shape("conv1.kernel"), [2, 2, 2, 2, 3]);
    assert_eq!(shape("norm1.moving_mean"), [2, 3]);
    assert_eq!(shape("mean.kernel"), [2, 12, 1]);
    assert_eq!(shape("features.mean"), [2, 12]);
    assert_eq!(shape("features.whitening"), [2, 12, 12]);
    let size = count([6, 5, 2]);
    assert_eq!(shape("statistics.knots"), [size, KNOTS]);
    assert_eq!(shape("statistics.whitening"), [size, size]);
    assert_eq!(tensors.len(), 15);
}

#[test]
fn files_of_versions_with_no_or_other_statistics_are_read_without_them() {
    let expected = Model {
        statistics: None,
        ..model()
    };
    let none = changed(|tensors, _| tensors.retain(|t| !t.0.starts_with("statistics.")));
    assert_eq!(Model::from_bytes(&none).unwrap(), expected);
    // A version that computes one more statistic.
    let other = changed(|tensors, _| {
        let size = count([6, 5, 2]) + 1;
        for (name, shape) in [
            ("statistics.knots", vec![size, KNOTS]),
            ("statistics.mean", vec![size]),
            ("statistics.whitening", vec![size, size]),
        ] {
            let bytes = vec![0; 4 * shape.iter().product::<usize>()];
            *find(tensors, name) = (name.into(), shape, bytes);
        }
    });
    assert_eq!(Model::from_bytes(&other).unwrap(), expected);
    // The threshold of an earlier version has no distances, and no limit of sigma_epistemic goes with it.
    let earlier = changed(|_, metadata| {
        let about = metadata.get_mut("about").unwrap();
        let mut value: serde_json::Value = serde_json::from_str(about).unwrap();
        value["ood"].as_object_mut().unwrap().remove("typical");
        value.as_object_mut().unwrap().remove("epistemic_limit");
        *about = value.to_string();
    });
    let about = Model::from_bytes(&earlier).unwrap().about;
    assert_eq!((about.ood.unwrap().typical, about.epistemic_limit), ([None; 3], None));
}

#[test]
fn statistics_that_are_damaged_are_an_error() {
    for (name, value) in [
        ("statistics.knots", f32::NAN),
        ("statistics.knots", f32::MIN),
        ("statistics.mean", f32::INFINITY),
        ("statistics.whitening", f32::NAN),
    ] {
        let bytes = changed(|tensors, _| {
            let data = &mut find(tensors, name).2;
            data[4..8].copy_from_slice(&value.to_le_bytes());
        });
        let message = error(&bytes);
        assert!(message.contains("train the model again"), "{name} {value}: {message}");
    }
}

#[test]
fn unknown_keys_and_tensors_of_later_versions_are_ignored() {
    let bytes = changed(|tensors, metadata| {
        tensors.push(("calibration.map".into(), vec![1], vec![0; 4]));
        let about = metadata.get_mut("about").unwrap();
        *about = about.replacen('{', "{\"likelihood\":{\"kind\":\"student\"},", 1);
    });
    assert_eq!(Model::from_bytes(&bytes).unwrap(), model());
}

#[test]
fn a_calibration_is_kept_and_an_invalid_one_is_refused() {
    use crate::posterior::calibration::{
        Map, Record, conformal::Conformal, factors::Factors, isotonic::Isotonic, spline::Spline,
    };
    let one = Factors {
        aleatoric: 1.0,
        epistemic: 1.0,
    };
    let maps = [
        Map::Spline(Spline::new(one, 0.1, vec![[-1.5, 0.7], [0.0, 1.0], [1.5, 1.0 / 3.0]])),
        Map::Factors(Factors {
            aleatoric: 0.1 + 0.2,
            epistemic: 2.0,
        }),
        Map::Isotonic(Isotonic {
            knots: vec![[-1.0, -0.5], [0.3, 1.0 / 3.0]],
        }),
        Map::Conformal(Conformal {
            half_widths: vec![[0.0, 0.0], [0.95, 2.5]],
        }),
    ];
    let with = |map: Map| {
        let mut model = model();
        model.about.calibration = Some(Calibration {
            map,
            record: Record::new("cutouts/", 400, "2026-07-14T09:30:00Z".into()),
        });
        model
    };
    for map in maps {
        let model = with(map);
        assert_eq!(Model::from_bytes(&model.to_bytes().unwrap()).unwrap(), model);
    }
    let damaged = Factors {
        aleatoric: -1.0,
        epistemic: 1.0,
    };
    let message = chain(with(Map::Factors(damaged)).to_bytes().unwrap_err());
    assert!(message.contains("calibrate it again"), "{message}");
    let decreasing = Spline::new(one, 0.1, vec![[-1.5, 0.7], [0.0, 1.0], [1.5, -1.0]]);
    let message = chain(with(Map::Spline(decreasing)).to_bytes().unwrap_err());
    assert!(message.contains("calibrate it again"), "{message}");
    // Files of earlier versions have neither key.
    let bytes = changed(|_, metadata| {
        let about = metadata.get_mut("about").unwrap();
        *about = about.replace("\"calibration\":0,", "");
        assert!(!about.contains("\"calibration\""));
    });
    assert_eq!(Model::from_bytes(&bytes).unwrap(), model());
}

#[test]
fn a_truncated_file_is_an_error_that_names_the_file() {
    let bytes = model().to_bytes().unwrap();
    for end in [0, 1, 7, 8, 9, 100, bytes.len() / 2, bytes.len() - 1] {
        let message = error(&bytes[..end]);
        assert!(message.contains("cut short"), "{end}: {message}");
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("half.safetensors");
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let message = chain(Model::read(&path).unwrap_err());
    assert!(message.contains("half.safetensors: the file is cut short"), "{message}");
    let message = chain(Model::read(dir.path().join("none")).unwrap_err());
    assert!(message.contains("none: the model cannot be read"), "{message}");
}

#[test]
fn files_that_are_not_models() {
    assert!(error(b"SIMPLE  =                    T / a FITS file").contains("not a safetensors file"));
    assert!(error(b"\x10\0\0\0\0\0\0\0this is no JSON!").contains("not a safetensors file"));
    for bytes in [
        changed(|_, metadata| drop(metadata.remove("format"))),
        changed(|_, metadata| metadata.clear()),
    ] {
        assert!(error(&bytes).contains("not a lensgpu model"), "{}", error(&bytes));
    }
}

/// As the shipped models are, which were trained with a softening of 1.
#[test]
fn a_stretch_without_a_softening_has_a_softening_of_1() {
    let bytes = changed(|_, metadata| {
        let about = metadata.get_mut("about").unwrap();
        assert!(!about.contains("softening"));
        metadata.insert("format_version".into(), "1".into());
    });
    assert_eq!(Model::from_bytes(&bytes).unwrap().about.stretch.softening(0), 1.0);
}

#[test]
fn a_newer_format_asks_for_a_newer_lensgpu() {
    let bytes = changed(|_, metadata| drop(metadata.insert("format_version".into(), "3".into())));
    assert!(
        error(&bytes).contains("version 3") && error(&bytes).contains("use a newer lensgpu"),
        "{}",
        error(&bytes)
    );
}

#[test]
fn metadata_that_is_missing_or_wrong() {
    for key in ["format_version", "network", "members", "about"] {
        let message = error(&changed(|_, metadata| drop(metadata.remove(key))));
        assert!(message.contains(&format!("lacks '{key}'")), "{message}");
    }
    let with = |key: &str, text: &str| error(&changed(|_, metadata| drop(metadata.insert(key.into(), text.into()))));
    assert!(with("about", "{}").contains("'about' in the model's metadata"));
    assert!(with("network", "{}").contains("network in the metadata"));
    assert!(with("members", "[]").contains("must be F32 or F16 [0,"));
    assert!(with("members", "[3,3]").contains("same number"));
    let large = model()
        .network
        .to_json()
        .replace("\"filters\":3", "\"filters\":18446744073709551615");
    assert!(
        with("network", &large).contains("too large"),
        "{}",
        with("network", &large)
    );
    let about = serde_json::to_string(&model().about).unwrap();
    assert!(with("about", &about.replace("[\"R\",\"I\"]", "[\"R\"]")).contains("2 channels"));
}

#[test]
fn tensors_that_are_missing_or_wrong_are_named() {
    let missing = error(&changed(|tensors, _| {
        tensors.retain(|t| t.0 != "norm1.moving_variance")
    }));
    assert!(missing.contains("tensor norm1.moving_variance is missing"), "{missing}");
    let shape = error(&changed(|tensors, _| find(tensors, "mean.kernel").1 = vec![2, 1, 12]));
    assert!(
        shape.contains("tensor mean.kernel is F32 [2, 1, 12] and must be F32 or F16 [2, 12, 1]"),
        "{shape}"
    );
    for bad in [f32::NAN, f32::INFINITY] {
        let message = error(&changed(|tensors, _| {
            let data = &mut find(tensors, "var.bias").2;
            data[4..8].copy_from_slice(&bad.to_le_bytes());
        }));
        assert!(
            message.contains(&format!("var.bias of member 7 contains {bad}")),
            "{message}"
        );
    }
}

#[test]
fn a_model_that_could_not_be_read_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    fs::write(&path, "old").unwrap();
    let refused = |change: fn(&mut Model)| {
        let mut model = model();
        change(&mut model);
        let message = chain(model.write(&path).unwrap_err());
        assert!(
            message.contains("model.safetensors: the model is not written"),
            "{message}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        message
    };
    assert!(refused(|m| m.members[0].stats[0] = f32::NAN).contains("norm1.moving_mean of member 3 contains NaN"));
    assert!(refused(|m| m.members[1].params.truncate(1)).contains("member 7 has ("));
    assert!(refused(|m| m.members.clear()).contains("no members"));
    assert!(refused(|m| m.about.training.members[0].nll = Some(f64::NAN)).contains("not finite"));
    assert!(refused(|m| m.about.label.scale = 0.0).contains("label's scale"));
    let missing = dir.path().join("none/model.safetensors");
    assert!(chain(model().write(&missing).unwrap_err()).contains("create it first"));
}

#[test]
fn a_packed_model_has_rounded_matrices_and_unchanged_vectors() {
    let model = model();
    let packed = model.packed().unwrap();
    let bytes = packed.to_bytes().unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let types: Vec<(String, Dtype)> = tensors.iter().map(|(name, t)| (name.to_string(), t.dtype())).collect();
    for (name, dtype) in types {
        let matrix = name.ends_with(".kernel") || name == CLOUD_WHITENING;
        assert_eq!(dtype, if matrix { Dtype::F16 } else { Dtype::F32 }, "{name}");
    }
    let layout = Layout::new(&model.network).unwrap();
    for parameter in &layout.params {
        let range = parameter.offset..parameter.offset + parameter.len();
        for (full, half) in model.members.iter().zip(&packed.members) {
            for (full, half) in full.params[range.clone()].iter().zip(&half.params[range.clone()]) {
                // The spacing of float16 numbers is 2^-10 of the value, and 2^-24 below 2^-14.
                let error = (f64::from(*full) - f64::from(*half)).abs();
                assert!(error <= f64::from(full.abs()) / 2048.0 + 3e-8, "{}", parameter.name);
            }
        }
    }
    assert_eq!(Model::from_bytes(&bytes).unwrap(), packed);
    assert_ne!(packed.members, model.members);
}

#[test]
fn a_tensor_beyond_the_range_of_float16_stays_float32() {
    let mut model = model();
    let kernel = Layout::new(&model.network).unwrap().params[0].clone();
    assert!(kernel.shape.len() > 1);
    model.members[1].params[kernel.offset] = 1e6 + 0.125;
    let bytes = model.packed().unwrap().to_bytes().unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.tensor(&kernel.name).unwrap().dtype(), Dtype::F32);
    let read = Model::from_bytes(&bytes).unwrap();
    assert_eq!(read.members[1].params[kernel.offset], 1e6 + 0.125);
}

#[test]
fn a_damaged_file_is_refused() {
    let good = model().to_bytes().unwrap();
    for at in (0..8 * good.len()).step_by(977) {
        let mut bytes = good.clone();
        bytes[at / 8] ^= 1 << (at % 8);
        assert!(Model::from_bytes(&bytes).is_err(), "bit {at}");
    }
    let mut bytes = good.clone();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert!(error(&bytes).contains("checksum does not match"));
    // What an earlier version wrote has no checksum.
    assert_eq!(Model::from_bytes(&changed(|_, _| {})).unwrap(), model());
}
