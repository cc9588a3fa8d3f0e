//! A pass: one compute dispatch, as data.

use crate::plan::TensorId;

/// One dispatch. The engine compiles `entry` of `shaders/{shader}` with `constants` put in front, binds `buffers` to
/// group 0 in order, and dispatches `grid` workgroups for one member, the member on z.
#[derive(Clone, Debug, PartialEq)]
pub struct Pass {
    pub shader: &'static str,
    pub entry: &'static str,
    pub constants: Vec<(&'static str, Constant)>,
    pub buffers: Vec<Binding>,
    /// Workgroups on x and y; z is the number of members, always.
    pub grid: [u32; 2],
}

/// A tensor under the name and with the access of a kernel's variable. What a pass writes it binds once, for wgpu lets
/// no dispatch read and write one buffer through two bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    pub name: &'static str,
    pub tensor: TensorId,
    pub access: Access,
}

/// `var<storage, read>` or `var<storage, read_write>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    ReadWrite,
}

impl Binding {
    pub fn read(name: &'static str, tensor: TensorId) -> Binding {
        Binding {
            name,
            tensor,
            access: Access::Read,
        }
    }

    /// Also for what a kernel reads and writes.
    pub fn write(name: &'static str, tensor: TensorId) -> Binding {
        Binding {
            name,
            tensor,
            access: Access::ReadWrite,
        }
    }
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
