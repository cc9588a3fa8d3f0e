//! lensgpu: Einstein radii with error bars that can be trusted, by deep ensembles on any GPU.
//!
//! How data flows, and where it is:
//!
//! | module | what it does |
//! |---|---|
//! | [`data`] | catalogues and images in, cutouts, masks, stretch, splits; catalogues out |
//! | [`net`] | the network as data, where each parameter lies, initialisation, model file |
//! | [`plan`] | a step and an inference pass as a list of operations: start reading here |
//! | [`cpu`] | the same operations on the processor, at native speed with nothing installed |
//! | [`gpu`] | wgpu: adapter, kernels and bindings, buffers, replay of a plan |
//! | [`lens`] | the simulator: populations, mass models, images made on the device |
//! | [`ensemble`] | training, inference, the mixture, metrics, the self test, the benchmark |
//! | [`lens`] | the physics: distances, masses, velocity dispersions |
//! | [`report`] | plots |
//! | [`cli`] | the command line |
//! | [`files`] | writing a file whole or not at all |

pub mod cli;
pub mod cpu;
pub mod data;
pub mod device;
pub mod ensemble;
pub mod files;
pub mod gpu;
pub mod lens;
pub mod net;
pub mod plan;
pub mod report;
