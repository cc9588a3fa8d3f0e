//! Images and catalogues of a survey: read, cropped, masked, stretched and split; and the catalogue that is written.
//!
//! Start with [`ImageFolder`].
//!
//! | file | what it does |
//! |---|---|
//! | `folder` | [`ImageFolder`]: a folder of images and its catalogue, opened |
//! | `remembered` | what a model remembers of how its images are stored |
//! | `layout`, `pattern`, `images` | detects the layout of the files; reads an object's pixels |
//! | `bands` | which pixels of a file are the bands; masks and units |
//! | `preset` | known surveys as data |
//! | `selection` | which rows are used, which are dropped and why; labels |
//! | `fits`, `npy`, `catalogue` | file formats |
//! | `cutout` | one object's pixels: crop, mask |
//! | `parts` | the objects of a folder in parts that fit in memory |
//! | [`reader`] | many cutouts in parallel, all at once or as a stream |
//! | `picture` | colour pictures: PNG, JPEG, TIFF |
//! | `guard` | panics of dependencies as errors |
//! | `psf` | a point spread function |
//! | `audit`, `few` | warnings about the images; lists in messages |
//! | `healpix` | pixels of the sky, the partitions of HATS catalogues |
//! | `tiles` | stamps cut out of large images around positions |
//! | `tabular` | a table without images: rows are images of one pixel |
//! | `stretch`, [`sky`] | raw flux to network input; the range of sky level and noise in training |
//! | [`statistics`] | statistics of a cutout that need no network, for the out-of-distribution score |
//! | `split` | training, validation, calibration and held-out rows |
//! | [`table`], `infer_table`, [`flags`] | the output catalogue |
//! | `predictions` | the output catalogue, read |

mod angle;
pub(crate) mod audit;
mod bands;
mod catalogue;
pub(crate) mod cutout;
mod error;
mod few;
mod fits;
pub mod flags;
mod folder;
mod guard;
mod healpix;
mod images;
pub(crate) mod infer_table;
pub(crate) mod label;
mod layout;
mod npy;
mod parts;
mod pattern;
mod picture;
pub(crate) mod predictions;
pub(crate) mod preset;
pub(crate) mod psf;
pub mod reader;
mod remembered;
mod selection;
pub mod sky;
pub(crate) mod split;
pub mod statistics;
pub(crate) mod stretch;
pub mod table;
mod tabular;
mod tiles;

pub use audit::Audit;
pub use bands::{BandChoice, BandsError, FluxUnit, MaskBits, Photometry, PixelOptions, model_bands};
pub use catalogue::{Catalogue, CatalogueError, FitsTableError, HatsError, Place, RowNumber, VoTableError};
pub use cutout::Cutout;
pub use error::Error;
pub(crate) use few::few;
pub use fits::FitsError;
pub use folder::{FolderError, ImageFolder, ImageFolderOptions};
pub use healpix::Pixel;
pub use npy::NpyError;
pub use parts::{ImageParts, Part};
pub use picture::PictureError;
pub use predictions::{PosteriorSource, PredictionsError};
pub use preset::{Challenge, PRESETS, Preset};
pub use psf::PsfError;
pub use remembered::ImageSource;
pub use selection::{ColumnRole, DropReport, FilterError, Object, SelectionError};
pub(crate) use selection::{Filter, LensColumn, is_missing, is_unknown_number};
pub use split::SplitError;
pub use stretch::{Curve, Stretch, StretchError};
pub use table::TableError;
pub use tabular::{Missing, TabularError};
pub use tiles::{PositionColumns, TileOptions, TilesError};
