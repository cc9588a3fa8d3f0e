//! The model file: one `.safetensors` with the ensemble and its metadata.
//!
//! Tensors are named and shaped as in the recordings, `conv1.kernel` (M, kh, kw, in, out), `norm1.moving_mean` (M, C),
//! float32, with the member as the first axis. `features.mean` (M, F) and `features.whitening` (M, F, F) are each
//! member's [`Cloud`]; files of early versions lack them. The metadata holds texts: `format` and `format_version`,
//! `network` as JSON, `members` as a JSON list of their numbers, and `about` as the JSON of [`About`](super::About).

use super::{Error, Member, Model};
use crate::files;
use crate::nn::{Layout, Network, Parameter};
use crate::posterior::ood::Cloud;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::path::Path;

const FORMAT: &str = "lensgpu-model";
/// Increased when an older version of this program would misread the file.
const FORMAT_VERSION: u32 = 1;

type Result<T> = std::result::Result<T, Error>;

impl Model {
    /// Reads a model file.
    ///
    /// # Errors
    /// A file that cannot be read, and those of [`Model::from_bytes`]; the path is in each of them.
    pub fn read(path: impl AsRef<Path>) -> Result<Model> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| Error::Read {
            path: path.into(),
            source,
        })?;
        Model::from_bytes(&bytes).map_err(|source| Error::Content {
            path: path.into(),
            source: source.into(),
        })
    }

    /// Reads the content of a model file.
    ///
    /// # Errors
    /// Bytes that are truncated or not a model, a newer format, metadata that is missing or does not fit the network,
    /// tensors that are missing, have another shape or type, or are not finite.
    pub fn from_bytes(bytes: &[u8]) -> Result<Model> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(unreadable)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(unreadable)?;
        let no_metadata = HashMap::new();
        let metadata = header.metadata().as_ref().unwrap_or(&no_metadata);
        if metadata.get("format").is_none_or(|format| format != FORMAT) {
            return Err(Error::NotAModel);
        }
        let text = |key| {
            let text = metadata.get(key).map(String::as_str);
            text.ok_or(Error::MissingMetadata { key })
        };
        let version = text("format_version")?;
        if !version.parse::<u32>().is_ok_and(|v| v <= FORMAT_VERSION) {
            return Err(Error::Version {
                found: version.into(),
                supported: FORMAT_VERSION,
            });
        }
        let network = Network::from_json(text("network")?)?;
        let numbers: Vec<u32> = parse("members", text("members")?)?;
        let about = parse("about", text("about")?)?;
        let layout = Layout::new(&network)?;
        let member = |number| Member {
            number,
            params: vec![0.0; layout.param_stride],
            stats: vec![0.0; layout.stat_stride],
            cloud: None,
        };
        // A wrong list of members must be found before memory is allocated for them.
        if let Some(first) = layout.params.first() {
            tensor(&tensors, first, numbers.len())?;
        }
        let mut model = Model {
            network,
            members: numbers.into_iter().map(member).collect(),
            about,
        };
        for parameter in &layout.params {
            let values = tensor(&tensors, parameter, model.members.len())?;
            scatter(parameter, values, model.members.iter_mut().map(|m| &mut m.params));
        }
        for parameter in &layout.stats {
            let values = tensor(&tensors, parameter, model.members.len())?;
            scatter(parameter, values, model.members.iter_mut().map(|m| &mut m.stats));
        }
        if tensors.tensor(CLOUD_MEAN).is_ok() {
            model.read_clouds(&tensors)?;
        }
        model.check(&layout)?;
        Ok(model)
    }

    fn read_clouds(&mut self, tensors: &SafeTensors) -> Result<()> {
        let [mean, whitening] = cloud_parameters(&self.network)?;
        let [means, whitenings] = [
            tensor(tensors, &mean, self.members.len())?,
            tensor(tensors, &whitening, self.members.len())?,
        ];
        let empty = Cloud {
            mean: vec![0.0; mean.len()],
            whitening: vec![0.0; whitening.len()],
        };
        let mut clouds = vec![empty; self.members.len()];
        scatter(&mean, means, clouds.iter_mut().map(|c| &mut c.mean));
        scatter(&whitening, whitenings, clouds.iter_mut().map(|c| &mut c.whitening));
        for (member, cloud) in self.members.iter_mut().zip(clouds) {
            member.cloud = Some(cloud);
        }
        Ok(())
    }

    /// Writes a model file: to a temporary file in the same folder, which is synced and renamed.
    ///
    /// # Errors
    /// A model that [`Model::read`] would refuse, and those of [`files::write_atomic`]; the path is in each of them.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let bytes = self.to_bytes().map_err(|source| Error::NotWritten {
            path: path.into(),
            source: source.into(),
        })?;
        Ok(files::write_atomic(path, |file| file.write_all(&bytes))?)
    }

    fn to_bytes(&self) -> Result<Vec<u8>> {
        let layout = Layout::new(&self.network)?;
        self.check(&layout)?;
        let params = layout
            .params
            .iter()
            .map(|p| (p, self.members.iter().map(|m| &m.params).collect::<Vec<_>>()));
        let stats = layout
            .stats
            .iter()
            .map(|p| (p, self.members.iter().map(|m| &m.stats).collect::<Vec<_>>()));
        let clouds: Option<Vec<&Cloud>> = self.members.iter().map(|m| m.cloud.as_ref()).collect();
        let [mean, whitening] = cloud_parameters(&self.network)?;
        let clouds = clouds.iter().flat_map(|clouds| {
            [
                (&mean, clouds.iter().map(|c| &c.mean).collect()),
                (&whitening, clouds.iter().map(|c| &c.whitening).collect()),
            ]
        });
        let rows = params.chain(stats).chain(clouds);
        let data: Vec<(&Parameter, Vec<u8>)> = rows.map(|(p, rows)| (p, gather(p, &rows))).collect();
        let views = data
            .iter()
            .map(|(parameter, bytes)| {
                let view = TensorView::new(Dtype::F32, shape(parameter, self.members.len()), bytes);
                Ok((parameter.name.as_str(), view.map_err(encode)?))
            })
            .collect::<Result<Vec<_>>>()?;
        let numbers: Vec<u32> = self.members.iter().map(|m| m.number).collect();
        let metadata = HashMap::from([
            ("format".to_string(), FORMAT.to_string()),
            ("format_version".to_string(), FORMAT_VERSION.to_string()),
            ("network".to_string(), self.network.to_json()),
            ("members".to_string(), serde_json::to_string(&numbers).map_err(encode)?),
            ("about".to_string(), serde_json::to_string(&self.about).map_err(encode)?),
        ]);
        safetensors::serialize(views, Some(metadata)).map_err(encode)
    }

    /// What is written must be readable again.
    fn check(&self, layout: &Layout) -> Result<()> {
        if self.members.is_empty() {
            return Err(Error::NoMembers);
        }
        let mut numbers = BTreeSet::new();
        if let Some(twice) = self.members.iter().find(|m| !numbers.insert(m.number)) {
            return Err(Error::DuplicateMember { number: twice.number });
        }
        let [mean, whitening] = cloud_parameters(&self.network)?;
        for member in &self.members {
            check_member(member, layout)?;
            if let Some(cloud) = &member.cloud {
                let fits = (cloud.mean.len(), cloud.whitening.len()) == (mean.len(), whitening.len());
                if !(fits && cloud.mean.iter().chain(&cloud.whitening).all(|v| v.is_finite())) {
                    return Err(Error::Features { member: member.number });
                }
            }
        }
        self.about.check(&self.network)
    }
}

fn check_member(member: &Member, layout: &Layout) -> Result<()> {
    let found = (member.params.len(), member.stats.len());
    let expected = (layout.param_stride, layout.stat_stride);
    if found != expected {
        return Err(Error::MemberLength {
            member: member.number,
            found,
            expected,
        });
    }
    let params = layout.params.iter().map(|p| (p, &member.params));
    for (p, row) in params.chain(layout.stats.iter().map(|p| (p, &member.stats))) {
        if let Some(&value) = row[p.offset..p.offset + p.len()].iter().find(|v| !v.is_finite()) {
            return Err(Error::NotFinite {
                tensor: p.name.clone(),
                member: member.number,
                value,
            });
        }
    }
    Ok(())
}

const CLOUD_MEAN: &str = "features.mean";
const CLOUD_WHITENING: &str = "features.whitening";

/// The tensors of a member's [`Cloud`], each in a row of its own.
fn cloud_parameters(network: &Network) -> Result<[Parameter; 2]> {
    let features = network.shapes()?.last().map_or(0, |shape| shape.c);
    let parameter = |name: &str, shape: &[usize]| Parameter {
        name: name.into(),
        shape: shape.to_vec(),
        offset: 0,
    };
    Ok([
        parameter(CLOUD_MEAN, &[features]),
        parameter(CLOUD_WHITENING, &[features, features]),
    ])
}

fn unreadable(error: SafeTensorError) -> Error {
    use SafeTensorError::{HeaderTooSmall, InvalidHeaderLength, MetadataIncompleteBuffer};
    match error {
        HeaderTooSmall | InvalidHeaderLength | MetadataIncompleteBuffer => Error::WrongLength(error),
        _ => Error::NotSafetensors(error),
    }
}

fn encode(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Encode(Box::new(error))
}

fn parse<T: serde::de::DeserializeOwned>(key: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|source| Error::Metadata { key, source })
}

/// (M, the parameter's own shape).
fn shape(parameter: &Parameter, members: usize) -> Vec<usize> {
    [&[members], &parameter.shape[..]].concat()
}

/// The bytes of one tensor, if it has the right type and shape.
fn tensor<'a>(tensors: &SafeTensors<'a>, parameter: &Parameter, members: usize) -> Result<&'a [u8]> {
    let (name, expected) = (&parameter.name, shape(parameter, members));
    let Ok(tensor) = tensors.tensor(name) else {
        return Err(Error::MissingTensor { tensor: name.clone() });
    };
    if tensor.dtype() != Dtype::F32 || tensor.shape() != expected {
        return Err(Error::Tensor {
            tensor: name.clone(),
            found: format!("{:?} {:?}", tensor.dtype(), tensor.shape()),
            expected: format!("F32 {expected:?}"),
        });
    }
    Ok(tensor.data())
}

/// Copies a tensor of all members into their rows.
fn scatter<'a>(parameter: &Parameter, bytes: &[u8], rows: impl Iterator<Item = &'a mut Vec<f32>>) {
    for (row, bytes) in rows.zip(bytes.chunks_exact(4 * parameter.len())) {
        let values = &mut row[parameter.offset..parameter.offset + parameter.len()];
        for (value, bytes) in values.iter_mut().zip(bytes.as_chunks().0) {
            *value = f32::from_le_bytes(*bytes);
        }
    }
}

/// The bytes of a tensor of all members.
fn gather(parameter: &Parameter, rows: &[&Vec<f32>]) -> Vec<u8> {
    let values = rows
        .iter()
        .flat_map(|row| &row[parameter.offset..parameter.offset + parameter.len()]);
    values.flat_map(|value| value.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::model;
    use super::*;
    use crate::posterior::calibration::Calibration;
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
        assert_eq!(tensors.len(), 12);
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
        use crate::posterior::calibration::{Map, Record, conformal::Conformal, factors::Factors, isotonic::Isotonic};
        let maps = [
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

    #[test]
    fn a_newer_format_asks_for_a_newer_lensgpu() {
        let bytes = changed(|_, metadata| drop(metadata.insert("format_version".into(), "2".into())));
        assert!(
            error(&bytes).contains("version 2") && error(&bytes).contains("use a newer lensgpu"),
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
        let with =
            |key: &str, text: &str| error(&changed(|_, metadata| drop(metadata.insert(key.into(), text.into()))));
        assert!(with("about", "{}").contains("'about' in the model's metadata"));
        assert!(with("network", "{}").contains("network in the metadata"));
        assert!(with("members", "[]").contains("must be F32 [0,"));
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
            shape.contains("tensor mean.kernel is F32 [2, 1, 12] and must be F32 [2, 12, 1]"),
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
}
