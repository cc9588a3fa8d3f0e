//! What branches of a network do when they meet: add, concatenate, and pass gradients on.

use crate::plan::TensorId;

/// out = a + b, value by value.
#[derive(Clone, Debug, PartialEq)]
pub struct AddForward {
    pub layer: String,
    pub len: usize,
    /// The two may be one tensor.
    pub a: TensorId,
    pub b: TensorId,
    pub out: TensorId,
}

operation!(AddForward, "add_forward", |op| &op.layer, values: |op| 3 * op.len);

/// `to[r, to_first + c] = from[r, from_first + c]`, or += if `accumulate`, for all rows r and `channels` channels c; where
/// there is a `gate`, only where `gate[r, to_first + c] > 0`, else 0.
///
/// Concatenation is two of them, and so is its gradient; the gradient of an addition is one per input.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelCopy {
    pub layer: String,
    pub rows: usize,
    pub channels: usize,
    /// (rows, from_channels).
    pub from: TensorId,
    pub from_channels: usize,
    pub from_first: usize,
    /// (rows, to_channels); never `from`.
    pub to: TensorId,
    pub to_channels: usize,
    pub to_first: usize,
    /// (rows, to_channels): the value whose gradient `to` is, if it came out of a fused ReLU.
    pub gate: Option<TensorId>,
    pub accumulate: bool,
}

operation!(ChannelCopy, "channel_copy", |op| &op.layer, values: |op| 2 * op.rows * op.channels);
