//! The model file: one `.safetensors` with the ensemble and its metadata.
//!
//! Tensors are named and shaped as in the recordings, `conv1.kernel` (M, kh, kw, in, out), `norm1.moving_mean` (M, C),
//! float32, with the member as the first axis; a packed model (`about.precision`) has float16 wherever a value has more
//! axes than the member's and one more, and float32 in the rest. `features.mean` (M, F) and `features.whitening`
//! (M, F, F) are each member's [`Cloud`]; files of early versions lack them. `statistics.*` have no member axis: see
//! `distribution`. The metadata holds texts: `format` and `format_version`,
//! `sha256`, the [checksum] of everything else (files of early versions have none),
//! `network` as JSON, `members` as a JSON list of their numbers, and `about` as the JSON of [`About`](super::About).

mod distribution;

use super::{Error, Member, Model, Precision};
use crate::files;
use crate::files::checksum::{self, Verdict};
use crate::nn::{Layout, Network, Parameter};
use crate::posterior::ood::Cloud;
use half::f16;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::path::Path;

const FORMAT: &str = "lensgpu-model";
/// Increased when an older version of this program would misread the file.
const FORMAT_VERSION: u32 = 2;

/// Keys of the metadata, beside the checksum.
const KEYS: [&str; 5] = ["format", "format_version", "network", "members", "about"];

type Result<T> = std::result::Result<T, Error>;

impl Model {
    /// Reads a model file.
    ///
    /// # Errors
    /// A file that cannot be read, and those of [`Model::from_bytes`]; the path is in each of them.
    pub fn read(path: impl AsRef<Path>) -> Result<Model> {
        let path = path.as_ref();
        let bytes = files::read(path).map_err(|source| Error::Read {
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
        let views = tensors.tensors();
        let views = views.iter().map(|(name, view)| (name.as_str(), view));
        if checksum::verify(views, metadata, &KEYS) == Verdict::Damaged {
            return Err(Error::Damaged);
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
            statistics: None,
            about,
        };
        for parameter in &layout.params {
            let values = tensor(&tensors, parameter, model.members.len())?;
            scatter(parameter, &values, model.members.iter_mut().map(|m| &mut m.params));
        }
        for parameter in &layout.stats {
            let values = tensor(&tensors, parameter, model.members.len())?;
            scatter(parameter, &values, model.members.iter_mut().map(|m| &mut m.stats));
        }
        if tensors.tensor(CLOUD_MEAN).is_ok() {
            model.read_clouds(&tensors)?;
        }
        model.statistics = distribution::read(&tensors, &model.network)?;
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
        scatter(&mean, &means, clouds.iter_mut().map(|c| &mut c.mean));
        scatter(&whitening, &whitenings, clouds.iter_mut().map(|c| &mut c.whitening));
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

    /// The checksum in the model's file: the same for equal models.
    ///
    /// # Errors
    /// A model that [`Model::read`] would refuse.
    pub fn checksum(&self) -> Result<String> {
        let bytes = self.to_bytes()?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(unreadable)?;
        let metadata = header.metadata().as_ref();
        Ok(metadata.map(|texts| texts[checksum::KEY].clone()).unwrap_or_default())
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>> {
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
        let precision = self.about.precision;
        let data: Vec<(&Parameter, Dtype, Vec<u8>)> = rows
            .map(|(p, rows)| {
                let values = gather(p, &rows);
                match is_half(precision, p, &values) {
                    true => (p, Dtype::F16, bytes(&values, |v| f16::from_f32(v).to_le_bytes())),
                    false => (p, Dtype::F32, bytes(&values, f32::to_le_bytes)),
                }
            })
            .collect();
        let members = self.members.len();
        let of_members = data
            .iter()
            .map(|(parameter, dtype, bytes)| (parameter.name.as_str(), *dtype, shape(parameter, members), bytes));
        let statistics = self.statistics.as_ref().map(distribution::tensors);
        let statistics = statistics
            .iter()
            .flatten()
            .map(|(name, shape, bytes)| (*name, Dtype::F32, shape.clone(), bytes));
        let views = of_members
            .chain(statistics)
            .map(|(name, dtype, shape, bytes)| Ok((name, TensorView::new(dtype, shape, bytes).map_err(encode)?)))
            .collect::<Result<Vec<_>>>()?;
        let numbers: Vec<u32> = self.members.iter().map(|m| m.number).collect();
        let mut metadata = HashMap::from([
            ("format".to_string(), FORMAT.to_string()),
            ("format_version".to_string(), FORMAT_VERSION.to_string()),
            ("network".to_string(), self.network.to_json()),
            ("members".to_string(), serde_json::to_string(&numbers).map_err(encode)?),
            ("about".to_string(), serde_json::to_string(&self.about).map_err(encode)?),
        ]);
        let sum = checksum::checksum(views.iter().map(|(name, view)| (*name, view)), &metadata);
        metadata.insert(checksum::KEY.into(), sum);
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
        if self
            .statistics
            .as_ref()
            .is_some_and(|statistics| !distribution::is_valid(statistics))
        {
            return Err(Error::Statistics);
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
    let features = network.shapes()?.last().map_or(0, |[input, _]| input.c);
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

/// The values of one tensor, if it has the right shape and one of the types.
fn tensor(tensors: &SafeTensors, parameter: &Parameter, members: usize) -> Result<Vec<f32>> {
    let (name, expected) = (&parameter.name, shape(parameter, members));
    let Ok(tensor) = tensors.tensor(name) else {
        return Err(Error::MissingTensor { tensor: name.clone() });
    };
    let data = tensor.data();
    match tensor.dtype() {
        Dtype::F32 if tensor.shape() == expected => Ok(floats(data, f32::from_le_bytes)),
        Dtype::F16 if tensor.shape() == expected => Ok(floats(data, |b| f16::from_le_bytes(b).to_f32())),
        found => Err(Error::Tensor {
            tensor: name.clone(),
            found: format!("{found:?} {:?}", tensor.shape()),
            expected: format!("F32 or F16 {expected:?}"),
        }),
    }
}

/// Numbers from their bytes.
fn floats<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|bytes| number(*bytes)).collect()
}

/// The bytes of numbers.
fn bytes<const N: usize>(values: &[f32], bytes: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|value| bytes(*value)).collect()
}

/// Whether the values of a tensor are stored as float16. Vectors are small and hold statistics of any size, so they are
/// not; nor are tensors with a value beyond the range of float16.
fn is_half(precision: Precision, parameter: &Parameter, values: &[f32]) -> bool {
    let fits = |value: &f32| value.abs() <= f16::MAX.to_f32();
    precision == Precision::Float16 && parameter.shape.len() > 1 && values.iter().all(fits)
}

/// Copies a tensor of all members into their rows.
fn scatter<'a>(parameter: &Parameter, values: &[f32], rows: impl Iterator<Item = &'a mut Vec<f32>>) {
    for (row, values) in rows.zip(values.chunks_exact(parameter.len())) {
        row[parameter.offset..parameter.offset + parameter.len()].copy_from_slice(values);
    }
}

/// The values of a tensor of all members.
fn gather(parameter: &Parameter, rows: &[&Vec<f32>]) -> Vec<f32> {
    let values = rows
        .iter()
        .flat_map(|row| &row[parameter.offset..parameter.offset + parameter.len()]);
    values.copied().collect()
}

#[cfg(test)]
mod tests;
