//! Images and catalogues of a survey: read, cropped, masked, stretched and split; and the catalogue that is written.
//!
//! Start with [`ImageFolder`].
//!
//! | file | what it does |
//! |---|---|
//! | `folder` | [`ImageFolder`]: a folder of images and its catalogue, opened |
//! | `layout`, `pattern`, `images` | detects the layout of the files; reads an object's pixels |
//! | `bands` | which pixels of a file are the bands; masks and units |
//! | `preset` | known surveys as data |
//! | `selection` | which rows are used, which are dropped and why; labels |
//! | `fits`, `npy`, `catalogue` | file formats |
//! | `cutout` | one object's pixels: crop, mask |
//! | [`reader`] | many cutouts in parallel, all at once or as a stream |
//! | `psf` | a point spread function |
//! | `audit` | warnings about the images |
//! | `stretch`, [`sky`] | raw flux to network input; the range of sky level and noise in training |
//! | `split` | training, validation, calibration and held-out rows |
//! | [`table`], `infer_table`, [`flags`] | the output catalogue |

pub(crate) mod audit;
mod bands;
mod catalogue;
pub(crate) mod cutout;
mod error;
mod fits;
pub mod flags;
mod folder;
mod images;
pub(crate) mod infer_table;
mod layout;
mod npy;
mod pattern;
pub(crate) mod preset;
pub(crate) mod psf;
pub mod reader;
mod selection;
pub mod sky;
pub(crate) mod split;
pub(crate) mod stretch;
pub mod table;

pub use audit::Audit;
pub use bands::{BandChoice, BandsError, FluxUnit, MaskBits, PixelOptions, model_bands};
pub use catalogue::{Catalogue, CatalogueError, Place, RowNumber};
pub use cutout::Cutout;
pub use error::Error;
pub use fits::FitsError;
pub use folder::{FolderError, ImageFolder, ImageFolderOptions};
pub use npy::NpyError;
pub use preset::{Challenge, PRESETS, Preset};
pub use psf::PsfError;
pub use selection::{ColumnRole, DropReport, Object, SelectionError};
pub use split::SplitError;
pub use stretch::{Stretch, StretchError};
pub use table::TableError;

/// A few of these names, and how many more there are: lists in messages are never as long as a folder.
fn few<T: AsRef<str>>(names: &[T]) -> String {
    const FEW: usize = 6;
    let shown: Vec<&str> = names.iter().take(FEW).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(FEW) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
