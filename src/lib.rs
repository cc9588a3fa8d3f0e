//! lensgpu: Einstein radii with error bars that can be trusted, by deep ensembles on any GPU.
//!
//! The modules from bottom to top; each uses only those above it in this list:
//!
//! | module | what it does |
//! |---|---|
//! | [`numeric`] | medians, quantiles, hashes |
//! | [`files`] | writes a file completely or not at all |
//! | [`progress`] | what a long computation reports, and how it is stopped |
//! | [`likelihood`] | the distributions whose mean and variance the heads give |
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
//! | [`report`] | the report of an evaluation |
//! | [`diagnose`] | the self test and the benchmark |
//! | [`cli`] | the command line |

pub mod cli;
pub mod device;
pub mod diagnose;
pub mod evaluate;
pub mod files;
pub mod infer;
pub mod lens;
pub mod likelihood;
pub mod mass;
pub mod model;
pub mod nn;
pub mod numeric;
pub mod plan;
pub mod plot;
pub mod posterior;
pub mod progress;
pub mod report;
pub mod survey;
pub mod train;
