//! What all operations have in common.

use super::{LensOp, NetworkOp, TensorId};

/// One operation of a plan, for all members: a network's or the simulator's.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Of a network's training step or inference pass.
    Network(NetworkOp),
    /// Of the simulator.
    Lens(LensOp),
}

/// What is known of an operation without running it.
pub trait Operation {
    /// The name of its kernels, its reference and its line in the benchmark.
    fn name(&self) -> &'static str;

    /// The layer that it belongs to, for display.
    fn layer(&self) -> &str;

    /// Floating point operations per member, a multiply-add counted as two; 0 for operations bound by memory.
    fn flops(&self) -> f64 {
        0.0
    }

    /// Values per member that it cannot do without reading or writing, each counted once; 0 if that is not what limits it.
    fn values(&self) -> usize {
        0
    }
}

impl Op {
    fn operation(&self) -> &dyn Operation {
        match self {
            Op::Network(op) => op.operation(),
            Op::Lens(op) => op.operation(),
        }
    }

    /// See [`Operation::name`].
    pub fn name(&self) -> &'static str {
        self.operation().name()
    }

    /// See [`Operation::layer`].
    pub fn layer(&self) -> &str {
        self.operation().layer()
    }

    /// See [`Operation::flops`].
    pub fn flops(&self) -> f64 {
        self.operation().flops()
    }

    /// See [`Operation::values`].
    pub fn values(&self) -> usize {
        self.operation().values()
    }
}

/// A part of a member's row of parameters or gradients, from `offset` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The tensor that holds the rows.
    pub tensor: TensorId,
    /// First value of the part in a member's row.
    pub offset: usize,
}

/// Implements [`Operation`] for one struct: its name, its layer, and its values and floating point operations if they count.
macro_rules! operation {
    ($op:ident, $name:literal, $layer:expr $(, values: $values:expr)? $(, flops: $flops:expr)?) => {
        impl $crate::plan::Operation for $op {
            fn name(&self) -> &'static str {
                $name
            }

            fn layer(&self) -> &str {
                let layer: fn(&$op) -> &str = $layer;
                layer(self)
            }

            $(fn flops(&self) -> f64 {
                let flops: fn(&$op) -> f64 = $flops;
                flops(self)
            })?

            $(fn values(&self) -> usize {
                let values: fn(&$op) -> usize = $values;
                values(self)
            })?
        }
    };
}

/// The enum of one kind of operations, from the list of their structs: each with its conversion to [`Op`].
macro_rules! operations {
    ($(#[$meta:meta])* $name:ident: $kind:ident { $($op:ident),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub enum $name {
            $(#[doc = concat!("See [`", stringify!($op), "`].")] $op($op)),*
        }

        impl $name {
            pub(super) fn operation(&self) -> &dyn Operation {
                match self {
                    $($name::$op(op) => op),*
                }
            }
        }

        $(impl From<$op> for Op {
            fn from(op: $op) -> Op {
                Op::$kind($name::$op(op))
            }
        })*
    };
}
