//! What can go wrong with a recording, the self test or the benchmark.

use safetensors::SafeTensorError;
use safetensors::tensor::Dtype;
use std::io;
use std::path::PathBuf;

/// An error of the self test or the benchmark.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A recording's file cannot be read.
    #[error("{}: the recording cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A recording's file was read and is not valid.
    #[error("{}", path.display())]
    InRecording {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// Bytes that are not a safetensors file, or not all of one.
    #[error("not a complete safetensors file: it is cut short, damaged or of a different format")]
    Safetensors(#[source] SafeTensorError),
    /// A recording lacks an entry of its metadata.
    #[error("the metadata have no '{key}': this is not a recorded training step")]
    MetadataMissing {
        /// The entry.
        key: &'static str,
    },
    /// An entry of the metadata cannot be parsed.
    #[error("'{key}' in the metadata cannot be parsed: {text:?}")]
    MetadataSyntax {
        /// The entry.
        key: &'static str,
        /// Its text.
        text: String,
        /// Why.
        source: serde_json::Error,
    },
    /// An entry of the metadata has a value with which no step can be replayed.
    #[error("'{key}' in the metadata is {found}; expected {expected}")]
    MetadataValue {
        /// The entry.
        key: &'static str,
        /// Its value.
        found: String,
        /// Which values are possible.
        expected: String,
    },
    /// A recording lacks an input or a weight.
    #[error("tensor {name} is missing, which the recorded network needs")]
    TensorMissing {
        /// The tensor.
        name: String,
    },
    /// A tensor whose type or shape is not that of the recorded network, members and batch.
    #[error("tensor {name} is {dtype:?} {shape:?}; the recorded network, members and batch require F32 {expected:?}")]
    TensorType {
        /// The tensor.
        name: String,
        /// Its type.
        dtype: Dtype,
        /// Its shape.
        shape: Vec<usize>,
        /// The shape that it must have.
        expected: Vec<usize>,
    },
    /// A recorded value that is NaN or infinite.
    #[error("tensor {name} has the value {value} at index {index} of {len}")]
    NotFinite {
        /// The tensor.
        name: String,
        /// The value.
        value: f32,
        /// Where it is in the flattened tensor.
        index: usize,
        /// How many values the tensor has.
        len: usize,
    },
    /// A benchmark without members, images or steps.
    #[error("the number of {name} is 0; it must be at least 1")]
    ZeroCount {
        /// `members`, `batch` or `steps`.
        name: &'static str,
    },
    /// The network of a recording cannot be used.
    #[error(transparent)]
    Network(#[from] crate::nn::Error),
    /// The benchmark of the simulator failed.
    #[error(transparent)]
    Lens(#[from] crate::lens::Error),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] crate::device::Error),
}

pub(super) type Result<T, E = Error> = std::result::Result<T, E>;
