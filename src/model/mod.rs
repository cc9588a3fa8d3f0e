//! The model: an ensemble and everything needed to use it.
//!
//! | file | what it does |
//! |---|---|
//! | this one | [`Model`] and its [`Member`]s |
//! | [`about`] | metadata: label, bands, stretch, how it was trained |
//! | `images` | opens a folder as the model needs it |
//! | `file` | reads and writes the model file |
//! | `flags` | why a prediction may be wrong |
//! | `pack` | rounds the weights of a model to float16 |
//! | [`shipped`] | the models that the program contains |
//! | [`ensemble`] | the members on a device: network input in, predictions out |

pub mod about;
pub mod ensemble;
mod error;
mod file;
mod flags;
mod images;
mod pack;
pub mod shipped;

pub use about::{About, Card, MemberSummary, Precision, Target, TrainingSummary};
pub use ensemble::Ensemble;
pub use error::Error;
pub use flags::ImageFacts;

use crate::nn::Network;
use crate::posterior::ood::{Cloud, ImageDistribution};
use crate::posterior::{MemberPredictions, Quantity};
use std::time::SystemTime;

/// A trained ensemble, with everything needed to use it. [`Model::read`] and [`Model::write`] keep it in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The network that all members share.
    pub network: Network,
    /// At least one, each with a different number.
    pub members: Vec<Member>,
    /// The distribution of the training images' [statistics](crate::survey::statistics); `None` for models of earlier
    /// versions, and if it could not be fitted.
    pub statistics: Option<ImageDistribution>,
    /// Metadata.
    pub about: About,
}

impl Model {
    /// What it predicts, for tables and plots.
    pub fn quantity(&self) -> Quantity {
        let label = &self.about.label;
        match self.network.takes_images() {
            true => Quantity::einstein_radius(),
            false => Quantity::new(&label.name, &label.unit),
        }
    }

    /// The members' predictions in the label's unit, from those in scaled labels.
    pub fn in_units(&self, scaled: &MemberPredictions) -> MemberPredictions {
        let label = &self.about.label;
        MemberPredictions {
            lowest: if self.network.takes_images() {
                0.0
            } else {
                f64::NEG_INFINITY
            },
            ..scaled.in_units(label.scale, label.shift)
        }
    }

    /// The column of the predicted mean in a catalogue: `theta_e` for images, the label's name for tables.
    pub fn prediction_column(&self) -> String {
        match self.network.takes_images() {
            true => "theta_e".into(),
            false => self.about.label.name.clone(),
        }
    }
}

/// The weights of one member.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Number of the member in the ensemble.
    pub number: u32,
    /// Weights, in the order of [`Layout::params`](crate::nn::Layout); `Layout::param_stride` values. Padding between the
    /// tensors is not saved, and is 0 in a model that was read.
    pub params: Vec<f32>,
    /// Running statistics, in the order of `Layout::stats`; `Layout::stat_stride` values.
    pub stats: Vec<f32>,
    /// Distribution of the training images among the features of this member. Either all members have one or none.
    pub cloud: Option<Cloud>,
}

/// The time, UTC, as RFC 3339 writes it, to the second: `2026-07-14T09:30:00Z`.
pub fn utc_now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::nn::Layout;
    use crate::nn::initialise;
    use crate::posterior::ood::{KNOTS, Threshold, Typical};
    use crate::survey::sky::BandRange;
    use crate::survey::sky::SkyRange;
    use crate::survey::statistics;
    use crate::survey::{Photometry, Stretch};
    use std::collections::BTreeMap;

    const LAYERS: &str = "[[layers]]\nlayer='conv'\nname='conv1'\nfilters=3\nkernel=2\nactivation='relu'\n\
        [[layers]]\nlayer='norm'\nname='norm1'\n[[layers]]\nlayer='maxpool'\nsize=2\n[[layers]]\nlayer='flatten'\n\
        [[layers]]\nlayer='heads'\nmean='mean'\nvar='var'\n";

    fn distribution() -> ImageDistribution {
        let size = statistics::count([6, 5, 2]);
        let values = |n: usize| (0..n).map(|i| i as f32 / 9.0).collect();
        ImageDistribution {
            knots: values(size * KNOTS),
            cloud: Cloud {
                mean: values(size),
                whitening: values(size * size),
            },
        }
    }

    /// Members 3 and 7 of a small network for 6x5 cutouts in two bands.
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
            statistics: Some(distribution()),
            about: About {
                label: Target {
                    name: "theta_e".into(),
                    unit: "arcsec".into(),
                    scale: 0.1 + 0.2,
                    shift: 0.0,
                    definition: Some("theta_e_crit".into()),
                    range: (0.45, 4.2),
                    quantiles: Some((0..19).map(|i| 0.5 + f64::from(i) / 9.0).collect()),
                },
                bands: vec!["R".into(), "I".into()],
                pixel_scale: Some(0.2),
                photometry: Photometry::default(),
                images: None,
                preset: None,
                stretch: Stretch {
                    scale: vec![3.123456789012345e-12, 0.0],
                    mean: vec![1.0 / 3.0, 0.0],
                    std: vec![2.0 / 3.0, 1.0],
                    curve: Default::default(),
                    softening: vec![],
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
                precision: Precision::Float32,
                card: None,
                calibration: None,
                ood: Some(Threshold {
                    score: 1.7,
                    rows: 70,
                    data: "calibration split of the training data".into(),
                    typical: [0.1, 0.2, 0.3].map(|std| Some(Typical { mean: -0.5, std })),
                }),
                epistemic_limit: Some(0.07),
            },
            network,
        }
    }
}
