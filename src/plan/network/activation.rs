//! Activations as layers of their own.

use crate::plan::TensorId;
use serde::{Deserialize, Serialize};

/// Slope of [`Activation::LeakyRelu`] below 0, as that of Keras' `leaky_relu` function.
pub const LEAKY_SLOPE: f32 = 0.2;

/// f of one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// f(x) = x.
    #[default]
    Linear,
    /// f(x) = x where x > 0, else 0.
    Relu,
    /// f(x) = x where x > 0, else [`LEAKY_SLOPE`] x.
    LeakyRelu,
    /// f(x) = x / (1 + exp(-x)) (Elfwing et al. 2018, arXiv 1702.03118).
    Silu,
}

/// out = f(x), value by value. A NaN stays a NaN.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivationForward {
    pub layer: String,
    pub len: usize,
    pub activation: Activation,
    pub x: TensorId,
    pub out: TensorId,
}

operation!(ActivationForward, "activation_forward", |op| &op.layer, values: |op| 2 * op.len);

/// dx = dout f'(x), value by value, with f'(0) = 0 for relu and [`LEAKY_SLOPE`] for leaky relu (as in TensorFlow); gated
/// by x > 0 if `gate`.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivationGradInput {
    pub layer: String,
    pub len: usize,
    pub activation: Activation,
    pub x: TensorId,
    pub dout: TensorId,
    pub gate: bool,
    pub dx: TensorId,
    pub accumulate: bool,
}

operation!(ActivationGradInput, "activation_grad_input", |op| &op.layer, values: |op| 3 * op.len);
