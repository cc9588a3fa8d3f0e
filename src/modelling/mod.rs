//! From predictions to lens models and back: priors for programs that model lenses, and models that contradict the network
//! (`docs/modelling.md`).
//!
//! | file | contents |
//! |---|---|
//! | [`prior`] | priors on the Einstein radius for PyAutoLens, lenstronomy and COOLEST |
//! | [`compare`] | Einstein radii of models against the predictions |
//! | `objects` | which rows of a catalogue of predictions are used |
//! | `masses` | the axis ratio and slope of each mass, which the conversion between conventions needs |
//! | `numbers` | cells that must be numbers in a range |

pub mod compare;
mod error;
mod masses;
mod numbers;
mod objects;
pub mod prior;

pub use error::{ColumnRole, Error};
pub use masses::{Given, MassOptions};
pub use objects::{LeftOut, PredictionOptions};
