//! Einstein radii of strong gravitational lenses, with error bars, from survey cutouts.
//!
//! A deep ensemble of small convolutional networks ([arXiv:1612.01474](https://arxiv.org/abs/1612.01474)) is trained on
//! labelled images, all members at once, on a GPU through Vulkan, Metal or Direct3D 12, or on the CPU. For each image it
//! predicts a distribution of `theta_e` (arcsec), and flags that say why the prediction may be wrong. This is the library
//! behind the program `lensgpu`.
//!
//! # Predict
//!
//! A [`Model`] is what `lensgpu train` or [`train_arrays`] makes. A [`Predictor`] takes raw flux; the model masks and
//! stretches it as in training.
//!
//! ```
//! use lensgpu::{Device, Model, Predictor};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("model.safetensors");
//! # let network = lensgpu::Network::from_toml(
//! #     "layers = [{ layer = 'flatten' }, { layer = 'dense', name = 'dense', units = 4, activation = 'relu' },
//! #         { layer = 'heads', mean = 'mean', var = 'var' }]", &[12, 12, 2])?;
//! # let noise = |i: usize| (i as f32 * 12.9898).sin() * 43.758;
//! # let flux: Vec<f32> = (0..20 * 12 * 12 * 2).map(noise).collect();
//! # let labels: Vec<f64> = (0..20).map(|i| 1.0 + 0.05 * i as f64).collect();
//! # let data = lensgpu::LabelledImages::new(&flux, [12, 12, 2], &labels);
//! # let options = lensgpu::TrainOptions { members: vec![0, 1], epochs: 1, ..Default::default() };
//! # let start = lensgpu::Start::Network(&network);
//! # lensgpu::train_arrays(&data, start, &options, &Device::Cpu, &lensgpu::ignore_events)?.model.write(&path)?;
//!
//! let model = Model::read(&path)?;
//! let mut predictor = Predictor::new(model, &Device::choose("cpu")?)?;
//! let [height, width, channels] = predictor.shape();
//! let images: Vec<f32> = vec![0.1; 3 * height * width * channels]; // (N, H, W, C), channel fastest
//! for image in predictor.predict(&images)? {
//!     let p = image.prediction;
//!     let [_, q16, median, q84, _] = p.quantiles;
//!     println!("theta_e = {:.3} +- {:.3} arcsec", p.theta_e, p.sigma);
//!     println!("median {median:.3}, 68 % interval {q16:.3} to {q84:.3}, flags {}", image.flags);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Train
//!
//! [`train_arrays`] trains on images in memory, by the same steps as `lensgpu train` on files. It reports its progress as
//! [`Event`]s to a callback, which can also stop it.
//!
//! ```
//! use lensgpu::{Device, Event, LabelledImages, Network, Predictor, Start, TrainOptions, train_arrays};
//! use std::ops::ControlFlow;
//! # let noise = |i: usize| (i as f32 * 12.9898).sin() * 43.758;
//! # let images: Vec<f32> = (0..40 * 12 * 12 * 2).map(noise).collect();
//! # let labels: Vec<f64> = (0..40).map(|i| 1.0 + 0.05 * i as f64).collect();
//! # let network = "layers = [{ layer = 'flatten' }, { layer = 'dense', name = 'dense', units = 4, activation = 'relu' },
//! #     { layer = 'heads', mean = 'mean', var = 'var' }]";
//!
//! let shape = [12, 12, 2]; // height, width, channels
//! let data = LabelledImages::new(&images, shape, &labels); // raw flux, and theta_e in arcsec
//! let network = Network::from_toml(network, &shape)?;
//! let options = TrainOptions { members: vec![0, 1], epochs: 3, ..TrainOptions::default() };
//! let device = Device::choose("cpu")?;
//! let trained = train_arrays(&data, Start::Network(&network), &options, &device, &|event| {
//!     if let Event::Epoch { record, epochs } = event {
//!         println!("epoch {} of {epochs}: {:?}", record.epoch, record.members[0].val_nll);
//!     }
//!     ControlFlow::Continue(())
//! })?;
//! let predictions = Predictor::new(trained.model, &device)?.predict(&images)?;
//! assert_eq!(predictions.len(), labels.len());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is public
//!
//! The items listed on this page. The modules are public only for this package's program, tests and examples; they are
//! hidden from the documentation, are not part of the API, and may change at any time.
//!
//! # Modules
//!
//! The modules from bottom to top; each uses only those above it in this list:
//!
//! | module | what it does |
//! |---|---|
//! | [`numeric`] | medians, quantiles, hashes |
//! | [`files`] | writes a file completely or not at all |
//! | [`progress`] | what a long computation reports, and how it is stopped |
//! | [`likelihood`] | the distributions whose mean and variance the heads give |
//! | [`bayes`] | exact linear regression, MCMC |
//! | [`plan`] | a step or an inference pass as a list of operations on tensors |
//! | [`device`] | runs a plan: on a GPU through wgpu, or natively on the CPU |
//! | [`nn`] | the network as data, and the plan of its training step and inference pass |
//! | [`posterior`] | mixture, calibration, metrics, out-of-distribution scores: numbers in, numbers out |
//! | [`survey`] | images and catalogues of a survey, the stretch, the output catalogue |
//! | [`lens`] | lens physics and the simulator |
//! | [`model`] | the model file, and the predictor that runs it |
//! | [`plot`] | plots from numbers |
//! | [`train`] | `lensgpu train` |
//! | [`infer`] | `lensgpu infer` |
//! | [`evaluate`] | `lensgpu evaluate` |
//! | [`mass`] | `lensgpu mass` |
//! | [`population`] | `lensgpu population` |
//! | [`modelling`] | `lensgpu prior`, `lensgpu compare` |
//! | [`fit`] | `lensgpu fit` |
//! | [`report`] | the report of an evaluation |
//! | [`diagnose`] | the self test and the benchmark |
//! | [`cli`] | the command line |

#![warn(missing_docs)]

#[doc(hidden)]
pub mod bayes;
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod device;
#[doc(hidden)]
pub mod diagnose;
#[doc(hidden)]
pub mod evaluate;
#[doc(hidden)]
pub mod files;
#[doc(hidden)]
pub mod fit;
#[doc(hidden)]
pub mod infer;
#[doc(hidden)]
pub mod lens;
#[doc(hidden)]
pub mod likelihood;
#[doc(hidden)]
pub mod mass;
#[doc(hidden)]
pub mod model;
#[doc(hidden)]
pub mod modelling;
#[doc(hidden)]
pub mod nn;
#[doc(hidden)]
pub mod numeric;
#[doc(hidden)]
pub mod plan;
#[doc(hidden)]
pub mod plot;
#[doc(hidden)]
pub mod population;
#[doc(hidden)]
pub mod posterior;
#[doc(hidden)]
pub mod progress;
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod survey;
#[doc(hidden)]
pub mod train;

pub use device::{Device, Error as DeviceError};
pub use diagnose::Error as SelfTestError;
pub use diagnose::adapter::check_adapter;
pub use evaluate::{Error as EvaluateError, MetricSet, evaluate_arrays};
pub use infer::{Error as InferError, ImagePrediction, Passes, Predictor};
pub use lens::physics::cosmology::{Cosmology, Distances};
pub use lens::simulate::{SimulatedImages, TruthColumn, TruthValues, simulate_arrays};
pub use lens::{Error as SimulateError, Population};
pub use likelihood::Likelihood;
pub use model::{About, Error as ModelError, Member, MemberSummary, Model, Target, TrainingSummary};
pub use nn::Network;
pub use posterior::MemberPredictions;
pub use posterior::calibration::PredictiveDistribution;
pub use posterior::metrics::classification::ClassMetrics;
pub use posterior::metrics::{METRICS, Metric, Metrics};
pub use posterior::mixture::Prediction;
pub use progress::{Callback, EpochRecord, Event, MemberEpoch, Phase, ignore_events};
pub use survey::flags;
pub use train::{Error as TrainError, LabelledImages, OverFolds, Recipe, Start, TrainOptions, Trained};
pub use train::{train_arrays, train_folds};
