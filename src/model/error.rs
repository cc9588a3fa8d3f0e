//! Errors of reading, writing and running a model.

use safetensors::SafeTensorError;
use std::io;
use std::path::PathBuf;

/// Why a model cannot be read, written or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file does not exist or cannot be opened.
    #[error("{}: the model cannot be read", path.display())]
    Read {
        /// The model file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Neither a file nor the name of a shipped model.
    #[error(
        "there is no file {name}, and no shipped model of this name; {}",
        match known.is_empty() {
            true => "this program contains no models".to_string(),
            false => format!("the shipped models are {}", known.join(", ")),
        }
    )]
    Unknown {
        /// As given.
        name: String,
        /// Names of the shipped models.
        known: Vec<&'static str>,
    },
    /// The content of the file is not a usable model.
    #[error("{}", path.display())]
    Content {
        /// The model file.
        path: PathBuf,
        /// What is wrong with the content.
        source: Box<Error>,
    },
    /// The model would not be readable, and was not written.
    #[error("{}: the model is not written", path.display())]
    NotWritten {
        /// The model file.
        path: PathBuf,
        /// What is wrong with the model.
        source: Box<Error>,
    },
    /// The file is shorter or longer than its header says.
    #[error("the file is cut short or has been added to")]
    WrongLength(#[source] SafeTensorError),
    /// The file is not in the safetensors format.
    #[error("this is not a safetensors file")]
    NotSafetensors(#[source] SafeTensorError),
    /// A safetensors file from another program.
    #[error("this is a safetensors file but not a lensgpu model")]
    NotAModel,
    /// Written by a later version of lensgpu, in a format that this one does not know.
    #[error(
        "the model has format version {found}, and this version of lensgpu ({}) reads up to {supported}; \
         use a newer lensgpu",
        env!("CARGO_PKG_VERSION")
    )]
    Version {
        /// Format version of the file.
        found: String,
        /// The latest format version that can be read.
        supported: u32,
    },
    /// The checksum in the file is not that of its content.
    #[error("the checksum does not match: the file is damaged, or was changed by another program")]
    Damaged,
    /// The metadata lacks a key.
    #[error("the model's metadata lacks '{key}': the file is damaged")]
    MissingMetadata {
        /// The key.
        key: &'static str,
    },
    /// The text of a metadata key cannot be parsed.
    #[error("'{key}' in the model's metadata cannot be read; use the version of lensgpu that wrote it")]
    Metadata {
        /// The key.
        key: &'static str,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A tensor that the network needs is not in the file.
    #[error("tensor {tensor} is missing, which the model's own network needs: the file is damaged")]
    MissingTensor {
        /// Name of the tensor.
        tensor: String,
    },
    /// A tensor of another type or shape than the network needs.
    #[error("tensor {tensor} is {found} and must be {expected}: the file was changed after training")]
    Tensor {
        /// Name of the tensor.
        tensor: String,
        /// Its type and shape.
        found: String,
        /// The type and shape that the network needs.
        expected: String,
    },
    /// A weight or statistic that is NaN or infinite.
    #[error("{tensor} of member {member} contains {value}: the model cannot be used; train it again")]
    NotFinite {
        /// Name of the tensor.
        tensor: String,
        /// Number of the member.
        member: u32,
        /// The value.
        value: f32,
    },
    /// A member with too few or too many values for the network.
    #[error("member {member} has {found:?} weights and statistics, its network needs {expected:?}")]
    MemberLength {
        /// Number of the member.
        member: u32,
        /// Number of weights and of statistics, padding included.
        found: (usize, usize),
        /// What the network needs.
        expected: (usize, usize),
    },
    /// A model without members.
    #[error("the model has no members")]
    NoMembers,
    /// Two members with the same number.
    #[error("two members of the model have the same number, {number}")]
    DuplicateMember {
        /// The number.
        number: u32,
    },
    /// The distribution of features has the wrong size, or is not finite.
    #[error("the feature distribution of member {member} is not valid; train the model again")]
    Features {
        /// Number of the member.
        member: u32,
    },
    /// The distribution of the image statistics has the wrong size, or is not finite.
    #[error("the distribution of image statistics is not valid; train the model again")]
    Statistics,
    /// The label's scale is not a positive number.
    #[error("the label's scale is {scale}; it must be positive")]
    LabelScale {
        /// The scale.
        scale: f64,
    },
    /// A number of the metadata is NaN or infinite.
    #[error("a number in the model's metadata (label, stretch, sky, training) is not finite")]
    MetadataNotFinite,
    /// A calibration with impossible numbers.
    #[error("the model's calibration is not valid; calibrate it again")]
    Calibration,
    /// The number of bands in the metadata is not that of the network's channels.
    #[error("the network has {channels} channels, but the model's {what} has {found} bands")]
    Bands {
        /// Channels of the network's input.
        channels: usize,
        /// The part of the metadata: bands, stretch or sky.
        what: &'static str,
        /// Its number of bands.
        found: usize,
    },
    /// The model file cannot be encoded.
    #[error("the model cannot be encoded")]
    Encode(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A network that is not valid.
    #[error(transparent)]
    Network(#[from] crate::nn::Error),
    /// A file or folder that cannot be written.
    #[error(transparent)]
    Files(#[from] crate::files::Error),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] crate::device::Error),
    /// Predictions that nothing can be computed from.
    #[error(transparent)]
    Posterior(#[from] crate::posterior::Error),
}

impl Error {
    /// Whether a device failed, see [`crate::device::Error::is_failure`].
    pub fn is_device_failure(&self) -> bool {
        matches!(self, Error::Device(error) if error.is_failure())
    }
}
