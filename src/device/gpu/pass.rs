//! A pass: one compute dispatch, as data.

use crate::plan::TensorId;

/// One dispatch. The engine compiles `entry` of `shaders/{shader}` for `constants`, binds `buffers` to group 0 in order, and
/// dispatches `grid` workgroups per member.
#[derive(Clone, Debug, PartialEq)]
pub struct Pass {
    /// File in `shaders/`.
    pub shader: &'static str,
    /// Entry point of the kernel.
    pub entry: &'static str,
    /// Constants of the kernel, by name.
    pub constants: Vec<(&'static str, Constant)>,
    /// Buffers of the kernel, in the order of their bindings.
    pub buffers: Vec<Binding>,
    /// Workgroups on x and y; the member is on z.
    pub grid: [u32; 2],
}

/// A tensor, with the name and the access of the kernel's variable. A pass binds a tensor that it writes only once, because
/// wgpu does not allow a dispatch to read and write a buffer through two bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Name of the kernel's variable.
    pub name: &'static str,
    /// The tensor that is bound to it.
    pub tensor: TensorId,
    /// Access of the kernel's variable.
    pub access: Access,
    /// Whether the tensor is stored as f16.
    pub half: bool,
}

/// How a kernel accesses a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `var<storage, read>`.
    Read,
    /// `var<storage, read_write>`.
    ReadWrite,
}

impl Binding {
    /// A tensor that the kernel reads.
    pub fn read(name: &'static str, tensor: TensorId) -> Binding {
        Binding {
            name,
            tensor,
            access: Access::Read,
            half: false,
        }
    }

    /// A tensor that the kernel writes, or reads and writes.
    pub fn write(name: &'static str, tensor: TensorId) -> Binding {
        Binding {
            name,
            tensor,
            access: Access::ReadWrite,
            half: false,
        }
    }
}

/// A compile-time constant of a kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Constant {
    /// `const NAME: u32`.
    U32(u32),
    /// `const NAME: f32`.
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
