//! The layers, one file each: its keys in a network file, what it makes of its input's shape, its tensors, and the
//! operations of its forward and its backward pass.
//!
//! To add a layer: a file here with an implementation of `LayerKind`, a line in the list below, and its operations
//! (`src/plan/network/`).

mod activation;
mod average_pool;
mod branch;
mod conv;
mod dense;
mod flatten;
mod heads;
mod max_pool;
mod norm;

pub use activation::ActivationLayer;
pub use average_pool::{AveragePool, GlobalAveragePool};
pub use branch::{Add, Concat};
pub use conv::Conv;
pub use dense::Dense;
pub use flatten::Flatten;
pub use heads::{Heads, MeanActivation, VAR_CEILING, VarActivation};
pub use max_pool::MaxPool;
pub use norm::{NORM_EPSILON, NORM_MOMENTUM, Norm};

use super::builder::Builder;
use super::error::Problem;
use super::graph::Node;
use super::layout::Tensors;
use super::{Result, Shape};
use crate::plan::{Activation, TensorId};
use serde::{Deserialize, Serialize};

/// The keys that all kinds of layers have in common.
#[derive(Clone, Copy)]
pub(super) struct Keys<'a> {
    /// The beginning of its name if it has none of its own.
    pub kind: &'static str,
    pub name: Option<&'a str>,
    /// The layer whose output it takes, if not that of the layer before it.
    pub input: Option<&'a str>,
    /// The layer that its second input comes from, for a layer with two.
    pub with: Option<&'a str>,
}

/// What a kind of layer must know and do.
pub(super) trait LayerKind {
    /// What it is called, and where its inputs come from.
    fn keys(&self) -> Keys<'_>;

    /// One line for display, without the name: `32 filters of 3x3, relu`.
    fn describe(&self) -> String;

    /// The shape of its output.
    fn output(&self, inputs: &[Shape]) -> std::result::Result<Shape, Problem>;

    /// Adds its tensors to a member's rows.
    fn tensors(&self, _input: Shape, _name: &str, _tensors: &mut Tensors) -> Result<()> {
        Ok(())
    }

    /// Adds the operations of its forward pass to the plan.
    fn forward(&self, b: &mut Builder, node: &Node);

    /// Adds the operations of its backward pass: gradients of its tensors, if the node is trained, and of its inputs, as
    /// far as they are needed. `dout` is the gradient at its output.
    fn backward(&self, b: &mut Builder, node: &Node, dout: TensorId);
}

/// The list of layers: the variants of [`Layer`], and which implementation serves each.
macro_rules! layers {
    ($($(#[$meta:meta])* $variant:ident($kind:ident),)*) => {
        /// One layer of a network file, by its key `layer`.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "layer", rename_all = "snake_case")]
        pub enum Layer {
            $($(#[$meta])* $variant($kind),)*
        }

        impl Layer {
            pub(super) fn kind(&self) -> &dyn LayerKind {
                match self {
                    $(Layer::$variant(layer) => layer,)*
                }
            }
        }
    };
}

layers! {
    /// Convolution with a square kernel.
    Conv(Conv),
    /// Batch norm over the channels.
    Norm(Norm),
    /// Max pooling.
    Maxpool(MaxPool),
    /// Average pooling.
    Avgpool(AveragePool),
    /// The mean of each channel.
    GlobalAveragePool(GlobalAveragePool),
    /// An image to features.
    Flatten(Flatten),
    /// A dense layer.
    Dense(Dense),
    /// An activation on its own.
    Activation(ActivationLayer),
    /// The sum of two values.
    Add(Add),
    /// The channels of two values.
    Concat(Concat),
    /// The end of every network.
    Heads(Heads),
}

impl Layer {
    pub(super) fn keys(&self) -> Keys<'_> {
        self.kind().keys()
    }

    /// What stands before the dot in the names of its tensors; nothing for a layer without a name.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Layer::Heads(heads) => [&heads.mean, &heads.var]
                .into_iter()
                .chain(&heads.lens)
                .map(String::as_str)
                .collect(),
            _ => self.keys().name.into_iter().collect(),
        }
    }

    /// The name of the lens head, if these are heads that have one.
    pub(super) fn lens_head(&self) -> Option<&str> {
        match self {
            Layer::Heads(heads) => heads.lens.as_deref(),
            _ => None,
        }
    }

    /// One line for display: `conv1: 32 filters of 3x3, relu`.
    pub fn label(&self) -> String {
        let text = self.kind().describe();
        match self.keys().name {
            Some(name) => format!("{name}: {text}"),
            None => text,
        }
    }
}

/// As a network file writes it.
fn activation_name(activation: Activation) -> &'static str {
    match activation {
        Activation::Linear => "linear",
        Activation::Relu => "relu",
        Activation::LeakyRelu => "leaky_relu",
        Activation::Silu => "silu",
    }
}

/// An image, or the problem that there is none.
fn image(input: Shape) -> std::result::Result<Shape, Problem> {
    if input.flat {
        Err(Problem::NeedsImage)
    } else {
        Ok(input)
    }
}

/// Features, or the problem that there are none.
fn features(input: Shape) -> std::result::Result<Shape, Problem> {
    if input.flat {
        Ok(input)
    } else {
        Err(Problem::NeedsFeatures)
    }
}

/// `size`, or the problem that it is 0.
fn positive(size: usize, what: &'static str) -> std::result::Result<usize, Problem> {
    if size > 0 { Ok(size) } else { Err(Problem::Zero(what)) }
}

/// For serde: whether a key has its default and is left out.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
