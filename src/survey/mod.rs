//! Catalogues and images in, cutouts, masks, stretch and splits; catalogues out.
//!
//! | file | what it does |
//! |---|---|
//! | [`folder`] | a folder and its catalogue, opened: start reading here |
//! | `layout` | a survey's folder, files by a name pattern, or a `.npy` stack |
//! | [`preset`] | known surveys as data |
//! | [`select`] | which rows are used, which are dropped and why; labels |
//! | `fits`, `fits_table`, `hdus`, `wcs`, `npy`, `pattern`, [`catalogue`] | one file format each |
//! | [`cutout`] | one object's pixels: crop, mask |
//! | [`reader`] | many cutouts in parallel, all at once or as a stream |
//! | [`psf`] | a point spread function |
//! | [`audit`] | what a user should know about the images |
//! | [`stretch`], [`sky`] | raw flux to network input; what is usual for sky and noise |
//! | [`split`] | training, validation and held-out rows |
//! | [`table`], [`infer_table`], [`flags`] | the catalogue that comes out |

pub mod audit;
pub mod catalogue;
pub mod cutout;
mod fits;
mod fits_table;
pub mod flags;
pub mod folder;
mod hdus;
pub mod infer_table;
mod layout;
mod npy;
mod pattern;
pub mod preset;
pub mod psf;
pub mod reader;
pub mod select;
pub mod sky;
pub mod split;
pub mod stretch;
pub mod table;
mod wcs;

pub use catalogue::Catalogue;
pub use cutout::Cutout;
pub use folder::{ImageFolder, ImageFolderOptions};
pub use preset::Preset;
pub use select::DropReport;
pub use stretch::Stretch;
