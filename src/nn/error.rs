//! What can be wrong with a network.

use super::{MAX_KERNEL, MAX_STRIDE, Shape};

/// A network that cannot be read, or whose layers do not fit each other or the data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A network file that is not TOML, or has a layer or a key that does not exist.
    #[error("this is not a network file")]
    Toml(#[source] toml::de::Error),
    /// The `network` metadata of a model file or a recording.
    #[error("the network in the metadata cannot be read")]
    Json(#[source] serde_json::Error),
    /// An input that is neither an image nor a list of features.
    #[error("the network's input must be [height, width, channels] or [features], all at least 1; it is {0:?}")]
    Input(Vec<usize>),
    /// An input of more than 2^31 values.
    #[error("the network's input of {0:?} is too large: more than 2^31 values")]
    InputTooLarge(Vec<usize>),
    /// One layer that does not fit, by its place in the list, counted from 1.
    #[error("layer {number} ({label}): {problem}")]
    Layer {
        number: usize,
        label: String,
        problem: Problem,
    },
    /// No heads, several, or something behind them.
    #[error(
        "a network must end with its heads, and have one of them: \
         {{ layer = \"heads\", mean = \"mean\", var = \"var\" }}"
    )]
    Heads,
    /// A name that cannot be that of a tensor.
    #[error("layer name {0:?}: use letters, digits, '_' and '-' (it becomes the name of tensors)")]
    Name(String),
    /// A name that two layers have.
    #[error("two layers have the name {0:?}; names must differ")]
    DuplicateName(String),
    /// A tensor of weights of more than 2^31 values.
    #[error("{name} of shape {shape:?} is too large: more than 2^31 values")]
    TensorTooLarge { name: String, shape: Vec<usize> },
}

/// What is wrong with one layer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A layer on images behind `flatten`, a dense layer or a global average pooling.
    #[error("it needs an image, and is given the features behind flatten, a dense layer or a global pooling")]
    NeedsImage,
    /// A layer on features that is given an image.
    #[error("it needs features; put {{ layer = \"flatten\" }} before it")]
    NeedsFeatures,
    /// A size of 0.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// A kernel whose tiles would not fit the workgroup memory of every GPU.
    #[error(
        "kernels of up to {MAX_KERNEL}x{MAX_KERNEL} are possible: their tiles must fit every GPU's workgroup memory; \
         use several smaller ones"
    )]
    KernelTooLarge,
    /// A stride larger than any that the kernels are made for.
    #[error("strides of up to {MAX_STRIDE} are possible")]
    StrideTooLarge,
    /// A kernel larger than its input, without padding.
    #[error(
        "a kernel of {kernel}x{kernel} does not fit its input of {input}; use a smaller kernel, less pooling before it \
         or padding = \"same\""
    )]
    KernelDoesNotFit { kernel: usize, input: Shape },
    /// A pooling window larger than its input.
    #[error("a window of {size}x{size} does not fit its input of {input}")]
    WindowDoesNotFit { size: usize, input: Shape },
    /// `input` or `with` of a name that no earlier layer has.
    #[error("no earlier layer has the name {0:?}")]
    UnknownLayer(String),
    /// An addition or concatenation of values that do not fit each other.
    #[error("its two inputs have the shapes {0} and {1}: {2}")]
    ShapesDiffer(Shape, Shape, &'static str),
    /// A layer whose output no other layer takes.
    #[error("no layer takes its output: remove it, or name it as the input of a later one")]
    Unused,
    /// A floor of the variance that is not positive.
    #[error("var_floor must be positive; it is {0}")]
    VarFloor(f32),
    /// A ceiling of the variance that is not positive.
    #[error("var_ceiling must be positive; it is {0}")]
    VarCeiling(f32),
    /// A range of the mean that is empty.
    #[error("mean_range must be two numbers in ascending order; it is [{0}, {1}]")]
    MeanRange(f32, f32),
    /// A log-normal likelihood with a mean that cannot be negative.
    #[error(
        "the logarithm of a label has either sign: use mean_activation = \"bounded\" or \"identity\" with likelihood = \
        \"log-normal\""
    )]
    LogarithmNeedsIdentity,
    /// An output of more than 2^31 values.
    #[error("its output of {0} is too large: more than 2^31 values for one image")]
    OutputTooLarge(Shape),
}

/// A result with a network's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
