//! Errors of training.

use super::merge::MergeError;
use super::recipe::Recipe;
use crate::survey::Place;
use std::io;
use std::path::PathBuf;

/// Why a model cannot be trained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A training option out of its range.
    #[error("{option} is {value}; it must be {allowed}")]
    Option {
        /// Name of the option, a field of [`TrainOptions`](super::TrainOptions) or
        /// [`SimulateOptions`](super::SimulateOptions).
        option: &'static str,
        /// Its value.
        value: String,
        /// The values that are allowed.
        allowed: String,
    },
    /// An option that makes sense for images only, and a network that takes tables.
    #[error("{option} needs images, and the input of this network is a table")]
    NeedsImages {
        /// Name of the option.
        option: &'static str,
    },
    /// Dense layers alone, for images.
    #[error("a network of dense layers is for tables; images need a network file")]
    NeedsTable,
    /// A member whose weights are finite and whose predictions are not.
    #[error("the training has diverged: predictions of member {member} are not finite; no model is written")]
    Diverged {
        /// Number of the member.
        member: u32,
    },
    /// A member that skipped more steps than it took.
    #[error(
        "the training has diverged: member {member} skipped {skipped} of {steps} steps, because its gradient was not \
         finite; no model is written"
    )]
    MostStepsSkipped {
        /// Number of the member.
        member: u32,
        /// Steps that were skipped.
        skipped: u64,
        /// All its steps.
        steps: u64,
    },
    /// Too few images in the training split.
    #[error("{rows} rows to train on; at least 2 are needed")]
    TooFewRows {
        /// Images of the training split.
        rows: usize,
    },
    /// The device cannot hold the images of one step.
    #[error("the device holds {images} images at a time, and a batch is {batch}; use a smaller batch")]
    BatchTooLarge {
        /// Images that the device can hold.
        images: usize,
        /// Images per step.
        batch: usize,
    },
    /// The device cannot hold the images of all folds.
    #[error("the device holds {images} images at a time, and the {folds} folds have {all} together; use fewer folds")]
    FoldsTooLarge {
        /// Images that the device can hold.
        images: usize,
        /// Number of folds.
        folds: usize,
        /// Images of all folds together.
        all: usize,
    },
    /// Too few or too many folds.
    #[error("{folds} folds of {rows} rows; there must be at least 2, and at most one per row")]
    FoldCount {
        /// Number of folds.
        folds: usize,
        /// Number of rows.
        rows: usize,
    },
    /// A table of folds with a wrong row.
    #[error("{place}: {reason}")]
    FoldFile {
        /// The row.
        place: Place,
        /// What is wrong with it.
        reason: String,
    },
    /// A fold that no row of the table names.
    #[error("{}: the fold {fold} holds out no object; folds are counted from 0", path.display())]
    EmptyFold {
        /// The table.
        path: PathBuf,
        /// The fold.
        fold: u32,
    },
    /// Arrays in memory whose lengths do not fit each other.
    #[error("{found} {what}, but {expected} are needed")]
    ArrayLength {
        /// What the array holds.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length that is needed.
        expected: usize,
    },
    /// A label that the network cannot predict.
    #[error("object {object}: the label is {label}, and {reason}")]
    Label {
        /// Id of the object.
        object: String,
        /// Its label, arcsec.
        label: f64,
        /// Why the network cannot predict it.
        reason: &'static str,
    },
    /// A lens head that is to be trained without examples of both classes.
    #[error(
        "p_lens needs lenses and other objects to train on, told apart by a column is_lens, and there are {lenses} lenses \
         and {others} other objects"
    )]
    OneClass {
        /// Lenses in the training split.
        lenses: usize,
        /// Other objects in the training split.
        others: usize,
    },
    /// Simulated lenses have the flux unit of their population.
    #[error("fluxes of simulated lenses cannot be rescaled; change the population's electron instead")]
    FluxScale,
    /// The network of a recipe does not fit the images.
    #[error("the network of the {} recipe does not fit images of {}", recipe.name(), shape(input))]
    RecipeNetwork {
        /// The recipe.
        recipe: Recipe,
        /// Height, width and channels of the images.
        input: Vec<usize>,
        /// The layer that does not fit.
        #[source]
        source: Cause,
    },
    /// A network file that does not exist or cannot be opened.
    #[error("{}: the network file cannot be read", path.display())]
    NetworkUnreadable {
        /// The network file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A network file that is not valid, or does not fit the images.
    #[error("{}", path.display())]
    NetworkFile {
        /// The network file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Cause,
    },
    /// The initial model has another network.
    #[error("the initial model has another network: {network}")]
    OtherNetwork {
        /// Its network, as JSON.
        network: String,
    },
    /// The network, or the initial model, takes images of another shape.
    #[error("the network takes images of {expected:?} (height, width, bands), and these are {found:?}")]
    OtherInput {
        /// Input shape of the network.
        expected: Vec<usize>,
        /// Shape of the images.
        found: Vec<usize>,
    },
    /// A member is to start from an initial model that does not have it.
    #[error("the initial model has no member {member}")]
    NoSuchMember {
        /// Number of the member.
        member: u32,
    },
    /// A member whose gradient was never finite.
    #[error(
        "member {member} took none of {steps} steps: its gradient was never finite; \
         check the images for extreme values"
    )]
    NoStepTaken {
        /// Number of the member.
        member: u32,
        /// Steps that were skipped.
        steps: u32,
    },
    /// A member with weights that are NaN or infinite.
    #[error("the weights of member {member} are not finite")]
    WeightsNotFinite {
        /// Number of the member.
        member: u32,
    },
    /// The progress callback asked to stop before the first step.
    #[error("stopped while the images were prepared: no step was taken, and nothing has changed")]
    StoppedBeforeTraining,
    /// The progress callback asked to stop a training that cannot be resumed.
    #[error("stopped after {epochs} epochs")]
    Stopped {
        /// Epochs that were complete.
        epochs: usize,
    },
    /// A run cannot be resumed because there is none.
    #[error("{}: there is no run to resume in {}", path.display(), folder.display())]
    NoRun {
        /// The missing file.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// `run.toml` is damaged.
    #[error("{} cannot be parsed", path.display())]
    RunFile {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: Box<toml::de::Error>,
    },
    /// A run that is complete cannot be resumed.
    #[error("the run in {} is complete; its model is {}", folder.display(), model.display())]
    RunComplete {
        /// The folder.
        folder: PathBuf,
        /// The model file.
        model: PathBuf,
    },
    /// The images have another shape than when the run began.
    #[error("the images are {found:?} now and were {expected:?} when the run began; restore the data")]
    ImagesChanged {
        /// Shape of the images.
        found: Vec<usize>,
        /// Shape when the run began.
        expected: Vec<usize>,
    },
    /// The labelled objects or the split are not those that the run began with.
    #[error(
        "the images, their labels or the split are not those that the run began with: restore the data, or start anew"
    )]
    DataChanged,
    /// The checkpoint cannot be opened.
    #[error("{}: the checkpoint cannot be read", path.display())]
    CheckpointMissing {
        /// The checkpoint file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The content of the checkpoint cannot be used.
    #[error("{} is damaged or not a checkpoint of this version; start the run again", path.display())]
    CheckpointDamaged {
        /// The checkpoint file.
        path: PathBuf,
        /// What is wrong, if anything is known.
        source: Option<Cause>,
    },
    /// The checkpoint does not fit this run.
    #[error("{}", path.display())]
    CheckpointRefused {
        /// The checkpoint file.
        path: PathBuf,
        /// Why.
        source: Box<Error>,
    },
    /// A tensor of the checkpoint does not fit the network.
    #[error("tensor {tensor} of the checkpoint does not fit this network; start the run again")]
    CheckpointTensor {
        /// Name of the tensor.
        tensor: String,
    },
    /// Counts of the checkpoint that contradict each other or the run.
    #[error("'{what}' in the progress of the checkpoint does not fit this run; start the run again")]
    CheckpointProgress {
        /// The count or list.
        what: &'static str,
    },
    /// The predictions for the calibration rows of a run cannot be opened.
    #[error("{}: the predictions for the calibration rows cannot be read", path.display())]
    NoCalibrationRows {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The predictions for the calibration rows of a run cannot be used.
    #[error("{} is damaged or of another version; train the run again", path.display())]
    CalibrationRowsDamaged {
        /// The file.
        path: PathBuf,
    },
    /// Runs that cannot be merged.
    #[error(transparent)]
    Merge(Box<MergeError>),
    /// A file of the run cannot be encoded.
    #[error("{what} cannot be encoded")]
    Encode {
        /// The content.
        what: &'static str,
        /// What the encoder says.
        source: Cause,
    },
    /// A network that is not valid.
    #[error(transparent)]
    Network(#[from] crate::nn::Error),
    /// A file or folder that cannot be written.
    #[error(transparent)]
    Files(#[from] crate::files::Error),
    /// Images or a catalogue that cannot be used.
    #[error(transparent)]
    Survey(Box<crate::survey::Error>),
    /// Lenses that cannot be simulated.
    #[error(transparent)]
    Lens(Box<crate::lens::Error>),
    /// The model cannot be read, written or run.
    #[error(transparent)]
    Model(#[from] crate::model::Error),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] crate::device::Error),
    /// Predictions that nothing can be computed from.
    #[error(transparent)]
    Posterior(#[from] crate::posterior::Error),
    /// A plot cannot be drawn or written.
    #[error(transparent)]
    Plot(#[from] crate::plot::Error),
}

/// The cause of an error, of a type that depends on what was done.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

impl From<crate::survey::Error> for Error {
    fn from(error: crate::survey::Error) -> Error {
        Error::Survey(error.into())
    }
}

impl From<MergeError> for Error {
    fn from(error: MergeError) -> Error {
        Error::Merge(error.into())
    }
}

impl From<crate::lens::Error> for Error {
    fn from(error: crate::lens::Error) -> Error {
        Error::Lens(error.into())
    }
}

/// `12x12x2`.
fn shape(sizes: &[usize]) -> String {
    let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
    sizes.join("x")
}
