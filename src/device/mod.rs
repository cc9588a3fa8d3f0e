//! Runs a plan on a device. Each device lowers the operations of a plan in its own way: [`gpu`] to compute passes,
//! [`cpu`] to native functions. Everything above the plan sees an [`Engine`].
//!
//! | file | what it does |
//! |---|---|
//! | `engine` | the [`Engine`] trait, which both devices implement |
//! | `choose` | the devices of this machine, and the choice of one |
//! | `group` | several devices as one, each for a range of the members |
//! | `peak` | what a device can do at most |
//! | `precision` | how a device stores images and activations |
//! | `error`, `info` | what can go wrong on a device, and what is known of one |
//! | [`faults`] | failures on demand, for tests |
//! | [`gpu`] | a plan on a GPU or a software adapter, through wgpu |
//! | [`cpu`] | a plan on the CPU, natively |

mod choose;
pub mod cpu;
mod engine;
mod error;
pub mod faults;
pub mod gpu;
mod group;
mod info;
mod peak;
mod precision;

pub use choose::{Device, devices};
pub use engine::{Engine, Next, Sink, Watch};
pub use error::{Error, Result};
pub use info::DeviceInfo;
pub use peak::Peak;
pub use precision::Precision;
