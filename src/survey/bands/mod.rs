//! Which pixels of a file are the bands: by name, whatever their order, and never a weight, a mask or a point spread
//! function.
//!
//! | file | what it does |
//! |---|---|
//! | `choice` | the bands as the user or the model names them |
//! | `role` | whether an image is flux, a mask, a weight or noise |
//! | `names` | the band names of an image or of a cube's planes |
//! | `matching` | finds the plane of each band |
//! | `mask` | which pixels have no value |
//! | `zero_point` | units of flux |
//! | `summary` | what a file has, and warnings about it |
//! | `read` | a file's bands, masked and in one unit |

mod choice;
mod error;
mod mask;
mod matching;
mod names;
mod read;
mod role;
mod summary;
mod zero_point;

pub(super) use choice::unnamed;
pub use choice::{BandChoice, model_bands};
pub use error::BandsError;
pub use mask::{MaskBits, PixelOptions};
pub(super) use mask::{MaskPlane, PixelRules};
pub(super) use matching::FluxPlane;
pub(super) use read::{BandPixels, BandReader};
pub(super) use role::Role;
pub(super) use summary::FileSummary;
pub use zero_point::{FluxUnit, Photometry};
