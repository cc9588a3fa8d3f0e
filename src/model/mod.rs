//! The model file: an ensemble and all that is needed to use it, in one `.safetensors`.
//!
//! Tensors are named and shaped as in the recordings, `conv1.kernel` (M, kh, kw, in, out), `norm1.moving_mean` (M, C),
//! float32, their first axis the member. `features.mean` (M, F) and `features.whitening` (M, F, F) are each member's
//! [`Cloud`]; files of earlier versions lack them. The metadata holds texts: `format` and `format_version`, `network` as JSON,
//! `members` as a JSON list of their numbers, and `about` as the JSON of [`About`].

pub mod predictor;

use crate::files;
use crate::nn::{Layout, Network, Parameter};
use crate::posterior::calibration::Calibration;
use crate::posterior::ood::{Cloud, Threshold};
use crate::survey::Stretch;
use crate::survey::sky::SkyRange;
use anyhow::{Context, Result, anyhow, bail, ensure};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

const FORMAT: &str = "lensgpu-model";
/// Raised when a program that knows only an older one would read the file wrongly.
const FORMAT_VERSION: u32 = 1;

/// An ensemble as it lies on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub network: Network,
    /// At least one, each with a number of its own.
    pub members: Vec<Member>,
    pub about: About,
}

/// One member's rows, as [`Layout`] places them, and its number in the ensemble.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    pub number: u32,
    /// `Layout::param_stride` values; what lies between the tensors is not kept, and read as 0.
    pub params: Vec<f32>,
    /// `Layout::stat_stride` values.
    pub stats: Vec<f32>,
    /// Where the training images lie among its features; `None` where that is not known, of all members or of none.
    pub cloud: Option<Cloud>,
}

/// What a user or `infer` must know beside the weights. Unknown keys of later versions are passed over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    pub label: Label,
    /// One a channel of the network's input, in order.
    pub bands: Vec<String>,
    /// Arcsec a pixel; `None` where it was neither in a header nor given.
    pub pixel_scale: Option<f64>,
    pub preset: Option<String>,
    pub stretch: Stretch,
    pub sky: SkyRange,
    pub training: TrainingSummary,
    /// Applied to every answer; `None` in files that were never calibrated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// From which score on an image counts as unlike those of training; `None` where the members have no clouds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ood: Option<Threshold>,
}

/// What the network predicts: value = scale x output + shift, or for a log-normal likelihood ln(value).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// `theta_e`.
    pub name: String,
    /// `arcsec`.
    pub unit: String,
    /// Labels were divided by it.
    pub scale: f64,
    /// 0 where the mean's activation is `abs`.
    pub shift: f64,
    /// Which theta_e the labels are, where it is known: `theta_e_crit`, for example.
    pub definition: Option<String>,
    /// Smallest and largest training label, in `unit`.
    pub range: (f64, f64),
}

/// How the model was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingSummary {
    /// Rows that could be used: those of all splits together.
    pub rows: usize,
    pub train: usize,
    pub validation: usize,
    pub held_out: usize,
    /// Rows that nothing but the calibration was fitted on.
    #[serde(default)]
    pub calibration: usize,
    pub epochs: usize,
    pub batch: usize,
    pub seed: u64,
    pub learning_rate: f64,
    pub device: String,
    /// When training ended, UTC, RFC 3339; see [`utc_now`].
    pub date: String,
    /// Of lensgpu.
    pub version: String,
    /// Those of the options of docs/training.md that were on, by their names in `run.toml`.
    #[serde(default)]
    pub options: BTreeMap<String, f64>,
    /// In the order of [`Model::members`].
    pub members: Vec<MemberSummary>,
}

/// How one member's training went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberSummary {
    pub number: u32,
    /// The epoch whose weights are in the file, counted from 1.
    pub best_epoch: usize,
    /// Of the validation rows, in arcsec, with these weights; `None` without validation rows.
    pub nll: Option<f64>,
    /// In arcsec.
    pub rmse: Option<f64>,
    pub steps: u64,
    /// Steps left out because a gradient was not finite.
    pub skipped: u64,
    /// Returns to the last good weights.
    pub restored: u64,
}

impl Model {
    /// # Errors
    /// A file that cannot be read, and those of [`Model::from_bytes`]; each names the file.
    pub fn read(path: &Path) -> Result<Model> {
        let bytes = std::fs::read(path).with_context(|| format!("{}: the model cannot be read", path.display()))?;
        Model::from_bytes(&bytes).with_context(|| path.display().to_string())
    }

    /// # Errors
    /// Bytes cut short or of another kind, a newer format, metadata that is missing or does not fit the network,
    /// tensors that are missing, of another shape or type, or not finite; each names the tensor and what to do.
    pub fn from_bytes(bytes: &[u8]) -> Result<Model> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(unreadable)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(unreadable)?;
        let no_metadata = HashMap::new();
        let metadata = header.metadata().as_ref().unwrap_or(&no_metadata);
        ensure!(
            metadata.get("format").is_some_and(|format| format == FORMAT),
            "this is a safetensors file but not a lensgpu model: give the model.safetensors that `lensgpu train` wrote"
        );
        let text = |key: &str| {
            let text = metadata.get(key).map(String::as_str);
            text.with_context(|| format!("the model's metadata lacks '{key}': the file is damaged, copy it again"))
        };
        let version = text("format_version")?;
        ensure!(
            version.parse::<u32>().is_ok_and(|v| v <= FORMAT_VERSION),
            "the model has format version {version} and this lensgpu ({}) reads up to {FORMAT_VERSION}: \
             use a newer lensgpu",
            env!("CARGO_PKG_VERSION")
        );
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
        // A list of members that no tensor bears out must not take memory first.
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
        let mut clouds = vec![
            Cloud {
                mean: vec![0.0; mean.len()],
                whitening: vec![0.0; whitening.len()],
            };
            self.members.len()
        ];
        scatter(&mean, means, clouds.iter_mut().map(|c| &mut c.mean));
        scatter(&whitening, whitenings, clouds.iter_mut().map(|c| &mut c.whitening));
        self.members
            .iter_mut()
            .zip(clouds)
            .for_each(|(member, cloud)| member.cloud = Some(cloud));
        Ok(())
    }

    /// Written to a temporary file in the same folder, synced, renamed.
    ///
    /// # Errors
    /// A model that [`Model::read`] would refuse, and those of [`files::write_atomic`]; each names the file.
    pub fn write(&self, path: &Path) -> Result<()> {
        let bytes = self
            .to_bytes()
            .with_context(|| format!("{}: the model is not written", path.display()))?;
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
        let views = data.iter().map(|(parameter, bytes)| {
            let view = TensorView::new(Dtype::F32, shape(parameter, self.members.len()), bytes);
            Ok((
                parameter.name.as_str(),
                view.map_err(|e| anyhow!("{}: {e}", parameter.name))?,
            ))
        });
        let numbers: Vec<u32> = self.members.iter().map(|m| m.number).collect();
        let metadata = HashMap::from([
            ("format".to_string(), FORMAT.to_string()),
            ("format_version".to_string(), FORMAT_VERSION.to_string()),
            ("network".to_string(), self.network.to_json()),
            ("members".to_string(), serde_json::to_string(&numbers)?),
            ("about".to_string(), serde_json::to_string(&self.about)?),
        ]);
        Ok(safetensors::serialize(
            views.collect::<Result<Vec<_>>>()?,
            Some(metadata),
        )?)
    }

    /// Every value that is written must be read again: JSON has no NaN, and a row must fit its network.
    fn check(&self, layout: &Layout) -> Result<()> {
        ensure!(!self.members.is_empty(), "the model has no members");
        let numbers: BTreeSet<u32> = self.members.iter().map(|m| m.number).collect();
        ensure!(
            numbers.len() == self.members.len(),
            "two members of the model have the same number"
        );
        for member in &self.members {
            ensure!(
                (member.params.len(), member.stats.len()) == (layout.param_stride, layout.stat_stride),
                "member {} has rows of {} and {} values, its network needs {} and {}",
                member.number,
                member.params.len(),
                member.stats.len(),
                layout.param_stride,
                layout.stat_stride
            );
            let params = layout.params.iter().map(|p| (p, &member.params));
            for (p, row) in params.chain(layout.stats.iter().map(|p| (p, &member.stats))) {
                if let Some(value) = row[p.offset..p.offset + p.len()].iter().find(|v| !v.is_finite()) {
                    bail!(
                        "{} of member {} holds {value}: the model cannot be used, train it again",
                        p.name,
                        member.number
                    );
                }
            }
        }
        let [mean, whitening] = cloud_parameters(&self.network)?;
        for Cloud { mean: m, whitening: w } in self.members.iter().filter_map(|member| member.cloud.as_ref()) {
            ensure!(
                (m.len(), w.len()) == (mean.len(), whitening.len()) && m.iter().chain(w).all(|v| v.is_finite()),
                "{CLOUD_MEAN} or {CLOUD_WHITENING} hold values that cannot be right: train the model again"
            );
        }
        self.about.check(&self.network)
    }
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

impl About {
    fn check(&self, network: &Network) -> Result<()> {
        let Label {
            scale, shift, range, ..
        } = self.label;
        ensure!(
            scale.is_finite() && scale > 0.0,
            "the label's scale is {scale}: it must be positive"
        );
        let stretch = &self.stretch;
        let label = [shift, range.0, range.1];
        let sky = self.sky.bands.iter().flat_map(|b| b.sky.into_iter().chain(b.noise));
        let training = &self.training;
        let figures = training.members.iter().flat_map(|m| [m.nll, m.rmse]).flatten();
        let all = label
            .iter()
            .chain(&stretch.scale)
            .chain(&stretch.mean)
            .chain(&stretch.std)
            .copied();
        let mut all = all
            .chain(sky)
            .chain(figures)
            .chain(self.pixel_scale)
            .chain(self.ood.iter().map(|threshold| threshold.score))
            .chain([training.learning_rate]);
        ensure!(
            all.all(f64::is_finite),
            "a number of the model's metadata (label, stretch, sky, training) is not finite"
        );
        ensure!(
            self.calibration.as_ref().is_none_or(|c| c.map.is_valid()),
            "the model's calibration holds numbers that cannot be right: calibrate it again"
        );
        if let [_, _, channels] = network.input[..] {
            let lengths = [
                self.bands.len(),
                stretch.scale.len(),
                stretch.mean.len(),
                stretch.std.len(),
            ];
            ensure!(
                lengths.iter().chain([&self.sky.bands.len()]).all(|&n| n == channels),
                "the network has {channels} channels, the model's bands, stretch and sky {lengths:?} and {}",
                self.sky.bands.len()
            );
        }
        Ok(())
    }
}

/// The time, UTC, as RFC 3339 writes it, to the second: `2026-07-14T09:30:00Z`.
pub fn utc_now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

fn unreadable(error: SafeTensorError) -> anyhow::Error {
    use SafeTensorError::{HeaderTooSmall, InvalidHeaderLength, MetadataIncompleteBuffer};
    let what = match error {
        HeaderTooSmall | InvalidHeaderLength | MetadataIncompleteBuffer => {
            "the file is cut short or has been added to: copy it again, or train again"
        }
        _ => "this is not a safetensors file: give the model.safetensors that `lensgpu train` wrote",
    };
    anyhow::Error::new(error).context(what)
}

fn parse<T: serde::de::DeserializeOwned>(key: &str, text: &str) -> Result<T> {
    serde_json::from_str(text)
        .with_context(|| format!("'{key}' in the model's metadata cannot be read: use the lensgpu that wrote it"))
}

/// (M, the parameter's own shape).
fn shape(parameter: &Parameter, members: usize) -> Vec<usize> {
    [&[members], &parameter.shape[..]].concat()
}

/// The bytes of one tensor, which is as it must be.
fn tensor<'a>(tensors: &SafeTensors<'a>, parameter: &Parameter, members: usize) -> Result<&'a [u8]> {
    let (name, expected) = (&parameter.name, shape(parameter, members));
    let Ok(tensor) = tensors.tensor(name) else {
        bail!("tensor {name} is missing, which the model's own network needs: the file is damaged, copy it again");
    };
    ensure!(
        tensor.dtype() == Dtype::F32 && tensor.shape() == expected,
        "tensor {name} is {:?} {:?} and must be F32 {expected:?}: the file does not fit its own network; \
         it was changed after training, take the original",
        tensor.dtype(),
        tensor.shape()
    );
    Ok(tensor.data())
}

/// Puts a tensor of all members into their rows.
fn scatter<'a>(parameter: &Parameter, bytes: &[u8], rows: impl Iterator<Item = &'a mut Vec<f32>>) {
    for (row, bytes) in rows.zip(bytes.chunks_exact(4 * parameter.len())) {
        let values = &mut row[parameter.offset..parameter.offset + parameter.len()];
        for (value, bytes) in values.iter_mut().zip(bytes.as_chunks().0) {
            *value = f32::from_le_bytes(*bytes);
        }
    }
}

/// The tensor of all members out of their rows.
fn gather(parameter: &Parameter, rows: &[&Vec<f32>]) -> Vec<u8> {
    let values = rows
        .iter()
        .flat_map(|row| &row[parameter.offset..parameter.offset + parameter.len()]);
    values.flat_map(|value| value.to_le_bytes()).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::nn::initialise;
    use crate::survey::sky::BandRange;
    use std::fs;

    const LAYERS: &str = "[[layers]]\nlayer='conv'\nname='conv1'\nfilters=3\nkernel=2\nactivation='relu'\n\
        [[layers]]\nlayer='norm'\nname='norm1'\n[[layers]]\nlayer='maxpool'\nsize=2\n[[layers]]\nlayer='flatten'\n\
        [[layers]]\nlayer='heads'\nmean='mean'\nvar='var'\n";

    /// Members 3 and 7 of a small network on 6x5 cutouts in two bands.
    pub(crate) fn model() -> Model {
        let network = Network::from_toml(LAYERS, &[6, 5, 2]).unwrap();
        let layout = Layout::new(&network).unwrap();
        let member = |number| {
            let (params, stats) = initialise(&network, &layout, 1, number);
            let cloud = Some(Cloud {
                mean: (0..12).map(|i| (number + i) as f32 / 7.0).collect(),
                whitening: (0..144).map(|i| i as f32 / 3.0).collect(),
            });
            Member {
                number,
                params,
                stats,
                cloud,
            }
        };
        let summary = |number| MemberSummary {
            number,
            best_epoch: 12,
            nll: Some(-0.1 - 0.2),
            rmse: Some(1.0 / 3.0),
            steps: 240,
            skipped: 1,
            restored: 0,
        };
        Model {
            members: [3, 7].map(member).to_vec(),
            about: About {
                label: Label {
                    name: "theta_e".into(),
                    unit: "arcsec".into(),
                    scale: 0.1 + 0.2,
                    shift: 0.0,
                    definition: Some("theta_e_crit".into()),
                    range: (0.45, 4.2),
                },
                bands: vec!["R".into(), "I".into()],
                pixel_scale: Some(0.2),
                preset: None,
                stretch: Stretch {
                    scale: vec![3.123456789012345e-12, 0.0],
                    mean: vec![1.0 / 3.0, 0.0],
                    std: vec![2.0 / 3.0, 1.0],
                },
                sky: SkyRange {
                    bands: vec![
                        BandRange {
                            sky: [-1.0, 1.0],
                            noise: [0.5, 2.0]
                        };
                        2
                    ],
                },
                training: TrainingSummary {
                    rows: 800,
                    train: 630,
                    validation: 70,
                    held_out: 100,
                    calibration: 0,
                    epochs: 40,
                    batch: 32,
                    seed: u64::MAX,
                    learning_rate: 1e-3,
                    device: "llvmpipe".into(),
                    date: "2026-07-14T09:30:00Z".into(),
                    version: "0.1.0".into(),
                    options: BTreeMap::from([("ema".to_string(), 0.999)]),
                    members: [3, 7].map(summary).to_vec(),
                },
                calibration: None,
                ood: Some(Threshold {
                    score: 1.7,
                    rows: 70,
                    data: "calibration split of the training data".into(),
                }),
            },
            network,
        }
    }

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

    fn error(bytes: &[u8]) -> String {
        format!("{:#}", Model::from_bytes(bytes).unwrap_err())
    }

    #[test]
    fn it_opens_again_bit_for_bit() {
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
    fn unknown_keys_and_tensors_of_later_versions_are_passed_over() {
        let bytes = changed(|tensors, metadata| {
            tensors.push(("calibration.map".into(), vec![1], vec![0; 4]));
            let about = metadata.get_mut("about").unwrap();
            *about = about.replacen('{', "{\"likelihood\":{\"kind\":\"student\"},", 1);
        });
        assert_eq!(Model::from_bytes(&bytes).unwrap(), model());
    }

    #[test]
    fn a_calibration_is_kept_and_a_damaged_one_refused() {
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
                record: Record::new("cutouts/", 400, utc_now()),
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
        let message = format!("{:#}", with(Map::Factors(damaged)).to_bytes().unwrap_err());
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
    fn cut_short_anywhere_is_an_error_that_names_the_file() {
        let bytes = model().to_bytes().unwrap();
        for end in [0, 1, 7, 8, 9, 100, bytes.len() / 2, bytes.len() - 1] {
            let message = error(&bytes[..end]);
            assert!(message.contains("cut short"), "{end}: {message}");
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("half.safetensors");
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let message = format!("{:#}", Model::read(&path).unwrap_err());
        assert!(message.contains("half.safetensors: the file is cut short"), "{message}");
        let message = format!("{:#}", Model::read(&dir.path().join("none")).unwrap_err());
        assert!(message.contains("none: the model cannot be read"), "{message}");
    }

    #[test]
    fn files_of_another_kind() {
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
    fn a_newer_format_says_which_lensgpu_to_use() {
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
                message.contains(&format!("var.bias of member 7 holds {bad}")),
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
            let message = format!("{:#}", model.write(&path).unwrap_err());
            assert!(
                message.contains("model.safetensors: the model is not written"),
                "{message}"
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), "old");
            message
        };
        assert!(refused(|m| m.members[0].stats[0] = f32::NAN).contains("norm1.moving_mean of member 3 holds NaN"));
        assert!(refused(|m| m.members[1].params.truncate(1)).contains("member 7 has rows of"));
        assert!(refused(|m| m.members.clear()).contains("no members"));
        assert!(refused(|m| m.about.training.members[0].nll = Some(f64::NAN)).contains("not finite"));
        assert!(refused(|m| m.about.label.scale = 0.0).contains("label's scale"));
        let missing = dir.path().join("none/model.safetensors");
        assert!(format!("{:#}", model().write(&missing).unwrap_err()).contains("create it first"));
    }
}
