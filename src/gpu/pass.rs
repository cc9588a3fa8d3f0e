//! A pass: one compute dispatch, as data.

use crate::plan::TensorId;

/// One dispatch. The engine compiles `entry` of `shaders/{shader}` with `constants` put in front, binds `buffers` to
/// group 0 in order, and dispatches `grid` workgroups for one member, the member on z.
#[derive(Clone, Debug)]
pub struct Pass {
    pub shader: &'static str,
    pub entry: &'static str,
    pub constants: Vec<(&'static str, Constant)>,
    pub buffers: Vec<TensorId>,
    /// Workgroups on x and y; z is the number of members, always.
    pub grid: [u32; 2],
}

/// A compile-time constant of a kernel: `const NAME: u32 = ...;` or `const NAME: f32 = ...;`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Constant {
    U32(u32),
    F32(f32),
}

impl From<usize> for Constant {
    /// Sizes of a plan are checked to fit 32 bits before it is lowered.
    fn from(n: usize) -> Constant {
        Constant::U32(u32::try_from(n).expect("sizes of a plan fit 32 bits"))
    }
}

impl From<u32> for Constant {
    fn from(n: u32) -> Constant {
        Constant::U32(n)
    }
}

impl From<bool> for Constant {
    fn from(yes: bool) -> Constant {
        Constant::U32(yes.into())
    }
}

impl From<f32> for Constant {
    fn from(x: f32) -> Constant {
        Constant::F32(x)
    }
}
