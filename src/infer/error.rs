//! Errors of inference.

use super::shard::Shard;
use crate::numeric::listed;
use std::error::Error as StdError;
use std::path::PathBuf;

/// Why there are no predictions.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The table of positions has fewer rows than when it was opened.
    #[error("the table of positions has changed while it was read")]
    ObjectsGone,
    /// The model does not take images.
    #[error("this model takes tables with the features {}, not images", features.join(", "))]
    TakesTables {
        /// Features of a row.
        features: Vec<String>,
    },
    /// The model does not take tables.
    #[error("this model takes images of {} x {} pixels in the bands {}, and {} is a file", size.0, size.1, bands.join(", "), path.display())]
    TakesImages {
        /// The table.
        path: PathBuf,
        /// Width and height of an image.
        size: (usize, usize),
        /// Bands of the model.
        bands: Vec<String>,
    },
    /// The images have another number of bands than the model.
    #[error(
        "the model takes {} bands ({}), and these images have {} ({})",
        expected.len(), expected.join(", "), found.len(), found.join(", ")
    )]
    Bands {
        /// Bands of the model.
        expected: Vec<String>,
        /// Bands of the images.
        found: Vec<String>,
    },
    /// The images have another size than those of the model.
    #[error(
        "the model takes images of {} x {} pixels, and these are {} x {}",
        expected.0, expected.1, found.0, found.1
    )]
    Size {
        /// Width and height that the model takes.
        expected: (usize, usize),
        /// Width and height of the images.
        found: (usize, usize),
    },
    /// An array in memory that does not hold whole images.
    #[error("{values} values are not a whole number of images of {} values, {}x{}x{}",
        shape.iter().product::<usize>(), shape[0], shape[1], shape[2])]
    ArrayLength {
        /// Length of the array.
        values: usize,
        /// Height, width and channels of an image.
        shape: [usize; 3],
    },
    /// True values were asked for, but there is no catalogue with them.
    #[error("there is no catalogue with the column '{column}' of true values")]
    NoCatalogue {
        /// Name of the column.
        column: String,
    },
    /// Predictions of some of the images would be mistaken for those of all.
    #[error("stopped after {done} of {total} images")]
    Stopped {
        /// Images with a prediction.
        done: usize,
        /// All images.
        total: usize,
    },
    /// Not a single image could be read.
    #[error("none of {images} images could be read; the first: {first}")]
    NothingReadable {
        /// Number of images.
        images: usize,
        /// Why the first one could not be read.
        first: String,
    },
    /// A row of the catalogue without an image.
    #[error("there is no image")]
    NoImage,
    /// An image that cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// An image without a value in any pixel.
    #[error("object {object}: all pixels are masked")]
    AllMasked {
        /// Id of the object.
        object: String,
    },
    /// The members' predictions are not finite.
    #[error("object {object}: no prediction")]
    NoPrediction {
        /// Id of the object.
        object: String,
        /// What is wrong with them.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The journal of a run with other inputs.
    #[error("{} is of a run with another {name}", path.display())]
    OtherRun {
        /// The journal.
        path: PathBuf,
        /// What differs.
        name: String,
    },
    /// A journal that cannot be read or written.
    #[error("{}", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// More shards than objects.
    #[error("{objects} objects cannot be divided into {shards} shards")]
    TooManyShards {
        /// Number of shards.
        shards: usize,
        /// Number of objects.
        objects: usize,
    },
    /// A catalogue without the file that describes it.
    #[error("{}: the file that describes this catalogue, {}.json, cannot be read", path.display(), path.display())]
    NoDescription {
        /// The catalogue.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A catalogue that is no shard.
    #[error("{} is not the catalogue of a shard", path.display())]
    NotAShard {
        /// The catalogue.
        path: PathBuf,
    },
    /// A catalogue that is not the one that the file beside it describes.
    #[error("{} has other rows or columns than {}.json says: it was changed", path.display(), path.display())]
    Changed {
        /// The catalogue.
        path: PathBuf,
    },
    /// Shards that do not belong together.
    #[error("{} and {} are shards with another {name}", files[0].display(), files[1].display())]
    OtherShard {
        /// What differs.
        name: String,
        /// The catalogues.
        files: [PathBuf; 2],
    },
    /// A shard that is given twice.
    #[error("{} and {} are both shard {shard}", files[0].display(), files[1].display())]
    ShardTwice {
        /// The shard.
        shard: Shard,
        /// The catalogues.
        files: [PathBuf; 2],
    },
    /// Shards that are not given.
    #[error("of {of} shards, {} missing", listed("shard", numbers))]
    ShardsMissing {
        /// Their numbers, counted from 1.
        numbers: Vec<u32>,
        /// Number of shards.
        of: usize,
    },
    /// An object that is in two catalogues.
    #[error("the id {id} is in {} and again in {}", files[0].display(), files[1].display())]
    IdTwice {
        /// Id of the object.
        id: String,
        /// The catalogues, which may be the same.
        files: [PathBuf; 2],
    },
    /// No shard has a row.
    #[error("the shards have no rows")]
    NoRows,
    /// A row of the output cannot be written.
    #[error("object {object}")]
    Row {
        /// Id of the object.
        object: String,
        /// Why.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The catalogue lacks the column with true values.
    #[error("true values")]
    TruthColumn(#[source] Box<crate::survey::CatalogueError>),
    /// The device failed in the middle.
    #[error("{rows} of {objects} objects are in {}, and {} is as it was", partial.display(), output.display())]
    Partial {
        /// The catalogue of those that were predicted.
        partial: PathBuf,
        /// The catalogue that was to be written.
        output: PathBuf,
        /// Rows of the first.
        rows: usize,
        /// Objects in the folder.
        objects: usize,
        /// The failure.
        source: Box<crate::model::Error>,
    },
    /// Images or a catalogue that cannot be read or written.
    #[error(transparent)]
    Survey(Box<crate::survey::Error>),
    /// The model cannot be run.
    #[error(transparent)]
    Model(#[from] crate::model::Error),
    /// Predictions that nothing can be computed from.
    #[error(transparent)]
    Posterior(#[from] crate::posterior::Error),
}

impl From<crate::survey::Error> for Error {
    fn from(error: crate::survey::Error) -> Error {
        Error::Survey(error.into())
    }
}
