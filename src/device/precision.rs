//! How a device stores images and activations.

/// Of images and activations, of which a step reads and writes most bytes. Everything else, and all arithmetic, is f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits per value.
    #[default]
    F32,
    /// 16 bits per value: a relative error of up to 0.0005, no values beyond 65,504; half of the memory and its traffic.
    F16,
}

impl Precision {
    /// Every precision, in the order of the help.
    pub const ALL: [Precision; 2] = [Precision::F32, Precision::F16];

    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::F16 => "f16",
        }
    }

    /// A line for the help.
    pub fn summary(self) -> &'static str {
        match self {
            Precision::F32 => "32 bits per value",
            Precision::F16 => "16 bits per value: half of the memory and its traffic, on GPUs that can",
        }
    }
}
